package fault

import (
	"runtime"
	"runtime/debug"
	"sync"
)

// Writer is an io.Writer that takes bytes badly. The zero value takes everything.
type Writer struct {
	// Most is the number of bytes that one call takes at most; 0 means no limit. A call that is given more takes Most
	// bytes and returns no error, as send(2) and Python's socket.send may do (io.Writer itself forbids it).
	Most int
	// Room is the number of bytes taken before Err; only used when Err is set.
	Room int
	// Err is returned by the call of which no more than Most bytes do not fit into Room any more, with the number of
	// bytes that did, and by every later call.
	Err error

	mu     sync.Mutex
	taken  []byte
	calls  int
	failed int // calls that returned Err
	tried  int // bytes offered after the first failure
	spun   []byte

	stopped bool
}

// Write takes what the limits allow.
func (w *Writer) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.stopped {
		runtime.Goexit()
	}
	w.calls++
	if w.failed > 0 {
		w.tried += len(p)
	}
	n, err := len(p), error(nil)
	if w.Most > 0 {
		n = min(n, w.Most)
	}
	if room := w.Room - len(w.taken); w.Err != nil && (n > room || w.failed > 0) {
		n, err = min(n, room), w.Err
		w.failed++
		if w.failed > maxFailed {
			w.spun = debug.Stack()
			runtime.Goexit()
		}
	}
	w.taken = append(w.taken, p[:n]...)
	return n, err
}

// Taken returns a copy of the bytes taken so far.
func (w *Writer) Taken() []byte {
	w.mu.Lock()
	defer w.mu.Unlock()
	return append([]byte(nil), w.taken...)
}

// Calls is the number of Writes.
func (w *Writer) Calls() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.calls
}

// Tried is the number of bytes that were offered after the first failure.
func (w *Writer) Tried() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.tried
}

// Spun returns the stack of the call that was ended because a hundred before it had failed; nil if none was.
func (w *Writer) Spun() []byte {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.spun
}

// Quiet is always true: a writer does nothing on its own.
func (w *Writer) Quiet() bool { return true }

// Starved is always false: nobody waits in Write.
func (w *Writer) Starved() bool { return false }

// Stop makes every later Write end its goroutine.
func (w *Writer) Stop() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.stopped = true
}
