package main

import (
	"fmt"
	"strconv"
	"strings"

	"socketbook/tools/internal/gosyntax"
	"socketbook/tools/internal/rowdiff"
)

const (
	twoColumns = 80 // columns of the terminal from which two lines of code fit beside each other
	narrowest  = 20 // below it, rows are as wide as this and the terminal wraps them
)

// screen draws comparisons as text. Every row that it writes is width columns wide.
type screen struct {
	out     strings.Builder
	theme   theme
	width   int
	ascii   bool // no character beyond ASCII in the frame
	context int  // equal lines around a difference; rowdiff.All folds nothing
}

// draw writes a whole comparison.
func (s *screen) draw(c *comparison) {
	if c.note != "" {
		s.text(c.note, "")
	}
	s.title(c)
	if !c.differs() {
		s.text(same(c), "")
		return
	}
	for _, f := range c.files {
		s.file(c, f)
	}
}

// title names the two sides, each above its column.
func (s *screen) title(c *comparison) {
	left, right := c.old.heading(), c.new.heading()
	switch {
	case c.old.fsys == nil:
		s.text(right, bold)
	case s.width < twoColumns:
		s.text(left+" "+s.sign("→", "->")+" "+right, bold)
	default:
		l, r := wrap(cells(left), s.half()), wrap(cells(right), s.width-s.half()-1)
		for i := range max(len(l), len(r)) {
			s.plain(at(l, i), bold, s.half())
			s.theme.style(&s.out, faint, s.bar())
			s.plain(at(r, i), bold, s.width-s.half()-1)
			s.out.WriteByte('\n')
		}
	}
}

// heading is the name of a tree and, of a lesson, its title.
func (t tree) heading() string {
	if t.title == "" {
		return t.name()
	}
	return t.name() + "  " + t.title
}

// file writes one file: its summary, then its rows.
func (s *screen) file(c *comparison, f *rowdiff.File) {
	s.out.WriteString(strings.Repeat(" ", s.width) + "\n")
	s.text(s.sign("── ", "-- ")+summary(c, f, s.ascii), bold)
	if !f.Differs || f.Skipped != "" {
		return
	}
	oldSyntax, newSyntax := byLine(f.OldSyntax, f.OldText), byLine(f.NewSyntax, f.NewText)
	digits := max(3, len(strconv.Itoa(max(len(oldSyntax), len(newSyntax)))))
	stretches := rowdiff.Fold(f.Rows, s.context)
	for i, st := range stretches {
		switch {
		case st.Folded:
			s.fold(f, st, stretches[i+1:], digits)
		case s.width < twoColumns || !f.InOld || !f.InNew:
			s.oneColumn(st.Rows, oldSyntax, newSyntax, digits)
		default:
			for _, r := range st.Rows {
				s.twoColumns(r, oldSyntax, newSyntax, digits)
			}
		}
	}
}

// byLine cuts the spans of a text into those of each line, with offsets counted from the line's start.
func byLine(spans []gosyntax.Span, text string) [][]gosyntax.Span {
	var lines [][]gosyntax.Span
	start := 0
	for line := range strings.Lines(text) {
		end := start + len(line)
		var in []gosyntax.Span
		for len(spans) > 0 && spans[0].Start < end {
			in = append(in, gosyntax.Span{
				Start: max(spans[0].Start, start) - start,
				End:   min(spans[0].End, end) - start, Class: spans[0].Class,
			})
			if spans[0].End > end {
				break // goes on in the next line
			}
			spans = spans[1:]
		}
		lines = append(lines, in)
		start = end
	}
	return lines
}

// fold writes the line that stands for a folded stretch.
func (s *screen) fold(f *rowdiff.File, st rowdiff.Stretch, rest []rowdiff.Stretch, digits int) {
	text := strings.Repeat(" ", digits-1) + s.sign("⋮ ", ": ") + foldText(f, st, rest)
	s.text(text, faint)
}

// foldText counts what is folded and names the function that goes on below.
func foldText(f *rowdiff.File, st rowdiff.Stretch, rest []rowdiff.Stretch) string {
	text := fmt.Sprintf("%d equal lines", len(st.Rows))
	if len(rest) == 0 {
		return text
	}
	if name := f.Around(rest[0].Rows[0]); name != "" && name == f.Around(st.Rows[len(st.Rows)-1]) {
		text += ", in " + name
	}
	return text
}

// half is the width of the left column.
func (s *screen) half() int { return (s.width - 1) / 2 }

func (s *screen) twoColumns(r rowdiff.Row, oldSyntax, newSyntax [][]gosyntax.Span, digits int) {
	left, right := s.half(), s.width-s.half()-1
	s.beside(s.notes(r.Old, left, digits), s.notes(r.New, right, digits), left, right)
	s.beside(s.lines(r, false, oldSyntax, left, digits), s.lines(r, true, newSyntax, right, digits),
		left, right)
}

// beside writes two blocks of finished lines next to each other.
func (s *screen) beside(l, r []string, left, right int) {
	for i := range max(len(l), len(r)) {
		s.out.WriteString(or(l, i, left))
		s.theme.style(&s.out, faint, s.bar())
		s.out.WriteString(or(r, i, right))
		s.out.WriteByte('\n')
	}
}

// oneColumn writes rows below each other: of a block that differs, first all that goes and then all
// that is new.
func (s *screen) oneColumn(rows []rowdiff.Row, oldSyntax, newSyntax [][]gosyntax.Span, digits int) {
	put := func(r rowdiff.Row, isNew bool, syntax [][]gosyntax.Span) {
		notes := s.notes(sideOf(r, isNew), s.width, digits)
		for _, line := range append(notes, s.lines(r, isNew, syntax, s.width, digits)...) {
			s.out.WriteString(line + "\n")
		}
	}
	for i := 0; i < len(rows); {
		if rows[i].Same() {
			put(rows[i], true, newSyntax)
			i++
			continue
		}
		end := i
		for end < len(rows) && !rows[end].Same() {
			end++
		}
		for _, r := range rows[i:end] {
			put(r, false, oldSyntax)
		}
		for _, r := range rows[i:end] {
			put(r, true, newSyntax)
		}
		i = end
	}
}

// lines draws a side of a row, wrapped; none for a side that is blank.
func (s *screen) lines(r rowdiff.Row, isNew bool, syntax [][]gosyntax.Span, width, digits int) []string {
	side := sideOf(r, isNew)
	if side.Kind == rowdiff.Blank {
		return nil
	}
	line := lineCells(r, isNew, syntax[side.Number-1])
	if s.ascii {
		line = asciiEscapes(line)
	}
	if side.Kind == rowdiff.Changed && width == s.width {
		side.Kind = rowdiff.Alone // nothing is beside it: each line has the mark of its own direction
	}
	text := width - digits - 3 // without number, space, mark, space
	number := strconv.Itoa(side.Number)
	var out []string
	for i, line := range wrap(line, text) {
		if i > 0 {
			number = ""
		}
		var b strings.Builder
		s.theme.style(&b, faint, fmt.Sprintf("%*s ", digits, number))
		s.theme.style(&b, margin(side.Kind, isNew), mark(side.Kind, isNew)+" ")
		s.theme.line(&b, line, side.Kind, isNew, text)
		out = append(out, b.String())
	}
	return out
}

// notes draws what is to be said above a line.
func (s *screen) notes(side rowdiff.Side, width, digits int) []string {
	if side.Note == "" {
		return nil
	}
	var out []string
	for _, line := range wrap(cells(side.Note), width-digits-3) {
		var b strings.Builder
		b.WriteString(strings.Repeat(" ", digits+3))
		s.theme.line(&b, line, rowdiff.Moved, true, width-digits-3)
		out = append(out, b.String())
	}
	return out
}

// text writes a sentence over the whole width, wrapped.
func (s *screen) text(text, style string) {
	for _, line := range wrap(cells(text), s.width) {
		s.plain(line, style, s.width)
		s.out.WriteByte('\n')
	}
}

// plain writes cells in one style and fills up to width.
func (s *screen) plain(line []cell, style string, width int) {
	var text strings.Builder
	for _, c := range line {
		text.WriteString(c.text)
		width -= c.width
	}
	s.theme.style(&s.out, style, text.String())
	s.out.WriteString(strings.Repeat(" ", max(width, 0)))
}

func (s *screen) bar() string { return s.sign("│", "|") }

func (s *screen) sign(drawn, ascii string) string {
	if s.ascii {
		return ascii
	}
	return drawn
}

func at(lines [][]cell, i int) []cell {
	if i < len(lines) {
		return lines[i]
	}
	return nil
}

func or(lines []string, i, width int) string {
	if i < len(lines) {
		return lines[i]
	}
	return strings.Repeat(" ", width)
}
