package main

import (
	"bytes"
	"flag"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
	"github.com/stretchr/testify/require"

	"socketbook/tools/internal/gittest"
)

var update = flag.Bool("update", false, "rewrite the golden files")

// The test binary runs itself as the command, so that the scripts test the real command line.
func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"stages": main})
}

func TestScripts(t *testing.T) {
	fixture, err := filepath.Abs("testdata")
	require.NoError(t, err)
	testscript.Run(t, testscript.Params{
		Dir:                 "testdata/script",
		RequireExplicitExec: true,
		RequireUniqueNames:  true,
		UpdateScripts:       *update,
		Setup: func(env *testscript.Env) error {
			// Or each command waits a second for late reports of the race detector.
			env.Setenv("GORACE", "atexit_sleep_ms=0")
			env.Setenv("ESC", "\x1b")
			for _, name := range []string{"before", "after"} {
				from := os.DirFS(filepath.Join(fixture, name))
				if err := os.CopyFS(filepath.Join(env.WorkDir, name), from); err != nil {
					return err
				}
			}
			return nil
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"makefile": makeFile,
			"lines":    countLines,
			"status":   status,
		},
	})
}

// makeFile writes what a script cannot: makefile NAME binary|huge|many|latin1…
func makeFile(ts *testscript.TestScript, neg bool, args []string) {
	contents := map[string]string{
		"binary":      "package main\x00\x01",
		"otherbinary": "package main\x00\x02",
		"huge":        strings.Repeat("package main\n", maxFile/10),
		"latin1":      "package main\n\n// caf\xe9\n",
		"crlf":        "package main\r\n\r\nfunc main() {}\r\n",
		"many":        strings.Repeat("\n", maxLines+1),
		"noeol":       "package main\n\nfunc main() {}",
	}
	ts.Check(os.WriteFile(ts.MkAbs(args[0]), []byte(contents[args[1]]), 0o644))
}

// countLines fails unless FILE has N lines: lines N FILE.
func countLines(ts *testscript.TestScript, neg bool, args []string) {
	if got := strings.Count(ts.ReadFile(args[1]), "\n"); got != len(args[0]) {
		ts.Fatalf("%s has %d lines, want one for each letter of %q", args[1], got, args[0])
	}
}

// status runs the command and demands its status: status N ARGS…
func status(ts *testscript.TestScript, neg bool, args []string) {
	want := args[0]
	err := ts.Exec("stages", args[1:]...)
	got := "0"
	if err != nil {
		got = strings.TrimPrefix(err.Error(), "exit status ")
	}
	if got != want {
		ts.Fatalf("status %s, want %s", got, want)
	}
}

// command runs the command in this process, as in a terminal of that many columns if columns is not 0.
func command(
	t *testing.T, columns int, env map[string]string, args ...string,
) (stdout, stderr string, status int) {
	t.Helper()
	dir, err := os.Getwd()
	require.NoError(t, err)
	var out, errs bytes.Buffer
	status = run(args, world{
		stdout: &out, stderr: &errs, dir: dir,
		terminal: columns > 0, escapes: columns > 0, columns: columns, lines: 10,
		getenv: func(name string) string { return env[name] },
	})
	return out.String(), errs.String(), status
}

var sgr = regexp.MustCompile("\x1b\\[[0-9;]*m")

func withoutColour(s string) string { return sgr.ReplaceAllString(s, "") }

func TestColourOnlyWhereItIsWanted(t *testing.T) {
	args := []string{"testdata/before", "testdata/after", "-no-pager"}
	for _, test := range []struct {
		name    string
		columns int
		env     map[string]string
		flag    string
		want    bool
	}{
		{"terminal", 100, nil, "", true},
		{"NO_COLOR", 100, map[string]string{"NO_COLOR": "1"}, "", false},
		{"empty NO_COLOR", 100, map[string]string{"NO_COLOR": ""}, "", true},
		{"dumb terminal", 100, map[string]string{"TERM": "dumb"}, "", false},
		{"pipe", 0, nil, "", false},
		{"always", 0, map[string]string{"NO_COLOR": "1"}, "-color=always", true},
		{"never", 100, nil, "-color=never", false},
	} {
		t.Run(test.name, func(t *testing.T) {
			a := args
			if test.flag != "" {
				a = append([]string{test.flag}, args...)
			}
			out, _, status := command(t, test.columns, test.env, a...)
			require.Zero(t, status)
			require.Equal(t, test.want, strings.Contains(out, "\x1b["))
			require.False(t, strings.Contains(out, "\x1b[31m is"),
				"an escape sequence of the file's came through")
			require.True(t, strings.Contains(withoutColour(out), "+     for {"), out)
		})
	}
}

// needShell skips the test on Windows, where PAGER is a program with arguments and no shell reads it.
func needShell(t *testing.T) {
	t.Helper()
	if runtime.GOOS == "windows" {
		t.Skip("on Windows no shell reads PAGER")
	}
}

func TestPager(t *testing.T) {
	needShell(t)
	args := []string{"testdata/before", "testdata/after"}
	paged, _, status := command(t, 100, map[string]string{"PAGER": "sed 's/^/paged: /'"}, args...)
	require.Zero(t, status)
	require.True(t, strings.HasPrefix(paged, "paged: "), paged[:80])

	for name, env := range map[string]map[string]string{
		"the pager is cat":          {"PAGER": "cat"},
		"the pager does not exist":  {"PAGER": "no-such-pager-anywhere"},
		"there is no less, no PATH": nil,
	} {
		if env == nil {
			t.Setenv("PATH", "")
		}
		out, _, status := command(t, 100, env, args...)
		require.Zero(t, status, name)
		require.True(t, strings.Contains(withoutColour(out), "+     for {"), "%s: %s", name, out)
	}
}

func TestPagerOnlyWhenItIsLongerThanTheScreen(t *testing.T) {
	env := map[string]string{"PAGER": "sed 's/^/paged: /'"}
	out, _, _ := command(t, 100, env, "testdata/after/naive.go", "testdata/after/naive.go")
	require.NotContains(t, out, "paged: ")
	out, _, _ = command(t, 100, env, "-no-pager", "testdata/before", "testdata/after")
	require.NotContains(t, out, "paged: ")
	out, _, _ = command(t, 0, env, "testdata/before", "testdata/after")
	require.NotContains(t, out, "paged: ", "standard output is no terminal")
}

// The pager runs from the line on that would push the first one off the screen: the prompt takes one.
func TestPagerThreshold(t *testing.T) {
	needShell(t)
	args := []string{"testdata/before", "testdata/after", "-width=100"}
	out, _, _ := command(t, 0, nil, args...)
	drawn := strings.Count(out, "\n")
	for lines, paged := range map[int]bool{drawn - 1: true, drawn: true, drawn + 1: false} {
		var out, errs bytes.Buffer
		require.Zero(t, run(args, world{
			stdout: &out, stderr: &errs, terminal: true, columns: 100, lines: lines,
			getenv: func(name string) string {
				return map[string]string{"PAGER": "sed 's/^/paged: /'"}[name]
			},
		}), errs.String())
		require.Equal(t, paged, strings.HasPrefix(out.String(), "paged: "),
			"%d lines on a screen of %d", drawn, lines)
	}
}

// cat pages nothing: no process is started for it.
func TestCatIsNoPager(t *testing.T) {
	require.Nil(t, pagerCommand("cat"))
	require.Nil(t, pagerCommand(" cat "))
	require.NotNil(t, pagerCommand("cat -n"))
}

// A width that was asked for, the terminal's, COLUMNS, the terminal beside a pipe; and 20 columns at least.
func TestWidth(t *testing.T) {
	for _, test := range []struct {
		flag, terminal int
		env            string
		beside, want   int
	}{
		{50, 60, "70", 80, 50},
		{0, 60, "70", 80, 60},
		{0, 0, "70", 80, 70},
		{0, 0, "x", 80, 80},
		{0, 0, "", 0, 120},
		{0, 7, "", 0, 20},
	} {
		getenv := func(string) string { return test.env }
		w := world{columns: test.terminal, beside: test.beside, getenv: getenv}
		require.Equal(t, test.want, options{width: test.flag}.columns(w), test)
	}
}

// A pager that quits after the first line must neither hang the command nor fail it.
func TestPagerThatQuitsEarly(t *testing.T) {
	needShell(t)
	dir := t.TempDir()
	long := strings.Repeat("a line that fills the pipe\n", 50_000)
	require.NoError(t, os.WriteFile(filepath.Join(dir, "a"), []byte(long), 0o644))
	require.NoError(t, os.WriteFile(filepath.Join(dir, "b"), []byte(strings.ToUpper(long)), 0o644))
	_, stderr, status := command(t, 100, map[string]string{"PAGER": "head -1"}, filepath.Join(dir, "a"),
		filepath.Join(dir, "b"))
	require.Zero(t, status)
	require.Empty(t, stderr)
}

// In a console that shows escape sequences as text there is no colour unless somebody insists.
func TestNoColourWithoutEscapeSequences(t *testing.T) {
	for colour, want := range map[string]bool{"auto": false, "always": true} {
		var out, errs bytes.Buffer
		status := run([]string{"testdata/before", "testdata/after", "-color", colour, "-no-pager"}, world{
			stdout: &out, stderr: &errs, terminal: true, columns: 100, lines: 10,
			getenv: func(string) string { return "" },
		})
		require.Zero(t, status, errs.String())
		require.Equal(t, want, strings.Contains(out.String(), "\x1b["), colour)
	}
}

// The frame is drawn where the terminal and the locale have the characters, or where -ascii=false insists.
func TestWhereTheFrameIsASCII(t *testing.T) {
	for _, test := range []struct {
		columns int
		env     map[string]string
		flag    string
		want    bool
	}{
		{100, nil, "-ascii=false", false},
		{100, map[string]string{"LANG": "de_DE.UTF-8"}, "-no-pager", false},
		{100, map[string]string{"LANG": "zh_CN.utf8", "LC_CTYPE": ""}, "-no-pager", false},
		{100, map[string]string{"LC_ALL": "C", "LANG": "de_DE.UTF-8"}, "-no-pager", true},
		{100, map[string]string{"LC_CTYPE": "zh_CN.GBK"}, "-no-pager", true},
		{0, map[string]string{"LC_ALL": "C"}, "-no-pager", true},
		{100, map[string]string{"TERM": "dumb", "LANG": "C.UTF-8"}, "-no-pager", true},
		{0, map[string]string{"TERM": "dumb"}, "-no-pager", false}, // a pipe
		{100, map[string]string{"LC_ALL": "C"}, "-ascii=false", false},
	} {
		folders := []string{"testdata/before", "testdata/after"}
		for _, args := range [][]string{folders, append([]string{"-stat"}, folders...)} {
			out, stderr, status := command(t, test.columns, test.env, append([]string{test.flag}, args...)...)
			require.Zero(t, status, stderr)
			drawn := strings.ContainsAny(out, "─│→−")
			require.Equal(t, test.want, !drawn, "%v %v: %s", test, args, out)
		}
	}
	out, _, _ := command(t, 100, map[string]string{"LC_ALL": "C"})
	require.NotContains(t, out, "−", "the table of the course")
}

// A dumb terminal has no pager either: less would ask there whether it really should.
func TestDumbTerminalHasNoPager(t *testing.T) {
	out, _, status := command(t, 100, map[string]string{"TERM": "dumb", "PAGER": "sed 's/^/paged: /'"},
		"testdata/before", "testdata/after")
	require.Zero(t, status)
	require.NotContains(t, out, "paged: ")
}

// A patch keeps every byte, except where it is a terminal that would obey some of them.
func TestPatchOnATerminal(t *testing.T) {
	dir := t.TempDir()
	gittest.WriteTree(t, dir, map[string]string{
		"old": "\tone\n",
		"new": "\tone \x1b]0;title\x07\x1b[2J 客 caf\xe9\u009b\u202e\r\n",
	})
	args := []string{"-u", filepath.Join(dir, "old"), filepath.Join(dir, "new")}
	piped, _, status := command(t, 0, nil, args...)
	require.Zero(t, status)
	require.Contains(t, piped, "+\tone \x1b]0;title\x07\x1b[2J 客 caf\xe9\u009b\u202e\r\n")
	shown, _, status := command(t, 80, nil, args...)
	require.Zero(t, status)
	require.Contains(t, shown, "-\tone\n+\tone ␛]0;title␇␛[2J 客 caf\\xe9<U+009B><U+202E>␍\n")
	require.False(t, strings.ContainsAny(shown, "\x1b\x07\r\u009b\u202e"))
}

// full is a writer on a disk with no room left.
type full struct{}

func (full) Write([]byte) (int, error) {
	return 0, &fs.PathError{Op: "write", Path: "x", Err: os.ErrInvalid}
}

func TestWritingFails(t *testing.T) {
	var errs bytes.Buffer
	status := run([]string{"testdata/before", "testdata/after"},
		world{stdout: full{}, stderr: &errs, getenv: os.Getenv})
	require.Equal(t, 1, status)
	require.Equal(t, "diff: writing: invalid argument\n", errs.String())
}
