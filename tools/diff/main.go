// Diff shows two stages of the course side by side.
//
//	go run ./tools/diff                        the course as a table of steps
//	go run ./tools/diff 05                     lesson 05 beside the lesson that it builds on
//	go run ./tools/diff 04 06                  any two lessons
//	go run ./tools/diff labs/05 solutions/05   any two folders, or files
//	git show HEAD:./a.go | go run ./tools/diff - a.go
//
// A number is always a lesson; a folder called 05 is ./05. The name - is standard input; a pipe that is
// named, as by the shell's <(command), is read to its end. Flags may stand before or behind the
// arguments.
//
// The margin has a mark for each line: "-" removed, "+" added, "~" changed, "<" moved away, ">" moved
// here. In two columns, the tokens that differ in a changed line stand out; long lines are wrapped.
// Where the two lines of a row look the same, what differs is written out: · for a space, → for a tab,
// <U+00A0> for other characters. Narrower than 80 columns, there is one column. Of a folder, main.go,
// tests, READMEs and folders inside are left out unless -all-files is given.
//
// The status is 0 when the comparison was made, whether or not anything differs, 1 when it could not be
// made, of one file of a folder even, and 2 for wrong usage. A binary file is compared: it is the same
// or it is not.
package main

import (
	"bufio"
	"cmp"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
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
	given                                 map[string]bool // the flags by name
	args                                  []string
}

// world is what the command knows of its surroundings.
type world struct {
	stdout, stderr io.Writer
	dir            string // where to look for the module
	getenv         func(string) string
	terminal       bool // standard output is one
	escapes        bool // and it obeys escape sequences: it can show colour
	columns, lines int  // of that terminal; 0 if there is none
	beside         int  // columns of the reader's terminal behind a pipe: standard error is one, or input
}

func main() {
	dir, err := os.Getwd()
	if err != nil {
		fmt.Fprintln(os.Stderr, "diff: the working folder:", err)
		os.Exit(1)
	}
	w := world{stdout: os.Stdout, stderr: os.Stderr, dir: dir, getenv: os.Getenv}
	restore := func() {}
	if fd := int(os.Stdout.Fd()); term.IsTerminal(fd) {
		w.terminal = true
		w.escapes, restore = escapeSequences(os.Stdout)
		w.columns, w.lines, _ = term.GetSize(fd)
	}
	for _, f := range []*os.File{os.Stderr, os.Stdin} {
		if columns, _, err := term.GetSize(int(f.Fd())); err == nil && w.beside == 0 {
			w.beside = columns
		}
	}
	status := run(os.Args[1:], w)
	restore()
	os.Exit(status)
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
		for line := range strings.SplitSeq(err.Error(), "\n") { // joined errors have a line each
			fmt.Fprintf(w.stderr, "diff: %s\n", line)
		}
		return 1
	}
	return 0
}

func flags(o *options) *flag.FlagSet {
	f := flag.NewFlagSet("diff", flag.ContinueOnError)
	f.SetOutput(io.Discard)
	f.IntVar(&o.context, "context", 3,
		"show `N` equal lines around each difference; with -u at least 1, which git apply wants")
	f.BoolVar(&o.all, "all", false, "fold nothing")
	f.BoolVar(&o.allFiles, "all-files", false,
		"every file: main.go, tests, READMEs, and the folders inside")
	f.BoolVar(&o.stat, "stat", false, "one summary line per file, nothing else")
	f.BoolVar(&o.unified, "u", false, "a unified diff, for git apply and patch -p1")
	f.StringVar(&o.html, "html", "",
		"write a page to `FILE` (- is standard output); with no lesson, the course to a folder")
	f.BoolVar(&o.noPager, "no-pager", false, "do not run PAGER (or less), however long it is")
	f.IntVar(&o.width, "width", 0,
		"draw `N` columns instead of what the terminal has (in a pipe: COLUMNS, the terminal's, or 120)")
	f.StringVar(&o.colour, "color", "auto",
		"`WHEN` to use colour: always, never, or auto (on a terminal, without NO_COLOR)")
	f.BoolVar(&o.ascii, "ascii", false,
		"nothing but ASCII in the frame; -ascii=false draws it whatever TERM and the locale say")
	return f
}

// parse reads flags and arguments in any order.
func parse(args []string) (options, error) {
	var o options
	f := flags(&o)
	for len(args) > 0 {
		if err := f.Parse(args); errors.Is(err, flag.ErrHelp) {
			return o, err
		} else if err != nil {
			return o, usageError(shown(err.Error()))
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
	o.given = make(map[string]bool)
	f.Visit(func(given *flag.Flag) { o.given[given.Name] = true })
	if err := o.check(); err != nil {
		return o, err
	}
	if o.all {
		o.context = rowdiff.All
	}
	return o, nil
}

// check finds the flags that are wrong by themselves or do not go together.
func (o options) check() error {
	switch {
	case o.given["html"] && o.html == "":
		return usageError("-html wants the name of a file, or with no lesson that of a folder")
	case isNumber.MatchString(filepath.ToSlash(o.html)):
		return usageError(fmt.Sprintf("-html %s would write to a file or folder of that name; "+
			"the name comes first: -html step.html %[1]s (a folder called %[1]s is ./%[1]s)", o.html))
	case strings.HasPrefix(o.html, "-") && o.html != "-":
		return usageError(fmt.Sprintf(
			"-html wants a name, and %s looks like a flag (a file of that name is ./%[1]s)", shown(o.html)))
	case slices.Contains(o.args, ""):
		return usageError("an argument is empty; give none, a lesson, or two lessons, folders or files")
	case o.context < 0:
		return usageError("-context counts lines: 0 or more; -all folds nothing")
	case o.width != 0 && (o.width < narrowest || o.width > 10_000):
		return usageError(fmt.Sprintf("-width is %d to 10000 columns", narrowest))
	case o.colour != "auto" && o.colour != "always" && o.colour != "never":
		return usageError("-color is always, never or auto")
	case (o.stat && o.unified) || (o.html != "" && (o.stat || o.unified)):
		return usageError("one of -stat, -u and -html at a time")
	case o.unified && len(o.args) == 0:
		return usageError("-u needs a lesson, or two lessons, folders or files")
	case o.given["context"] && len(o.args) == 0 && o.html == "":
		return usageError("-context needs a lesson, or two lessons, folders or files")
	}
	return nil
}

// isNumber finds what is meant as a lesson, whether or not there is such a lesson: 05, lessons/05.
var isNumber = regexp.MustCompile(`^((\./)?lessons/)?[0-9]+/?$`)

func usage(out io.Writer) {
	fmt.Fprint(out, `usage: go run ./tools/diff [flags] [LESSON | OLD NEW]

  go run ./tools/diff                        the course as a table of steps
  go run ./tools/diff 05                     lesson 05 beside the lesson that it builds on
  go run ./tools/diff 04 06                  any two lessons
  go run ./tools/diff labs/05 solutions/05   any two folders, or files; - is standard input

In the margin: - removed, + added, ~ changed, < moved away, > moved here. Where the two lines
of a row look the same, what differs is written out: · a space, → a tab, <U+00A0> other characters.

`)
	f := flags(&options{})
	f.SetOutput(out)
	f.PrintDefaults()
}

// show makes the comparison and writes it as the flags want it.
func (o options) show(w world) error {
	if !o.given["ascii"] {
		o.ascii = w.plain()
	}
	c := openCourse(w.dir)
	if len(o.args) == 0 {
		if o.html != "" {
			return writeCourse(c, o, w)
		}
		steps, err := c.steps()
		if err != nil {
			return err
		}
		return write(w.stdout, table(steps, o.columns(w), o.ascii))
	}
	diff, err := c.resolve(o.args, o.allFiles)
	if err != nil {
		return err
	}
	switch {
	case o.html != "":
		err = writePage(diff, o, w)
	case o.unified:
		err = o.patch(diff, w)
	case o.stat:
		err = write(w.stdout, stat(diff, o.ascii))
	default:
		err = o.draw(diff, w)
	}
	return errors.Join(err, diff.unread())
}

// plain reports whether the terminal is said to show nothing but ASCII, by TERM or by the locale (POSIX,
// Base Definitions, 8.2). Where no locale is set nothing is said.
func (w world) plain() bool {
	locale := cmp.Or(w.getenv("LC_ALL"), w.getenv("LC_CTYPE"), w.getenv("LANG"))
	utf8 := strings.Contains(strings.ReplaceAll(strings.ToUpper(locale), "-", ""), "UTF8")
	return w.terminal && w.getenv("TERM") == "dumb" || locale != "" && !utf8
}

// patch writes the unified diff: its bytes as they are, or on a terminal fit to be seen. What it leaves
// out is said beside it.
func (o options) patch(c *comparison, w world) error {
	if !c.differs() {
		fmt.Fprintln(w.stderr, same(c))
	}
	for _, f := range c.files {
		if f.Skipped != "" && f.Differs && !f.Unread {
			fmt.Fprintf(w.stderr, "diff: left out %s\n", summary(c, f, o.ascii))
		}
	}
	text := rowdiff.Patch(c.files, o.context)
	if w.terminal {
		text = visible(text)
	}
	return write(w.stdout, text)
}

// draw writes the comparison for a person, through a pager where it is longer than the screen.
func (o options) draw(c *comparison, w world) error {
	s := screen{width: o.columns(w), context: o.context, ascii: o.ascii}
	dumb := w.getenv("TERM") == "dumb"
	auto := w.escapes && !dumb && w.getenv("NO_COLOR") == ""
	s.theme.colour = o.colour == "always" || o.colour == "auto" && auto
	s.draw(c)
	text := s.out.String()
	paged := w.terminal && !dumb && !o.noPager && strings.Count(text, "\n") >= w.lines
	if paged && page(text, w.getenv, w.stdout, w.stderr) {
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
