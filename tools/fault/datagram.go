package fault

import (
	"net"
	"os"
	"slices"
	"sync"
	"time"
)

const (
	maxFlood        = time.Second // after a Write for which a flood goes on; the code under test waits far less
	refusalDeadline = time.Second // for the kernel to say that nobody has the port; it does so at once
)

// post is what the two ends of a UDP conversation know of each other. The datagrams themselves go through the
// kernel.
type post struct {
	watch
	suite  net.PacketConn
	client net.Addr
	did    Did

	requests [][]byte // that the peer has received
	answer   func(i int, request []byte) [][]byte
	flood    func() []byte
	sent     int // requests that are on their way to the peer, or have reached it
	handled  int // of those, the ones that have been answered or dropped
	ready    int // datagrams in the queue of the code under test

	read, write time.Time // the deadlines
	alarm       *time.Timer
	rung        time.Time     // the read deadline whose alarm has gone off
	passed      time.Time     // the last read deadline that a Read has reported
	longest     time.Duration // that a deadline gave a Read
	asked       time.Time     // when the last Write began
	endless     bool          // a flood has lasted for maxFlood

	gone    bool // the peer's socket is closed
	refused bool // a datagram was sent since then, which the kernel has not reported yet
}

// DatagramConn is the end of a UDP conversation that the code under test gets. Its time is the real one, with
// one difference: a read deadline does not pass as long as an answer is on its way or in the queue, however
// busy the machine is. A write deadline passes when a Read has reported that one had passed.
type DatagramConn struct {
	net.Conn
	w       *post
	reading sync.Mutex
}

// Read waits for a datagram or the deadline, and reads from the socket.
func (c *DatagramConn) Read(p []byte) (n int, err error) {
	if len(p) == 0 {
		return 0, nil // as the socket does, which keeps the datagram
	}
	c.reading.Lock()
	defer c.reading.Unlock()
	if c.await() {
		n, err = c.Conn.Read(p)
	} else {
		err = c.timeout("read")
	}
	c.w.change(func() { c.w.did.read(n, err) })
	c.w.count(err)
	return n, err
}

// await waits until the socket has a datagram or an error, and reports whether it has; otherwise the deadline
// has passed.
func (c *DatagramConn) await() bool {
	w := c.w
	w.mu.Lock()
	defer w.mu.Unlock()
	w.did.Reads++
	w.until(w.moves)
	switch {
	case w.over(w.read):
		return false
	case w.refused:
		w.refused = false
		c.Conn.SetReadDeadline(time.Now().Add(refusalDeadline))
	case w.did.Closed != "":
	case w.ready > 0:
		w.ready--
	case w.late():
		w.passed = w.read
		return false
	default: // one more of the flood
		w.send(w.flood())
		w.ready--
	}
	return true
}

// moves reports whether a Read need not wait, under the lock.
func (w *post) moves() bool {
	return w.over(w.read) || w.refused || w.did.Closed != "" || w.ready > 0 || w.handled == w.sent && (w.late() || w.floods())
}

// over reports whether a Read has reported that a deadline had passed, or a later one: it stays so.
func (w *post) over(deadline time.Time) bool {
	return !deadline.IsZero() && !deadline.After(w.passed)
}

// late reports whether the read deadline has passed.
func (w *post) late() bool {
	return !w.read.IsZero() && (w.rung == w.read || time.Until(w.read) <= 0)
}

// floods reports whether a flood goes on.
func (w *post) floods() bool {
	if w.flood == nil || w.endless {
		return false
	}
	w.endless = time.Since(w.asked) > maxFlood
	return !w.endless
}

func (c *DatagramConn) timeout(op string) error {
	return &net.OpError{Op: op, Net: "udp", Source: c.LocalAddr(), Addr: c.RemoteAddr(), Err: os.ErrDeadlineExceeded}
}

// Write sends a datagram.
func (c *DatagramConn) Write(p []byte) (n int, err error) {
	w, late, gone := c.w, false, false
	w.change(func() {
		w.did.Writes++
		w.asked = time.Now()
		late, gone = w.over(w.write), w.gone
		if !late && !gone {
			w.sent++
		}
	})
	if late {
		err = c.timeout("write")
	} else {
		n, err = c.Conn.Write(p)
	}
	w.change(func() {
		if gone {
			w.refused = err == nil
		} else if err != nil && !late {
			w.sent--
		}
		w.did.Written += n
		w.did.met(err)
	})
	w.count(err)
	return n, err
}

// Close closes the socket of the code under test.
func (c *DatagramConn) Close() error {
	err := c.Conn.Close()
	c.w.change(func() { c.w.did.Closed = "Close" })
	return err
}

// SetDeadline sets both deadlines.
func (c *DatagramConn) SetDeadline(t time.Time) error {
	c.SetWriteDeadline(t)
	return c.SetReadDeadline(t)
}

// SetWriteDeadline sets the deadline of Writes.
func (c *DatagramConn) SetWriteDeadline(t time.Time) error {
	c.w.change(func() { c.w.write, c.w.did.Deadline, c.w.failed = t, "SetWriteDeadline", 0 })
	return nil
}

// SetReadDeadline sets the deadline of Reads, those that wait already among them.
func (c *DatagramConn) SetReadDeadline(t time.Time) error {
	w := c.w
	w.change(func() {
		w.read, w.did.Deadline, w.failed = t, "SetReadDeadline", 0
		if w.alarm != nil {
			w.alarm.Stop()
		}
		if left := time.Until(t); !t.IsZero() {
			w.longest = max(w.longest, left)
			w.alarm = time.AfterFunc(left, func() { w.change(func() { w.rung = t }) })
		}
	})
	return nil
}

// Did tells what the code under test has done to the connection so far.
func (c *DatagramConn) Did() (d Did) {
	c.w.look(func() {
		d = c.w.did
		d.Errs = slices.Clone(d.Errs)
		d.Timed = !c.w.read.IsZero() || !c.w.write.IsZero()
	})
	return d
}

// Longest is the longest time that a read deadline gave a Read, seen from when it was set; 0 if none was set.
func (c *DatagramConn) Longest() (d time.Duration) {
	c.w.look(func() { d = c.w.longest })
	return d
}

// Endless reports whether a flood went on for a second after a Write, because no deadline has ended it.
func (c *DatagramConn) Endless() (endless bool) {
	c.w.look(func() { endless = c.w.endless })
	return endless
}

// Quiet reports whether nothing more will happen here on its own: every datagram that was written has been
// answered or dropped, and no Read waits for its deadline.
func (c *DatagramConn) Quiet() (quiet bool) {
	w := c.w
	w.look(func() { quiet = w.handled == w.sent && (w.waiting == 0 || w.read.IsZero()) })
	return quiet
}

// Spun is as described at [Writer].
func (c *DatagramConn) Spun() []byte { return c.w.Spun() }

// Stop ends every goroutine that waits in a Read or comes back for another one, and closes the socket.
func (c *DatagramConn) Stop() {
	c.w.stop()
	c.Conn.Close()
}
