// Package runner builds and runs the programs of the course for tools/watch and tools/workbook.
//
// A program runs under a supervisor (see [Supervise]), which ends everything that the program has
// started. Its output is handed on line by line, and no output, however long, takes much memory.
package runner

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"time"
)

const (
	longestLine = 1 << 20     // bytes of one line that are handed on; an event has fewer than 2000
	keptErrors  = 64 << 10    // bytes of standard error that are kept of its beginning, and of its end
	stragglers  = time.Second // how long output is waited for when the supervisor has gone
)

// Command is a program to run.
type Command struct {
	Path string
	Args []string // without the name of the program
	Dir  string
	Env  []string // in addition to this process's own

	// Line is called with each line of standard output, without its end, from one goroutine. The
	// bytes are only valid during the call. A longer line than 1 MiB is cut. If Line is nil the
	// output goes to Outcome.Printed.
	Line  func(line []byte)
	Limit time.Duration // after which the program is ended; 0 for none
}

// Outcome is how a program ended.
type Outcome struct {
	Status  int    // 0 if it went well; 128 + N when a signal ended it
	Printed string // standard error, and standard output if there is no Line: the beginning and the end of it
	Stopped bool   // ended because ctx was, or at its limit
	Late    bool   // it was the limit
	Err     error  // the program could not be started
}

// Run runs a program and returns when no process of it is left. The end of ctx ends it. The program
// reads nothing, has a folder for temporary files that is removed with all its content, and no
// terminal.
func Run(ctx context.Context, c Command) Outcome {
	self, err := os.Executable()
	if err != nil {
		return Outcome{Status: cannotStart, Err: fmt.Errorf("finding this program's own file: %w", err)}
	}
	tmp, err := os.MkdirTemp("", "socketbook-")
	if err != nil {
		return Outcome{Status: cannotStart, Err: fmt.Errorf("making a folder for temporary files: %w", err)}
	}
	defer os.RemoveAll(tmp)
	printed := &ends{}
	cmd := exec.Command(self, append([]string{c.Path}, c.Args...)...)
	cmd.Dir = c.Dir
	cmd.Env = append(os.Environ(), "TMPDIR="+tmp, "TMP="+tmp, "TEMP="+tmp, superviseVariable+"=1")
	cmd.Env = append(cmd.Env, c.Env...)
	cmd.SysProcAttr, cmd.WaitDelay = apart(), stragglers
	lines := &lineWriter{line: c.Line}
	cmd.Stdout, cmd.Stderr = lines, printed
	if c.Line == nil {
		cmd.Stdout = printed
	}
	in, err := cmd.StdinPipe()
	if err != nil {
		return Outcome{Status: cannotStart, Err: err}
	}
	if err := cmd.Start(); err != nil {
		return Outcome{Status: cannotStart, Err: fmt.Errorf("starting %s: %w", c.Path, err)}
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	var o Outcome
	var limit <-chan time.Time
	if c.Limit > 0 {
		timer := time.NewTimer(c.Limit)
		defer timer.Stop()
		limit = timer.C
	}
	select {
	case err = <-ended:
	case <-ctx.Done():
		o.Stopped = true
	case <-limit:
		o.Stopped, o.Late = true, true
	}
	if o.Stopped {
		in.Close()
		select {
		case err = <-ended:
		case <-time.After(interruptGrace + killPatience + 2*stragglers):
			_ = cmd.Process.Kill() // the program has stopped its own supervisor
			err = <-ended
		}
	}
	if c.Line != nil {
		lines.end()
	}
	o.Printed = printed.String()
	var exit *exec.ExitError
	switch {
	case errors.As(err, &exit):
		o.Status = exit.ExitCode()
	case err != nil && !errors.Is(err, exec.ErrWaitDelay):
		o.Status, o.Err = cannotStart, err
	}
	return o
}

// lineWriter cuts what is written to it into lines.
type lineWriter struct {
	line func([]byte)
	part []byte
	cut  bool // the rest of this line is thrown away
}

func (w *lineWriter) Write(p []byte) (int, error) {
	n := len(p)
	for {
		line, rest, ended := bytes.Cut(p, []byte("\n"))
		if !w.cut {
			room := longestLine - len(w.part)
			w.cut = len(line) > room
			w.part = append(w.part, line[:min(len(line), room)]...)
		}
		if !ended {
			return n, nil
		}
		w.line(bytes.TrimSuffix(w.part, []byte("\r")))
		w.part, w.cut, p = w.part[:0], false, rest
	}
}

// end hands on a last line that has no end.
func (w *lineWriter) end() {
	if len(w.part) > 0 {
		w.line(w.part)
	}
}

// ends keeps the beginning and the end of what is written to it. Writes come from one goroutine at a time.
type ends struct {
	first, last []byte
	left        int64 // bytes between the two
}

func (e *ends) Write(p []byte) (int, error) {
	n := len(p)
	room := min(keptErrors-len(e.first), n)
	e.first = append(e.first, p[:room]...)
	e.last = append(e.last, p[room:]...)
	if over := len(e.last) - keptErrors; over > keptErrors {
		e.left += int64(over)
		e.last = append(e.last[:0], e.last[over:]...)
	}
	return n, nil
}

func (e *ends) String() string {
	if over := len(e.last) - keptErrors; over > 0 {
		e.left += int64(over)
		e.last = e.last[over:]
	}
	if e.left == 0 {
		return string(e.first) + string(e.last)
	}
	return fmt.Sprintf("%s\n… %d bytes are left out …\n%s", e.first, e.left, e.last)
}
