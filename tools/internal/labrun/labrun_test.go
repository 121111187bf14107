package labrun

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"socketbook/tools/check"
	"socketbook/tools/internal/coursetest"
	"socketbook/tools/internal/progress"
	"socketbook/tools/internal/runner"
)

func TestMain(m *testing.M) {
	runner.Supervise()
	os.Exit(m.Run())
}

const split = "a header that comes in pieces is put together"

// A real suite, followed through a student's day.
func TestFollow(t *testing.T) {
	root, tmp := coursetest.New(t, coursetest.Starter), t.TempDir()
	t.Setenv("TMPDIR", tmp)
	labs, err := Labs(root)
	require.NoError(t, err)
	require.Equal(t, []Lab{{"05", "message framing", "labs/05/framing.go"}}, labs)
	b, err := runner.NewBuilder(root)
	require.NoError(t, err)
	defer b.Close()
	states := make(chan State, 1000)
	f := NewFollower(b, labs[0], func(s State) { states <- s })
	ctx, stop := context.WithCancel(t.Context())
	over := make(chan struct{})
	go func() { f.Follow(ctx); close(over) }()
	defer func() { stop(); <-over }()
	next := func(want Phase) State {
		t.Helper()
		deadline := time.After(time.Minute)
		for {
			select {
			case s := <-states:
				if s.Phase == want {
					return s
				}
			case <-deadline:
				t.Fatalf("never came to %q", want)
			}
		}
	}

	s := next(Done)
	require.Contains(t, s.Result.Note, "lab 05 is not started: fill in labs/05/framing.go")
	require.Equal(t, []int{0, 10, 10}, []int{s.Result.Points, s.Result.Of, len(s.Result.Cases)})
	require.Nil(t, s.Result.First())
	require.Empty(t, s.Fixed)

	coursetest.Write(t, root, coursetest.Split)
	s = next(Done)
	require.Equal(t, 7, s.Result.Points, s.Result.Note)
	require.Equal(t, split, s.Result.First().Name)
	require.Len(t, s.Fixed, 7)
	require.Empty(t, s.Result.Note)
	a := Split(s.Result.First().Report)
	require.Contains(t, a.Body, "payload: wrong bytes")
	require.Contains(t, a.Body, "\n   1. ")
	require.Equal(t, "One Read may return fewer bytes than it was asked for, even of a header of "+
		"four.", a.Rule)
	require.Equal(t, "go run ./lessons/05 -scene split-header", a.Scene)
	require.Contains(t, a.Again, fmt.Sprintf("-seed=%d", s.Result.Seed))

	coursetest.Write(t, root, coursetest.Wrong)
	s = next(Refused)
	require.Contains(t, s.Trouble, "labs/05/framing.go:28:18: undefined: io.ReadFul")
	require.True(t, s.Stale)
	require.Equal(t, 7, s.Result.Points)

	require.NoError(t, os.RemoveAll(filepath.Dir(coursetest.File(root))+"/framing.go"))
	s = next(Missing)
	require.True(t, s.Stale)

	coursetest.Write(t, root, coursetest.Right)
	s = next(Done)
	require.True(t, s.Result.Perfect())
	require.Len(t, s.Fixed, 3)
	require.False(t, s.Stale)

	f.Again(ctx)
	s = next(Done)
	require.Empty(t, s.Fixed)
	require.Empty(t, s.Broke)

	r, err := Run(t.Context(), b, labs[0], Options{Seed: 3, Only: split, Timeline: true})
	require.NoError(t, err)
	require.True(t, r.Cases[2].Passed())
	require.Equal(t, check.NotRun, r.Cases[9].Outcome)

	stop()
	<-over
	left, err := filepath.Glob(filepath.Join(tmp, "*"))
	require.NoError(t, err)
	require.Equal(t, []string{b.Folder()}, left)
}

// Whatever is saved when: the last content is what is run last, and no two runs are at the same
// time. A run is a function here, and takes as long as it likes.
func TestTheLastContentCounts(t *testing.T) {
	root := t.TempDir()
	file := filepath.Join(root, "answer.go")
	states := make(chan State, 10_000)
	f := NewFollower(&runner.Builder{Root: root}, Lab{Number: "05", File: "answer.go"},
		func(s State) { states <- s })
	var running int
	f.runs = func(ctx context.Context, o Options, begun func(), live func(Case)) (Result, error) {
		running++
		defer func() { running-- }() // no lock: the race detector sees two runs at once
		text, err := os.ReadFile(file)
		if err != nil {
			return Result{}, err
		}
		begun()
		for i := range 5 {
			live(Case{Name: fmt.Sprint(i)})
			if !pause(ctx, 3*time.Millisecond) {
				return Result{}, ctx.Err()
			}
		}
		return Result{Note: string(text), Of: 1}, nil
	}
	ctx, stop := context.WithCancel(t.Context())
	over := make(chan struct{})
	go func() { f.Follow(ctx); close(over) }()
	until := func(what string, ok func(State) bool) {
		t.Helper()
		deadline := time.After(30 * time.Second)
		for {
			select {
			case s := <-states:
				if ok(s) {
					return
				}
			case <-deadline:
				t.Fatal("never saw " + what)
			}
		}
	}
	until("that the file is missing", func(s State) bool { return s.Phase == Missing })
	n := 0
	saves := map[string]func(text string) error{
		"in place":  func(text string) error { return os.WriteFile(file, []byte(text), 0o644) },
		"by rename": func(text string) error { return progress.WriteFile(file, []byte(text), 0o644) },
		"emptied first": func(text string) error {
			if err := os.WriteFile(file, nil, 0o644); err != nil {
				return err
			}
			return os.WriteFile(file, []byte(text), 0o644)
		},
		"removed first": func(text string) error {
			_ = os.Remove(file)
			return os.WriteFile(file, []byte(text), 0o644)
		},
		"with an old time": func(text string) error { // as tools that unpack or restore do
			err := os.WriteFile(file, []byte(text), 0o644)
			old := time.Unix(1e9+int64(n), 0)
			return errors.Join(err, os.Chtimes(file, old, old))
		},
	}
	for name, save := range saves {
		for range 30 {
			n++
			require.NoError(t, save(fmt.Sprintf("package p // %04d", n)))
			time.Sleep(time.Millisecond) // not to wait for anything: saves of a person come apart
		}
		last := fmt.Sprintf("package p // %04d", n)
		until(name, func(s State) bool { return s.Phase == Done && s.Result.Note == last })
	}
	// the same size, perhaps the same time
	require.NoError(t, os.WriteFile(file, []byte("package p // 9999"), 0o644))
	until("the same size", func(s State) bool {
		return s.Phase == Done &&
			strings.HasSuffix(s.Result.Note, "9999")
	})
	stop()
	<-over
}

// A file that is the same again is not run again.
func TestLook(t *testing.T) {
	name := filepath.Join(t.TempDir(), "a.go")
	w := &watched{path: name}
	require.False(t, w.look())
	require.NoError(t, os.WriteFile(name, []byte("package a"), 0o644))
	require.True(t, w.look())
	require.False(t, w.look())
	require.NoError(t, os.WriteFile(name, []byte("package a"), 0o644))
	require.False(t, w.look())
	require.False(t, w.half())
	require.NoError(t, os.WriteFile(name, []byte("package a; func f("), 0o644))
	require.True(t, w.look())
	require.True(t, w.half())
	require.NoError(t, os.Remove(name))
	require.True(t, w.look())
	require.False(t, w.look())
	require.NoError(t, os.Mkdir(name, 0o755))
	require.False(t, w.look())
}

func TestFind(t *testing.T) {
	labs := []Lab{{Number: "01"}, {Number: "05"}, {Number: "16"}}
	for arg, want := range map[string]int{"1": 0, "01": 0, "5": 1, "labs/05": 1, "./labs/05/": 1, "16": 2} {
		got, err := Find(labs, arg)
		require.NoError(t, err)
		require.Equal(t, want, got, arg)
	}
	for _, arg := range []string{"", "2", "005", "labs", "-1", "../labs/05", "x"} {
		_, err := Find(labs, arg)
		require.ErrorContains(t, err, "there are 01, 05, 16", arg)
	}
}

func TestOutputOfATest(t *testing.T) {
	var live []Case
	p := testOutput{live: func(c Case) { live = append(live, c) }, reports: map[string]*strings.Builder{}}
	for line := range strings.Lines("before\n\x16=== RUN   TestX\n\x16=== RUN   TestX/a_case\n    " +
		"first\nno end\x16--- FAIL: TestX/a_case (0.00s)\n" +
		"\x16=== NAME  TestX\n    lab 05: 7/10 points\n    something else\n\x16=== RUN   TestX/b\n " +
		"   run.go:2: because\n\x16--- SKIP: TestX/b (0.00s)\n\x16--- FAIL: TestX " +
		"(0.1s)\n\x16=== NAME  \n\x16FAIL\n") {
		p.take([]byte(strings.TrimSuffix(line, "\n")))
	}
	require.Equal(t, "first\nno end", p.report("a case"))
	require.Equal(t, "something else", p.note())
	require.Equal(t, "before\n", p.rest())
	require.Equal(t, []Case{{Name: "a case", Outcome: check.Failed}, {Name: "b", Outcome: check.NotRun}}, live)
}

func TestStarters(t *testing.T) {
	require.True(t, untouched([]byte(coursetest.Starter)))
	for _, text := range []string{coursetest.Right, "", "package a", "package a\nfunc f() {}", `package a
func f() { panic("started") }`, strings.Replace(coursetest.Starter, `panic("not started")`,
		"return nil", 1)} {
		require.False(t, untouched([]byte(text)), text)
	}

	root := t.TempDir()
	lab := Lab{Number: "05", File: "labs/05/framing.go"}
	require.NoError(t, os.MkdirAll(filepath.Dir(coursetest.File(root)), 0o755))
	store := progress.Open(root, func(s string) { t.Error(s) })
	coursetest.Write(t, root, coursetest.Right)
	KeepStarter(root, store, lab)
	_, err := Reset(root, store, lab)
	require.ErrorContains(t, err, "no copy of the starter was kept")
	text, err := os.ReadFile(coursetest.File(root))
	require.NoError(t, err)
	require.Equal(t, coursetest.Right, string(text))

	git := func(args ...string) {
		cmd := exec.Command("git", append([]string{
			"-c", "user.name=x", "-c", "user.email=x@example.org",
			"-c", "commit.gpgsign=false",
		}, args...)...)
		cmd.Dir = root
		out, err := cmd.CombinedOutput()
		require.NoError(t, err, "%s", out)
	}
	git("init", "-q")
	for i, version := range []string{strings.Replace(coursetest.Starter, "lab 05.", "an older one.",
		1), coursetest.Starter, coursetest.Split, coursetest.Right} {
		coursetest.Write(t, root, version)
		git("add", ".")
		git("commit", "-qm", fmt.Sprint(i))
	}
	kept, err := Reset(root, store, lab)
	require.NoError(t, err)
	text, err = os.ReadFile(coursetest.File(root))
	require.NoError(t, err)
	require.Equal(t, coursetest.Starter, string(text))
	text, err = os.ReadFile(filepath.Join(root, kept))
	require.NoError(t, err)
	require.Equal(t, coursetest.Right, string(text))

	KeepStarter(root, store, lab)
	require.NoError(t, os.RemoveAll(filepath.Join(root, ".git")))
	require.NoError(t, os.RemoveAll(filepath.Join(root, "labs")))
	_, err = Reset(root, store, lab)
	require.NoError(t, err)
	require.FileExists(t, coursetest.File(root))
}
