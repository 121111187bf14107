package check

import (
	"fmt"
	"net"
	"runtime"
	"strings"
	"sync"
	"time"

	"socketbook/tools/fault"
	"socketbook/tools/timeline"
)

// C is what a case works with. Its methods are called from the case's own goroutine only. A method
// that finds something wrong ends the case.
type C struct {
	options
	spec Case

	rec         *timeline.Recorder // nil without a timeline
	steps       []string
	said        string
	door        net.Listener // through which its connections are made; nil before the first
	adversaries []adversary
	peers       []interface{ Close() }
	cleanup     []func()
	calls       []*Call
	files       []string // that were open when the case began
	wake        chan struct{}
	out         outcome
}

// adversary is what the suite asks and ends: a fault.Conn, DatagramConn, Listener or Writer.
type adversary interface {
	Quiet() bool
	Spun() []byte
	Held() int
	Stop()
}

// options are those of one run of a case.
type options struct {
	seed     uint64
	timeline bool
	alone    bool                          // nothing else runs in the process of the code under test
	told     func(step string, fresh bool) // called for each step; may be nil
	// called when the case has failed, before the goroutines of the code under test are ended, which may
	// crash the program; may be nil
	failed func(outcome)
	// where the code under test runs, alone; nil for this process
	elsewhere Elsewhere
}

// outcome is what became of a case.
type outcome struct {
	Outcome    string   `json:"outcome"`               // Passed, Failed, NotRun or Error
	NotStarted string   `json:"not_started,omitempty"` // the function that said so
	Message    string   `json:"message,omitempty"`     // one line
	Detail     string   `json:"detail,omitempty"`      // got and want
	Steps      []string `json:"steps,omitempty"`
	Timeline   string   `json:"timeline,omitempty"`
	Prints     string   `json:"prints,omitempty"` // what the code under test printed
	Rule       string   `json:"rule,omitempty"`   // the one that was broken, if it is not the case's
	Hint       string   `json:"hint,omitempty"`
	Leak       bool     `json:"leak,omitempty"` // the calls did what they should, and left something behind
}

// stops returns the outcome of cases that need this one, of that name; nil if they are run.
func (o outcome) stops(name string) *outcome {
	switch {
	case o.Outcome == Passed || o.Leak:
		return nil
	case o.Outcome == Error:
		return &outcome{Outcome: Error, Message: o.Message}
	case o.Outcome == NotRun:
		return &outcome{Outcome: NotRun, Message: fmt.Sprintf("not run because %q was not run", name)}
	}
	return &outcome{Outcome: NotRun, Message: fmt.Sprintf("not run because %q failed", name)}
}

// Seed is the number from which everything random in the case is to be derived.
func (c *C) Seed() uint64 { return c.seed }

// Cuts returns the ways in which every case about streams is run: at once, byte by byte, with one
// pause after each of the offsets, and in random pieces.
func (c *C) Cuts(pauses ...int) []fault.Cut {
	cuts := []fault.Cut{fault.Whole, fault.Bytes}
	for _, at := range pauses {
		cuts = append(cuts, fault.After(at))
	}
	return append(cuts, fault.Random(c.Seed(), 1000))
}

// Variation begins the steps anew: what follows is another try of the same rule, under the
// conditions named here.
func (c *C) Variation(format string, args ...any) {
	c.checkFiles()
	c.steps, c.said, c.out.Rule, c.out.Hint = nil, "", "", ""
	c.step(fmt.Sprintf(format, args...), true)
}

// Rule replaces the rule and the hint of the case until the next variation, which has a subject of
// its own.
func (c *C) Rule(rule, hint string) { c.out.Rule, c.out.Hint = rule, hint }

// Step records what the suite did or saw, for the numbered list in a failure.
func (c *C) Step(format string, args ...any) {
	c.step(fmt.Sprintf(format, args...), false)
}

func (c *C) step(text string, fresh bool) {
	text = cut(text)
	c.steps = append(c.steps, text)
	if c.timeline {
		c.rec.Note("suite", nil, "%s", text)
	}
	if c.told != nil {
		c.told(text, fresh)
	}
}

// Say is Step, and is also repeated when the code under test waits in vain: "the suite has sent 3
// of 4 header bytes".
func (c *C) Say(format string, args ...any) {
	c.said = fmt.Sprintf(format, args...)
	c.Step("%s", c.said)
}

// Cleanup runs f when the case is over and its calls have ended, last in first out.
func (c *C) Cleanup(f func()) { c.cleanup = append(c.cleanup, f) }

func (c *C) watch(a adversary) { c.adversaries = append(c.adversaries, a) }

func (c *C) poke() {
	select {
	case c.wake <- struct{}{}:
	default:
	}
}

// Fail ends the case with a message of one line: what is wrong.
func (c *C) Fail(format string, args ...any) {
	c.end(Failed, "", format, args...)
}

// NotGraded ends the case without a verdict: this machine cannot run it, and that is not the
// student's fault. The message is a sentence about the machine: "no connection on 127.0.0.1 could
// be made: …". Where the code under test runs in another process, a folder that is closed or gone is that
// code's doing, and the case fails.
func (c *C) NotGraded(format string, args ...any) {
	for _, arg := range args {
		if err, ok := arg.(error); ok && c.elsewhere != nil && closed(err) {
			c.Fail("your code has closed or removed a folder that the suite needs: "+format, args...)
		}
	}
	c.end(Error, "", format, args...)
}

func (c *C) end(outcome, detail, format string, args ...any) {
	c.out.Outcome, c.out.Detail = outcome, detail
	c.out.Message = visible(cut(fmt.Sprintf(format, args...)))
	if c.out.Steps = c.steps; outcome == Failed && c.failed != nil {
		c.failed(c.out)
	}
	runtime.Goexit()
}

// cut shortens a text that an answer may have made as long as it likes.
func cut(s string) string {
	const most = 2000 // bytes
	if len(s) <= most {
		return s
	}
	return s[:most] + " …"
}

// checkFiles ends the case when files were opened and not closed. Sockets are looked at when the
// case is over, because the suite has some.
func (c *C) checkFiles() {
	if !c.alone {
		return
	}
	if left := leftOpen(c.openFiles, c.files, isFile); len(left) > 0 {
		c.out.leftOpen(left)
		runtime.Goexit()
	}
}

// Elsewhere reports whether the code under test runs in another process: what its variables hold on to cannot
// be seen then.
func (c *C) Elsewhere() bool { return c.elsewhere != nil }

// openFiles lists the open files of the process in which the code under test runs.
func (c *C) openFiles() []string {
	if c.elsewhere != nil {
		return filesElsewhere(c.elsewhere)()
	}
	return openFiles()
}

// leftOpen fails a case because of files or sockets.
func (o *outcome) leftOpen(left []string) {
	o.Outcome, o.Leak = Failed, true
	o.Message = visible(
		fmt.Sprintf("left %d files or sockets open: %s", len(left), strings.Join(left, ", ")),
	)
	o.Rule = "What a call opens it also closes, when it fails too."
	o.Hint = "Write defer f.Close() below the lines that open a file, and check the error first; " +
		"an os.Root has to be closed as well."
}

// Call is one call of the code under test, running in a goroutine of its own.
type Call struct {
	c    *C
	what string

	mu    sync.Mutex
	id    int // of its goroutine
	ended bool
	ok    bool // it returned
	panic any
	stack string
}

// Ended reports whether the call is over.
func (call *Call) Ended() bool {
	call.mu.Lock()
	defer call.mu.Unlock()
	return call.ended
}

// Stopwatch measures how long the suite itself was awake. On a machine that stands still, or is busy, the
// code under test is kept from running as well, and that does not count against the student.
type Stopwatch struct {
	last  time.Time
	awake time.Duration
}

// Read returns the time since the first Read, of which at most 25 ms count between two.
func (w *Stopwatch) Read() time.Duration {
	now := time.Now()
	if !w.last.IsZero() {
		w.awake += min(now.Sub(w.last), 25*time.Millisecond)
	}
	w.last = now
	return w.awake
}
