package rowdiff

import (
	"fmt"
	"strings"

	"socketbook/tools/internal/gosyntax"
)

// move is a function that stands elsewhere now: further up or down, or in another file.
type move struct {
	name string
	from *File
	was  gosyntax.Func
	to   *File
	is   gosyntax.Func
}

// MarkMoves finds the functions that moved, within one of the files or from one to another, and marks
// their lines as Moved. A function moved when it has the same name, most of its lines are the same, and
// the rows do not have them side by side. The counts stay: a moved line is one removed and one added.
func MarkMoves(files []*File) {
	for _, from := range files {
		for _, was := range uniqueNames(from.oldFuncs) {
			if m, ok := findMove(files, from, was); ok && m.isMove() {
				m.mark()
				m.from.moves = append(m.from.moves, m)
				if m.to != m.from {
					m.to.moves = append(m.to.moves, m)
				}
			}
		}
	}
}

// findMove returns where the function may have gone: its namesake in the same file, or else one that is
// new in another.
func findMove(files []*File, from *File, was gosyntax.Func) (move, bool) {
	if is, ok := find(from.newFuncs, was.Name); ok {
		return move{was.Name, from, was, from, is}, true
	}
	for _, to := range files {
		if _, old := find(to.oldFuncs, was.Name); to == from || old {
			continue
		}
		if is, ok := find(to.newFuncs, was.Name); ok {
			return move{was.Name, from, was, to, is}, true
		}
	}
	return move{}, false
}

// uniqueNames leaves out names that a file declares more than once, such as init.
func uniqueNames(funcs []gosyntax.Func) []gosyntax.Func {
	var out []gosyntax.Func
	for _, fn := range funcs {
		if _, ok := find(funcs, fn.Name); ok {
			out = append(out, fn)
		}
	}
	return out
}

// find returns the one function of that name; none if there are two.
func find(funcs []gosyntax.Func, name string) (found gosyntax.Func, ok bool) {
	for _, fn := range funcs {
		if fn.Name != name {
			continue
		}
		if ok {
			return gosyntax.Func{}, false
		}
		found, ok = fn, true
	}
	return found, ok
}

func (m move) oldLines() []string { return m.from.oldLines[m.was.First-1 : m.was.Last] }
func (m move) newLines() []string { return m.to.newLines[m.is.First-1 : m.is.Last] }

// isMove reports whether the function is most of what it was, and is not in its old place.
func (m move) isMove() bool {
	a, b := m.oldLines(), m.newLines()
	if m.from == m.to && 2*m.inPlace() >= min(len(a), len(b)) {
		return false
	}
	same := 0
	for _, p := range matches(a, b) {
		if strings.TrimSpace(a[p.old]) != "" {
			same++
		}
	}
	return 5*same >= 3*max(withText(a), withText(b))
}

// inPlace counts the lines of the function that stand beside a line of it.
func (m move) inPlace() int {
	n := 0
	for line := m.was.First; line <= m.was.Last; line++ {
		if beside := m.from.beside[line]; m.is.First <= beside && beside <= m.is.Last {
			n++
		}
	}
	return n
}

func withText(lines []string) int {
	n := 0
	for _, line := range lines {
		if strings.TrimSpace(line) != "" {
			n++
		}
	}
	return n
}

// matches returns the lines that two texts have in common, in order.
func matches(a, b []string) []pair {
	var out []pair
	i, j := 0, 0
	for _, h := range append(diffLines(a, b), hunk{len(a), len(a), len(b), len(b)}) {
		for ; i < h.oldStart; i, j = i+1, j+1 {
			out = append(out, pair{i, j})
		}
		i, j = h.oldEnd, h.newEnd
	}
	return out
}

// mark sets the lines of the function that stayed the same to Moved, and puts a note above it on each side.
func (m move) mark() {
	a, b := m.oldLines(), m.newLines()
	same := matches(a, b)
	oldMoved, newMoved := make(map[int]bool), make(map[int]bool)
	for _, p := range same {
		oldMoved[m.was.First+p.old], newMoved[m.is.First+p.new] = true, true
	}
	edited := ", unchanged"
	if len(same) < max(len(a), len(b)) {
		edited = ", and edited"
	}
	to, from := fmt.Sprint("line ", m.is.Line), fmt.Sprint("line ", m.was.Line)
	if m.from != m.to {
		to, from = m.to.Name+", "+to, m.from.Name+", "+from
	}

	noted := false
	for i := range m.from.Rows {
		if r := &m.from.Rows[i]; oldMoved[r.Old.Number] && setMoved(&r.Old, &r.New) && !noted {
			r.Old.Note, noted = m.name+" moved to "+to+edited, true
		}
	}
	noted = false
	for i := range m.to.Rows {
		if r := &m.to.Rows[i]; newMoved[r.New.Number] && setMoved(&r.New, &r.Old) && !noted {
			r.New.Note, noted = m.name+" moved here from "+from+edited, true
		}
	}
}

// setMoved marks a line as Moved. A line that was beside another as Changed parts from it: what it
// really resembles stands elsewhere.
func setMoved(s, other *Side) bool {
	switch s.Kind {
	case Changed:
		if other.Kind == Changed {
			other.Kind = Alone
		}
		s.Spans, other.Spans = nil, nil
		fallthrough
	case Alone:
		s.Kind = Moved
		return true
	}
	return false
}
