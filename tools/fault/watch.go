package fault

import (
	"runtime"
	"runtime/debug"
	"sync"
)

// maxFailed is how often calls may fail before the code under test counts as stuck in a loop.
// Correct code stops at the first or second failure.
const maxFailed = 100

// watch is the lock of an adversary, and ends the goroutines of the code under test that do not end by
// themselves: with runtime.Goexit, which, unlike an error or a panic, cannot be ignored. Their deferred
// calls run.
type watch struct {
	mu      sync.Mutex
	changed sync.Cond
	notify  func() // called without the lock when something has changed

	waiting int // calls that wait for the other side
	failed  int // calls that failed since a deadline was set
	spun    []byte
	stopped bool
}

func (w *watch) init(notify func()) {
	w.changed.L = &w.mu
	w.notify = notify
}

// change runs f under the lock and tells everybody.
func (w *watch) change(f func()) {
	w.look(f)
	w.tell()
}

// look runs f under the lock.
func (w *watch) look(f func()) {
	w.mu.Lock()
	defer w.mu.Unlock()
	f()
}

func (w *watch) tell() {
	w.changed.Broadcast()
	if w.notify != nil {
		w.notify()
	}
}

// until waits until ready returns true; the caller holds the lock. It ends the goroutine when w is
// stopped.
func (w *watch) until(ready func() bool) {
	for !ready() && !w.stopped {
		w.waiting++
		if w.notify != nil { // whoever asks meanwhile learns that a call waits
			w.mu.Unlock()
			w.notify()
			w.mu.Lock()
		}
		if !ready() && !w.stopped {
			w.changed.Wait()
		}
		w.waiting--
	}
	if w.stopped {
		runtime.Goexit() // the caller's deferred Unlock runs
	}
}

// count notes what a call of the code under test returns. It ends the goroutine when w is stopped,
// and when it goes on calling although every call fails.
func (w *watch) count(err error) {
	if err == nil {
		return
	}
	end := false
	w.look(func() {
		if w.failed++; w.failed > maxFailed && w.spun == nil {
			w.spun = debug.Stack()
		}
		end = w.stopped || w.spun != nil
	})
	if end {
		w.tell()
		runtime.Goexit()
	}
}

// Spun returns the stack of the call that was ended because the hundred before it had all failed; nil if
// none was.
func (w *watch) Spun() (stack []byte) {
	w.look(func() { stack = w.spun })
	return stack
}

// Quiet is always true: what does nothing on its own is.
func (w *watch) Quiet() bool { return true }

// Held is how many bytes are kept of what the code under test has written: none.
func (w *watch) Held() int { return 0 }

// Stop makes every goroutine end that waits in a call or comes back for another one.
func (w *watch) Stop() { w.change(func() { w.stopped = true }) }
