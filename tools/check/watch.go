package check

import (
	"cmp"
	"runtime/debug"
	"runtime/metrics"
	"slices"
	"strings"
	"time"
)

const (
	// limit is how long a wait may last before the code under test is given up. As long as it
	// computes, or something is on its way, it gets busyLimit: the machine may be busy with
	// something else.
	limit     = 1500 * time.Millisecond
	busyLimit = 4 * limit
	farLimit  = 4 * busyLimit
	manyMoves = 1000
	// memoryLimit is how many bytes of the heap may be in use while the code under test runs: an
	// endless append reaches it before the machine stands still. The first aMoment is not checked,
	// because a call may allocate much and return.
	memoryLimit = 512 << 20
	aMoment     = 300 * time.Millisecond
	// heldLimit is how many bytes a case keeps of what the code under test has written: an endless loop of
	// Writes would take the memory of whoever receives them.
	heldLimit = 128 << 20

	soon = 5 * time.Millisecond // until then nobody looks whether the code rests: looking stops it
)

// notStarted is what the functions of a starter panic with.
const notStarted = "not started"

// Start calls f, which calls the code under test. what names the call in messages:
// "ReadMessage(conn, 1024)".
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
			call.stack = string(debug.Stack())
			if e := call.c.elsewhere; e != nil {
				call.stack = cmp.Or(e.Stack(call.id), call.stack)
			}
		}
		call.c.poke()
	}()
	f()
	returned = true
}

// Wait waits for the call to return. It ends the case when the call panics, hangs or is stuck in a loop.
func (call *Call) Wait() {
	call.c.Await(call.what+" to return", call.Ended)
}

// Await waits for cond, which is asked again whenever something has moved. It ends the case when a
// call panics or is stuck in a loop, when the calls have returned and nothing can move any more, or
// when the time is up.
func (c *C) Await(what string, cond func() bool) {
	var watch Stopwatch
	begun := c.moves()
	for pause := 100 * time.Microsecond; ; pause = min(2*pause, 20*time.Millisecond) {
		met := cond()
		c.checkCalls()
		if met {
			return
		}
		if c.finished() && !cond() { // asked again, now that nothing moves
			c.Fail("waited for %s, but your code has returned", what)
		}
		spent := watch.Read()
		if c.alone && spent > aMoment && c.heapInUse() > memoryLimit && !c.finished() {
			c.giveUp("takes more than %d MiB of memory; %s", memoryLimit>>20, c.whereItIs())
		}
		if c.held() > heldLimit {
			c.giveUp("your code has written more than %d MiB, and goes on", heldLimit>>20)
		}
		if spent > limit {
			switch resting := c.Resting(); {
			case cond(): // it was met while this looked
			case resting:
				c.giveUp("waited %v for %s; %s", limit, what, c.whereItIs())
			case spent > c.busyLimit(begun):
				c.giveUp("waited %v for %s; %s", c.busyLimit(begun), what, c.whereItMoves())
			}
		}
		select {
		case <-c.wake:
			pause = 50 * time.Microsecond
		case <-time.After(pause):
		}
	}
}

// busyLimit is how long a wait may last, as long as the code under test computes. Where each of its calls is
// carried to another process, it may take longer as long as there are many; begun is how many there had
// been when the wait began.
func (c *C) busyLimit(begun int64) time.Duration {
	if c.moves()-begun > manyMoves {
		return farLimit
	}
	return busyLimit
}

func (c *C) moves() int64 {
	if c.elsewhere == nil {
		return 0
	}
	return c.elsewhere.Moves()
}

// Prompt is Await for what has to come without a wait: it gives up as soon as the code rests. What
// goes through a connection of ConnectTCP is not seen, so it is not for that.
func (c *C) Prompt(what string, cond func() bool) {
	var watch Stopwatch
	c.Await(what, func() bool { return cond() || watch.Read() > soon && c.Resting() })
	if !cond() { // asked again, now that nothing moves
		where := c.whereItIs()
		if strings.Contains(where, "(sleep)") {
			c.Rule("Nothing here has to wait but Read and Write, and they wait by themselves.",
				"Take the sleep out.")
		}
		c.giveUp("waited for %s; %s", what, where)
	}
}

// Late lets some time pass, so that what comes then is late: code that gives up earlier is found.
func (c *C) Late(by time.Duration) {
	c.Step("the suite lets %v pass", by)
	<-time.After(by)
}

// Settle waits until everything that was sent on either side has arrived.
func (c *C) Settle() { c.Await("what was sent to arrive", c.quiet) }

// Resting reports whether the code under test has done all that it will do for now: every goroutine
// of its calls waits, in Read or Accept, for another goroutine or for a timer. A call that has
// returned rests too.
//
// It is for what must not happen: Await that the call has ended or that the code rests, then look
// which of the two it was.
func (c *C) Resting() bool {
	begun := !slices.ContainsFunc(c.calls, func(call *Call) bool { return call.goroutine() == 0 })
	// Quiet before and after: what the code wrote or closed just before it came to rest may still
	// be under way.
	return begun && c.quiet() && !slices.ContainsFunc(c.tree(c.look()), goroutine.moves) && c.quiet()
}

// Still returns a condition for Await: the code under test rests, and has had the time that code may pause
// which looks around now and then.
func (c *C) Still(most time.Duration) func() bool {
	var awake Stopwatch
	return func() bool { return awake.Read() > most && c.Resting() && c.Resting() }
}

func (c *C) quiet() bool {
	return !slices.ContainsFunc(c.adversaries, func(a adversary) bool { return !a.Quiet() })
}

// finished reports whether nothing can move any more because all calls have returned and have left
// nothing behind.
func (c *C) finished() bool {
	// Quiet before and after: what was left behind may have closed a connection before it ended.
	return len(c.calls) > 0 && c.callsEnded() && c.quiet() && len(c.leftBehind()) == 0 && c.quiet()
}

// callsEnded reports whether all calls are over.
func (c *C) callsEnded() bool {
	return !slices.ContainsFunc(c.calls, func(call *Call) bool { return !call.Ended() })
}

// checkCalls ends the case when a call has ended otherwise than by returning.
func (c *C) checkCalls() {
	bad := slices.IndexFunc(c.calls, func(call *Call) bool {
		call.mu.Lock()
		defer call.mu.Unlock()
		return call.ended && !call.ok
	})
	for _, a := range c.adversaries { // after the calls: a call that is stuck in a loop is ended for it
		if stack := a.Spun(); stack != nil {
			text := string(stack)
			if c.elsewhere != nil {
				text = c.elsewhere.Stack(parseStacks(stack)[0].id)
			}
			c.Fail("your code is stuck in a loop%s: its calls failed a hundred times in a row and it went on; "+
				"an error must end the loop", at(crashFrame(text)))
		}
	}
	if bad < 0 {
		return
	}
	switch call := c.calls[bad]; { // it has ended, so nothing changes it any more
	case call.panic == notStarted:
		c.out.NotStarted, _, _ = strings.Cut(call.what, "(")
		c.Fail("%s is not started: fill it in", c.out.NotStarted)
	case call.panic != nil:
		if text := said(call.panic); strings.HasPrefix(text, "interface conversion: ") &&
			(strings.Contains(text, "*fault.") || strings.Contains(text, "*remote.") ||
				strings.Contains(text, "test.")) {
			c.Rule("What your code is given may be of any type that has the methods which the task asks for.",
				"Use the methods of the interface, such as those of net.Conn. For more, write v, ok := x.(T), "+
					"and do without it when ok is false.")
		}
		c.Fail("%s panicked%s: %s", call.what, at(crashFrame(call.stack)), said(call.panic))
	default:
		c.Fail("%s ended its goroutine (runtime.Goexit) instead of returning", call.what)
	}
}

// giveUp is Fail for calls that go on: what they wait in is ended.
func (c *C) giveUp(format string, args ...any) {
	defer func() {
		for _, a := range c.adversaries {
			a.Stop()
		}
	}()
	c.Fail(format, args...)
}

// look returns all goroutines, at a moment after the call; not to be changed.
func (c *C) look() []goroutine {
	if c.elsewhere != nil {
		return lookElsewhere(c.elsewhere)
	}
	return snapshot()
}

func (c *C) held() (n int) {
	for _, a := range c.adversaries {
		n += a.Held()
	}
	return n
}

func (c *C) heapInUse() uint64 {
	if c.elsewhere != nil {
		return c.elsewhere.Heap()
	}
	return HeapInUse()
}

// HeapInUse is how many bytes of the heap are taken, garbage and stacks of goroutines included. Asking does
// not stop the world.
func HeapInUse() (bytes uint64) {
	samples := []metrics.Sample{
		{Name: "/memory/classes/heap/objects:bytes"}, {Name: "/memory/classes/heap/stacks:bytes"},
	}
	metrics.Read(samples)
	for _, s := range samples {
		bytes += s.Value.Uint64()
	}
	return bytes
}

func (call *Call) goroutine() int {
	call.mu.Lock()
	defer call.mu.Unlock()
	return call.id
}

// tree returns the goroutines of the calls and all that these have started, as far as the chain of
// creators can be followed; where nothing else runs in the process, every one in the student's
// file.
func (c *C) tree(all []goroutine) []goroutine {
	known := map[int]bool{}
	for _, call := range c.calls {
		known[call.goroutine()] = true
	}
	delete(known, 0)
	for grown := true; grown; {
		grown = false
		for _, g := range all {
			if !known[g.id] && !g.systems() && (known[g.creator] || c.alone && g.handedIn()) {
				known[g.id], grown = true, true
			}
		}
	}
	return slices.DeleteFunc(slices.Clone(all), func(g goroutine) bool { return !known[g.id] })
}

// whereItIs describes what the calls that have not ended wait for, and where the suite stands.
func (c *C) whereItIs() (where string) { return c.where(c.tree(c.look())) }

// whereItMoves is whereItIs, of goroutines that compute, if there are any.
func (c *C) whereItMoves() string {
	tree := c.tree(c.look())
	busy := slices.DeleteFunc(slices.Clone(tree), func(g goroutine) bool {
		return !g.computes() || g.students() == nil
	})
	if len(busy) > 0 {
		return c.where(busy)
	}
	return c.where(tree)
}

func (c *C) where(tree []goroutine) (where string) {
	if len(tree) == 0 {
		return "your code has returned"
	}
	said := "; nothing more will come"
	if c.said != "" {
		said += " (" + c.said + ")"
	}
	g := tree[0]
	for _, other := range tree {
		if other.students() != nil && (g.students() == nil || g.inside() == "" && other.inside() != "") {
			g = other
		}
	}
	moves := g.computes()
	switch inside := g.inside(); {
	case g.students() == nil:
		where = "your code is not waiting in a line of its own"
	case inside != "" && moves:
		where = "busy with one " + inside + " after the other"
	case inside != "":
		where = "blocked in " + inside
	case moves:
		return "busy" + at(g.students()) + ", without reading or writing" + said
	default:
		return "blocked" + at(g.students()) + " (" + g.state + ")" + said
	}
	return where + at(g.students()) + said
}

// checkLeftBehind ends the case when a call has returned and something that it started still runs.
func (c *C) checkLeftBehind() {
	c.checkFiles()
	var left []goroutine
	ended := func() bool {
		left = c.leftBehind()
		return len(left) == 0
	}
	for tries := 1; !eventually(ended); tries++ {
		if tries < 20 && slices.ContainsFunc(left, goroutine.moves) {
			continue
		}
		c.out.Leak = true
		c.out.Rule = "When a call has returned, nothing that it has started is still running."
		c.out.Hint = "Make the goroutine end, for example by closing the channel or setting a " +
			"deadline on the connection that it waits for, and wait for it before you return."
		c.Fail("left a goroutine behind: %d still there after the case, one of them %s%s",
			len(left), left[0].state, at(left[0].students()))
	}
}

// leftBehind returns what runs below calls that have returned.
func (c *C) leftBehind() []goroutine {
	if len(c.calls) == 0 || !c.callsEnded() { // what runs below a call that goes on may belong to it
		return nil
	}
	return slices.DeleteFunc(c.tree(c.look()), func(g goroutine) bool {
		return slices.ContainsFunc(c.calls, func(call *Call) bool { return call.goroutine() == g.id })
	})
}
