package remote

import (
	"io"
	"os/exec"
	"time"

	"socketbook/tools/check"
)

// Suite is the suite of one lab, to be applied to an answer in another process.
type Suite struct {
	apply func(lab any) check.Lab
}

// Of makes a Suite of a lab's function of the same name, and of its Lab struct.
func Of[L any](suite func(L) check.Lab) Suite {
	return Suite{apply: func(lab any) check.Lab { return suite(lab.(L)) }}
}

// Table is the table of the lab, for its number, its file, and the names and points of its cases. Its
// cases cannot be run.
func (s Suite) Table() check.Lab { panic("todo") }

// Judge runs the table, at most atOnce cases at a time, each with a child of its own that start starts.
// Whatever the child does, Judge returns one verdict for each case, in order. An error of start is an
// outcome check.Error of the case, which is nobody's fault. The case's Prints are in the reports.
func (s Suite) Judge(seed uint64, atOnce int, start func() (*Process, error)) []check.Verdict {
	panic("todo")
}

// Process is a child that runs.
type Process struct {
	// Stream is the judge's end of the only thing that the two share.
	Stream Stream
	// End waits until the child has ended by itself, for grace at most, and then ends it and all that
	// it has started. It returns what the child has printed (the beginning and the end, if that was
	// much), and what exec.Cmd.Wait has returned, or an error that is ErrEnded if it did not end by
	// itself. It is called once.
	End func(grace time.Duration) (printed string, status error)
}

// Stream is one that can be given up: a net.Conn, for example.
type Stream interface {
	io.ReadWriteCloser
	SetWriteDeadline(t time.Time) error
}

// Attach makes a stream and gives its other end to cmd, which has not been started: as descriptor 3
// and an environment variable on Unix, as a port on 127.0.0.1 and a secret elsewhere. After cmd.Start,
// whether or not it has succeeded, call started once: it lets go of the child's end, and returns the
// judge's. For a sandbox that builds its own exec.Cmd; Start is for everybody else.
func Attach(cmd *exec.Cmd) (started func() (Stream, error), err error) { panic("todo") }

// Start starts cmd as a child, without any sandbox but, on Unix, a process group of its own. Its
// standard output and error are taken.
func Start(cmd *exec.Cmd) (*Process, error) { panic("todo") }

// Main returns the text of main.go for the child of a lab: a program that imports the student's
// package and this one. It has the functions that labs/NN/SUBJECT_test.go hands to the suite, and
// the types of the suite that are needed for that. root is the root of the untouched project; the
// package that is imported is the lab's own, socketbook/labs/NN, so the program has to be built in
// a module where the student's file is in that folder, as a package that may import this one (below
// tools/grade).
func Main(root, lab string) ([]byte, error) { panic("todo") }

// Serve is what the child's main calls: it carries out calls of the functions in lab, a struct of
// them, until the judge has had enough. It does not return.
func Serve(lab any) { panic("todo") }
