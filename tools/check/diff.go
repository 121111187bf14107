package check

import (
	"fmt"
	"strings"
	"unicode/utf8"
)

const (
	window   = 16 // bytes shown of each side of a difference, around it
	longest  = 24 // bytes that Bytes shows in full
	textSpan = 60 // characters shown of each side of a difference in text
)

// Bytes writes bytes for a step: "03 00 00 00 68 69 21", the beginning and the end of long ones, "(nothing)".
func Bytes(b []byte) string {
	switch {
	case len(b) == 0:
		return "(nothing)"
	case len(b) <= longest:
		return fmt.Sprintf("% x", b)
	}
	return fmt.Sprintf("% x … % x (%d bytes)", b[:longest/2], b[len(b)-4:], len(b))
}

// Pieces writes the pieces of a stream with bars between them: "03 00 | 00 00 68 69 21", and the beginning of a long one.
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
	first := 0
	for first < min(len(got), len(want)) && got[first] == want[first] {
		first++
	}
	from := max(0, first-window/2)
	caret := strings.Repeat(" ", 3*(first-from)) + "^^ the first difference: byte " + fmt.Sprint(first)
	if from > 0 {
		caret = "  " + caret
	}
	wide := min(window, max(len(got), len(want))-from)
	return fmt.Sprintf("got   %s\nwant  %s\n      %s", hexWindow(got, from, wide), hexWindow(want, from, wide), caret)
}

// hexWindow shows up to wide bytes of b from a place on, in columns as wide as if there were that many.
func hexWindow(b []byte, from, wide int) string {
	if len(b) == 0 {
		return "(nothing)"
	}
	from = min(from, len(b))
	to := min(len(b), from+wide)
	lead, tail := "", "(the end: "+count(len(b), "byte")+" in all)"
	if from > 0 {
		lead = "… "
	}
	if to < len(b) {
		tail = "… (" + count(len(b), "byte") + " in all)"
	}
	return fmt.Sprintf("%s%-*s  %-*s %s", lead, 3*wide-1, fmt.Sprintf("% x", b[from:to]), wide+2, printable(b[from:to]), tail)
}

// count writes "1 byte" and "2 bytes".
func count(n int, thing string) string {
	if n == 1 {
		return "1 " + thing
	}
	return fmt.Sprintf("%d %ss", n, thing)
}

// printable shows ASCII as it is and a dot for everything else, so that a character is a byte.
func printable(b []byte) string {
	s := make([]byte, len(b))
	for i, x := range b {
		s[i] = '.'
		if ' ' <= x && x <= '~' {
			s[i] = x
		}
	}
	return `"` + string(s) + `"`
}

// diffText shows got and want, quoted, around the first character that differs, with a caret under it.
func diffText(got, want string) string {
	g, w := quotedRunes(got), quotedRunes(want)
	first := 0
	for first < min(len(g), len(w)) && g[first] == w[first] {
		first++
	}
	from := max(0, first-textSpan/2)
	width := 0
	for _, q := range w[from:min(first, len(w))] {
		width += utf8.RuneCountInString(q)
	}
	if from > 0 {
		width += 2
	}
	return fmt.Sprintf("got   %s\nwant  %s\n       %s^ the first difference: character %d",
		textWindow(g, from), textWindow(w, from), strings.Repeat(" ", width), first)
}

// quotedRunes returns each character as it stands inside a quoted string: "\n" is one.
func quotedRunes(s string) []string {
	var all []string
	for len(s) > 0 {
		_, n := utf8.DecodeRuneInString(s)
		q := fmt.Sprintf("%+q", s[:n])
		if r, _ := utf8.DecodeRuneInString(s); r >= 0x80 && r != utf8.RuneError {
			q = `"` + s[:n] + `"`
		}
		all = append(all, q[1:len(q)-1])
		s = s[n:]
	}
	return all
}

func textWindow(runes []string, from int) string {
	if len(runes) == 0 {
		return "(nothing)"
	}
	from = min(from, len(runes))
	to := min(len(runes), from+textSpan)
	lead, tail := "", ""
	if from > 0 {
		lead = "… "
	}
	if to < len(runes) {
		tail = fmt.Sprintf(" … (%d characters in all)", len(runes))
	}
	return lead + `"` + strings.Join(runes[from:to], "") + `"` + tail
}
