package check

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestDiffBytes(t *testing.T) {
	for _, tt := range []struct{ name, got, want, diff string }{
		{"in the middle", "abXd", "abcd", `
got   61 62 58 64  "abXd" (4 bytes in all)
want  61 62 63 64  "abcd" (4 bytes in all)
            ^^ the first difference: byte 2`},
		{"nothing", "", "ab", `
got   (nothing)
want  61 62  "ab" (2 bytes in all)
      ^^ the first difference: byte 0`},
		{"too short", "a", "ab", `
got   61     "a"  (1 byte in all)
want  61 62  "ab" (2 bytes in all)
         ^^ the first difference: byte 1`},
		{"far behind", strings.Repeat("x", 1000) + "y", strings.Repeat("x", 1002), `
got   … 78 78 78 78 78 78 78 78 79     "xxxxxxxxy"  (1001 bytes in all)
want  … 78 78 78 78 78 78 78 78 78 78  "xxxxxxxxxx" (1002 bytes in all)
                                ^^ the first difference: byte 1000`},
		{"only the length", strings.Repeat("x", 1000), strings.Repeat("x", 5000), `
got   … 78 78 78 78 78 78 78 78                          "xxxxxxxx"         (1000 bytes in all)
want  … 78 78 78 78 78 78 78 78 78 78 78 78 78 78 78 78  "xxxxxxxxxxxxxxxx" … (5000 bytes in all)
                                ^^ the first difference: byte 1000`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			require.Equal(t, tt.diff[1:], diffBytes([]byte(tt.got), []byte(tt.want)))
		})
	}
}

func TestDiffText(t *testing.T) {
	for _, tt := range []struct{ name, got, want, diff string }{
		{"an escape before the place", "a\nX", "a\nb", `
got   "a\nX" (3 characters in all)
want  "a\nb" (3 characters in all)
          ^ the first difference: character 2`},
		{"nothing", "", "ab", `
got   (nothing)
want  "ab" (2 characters in all)
       ^ the first difference: character 0`},
		{"far behind", strings.Repeat("x", 100) + "y", strings.Repeat("x", 200), `
got   … "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxy" (101 characters in all)
want  … "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx" … (200 characters in all)
                                       ^ the first difference: character 100`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			require.Equal(t, tt.diff[1:], diffText(tt.got, tt.want))
		})
	}
}

func TestStepsShowBytes(t *testing.T) {
	require.Equal(t, "(nothing)", Bytes(nil))
	require.Equal(t, "68 69", Bytes([]byte("hi")))
	require.Equal(
		t,
		"61 61 61 61 61 61 61 61 61 61 61 61 … 61 61 61 62 (25 bytes)",
		Bytes([]byte(strings.Repeat("a", 24)+"b")),
	)
	require.Equal(t, "68 | 69", Pieces([][]byte{[]byte("h"), []byte("i")}))
	require.Equal(t, "nil", Err(nil))
	require.Equal(t, `"EOF"`, Err(io.EOF))
}

func TestStacks(t *testing.T) {
	const text = `goroutine 34 [chan receive, 2 minutes]:
socketbook/labs/05.ReadMessage({0x1234, 0xc000}, 0x400)
	/home/student/labs/05/framing.go:42 +0x1d
socketbook/labs/05/framingtest.suite.readMessage.func1()
	/home/student/labs/05/framingtest/framingtest.go:120 +0x2b
created by socketbook/tools/check.(*C).Start in goroutine 7
	/home/student/tools/check/case.go:200 +0x99

goroutine 35 [sync.Cond.Wait]:
sync.(*Cond).Wait(0x0)
	/usr/local/go/src/sync/cond.go:71 +0x1
socketbook/tools/fault.(*Conn).Read(0xc1, {0xc2, 0x4, 0x4})
	/home/student/tools/fault/conn.go:38 +0x1
io.ReadFull(...)
	/usr/local/go/src/io/io.go:354
socketbook/solutions/05_test.readHeaderOnce({0x1, 0x2}, 0x400)
	/home/student/solutions/05/wrong_test.go:97 +0x1
created by socketbook/labs/05.ReadMessage in goroutine 34
	/home/student/labs/05/framing.go:30 +0x99
`
	all := parseStacks([]byte(text))
	require.Len(t, all, 2)
	require.Equal(t, "chan receive", all[0].state)
	require.Equal(t, []frame{
		{"socketbook/labs/05.ReadMessage", "/home/student/labs/05/framing.go", 42},
		{
			"socketbook/labs/05/framingtest.suite.readMessage.func1",
			"/home/student/labs/05/framingtest/framingtest.go",
			120,
		},
	}, all[0].frames())
	require.Equal(t, []int{34, 7, 35, 34}, []int{all[0].id, all[0].creator, all[1].id, all[1].creator})
	require.Equal(t, " at framing.go:42", at(all[0].students()))
	require.Empty(t, all[0].inside())
	require.Equal(t, " at wrong_test.go:97", at(all[1].students()))
	require.Equal(t, "Read", all[1].inside())
	require.Equal(
		t,
		" in ReadMessage of framing.go",
		at(&frame{"socketbook/labs/05.ReadMessage", "/home/student/labs/05/framing.go", 1}),
	)
	require.True(t, all[0].handedIn())
	require.False(t, all[1].handedIn())
}

func TestMistakesInTables(t *testing.T) {
	good := Case{Name: "one", Points: 10, Rule: "r", Hint: "h", Run: func(*C) {}}
	with := func(change func(*Case)) Case { c := good; change(&c); return c }
	for _, tt := range []struct {
		name  string
		cases []Case
		want  string
	}{
		{"sound", []Case{good}, ""},
		{"points", []Case{with(func(c *Case) { c.Points = 9 })}, "the cases of lab 00 have 9 " +
			"points in all, not 10"},
		{
			"no rule",
			[]Case{with(func(c *Case) { c.Rule = "" })},
			`lab 00, case "one": name, rule, hint, points and Run are all needed`,
		},
		{
			"unknown need",
			[]Case{with(func(c *Case) { c.Needs = []string{"two"} })},
			`lab 00, case "one" needs "two", which is not a case before it`,
		},
		{
			"twice",
			[]Case{with(func(c *Case) { c.Points = 5 }), with(func(c *Case) { c.Points = 5 })},
			`lab 00 has two cases named "one"`,
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			err := Lab{Number: "00", Cases: tt.cases}.valid()
			if tt.want == "" {
				require.NoError(t, err)
				return
			}
			require.EqualError(t, err, tt.want)
		})
	}
}

func TestReadResults(t *testing.T) {
	lines := `{"lab":"05","case":"a","points":0,"of":1,"outcome":"not-run","message":""}
{"lab":"05","case":"b","points":0,"of":1,"outcome":"not-run","message":""}
{"lab":"05","case":"b","points":1,"of":1,"outcome":"passed","message":""}
{"lab":"06","case":"a","points":1,"of":1,"outcome":"passed","message":""}
`
	got, err := ReadResults(strings.NewReader(lines))
	require.NoError(t, err)
	require.Equal(t, []Result{
		{Lab: "05", Case: "a", Of: 1, Outcome: NotRun},
		{Lab: "05", Case: "b", Points: 1, Of: 1, Outcome: Passed},
		{Lab: "06", Case: "a", Points: 1, Of: 1, Outcome: Passed},
	}, got)

	got, err = ReadResults(strings.NewReader("nonsense" + lines + "{}\n[1]\n" + lines + `{"lab":"07","ca`))
	require.NoError(t, err)
	require.Len(t, got, 3, "what is no result is passed over")
	require.Contains(t, got, Result{Lab: "05", Case: "b", Points: 1, Of: 1, Outcome: Passed})
}

// A line of somebody else's without an end spoils none of ours.
func TestAppendResults(t *testing.T) {
	file := filepath.Join(t.TempDir(), "results")
	t.Setenv(ResultsVariable, file)
	require.NoError(t, os.WriteFile(file, []byte("junk"), 0o644))
	want := []Result{
		{Lab: "05", Case: "a", Of: 1, Outcome: Error, Message: "no loopback"},
		{Lab: "05", Case: "b", Of: 1, Outcome: Failed},
	}
	require.NoError(t, appendResults(want))
	f, err := os.Open(file)
	require.NoError(t, err)
	defer f.Close()
	got, err := ReadResults(f)
	require.NoError(t, err)
	require.Equal(t, want, got)
}

func TestPrintsKeepBothEnds(t *testing.T) {
	b := &bothEnds{}
	for _, s := range []string{"begin", strings.Repeat("x", 1<<20), "end"} {
		b.Write([]byte(s))
	}
	text := string(b.text)
	require.True(t, strings.HasPrefix(text, "begin"))
	require.True(t, strings.HasSuffix(text, "end"))
	require.Less(t, len(text), 6*keptPrints)
	require.Contains(t, text, "left out")
}

func TestMessagesAmongOtherLines(t *testing.T) {
	m := &messages{}
	for _, s := range []string{
		"\n{\"step\":\"one\",\"fresh\":true}\nnoise", "\n{\"st",
		"ep\":\"two\"}\n", "{\"outcome\":{\"outcome\":\"passed\"}}\n",
	} {
		m.Write([]byte(s))
	}
	require.Equal(t, []string{"one", "two"}, m.steps[:2])
	require.Equal(t, Passed, m.outcome.Outcome)
}

func TestProofWantsTheExactCases(t *testing.T) {
	verdict := func(name, outcome string) Verdict {
		return Verdict{Result: Result{Case: name, Outcome: outcome, Message: "why"}, Report: "the text"}
	}
	wrong := Answer{Fails: []string{"a", "b"}}
	require.Empty(
		t,
		wrong.problems(
			[]Verdict{
				verdict("a", Failed),
				verdict("b", Failed),
				verdict("c", Passed),
				verdict("d", NotRun),
			},
		),
	)
	require.Equal(
		t,
		[]string{"should fail, but the outcome is passed: b"},
		wrong.problems([]Verdict{verdict("a", Failed), verdict("b", Passed)}),
	)
	require.Equal(
		t,
		[]string{"should fail, but the outcome is not-run: b"},
		wrong.problems([]Verdict{verdict("a", Failed), verdict("b", NotRun)}),
	)
	require.Equal(
		t,
		[]string{"fails what it should not:\nthe text"},
		Answer{}.problems([]Verdict{verdict("c", Failed)}),
	)
	require.Equal(t, []string{"not graded: why"}, Answer{}.problems([]Verdict{verdict("c", Error)}))
}

func TestMemoryNeedsItsField(t *testing.T) {
	const want = `case "a" measures memory, and its Memory field is not set`
	c := &C{spec: Case{Name: "a"}}
	require.PanicsWithValue(t, want, func() { c.InUse() })
	require.PanicsWithValue(t, want, func() { c.Allocated("f()", func() {}) })
}

func TestErrorWithTheRightWords(t *testing.T) {
	wantError := func(got error) outcome {
		cs := Case{Name: "a", Run: func(c *C) { c.WantError("f", got, io.ErrUnexpectedEOF) }}
		return cs.run(options{})
	}
	require.Equal(t, Passed, wantError(fmt.Errorf("reading: %w", io.ErrUnexpectedEOF)).Outcome)
	require.Equal(t, `got   "reading: EOF"
want  "unexpected EOF", alone or wrapped with %w`, wantError(errors.New("reading: EOF")).Detail)
	require.Equal(t, `got   "reading: unexpected EOF"
want  "unexpected EOF", alone or wrapped with %w
the words are there, but errors.Is does not find the error: %v, %s and errors.New make a new one`,
		wantError(errors.New("reading: unexpected EOF")).Detail)
}

func TestPrintedKeepsWholeLines(t *testing.T) {
	text := printed(strings.Repeat("x\n", 1000) + "end\n")
	require.Equal(t, 2+2*shownLines, strings.Count(text, "\n"))
	require.True(t, strings.HasSuffix(text, "  | x\n  | end\n"), text)
	require.Less(t, len(printed(strings.Repeat("x", 1<<20))), 3*shownPrints)
	require.Equal(t, "your code printed:\n  | a\\x1b[2J\n", printed("a\x1b[2J"))
}

// yes is an error that says yes to whatever it is asked.
type yes struct{}

func (yes) Error() string   { panic("no words") }
func (yes) Is(error) bool   { return true }
func (yes) As(any) bool     { return true }
func (yes) Unwrap() []error { return []error{yes{}, yes{}} }

// incomparable cannot be compared, and wraps what can.
type incomparable []int

func (incomparable) Error() string { return "a list" }
func (incomparable) Unwrap() error { return io.EOF }

func TestIsAsksOnlyUnwrap(t *testing.T) {
	require.True(t, Is(nil, nil))
	require.True(t, Is(errors.Join(io.ErrClosedPipe, fmt.Errorf("%w", io.EOF)), io.EOF))
	require.True(t, Is(incomparable{1}, io.EOF))
	require.False(t, Is(yes{}, io.EOF))
	require.False(t, Is(nil, io.EOF))
	require.False(t, Is((*os.PathError)(nil), io.EOF), "its Unwrap panics")
	require.Contains(t, Err(yes{}), "PANIC=Error method: no words")
	deep := io.EOF
	for range maxWrapped - 1 {
		deep = fmt.Errorf("%w", deep)
	}
	require.True(t, Is(deep, io.EOF))
	require.False(t, Is(fmt.Errorf("%w", deep), io.EOF))
}

func TestLongListsOfStepsAreFolded(t *testing.T) {
	require.Equal(t, "   1. a\n   2. b\n   3. c  (2 steps, 3 times)\n   8. d  (1 step, 2 times)\n  10. e\n",
		numbered([]string{"a", "b", "c", "b", "c", "b", "c", "d", "d", "e"}))
	var steps []string
	for i := range 80 {
		steps = append(steps, fmt.Sprint("step ", i))
	}
	text := numbered(steps)
	require.Equal(t, firstSteps+lastSteps+1, strings.Count(text, "\n"))
	require.Contains(t, text, "\n      … (64 lines left out)\n")
	require.True(t, strings.HasSuffix(text, "  80. step 79\n"))
}

// TestRefusedSources: what a lab may not import is found beside the file that was compiled.
func TestRefusedSources(t *testing.T) {
	for source, why := range map[string]string{
		`import "socketbook/solutions/05"`: "framing.go imports socketbook/solutions/05; the " +
			"standard library and golang.org/x/text are all that a lab may use",
		`import "github.com/stretchr/testify"`: "framing.go imports github.com/stretchr/testify; " +
			"the standard library and golang.org/x/text are all that a lab may use",
		`import "C"`: "framing.go imports C; the standard library and " +
			"golang.org/x/text are all that a lab may use",
		`func init() {}`: "framing.go has an init function; a lab needs " +
			"none, because nothing is to happen before its functions are called",
		`import ("encoding/binary"; "golang.org/x/text/encoding"); type t int; func (t) init() {}`: "",
	} {
		dir := t.TempDir()
		require.NoError(
			t,
			os.WriteFile(filepath.Join(dir, "framing.go"), []byte("package framing; "+source), 0o644),
		)
		require.NoError(
			t,
			os.WriteFile(
				filepath.Join(dir, "framing_test.go"),
				[]byte(`package framing_test; import "socketbook/labs/05/framingtest"`),
				0o644,
			),
		)
		require.Equal(t, why, Lab{File: "framing.go"}.refused(dir))
		require.Empty(t, Lab{File: "other.go"}.refused(dir), "another folder")
	}
	here, err := os.Getwd()
	require.NoError(t, err)
	t.Chdir(t.TempDir())
	require.Equal(t, here, compiledIn())
}

func TestMachine(t *testing.T) {
	require.NoError(t, machine())
	failed := outcome{Outcome: Failed, Message: "wrong"}
	require.Equal(t, failed, excused(failed, false))
	file := filepath.Join(t.TempDir(), "no folder")
	require.NoError(t, os.WriteFile(file, nil, 0o644))
	for _, variable := range []string{"TMPDIR", "TMP", "TEMP"} {
		t.Setenv(variable, file)
	}
	require.ErrorContains(t, machine(), "no temporary file could be made: ")
	require.Equal(t, Error, excused(failed, false).Outcome)
	require.Equal(t, Passed, excused(outcome{Outcome: Passed}, false).Outcome)
	for _, variable := range []string{"TMPDIR", "TMP", "TEMP"} {
		t.Setenv(variable, filepath.Join(t.TempDir(), "gone"))
	}
	require.Equal(t, Error, excused(failed, false).Outcome)
	require.Equal(t, failed, excused(failed, true), "that was the code, which runs elsewhere")
}

func TestWhyAWorkerDied(t *testing.T) {
	for _, tt := range []struct{ printed, outcome, message string }{
		{"runtime: failed to create new OS thread (have 5 already; errno=11)\nfatal error: " +
			"newosproc\n", Error, "the system gives the program " +
			"no more threads (on Linux see ulimit -u)"},
		{
			"runtime/cgo: pthread_create failed: Resource temporarily unavailable\nSIGABRT: abort\n", Error,
			"the system gives the program " +
				"no more threads (on Linux see ulimit -u)",
		},
		{"hello\npanic: oops [recovered]\n\ngoroutine 1 [running]:\n", Failed, "your code crashed: panic: oops"},
		{"hello\n", Failed, "your code ended the whole program (status 0), as os.Exit and " +
			"log.Fatal do; return an error instead"},
	} {
		o := outcome{Outcome: Failed}
		o.died(nil, tt.printed)
		require.Equal(t, tt.outcome, o.Outcome)
		require.Equal(t, tt.message, o.Message)
	}
	for status, message := range map[string]string{ // of a process in a sandbox
		"signal: bad system call": "your code made a system call that the sandbox forbids; it ends a " +
			"program that " +
			"does so (signal: bad system call)",
		"signal: killed": "the system killed the program that ran your code (signal: killed), as it does when " +
			"memory runs out",
		"it took more than 512 MiB of memory and was ended": "the program that ran your code was ended: it took " +
			"more than 512 MiB of memory and was ended",
	} {
		var o outcome
		o.died(errors.New(status), "")
		require.Equal(t, message, o.Message)
	}
}

// TestUnmetNeeds: a case says nothing when one that it needs has not passed.
func TestUnmetNeeds(t *testing.T) {
	lab := Lab{
		Number: "00",
		Cases: []Case{
			{Name: "a"},
			{Name: "b", Needs: []string{"a"}},
			{Name: "c", Needs: []string{"b"}},
			{Name: "d"},
		},
	}
	for how, want := range map[string]string{
		Failed: `not run because "a" failed`, Error: "no room",
		Passed: "",
	} {
		g := &grading{lab: lab, outcomes: make([]*outcome, 4)}
		g.run = func(i int) outcome {
			return outcome{
				Outcome: []string{how, Passed, Passed, Passed}[i],
				Message: []string{want, "", "", ""}[i],
			}
		}
		for i := range lab.Cases {
			g.outcome(i)
		}
		require.Equal(t, want, g.outcomes[1].Message)
		require.Equal(
			t,
			map[string]string{Failed: `not run because "b" was not run`, Error: "no room"}[how],
			g.outcomes[2].Message,
		)
		require.Equal(
			t,
			map[string]string{Failed: NotRun, Error: Error, Passed: Passed}[how],
			g.outcomes[2].Outcome,
		)
		require.Equal(t, Passed, g.outcomes[3].Outcome)
	}
}

// TestSleeper is what the worker of the next test begins with.
func TestSleeper(t *testing.T) {
	if number, ok := os.LookupEnv(caseVariable); ok {
		work(Lab{Cases: []Case{{Run: func(c *C) { c.Step("asleep"); select {} }}}}, number)
	}
}

// TestTimeIsUp: a step is told when it is taken, long before the case is over, and a case that is still
// running when the time is up is ended.
func TestTimeIsUp(t *testing.T) {
	t.Parallel()
	ctx, timeIsUp := context.WithCancel(t.Context())
	defer timeIsUp()
	o := runInWorker(ctx, "TestSleeper", 0, 0, options{told: func(step string, _ bool) {
		require.Equal(t, "asleep", step)
		timeIsUp()
	}})
	require.Equal(t, Failed, o.Outcome)
	require.Equal(t, "was still running when the time for the whole lab was up", o.Message)
	require.Equal(t, []string{"asleep"}, o.Steps)
	require.Equal(t, NotRun, runInWorker(ctx, "TestSleeper", 0, 0, options{}).Outcome, "what begins too late")
}

// TestCrashesWhenItIsEnded: the verdict is that of the case, whatever the goroutines do that it ends.
func TestCrashesWhenItIsEnded(t *testing.T) {
	if number, ok := os.LookupEnv(caseVariable); ok {
		work(Lab{Cases: []Case{{Run: func(c *C) {
			conn, _ := c.Connect()
			c.Start("unlocked", func() {
				var mu sync.Mutex
				defer mu.Unlock() // as if Read were called between an Unlock and a Lock
				conn.Read(make([]byte, 1))
			})
			c.Await("the Read", c.Resting)
			c.Fail("a verdict")
		}}}}, number)
	}
	t.Parallel()
	o := runInWorker(t.Context(), t.Name(), 0, 0, options{})
	require.Equal(t, Failed, o.Outcome)
	require.Equal(t, "a verdict", o.Message)
	require.Empty(t, o.Prints)
}

// TestAhead: cases are run a few at a time, and each gives its own outcome, those that need a failed one
// without being run.
func TestAhead(t *testing.T) {
	var workers sync.WaitGroup
	var now, most atomic.Int32
	cases := make([]Case, 20)
	for i := range cases {
		cases[i].Name = fmt.Sprint(i)
	}
	cases[18].Needs, cases[19].Needs = []string{"17"}, []string{"18"}
	outcomes := ahead(cases, casesAtOnce, &workers, func(i int, _ func()) outcome {
		most.Store(max(most.Load(), now.Add(1)))
		defer now.Add(-1)
		return outcome{Outcome: map[bool]string{true: Failed, false: Passed}[i == 17], Message: fmt.Sprint(i)}
	})
	for i := range 18 {
		require.Equal(t, fmt.Sprint(i), outcomes(i).Message)
	}
	require.Equal(t, `not run because "17" failed`, outcomes(18).Message)
	require.Equal(t, `not run because "18" was not run`, outcomes(19).Message)
	workers.Wait()
	require.LessOrEqual(t, most.Load(), int32(casesAtOnce))
}

// TestSecondVariation: steps of the first one say nothing, and those of later ones say it no more.
func TestSecondVariation(t *testing.T) {
	calls := 0
	told := atSecondVariation(func() { calls++ })
	for i, want := range []int{0, 0, 0, 1, 1, 1} {
		told("a step", i%3 == 0 || i == 5)
		require.Equal(t, want, calls)
	}
}

// TestAheadSound: the cases that need one begin as soon as its first variation has passed, and not before,
// and what needs these begins with them; when it has failed by then none of them begins.
func TestAheadSound(t *testing.T) {
	var workers sync.WaitGroup
	cases := []Case{{Name: "a"}, {Name: "b", Needs: []string{"a"}}, {Name: "c", Needs: []string{"b"}}}
	var isSound atomic.Bool
	begun := make(chan struct{})
	outcomes := ahead(cases, casesAtOnce, &workers, func(i int, sound func()) outcome {
		if i == 0 {
			isSound.Store(true)
			sound()
			<-begun // which never comes, unless the others begin before this is over
			<-begun
			return outcome{Outcome: Failed}
		}
		require.True(t, isSound.Load())
		begun <- struct{}{}
		return outcome{Outcome: Passed}
	})
	for i, want := range []string{Failed, Passed, Passed} {
		require.Equal(t, want, outcomes(i).Outcome)
	}
	workers.Wait()

	outcomes = ahead(cases, casesAtOnce, &workers, func(i int, _ func()) outcome {
		require.Zero(t, i, "the others need the first")
		return outcome{Outcome: Failed}
	})
	require.Equal(t, `not run because "a" failed`, outcomes(1).Message)
	require.Equal(t, `not run because "b" was not run`, outcomes(2).Message)
	workers.Wait()
}

// TestAheadAlone: a case that the machine could not run is run once more, and nothing beside it.
func TestAheadAlone(t *testing.T) {
	for range 100 {
		var workers sync.WaitGroup
		var now atomic.Int32
		var tries [5]atomic.Int32
		cases := []Case{{Name: "a"}, {Name: "b"}, {Name: "c", Needs: []string{"b"}}, {Name: "d"}, {Name: "e"}}
		outcomes := ahead(cases, 3, &workers, func(i int, _ func()) outcome {
			beside := now.Add(1) - 1
			defer now.Add(-1)
			if tries[i].Add(1) == 1 || i == 1 {
				return outcome{Outcome: Error, Message: "no room"}
			}
			require.Zero(t, beside)
			return outcome{Outcome: Passed}
		})
		for i, want := range []string{Passed, Error, Error, Passed, Passed} {
			require.Equal(t, want, outcomes(i).Outcome)
		}
		workers.Wait()
		require.Equal(t, int32(2), tries[1].Load())
		require.Zero(t, tries[2].Load(), "what needs it is not run")
	}
}

// TestParts: the outcome of a case is that of its first part that has not passed, and the parts behind it are
// not asked.
func TestParts(t *testing.T) {
	var played []int
	play := func(part int) func(*C) { return func(c *C) { played = append(played, part) } }
	fails := func(c *C) { c.Fail("this one") }
	cs := Case{Name: "a", Run: play(0), Also: []func(*C){play(1), fails, play(3)}}
	o := cs.run(options{})
	require.Equal(t, []int{0, 1}, played)
	require.Equal(t, Failed, o.Outcome)
	require.Equal(t, "this one", o.Message)
	cs.Also = cs.Also[:1]
	require.Equal(t, Passed, cs.run(options{}).Outcome)
	prints := cs.parts(func(part int) outcome {
		return outcome{Outcome: Passed, Prints: fmt.Sprintln("part", part)}
	}).Prints
	require.Equal(t, "part 0\npart 1\n", prints)
}

// TestLeaksCountOnce: a goroutine left behind by every case costs the points of the first.
func TestLeaksCountOnce(t *testing.T) {
	lab := Lab{Cases: []Case{{Name: "a"}, {Name: "b", Needs: []string{"a"}}, {Name: "c"}}}
	leaks := verdicts(lab, 1, func(int) outcome { return outcome{Outcome: Failed, Leak: true} })
	for i, want := range []string{Failed, Passed, Passed} {
		require.Equal(t, want, leaks[i].Outcome)
	}
}

// A goroutine that carries a call waits for the other process until it has called something: what that waits
// for, a pipe of the standard library's for example, is its own.
func TestWaitsForCall(t *testing.T) {
	stack := func(functions ...string) goroutine {
		calls := ""
		for _, f := range functions {
			calls += f + "(0x1)\n\t/src/file.go:7 +0x1d\n"
		}
		return goroutine{state: "select", calls: calls}
	}
	require.True(t, stack("runtime.gopark", remotePackage+".(*side).receive", "main.main").waitsForCall())
	require.False(t, stack("net.(*pipe).read", remotePackage+".(*side).carry", "main.main").waitsForCall())
	require.False(t, stack("net.(*pipe).close", remotePackage+".(*side).carry.func3").waitsForCall())
	require.False(t, stack("sync.(*Cond).Wait", "socketbook/tools/fault.(*Conn).Read",
		remotePackage+".(*side).carry").waitsForCall())
}

// What lies in a folder that the code under test has written to is not followed, and not waited for.
func TestReadFile(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "file")
	require.NoError(t, os.WriteFile(file, []byte("hello"), 0o644))
	got, err := ReadFile(dir, "file")
	require.NoError(t, err)
	require.Equal(t, "hello", string(got))
	require.NoError(t, os.Truncate(file, longestFile+1))
	_, err = ReadFile(dir, "file")
	require.ErrorContains(t, err, "134217729 bytes")
	require.NoError(t, os.Mkdir(filepath.Join(dir, "folder"), 0o755))
	for _, name := range []string{"folder", "missing", "../" + filepath.Base(dir) + "/file"} {
		_, err = ReadFile(dir, name)
		require.Error(t, err, name)
	}
	for _, to := range []string{"file", "/dev/zero"} {
		link := filepath.Join(dir, "link")
		if os.Symlink(to, link) != nil {
			break // as on Windows, where not everybody may
		}
		_, err = ReadFile(dir, "link")
		require.ErrorContains(t, err, "link is no file", to)
		require.NoError(t, os.Remove(link))
	}
}

// A lab is cut short where something has failed, and not because the machine is busy.
func TestBounded(t *testing.T) {
	const short, long = 10 * time.Millisecond, time.Hour
	ctx, cancel, failed := bounded(short, long)
	defer cancel()
	<-time.After(2 * short)
	require.NoError(t, ctx.Err(), "nothing has failed")
	failed()
	<-ctx.Done()

	ctx, cancel, failed = bounded(long, 2*long)
	failed()
	require.NoError(t, ctx.Err(), "there is time left")
	cancel()
	require.Error(t, ctx.Err())

	ctx, cancel, _ = bounded(short, 2*short)
	defer cancel()
	<-ctx.Done()
}
