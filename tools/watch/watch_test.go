package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"socketbook/tools/check"
	"socketbook/tools/internal/coursetest"
	"socketbook/tools/internal/labrun"
	"socketbook/tools/internal/progress"
	"socketbook/tools/internal/runner"
	"socketbook/tools/timeline"
)

// commandVariable makes the test binary the command.
const commandVariable = "WATCH_TEST_COMMAND"

func TestMain(m *testing.M) {
	runner.Supervise()
	role := os.Getenv(commandVariable)
	os.Unsetenv(commandVariable)
	switch role {
	case "":
		os.Exit(m.Run())
	case panicsAtKey, panicsBeside:
		s := &session{
			labs: []labrun.Lab{{Number: "05", File: "framing.go"}}, builder: &runner.Builder{Root: "."},
			terminal: &terminal{in: os.Stdin, out: os.Stdout}, style: styleOf(os.Stdout, false),
		} // without a store
		if role == panicsBeside {
			s.builder = nil
		}
		_ = s.run()
	}
	main()
}

// Roles of the test binary: a session with a bug.
const (
	panicsAtKey  = "panics at a key"
	panicsBeside = "panics beside the session's goroutine"
)

// watch is the command, to be run in root.
func watch(root string, args ...string) *exec.Cmd {
	cmd := exec.Command(os.Args[0], args...)
	cmd.Dir = root
	cmd.Env = append(os.Environ(), commandVariable+"=1", "LANG=C.UTF-8", "LC_ALL=", "LC_CTYPE=",
		"NO_COLOR=", "TERM=xterm", "COLUMNS=", "GORACE=atexit_sleep_ms=0")
	return cmd
}

func status(t *testing.T, cmd *exec.Cmd) (stdout, stderr string, status int) {
	t.Helper()
	var out, errs strings.Builder
	cmd.Stdout, cmd.Stderr = &out, &errs
	err := cmd.Run()
	if _, ok := err.(*exec.ExitError); !ok {
		require.NoError(t, err)
	}
	return out.String(), errs.String(), cmd.ProcessState.ExitCode()
}

// A course without code is enough for what does not run.
func noCode(t *testing.T) string {
	root := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(root, "go.mod"), []byte("module socketbook\n"), 0o644))
	for _, number := range []string{"04", "05", "06"} {
		folder := filepath.Join(root, "labs", number)
		require.NoError(t, os.MkdirAll(folder, 0o755))
		require.NoError(t, os.WriteFile(filepath.Join(folder, "README.md"),
			[]byte("# Lab "+number+": a title\n\nYou edit one file, `labs/"+number+"/x.go`\n"), 0o644))
	}
	return root
}

func TestList(t *testing.T) {
	t.Parallel()
	root := noCode(t)
	store := progress.Open(root, func(s string) { t.Error(s) })
	require.NoError(t, store.Update(func(s *progress.State) {
		s.Labs["04"], s.Labs["05"] = progress.Lab{Points: 10, Of: 10}, progress.Lab{Points: 7, Of: 10}
	}))
	out, errs, code := status(t, watch(root, "-list"))
	require.Zero(t, code, errs)
	require.Equal(t, "  ■■■■■■■■■■ 10/10   04 a title\n  ■■■■■■■□□□ 7/10    05 a title\n  "+
		"□□□□□□□□□□  -      06 a title\n1 of 3 labs are perfect\n", out)
	out, _, _ = status(t, watch(root, "-list", "-ascii"))
	require.Contains(t, out, "  #######... 7/10    05 a title\n")

	name := filepath.Join(root, ".socketbook", "state.json")
	require.NoError(t, os.WriteFile(name, []byte("{"), 0o644))
	out, errs, code = status(t, watch(root, "-list"))
	require.Zero(t, code)
	require.Contains(t, out, "0 of 3 labs are perfect")
	require.Equal(t, "watch: .socketbook/state.json is broken (unexpected end of JSON input); the "+
		"progress shown begins anew, and the old file is kept as state.json.unreadable\n", errs)
}

func TestWrongUsage(t *testing.T) {
	t.Parallel()
	root := noCode(t)
	for args, want := range map[string]string{
		"5 6":    `"6" is one argument too many`,
		"-wrong": "flag provided but not defined: -wrong",
		"9":      `there is no lab "9"; there are 04, 05, 06`,
		"../05":  `there is no lab "../05"`,
	} {
		out, errs, code := status(t, watch(root, strings.Fields(args)...))
		require.Equal(t, 2, code, args)
		require.Contains(t, errs, want)
		require.Equal(t, 1, strings.Count(errs, "\n"))
		require.Empty(t, out)
	}
	_, errs, code := status(t, watch(t.TempDir()))
	require.Equal(t, 1, code)
	require.Contains(t, errs, "is not in a clone of socketbook: change to its folder first")
	out, _, code := status(t, watch(root, "-help"))
	require.Zero(t, code)
	require.Equal(t, usage, out)
}

func TestStart(t *testing.T) {
	t.Parallel()
	labs := []labrun.Lab{{Number: "04"}, {Number: "05"}, {Number: "06"}}
	perfect := progress.Lab{Points: 10, Of: 10}
	require.Equal(t, 0, start(labs, progress.State{}))
	require.Equal(t, 1, start(labs, progress.State{Labs: map[string]progress.Lab{"04": perfect}}))
	require.Equal(t, 2, start(labs, progress.State{Lab: "06"}))
	require.Equal(t, 0, start(labs, progress.State{Lab: "77"}))
	require.Equal(t, 0, start(labs, progress.State{Labs: map[string]progress.Lab{
		"04": perfect,
		"05": perfect, "06": perfect,
	}}))
}

// What a student's code or file says does not control the terminal, and lines fit.
func TestStyle(t *testing.T) {
	t.Parallel()
	st := style{columns: func() int { return 40 }}
	r := labrun.Result{Points: 1, Of: 3, Seed: 9, Cases: []labrun.Case{
		{Name: "one", Points: 1, Of: 1, Outcome: check.Passed},
		{Name: "two", Of: 1, Outcome: check.Failed, Message: "evil", Report: "two: 0 of 1\n   1. said " +
			"\x1b[2J\a\u202e\nrule    R\nnext    N"},
		{Name: "three, whose name is long enough to be cut off", Of: 1, Outcome: check.NotRun, Message: "not run"},
	}}
	text := st.result(labrun.State{
		Lab:    labrun.Lab{Number: "05", Title: strings.Repeat("title ", 20)},
		Result: &r, Fixed: []string{"one"}, Broke: []string{"two"},
	})
	require.NotContains(t, text, "\x1b")
	require.NotContains(t, text, "\a")
	require.NotContains(t, text, "\u202e")
	require.Contains(t, text, `said \x1b[2J\a\u202e`)
	require.Contains(t, st.refused(labrun.State{
		Phase: labrun.Refused,
		Lab:   labrun.Lab{File: "labs/05/framing.go"}, Trouble: strings.Repeat("a few words ",
			10),
	}), "a few words a\nfew words a")
	for line := range strings.Lines(st.help()) {
		require.Less(t, timeline.Width(line), 40)
	}
	require.Contains(t, text, "■■■□□□□□□□ 1/3 points   fixed 1, broke 1\n  broke: two\n")
	require.NotContains(t, text, "rule")
	for line := range strings.Lines(text) {
		require.LessOrEqual(t, timeline.Width(strings.TrimSuffix(line, "\n")), 40, line)
	}
	st.colour, st.ascii = true, true
	text = st.result(labrun.State{Result: &r})
	require.Contains(t, text, "\x1b[1mFix this first: two: 0 of 1\x1b[0m")
	require.Contains(t, text, "###.......")
}

func TestFold(t *testing.T) {
	t.Parallel()
	st := style{columns: func() int { return 12 }}
	for text, want := range map[string]string{
		"":                           "",
		"short\nlines\n":             "short\nlines\n",
		"one two three four":         "one two\nthree four",
		"  1. one two three\nfour\n": "  1. one\n     two\n     three\nfour\n",
		"got   00  00":               "got   00 \n00",
		strings.Repeat("x", 30):      strings.Repeat("x", 30),
		"粘包 粘包 粘包":                   "粘包 粘包\n粘包",
	} {
		require.Equal(t, want, st.fold(text), text)
	}
}

func TestAdvice(t *testing.T) {
	t.Parallel()
	a := labrun.Split("x: 0 of 1 point\nwrong\nrule    first\n        second\nsee     lesson 05: " +
		"go run ./lessons/05 -scene glue\nnext    try\nrun again go test\nagain   go test " +
		"./labs/05\n")
	require.Equal(t, labrun.Advice{
		Body: "x: 0 of 1 point\nwrong", Rule: "first second",
		Next: "try run again go test", Scene: "go run ./lessons/05 -scene glue", Again: "go test ./labs/05",
	}, a)
}

// Without a terminal there is one run.
func TestOnce(t *testing.T) {
	t.Parallel()
	root := coursetest.New(t, coursetest.Split)
	out, errs, code := status(t, watch(root, "5", "-seed=3"))
	require.Equal(t, 1, code)
	require.Empty(t, errs)
	require.True(t, strings.HasPrefix(out, "lab 05 message framing, seed 3\n■■■■■■■□□□ 7/10 "+
		"points\n\na header that comes in pieces is put together: 0 of 1 point\n"), out)
	require.Contains(t, out, "\nrule       One Read may return fewer bytes")
	require.Equal(t, progress.Lab{Points: 7, Of: 10}, progress.Open(root, nil).Load().Labs["05"])

	coursetest.Write(t, root, coursetest.Wrong)
	out, _, code = status(t, watch(root))
	require.Equal(t, 1, code)
	require.Contains(t, out, "labs/05/framing.go does not build:\n# "+
		"socketbook/labs/05\nlabs/05/framing.go:28:18: undefined: io.ReadFul\n")

	coursetest.Write(t, root, coursetest.Right)
	began := time.Now()
	out, _, code = status(t, watch(root))
	require.Zero(t, code, out)
	require.Contains(t, out, "■■■■■■■■■■ 10/10 points\n")
	t.Logf("building and running: %v", time.Since(began).Round(time.Millisecond))
}
