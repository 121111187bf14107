package check

import (
	"errors"
	"fmt"
	"net"
	"runtime"
	"runtime/metrics"
	"slices"
	"strings"
	"sync"
	"time"

	"socketbook/tools/fault"
	"socketbook/tools/loopback"
	"socketbook/tools/timeline"
)

// limit is how long a wait may last before the code under test is given up. It is below the two seconds promised to
// students, because reporting takes time too.
const limit = 1500 * time.Millisecond

// memoryLimit is how many bytes of the heap may be in use while the code under test runs. Whoever appends in an endless loop
// reaches it before the machine stands still. It is not looked at for a moment: a call may set aside much and return.
const (
	memoryLimit = 512 << 20
	aMoment     = 300 * time.Millisecond
)

// C is what a case works with. Its methods are called from the case's own goroutine only. A method that finds
// something wrong ends the case.
type C struct {
	lab     Lab
	cs      Case
	options options

	rec     *timeline.Recorder
	steps   []string
	said    string
	all     []adversary
	peers   []interface{ Close() }
	cleanup []func()
	calls   []*Call
	wake    chan struct{}
	moved   time.Time // when a peer or the code under test last did something
	out     outcome
}

// adversary is what the watchdog asks and ends: a fault.Conn, a fault.Listener or a fault.Writer.
type adversary interface {
	Quiet() bool
	Starved() bool
	Spun() []byte
	Stop()
}

// options are those of one run of a case.
type options struct {
	seed     uint64
	timeline bool
	alone    bool                          // nothing else runs in this process
	step     func(text string, fresh bool) // told of each step; may be nil
}

// outcome is what became of a case.
type outcome struct {
	Passed     bool     `json:"passed"`
	NotStarted bool     `json:"not_started,omitempty"` // the code under test said so
	Message    string   `json:"message,omitempty"`     // one line
	Detail     string   `json:"detail,omitempty"`      // got and want
	Steps      []string `json:"steps,omitempty"`
	Timeline   string   `json:"timeline,omitempty"`
	Dirty      bool     `json:"dirty,omitempty"`  // something that it started still runs
	Prints     string   `json:"prints,omitempty"` // what the code under test printed
	Rule       string   `json:"rule,omitempty"`   // the one that was broken, if it is not the case's
	Hint       string   `json:"hint,omitempty"`
}

// process is held for writing by a case that measures the memory of the whole process, and for reading by all others.
var process sync.RWMutex

// runCase runs one case to its end, in this process.
func runCase(lab Lab, cs Case, o options) outcome {
	if cs.Memory {
		process.Lock()
		defer process.Unlock()
	} else {
		process.RLock()
		defer process.RUnlock()
	}
	c := &C{lab: lab, cs: cs, options: o, wake: make(chan struct{}, 1), rec: timeline.NewRecorder(cs.Name)}
	done := make(chan struct{})
	go func() {
		defer close(done)
		defer c.finish()
		cs.Run(c)
		c.checkLeftBehind()
		c.out.Passed = true
	}()
	<-done
	return c.out
}

func (c *C) finish() {
	if c.options.timeline && !c.out.Passed { // before the suite itself closes the connections
		c.out.Timeline = drawTimeline(c.rec.Events())
	}
	for _, a := range c.all {
		a.Stop()
	}
	for _, p := range c.peers {
		p.Close()
	}
	if !c.callsEnd() {
		c.out.Dirty = true // and what it may still use is not cleaned up
	} else {
		for i := len(c.cleanup) - 1; i >= 0; i-- {
			c.cleanup[i]()
		}
	}
	c.out.Steps = c.steps // also of a case that has passed: open files may still fail it
	if c.out.Passed {
		return
	}
	c.out.Message = visible(c.out.Message)
	if c.out.Message == "" {
		c.out.Message = "the suite left this case without a verdict; that is a mistake in the suite"
	}
}

// Seed is the number from which everything random in the case is to be derived.
func (c *C) Seed() uint64 { return c.options.seed }

// Cuts returns the ways in which every case about streams is run: at once, byte by byte, with one pause after each of
// the offsets, and in random pieces.
func (c *C) Cuts(pauses ...int) []fault.Cut {
	cuts := []fault.Cut{fault.Whole, fault.Bytes}
	for _, at := range pauses {
		cuts = append(cuts, fault.After(at))
	}
	return append(cuts, fault.Random(c.Seed(), 1000))
}

// Variation begins the steps anew: what follows is another try of the same rule, under the conditions named here.
func (c *C) Variation(format string, args ...any) {
	c.steps, c.said = nil, ""
	c.step(fmt.Sprintf(format, args...), true)
}

// Step records what the suite did or saw, for the numbered list in a failure.
func (c *C) Step(format string, args ...any) {
	c.step(fmt.Sprintf(format, args...), false)
}

func (c *C) step(text string, fresh bool) {
	c.steps = append(c.steps, text)
	c.rec.Note("suite", nil, "%s", text)
	if c.options.step != nil {
		c.options.step(text, fresh)
	}
}

// Say is Step, and is also repeated when the code under test waits in vain: "the suite has sent 3 of 4 header bytes".
func (c *C) Say(format string, args ...any) {
	c.said = fmt.Sprintf(format, args...)
	c.Step("%s", c.said)
}

// Connect returns the two ends of a fresh connection over 127.0.0.1: conn for the code under test, with an adversary
// on it, and peer for the suite. Both are closed when the case is over, and recorded if a timeline was asked for.
func (c *C) Connect() (conn net.Conn, peer *fault.Peer) {
	client, server, err := loopback.TCP()
	if err != nil {
		c.Fail("the suite could not make a connection on 127.0.0.1: %v", err)
	}
	return c.join(server, client)
}

// Listen returns a listener for the code under test; the suite connects to it with Dial.
func (c *C) Listen() *fault.Listener {
	ln, err := fault.Listen(c.poke, c.join)
	if err != nil {
		c.Fail("the suite could not listen on 127.0.0.1: %v", err)
	}
	c.watch(ln)
	return ln
}

func (c *C) join(under, suite net.Conn) (net.Conn, *fault.Peer) {
	if c.options.timeline {
		suite = c.rec.Conn("suite", suite)
	}
	conn, peer := fault.Join(under, suite, c.poke)
	c.watch(conn)
	c.peers = append(c.peers, peer)
	if c.options.timeline {
		return c.rec.Conn("you", conn), peer
	}
	return conn, peer
}

// Writer puts w under the watchdog, which sees when the code under test goes on writing although every Write fails.
func (c *C) Writer(w *fault.Writer) *fault.Writer {
	c.watch(w)
	return w
}

func (c *C) watch(a adversary) {
	c.all = append(c.all, a)
}

// Cleanup runs f when the case is over and its calls have ended, last in first out.
func (c *C) Cleanup(f func()) { c.cleanup = append(c.cleanup, f) }

func (c *C) poke() {
	select {
	case c.wake <- struct{}{}:
	default:
	}
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
	stack []byte
}

// Start calls f, which calls the code under test. what names the call in messages: "ReadMessage(conn, 1024)".
func (c *C) Start(what string, f func()) *Call {
	call := &Call{c: c, what: what}
	c.calls = append(c.calls, call)
	go call.run(f)
	return call
}

// Do is Start and Wait.
func (c *C) Do(what string, f func()) { c.Start(what, f).Wait() }

func (call *Call) run(f func()) {
	call.mu.Lock()
	call.id = goroutineID()
	call.mu.Unlock()
	returned := false
	defer func() {
		r := recover() // nil after a return, and after runtime.Goexit
		call.mu.Lock()
		defer call.mu.Unlock()
		call.ended, call.ok, call.panic = true, returned, r
		if r != nil {
			call.stack = ownStack()
		}
		call.c.poke()
	}()
	f()
	returned = true
}

// Ended reports whether the call is over.
func (call *Call) Ended() bool {
	call.mu.Lock()
	defer call.mu.Unlock()
	return call.ended
}

// Wait waits for the call to return. It ends the case when the call panics, hangs or runs in circles.
func (call *Call) Wait() {
	call.c.await(call.what+" to return", "", call.Ended)
}

// Await waits for cond, which is asked again whenever something has moved. It ends the case when a call panics or runs in circles, when the
// calls are blocked for good, or when the time is up.
func (c *C) Await(what string, cond func() bool) {
	c.await(what, "; the suite waits for "+what, cond)
}

func (c *C) await(what, aside string, cond func() bool) {
	begin := time.Now()
	spent, last := time.Duration(0), begin
	c.moved = begin
	for pause := 100 * time.Microsecond; ; pause = min(2*pause, 20*time.Millisecond) {
		met := cond()
		c.checkCalls()
		if met {
			return
		}
		if g := c.stuck(); g != nil && !cond() { // asked again, now that nothing moves
			c.giveUp("%s%s", c.describe(*g), aside)
		}
		if c.finished() && !cond() {
			c.Fail("waited for %s, but your code has returned", what)
		}
		if c.options.alone && time.Since(begin) > aMoment && heapInUse() > memoryLimit && !c.finished() {
			c.giveUp("takes more than %d MiB of memory; %s", memoryLimit>>20, c.whereItIs())
		}
		if spent > limit {
			c.giveUp("waited %v for %s; %s", limit, what, c.whereItIs())
		}
		select {
		case <-c.wake:
			c.moved = time.Now()
			pause = 50 * time.Microsecond
		case <-time.After(pause):
		}
		// A machine that stood still does not count against the student.
		spent += min(time.Since(last), 50*time.Millisecond)
		last = time.Now()
	}
}

// Settle waits until everything that was sent on either side has arrived.
func (c *C) Settle() {
	c.Await("what was sent to arrive", c.quiet)
}

// checkCalls ends the case when a call has ended otherwise than by returning.
func (c *C) checkCalls() {
	bad := slices.IndexFunc(c.calls, func(call *Call) bool {
		call.mu.Lock()
		defer call.mu.Unlock()
		return call.ended && !call.ok
	})
	for _, a := range c.all { // after the calls: a call that runs in circles is ended for it
		if stack := a.Spun(); stack != nil {
			c.Fail("%s", circles(stack))
		}
	}
	if bad < 0 {
		return
	}
	switch call := c.calls[bad]; { // it has ended, so nothing changes it any more
	case call.panic == notStarted:
		c.out.NotStarted = true
		c.Fail("%s is not started: fill it in, in labs/%s/%s", call.function(), c.lab.Number, c.lab.File)
	case call.panic != nil:
		c.Fail("%s panicked%s: %v", call.what, at(panicFrame(call.stack)), call.panic)
	default:
		c.Fail("%s ended its goroutine (runtime.Goexit) instead of returning", call.what)
	}
}

// function is the name of the function that was called.
func (call *Call) function() string {
	for i, r := range call.what {
		if r == '(' {
			return call.what[:i]
		}
	}
	return call.what
}

// giveUp is Fail for calls that go on: what they wait in is ended.
func (c *C) giveUp(format string, args ...any) {
	message := fmt.Sprintf(format, args...)
	for _, a := range c.all {
		a.Stop()
	}
	c.Fail("%s", message)
}

// callsEnd waits for the calls, all of whose connections are closed by now, and reports whether they ended.
func (c *C) callsEnd() bool {
	for pause := 50 * time.Microsecond; pause < 50*time.Millisecond; pause *= 2 {
		ended := true
		for _, call := range c.calls {
			ended = ended && call.Ended()
		}
		if ended {
			return true
		}
		<-time.After(pause)
	}
	return false
}

// Fail ends the case with a message of one line: what is wrong.
func (c *C) Fail(format string, args ...any) {
	c.fail("", format, args...)
}

func (c *C) fail(detail, format string, args ...any) {
	c.out.Message, c.out.Detail = fmt.Sprintf(format, args...), detail
	runtime.Goexit()
}

// WantBytes ends the case unless got is want; the failure shows both around the first byte that differs.
func (c *C) WantBytes(what string, got, want []byte) {
	if string(got) != string(want) {
		c.fail(diffBytes(got, want), "%s: wrong bytes", what)
	}
}

// WantText ends the case unless got is want; the failure shows both as quoted text, with a caret.
func (c *C) WantText(what, got, want string) {
	if got != want {
		c.fail(diffText(got, want), "%s: wrong text", what)
	}
}

// WantNil ends the case unless err is nil.
func (c *C) WantNil(what string, err error) {
	if err != nil {
		c.Fail("%s failed: %v", what, err)
	}
}

// WantError ends the case unless errors.Is(got, want).
func (c *C) WantError(what string, got, want error) {
	if errors.Is(got, want) {
		return
	}
	detail := fmt.Sprintf("got   %s\nwant  %s, alone or wrapped with %%w", Err(got), Err(want))
	if got != nil && strings.HasSuffix(": "+got.Error(), ": "+want.Error()) {
		detail += "\nthe words are there, but errors.Is does not find the error: %v, %s and errors.New make a new one"
	}
	c.fail(detail, "%s: wrong error", what)
}

// Allocated is Do for a call that must not allocate much: it returns about how many bytes were allocated while it ran.
// The runtime counts for the whole process, so the case has to have its Memory field set.
func (c *C) Allocated(what string, f func()) (bytes uint64) {
	c.measures()
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	c.Do(what, func() {
		f()
		runtime.ReadMemStats(&after)
	})
	return after.TotalAlloc - before.TotalAlloc
}

// heapInUse is how many bytes of the heap are taken, garbage included. Asking does not stop the world.
func heapInUse() uint64 {
	sample := []metrics.Sample{{Name: "/memory/classes/heap/objects:bytes"}}
	metrics.Read(sample)
	return sample[0].Value.Uint64()
}

// InUse returns how many bytes of the heap something still refers to: call it twice and compare. Unlike the other
// methods it may be called inside Do's function. The case has to have its Memory field set.
func (c *C) InUse() int64 {
	c.measures()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

// measures stops a suite that measures memory while other cases may run.
func (c *C) measures() {
	if !c.cs.Memory {
		panic(fmt.Sprintf("case %q measures memory, and its Memory field is not set", c.cs.Name))
	}
}
