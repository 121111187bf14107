package check_test

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"socketbook/tools/check"
)

// scratch makes a folder for the whole run of the tests, when the first one asks: the process of a
// case, which the engine ends, makes none.
var scratch = sync.OnceValue(func() string {
	var err error
	if scratchFolder, err = os.MkdirTemp("", "check"); err != nil {
		panic(err)
	}
	return scratchFolder
})

var scratchFolder string

func TestMain(m *testing.M) {
	status := m.Run()
	if scratchFolder != "" {
		os.RemoveAll(scratchFolder)
	}
	os.Exit(status)
}

// overlay writes an overlay file for the go command, with paths below the module's root.
func overlay(name string, replace map[string]string) (string, error) {
	root, err := filepath.Abs("../..")
	if err != nil {
		return "", err
	}
	paths := map[string]string{}
	for old, by := range replace {
		paths[filepath.Join(root, old)] = filepath.Join(root, by)
	}
	text, err := json.Marshal(map[string]any{"Replace": paths})
	if err != nil {
		return "", err
	}
	file := filepath.Join(scratch(), name)
	return file, os.WriteFile(file, text, 0o644)
}

// goCommand runs the go command in the module's root, with more variables in its environment.
func goCommand(env []string, args ...string) (string, error) {
	cmd := exec.Command("go", args...)
	cmd.Dir = filepath.Join("..", "..")
	cmd.Env = append(os.Environ(), env...)
	out, err := cmd.CombinedOutput()
	return string(out), err
}

// hostileLab builds lab 05 once with the harmful answers in place of the student's.
var hostileLab = sync.OnceValues(func() (string, error) {
	o, err := overlay(
		"hostile.json",
		map[string]string{"labs/05/framing.go": "tools/check/testdata/hostile/framing.go"},
	)
	if err != nil {
		return "", err
	}
	binary := filepath.Join(scratch(), "hostile.test")
	if out, err := goCommand(nil, "test", "-c", "-ldflags=-w", "-overlay", o, "-o", binary,
		"./labs/05"); err != nil {
		return "", fmt.Errorf("%w\n%s", err, out)
	}
	return binary, nil
})

// grade runs the lab on an answer that fails, and returns what it printed, its results, and how long it
// took.
func grade(t *testing.T, hostile string, args ...string) (string, []check.Result, time.Duration) {
	out, results, took, err := run(t, hostile, args...)
	require.Error(t, err, "the tests of a harmful answer must fail; they printed:\n%s", out)
	return out, results, took
}

func run(t *testing.T, hostile string, args ...string) (string, []check.Result, time.Duration, error) {
	binary, err := hostileLab()
	require.NoError(t, err)
	results := filepath.Join(t.TempDir(), "results")
	require.NoError(t, os.WriteFile(results, nil, 0o644))
	cmd := exec.Command(binary, append([]string{"-test.paniconexit0", "-seed=1"}, args...)...)
	cmd.Env = append(
		os.Environ(),
		"HOSTILE="+hostile,
		"HOSTILE_PID="+filepath.Join(scratch(), "pid"),
		check.ResultsVariable+"="+results,
	)
	begin := time.Now()
	out, failed := cmd.CombinedOutput()
	took := time.Since(begin)
	f, err := os.Open(results)
	require.NoError(t, err)
	defer f.Close()
	lines, err := check.ReadResults(f)
	require.NoError(t, err)
	return string(out), lines, took, failed
}

var (
	lineNumber = regexp.MustCompile(`framing\.go:\d+`)
	binaryPath = regexp.MustCompile(`\S*hostile\.test`)
)

// TestHarmfulAnswers shows that an answer that does harm loses the case that it was in, and no
// more, and that the student reads why.
func TestHarmfulAnswers(t *testing.T) {
	t.Parallel()
	const write, read = "a message is written as four bytes of length and the payload", "a message is read back"
	const said = "; nothing more will come (the suite has sent 03 00 00 00 | 68 69 21)"
	var all sync.WaitGroup // many of them hang, so that they run beside each other
	begin := func(name string, f func(t *testing.T)) { all.Go(func() { t.Run(name, f) }) }
	const waited = "waited 1.5s for ReadMessage(conn, 1048576) to return; "
	for _, tt := range []struct {
		hostile string
		points  int
		name    string // of a case
		message string // of that case
	}{
		{"os.Exit 0", 2, read, "your code ended the whole program (status 0), as os.Exit and " +
			"log.Fatal do; return an error instead"},
		{"log.Fatal", 2, read, "your code ended the whole program (exit status 1), as os.Exit and " +
			"log.Fatal do; return an error instead"},
		{"panic", 2, read, "ReadMessage(conn, 1048576) panicked at framing.go:LINE: runtime error: " +
			"index out of range [1048576] with length 0"},
		{"panic in a goroutine", 2, read, "your code crashed at framing.go:LINE: panic: in a goroutine"},
		{"recursion", 2, read, "your code crashed at framing.go:LINE: fatal error: stack overflow"},
		{"Goexit", 2, read, "ReadMessage(conn, 1048576) ended its goroutine (runtime.Goexit) " +
			"instead of returning"},
		{"fake lines", 2, read, "ReadMessage failed: none of this is true"},
		{"much output", 2, read, "ReadMessage failed: after much output"},
		{"prints forever", 2, read, "ReadMessage failed: after many lines"},
		{"colours and lines in an error", 2, read, `ReadMessage failed: bad\n    lab 05: 10/10 points\x1b[2J`},
		{"kills itself", 2, read, "the system killed the program that ran your code (signal: " +
			"killed), as it does when memory runs out"},
		{"closes its output", 2, read, "ReadMessage failed: nobody hears this"},
		{"busy", 2, read, "waited 6s for ReadMessage(conn, 1048576) to return; busy at " +
			"framing.go:LINE, without reading or writing" + said},
		{"busy beside a Read", 2, read, "waited 6s for ReadMessage(conn, 1048576) to return; busy at " +
			"framing.go:LINE, without reading or writing" + said},
		{"sleeps", 2, read, waited + "blocked at framing.go:LINE (sleep)" + said},
		{"deadlock", 2, read, waited + "blocked at framing.go:LINE (sync.Mutex.Lock)" + said},
		{"hangs in Read", 2, read, waited + "blocked in Read at framing.go:LINE" + said},
		{"crashes when it is ended", 2, read, waited + "blocked in Read at framing.go:LINE" + said},
		{"recovers everything", 2, read, waited + "blocked in Read at framing.go:LINE" + said},
		{"leaves a goroutine", 9, read, "left a goroutine behind: 6 still there after the case, " +
			"one of them select (no cases) at framing.go:LINE"},
		{"leaves a grandchild", 9, read, "left a goroutine behind: 6 still there after the case, " +
			"one of them select (no cases) at framing.go:LINE"},
		{"leaves a file", 9, read, "left 1 files or sockets open: BINARY"},
		{"write not started", 7, write, "WriteMessage is not started: fill it in, in labs/05/framing.go"},
		{"writes forever", 7, write, "your code has written more than 128 MiB, and goes on"},
		{"init starts a goroutine", 9, write, "left a goroutine behind: 1 still there after the " +
			"case, one of them select (no cases) at framing.go:LINE"},
		{"reads standard input", 2, read, "ReadMessage failed: EOF"},
		{"leaves a program", 2, read, "ReadMessage failed: the program was started"},
	} {
		begin(tt.hostile, func(t *testing.T) {
			out, results, took := grade(t, tt.hostile)
			earned, message := 0, ""
			for _, r := range results {
				earned += r.Points
				if r.Case == tt.name {
					message = r.Message
				}
			}
			masked := lineNumber.ReplaceAllString(
				binaryPath.ReplaceAllString(message, "BINARY"),
				"framing.go:LINE",
			)
			require.Equal(t, tt.message, masked, out)
			if strings.Contains(
				out,
				"have taken all of the lab's",
			) { // a busy machine: some cases were not run
				require.LessOrEqual(t, earned, tt.points, out)
			} else {
				require.Equal(t, tt.points, earned, out)
			}
			require.Len(t, results, 10)
			require.Regexp(t, fmt.Sprintf(`\n    lab 05: %d/10 points(: .*)?\nFAIL\n$`, earned), out)
			require.Contains(t, out, message)
			require.NotContains(t, out, "\x1b")
			require.NotContains(t, out, "\nlab 05: 10/10")
			require.Less(t, len(out), 20_000, "what an answer prints is cut")
			require.Less(
				t,
				took,
				30*time.Second,
				"the lab has a bound, and a busy machine needs longer to end what it began",
			)
		})
	}
	all.Wait()
	pid, err := os.ReadFile(filepath.Join(scratch(), "pid"))
	require.NoError(t, err)
	if runtime.GOOS == "linux" {
		require.Eventually(t, func() bool {
			stat, err := os.ReadFile("/proc/" + string(pid) + "/stat") // 42 (sleep) S …
			return err != nil || !strings.Contains(string(stat), "(sleep)") ||
				strings.Contains(string(stat), ") Z ")
		}, 10*time.Second, 10*time.Millisecond, "the program that an answer has left behind")
	}
}

// TestFewDescriptors: a right answer has its points or an error where too few files can be open,
// and never a failed case.
func TestFewDescriptors(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("this system has no such limit")
	}
	binary, err := hostileLab()
	require.NoError(t, err)
	results := filepath.Join(t.TempDir(), "results")
	cmd := exec.Command("sh", "-c", `ulimit -n 24 && exec "$0" -test.v`, binary)
	cmd.Env = append(os.Environ(), "HOSTILE=", check.ResultsVariable+"="+results)
	out, err := cmd.CombinedOutput()
	require.Error(t, err, string(out))
	for _, r := range tenRows(t, results) {
		require.Contains(t, []string{check.Passed, check.Error}, r.Outcome, r.Case+": "+r.Message)
	}
	require.Contains(t, string(out), "    lab 05: not graded: no ")
}

// tenRows reads the results file of one run of a lab.
func tenRows(t *testing.T, file string) []check.Result {
	f, err := os.Open(file)
	require.NoError(t, err)
	defer f.Close()
	rows, err := check.ReadResults(f)
	require.NoError(t, err)
	require.Len(t, rows, 10)
	return rows
}

// TestEndlessMemory: the machine does not have to be out of memory, however busy it is. On a very busy one the
// time of the lab is over first: TestHeapInUse is not in a hurry.
func TestEndlessMemory(t *testing.T) {
	t.Parallel()
	const over = `^was still running when the time for the whole lab was up`
	_, results, _ := grade(t, "appends forever")
	require.Regexp(t, over+`|^(takes more than 512 MiB of memory|waited 6s for .* to return); busy at `+
		`framing\.go:`, results[1].Message)
	_, results, _ = grade(t, "starts goroutines forever") // whose stacks are no objects of the heap
	require.Regexp(t, over+`|^takes more than 512 MiB of memory; `, results[1].Message)
}

// TestClosedDescriptors: what an answer has closed may be what the runtime or the suite needs.
func TestClosedDescriptors(t *testing.T) {
	_, results, _ := grade(t, "closes every descriptor")
	require.Equal(t, check.Failed, results[1].Outcome)
	require.Regexp(
		t,
		"^your code (closed files or sockets that it had not opened|ended the whole program)",
		results[1].Message,
	)
}

// TestStrayLines: what an answer writes into the results file, or prints, is in nobody's way.
func TestStrayLines(t *testing.T) {
	t.Parallel()
	for _, hostile := range []string{"junk in the results", "junk on the worker's output"} {
		out, results, _, err := run(t, hostile)
		require.NoError(t, err, out)
		require.Len(t, results, 10)
		for _, r := range results {
			require.Equal(t, check.Passed, r.Outcome, "%+v", r)
		}
	}
}

// TestResultsFile: a case that was not asked for has no points.
func TestResultsFile(t *testing.T) {
	out, results, _, err := run(
		t,
		"write not started",
		"-test.v",
		"-test.run=TestFraming/a_message_is_read_back",
	)
	require.NoError(t, err, out)
	require.Contains(t, out, "lab 05: 1/10 points (1 of 10 cases were asked for)\n")
	require.Len(t, results, 10)
	require.Equal(
		t,
		check.Result{Lab: "05", Case: "a message is read back", Points: 1, Of: 1, Outcome: check.Passed},
		results[1],
	)
	require.Equal(
		t,
		check.Result{
			Lab:     "05",
			Case:    "a header that comes in pieces is put together",
			Of:      1,
			Outcome: check.NotRun,
			Message: "not asked for",
		},
		results[2],
	)
}

func TestRelativeResultsFileIsRefused(t *testing.T) {
	binary, err := hostileLab()
	require.NoError(t, err)
	cmd := exec.Command(binary)
	cmd.Env = append(os.Environ(), check.ResultsVariable+"=results.jsonl")
	out, err := cmd.CombinedOutput()
	require.Error(t, err)
	require.Contains(t, string(out), "is not an absolute path")
}

// TestMistypedRun: a -run that asks for no case is no success.
func TestMistypedRun(t *testing.T) {
	out, _, _ := grade(t, "write not started", "-test.run=TestFraming/a_massage")
	require.Contains(
		t,
		out,
		"lab 05: -run asks for none of its 10 cases; go test -v ./labs/05 lists them\n",
	)
}

// TestFirstOutput: when most cases fail, what a student reads is short.
func TestFirstOutput(t *testing.T) {
	out, _, _ := grade(t, "nothing is right")
	require.LessOrEqual(t, strings.Count(out, "\n"), 60, out)
	require.Contains(t, out, "see it all with  go test ./labs/05 -run ")
}

// TestReplay: a failure names a seed, and the timeline is printed when asked for.
func TestReplayAndTimeline(t *testing.T) {
	t.Parallel()
	out, _, _ := grade(t, "hangs in Read", "-seed=77", "-timeline")
	require.Contains(t, out, "go test ./labs/05 -run 'TestFraming/a_message_is_read_back' -seed=77")
	require.Regexp(t, `suite +you`, out)
	require.Contains(t, out, "hi!")
}

// TestWhatIsLeftHasARuleOfItsOwn: the rule and the hint of the case would lead the student astray.
func TestWhatIsLeftHasARuleOfItsOwn(t *testing.T) {
	t.Parallel()
	for hostile, rule := range map[string]string{
		"leaves a goroutine": "rule       When a call has returned, nothing that it has started is " +
			"still running.\n",
		"leaves a file": "rule       What a call opens it also closes, when it fails too.\n",
	} {
		out, _, _ := grade(t, hostile, "-test.run=TestFraming/a_message_is_read_back")
		require.Contains(t, out, rule)
		require.Contains(t, out, "   1. a new connection")
	}
}

// TestInProcess: a debugger can follow the answer.
func TestInProcess(t *testing.T) {
	out, _, _ := grade(t, "panic", "-inprocess")
	require.Contains(t, out, "panicked at framing.go:")
	require.Contains(t, out, "lab 05: 2/10 points")
}
