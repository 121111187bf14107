package fault

import (
	"errors"
	"io"
	"net"
	"os"
	"runtime"
	"runtime/debug"
	"sync"
	"syscall"
	"time"
)

// maxFailed is how often calls on one connection may fail before the code under test counts as running in circles.
// Sound code stops at the first or second failure.
const maxFailed = 100

// Conn is the end that the code under test gets. A Read returns at most one piece of what the peer sent, and never
// waits for the kernel when the piece has already been sent.
type Conn struct {
	net.Conn
	w       *wire
	reading sync.Mutex // one Read at a time, as in the kernel
}

// Read waits for a piece or the end of the stream, and reads at most that piece from the socket.
func (c *Conn) Read(p []byte) (int, error) {
	c.reading.Lock()
	defer c.reading.Unlock()
	most := c.await(len(p))
	n, err := c.Conn.Read(p[:most])
	c.w.change(func() { c.w.take(n) })
	c.count(err)
	return n, err
}

// await returns how many bytes the next Read may ask for: 0 for an empty buffer, no more than the first piece has left, and want if
// the stream has ended or was closed, where the socket itself gives the answer.
func (c *Conn) await(want int) int {
	w := c.w
	w.mu.Lock()
	for want > 0 && len(w.pieces) == 0 && w.end == Open && !w.expired && !w.closed && !w.stopped {
		w.waiting++
		w.mu.Unlock()
		w.notify()
		w.mu.Lock()
		if len(w.pieces) == 0 && w.end == Open && !w.expired && !w.closed && !w.stopped {
			w.cond.Wait()
		}
		w.waiting--
	}
	stopped, most := w.stopped, want
	if len(w.pieces) > 0 {
		most = min(want, w.pieces[0])
	}
	w.mu.Unlock()
	if stopped {
		runtime.Goexit()
	}
	return most
}

// Write passes p on.
func (c *Conn) Write(p []byte) (int, error) {
	n, err := c.Conn.Write(p)
	c.w.change(func() { c.w.written += n })
	c.count(err)
	return n, err
}

// count ends the goroutine that goes on calling although every call fails. Goexit, unlike an error or a panic, cannot
// be ignored by the code under test; its deferred calls run. Time-outs count from the last deadline that was set.
func (c *Conn) count(err error) {
	if err == nil {
		return
	}
	w, end := c.w, false
	w.mu.Lock()
	if !errors.Is(err, io.EOF) {
		w.err = err
	}
	failed := &w.failed
	if errors.Is(err, os.ErrDeadlineExceeded) {
		failed = &w.late
	}
	*failed++
	if *failed > maxFailed && w.spun == nil {
		w.spun = debug.Stack()
	}
	end = w.stopped || w.spun != nil
	w.mu.Unlock()
	if end {
		w.notify()
		runtime.Goexit()
	}
}

// Close closes the connection of the code under test.
func (c *Conn) Close() error {
	err := c.Conn.Close()
	c.w.change(func() { c.w.closed = true })
	return err
}

// CloseWrite closes the writing half: the peer meets the end of the stream, and may go on sending.
func (c *Conn) CloseWrite() error {
	half, ok := c.Conn.(interface{ CloseWrite() error })
	if !ok {
		return errors.ErrUnsupported
	}
	err := half.CloseWrite()
	c.w.change(func() { c.w.closedWrite = true })
	return err
}

// SetLinger passes SO_LINGER on; 0 makes the next Close abort the connection.
func (c *Conn) SetLinger(seconds int) error {
	tcp, ok := c.Conn.(interface{ SetLinger(int) error })
	if !ok {
		return errors.ErrUnsupported
	}
	return tcp.SetLinger(seconds)
}

// SetNoDelay passes TCP_NODELAY on.
func (c *Conn) SetNoDelay(on bool) error {
	tcp, ok := c.Conn.(interface{ SetNoDelay(bool) error })
	if !ok {
		return errors.ErrUnsupported
	}
	return tcp.SetNoDelay(on)
}

// SyscallConn gives access to the socket, for looking into its queues.
func (c *Conn) SyscallConn() (syscall.RawConn, error) {
	s, ok := c.Conn.(syscall.Conn)
	if !ok {
		return nil, errors.ErrUnsupported
	}
	return s.SyscallConn()
}

// SetDeadline sets both deadlines.
func (c *Conn) SetDeadline(t time.Time) error {
	if err := c.SetReadDeadline(t); err != nil {
		return err
	}
	return c.SetWriteDeadline(t)
}

// SetWriteDeadline sets the deadline of Writes.
func (c *Conn) SetWriteDeadline(t time.Time) error {
	c.w.look(func() { c.w.late = 0 })
	return c.Conn.SetWriteDeadline(t)
}

// SetReadDeadline sets the deadline of Reads, those that wait already among them.
func (c *Conn) SetReadDeadline(t time.Time) error {
	if err := c.Conn.SetReadDeadline(t); err != nil {
		return err
	}
	w := c.w
	w.change(func() {
		if w.expiry != nil {
			w.expiry.Stop()
		}
		w.timed, w.expired, w.expiry, w.late = !t.IsZero(), false, nil, 0
		if t.IsZero() {
			return
		}
		if left := time.Until(t); left <= 0 {
			w.expired = true
		} else {
			var mine *time.Timer
			mine = time.AfterFunc(left, func() { w.change(func() { w.expire(mine) }) })
			w.expiry = mine
		}
	})
	return nil
}

// expire notes under the lock that a deadline has passed, unless another one has been set since the timer was.
func (w *wire) expire(timer *time.Timer) {
	w.expired = w.expired || w.expiry == timer
}

// Taken is the number of bytes that Reads have returned so far.
func (c *Conn) Taken() (n int) {
	c.w.look(func() { n = c.w.taken })
	return n
}

// Err is the last error of a Read or Write, io.EOF left out; nil if there was none.
func (c *Conn) Err() (err error) {
	c.w.look(func() { err = c.w.err })
	return err
}

// Closed reports whether the code under test has closed the connection.
func (c *Conn) Closed() (closed bool) {
	c.w.look(func() { closed = c.w.closed })
	return closed
}

// Quiet reports whether the peer's side is at rest: everything that it was told to send lies ready, and everything
// that was written has reached it, and no Read waits for its deadline. Nothing more will happen here on its own.
func (c *Conn) Quiet() (quiet bool) {
	w := c.w
	w.look(func() {
		sent := len(w.queue) == 0 && !w.busy
		arrived := w.over != nil || w.written == len(w.received) && !w.closed && !w.closedWrite
		quiet = sent && arrived && !(w.waiting > 0 && w.timed)
	})
	return quiet
}

// Starved reports whether a Read waits, without a deadline, for bytes that the quiet peer has no intention to send.
func (c *Conn) Starved() (starved bool) {
	if !c.Quiet() {
		return false
	}
	w := c.w
	w.look(func() { starved = w.waiting > 0 && !w.timed && len(w.pieces) == 0 && w.end == Open })
	return starved
}

// Spun returns the stack of the call that was ended because the calls before it had all failed; nil if none was.
func (c *Conn) Spun() (stack []byte) {
	c.w.look(func() { stack = c.w.spun })
	return stack
}

// Stop ends every goroutine that waits in a Read or comes back for another one, with runtime.Goexit, and closes the connection.
func (c *Conn) Stop() {
	c.w.change(func() { c.w.stopped = true })
	c.Conn.Close()
}
