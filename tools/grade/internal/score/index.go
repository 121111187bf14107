package score

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"iter"
	"maps"
	"os"
	"slices"
)

// Index knows where the rows of some files are, so that thousands of students with long reports are
// sorted without being held in memory. When two files have the same student and lab, one row counts.
type Index struct {
	files []*os.File
	rows  map[Key]place
}

// place is where a row is, and what is needed to choose between two.
type place struct {
	file   int
	offset int64
	length int
	sum    string // of the line
	brief  Brief
}

// Brief is what is known of a row without reading it again.
type Brief struct {
	Status  Status // of a held row too: what it would be
	Held    bool
	Points  int
	Of      int
	Source  string
	Suite   string
	Sandbox string
}

// NewIndex returns an empty index. The caller closes it.
func NewIndex() *Index { return &Index{rows: map[Key]place{}} }

// Close closes the files.
func (x *Index) Close() {
	for _, f := range x.files {
		f.Close()
	}
}

// Newer lets rows that come later replace those before: in a journal, and for what is graded again.
func Newer(was, is place) bool { return true }

// Better chooses between the rows of two shards, whichever comes first: one that was graded replaces one that
// could not be, and of two others the choice does not depend on their order.
func Better(was, is place) bool {
	if failed := was.brief.Status == GraderError; failed != (is.brief.Status == GraderError) {
		return failed
	}
	return is.sum < was.sum
}

// Open opens a regular file for reading. Anything else is an error: to open a named pipe may never end.
func Open(name string) (*os.File, error) {
	info, err := os.Stat(name)
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, fmt.Errorf("%s is not a regular file", name)
	}
	return os.Open(name)
}

// Add takes in the rows of a file. Lines that are not whole rows are passed over; their number is returned.
func (x *Index) Add(name string, replaces func(was, is place) bool) (torn int, err error) {
	f, err := Open(name)
	if err != nil {
		return 0, err
	}
	x.files = append(x.files, f)
	offset := int64(0)
	lines := bufio.NewReaderSize(f, 1<<16)
	interned := map[string]string{}
	intern := func(s string) string {
		if known, ok := interned[s]; ok {
			return known
		}
		interned[s] = s
		return s
	}
	for {
		line, err := readLine(lines)
		if err == io.EOF && len(line) == 0 {
			return torn, nil
		} else if err != nil && err != io.EOF {
			return torn, fmt.Errorf("reading %s: %w", name, err)
		}
		at := offset
		offset += int64(len(line))
		text := bytes.TrimSpace(line)
		if len(text) == 0 {
			continue
		}
		var row Row
		if json.Unmarshal(text, &row) != nil || row.Student == "" || row.Lab == "" {
			torn++
			continue
		}
		if row.V != Version {
			return torn, fmt.Errorf("%s is of version %d; this program reads version %d", name, row.V, Version)
		}
		if !row.Whole() {
			torn++
			continue
		}
		is := place{
			file: len(x.files) - 1, offset: at, length: len(line), sum: Hash(text)[:16],
		}
		held := row.Status == Held
		row.Unhold()
		is.brief = Brief{
			row.Status, held, row.Points, row.Of, row.Source, intern(row.Suite), intern(row.Sandbox),
		}
		key := Key{row.Student, intern(row.Lab)}
		if was, known := x.rows[key]; !known || replaces(was, is) {
			x.rows[key] = is
		}
	}
}

// readLine reads a line with its end. One that is longer than any row is returned in pieces, none of which
// is a row.
func readLine(r *bufio.Reader) ([]byte, error) {
	var line []byte
	for {
		part, err := r.ReadSlice('\n')
		line = append(line, part...)
		if err != bufio.ErrBufferFull || len(line) > longestLine {
			if err == bufio.ErrBufferFull {
				err = nil
			}
			return line, err
		}
	}
}

// Get returns what is known of a row.
func (x *Index) Get(k Key) (Brief, bool) {
	p, ok := x.rows[k]
	return p.brief, ok
}

// Drop forgets a row.
func (x *Index) Drop(k Key) { delete(x.rows, k) }

// Keys are those of all rows, sorted.
func (x *Index) Keys() []Key {
	return slices.SortedFunc(maps.Keys(x.rows), func(a, b Key) int {
		return Compare(Row{Student: a.Student, Lab: a.Lab}, Row{Student: b.Student, Lab: b.Lab})
	})
}

// Hold makes a row one that is held, or is not.
func (x *Index) Hold(k Key, held bool) {
	if p, ok := x.rows[k]; ok {
		p.brief.Held = held
		x.rows[k] = p
	}
}

// Row reads a row.
func (x *Index) Row(k Key) (Row, error) {
	p := x.rows[k]
	text := make([]byte, p.length)
	if _, err := x.files[p.file].ReadAt(text, p.offset); err != nil {
		return Row{}, fmt.Errorf("reading %s: %w", x.files[p.file].Name(), err)
	}
	var row Row
	err := json.Unmarshal(text, &row)
	if row.Unhold(); p.brief.Held {
		row.Hold()
	}
	return row, err
}

// Students goes through the rows, one student at a time, in order.
func (x *Index) Students() iter.Seq2[[]Row, error] {
	return func(yield func([]Row, error) bool) {
		var rows []Row
		for _, k := range x.Keys() {
			if len(rows) > 0 && rows[0].Student != k.Student {
				if !yield(rows, nil) {
					return
				}
				rows = nil
			}
			row, err := x.Row(k)
			if err != nil {
				yield(nil, err)
				return
			}
			rows = append(rows, row)
		}
		if len(rows) > 0 {
			yield(rows, nil)
		}
	}
}
