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
	first, from := differ(got, want, byteSpan)
	wide := min(byteSpan, max(len(got), len(want))-from)
	caret := strings.Repeat(" ", 3*(first-from)) + "^^"
	if from > 0 {
		caret = "  " + caret
	}
	side := func(b []byte) string {
		shown := b[min(from, len(b)):min(from+wide, len(b))]
		columns := fmt.Sprintf("%-*s  %-*s", 3*wide-1, fmt.Sprintf("% x", shown), wide+2, printable(shown))
		return span(len(b), from, wide, "byte", columns)
	}
	return fmt.Sprintf(
		"got   %s\nwant  %s\n      %s the first difference: byte %d",
		side(got),
		side(want),
		caret,
		first,
	)
}

// diffText shows got and want, quoted, around the first character that differs, with a caret under it.
func diffText(got, want string) string {
	g, w := quotedRunes(got), quotedRunes(want)
	first, from := differ(g, w, textSpan)
	caret := strings.Repeat(
		" ",
		1+utf8.RuneCountInString(strings.Join(w[from:min(first, len(w))], "")),
	) + "^"
	if from > 0 {
		caret = "  " + caret
	}
	side := func(all []string) string {
		shown := all[min(from, len(all)):min(from+textSpan, len(all))]
		return span(len(all), from, textSpan, "character", `"`+strings.Join(shown, "")+`"`)
	}
	return fmt.Sprintf(
		"got   %s\nwant  %s\n      %s the first difference: character %d",
		side(g),
		side(w),
		caret,
		first,
	)
}

// differ returns where two sides begin to differ, and where to begin to show them.
func differ[S ~[]E, E comparable](got, want S, wide int) (first, from int) {
	for first < min(len(got), len(want)) && got[first] == want[first] {
		first++
	}
	return first, max(0, first-wide/2)
}

// span writes what is shown of a side of size things, and what is not.
func span(size, from, wide int, thing, shown string) string {
	if size == 0 {
		return "(nothing)"
	}
	if from > 0 {
		shown = "… " + shown
	}
	if from+wide < size {
		return fmt.Sprintf("%s … (%s in all)", shown, count(size, thing))
	}
	return fmt.Sprintf("%s (%s in all)", shown, count(size, thing))
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
