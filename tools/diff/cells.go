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
			add(cell{text: line[at : at+1], width: 1, at: at}) // ASCII, and nothing that could combine with it
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

// firstCluster returns the first grapheme cluster of s (Unicode Standard Annex 29) and its width. It ends before
// anything that must be written out: the library counts a broken byte to the character before it.
func firstCluster(s string) (cluster string, width int) {
	clusters := displaywidth.StringGraphemes(s)
	clusters.Next()
	cluster, width = clusters.Value(), clusters.Width()
	for i, r := range cluster {
		joins := r == '\u200c' || r == '\u200d' || '\U000e0020' <= r && r <= '\U000e007f' // joiners; tags, as in the flag of Wales
		if _, size := escaped(cluster[i:]); i > 0 && size > 0 && !joins {
			return cluster[:i], displaywidth.String(cluster[:i])
		}
	}
	return cluster, width
}

// escaped returns how to write the first character of s where it cannot be printed as it is, and its size in bytes;
// "", 0 where it can.
func escaped(s string) (text string, size int) {
	r, size := utf8.DecodeRuneInString(s)
	switch {
	case r == utf8.RuneError && size == 1:
		return fmt.Sprintf(`\x%02x`, s[0]), 1
	case r < ' ':
		return string('␀' + r), 1 // the pictures of the control characters follow their order
	case r == 0x7f:
		return "␡", 1
	case unicode.In(r, unicode.Cc, unicode.Cf, unicode.Zl, unicode.Zp, unicode.Co):
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

// lineCells is a side of a row as cells: with its syntax, with what differs, and with the line ending where that
// differs.
func lineCells(side rowdiff.Side, syntax []gosyntax.Span) []cell {
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
	if !hasEnd && side.Kind != rowdiff.Equal && side.Kind != rowdiff.Blank {
		for _, c := range cells(" (no newline at the end)") {
			c.escape, c.at = true, len(text)
			out = append(out, c)
		}
	}
	return out
}

// wrap cuts cells into lines of at most width columns, in their second half where a reader expects it if possible. Lines after the first begin below the text of the first. There is always a line.
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

// breaks reports whether a line may well end behind its first n cells: behind a space, a comma or an opening bracket,
// and between two Chinese characters, unless the next is a punctuation mark.
func breaks(line []cell, n int) bool {
	switch line[n-1].text {
	case " ", ",":
		return true
	case "(":
		return n > 1 && line[n-2].text != " " // of a call
	}
	return n < len(line) && line[n-1].width == 2 && line[n].width == 2 && !strings.Contains("，。、；：？！）》」』”’", line[n].text)
}

// fit returns how many cells fit in width columns, and behind which of them to break the line: brk is n when all fit,
// and never 0 unless there are no cells.
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
