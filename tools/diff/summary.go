package main

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/clipperhouse/displaywidth"

	"socketbook/tools/internal/rowdiff"
)

// lineCount is what was added and what was removed.
type lineCount struct{ added, removed int }

func (n lineCount) plus(m lineCount) lineCount {
	return lineCount{n.added + m.added, n.removed + m.removed}
}

// text writes "+12 −3", with the minus sign of typography unless that has to be ASCII.
func (n lineCount) text(ascii bool) string {
	minus := "−"
	if ascii {
		minus = "-"
	}
	return fmt.Sprintf("+%d %s%d", n.added, minus, n.removed)
}

// summary is the line about one file: "server.go +12 −3: serve, answer (new)".
func summary(c *comparison, f *rowdiff.File, ascii bool) string {
	name := shown(f.Name)
	switch {
	case f.Unread:
		return name + " " + f.Skipped
	case f.Skipped != "" && !f.Differs:
		return name + " " + f.Skipped + "; the same on both sides"
	case f.Skipped != "" && f.InOld && f.InNew:
		return name + " " + f.Skipped + "; the two differ"
	case f.Skipped != "":
		return name + " " + f.Skipped + onOneSide(c, f)
	case !f.Differs:
		return name + ": the same"
	}
	added, removed := rowdiff.Count(f.Rows)
	return name + " " + lineCount{added, removed}.text(ascii) + onOneSide(c, f) + functions(f)
}

func onOneSide(c *comparison, f *rowdiff.File) string {
	switch {
	case !f.InOld && c.old.fsys != nil:
		return ", only in " + c.new.name()
	case !f.InNew && c.new.fsys != nil:
		return ", only in " + c.old.name()
	}
	return ""
}

// functions names the functions of a file that differ, and how, where it is not that they were edited.
// In a file that is new as a whole, every function is.
func functions(f *rowdiff.File) string {
	var names []string
	for _, fn := range f.Funcs() {
		name := shown(fn.Name)
		switch {
		case fn.State == rowdiff.Relocated:
			name += " (moved)"
		case fn.State == rowdiff.New && f.InOld:
			name += " (new)"
		case fn.State == rowdiff.Gone && f.InNew:
			name += " (gone)"
		}
		names = append(names, name)
	}
	if len(names) == 0 {
		return ""
	}
	return ": " + strings.Join(names, ", ")
}

// same says that nothing differs.
func same(c *comparison) string {
	switch {
	case len(c.files) == 0:
		return fmt.Sprintf("%s and %s have %v.", c.old.name(), c.new.name(), errHidden)
	case c.old.only != "":
		return fmt.Sprintf("%s and %s are the same.", c.old.name(), c.new.name())
	}
	return fmt.Sprintf("%s and %s are the same: %d of %d files.", c.old.name(), c.new.name(),
		len(c.files), len(c.files))
}

// stat writes the summaries alone.
func stat(c *comparison, ascii bool) string {
	var out strings.Builder
	if c.note != "" {
		out.WriteString(c.note + "\n")
	}
	if !c.differs() {
		return out.String() + same(c) + "\n"
	}
	for _, f := range c.files {
		out.WriteString(summary(c, f, ascii) + "\n")
	}
	if len(c.files) > 1 {
		all := c.count(func(string) bool { return true })
		out.WriteString("together " + all.text(ascii) + "\n")
	}
	return out.String()
}

// step is a row of the table of the course.
type step struct {
	number, title, base    string
	server, client, budget lineCount // a budget of 0, 0 is none
	others                 lineCount
}

// over reports whether the step has outgrown its budget.
func (s step) over() bool {
	both := s.server.plus(s.client)
	return s.budget != lineCount{} && (both.added > s.budget.added || both.removed > s.budget.removed)
}

// columns are the headings of the table behind the lesson, and what they mean; "" where that is plain.
var columns = []struct{ name, meaning string }{
	{"on", "the lesson it builds on"},
	{"server", "lines added to and removed from server.go"},
	{"client", "the same for client.go"},
	{"both", "the two files together"},
	{"at most", "how much this step may change the two files"},
	{"others", "the other Go files, without main.go and tests"},
}

// exceeded explains the mark of a step that is over its budget.
const exceeded = "more lines than the step may change"

// row is the step's texts below the columns.
func (s step) row(ascii bool) []string {
	both, limit := s.server.plus(s.client).text(ascii), ""
	if s.budget != (lineCount{}) {
		limit = s.budget.text(ascii)
	}
	if s.over() {
		both += " !"
	}
	return []string{
		cmp.Or(s.base, "-"), s.server.text(ascii), s.client.text(ascii), both, limit, s.others.text(ascii),
	}
}

// steps measures every step of the course. A file that cannot be read is an error: it would count
// as 0 lines.
func (c course) steps() ([]step, error) {
	var out []step
	for _, l := range c.written() {
		diff, err := c.step(l, false)
		if err != nil && !errors.Is(err, errHidden) {
			return nil, err
		}
		if err := diff.unread(); err != nil {
			return nil, err
		}
		s := step{
			number: l.Number, title: l.Title, base: l.BuildsOn,
			budget: lineCount{l.MaxAdded, l.MaxRemoved},
		}
		s.server = diff.count(func(name string) bool { return name == "server.go" })
		s.client = diff.count(func(name string) bool { return name == "client.go" })
		s.others = diff.count(func(name string) bool { return name != "server.go" && name != "client.go" })
		out = append(out, s)
	}
	return out, nil
}

// table draws the course as steps, and below them what the columns mean. Where the rows do not fit
// in width, each step is a paragraph.
func table(steps []step, width int, ascii bool) string {
	var out strings.Builder
	rows := aligned(steps, ascii)
	wide := slices.ContainsFunc(rows, func(row string) bool { return displaywidth.String(row) > width })
	for i, s := range steps {
		switch {
		case wide:
			fill(&out, s.number, strings.Fields(s.title), " ", "   ", width)
			var named []string
			for i, text := range s.row(ascii) {
				if text != "" {
					named = append(named, columns[i].name+" "+text)
				}
			}
			fill(&out, "  ", named, "  ", "   ", width)
			continue
		case i == 0:
			out.WriteString(rows[0] + "\n")
		}
		out.WriteString(rows[i+1] + "\n")
	}
	if slices.ContainsFunc(steps, step.over) {
		fill(&out, "!", strings.Fields(exceeded), " ", "  ", width)
	}
	out.WriteByte('\n')
	for _, c := range columns {
		fill(&out, fmt.Sprintf("%-8s", c.name), strings.Fields(c.meaning), " ", "         ", width)
	}
	out.WriteByte('\n')
	more := "in full: go run ./tools/diff " + steps[len(steps)-1].number
	fill(&out, "A step", strings.Fields(more), " ", "  ", width)
	return out.String()
}

// aligned lays out the steps in columns below a heading.
func aligned(steps []step, ascii bool) []string {
	heading := []string{"", "lesson"}
	for _, c := range columns {
		heading = append(heading, c.name)
	}
	rows := [][]string{heading}
	for _, s := range steps {
		rows = append(rows, append([]string{s.number, s.title}, s.row(ascii)...))
	}
	widths := make([]int, len(heading))
	for _, r := range rows {
		for i, text := range r {
			widths[i] = max(widths[i], displaywidth.String(text))
		}
	}
	var out []string
	for _, r := range rows {
		var line strings.Builder
		for i, text := range r {
			line.WriteString(text + strings.Repeat(" ", widths[i]-displaywidth.String(text)+2))
		}
		out = append(out, strings.TrimRight(line.String(), " "))
	}
	return out
}

// fill writes pieces behind a first one, in lines of at most width columns; lines after the first are
// indented.
func fill(out *strings.Builder, line string, pieces []string, between, indent string, width int) {
	for i, piece := range pieces {
		switch {
		case i == 0:
			line += " " + piece
		case displaywidth.String(line+between+piece) <= width:
			line += between + piece
		default:
			out.WriteString(line + "\n")
			line = indent + piece
		}
	}
	out.WriteString(line + "\n")
}
