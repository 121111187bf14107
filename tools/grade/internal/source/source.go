// Package source looks at what a student hands in before it is built: the bytes of one Go file, and
// nothing else. It refuses what has no place in an answer and is useful for an attack on the build or
// on the verdict. It is one wall of several: the verdict is made where none of this code runs.
package source

// MaxSize is the most that a file may have, in bytes.
const MaxSize = 256 << 10

// Refusal is one reason why a file is not built.
type Refusal struct {
	Line int    // in the file; 0 if it is about all of it
	Rule string // what is not allowed, as a sentence that names it
}

// Check looks at the text of a lab's file ("framing.go" of lab "05"). It returns nothing for a file that
// may be built, and also for one that is no valid Go: the compiler says better what is wrong, and builds
// nothing. Otherwise it returns the refusals in the order of their lines, ten at most.
func Check(lab, file string, text []byte) []Refusal { panic("todo") }
