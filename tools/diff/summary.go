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

// counted writes lines added and removed: "+12 −3", with the minus sign of typography except where that is no ASCII.
func counted(added, removed int, ascii bool) string {
	minus := "−"
	if ascii {
		minus = "-"
	}
	return fmt.Sprintf("+%d %s%d", added, minus, removed)
}

// summary is the line about one file: "server.go +12 −3: serve, answer (new)".
func summary(c *comparison, f *rowdiff.File, ascii bool) string {
	name := shown(f.Name)
	switch {
	case f.Skipped != "" && !f.Differs:
		return name + ": " + f.Skipped + "; the same on both sides"
	case f.Skipped != "":
		return name + ": " + f.Skipped + "; not compared" + onOneSide(c, f)
	case !f.Differs:
		return name + ": the same"
	}
	added, removed := rowdiff.Count(f.Rows)
	return name + " " + counted(added, removed, ascii) + onOneSide(c, f) + functions(f)
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

// functions names the functions of a file that differ, and how, where it is not that they were edited. In a file
// that is new as a whole, every function is.
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
		return fmt.Sprintf("%s and %s have %v.", c.old.name(), c.new.name(), errNoStory)
	case c.old.only != "":
		return fmt.Sprintf("%s and %s are the same.", c.old.name(), c.new.name())
	}
	return fmt.Sprintf("%s and %s are the same: %d of %d files.", c.old.name(), c.new.name(), len(c.files), len(c.files))
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
		added, removed := c.count(func(string) bool { return true })
		out.WriteString("together " + counted(added, removed, ascii) + "\n")
	}
	return out.String()
}

// step is a row of the table of the course.
type step struct {
	number, title, base    string
	server, client, budget [2]int // lines added and removed; a budget of 0, 0 is none
	others                 [2]int
}

// over reports whether the step has outgrown its budget.
func (s step) over() bool {
	return s.budget != [2]int{} && (s.server[0]+s.client[0] > s.budget[0] || s.server[1]+s.client[1] > s.budget[1])
}

// columnNames are the headings of columns.
var columnNames = []string{"on", "server", "client", "both", "at most", "others"}

// exceeded explains the mark of a step that is over its budget.
const exceeded = "! more lines than the step may change"

// columns are the cells of the step's row after its name: what it builds on, then lines added and removed.
func (s step) columns(ascii bool) []string {
	n := func(lines [2]int) string { return counted(lines[0], lines[1], ascii) }
	both, limit := n([2]int{s.server[0] + s.client[0], s.server[1] + s.client[1]}), ""
	if s.budget != [2]int{} {
		limit = n(s.budget)
	}
	if s.over() {
		both += " !"
	}
	return []string{cmp.Or(s.base, "-"), n(s.server), n(s.client), both, limit, n(s.others)}
}

// steps measures every step of the course.
func (c course) steps() ([]step, error) {
	var out []step
	for _, l := range c.written() {
		diff, err := c.step(l, false)
		if err != nil && !errors.Is(err, errNoStory) {
			return nil, err
		}
		s := step{number: l.Number, title: l.Title, base: l.BuildsOn, budget: [2]int{l.MaxAdded, l.MaxRemoved}}
		for _, part := range []struct {
			sum  *[2]int
			pick func(string) bool
		}{
			{&s.server, func(name string) bool { return name == "server.go" }},
			{&s.client, func(name string) bool { return name == "client.go" }},
			{&s.others, func(name string) bool { return name != "server.go" && name != "client.go" }},
		} {
			part.sum[0], part.sum[1] = diff.count(part.pick)
		}
		out = append(out, s)
	}
	return out, nil
}

// table draws the course as steps: what each adds to server.go, to client.go and to both, what it may, and what it
// adds to the other files. It fits in 80 columns.
func table(steps []step, ascii bool) string {
	rows := [][]string{append([]string{"", "lesson"}, columnNames...)}
	for _, s := range steps {
		rows = append(rows, append([]string{s.number, s.title}, s.columns(ascii)...))
	}
	widths := make([]int, len(rows[0]))
	for _, r := range rows {
		for i, text := range r {
			widths[i] = max(widths[i], displaywidth.String(text))
		}
	}
	var out strings.Builder
	for _, r := range rows {
		var line strings.Builder
		for i, text := range r {
			line.WriteString(text + strings.Repeat(" ", widths[i]-displaywidth.String(text)+2))
		}
		out.WriteString(strings.TrimRight(line.String(), " ") + "\n")
	}
	if slices.ContainsFunc(steps, step.over) {
		out.WriteString(exceeded + "\n")
	}
	return out.String()
}
