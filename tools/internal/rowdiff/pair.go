package rowdiff

import (
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/aymanbagabas/go-udiff/lcs"
	"golang.org/x/text/unicode/norm"
)

const (
	// alike is how much two lines must have in common, from 0 to 1, to stand beside each other as one
	// changed line. Lower, and marking what differs turns unlike lines into confetti.
	alike = 0.5
	// maxPairs bounds the work for one hunk, in comparisons of two lines: about 300 lines against 300.
	maxPairs = 100_000
	// maxLineTokens bounds the work for one line; a longer one (data, not prose or code) is compared as
	// a whole.
	maxLineTokens = 2000
)

// pairs picks, in a hunk, the old and new lines that stand beside each other: in order, and so that the
// sum of their likenesses is greatest. Indexes count from the beginning of the hunk.
func pairs(a, b []string) []pair {
	if len(a) == 0 || len(b) == 0 {
		return nil
	}
	if len(a)*len(b) > maxPairs {
		return matches(skeletons(a), skeletons(b)) // a text that was only indented anew, say
	}
	linesA, linesB := words(a), words(b)
	like := make([][]float64, len(a))
	best := make([][]float64, len(a)+1) // best[i][j]: the greatest sum for a[i:] and b[j:]
	best[len(a)] = make([]float64, len(b)+1)
	for i := len(a) - 1; i >= 0; i-- {
		like[i], best[i] = make([]float64, len(b)), make([]float64, len(b)+1)
		for j := len(b) - 1; j >= 0; j-- {
			like[i][j] = likeness(linesA[i], linesB[j])
			best[i][j] = max(best[i+1][j], best[i][j+1])
			if like[i][j] >= alike {
				best[i][j] = max(best[i][j], like[i][j]+best[i+1][j+1])
			}
		}
	}
	var out []pair
	for i, j := 0, 0; i < len(a) && j < len(b); {
		switch {
		case like[i][j] >= alike && best[i][j] == like[i][j]+best[i+1][j+1]:
			out = append(out, pair{i, j})
			i, j = i+1, j+1
		case best[i][j] == best[i+1][j]:
			i++
		default:
			j++
		}
	}
	return out
}

// bag is a line as the set of its tokens without white space, sorted.
type bag struct {
	text   string // the line's skeleton
	tokens []string
	weight int // bytes in all tokens
}

func words(lines []string) []bag {
	bags := make([]bag, len(lines))
	for i, line := range lines {
		b := &bags[i]
		b.text = Skeleton(line)
		b.tokens = slices.DeleteFunc(tokens(line), func(s string) bool { return strings.TrimSpace(s) == "" })
		slices.Sort(b.tokens)
		for _, t := range b.tokens {
			b.weight += len(t)
		}
	}
	return bags
}

// likeness is how much of two lines is the same, by the bytes of the tokens that both have (Dice's
// coefficient): 0 to 1. Lines that share only punctuation are not alike; lines with the same skeleton
// are the same.
func likeness(a, b bag) float64 {
	switch {
	case a.text == b.text:
		return 1
	case a.weight == 0 || b.weight == 0:
		return 0
	}
	shared, word := 0, false
	for i, j := 0, 0; i < len(a.tokens) && j < len(b.tokens); {
		switch c := strings.Compare(a.tokens[i], b.tokens[j]); {
		case c < 0:
			i++
		case c > 0:
			j++
		default:
			shared += len(a.tokens[i])
			word = word || isWord(a.tokens[i])
			i, j = i+1, j+1
		}
	}
	if !word {
		return 0
	}
	return 2 * float64(shared) / float64(a.weight+b.weight)
}

// Skeleton is what a person tells a line by: two lines with the same skeleton differ in white space, or
// in characters that look the same. It has no white space and nothing that is never seen, letters are
// composed with their accents (Unicode Standard Annex 15, NFC), and Latin stands for the Greek and
// Cyrillic letters that are drawn like it.
func Skeleton(line string) string {
	if !strings.ContainsFunc(line, func(r rune) bool { return r >= utf8.RuneSelf }) {
		return strings.Join(strings.Fields(line), "")
	}
	return strings.Map(func(r rune) rune {
		switch {
		case unicode.IsSpace(r), r == '\u2800',
			unicode.In(r, unicode.Cf, unicode.Variation_Selector, unicode.Other_Default_Ignorable_Code_Point):
			return -1
		case latin[r] != 0:
			return latin[r]
		}
		return r
	}, norm.NFC.String(line))
}

// latin has the Latin letter for each letter of other scripts that looks like it.
var latin = func() map[rune]rune {
	letters := make(map[rune]rune)
	from := []rune("АВЕЅІЈКМНОРСТХаеѕіјорсухΑΒΕΖΗΙΚΜΝΟΡΤΥΧο")
	to := []rune("ABESIJKMHOPCTXaesijopcyxABEZHIKMNOPTYXo")
	for i, r := range from {
		letters[r] = to[i]
	}
	return letters
}()

func skeletons(lines []string) []string {
	out := make([]string, len(lines))
	for i, line := range lines {
		out[i] = Skeleton(line)
	}
	return out
}

func isWord(token string) bool {
	r, _ := utf8.DecodeRuneInString(token)
	return r == '_' || unicode.IsLetter(r) || unicode.IsNumber(r)
}

// tokens cuts a line into words, runs of white space and single other characters. Each Chinese or
// Japanese character is a token, since those languages put no spaces between words. A combining mark
// stays with the character before it; the line ending is a token of its own.
func tokens(line string) []string {
	var out []string
	start, last := 0, 0 // where the token began, and what the character before was
	for i, r := range line {
		k := kindOf(r)
		if i > start && k != combining && (k != last || k == single) {
			out = append(out, line[start:i])
			start = i
		}
		if k != combining {
			last = k
		}
	}
	if start < len(line) {
		out = append(out, line[start:])
	}
	if len(out) > maxLineTokens {
		return []string{line}
	}
	return out
}

const (
	single = iota // a token by itself
	word
	space
	ending
	combining
)

func kindOf(r rune) int {
	switch {
	case r == '\r' || r == '\n':
		return ending
	case unicode.IsSpace(r):
		return space
	case unicode.Is(unicode.M, r) || r == '\u200d': // and the joiner inside an emoji
		return combining
	case unicode.In(r, unicode.Han, unicode.Hiragana, unicode.Katakana):
		return single
	case r == '_' || unicode.IsLetter(r) || unicode.IsNumber(r):
		return word
	}
	return single
}

// emphasis compares two lines token by token and returns what differs in each.
func emphasis(a, b string) (inA, inB []Span) {
	ta, tb := tokens(a), tokens(b)
	ids := make(map[string]rune)
	atA, atB := offsets(ta), offsets(tb)
	for _, c := range lcs.DiffRunes(intern(ids, ta), intern(ids, tb)) {
		inA = appendSpan(inA, a, Span{atA[c.Start], atA[c.End]})
		inB = appendSpan(inB, b, Span{atB[c.ReplStart], atB[c.ReplEnd]})
	}
	return inA, inB
}

// offsets returns where each token begins in the line, and where the last one ends.
func offsets(tokens []string) []int {
	at := make([]int, len(tokens)+1)
	for i, t := range tokens {
		at[i+1] = at[i] + len(t)
	}
	return at
}

// appendSpan adds a span, joined with the one before where at most two characters that are no word lie
// between them: three marks in "(a, b)" read worse than one.
func appendSpan(spans []Span, line string, s Span) []Span {
	if s.Start == s.End {
		return spans
	}
	if n := len(spans); n > 0 {
		between := line[spans[n-1].End:s.Start]
		if len(between) <= 2 && !strings.ContainsFunc(between,
			func(r rune) bool { return isWord(string(r)) }) {
			spans[n-1].End = s.End
			return spans
		}
	}
	return append(spans, s)
}
