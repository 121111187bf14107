package check

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestDiffBytes(t *testing.T) {
	for _, tt := range []struct{ name, got, want, diff string }{
		{"in the middle", "abXd", "abcd", `
got   61 62 58 64  "abXd" (end, 4 bytes)
want  61 62 63 64  "abcd" (end, 4 bytes)
            ^^ the first difference: byte 2`},
		{"nothing", "", "ab", `
got   (nothing)
want  61 62  "ab" (end, 2 bytes)
      ^^ the first difference: byte 0`},
		{"too short", "a", "ab", `
got   61     "a"  (end, 1 byte)
want  61 62  "ab" (end, 2 bytes)
         ^^ the first difference: byte 1`},
		{"far behind", strings.Repeat("x", 1000) + "y", strings.Repeat("x", 1002), `
got   … 78 78 78 78 78 78 78 78 79     "xxxxxxxxy"  (end, 1001 bytes)
want  … 78 78 78 78 78 78 78 78 78 78  "xxxxxxxxxx" (end, 1002 bytes)
                                ^^ the first difference: byte 1000`},
		{"only the length", strings.Repeat("x", 1000), strings.Repeat("x", 5000), `
got   … 78 78 78 78 78 78 78 78                          "xxxxxxxx"         (end, 1000 bytes)
want  … 78 78 78 78 78 78 78 78 78 78 78 78 78 78 78 78  "xxxxxxxxxxxxxxxx" … (5000 bytes)
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
got   "a\nX"
want  "a\nb"
          ^ the first difference: character 2`},
		{"nothing", "", "ab", `
got   (nothing)
want  "ab"
       ^ the first difference: character 0`},
		{"far behind", strings.Repeat("x", 100) + "y", strings.Repeat("x", 200), `
got   … "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxy"
want  … "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx" … (200 characters)
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
	require.Equal(t, "61 61 61 61 61 61 61 61 61 61 61 61 … 61 61 61 62 (25 bytes)", Bytes([]byte(strings.Repeat("a", 24)+"b")))
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
	require.Equal(t, goroutine{id: 34, creator: 7, state: "chan receive", frames: []frame{
		{"socketbook/labs/05.ReadMessage", "/home/student/labs/05/framing.go", 42},
		{"socketbook/labs/05/framingtest.suite.readMessage.func1", "/home/student/labs/05/framingtest/framingtest.go", 120},
	}}, all[0])
	require.Equal(t, " at framing.go:42", at(all[0].students()))
	require.Empty(t, all[0].inside())
	require.Equal(t, " at wrong_test.go:97", at(all[1].students()))
	require.Equal(t, "Read", all[1].inside())
	require.Equal(t, " in ReadMessage of framing.go", at(&frame{"socketbook/labs/05.ReadMessage", "/home/student/labs/05/framing.go", 1}))
	require.Equal(t, 34, all[1].creator)
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
		{"points", []Case{with(func(c *Case) { c.Points = 9 })}, "the cases of lab 00 have 9 points in all, not 10"},
		{"no rule", []Case{with(func(c *Case) { c.Rule = "" })}, `lab 00, case "one": name, rule, hint, points and Run are all needed`},
		{"unknown need", []Case{with(func(c *Case) { c.Needs = []string{"two"} })}, `lab 00, case "one" needs "two", which is not a case before it`},
		{"twice", []Case{with(func(c *Case) { c.Points = 5 }), with(func(c *Case) { c.Points = 5 })}, `lab 00 has two cases named "one"`},
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

func TestResultsFileTellsForeignLines(t *testing.T) {
	file := filepath.Join(t.TempDir(), "results")
	require.NoError(t, os.WriteFile(file, []byte("{\"lab\":\"05\",\"case\":\"an earlier run\"}\n"), 0o644))
	open := func(lab string) *resultsFile {
		t.Setenv(ResultsVariable, file)
		r, err := openResults(lab)
		require.NoError(t, err)
		t.Cleanup(func() { r.close() })
		return r
	}
	five, six := open("05"), open("06")
	require.NoError(t, five.append([]Result{{Lab: "05", Case: "a"}, {Lab: "05", Case: "b"}}))
	require.NoError(t, six.append([]Result{{Lab: "06", Case: "a"}}))
	require.NoError(t, five.append([]Result{{Lab: "05", Case: "a", Points: 1, Outcome: Passed}}))
	foreign, err := five.foreign()
	require.NoError(t, err)
	require.False(t, foreign, "another lab writes its own lines at the same time")

	forged, err := os.OpenFile(file, os.O_APPEND|os.O_WRONLY, 0)
	require.NoError(t, err)
	_, err = forged.WriteString("{\"lab\":\"05\",\"case\":\"b\",\"points\":1,\"outcome\":\"passed\"}\n")
	require.NoError(t, err)
	require.NoError(t, forged.Close())
	foreign, err = five.foreign()
	require.NoError(t, err)
	require.True(t, foreign)
	foreign, err = six.foreign()
	require.NoError(t, err)
	require.False(t, foreign)
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

	void := `{"lab":"06","case":"a","points":0,"of":1,"outcome":"not-run","message":"tampered","void":true}
{"lab":"06","case":"a","points":1,"of":1,"outcome":"passed","message":""}
`
	got, err = ReadResults(strings.NewReader(lines + void))
	require.NoError(t, err)
	require.Equal(t, Result{Lab: "06", Case: "a", Of: 1, Outcome: NotRun, Message: "tampered", Void: true}, got[2])

	_, err = ReadResults(strings.NewReader(lines + "nonsense\n"))
	require.ErrorContains(t, err, "results file, line 5")
}

func TestPrintsKeepsBothEnds(t *testing.T) {
	p := &prints{over: make(chan struct{})}
	p.copy(strings.NewReader("begin" + strings.Repeat("x", 1<<20) + "end"))
	text := p.rest()
	require.True(t, strings.HasPrefix(text, "begin"))
	require.True(t, strings.HasSuffix(text, "end"))
	require.Less(t, len(text), 5*keptPrints)
}

func TestProofWantsTheExactCases(t *testing.T) {
	wrong := Answer{Fails: []string{"a", "b"}}
	require.Empty(t, wrong.problems([]Failure{{Case: "a"}, {Case: "b"}}))
	require.Equal(t, []string{"passes what it should fail, or does not come to it: b"}, wrong.problems([]Failure{{Case: "a"}}))
	require.Equal(t, []string{"fails what it should not:\nthe text"}, wrong.problems([]Failure{{Case: "a"}, {Case: "b"}, {Case: "c", Report: "the text"}}))
	require.Len(t, Answer{}.problems([]Failure{{Case: "a"}}), 1)
}

func TestMemoryIsMeasuredAlone(t *testing.T) {
	ordinary := Case{Name: "ordinary"}
	measuring := Case{Name: "measuring", Memory: true}
	for _, tt := range []struct {
		first, second Case
		waits         string // for what the second one waits; "" if the two run together
	}{
		{measuring, ordinary, "sync.RWMutex.RLock"},
		{measuring, measuring, "sync.Mutex.Lock"},
		{ordinary, measuring, "sync.RWMutex.Lock"},
		{ordinary, ordinary, ""},
	} {
		t.Run(tt.first.Name+" then "+tt.second.Name, func(t *testing.T) {
			began, over, id := make(chan struct{}), make(chan struct{}), make(chan int, 1)
			first, second := tt.first, tt.second
			second.Run = func(*C) { close(began) }
			first.Run = func(*C) {
				go func() {
					defer close(over)
					id <- goroutineID()
					runCase(Lab{}, second, options{})
				}()
				if tt.waits == "" {
					<-began
				} else {
					waitForState(t, <-id, tt.waits)
				}
			}
			require.True(t, runCase(Lab{}, first, options{}).Passed)
			<-over
			<-began
		})
	}
}

// waitForState waits until the goroutine is in the state.
func waitForState(t *testing.T, id int, want string) {
	var state string
	for deadline := time.Now().Add(20 * time.Second); time.Now().Before(deadline); runtime.Gosched() {
		for _, g := range snapshot() {
			if g.id == id {
				state = g.state
			}
		}
		if state == want {
			return
		}
	}
	t.Errorf("waited for the second case to be blocked in %s; it is in %s", want, state)
}

func TestMemoryNeedsItsField(t *testing.T) {
	const want = `case "a" measures memory, and its Memory field is not set`
	c := &C{cs: Case{Name: "a"}}
	require.PanicsWithValue(t, want, func() { c.InUse() })
	require.PanicsWithValue(t, want, func() { c.Allocated("f()", func() {}) })
}

// TestAnotherLabIsWriting: a line that another lab is in the middle of writing is waited for.
func TestAnotherLabIsWriting(t *testing.T) {
	file := filepath.Join(t.TempDir(), "results")
	t.Setenv(ResultsVariable, file)
	ours, err := openResults("05")
	require.NoError(t, err)
	t.Cleanup(func() { ours.close() })
	require.NoError(t, ours.append([]Result{{Lab: "05", Case: "a"}}))
	other, err := os.OpenFile(file, os.O_APPEND|os.O_WRONLY, 0)
	require.NoError(t, err)
	t.Cleanup(func() { other.Close() })
	_, err = other.WriteString(`{"lab":"06","ca`)
	require.NoError(t, err)
	type answer struct {
		foreign bool
		err     error
	}
	answers, id := make(chan answer, 1), make(chan int, 1)
	go func() {
		id <- goroutineID()
		foreign, err := ours.foreign()
		answers <- answer{foreign, err}
	}()
	waitForState(t, <-id, "chan receive") // it has read half of the line
	_, err = other.WriteString("se\":\"a\"}\n")
	require.NoError(t, err)
	require.Equal(t, answer{}, <-answers)
}

func TestErrorWithTheRightWords(t *testing.T) {
	wantError := func(got error) outcome {
		cs := Case{Name: "a", Run: func(c *C) { c.WantError("f", got, io.ErrUnexpectedEOF) }}
		return runCase(Lab{}, cs, options{})
	}
	require.True(t, wantError(fmt.Errorf("reading: %w", io.ErrUnexpectedEOF)).Passed)
	require.Equal(t, `got   "reading: EOF"
want  "unexpected EOF", alone or wrapped with %w`, wantError(errors.New("reading: EOF")).Detail)
	require.Equal(t, `got   "reading: unexpected EOF"
want  "unexpected EOF", alone or wrapped with %w
the words are there, but errors.Is does not find the error: %v, %s and errors.New make a new one`, wantError(errors.New("reading: unexpected EOF")).Detail)
}

func TestPrintedKeepsWholeLines(t *testing.T) {
	text := printed(strings.Repeat("x\n", 1000) + "end\n")
	require.Equal(t, 2+2*shownLines, strings.Count(text, "\n"))
	require.True(t, strings.HasSuffix(text, "  | x\n  | end\n"), text)
	require.Less(t, len(printed(strings.Repeat("x", 1<<20))), 3*shownPrints)
	require.Equal(t, "your code printed:\n  | a\\x1b[2J\n", printed("a\x1b[2J"))
}
