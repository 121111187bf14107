package book

import (
	"encoding/csv"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"socketbook/tools/grade/internal/intake"
	"socketbook/tools/grade/internal/score"
)

// bom begins every table, so that spreadsheets read UTF-8. Canvas and Moodle read files with it and without.
const bom = "\ufeff"

// cell makes a text of ours safe for spreadsheets: one that would be taken for a formula gets an apostrophe
// in front, and what is not printable is written out.
func cell(s string) string {
	if s != "" && strings.ContainsRune("=+-@\t\r", rune(s[0])) {
		s = "'" + s
	}
	return score.Plain(s)
}

func newTable(w io.Writer) *csv.Writer {
	t := csv.NewWriter(w)
	t.UseCRLF = true
	return t
}

// mark is what stands in a gradebook for a row: its points, and nothing for an answer that has not been
// graded.
func mark(r score.Row, ok bool) string {
	if !ok || r.Status == score.GraderError {
		return ""
	}
	return strconv.Itoa(r.Points)
}

// grades is grades.csv: id, name, email, the points of each lab, their total, and what is to be known.
type grades struct {
	c *class
	f *file
	t *csv.Writer
}

func newGrades(c *class) output {
	g := &grades{c: c, f: create(c.dir, "grades.csv")}
	g.f.printf("%s", bom)
	g.t = newTable(g.f)
	header := []string{"id", "name", "email"}
	for _, l := range c.Labs {
		header = append(header, "Lab "+l.Number)
	}
	_ = g.t.Write(append(header, "total", "of", "notes")) // an error stays in g.f
	return g
}

func (g *grades) add(s student) error {
	if s.held() {
		return nil
	}
	row := []string{cell(s.id), cell(s.person.Name), cell(s.person.Email)}
	var notes []string
	if g.c.roster != nil && !s.known {
		notes = append(notes, "not in the roster")
	}
	ungraded := false
	for _, l := range g.c.Labs {
		r, ok := s.row(l.Number)
		row = append(row, mark(r, ok))
		if ok && r.Status != score.Graded {
			notes = append(notes, fmt.Sprintf("lab %s %s", l.Number, r.Status))
		}
		ungraded = ungraded || !ok || r.Status == score.GraderError
	}
	points, of := s.total()
	total := strconv.Itoa(points)
	if ungraded {
		total = ""
	}
	if row[0] != score.Plain(s.id) {
		notes = append(notes, "the id begins like a formula and has an apostrophe in front here")
	}
	return g.t.Write(append(row, total, strconv.Itoa(of), cell(strings.Join(notes, "; "))))
}

func (g *grades) close() error {
	g.t.Flush()
	return g.f.close()
}

// rosterBack is canvas.csv or moodle.csv: the export that the roster is, with the labs' columns filled
// in. No other cell is altered, and there are no other rows.
type rosterBack struct {
	c     *class
	marks map[int]map[string]string // by row of the roster and lab
}

func newRosterBack(c *class) output {
	return &rosterBack{c: c, marks: map[int]map[string]string{}}
}

func (b *rosterBack) add(s student) error {
	if !s.known || s.held() || s.person.Hold {
		return nil
	}
	marks := map[string]string{}
	for _, l := range b.c.Labs {
		r, ok := s.row(l.Number)
		if m := mark(r, ok); m != "" {
			marks[l.Number] = m
		}
	}
	b.marks[s.person.Row] = marks
	return nil
}

// labColumn finds the column of a lab: "Lab 05", "Lab 05 (1234)" with Canvas's number of the assignment or
// "Assignment: Lab 05 (Real)"; if there is none, the first with other words around the lab, as in "Lab 05
// framing".
func labColumn(header []string, number string) int {
	short := strings.TrimLeft(number, "0")
	alone := regexp.MustCompile(`(?i)^([^:]*:)?\s*lab 0*` + short + `\s*(\([^)]*\))?\s*$`)
	if i := slices.IndexFunc(header, alone.MatchString); i >= 0 {
		return i
	}
	name := regexp.MustCompile(`(?i)(^|[^\pL\d])lab 0*` + short + `([^\d]|$)`)
	return slices.IndexFunc(header, name.MatchString)
}

func (b *rosterBack) close() error {
	r := b.c.roster
	rows := make([][]string, len(r.Rows))
	for i, row := range r.Rows {
		rows[i] = slices.Clone(row)
	}
	set := func(i, column int, text string) {
		for len(rows[i]) <= column {
			rows[i] = append(rows[i], "")
		}
		rows[i][column] = text
	}
	width := len(rows[r.Header])
	for _, l := range b.c.Labs {
		column := labColumn(rows[r.Header], l.Number)
		if column < 0 {
			column = width
			width++
			set(r.Header, column, "Lab "+l.Number)
			if r.Points >= 0 {
				set(r.Points, column, strconv.Itoa(l.Points()))
			}
		}
		for i, marks := range b.marks {
			if m := marks[l.Number]; m != "" {
				set(i, column, m)
			}
		}
	}
	name := "canvas.csv"
	if r.Kind == intake.Moodle {
		name = "moodle.csv"
	}
	f := create(b.c.dir, name)
	f.printf("%s", bom)
	t := newTable(f)
	t.Comma = r.Comma
	for _, row := range rows {
		if err := t.Write(row); err != nil {
			f.err = err
		}
	}
	t.Flush()
	return f.close()
}
