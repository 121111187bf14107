// Package rowdiff compares two texts and lays them out in rows, the old line beside the new one. It
// prints nothing: a terminal, a page and a unified diff are made from the same rows.
//
// The lines of the two columns, read downwards, are the two texts again, byte for byte.
package rowdiff

import "strings"

// Kind says how a line stands to the other text.
type Kind uint8

const (
	Blank   Kind = iota // there is no line on this side of the row
	Equal               // the same bytes on both sides
	Changed             // beside a line that resembles it
	Alone               // on this side only: removed if old, added if new
	Moved               // as Alone, but the line stands elsewhere on the other side, in a function that moved
)

// Side is one half of a row.
type Side struct {
	Number int    // the line's number in its text, from 1; 0 when Blank
	Text   string // the line with its line ending; the last line of a text may have none
	Kind   Kind
	Spans  []Span // what differs inside a Changed line, in order
	Note   string // what to say above this line: "serve moved here from line 12"; mostly ""
}

// Span is a run of bytes in a line: Text[Start:End].
type Span struct{ Start, End int }

// Row is an old line, a new line, or both beside each other. In a row with two lines that are Alone the
// lines have nothing to do with each other: they merely save space.
type Row struct{ Old, New Side }

// Same reports whether the row is a line that both texts have.
func (r Row) Same() bool { return r.Old.Kind == Equal }

// Compare lays out two texts in rows.
func Compare(oldText, newText string) []Row {
	a, b := splitLines(oldText), splitLines(newText)
	rows := make([]Row, 0, max(len(a), len(b)))
	i, j := 0, 0
	for _, h := range diffLines(a, b) {
		for ; i < h.oldStart; i, j = i+1, j+1 {
			rows = append(rows, beside(a, i, b, j, Equal))
		}
		rows = appendHunk(rows, a, b, h)
		i, j = h.oldEnd, h.newEnd
	}
	for ; i < len(a); i, j = i+1, j+1 {
		rows = append(rows, beside(a, i, b, j, Equal))
	}
	return rows
}

// beside is the row of two lines that belong together.
func beside(a []string, i int, b []string, j int, kind Kind) Row {
	return Row{Side{Number: i + 1, Text: a[i], Kind: kind}, Side{Number: j + 1, Text: b[j], Kind: kind}}
}

// appendHunk adds the rows of one hunk: lines that resemble each other side by side, the rest above and
// below them.
func appendHunk(rows []Row, a, b []string, h hunk) []Row {
	i, j := h.oldStart, h.newStart
	alone := func(oldEnd, newEnd int) {
		for i < oldEnd || j < newEnd {
			var r Row
			if i < oldEnd {
				r.Old = Side{Number: i + 1, Text: a[i], Kind: Alone}
				i++
			}
			if j < newEnd {
				r.New = Side{Number: j + 1, Text: b[j], Kind: Alone}
				j++
			}
			rows = append(rows, r)
		}
	}
	for _, p := range pairs(a[h.oldStart:h.oldEnd], b[h.newStart:h.newEnd]) {
		alone(h.oldStart+p.old, h.newStart+p.new)
		r := beside(a, i, b, j, Changed)
		r.Old.Spans, r.New.Spans = emphasis(a[i], b[j])
		rows = append(rows, r)
		i, j = i+1, j+1
	}
	alone(h.oldEnd, h.newEnd)
	return rows
}

// Count returns how many lines the rows add and remove, as `diff` counts them: a changed line is
// one of each.
func Count(rows []Row) (added, removed int) {
	for _, r := range rows {
		if r.Same() {
			continue
		}
		if r.New.Number != 0 {
			added++
		}
		if r.Old.Number != 0 {
			removed++
		}
	}
	return added, removed
}

// Texts reads the two texts back from the rows.
func Texts(rows []Row) (oldText, newText string) {
	var a, b strings.Builder
	for _, r := range rows {
		a.WriteString(r.Old.Text)
		b.WriteString(r.New.Text)
	}
	return a.String(), b.String()
}

// splitLines cuts a text behind each "\n". The last line may have none; an empty text has no lines.
func splitLines(text string) []string {
	lines := strings.SplitAfter(text, "\n")
	if last := len(lines) - 1; lines[last] == "" {
		lines = lines[:last]
	}
	return lines
}
