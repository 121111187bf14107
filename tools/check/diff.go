package check

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

const (
	longest  = 24 // bytes that Bytes shows in full
	byteSpan = 16 // bytes shown of each side of a difference, around it
	textSpan = 60 // characters, likewise
)

// Bytes writes bytes for a step: "03 00 00 00 68 69 21", the beginning and the end of long ones,
// "(nothing)".
func Bytes(b []byte) string {
	switch {
	case len(b) == 0:
		return "(nothing)"
	case len(b) <= longest:
		return fmt.Sprintf("% x", b)
	}
	return fmt.Sprintf("% x … % x (%d bytes)", b[:longest/2], b[len(b)-4:], len(b))
}

// Pieces writes the pieces of a stream with bars between them: "03 00 | 00 00 68 69 21", and the
// beginning of a long one.
func Pieces(pieces [][]byte) string {
	if len(pieces) == 1 {
		return Bytes(pieces[0])
	}
	var parts []string
	shown, total := 0, 0
	for _, p := range pieces {
		total += len(p)
		if len(parts) < longest && shown < longest {
			parts = append(parts, Bytes(p))
			shown += len(p)
		}
	}
	text := strings.Join(parts, " | ")
	if len(parts) < len(pieces) {
		text += fmt.Sprintf(" | … (%d bytes in %d pieces)", total, len(pieces))
	}
	return text
}

// diffBytes shows got and want around the first byte that differs, with a caret under it.
func diffBytes(got, want []byte) string {
	show := func(b []byte, wide int) string {
		return fmt.Sprintf("%-*s  %-*s", 3*wide-1, fmt.Sprintf("% x", b), wide+2, printable(b))
	}
	return diff(got, want, byteSpan, "byte", "^^", show, func(b []byte) int { return 3 * len(b) })
}

// diffText shows got and want, quoted, around the first character that differs, with a caret under it.
func diffText(got, want string) string {
	show := func(all []string, _ int) string { return `"` + strings.Join(all, "") + `"` }
	width := func(all []string) int { return 1 + utf8.RuneCountInString(strings.Join(all, "")) }
	return diff(quotedRunes(got), quotedRunes(want), textSpan, "character", "^", show, width)
}

// diff shows at most that many things of each side. width is how many columns show takes in front of the
// first one that differs, for those that come before it.
func diff[E comparable](got, want []E, most int, thing, caret string,
	show func(things []E, wide int) string, width func(before []E) int,
) string {
	first := 0
	for first < min(len(got), len(want)) && got[first] == want[first] {
		first++
	}
	from := max(0, first-most/2)
	wide := min(most, max(len(got), len(want))-from)
	column := width(want[from:first])
	before := ""
	if from > 0 {
		before = "… "
		column += 2
	}
	side := func(all []E) string {
		if len(all) == 0 {
			return "(nothing)"
		}
		after := ""
		if from+wide < len(all) {
			after = " …"
		}
		shown := show(all[min(from, len(all)):min(from+wide, len(all))], wide)
		return fmt.Sprintf("%s%s%s (%s in all)", before, shown, after, count(len(all), thing))
	}
	return fmt.Sprintf("got   %s\nwant  %s\n      %s%s the first difference: %s %d",
		side(got), side(want), strings.Repeat(" ", column), caret, thing, first)
}

// count writes "1 byte" and "2 bytes".
func count(n int, thing string) string {
	if n != 1 {
		thing += "s"
	}
	return fmt.Sprintf("%d %s", n, thing)
}

// printable shows ASCII as it is and a dot for everything else, so that a character is a byte.
func printable(b []byte) string {
	b = slices.Clone(b)
	for i, x := range b {
		if x < ' ' || x > '~' {
			b[i] = '.'
		}
	}
	return `"` + string(b) + `"`
}

// quotedRunes returns each character as it stands inside a quoted string: "\n" is one.
func quotedRunes(s string) (all []string) {
	for len(s) > 0 {
		r, n := utf8.DecodeRuneInString(s)
		q := fmt.Sprintf("%+q", s[:n])
		if r >= utf8.RuneSelf && r != utf8.RuneError {
			q = `"` + s[:n] + `"`
		}
		all = append(all, q[1:len(q)-1])
		s = s[n:]
	}
	return all
}

// visible writes what would colour or move the terminal, or begin a new line, as Go does in quotes:
// \x1b, \n.
func visible(s string) string {
	var b strings.Builder
	for _, r := range s {
		if r == '\t' || unicode.IsPrint(r) {
			b.WriteRune(r)
			continue
		}
		quoted := strconv.QuoteRune(r)
		b.WriteString(quoted[1 : len(quoted)-1])
	}
	return b.String()
}
