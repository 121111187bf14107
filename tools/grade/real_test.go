package main

import (
	"bytes"
	"encoding/json"
	"os"
	"path"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"socketbook/tools/check"
	"socketbook/tools/grade/internal/intake"
	"socketbook/tools/grade/internal/sandbox"
	"socketbook/tools/grade/internal/score"
	"socketbook/tools/internal/coursetest"
	"socketbook/tools/internal/runner"
)

// Real answers, with everything that a class gets: the references of the labs; and to lab 05
// answers that are half right, not compiling, untouched, hostile, or leave something open. The
// failure texts are those that go test prints. To save time the references are those of every third
// lab: grade selftest, which CI runs, has all of them, the known answers, and the attacks.
func TestRealAnswers(t *testing.T) {
	root, err := runner.FindRoot(".")
	require.NoError(t, err)
	labs, err := findLabs(root, "")
	require.NoError(t, err)
	dir, out := t.TempDir(), t.TempDir()
	write := func(id, name, text string) {
		file := filepath.Join(dir, id, filepath.FromSlash(name))
		require.NoError(t, os.MkdirAll(filepath.Dir(file), 0o755))
		require.NoError(t, os.WriteFile(file, []byte(text), 0o644))
	}
	write("split", "framing.go", coursetest.Split)
	write("wrong", "framing.go", coursetest.Wrong)
	write("starter", "framing.go", coursetest.Starter)
	write("package", "framing.go", strings.Replace(coursetest.Right, "package framing", "package other", 1))
	write("unsafe", "framing.go", strings.Replace(coursetest.Right, "import (", "import (\n\t_ \"unsafe\"\n", 1))
	write("empty", "framing.go", "") // for which the go command has another form of words
	for id, open := range map[string]string{
		"file": `os.Open("/dev/null")`, "folder": `os.OpenRoot(".")`,
		"listener": `net.Listen("tcp", "127.0.0.1:0")`,
	} {
		from, _, _ := strings.Cut(open, ".")
		text := strings.Replace(coursetest.Right, "import (", "import (\n\t\""+from+"\"\n", 1)
		text = strings.Replace(text, "\tpayload := make(", "\tkept, _ = "+open+"\n\tpayload := make(", 1)
		write(id, "framing.go", text+"\nvar kept any\n")
	}
	var sample []string
	for i, l := range labs {
		if i%3 == 1 { // 02, 05 …
			sample = append(sample, l.Number)
		}
		text, err := os.ReadFile(filepath.Join(root, "solutions", l.Number, path.Base(l.File)))
		require.NoError(t, err)
		write("reference", l.File, string(text))
		if l.Number != "05" {
			write("empty", l.File, string(text))
		}
	}
	kind := namespacesSandbox
	if err := sandbox.Probe(); err != nil {
		require.Empty(t, os.Getenv("CI"), err)
		t.Log("graded without a sandbox: ", err)
		kind = noSandbox
	}
	var stdout, stderr bytes.Buffer
	status := command(
		t.Context(),
		[]string{"-sandbox", kind, "-out", out, "-j", "3", "-labs", strings.Join(sample, ","), dir},
		&stdout,
		&stderr,
	)
	require.Equal(t, 0, status, stderr.String())
	rows := map[score.Key]score.Row{}
	for line := range strings.Lines(tree(t, out)["results.jsonl"]) {
		var row score.Row
		require.NoError(t, json.Unmarshal([]byte(line), &row))
		rows[score.Key{Student: row.Student, Lab: row.Lab}] = row
	}
	require.Len(t, rows, 10*len(sample))
	for _, number := range sample {
		row := rows[score.Key{Student: "reference", Lab: number}]
		require.Equal(t, score.Graded, row.Status, "%s: %s", number, row.Reason)
		require.Equal(t, 10, row.Points, "%s: %v", number, row.Cases)
		require.Equal(t, kind, row.Sandbox)
		if number != "05" {
			row := rows[score.Key{Student: "empty", Lab: number}]
			require.Equal(t, 10, row.Points, "%s: %s", number, row.Reason)
		}
	}
	open := 9
	if runtime.GOOS != "linux" {
		open = 10 // no other system tells what a process has open
	}
	for id, want := range map[string]struct {
		points int
		status score.Status
	}{
		"split": {7, score.Graded}, "wrong": {0, score.DoesNotCompile}, "package": {0, score.DoesNotCompile},
		"starter": {0, score.NotStarted},
		"unsafe":  {0, score.Void}, "file": {open, score.Graded}, "folder": {open, score.Graded},
		"listener": {open, score.Graded}, "empty": {0, score.DoesNotCompile},
	} {
		row := rows[score.Key{Student: id, Lab: "05"}]
		require.Equal(t, want.status, row.Status, "%s: %s", id, row.Reason)
		require.Equal(t, want.points, row.Points, id)
		if id != "empty" {
			require.Equal(t, score.Missing, rows[score.Key{Student: id, Lab: "02"}].Status)
		}
	}
	files := tree(t, out)
	require.Contains(t, rows[score.Key{Student: "empty", Lab: "05"}].Output, "expected 'package'")
	require.Contains(t, rows[score.Key{Student: "wrong", Lab: "05"}].Output, "undefined: io.ReadFul")
	require.Contains(
		t,
		files["feedback/split.md"],
		"rule       One Read may return fewer bytes than it was asked for",
	)
	if runtime.GOOS == "linux" {
		require.Contains(t, files["feedback/file.md"], "left 1 files or sockets open: /dev/null")
	}
	require.Contains(t, files["feedback/unsafe.md"], `the import of "unsafe"`)
	entries, err := filepath.Glob(filepath.Join(out, ".*"))
	require.NoError(t, err)
	require.Empty(t, entries, "nothing temporary is left")
}

// Without a sandbox the reference gets its points, too: in lab 06 judge and child share a folder, and paths
// that begin in their working directory.
func TestWithoutSandbox(t *testing.T) {
	root, err := runner.FindRoot(".")
	require.NoError(t, err)
	text, err := os.ReadFile(filepath.Join(root, "solutions", "06", "transfer.go"))
	require.NoError(t, err)
	dir, out := t.TempDir(), t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(dir, "transfer.go"), text, 0o644))
	var stdout, stderr bytes.Buffer
	status := command(t.Context(), []string{"-sandbox", noSandbox, "-out", out, "-labs", "06", dir},
		&stdout, &stderr)
	require.Equal(t, 0, status, stderr.String())
	require.Contains(t, tree(t, out)["results.jsonl"], `"points":10,`)
}

// What a suite embeds is part of it: it is copied, and another file is another suite.
func TestSuiteFiles(t *testing.T) {
	for name, want := range map[string]bool{
		"labs/11/statestest/testdata/ack.jsonl": true,
		"labs/11/statestest/cases.go":           true,
		"labs/11/statestest/testdata":           true,
		"labs/11/testdata/ack.jsonl":            false,
		"labs/11/states.go":                     false,
		"labs/11/statestest":                    false,
		"tools/check/testdata/x.go":             false,
	} {
		require.Equal(t, want, inSuite(filepath.FromSlash(name)), name)
	}
	root := t.TempDir()
	file := filepath.Join(root, "labs/11/statestest/testdata/ack.jsonl")
	require.NoError(t, os.MkdirAll(filepath.Dir(file), 0o755))
	sum := func(text string) string {
		require.NoError(t, os.WriteFile(file, []byte(text), 0o644))
		s, err := sumOf(root, "labs/11")
		require.NoError(t, err)
		return s
	}
	require.NotEqual(t, sum("one"), sum("two"))
	copied := t.TempDir()
	require.NoError(t, copyProject(root, copied, []string{"labs/11"}))
	require.FileExists(t, filepath.Join(copied, "labs/11/statestest/testdata/ack.jsonl"))
}

// An answer of which this machine could not run one case has no points, not even those of the others.
func TestOneCaseThatCouldNotBeRun(t *testing.T) {
	row := score.New("ada", check.Lab{
		Number: "05", Cases: []check.Case{{Name: "a", Points: 4}, {Name: "b", Points: 6}},
	}, "", score.GraderError, "not reached")
	enter(&row, []check.Verdict{
		{Result: check.Result{Case: "a", Outcome: check.Passed}},
		{Result: check.Result{Case: "b", Outcome: check.Error, Message: "no loopback"}},
	})
	require.Equal(t, score.GraderError, row.Status)
	require.Equal(t, "no loopback", row.Reason)
	require.Zero(t, row.Points)
	require.True(t, row.Whole())
	require.Zero(t, row.Cases[0].Points)
}

// selftest reports a known answer that comes out otherwise, in either direction.
func TestKnownAnswers(t *testing.T) {
	verdicts := []check.Verdict{
		{
			Result: check.Result{Case: "a", Outcome: check.Failed},
		}, {Result: check.Result{Case: "b", Outcome: check.Passed}},
	}
	require.Empty(t, answer{fails: []string{"a"}}.differs(verdicts))
	require.Contains(t, answer{}.differs(verdicts), `"a" is failed`)
	require.Contains(t, answer{fails: []string{"a", "b"}}.differs(verdicts), `"b" is passed`)
	require.Empty(t, answer{fails: []string{"a", "b"}, elsewhere: "a reason"}.differs(verdicts))
	require.Contains(t, answer{fails: []string{"b"}, elsewhere: "a reason"}.differs(verdicts), `"a" is failed`)
	verdicts[1].Outcome = check.Error
	require.Contains(t, answer{fails: []string{"a"}}.differs(verdicts), `"b" is error`)

	all, err := readAnswers("\"the reference\" \"\"\n\"one Read\" \"no\\nreason\" \"a\" \"b\"\n")
	require.NoError(t, err)
	require.Equal(
		t,
		[]answer{{"the reference", "", []string{}}, {"one Read", "no\nreason", []string{"a", "b"}}},
		all,
	)
	_, err = readAnswers("\"the reference\"\n")
	require.Error(t, err)

	seen := map[int]bool{}
	for seed := uint64(1); seed < 50; seed++ {
		chosen := (&tester{oneIn: 3, options: options{seed: seed}}).choose(lab{}, 40)
		require.Equal(t, 0, chosen[0], "the reference is always one of them")
		require.Less(t, len(chosen), 35)
		for _, i := range chosen {
			seen[i] = true
		}
	}
	require.Len(t, seen, 40)
	require.Len(t, (&tester{oneIn: 1, options: options{seed: 1}}).choose(lab{}, 40), 40)
}

// A build that takes too much costs the other labs nothing, and its row says what happened. What the go
// command cannot do for other reasons is not a student's.
func TestBuildThatTakesTooMuch(t *testing.T) {
	tooMuch := trouble{ended: "it took more than 3072 MiB of memory and was ended"}
	begin := func(numbers ...string) *submission {
		s := &submission{}
		for _, n := range numbers {
			s.labs = append(s.labs, lab{Lab: intake.Lab{Number: n, File: "labs/" + n + "/f" + n + ".go"}})
			s.rows = append(s.rows, score.New("ada", check.Lab{Number: n}, "", score.GraderError, "not reached"))
		}
		return s
	}
	tried := 0
	bombs := func(numbers ...int) func(labs []int) (trouble, error) {
		return func(labs []int) (trouble, error) {
			tried++
			if slices.ContainsFunc(labs, func(i int) bool { return slices.Contains(numbers, i) }) {
				return tooMuch, nil
			}
			return trouble{}, nil
		}
	}
	s := begin("01", "02", "03")
	require.NoError(t, s.buildWith(bombs(0, 2)))
	require.Equal(t, 1+3+1, tried)
	require.Equal(t, []int{1}, s.open())
	require.Equal(t, score.DoesNotCompile, s.rows[0].Status)
	require.Equal(t, "f01.go was not compiled to the end: it took more than 3072 MiB of memory and was ended",
		s.rows[0].Reason)

	s = begin("01")
	require.NoError(t, s.buildWith(bombs(0)))
	require.Equal(t, score.DoesNotCompile, s.rows[0].Status)

	s = begin("01", "02") // each alone is no trouble
	err := s.buildWith(func(labs []int) (trouble, error) {
		if len(labs) > 1 {
			return tooMuch, nil
		}
		return trouble{}, nil
	})
	require.ErrorContains(t, err, "3072 MiB")
	require.Len(t, s.open(), 2)

	err = s.buildWith(func([]int) (trouble,
		error,
	) {
		return trouble{output: "go: no space left on device\n"}, nil
	})
	require.EqualError(t, err, "the go command failed: go: no space left on device")
	require.Len(t, s.open(), 2)
}
