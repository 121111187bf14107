// Diff shows two stages of the course side by side.
//
//	go run ./tools/diff                        the course as a table of steps
//	go run ./tools/diff 05                     lesson 05 beside the lesson that it builds on
//	go run ./tools/diff 04 06                  any two lessons
//	go run ./tools/diff labs/05 solutions/05   any two folders, or files
//
// A number is always a lesson; a folder called 05 is ./05. Flags may stand before or behind the arguments.
//
// The margin has a mark for each line: "-" removed, "+" added, "~" changed, "<" moved away, ">" moved here. In two
// columns, the tokens that differ in a changed line stand out; long lines are wrapped. Narrower than 80 columns,
// there is one column. Of a folder, main.go, tests, READMEs and folders inside are left out unless -all-files is
// given.
//
// The status is 0 when the comparison was made, whether or not anything differs, 1 when it could not be, and 2 for
// wrong usage.
package main

import (
	"bufio"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/term"

	"socketbook/tools/internal/rowdiff"
)

// usageError is wrong usage, as a sentence: status 2.
type usageError string

func (e usageError) Error() string { return string(e) }

// options are the flags.
type options struct {
	context                               int
	all, allFiles, stat, unified, noPager bool
	ascii                                 bool
	html, colour                          string
	width                                 int
	args                                  []string
}

// world is what the command knows of its surroundings.
type world struct {
	stdout, stderr io.Writer
	dir            string // where to look for the module
	getenv         func(string) string
	terminal       bool // standard output is one
	columns, lines int  // of that terminal; 0 if there is none
	beside         int  // columns of the terminal that standard error or input is: the reader's, behind a pipe
}

func main() {
	dir, err := os.Getwd()
	if err != nil {
		fmt.Fprintln(os.Stderr, "diff: the working folder:", err)
		os.Exit(1)
	}
	w := world{stdout: os.Stdout, stderr: os.Stderr, dir: dir, getenv: os.Getenv}
	if fd := int(os.Stdout.Fd()); term.IsTerminal(fd) {
		w.terminal = true
		w.columns, w.lines, _ = term.GetSize(fd)
	}
	for _, f := range []*os.File{os.Stderr, os.Stdin} {
		if columns, _, err := term.GetSize(int(f.Fd())); err == nil && w.beside == 0 {
			w.beside = columns
		}
	}
	os.Exit(run(os.Args[1:], w))
}

// run is the command: it returns the status.
func run(args []string, w world) int {
	o, err := parse(args)
	switch {
	case errors.Is(err, flag.ErrHelp):
		usage(w.stdout)
		return 0
	case err == nil:
		err = o.show(w)
	}
	var wrong usageError
	switch {
	case errors.As(err, &wrong):
		fmt.Fprintf(w.stderr, "diff: %v (go run ./tools/diff -help)\n", err)
		return 2
	case err != nil:
		fmt.Fprintf(w.stderr, "diff: %v\n", err)
		return 1
	}
	return 0
}

func flags(o *options) *flag.FlagSet {
	f := flag.NewFlagSet("diff", flag.ContinueOnError)
	f.SetOutput(io.Discard)
	f.IntVar(&o.context, "context", 3, "show `N` equal lines around each difference; with -u at least 1, which git apply wants")
	f.BoolVar(&o.all, "all", false, "fold nothing")
	f.BoolVar(&o.allFiles, "all-files", false, "every file: main.go, tests, READMEs, and the folders inside")
	f.BoolVar(&o.stat, "stat", false, "one summary line per file, nothing else")
	f.BoolVar(&o.unified, "u", false, "a unified diff, for git apply and patch -p1")
	f.StringVar(&o.html, "html", "", "write a page to `FILE` (- is standard output); with no lesson, the course to a folder")
	f.BoolVar(&o.noPager, "no-pager", false, "do not run PAGER (or less), however long it is")
	f.IntVar(&o.width, "width", 0, "draw `N` columns instead of what the terminal has (in a pipe: COLUMNS, the terminal's, or 120)")
	f.StringVar(&o.colour, "color", "auto", "`WHEN` to use colour: always, never, or auto (on a terminal, without NO_COLOR)")
	f.BoolVar(&o.ascii, "ascii", false, "nothing but ASCII in the frame")
	return f
}

// parse reads flags and arguments in any order.
func parse(args []string) (options, error) {
	var o options
	f := flags(&o)
	for len(args) > 0 {
		if err := f.Parse(args); err != nil {
			if errors.Is(err, flag.ErrHelp) {
				return o, err
			}
			return o, usageError(err.Error())
		}
		rest := f.Args()
		if n := len(args) - len(rest); n > 0 && args[n-1] == "--" {
			o.args = append(o.args, rest...)
			break
		}
		if len(rest) > 0 {
			o.args = append(o.args, rest[0])
			rest = rest[1:]
		}
		args = rest
	}
	emptyHTML := false
	f.Visit(func(given *flag.Flag) { emptyHTML = emptyHTML || given.Name == "html" && o.html == "" })
	switch {
	case emptyHTML:
		return o, usageError("-html wants the name of a file, or with no lesson that of a folder")
	case slices.Contains(o.args, ""):
		return o, usageError("an argument is empty; give none, a lesson, or two lessons, folders or files")
	case o.context < 0:
		return o, usageError("-context counts lines: 0 or more; -all folds nothing")
	case o.width != 0 && (o.width < narrowest || o.width > 10_000):
		return o, usageError(fmt.Sprintf("-width is %d to 10000 columns", narrowest))
	case o.colour != "auto" && o.colour != "always" && o.colour != "never":
		return o, usageError("-color is always, never or auto")
	case (o.stat && o.unified) || (o.html != "" && (o.stat || o.unified)):
		return o, usageError("one of -stat, -u and -html at a time")
	case o.unified && len(o.args) == 0:
		return o, usageError("-u needs a lesson, or two lessons, folders or files")
	}
	if o.all {
		o.context = rowdiff.All
	}
	return o, nil
}

func usage(out io.Writer) {
	fmt.Fprint(out, `usage: go run ./tools/diff [flags] [LESSON | OLD NEW]

  go run ./tools/diff                        the course as a table of steps
  go run ./tools/diff 05                     lesson 05 beside the lesson that it builds on
  go run ./tools/diff 04 06                  any two lessons
  go run ./tools/diff labs/05 solutions/05   any two folders, or files

In the margin: - removed, + added, ~ changed, < moved away, > moved here.

`)
	f := flags(&options{})
	f.SetOutput(out)
	f.PrintDefaults()
}

// show makes the comparison and writes it as the flags want it.
func (o options) show(w world) error {
	c := openCourse(w.dir)
	if len(o.args) == 0 {
		if o.html != "" {
			return writeCourse(c, o, w)
		}
		steps, err := c.steps()
		if err != nil {
			return err
		}
		return write(w.stdout, table(steps, o.ascii)+"\nA step in full: go run ./tools/diff "+steps[len(steps)-1].number+"\n")
	}
	cmp, err := c.resolve(o.args, o.allFiles)
	switch {
	case err != nil:
		return err
	case o.html != "":
		return writePage(cmp, o, w)
	case o.unified:
		return o.patch(cmp, w)
	case o.stat:
		return write(w.stdout, stat(cmp, o.ascii))
	}
	return o.draw(cmp, w)
}

// patch writes the unified diff. What it leaves out is said beside it.
func (o options) patch(c *comparison, w world) error {
	if !c.differs() {
		fmt.Fprintln(w.stderr, same(c))
	}
	for _, f := range c.files {
		if f.Skipped != "" && f.Differs {
			fmt.Fprintf(w.stderr, "diff: left out %s\n", summary(c, f, o.ascii))
		}
	}
	return write(w.stdout, rowdiff.Patch(c.files, o.context))
}

// draw writes the comparison for a person, through a pager where it is longer than the screen.
func (o options) draw(c *comparison, w world) error {
	s := screen{width: o.columns(w), context: o.context, ascii: o.ascii}
	s.theme.colour = o.colour == "always" || o.colour == "auto" && w.terminal && w.getenv("NO_COLOR") == "" && w.getenv("TERM") != "dumb"
	s.draw(c)
	text := s.out.String()
	if w.terminal && !o.noPager && strings.Count(text, "\n") >= w.lines && page(text, w.getenv, w.stdout, w.stderr) {
		return nil
	}
	return write(w.stdout, text)
}

// columns is the width to draw.
func (o options) columns(w world) int {
	fromEnv, _ := strconv.Atoi(w.getenv("COLUMNS"))
	for _, n := range []int{o.width, w.columns, fromEnv, w.beside} {
		if n > 0 {
			return max(n, narrowest)
		}
	}
	return 120
}

func write(out io.Writer, text string) error {
	b := bufio.NewWriter(out)
	if _, err := b.WriteString(text); err != nil {
		return fmt.Errorf("writing: %w", cause(err))
	}
	if err := b.Flush(); err != nil {
		return fmt.Errorf("writing: %w", cause(err))
	}
	return nil
}
