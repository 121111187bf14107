// Grade grades a class: submissions in, a gradebook out. README.md is its manual.
//
//	go build -o grade ./tools/grade
//	./grade SUBMISSIONS…                     folders, .zip and .tar(.gz) files, or a folder with one entry per student
//	./grade merge -out DIR SHARD…            the results of several machines
//	./grade compare OLD NEW                  whose points changed, and by which case
//	./grade selftest                         answers whose points are known, graded here
//	./grade export-jplag DIR                 submissions under pseudonyms, for a search for copies
//
// The status is 0 when everybody was graded, whatever the points; 1 when some submissions could not be
// graded; 2 for wrong use, and where there is no sandbox; 3 when another suite or another roster than
// the other shards' was used, so that the same shard again would not help.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"

	"socketbook/tools/grade/internal/sandbox"
	"socketbook/tools/grade/internal/score"
	"socketbook/tools/internal/runner"
)

// Statuses of the command.
const (
	done      = 0
	someError = 1
	misuse    = 2
	mismatch  = 3
)

func main() {
	sandbox.Main()
	runner.Supervise()
	ctx, stop := untilSignal()
	defer stop()
	os.Exit(command(ctx, os.Args[1:], os.Stdout, os.Stderr))
}

// untilSignal is a context that ends with Ctrl-C, when the system asks for the end, and when the terminal is
// closed, but not if nohup says that this does not count. Whoever reads the output may stop, as head does: the
// class is graded all the same.
func untilSignal() (context.Context, context.CancelFunc) {
	signal.Notify(make(chan os.Signal, 1), syscall.SIGPIPE) // not Ignore: programs in boxes would inherit that
	ends := []os.Signal{os.Interrupt, syscall.SIGTERM}
	if !signal.Ignored(syscall.SIGHUP) {
		ends = append(ends, syscall.SIGHUP)
	}
	return signal.NotifyContext(context.Background(), ends...)
}

const usage = `usage: grade [flags] SUBMISSIONS…
       grade merge -out DIR SHARD…
       grade compare OLD NEW
       grade selftest [flags]
       grade export-jplag [flags] SUBMISSIONS…

SUBMISSIONS are folders, .zip, .tar or .tar.gz files: each a submission, or a folder or an archive with one
entry for each student.

  -labs 05,06       these labs; all of them without the flag
  -out DIR          where results go (.grades)
  -roster FILE.csv  the class: an export of Canvas or Moodle, or id,name,email and perhaps hold
  -sandbox KIND     auto, namespaces, docker or none (auto)
  -j N              so many submissions at a time (one for each processor)
  -seed N           the random choices of the suites (each file has its own)
  -resume           keep what was graded before, grade the rest
  -only ID,…        grade these students anew, keep everybody else's results
  -failed           grade anew those who lack points or could not be graded
  -shard I/N        the I-th of N parts of the class, from 1; auto reads it from the CI system
  -json             the results as JSON lines on standard output
  -no-times         leave out everything that differs between two runs
  -one-in N         selftest: one in N of the known answers, chosen by -seed (all)
  -answer TEXT      selftest: the known answers with TEXT in their names, and nothing else

Status: 0 graded, 1 some submissions could not be graded, 2 wrong use or no sandbox, 3 the shards do not fit
together. go run makes 1 of every other status, so build it first: go build -o grade ./tools/grade
`

// failure is an error with the status that the command ends with.
type failure struct {
	status int
	err    error
}

func (f *failure) Error() string { return f.err.Error() }
func (f *failure) Unwrap() error { return f.err }

// wrongUse is a failure of whoever typed the command.
func wrongUse(format string, args ...any) error {
	return &failure{misuse, fmt.Errorf(format, args...)}
}

// command is the whole program; it returns the status.
func command(ctx context.Context, args []string, out, errs io.Writer) int {
	run := grade
	if len(args) > 0 {
		other, known := map[string]func(context.Context, []string, io.Writer, io.Writer) error{
			"merge": merge, "compare": compare, "selftest": selftest, "export-jplag": exportJPlag,
		}[args[0]]
		if known {
			run, args = other, args[1:]
		}
	}
	err := run(ctx, args, out, errs)
	switch {
	case errors.Is(err, flag.ErrHelp):
		fmt.Fprint(out, usage)
		return done
	case err == nil:
		return done
	}
	if text := err.Error(); text != "" {
		fmt.Fprintf(errs, "grade: %s\n", score.PlainText(text))
	}
	var f *failure
	if errors.As(err, &f) {
		return f.status
	}
	return someError
}

// parse reads flags, before and behind the other arguments, which it returns.
func parse(f *flag.FlagSet, args []string) (rest []string, err error) {
	f.SetOutput(io.Discard)
	for {
		if err := f.Parse(args); errors.Is(err, flag.ErrHelp) {
			return nil, err
		} else if err != nil {
			return nil, wrongUse("%w (grade -help)", err)
		}
		if f.NArg() == 0 {
			return rest, nil
		}
		rest, args = append(rest, f.Arg(0)), f.Args()[1:]
	}
}
