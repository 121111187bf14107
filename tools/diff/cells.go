package main

import (
	"fmt"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/clipperhouse/displaywidth"

	"socketbook/tools/internal/gosyntax"
	"socketbook/tools/internal/rowdiff"
)

const tabWidth = 4 // columns

// cell is one character as a person sees it: a letter with its accents, an emoji with all its parts.
type cell struct {
	text   string
	width  int // columns on a terminal
	class  gosyntax.Class
	strong bool // differs from the line beside it
	escape bool // stands for something that cannot be printed
	at     int  // byte offset in the line
}

// cells cuts a line, without its line ending, into cells. Tabs become spaces; what would move the cursor,
// reorder the line or not be seen at all is written out.
func cells(line string) []cell {
	out := make([]cell, 0, len(line)+tabWidth)
	column := 0
	add := func(c cell) {
		out = append(out, c)
		column += c.width
	}
	for at := 0; at < len(line); {
		if ' ' <= line[at] && line[at] <= '~' && (at+1 == len(line) || line[at+1] < utf8.RuneSelf) {
			// ASCII, and nothing that could combine with it.
			add(cell{text: line[at : at+1], width: 1, at: at})
			at++
			continue
		}
		if line[at] == '\t' {
			for range tabWidth - column%tabWidth {
				add(cell{text: " ", width: 1, at: at})
			}
			at++
			continue
		}
		if text, size := escaped(line[at:]); size > 0 {
			for _, r := range text {
				add(cell{text: string(r), width: 1, escape: true, at: at})
			}
			at += size
			continue
		}
		cluster, width := firstCluster(line[at:])
		text := cluster
		if width == 0 { // an accent with no letter below it
			text, width = " "+cluster, 1
		}
		add(cell{text: text, width: width, at: at})
		at += len(cluster)
	}
	return out
}

// firstCluster returns the first grapheme cluster of s (Unicode Standard Annex 29) and its width. It
// ends before anything that must be written out: the library counts a broken byte to the character
// before it.
func firstCluster(s string) (cluster string, width int) {
	clusters := displaywidth.StringGraphemes(s)
	clusters.Next()
	cluster, width = clusters.Value(), clusters.Width()
	for i, r := range cluster {
		// Joiners belong to the character, and tags to a flag, such as that of Wales; elsewhere they hide.
		joins := r == '\u200c' || r == '\u200d' ||
			'\U000e0020' <= r && r <= '\U000e007f' && strings.HasPrefix(cluster, "🏴")
		if _, size := escaped(cluster[i:]); i > 0 && size > 0 && !joins {
			return cluster[:i], displaywidth.String(cluster[:i])
		}
	}
	return cluster, width
}

// escaped returns how to write the first character of s where it cannot be printed as it is, and its
// size in bytes; "", 0 where it can.
func escaped(s string) (text string, size int) {
	r, size := utf8.DecodeRuneInString(s)
	switch {
	case r == utf8.RuneError && size == 1:
		return fmt.Sprintf(`\x%02x`, s[0]), 1
	case r < ' ':
		return string('␀' + r), 1 // the pictures of the control characters follow their order
	case r == 0x7f:
		return "␡", 1
	case unicode.In(r, unicode.Cc, unicode.Cf, unicode.Zl, unicode.Zp, unicode.Co),
		unicode.Is(unicode.Noncharacter_Code_Point, r):
		return fmt.Sprintf("<U+%04X>", r), size
	}
	return "", 0
}

// shown is a name or another short text that came from outside, made fit to print on one line.
func shown(s string) string {
	var out strings.Builder
	for _, c := range cells(s) {
		out.WriteString(c.text)
	}
	return out.String()
}

// visible is a text of several lines in which whatever would control the terminal is written out.
func visible(text string) string {
	var out strings.Builder
	for at := 0; at < len(text); {
		instead, size := escaped(text[at:])
		if size == 0 || text[at] == '\n' || text[at] == '\t' {
			_, size = utf8.DecodeRuneInString(text[at:])
			instead = text[at : at+size]
		}
		out.WriteString(instead)
		at += size
	}
	return out.String()
}

// sideOf is one half of a row.
func sideOf(r rowdiff.Row, isNew bool) rowdiff.Side {
	if isNew {
		return r.New
	}
	return r.Old
}

// lineCells is a side of a row as cells: with its syntax, with what differs, and with the line ending
// where that differs.
func lineCells(r rowdiff.Row, isNew bool, syntax []gosyntax.Span) []cell {
	side := sideOf(r, isNew)
	text, hasEnd := strings.CutSuffix(side.Text, "\n")
	if side.Kind == rowdiff.Equal {
		text = strings.TrimSuffix(text, "\r")
	}
	out := cells(text)
	for i, next := 0, 0; i < len(out); i++ {
		for next < len(syntax) && syntax[next].End <= out[i].at {
			next++
		}
		if next < len(syntax) && syntax[next].Start <= out[i].at {
			out[i].class = syntax[next].Class
		}
	}
	for i, next := 0, 0; i < len(out); i++ {
		for next < len(side.Spans) && side.Spans[next].End <= out[i].at {
			next++
		}
		out[i].strong = next < len(side.Spans) && side.Spans[next].Start <= out[i].at
	}
	if lookAlike(r) {
		out = writtenOut(out, text)
	}
	if !hasEnd && side.Kind != rowdiff.Equal && side.Kind != rowdiff.Blank {
		for _, c := range cells(" (no newline at the end)") {
			c.escape, c.at = true, len(text)
			out = append(out, c)
		}
	}
	return out
}

// lookAlike reports whether nobody could see what differs between the two lines of a row: letters that
// look the same, or white space other than a plain change of its width.
func lookAlike(r rowdiff.Row) bool {
	a, b := r.Old.Text, r.New.Text
	beside := r.Old.Kind == rowdiff.Changed && r.New.Kind == rowdiff.Changed
	if !beside || rowdiff.Skeleton(a) != rowdiff.Skeleton(b) {
		return false
	}
	letters := func(line string) string { return strings.Join(strings.Fields(line), "") }
	return letters(a) != letters(b) || layout(a) == layout(b) ||
		indentedWithSpaces(a) != indentedWithSpaces(b)
}

// layout is where a line has something to see: a letter for each such column.
func layout(line string) string {
	var out strings.Builder
	for _, c := range cells(strings.TrimSuffix(line, "\n")) {
		sign := "x"
		if strings.TrimSpace(c.text) == "" {
			sign = " "
		}
		out.WriteString(strings.Repeat(sign, c.width))
	}
	return strings.TrimRight(out.String(), " ")
}

func indentedWithSpaces(line string) bool {
	return strings.Contains(line[:len(line)-len(strings.TrimLeft(line, " \t"))], " ")
}

// writtenOut makes visible what is in the cells of a line that differ: · for a space, → for a tab, and
// its number for whatever is not ASCII.
func writtenOut(line []cell, text string) []cell {
	var out []cell
	tabAt := -1
	for _, c := range line {
		switch {
		case !c.strong || c.escape:
		case c.text == " " && text[c.at] == ' ':
			c.text, c.escape = "·", true
		case text[c.at] == '\t':
			if c.escape = true; c.at != tabAt {
				c.text, tabAt = "→", c.at
			}
		case strings.ContainsFunc(c.text, func(r rune) bool { return r >= utf8.RuneSelf }):
			if text[c.at] != ' ' {
				c.text = strings.TrimPrefix(c.text, " ") // which was put below a lone accent
			}
			out = append(out, named(c)...)
			continue
		}
		out = append(out, c)
	}
	return out
}

// named spells out a character part by part: a letter of ASCII as it is, a space as ·, and the rest by
// number.
func named(c cell) []cell {
	var out []cell
	for _, r := range c.text {
		name := string(r)
		switch {
		case r == ' ':
			name = "·"
		case r >= utf8.RuneSelf:
			name = fmt.Sprintf("<U+%04X>", r)
		}
		for _, letter := range name {
			part := c
			part.text, part.width, part.escape = string(letter), 1, name != string(r)
			out = append(out, part)
		}
	}
	return out
}

// asciiEscapes spells out in ASCII what stands for a character that cannot be seen.
func asciiEscapes(line []cell) []cell {
	var out []cell
	for _, c := range line {
		r, _ := utf8.DecodeRuneInString(c.text)
		name := ""
		switch {
		case !c.escape || r < utf8.RuneSelf:
			out = append(out, c)
			continue
		case r == '·':
			name = `\s`
		case r == '→':
			name = `\t`
		case r == '␡':
			name = `\x7f`
		default:
			name = fmt.Sprintf(`\x%02x`, r-'␀')
		}
		for _, letter := range name {
			c.text = string(letter)
			out = append(out, c)
		}
	}
	return out
}

// wrap cuts cells into lines of at most width columns, in their second half where a reader expects it
// if possible. Lines after the first begin below the text of the first. There is always a line.
func wrap(line []cell, width int) [][]cell {
	indent := 0
	for indent < len(line) && indent < width/3 && line[indent].text == " " {
		indent++
	}
	below := make([]cell, indent) // what stands before the text of each further line
	for i := range below {
		below[i] = cell{text: " ", width: 1}
	}
	n, brk := fit(line, width)
	if n == len(line) {
		return [][]cell{line}
	}
	out := [][]cell{line[:brk]}
	for {
		if line = line[brk:]; line[0].text == " " && !line[0].strong {
			line = line[1:] // the line break stands for the space
		}
		if len(line) == 0 {
			return out
		}
		n, brk = fit(line, width-indent)
		out = append(out, slices.Concat(below, line[:brk]))
		if n == len(line) {
			return out
		}
	}
}

// breaks reports whether a line may well end behind its first n cells: behind a space, a comma or an
// opening bracket, and between two Chinese characters, unless the next is a punctuation mark.
func breaks(line []cell, n int) bool {
	switch line[n-1].text {
	case " ", ",":
		return true
	case "(":
		return n > 1 && line[n-2].text != " " // of a call
	}
	return n < len(line) && line[n-1].width == 2 && line[n].width == 2 &&
		!strings.Contains("，。、；：？！）》」』”’", line[n].text)
}

// fit returns how many cells fit in width columns, and behind which of them to break the line: brk is n
// when all fit, and never 0 unless there are no cells.
func fit(line []cell, width int) (n, brk int) {
	used := 0
	for n < len(line) && used+line[n].width <= width {
		used += line[n].width
		n++
		if used > width/2 && breaks(line, n) {
			brk = n
		}
	}
	if n == len(line) {
		return n, n
	}
	if brk == 0 || line[n].text == " " {
		brk = max(n, 1) // a character wider than the line has one of its own
	}
	return n, brk
}
