package fault

import (
	"net"
	"os"
	"sync"
	"time"
)

const (
	maxFlood        = time.Second // after a Write for which a flood goes on; the code under test waits far less
	leastFlood      = 1200        // datagrams after a Write that it has at least, however slow the machine is
	maxPostponed    = 20          // times in a row that it may put its deadline off meanwhile; correct code does not
	refusalDeadline = time.Second // for the kernel to say that nobody has the port; it does so at once
)

// post is what the two ends of a UDP conversation know of each other. The datagrams themselves go
// through the kernel.
type post struct {
	side
	suite  net.PacketConn
	client net.Addr

	requests [][]byte // that the peer has received
	answer   func(i int, request []byte) [][]byte
	flood    func() []byte
	sent     int // requests that are on their way to the peer, or have reached it
	handled  int // of those, the ones that have been answered or dropped
	ready    int // datagrams in the queue of the code under test

	asked   time.Time // when the last Write began
	given   time.Time // the first read deadline that was set since then
	since   time.Time // when it was set
	later   int       // how often in a row the read deadline was put off since then
	flooded int       // datagrams of the flood since then
	gone    bool      // the peer's socket is closed
	refused bool      // a datagram was sent since then, which the kernel has not reported yet
}

// DatagramConn is the end of a UDP conversation that the code under test gets. Its time is the real
// one, with one difference: a read deadline does not pass as long as an answer is on its way or in
// the queue, however busy the machine is. A write deadline passes when a Read has reported that one
// had passed.
type DatagramConn struct {
	net.Conn
	*post
	reading sync.Mutex
}

// Read waits for a datagram or the deadline, and reads from the socket.
func (c *DatagramConn) Read(p []byte) (n int, err error) {
	if len(p) == 0 {
		return 0, nil // as the socket does, which keeps the datagram
	}
	c.reading.Lock()
	defer c.reading.Unlock()
	if err = c.first("Read"); err != nil {
		c.hasRead(0, err, func() { c.did.Reads++ })
		return 0, err
	}
	if c.await() {
		n, err = c.Conn.Read(p)
	} else {
		err = c.timeout("read")
	}
	c.hasRead(n, err, func() {})
	return n, err
}

// await waits until the socket has a datagram or an error, and reports whether it has; otherwise
// the deadline has passed.
func (c *DatagramConn) await() bool {
	w := c.post
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
	case w.passes():
		w.did.Passed = w.read
		return false
	default: // one more of the flood
		w.send(w.flood())
		w.ready--
		w.flooded++
	}
	return true
}

// moves reports whether a Read need not wait, under the lock.
func (w *post) moves() bool {
	return w.over(w.read) || w.refused || w.did.Closed != "" || w.ready > 0 ||
		w.handled == w.sent && (w.passes() || w.floods())
}

// passes reports whether the read deadline passes now. While a flood goes on it does so behind the second
// datagram at the earliest, and not at all when it is put off again and again: a machine that stands still
// would end a try before the code under test has shown that it would not.
func (w *post) passes() bool {
	floods := w.flood != nil && !w.asked.IsZero() && !w.did.Endless
	return w.late() && (!floods || w.later == 0 && w.flooded > 1)
}

// over reports whether a Read has reported that a deadline had passed, or a later one: it stays so.
func (w *post) over(deadline time.Time) bool {
	return !deadline.IsZero() && !deadline.After(w.did.Passed)
}

// floods reports whether a flood goes on.
func (w *post) floods() bool {
	if w.flood == nil || w.did.Endless {
		return false
	}
	long := time.Since(w.asked) > maxFlood && w.flooded > leastFlood
	w.did.Endless = long || w.later >= maxPostponed
	return !w.did.Endless
}

func (c *DatagramConn) timeout(op string) error {
	return &net.OpError{
		Op:     op,
		Net:    "udp",
		Source: c.LocalAddr(),
		Addr:   c.RemoteAddr(),
		Err:    os.ErrDeadlineExceeded,
	}
}

// send sends under the lock: on loopback that does not block.
func (w *post) send(datagrams ...[]byte) {
	for _, d := range datagrams {
		if _, err := w.suite.WriteTo(d, w.client); err == nil {
			w.ready++
		}
	}
}

// Write sends a datagram.
func (c *DatagramConn) Write(p []byte) (n int, err error) {
	w, late, gone := c.post, false, false
	err = c.first("Write")
	w.change(func() {
		w.did.Writes++
		w.asked, w.given, w.later, w.flooded = time.Now(), time.Time{}, 0, 0
		late, gone = w.over(w.write), w.gone
		if late && err == nil {
			err = c.timeout("write")
		}
		if err == nil && !gone {
			w.sent++
		}
	})
	sends := err == nil
	if sends {
		n, err = c.Conn.Write(p)
	}
	w.change(func() {
		if gone {
			w.refused = err == nil
		} else if sends && err != nil {
			w.sent--
		}
		w.did.Written += n
		w.met(err)
	})
	w.count(err)
	return n, err
}

// Close closes the socket of the code under test.
func (c *DatagramConn) Close() error {
	defer c.closes("Close")
	return c.Conn.Close()
}

// SetDeadline sets both deadlines.
func (c *DatagramConn) SetDeadline(t time.Time) error { return c.allow("SetDeadline", t) }

// SetWriteDeadline sets the deadline of Writes.
func (c *DatagramConn) SetWriteDeadline(t time.Time) error { return c.allow("SetWriteDeadline", t) }

// SetReadDeadline sets the deadline of Reads, those that wait already among them.
func (c *DatagramConn) SetReadDeadline(t time.Time) error { return c.allow("SetReadDeadline", t) }

// allow sets deadlines of ours, and none of the socket's.
func (c *DatagramConn) allow(method string, t time.Time) error {
	if !t.IsZero() && method != "SetWriteDeadline" {
		c.look(func() {
			c.did.Longest = max(c.did.Longest, time.Until(t))
			c.postpone(t)
		})
	}
	c.expire(method, t)
	return nil
}

// postpone notes whether a read deadline puts off the first one since the last Write, under the lock: code
// that begins its wait anew puts it off by all the time that has passed. Code that works out what is left of
// its wait, and sets a deadline of that, comes to some nanoseconds more.
func (w *post) postpone(t time.Time) {
	now := time.Now()
	switch {
	case w.given.IsZero():
		w.given, w.since = t, now
	case t.Sub(w.given) > now.Sub(w.since)/2:
		w.later++
	default:
		w.later = 0
	}
}

// Quiet reports whether nothing more will happen here on its own: every datagram that was written
// has been answered or dropped, and no Read waits for a deadline that is near.
func (c *DatagramConn) Quiet() (quiet bool) {
	w := c.post
	w.look(func() {
		wakes := w.waiting > 0 && w.ready > 0 // a Read has not yet noticed that a datagram is there
		quiet = w.handled == w.sent && !wakes && w.idle()
	})
	return quiet
}

// Held is how many bytes of datagrams were written: the peer keeps them.
func (c *DatagramConn) Held() (n int) {
	c.post.look(func() { n = c.post.did.Written })
	return n
}

// Stop ends every goroutine that waits in a Read or comes back for another one, and closes the socket.
func (c *DatagramConn) Stop() {
	c.post.Stop()
	c.Conn.Close()
}
