package rowdiff

import (
	"strings"

	"socketbook/tools/internal/gosyntax"
)

// File is one file of two trees, compared.
type File struct {
	Name             string // the same on both sides
	InOld, InNew     bool
	OldText, NewText string
	Rows             []Row
	Skipped          string // why there are no rows, as in "is binary"; "" when there are
	Differs          bool   // the bytes differ, or the file is on one side only
	Unread           bool   // the bytes of a side are not known: Differs is true and may be wrong

	// What to colour, by offsets in the texts; of Go files.
	OldSyntax, NewSyntax []gosyntax.Span

	oldFuncs, newFuncs []gosyntax.Func
	oldLines, newLines []string
	beside             []int // for each old line, by number, the new line in its row; 0 where there is none
	moves              []move
}

// CompareFile compares the two versions of a file. A nil version means that the file is not on that side.
func CompareFile(name string, oldText, newText *string) *File {
	f := &File{Name: name, InOld: oldText != nil, InNew: newText != nil}
	if f.InOld {
		f.OldText = *oldText
	}
	if f.InNew {
		f.NewText = *newText
	}
	f.Differs = f.OldText != f.NewText || f.InOld != f.InNew
	f.Rows = Compare(f.OldText, f.NewText)
	f.oldLines, f.newLines = splitLines(f.OldText), splitLines(f.NewText)
	f.beside = make([]int, len(f.oldLines)+1)
	for _, r := range f.Rows {
		if r.Old.Kind == Equal || r.Old.Kind == Changed {
			f.beside[r.Old.Number] = r.New.Number
		}
	}
	if strings.HasSuffix(name, ".go") {
		f.OldSyntax, f.oldFuncs = gosyntax.Read([]byte(f.OldText))
		f.NewSyntax, f.newFuncs = gosyntax.Read([]byte(f.NewText))
	}
	return f
}

// State says what became of a function.
type State uint8

const (
	Edited State = iota
	New
	Gone
	Relocated // moved, and perhaps edited too
)

// FuncChange is a function that differs between the two sides of a file.
type FuncChange struct {
	Name  string
	State State
}

// Funcs returns the functions in which at least one line differs, in the order of the new text; those
// that are gone come last.
func (f *File) Funcs() []FuncChange {
	oldTouched, newTouched := make(map[int]bool), make(map[int]bool)
	for _, r := range f.Rows {
		if !r.Same() {
			oldTouched[r.Old.Number], newTouched[r.New.Number] = true, true
		}
	}
	wasThere := names(f.oldFuncs)
	isThere := names(f.newFuncs)
	relocated := make(map[string]bool)
	for _, m := range f.moves {
		relocated[m.name] = true
	}
	// A line removed from inside a function touches it on the old side alone.
	edited := make(map[string]bool)
	for _, fn := range f.oldFuncs {
		edited[fn.Name] = edited[fn.Name] || touches(oldTouched, fn)
	}

	var changes []FuncChange
	for _, fn := range f.newFuncs {
		switch {
		case relocated[fn.Name]:
			changes = append(changes, FuncChange{fn.Name, Relocated})
		case !wasThere[fn.Name]:
			changes = append(changes, FuncChange{fn.Name, New})
		case edited[fn.Name] || touches(newTouched, fn):
			changes = append(changes, FuncChange{fn.Name, Edited})
		}
	}
	for _, fn := range f.oldFuncs {
		switch {
		case isThere[fn.Name]:
		case relocated[fn.Name]:
			changes = append(changes, FuncChange{fn.Name, Relocated})
		default:
			changes = append(changes, FuncChange{fn.Name, Gone})
		}
	}
	return changes
}

func names(funcs []gosyntax.Func) map[string]bool {
	set := make(map[string]bool)
	for _, fn := range funcs {
		set[fn.Name] = true
	}
	return set
}

func touches(lines map[int]bool, fn gosyntax.Func) bool {
	for n := fn.First; n <= fn.Last; n++ {
		if lines[n] {
			return true
		}
	}
	return false
}

// Unified writes the file's hunks as Unified does, each with the function that it stands in.
func (f *File) Unified(context int) string {
	return Unified(f.Rows, context, func(oldLine int) string {
		if name := enclosing(f.oldFuncs, oldLine); name != "" {
			return "func " + name
		}
		return ""
	})
}

// Around returns the name of the function that a row stands in, on the new side if the row has one; ""
// outside of all.
func (f *File) Around(r Row) string {
	if r.New.Number != 0 {
		return enclosing(f.newFuncs, r.New.Number)
	}
	return enclosing(f.oldFuncs, r.Old.Number)
}

func enclosing(funcs []gosyntax.Func, line int) string {
	for _, fn := range funcs {
		if fn.First <= line && line <= fn.Last {
			return fn.Name
		}
	}
	return ""
}
