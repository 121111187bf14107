package book

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"socketbook/tools/grade/internal/intake"
	"socketbook/tools/grade/internal/score"
)

// class is what every output may know.
type class struct {
	Batch
	dir    string
	roster *intake.Roster // nil if there is none
}

// output is one kind of file, or one file for each student.
type output interface {
	// add takes the rows of the next student; students come in order.
	add(s student) error
	// close completes what was written.
	close() error
}

// student is one student's rows.
type student struct {
	id     string
	person intake.Person
	known  bool // person is of the roster
	rows   []score.Row
}

// held reports whether the student is left out of gradebooks.
func (s student) held() bool {
	for _, r := range s.rows {
		if r.Status == score.Held {
			return true
		}
	}
	return false
}

// row returns the student's row of a lab.
func (s student) row(lab string) (score.Row, bool) {
	for _, r := range s.rows {
		if r.Lab == lab {
			return r, true
		}
	}
	return score.Row{}, false
}

// total is what the student has in all labs.
func (s student) total() (points, of int) {
	for _, r := range s.rows {
		points, of = points+r.Points, of+r.Of
	}
	return points, of
}

// label is the id and, if the roster has one, the name.
func (s student) label() string {
	if s.person.Name == "" || s.person.Name == s.id {
		return s.id
	}
	return s.id + " (" + s.person.Name + ")"
}

// Write makes every output of a batch in its folder. The rows come from x.
func Write(dir string, b Batch, x *score.Index) error {
	roster, err := b.roster()
	if err != nil {
		return err
	}
	c := &class{Batch: b, dir: dir, roster: roster}
	outputs := []output{
		newResults(c), newSummary(c), newFeedback(c), newGradescope(c), newClassroom50(c), newJUnit(c),
		newGrades(c),
	}
	if roster != nil && roster.Kind != intake.Plain {
		outputs = append(outputs, newRosterBack(c))
	}
	for rows, err := range x.Students() {
		if err != nil {
			return err
		}
		s := student{id: rows[0].Student, rows: rows}
		s.person, s.known = roster.Find(s.id)
		for _, o := range outputs {
			if err := o.add(s); err != nil {
				return err
			}
		}
	}
	for _, o := range outputs {
		if err := o.close(); err != nil {
			return err
		}
	}
	return nil
}

// file is one that appears under its name when it is whole. Errors are kept until close.
type file struct {
	name string
	f    *os.File
	w    *bufio.Writer
	n    int64
	err  error
}

func create(dir, name string) *file {
	f := &file{name: filepath.Join(dir, name)}
	if f.f, f.err = os.CreateTemp(dir, ".new-*"); f.err == nil {
		f.w = bufio.NewWriter(f.f)
	}
	return f
}

func (f *file) Write(p []byte) (int, error) {
	if f.err != nil {
		return 0, f.err
	}
	n, err := f.w.Write(p)
	f.n, f.err = f.n+int64(n), err
	return n, err
}

func (f *file) printf(format string, args ...any) { fmt.Fprintf(f, format, args...) }

func (f *file) close() error {
	if f.f == nil {
		return fmt.Errorf("writing %s: %w", f.name, f.err)
	}
	if f.err == nil {
		f.err = f.w.Flush()
	}
	err := errors.Join(f.err, f.f.Chmod(0o644), f.f.Close())
	if err == nil {
		err = os.Rename(f.f.Name(), f.name)
	}
	if err != nil {
		os.Remove(f.f.Name())
		return fmt.Errorf("writing %s: %w", f.name, err)
	}
	return nil
}

var _ io.Writer = (*file)(nil)

// results is results.jsonl.
type results struct{ f *file }

func newResults(c *class) output { return &results{create(c.dir, resultsName)} }

func (r *results) add(s student) error { return score.Write(r.f, s.rows) }
func (r *results) close() error        { return r.f.close() }
