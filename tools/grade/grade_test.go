package main

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"regexp"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"socketbook/tools/check"
	"socketbook/tools/grade/internal/intake"
	"socketbook/tools/grade/internal/sandbox"
	"socketbook/tools/grade/internal/score"
	"socketbook/tools/grade/internal/suites"
	"socketbook/tools/grade/internal/verdict"
	"socketbook/tools/internal/runner"
)

var interrupts = flag.Int("interrupts", 10, "how often TestKilled kills the grader")

// asCommand in the environment makes this binary the command, with a made-up engine.
const asCommand = "SOCKETBOOK_GRADE_COMMAND"

func TestMain(m *testing.M) {
	if os.Getenv(asCommand) != "" {
		newEngine = func(context.Context, *run, string) (grader, error) { return madeUp{}, nil }
		ctx, stop := untilSignal()
		defer stop()
		os.Exit(command(ctx, os.Args[1:], os.Stdout, os.Stderr))
	}
	sandbox.Main()
	runner.Supervise()
	os.Exit(m.Run())
}

// madeUp is an engine that takes points from the answer itself: "points 7", "error",
// "slow 20", "timed-out".
type madeUp struct{}

func (madeUp) Close() error { return nil }

func (madeUp) Grade(ctx context.Context, j job) []score.Row {
	var rows []score.Row
	for _, l := range j.labs {
		row := score.New(j.student, l.suite, l.sum, score.Graded, "")
		row.Sandbox, row.Seconds = "made up", 0.1
		text := string(j.files[l.Number].Text)
		if m := regexp.MustCompile(`slow (\d+)`).FindStringSubmatch(text); m != nil {
			n, _ := strconv.Atoi(m[1])
			select {
			case <-time.After(time.Duration(n) * time.Millisecond):
			case <-ctx.Done():
			}
		}
		points := 0
		if m := regexp.MustCompile(`points (\d+)`).FindStringSubmatch(text); m != nil {
			points, _ = strconv.Atoi(m[1])
		}
		for i, cs := range l.suite.Cases {
			if i < points {
				row.Enter(cs.Name, check.Passed, "", "")
			} else {
				row.Enter(cs.Name, check.Failed, "it failed", "what "+j.student+" reads, with -seed="+fmt.Sprint(j.seed))
			}
		}
		for _, s := range []score.Status{score.DoesNotCompile, score.TimedOut} {
			if strings.Contains(text, string(s)) {
				row.End(s, "it does not end")
			}
		}
		if strings.Contains(text, "error") {
			row.End(score.GraderError, "no connection on 127.0.0.1 could be made")
		}
		rows = append(rows, row)
	}
	return rows
}

// grades runs the command with the made-up engine.
func grades(t testing.TB, args ...string) (status int, stdout, stderr string) {
	t.Helper()
	was := newEngine
	newEngine = func(context.Context, *run, string) (grader, error) { return madeUp{}, nil }
	defer func() { newEngine = was }()
	var out, errs bytes.Buffer
	status = command(t.Context(), args, &out, &errs)
	return status, out.String(), errs.String()
}

// class makes a folder of n submissions of lab 05.
func class(t testing.TB, n int, text func(i int) string) string {
	t.Helper()
	dir := t.TempDir()
	for i := range n {
		folder := filepath.Join(dir, fmt.Sprintf("s%03d", i))
		require.NoError(t, os.Mkdir(folder, 0o755))
		require.NoError(t, os.WriteFile(filepath.Join(folder, "framing.go"), []byte(text(i)), 0o644))
	}
	return dir
}

func points(i int) string { return fmt.Sprintf("package framing // %d points %d", i, i%11) }

// tree is the content of a folder, by path.
func tree(t testing.TB, dir string) map[string]string {
	t.Helper()
	all := map[string]string{}
	require.NoError(t, filepath.WalkDir(dir, func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		text, err := os.ReadFile(name)
		rel, _ := filepath.Rel(dir, name)
		all[filepath.ToSlash(rel)] = string(text)
		return err
	}))
	return all
}

// same compares two folders without printing megabytes.
func same(t testing.TB, want, got map[string]string, what ...any) {
	t.Helper()
	for name, text := range want {
		require.True(t, got[name] == text, "%s differs: %v", name, what)
	}
	require.Len(t, got, len(want), what...)
}

func TestOneRun(t *testing.T) {
	dir := class(t, 3, points)
	out := filepath.Join(t.TempDir(), "out")
	status, stdout, stderr := grades(t, "-labs", "05", "-out", out, "-no-times", dir, "-j", "2")
	require.Equal(t, 0, status, stderr)
	require.Empty(t, stderr)
	require.Contains(t, stdout, "3 students, 3 answers: 3 graded\n")
	require.Regexp(t, `(?m)^1/3  s00\d  \d/10$`, stdout)
	first := tree(t, out)
	for _, name := range []string{
		"results.jsonl", "summary.md", "summary.html", "feedback/s001.md", "gradescope/s001.json", "junit.xml",
		"grades.csv", "classroom50/s001.json", "batch.json",
	} {
		require.Contains(t, first, name)
	}
	require.Len(t, first, 6+3*3, "no temporary file stays")

	again := filepath.Join(t.TempDir(), "out")
	status, _, _ = grades(t, "-labs", "5", "-no-times", "-j", "1", "-out", again, dir)
	require.Equal(t, 0, status)
	same(t, first, tree(t, again))

	// with JSON lines on standard output, and nothing else there
	status, stdout, stderr = grades(t, "-labs", "05", "-json", "-out", again, dir)
	require.Equal(t, 0, status)
	require.Contains(t, stderr, "3 students")
	for line := range strings.Lines(stdout) {
		var row score.Row
		require.NoError(t, json.Unmarshal([]byte(line), &row))
	}
	require.Equal(t, 3, strings.Count(stdout, "\n"))
}

// Every case of every lab is there, at 0, whatever was handed in; and the total is the suites'.
func TestStatuses(t *testing.T) {
	dir := class(t, 3, func(i int) string { return []string{"points 10", "error", "points 4"}[i] })
	require.NoError(t, os.Mkdir(filepath.Join(dir, "nothing"), 0o755))
	require.NoError(t, os.WriteFile(filepath.Join(dir, "broken.zip"), []byte("x"), 0o644))
	roster := filepath.Join(t.TempDir(), "roster.csv")
	require.NoError(
		t,
		os.WriteFile(
			roster,
			[]byte("id,name,email,hold\ns000,李雷,,\ns001,B,,\ns002,C,,yes\nabsent,D,,\nnothing,E,,\n"),
			0o644,
		),
	)
	out := t.TempDir()
	status, stdout, stderr := grades(t, "-labs", "05,07", "-out", out, "-roster", roster, "-no-times", dir)
	require.Equal(t, 1, status)
	require.Contains(t, stdout, "6 students, 12 answers: 1 graded, 2 void, 6 missing, 2 held, 1 grader-error\n")
	require.Contains(
		t,
		stderr,
		"grade: broken is not in the roster: graded, and left out of the gradebooks made from it\n",
	)
	require.Contains(
		t,
		stderr,
		"grade: 1 answers could not be graded (s001 lab 05): their points are left out of gradebooks; "+
			"try them again with -resume\n",
	)
	got := map[string]string{}
	for line := range strings.Lines(tree(t, out)["results.jsonl"]) {
		var row score.Row
		require.NoError(t, json.Unmarshal([]byte(line), &row))
		require.Equal(t, 10, row.Of)
		require.Len(t, row.Cases, map[string]int{"05": 10, "07": len(row.Cases)}[row.Lab])
		got[row.Student+" "+row.Lab] = fmt.Sprint(row.Points, " ", row.Status, " ", row.WouldBe)
	}
	require.Equal(t, map[string]string{
		"absent 05": "0 missing ", "absent 07": "0 missing ", "broken 05": "0 void ", "broken 07": "0 void ",
		"nothing 05": "0 missing ", "nothing 07": "0 missing ", "s000 05": "10 graded ", "s000 07": "0 missing ",
		"s001 05": "0 grader-error ", "s001 07": "0 missing ", "s002 05": "4 held graded",
		"s002 07": "0 held missing",
	}, got)
	require.NotContains(t, tree(t, out)["grades.csv"], "s002")
	require.Contains(t, tree(t, out)["grades.csv"], "\r\ns001,B,,,0,,20,lab 05 grader-error; lab 07 missing\r\n")
}

// Whom the roster holds now counts, also for what was graded before.
func TestHoldLater(t *testing.T) {
	dir, out := class(t, 2, points), t.TempDir()
	roster := filepath.Join(t.TempDir(), "roster.csv")
	for _, held := range []int{0, 1} {
		text := "id,hold\n"
		for i := range 2 {
			text += fmt.Sprintf("s%03d,%v\n", i, map[bool]string{true: "yes"}[i == held])
		}
		require.NoError(t, os.WriteFile(roster, []byte(text), 0o644))
		status, stdout, stderr := grades(t, "-labs", "05", "-out", out, "-roster", roster, "-resume", dir)
		require.Equal(t, 0, status, stderr)
		require.Contains(t, stdout, "1 graded, 1 held\n")
		require.NotContains(t, tree(t, out)["grades.csv"], fmt.Sprintf("s%03d", held))
		require.Contains(t, tree(t, out)["grades.csv"], fmt.Sprintf("s%03d", 1-held))
		require.Equal(t, 1, strings.Count(tree(t, out)["results.jsonl"], `"status":"held"`))
		require.Contains(t, tree(t, out)[fmt.Sprintf("feedback/s%03d.md", held)], "held: in no gradebook")
	}
}

// All shards of a class of 200, as processes, in any order, some twice, one killed and resumed.
func TestShards(t *testing.T) {
	dir := class(t, 200, points)
	whole := t.TempDir()
	status, _, stderr := grades(t, "-labs", "05", "-out", whole, "-no-times", "-j", "8", dir)
	require.Equal(t, 0, status, stderr)
	shards := t.TempDir()
	const n = 7
	var folders []string
	for _, i := range rand.Perm(n) {
		part := fmt.Sprintf("%d/%d", i+1, n)
		folder := filepath.Join(shards, fmt.Sprintf("shard-%d-of-%d", i+1, n))
		args := []string{"-labs", "05", "-out", shards, "-shard", part, "-no-times", dir}
		if i == 3 {
			kill(t, time.Duration(rand.IntN(60))*time.Millisecond, args...)
			args = append(args, "-resume")
		}
		cmd := exec.Command(os.Args[0], args...)
		cmd.Env = append(os.Environ(), asCommand+"=1")
		text, err := cmd.CombinedOutput()
		require.NoError(t, err, "%s", text)
		folders = append(folders, folder)
		if i%3 == 0 { // a shard that runs twice gives the same files
			before := tree(t, folder)
			status, _, stderr := grades(t, "-labs", "05", "-out", shards, "-shard", part, "-no-times", dir)
			require.Equal(t, 0, status, stderr)
			same(t, before, tree(t, folder))
			folders = append(folders, folder)
		}
	}
	rand.Shuffle(len(folders), func(i, j int) { folders[i], folders[j] = folders[j], folders[i] })
	merged := filepath.Join(t.TempDir(), "merged")
	status, stdout, stderr := grades(t, append([]string{"merge", "-out", merged}, folders...)...)
	require.Equal(t, 0, status, stderr)
	require.Contains(t, stdout, "200 students, 200 answers: 200 graded\n")
	same(t, tree(t, whole), tree(t, merged))

	status, _, stderr = grades(t, "merge", "-out", merged, filepath.Join(shards, "shard-2-of-7"))
	require.Equal(t, 1, status)
	require.Contains(t, stderr, "shards are missing: 1, 3, 4, 5, 6, 7 of 7")
	status, _, stderr = grades(t, "-labs", "05", "-out", shards, "-shard", "1/7", "-no-times", "-seed", "2", dir)
	require.Equal(t, 3, status)
	require.Contains(t, stderr, "do not fit together: one was made with seed 2, the other with a seed of its own for each file")
	status, _, stderr = grades(t, "merge", "-out", merged, folders[0], whole)
	require.Equal(t, 3, status)
	require.Contains(t, stderr, "do not fit together: one is of 7 shards, the other of 1")
	status, _, stderr = grades(t, "merge", "-out", merged, t.TempDir())
	require.Equal(t, 2, status)
	require.Contains(t, stderr, "has no results of grade")

	for of, says := range map[string]string{
		"1000000000": "99, 100, 101, … of 1000000000", // shard 2 is there
		"1":          "is of shard 2 of 1, which is none",
	} {
		forged := t.TempDir()
		for name, text := range tree(t, filepath.Join(shards, "shard-2-of-7")) {
			if name == "batch.json" {
				text = strings.Replace(text, `"shards": 7`, `"shards": `+of, 1)
			}
			if !strings.Contains(name, "/") {
				require.NoError(t, os.WriteFile(filepath.Join(forged, name), []byte(text), 0o644))
			}
		}
		_, _, stderr = grades(t, "merge", "-out", t.TempDir(), forged)
		require.Contains(t, stderr, says)
	}
}

// kill starts the command and kills it after a while, if it still runs.
func kill(t testing.TB, after time.Duration, args ...string) (killed bool) {
	t.Helper()
	cmd := exec.Command(os.Args[0], args...)
	cmd.Env = append(os.Environ(), asCommand+"=1")
	require.NoError(t, cmd.Start())
	time.Sleep(after) // a random point, not something to wait for
	_ = cmd.Process.Kill()
	err := cmd.Wait()
	var exit *exec.ExitError
	return errors.As(err, &exit) && exit.ExitCode() == -1
}

// Killed at any point, and resumed: the results are those of one run, and no temporary file stays.
func TestKilled(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("a killed process keeps its files for a moment there")
	}
	dir := class(t, 40, func(i int) string { return points(i) + " slow 1" })
	whole := t.TempDir()
	status, _, stderr := grades(t, "-labs", "05", "-out", whole, "-no-times", dir)
	require.Equal(t, 0, status, stderr)
	want := tree(t, whole)
	killed, rounds := 0, 0
	for killed < *interrupts {
		out := t.TempDir()
		args := []string{"-labs", "05", "-out", out, "-no-times", "-resume", "-j", "2", dir}
		for range 4 {
			rounds++
			require.Less(t, rounds, 20*(*interrupts), "too few runs live long enough to be killed")
			if kill(t, time.Duration(rand.IntN(50))*time.Millisecond, args...) {
				killed++
			}
		}
		status, _, stderr := grades(t, args...)
		require.Equal(t, 0, status, stderr)
		same(t, want, tree(t, out))
		entries, err := filepath.Glob(filepath.Join(out, ".*"))
		require.NoError(t, err)
		require.Empty(t, entries)
		require.NoError(t, os.RemoveAll(out))
	}
}

// Ctrl-C: what is graded is kept, and the sentence says how to go on.
func TestInterrupted(t *testing.T) {
	dir := class(t, 6, func(i int) string {
		if i == 3 {
			return "points 1 slow 60000"
		}
		return points(i)
	})
	out := t.TempDir()
	was := newEngine
	newEngine = func(context.Context, *run, string) (grader, error) { return madeUp{}, nil }
	defer func() { newEngine = was }()
	ctx, stop := context.WithCancel(t.Context())
	var stdout, stderr bytes.Buffer
	over := make(chan int, 1)
	go func() { over <- command(ctx, []string{"-labs", "05", "-j", "1", "-out", out, dir}, &stdout, &stderr) }()
	require.Eventually(t, func() bool {
		text, _ := os.ReadFile(filepath.Join(out, journalName))
		return strings.Count(string(text), `"student"`) == 3
	}, 10*time.Second, time.Millisecond)
	stop()
	require.Equal(t, 1, <-over)
	require.Equal(t, "grade: interrupted after 3 of 6 submissions; go on with -resume\n", stderr.String())
	require.NoDirExists(t, filepath.Join(out, workName))

	newEngine = func(ctx context.Context, _ *run, _ string) (grader, error) { // while the suites are built
		return nil, &failure{misuse, errors.New("the untouched labs do not build here: signal: killed")}
	}
	stderr.Reset()
	require.Equal(t, 1, command(ctx, []string{"-labs", "05", "-out", t.TempDir(), dir}, &stdout, &stderr))
	require.Equal(t, "grade: interrupted after 0 of 6 submissions; go on with -resume\n", stderr.String())
	require.NoError(t, os.WriteFile(filepath.Join(dir, "s003/framing.go"), []byte("points 1"), 0o644))
	status, stdout2, stderr2 := grades(t, "-labs", "05", "-out", out, "-resume", dir)
	require.Equal(t, 0, status, stderr2)
	require.Contains(t, stdout2, "3/3  ")
	require.Contains(t, stdout2, "6 students, 6 answers: 6 graded")
}

// Standard output is a full disk: the results are whole, and the status says that what was printed is not.
func TestUnwrittenRows(t *testing.T) {
	was := newEngine
	newEngine = func(context.Context, *run, string) (grader, error) { return madeUp{}, nil }
	defer func() { newEngine = was }()
	full := writerFunc(func([]byte) (int, error) { return 0, syscall.ENOSPC })
	out := t.TempDir()
	var errs bytes.Buffer
	status := command(t.Context(), []string{"-labs", "05", "-json", "-out", out, class(t, 3, points)}, full, &errs)
	require.Equal(t, 1, status)
	require.Contains(t, errs.String(), "grade: writing JSON lines to standard output: no space left on device")
	require.Equal(t, 3, strings.Count(tree(t, out)["results.jsonl"], "\n"))
}

type writerFunc func([]byte) (int, error)

func (f writerFunc) Write(p []byte) (int, error) { return f(p) }

func TestResumeOnlyFailed(t *testing.T) {
	dir := class(t, 4, func(i int) string { return []string{"points 10", "error", "points 4", "points 10"}[i] })
	out := t.TempDir()
	graded := func(args ...string) (int, string) {
		status, stdout, stderr := grades(
			t,
			append([]string{"-labs", "05", "-out", out, "-no-times", dir}, args...)...)
		var who []string
		for _, m := range regexp.MustCompile(`(?m)^\d/\d  (s\d+)`).FindAllStringSubmatch(stdout, -1) {
			who = append(who, m[1])
		}
		require.NotContains(t, stderr, "panic")
		return status, strings.Join(who, " ")
	}
	write := func(id, text string) {
		require.NoError(t, os.WriteFile(filepath.Join(dir, id, "framing.go"), []byte(text), 0o644))
	}
	status, _ := graded("-j", "1")
	require.Equal(t, 1, status)
	write("s001", "points 3")
	status, who := graded("-resume")
	require.Equal(t, []any{0, "s001"}, []any{status, who}, "what could not be graded is tried again")
	status, who = graded("-resume")
	require.Equal(t, []any{0, ""}, []any{status, who}, "nothing to do")
	write("s000", "points 9")
	status, who = graded("-resume")
	require.Equal(t, []any{0, "s000"}, []any{status, who}, "another file was handed in")
	file := filepath.Join(dir, "s000", "framing.go")
	require.NoError(t, os.Remove(file))
	status, who = graded("-resume")
	require.Equal(t, []any{0, "s000"}, []any{status, who}, "nothing is handed in any more")
	write("s000", strings.Repeat("x", 1<<20))
	status, who = graded("-resume")
	require.Equal(t, []any{0, "s000"}, []any{status, who}, "what is there now is too long to be read")
	write("s000", "points 9")
	graded("-resume")
	status, who = graded("-only", "s003,s002", "-j", "1")
	require.Equal(t, []any{0, "s002 s003"}, []any{status, who})
	status, who = graded("-failed", "-j", "1")
	require.Equal(t, []any{0, "s000 s001 s002"}, []any{status, who})
	require.Equal(t, 4, strings.Count(tree(t, out)["results.jsonl"], "\n"), "everybody else's results are kept")
	_, _, stderr := grades(t, "-labs", "05", "-out", out, "-only", "nobody", dir)
	require.Contains(t, stderr, "-only nobody: nobody has this id")
	_, _, stderr = grades(t, "-labs", "05", "-out", out, "-resume", "-seed", "5", dir)
	require.Contains(t, stderr, "were made with a seed of its own for each file: give the same -seed, or none if none was given")
	before := tree(t, out)
	status, _, stderr = grades(t, "-labs", "07", "-out", out, "-only", "s003", dir)
	require.Equal(t, 2, status)
	require.Contains(t, stderr, "are of lab 05, too: name it with -labs, or another folder with -out")
	require.Equal(t, before["results.jsonl"], tree(t, out)["results.jsonl"])
}

func TestCompare(t *testing.T) {
	dir := class(t, 3, points)
	before, after := t.TempDir(), t.TempDir()
	grades(t, "-labs", "05", "-out", before, dir)
	require.NoError(t, os.WriteFile(filepath.Join(dir, "s001/framing.go"), []byte("points 2"), 0o644))
	grades(t, "-labs", "05", "-out", after, dir)
	status, stdout, _ := grades(t, "compare", before, after)
	require.Equal(t, 0, status)
	require.Equal(
		t,
		"s001 lab 05: 1 → 2\n    failed → passed: a message is read back\n    another file was handed in\n"+
			"1 answers have more points, 0 fewer, 0 differ otherwise, 2 are the same\n",
		stdout,
	)
	status, _, stderr := grades(t, "compare", before)
	require.Equal(t, 2, status)
	require.Contains(t, stderr, "grade compare OLD NEW")
}

func TestExportJPlag(t *testing.T) {
	dir, out := class(t, 3, points), t.TempDir()
	status, stdout, stderr := grades(t, "export-jplag", "-labs", "05", "-out", out, dir)
	require.Equal(t, 0, status, stderr)
	require.Contains(t, stdout, "java -jar jplag.jar -l go -bc base -r result submissions\n")
	files := tree(t, out)
	require.Len(t, files, 5)
	for name, text := range files {
		require.NotContains(t, name, "s00")
		if strings.HasPrefix(name, "jplag/") {
			require.NotContains(t, text, "s00")
		}
	}
	require.Contains(t, files["jplag/05/base/framing.go"], "not started")
	require.Equal(t, 4, strings.Count(files["jplag-key.csv"], "\n"))
	status, _, _ = grades(t, "export-jplag", "-labs", "05", "-out", out, dir)
	require.Equal(t, 2, status, "nothing is mixed with an older export")
}

// Ended from outside, a terminal that is closed among others: the same. With nohup it goes on.
func TestSignals(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("there is no signal to send there")
	}
	for _, test := range []struct {
		signal syscall.Signal
		before string // what the shell does first
		slow   int    // ms that the answer takes during which the signal comes
		status int
	}{
		{syscall.SIGINT, "", 60000, 1},
		{syscall.SIGTERM, "", 60000, 1},
		{syscall.SIGHUP, "", 60000, 1},
		{syscall.SIGHUP, `trap "" HUP; `, 1000, 0},
	} {
		if signal.Ignored(test.signal) && test.signal == syscall.SIGHUP && test.status == 1 {
			continue // the tests run with nohup
		}
		dir := class(t, 6, func(i int) string {
			if i == 3 {
				return fmt.Sprintf("points 1 slow %d", test.slow)
			}
			return points(i)
		})
		out := t.TempDir()
		cmd := exec.Command("/bin/sh", "-c", test.before+`exec "$0" "$@"`, os.Args[0],
			"-labs", "05", "-j", "1", "-out", out, dir)
		cmd.Env = append(os.Environ(), asCommand+"=1")
		var stderr bytes.Buffer
		cmd.Stderr = &stderr
		require.NoError(t, cmd.Start())
		require.Eventually(t, func() bool {
			text, _ := os.ReadFile(filepath.Join(out, journalName))
			return strings.Count(string(text), `"student"`) == 3
		}, 30*time.Second, time.Millisecond)
		require.NoError(t, cmd.Process.Signal(test.signal))
		_ = cmd.Wait()
		require.Equal(t, test.status, cmd.ProcessState.ExitCode(), "%v, %s", test.signal, stderr.String())
		if test.status == 1 {
			require.Equal(t, "grade: interrupted after 3 of 6 submissions; go on with -resume\n", stderr.String())
		}
		require.NoDirExists(t, filepath.Join(out, workName))
	}
}

// Wrong use: one clear line, and nothing is done.
func TestWrongUse(t *testing.T) {
	dir := class(t, 1, points)
	file := filepath.Join(dir, "s000", "framing.go")
	roster := filepath.Join(t.TempDir(), "r.csv")
	require.NoError(t, os.WriteFile(roster, []byte("a,b,c,d,e\n"), 0o644))
	taken := t.TempDir()
	require.NoError(t, os.Mkdir(filepath.Join(taken, "results.jsonl"), 0o755))
	for _, test := range []struct {
		args string
		want string
	}{
		{"", "name the submissions"},
		{"-labs 99 DIR", "there is no lab \"99\"; there are 01, 02"},
		{"-labs , DIR", "-labs \",\" names no lab"},
		{"-shard 0/3 DIR", "-shard 0/3: the form is I/N"},
		{"-shard 4/3 DIR", "the form is I/N"},
		{"-shard auto DIR", "none of STRATEGY_JOB_INDEX"},
		{"-j 0 DIR", "-j 0: from 1 to 256"},
		{"-colour DIR", "flag provided but not defined: -colour (grade -help)"},
		{"/nowhere", "no such file"},
		{"FILE", "neither a folder nor a .zip"},
		{"-out FILE/x DIR", "among the submissions"},
		{"-out ROSTER DIR", "making the folder for the results"},
		{"-out DIR DIR", "among the submissions"},
		{"-out DIR/s000/results DIR", "among the submissions"},
		{"-out TAKEN DIR", "results.jsonl is not a regular file"},
		{"merge -out DIR DIR", "is one of the shards"},
		{"-roster ROSTER DIR", "has no column for the students' ids"},
		{"-roster /nowhere DIR", "reading the roster"},
		{"merge", "name the folders of the shards"},
		{"export-jplag", "name the folder with the submissions"},
	} {
		args := strings.Fields(strings.NewReplacer("DIR", dir, "FILE", file, "ROSTER", roster, "TAKEN", taken).Replace(test.args))
		if !strings.Contains(test.args, "-out") && len(args) > 0 && !strings.HasPrefix(args[0], "merge") {
			args = append(args, "-out", t.TempDir())
		}
		status, stdout, stderr := grades(t, args...)
		require.Equal(t, 2, status, test.args)
		require.Contains(t, stderr, test.want, test.args)
		require.Equal(t, 1, strings.Count(stderr, "\n"), stderr)
		require.Empty(t, stdout)
	}
	status, _, stderr := grades(t, "selftest", "-answer", "by telepathy")
	require.Equal(t, 2, status)
	require.Contains(t, stderr, `-answer "by telepathy": no known answer has that in its name`)
	status, stdout, _ := grades(t, "-help")
	require.Equal(t, 0, status)
	require.Contains(t, stdout, "usage: grade")
}

func TestTwoRunsInOneFolder(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("folders are not locked there")
	}
	dir, out := class(t, 1, points), t.TempDir()
	unlock, err := lock(out)
	require.NoError(t, err)
	status, _, stderr := grades(t, "-labs", "05", "-out", out, dir)
	require.Equal(t, 2, status)
	require.Contains(t, stderr, "another run uses the folder")
	unlock()
	status, _, stderr = grades(t, "-labs", "05", "-out", out, dir)
	require.Equal(t, 0, status, stderr)
}

func TestParts(t *testing.T) {
	of := func(vars ...string) func(string) string {
		return func(name string) string {
			for _, v := range vars {
				if value, ok := strings.CutPrefix(v, name+"="); ok {
					return value
				}
			}
			return ""
		}
	}
	for _, test := range []struct {
		vars string
		want part
	}{
		{"STRATEGY_JOB_INDEX=0 STRATEGY_JOB_TOTAL=4", part{1, 4}},
		{"CI_NODE_INDEX=4 CI_NODE_TOTAL=4", part{4, 4}},
		{"JOB_COMPLETION_INDEX=0 SHARDS=3", part{1, 3}},
		{"CIRCLE_NODE_INDEX=2 CIRCLE_NODE_TOTAL=3", part{3, 3}},
		{"BUILDKITE_PARALLEL_JOB=1 BUILDKITE_PARALLEL_JOB_COUNT=2", part{2, 2}},
		{"SLURM_ARRAY_TASK_ID=7 SLURM_ARRAY_TASK_COUNT=3 SLURM_ARRAY_TASK_MIN=5", part{3, 3}},
		{"SLURM_ARRAY_TASK_ID=0 SLURM_ARRAY_TASK_COUNT=3 SLURM_ARRAY_TASK_MIN=0", part{1, 3}},
	} {
		got, err := findPart("auto", of(strings.Fields(test.vars)...))
		require.NoError(t, err, test.vars)
		require.Equal(t, test.want, got, test.vars)
	}
	for _, vars := range []string{
		"", "STRATEGY_JOB_INDEX=0", "STRATEGY_JOB_TOTAL=3", "CI_NODE_INDEX=0 CI_NODE_TOTAL=3",
		"CI_NODE_INDEX=4 CI_NODE_TOTAL=3",
		"JOB_COMPLETION_INDEX=1", "SLURM_ARRAY_TASK_ID=1 SLURM_ARRAY_TASK_COUNT=3",
		"CIRCLE_NODE_INDEX=x CIRCLE_NODE_TOTAL=3",
	} {
		_, err := findPart("auto", of(strings.Fields(vars)...))
		require.Error(t, err, vars)
	}
	// Every student is in exactly one part, and one more student moves nobody.
	for n := 1; n <= 8; n++ {
		for i := range 100 {
			in := 0
			for k := 1; k <= n; k++ {
				if (part{k, n}).has(fmt.Sprint("student ", i)) {
					in++
				}
			}
			require.Equal(t, 1, in)
		}
	}
	require.False(t, (part{1, 2}).has("ada"), "the parts are the same in every version")
}

// The suites that this program knows are those on disk.
func TestSuites(t *testing.T) {
	root, err := runner.FindRoot(".")
	require.NoError(t, err)
	labs, err := findLabs(root, "")
	require.NoError(t, err)
	require.Len(t, labs, len(suites.All))
	for _, l := range labs {
		of := 0
		for _, cs := range l.suite.Cases {
			of += cs.Points
		}
		require.Equal(t, 10, of, l.Number)
		require.Equal(t, filepath.Base(l.File), l.suite.File)
		require.NotEmpty(t, cmp.Or(l.sum))
	}
}

// TestNestedDeep: what gofmt would take hours for is not compared as gofmt writes it, and holds nobody up.
func TestNestedDeep(t *testing.T) {
	require.NotNil(t, formatted([]byte("package framing\nfunc  f() {}\n")))
	require.Nil(t, formatted(nil))
	require.Nil(t, formatted([]byte("no Go")))
	for name, text := range map[string]string{
		"functions":  "var x = " + strings.Repeat("func() { _ = ", 9000) + "1" + strings.Repeat("}", 9000),
		"operators":  "var x = " + strings.Repeat("1+", 90000) + "1",
		"literals":   "var x = " + strings.Repeat("[]any{\n", 9000) + strings.Repeat("},\n", 8999) + "}",
		"selections": "var x = y" + strings.Repeat(".z", 90000),
	} {
		began := time.Now()
		require.Nil(t, formatted([]byte("package framing\n\n"+text+"\n")), name)
		require.Less(t, time.Since(began), time.Minute, name)
	}
	deep := "package framing // points 7\n\nvar x = " + strings.Repeat("1+", 90000) + "1\n"
	dir := class(t, 3, func(i int) string {
		if i == 1 {
			return deep
		}
		return points(i)
	})
	status, stdout, stderr := grades(t, "-labs", "05", "-out", filepath.Join(t.TempDir(), "out"), dir)
	require.Zero(t, status, stderr)
	require.Contains(t, stdout, "3 graded")
}

// TestOwnSeed: each file has a seed of its own, the same each time, unless -seed names one for all.
func TestOwnSeed(t *testing.T) {
	a, b := ownSeed([]byte("package framing\n")), ownSeed([]byte("package framing \n"))
	require.NotEqual(t, a, b)
	require.Equal(t, a, ownSeed([]byte("package framing\n")))
	for _, seed := range []uint64{0, 7} {
		s := &submission{
			engine: &engine{module: &module{}},
			job: job{
				labs:  []lab{{Lab: intake.Lab{Number: "05"}}},
				files: map[string]intake.File{"05": {Text: []byte("package framing\n")}}, seed: seed,
			},
			rows: []score.Row{{Status: score.GraderError}},
		}
		var got uint64
		require.NoError(t, s.judge(func(task verdict.Task) ([]check.Verdict, error) {
			got = task.Seed
			return nil, nil
		}))
		if seed == 0 {
			seed = a
		}
		require.Equal(t, seed, got)
	}
}

// TestNobodyReads: whoever reads the output stops after a line, and everybody is graded.
func TestNobodyReads(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("there is no SIGPIPE")
	}
	out := filepath.Join(t.TempDir(), "out")
	cmd := exec.Command(os.Args[0], "-labs", "05", "-j", "1", "-out", out, class(t, 20, points))
	cmd.Env = append(os.Environ(), asCommand+"=1")
	read, write, err := os.Pipe()
	require.NoError(t, err)
	cmd.Stdout = write
	require.NoError(t, read.Close())
	require.NoError(t, cmd.Run())
	require.NoError(t, write.Close())
	require.Equal(t, 20, strings.Count(tree(t, out)["results.jsonl"], "\n"))
	require.NoDirExists(t, filepath.Join(out, workName))
}
