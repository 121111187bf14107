package fault

import (
	"errors"
	"net"
	"slices"
	"sync"
	"time"
)

// Conn is the end that the code under test gets, and the witness of what that does to it. A Read returns at
// most one piece of what the peer sent, and never waits for the kernel when the piece has already been sent.
type Conn struct {
	net.Conn
	w       *wire
	reading sync.Mutex // one Read at a time, as in the kernel
}

// Read waits for a piece or the end of the stream, and reads at most that piece from the socket. Without
// room for a byte it returns at once, which not every system does.
func (c *Conn) Read(p []byte) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	c.reading.Lock()
	defer c.reading.Unlock()
	n, err := c.Conn.Read(p[:c.await(len(p))])
	c.w.change(func() {
		c.w.take(n)
		c.w.did.read(n, err)
	})
	c.w.count(err)
	return n, err
}

// await returns how many bytes the next Read may ask for: no more than the first piece has left, and want if
// the stream has ended or was closed, where the socket itself gives the answer.
func (c *Conn) await(want int) int {
	w := c.w
	w.mu.Lock()
	defer w.mu.Unlock()
	w.did.Reads++
	w.until(w.ready)
	if len(w.pieces) > 0 {
		return min(want, w.pieces[0])
	}
	return want
}

// Write passes p on.
func (c *Conn) Write(p []byte) (n int, err error) {
	if err = c.w.first("Write"); err == nil {
		n, err = c.Conn.Write(p)
	}
	c.w.change(func() {
		if len(p) > 0 {
			c.w.did.Writes++
		}
		c.w.did.Written += n
		c.w.did.met(err)
	})
	c.w.count(err)
	return n, err
}

// Close closes the connection of the code under test.
func (c *Conn) Close() error {
	if err := c.w.first("Close"); err != nil {
		return err
	}
	err := c.Conn.Close()
	c.w.change(func() { c.w.did.Closed = "Close" })
	return err
}

// CloseWrite closes the writing half: the peer meets the end of the stream, and may go on sending.
func (c *Conn) CloseWrite() error {
	half, ok := c.Conn.(interface{ CloseWrite() error })
	if !ok {
		return errors.ErrUnsupported
	}
	err := half.CloseWrite()
	c.w.change(func() {
		if c.w.did.Closed == "" {
			c.w.did.Closed = "CloseWrite"
		}
	})
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

// SetDeadline sets both deadlines.
func (c *Conn) SetDeadline(t time.Time) error { return c.expire("SetDeadline", t, true, true) }

// SetReadDeadline sets the deadline of Reads, those that wait already among them.
func (c *Conn) SetReadDeadline(t time.Time) error { return c.expire("SetReadDeadline", t, true, false) }

// SetWriteDeadline sets the deadline of Writes.
func (c *Conn) SetWriteDeadline(t time.Time) error {
	return c.expire("SetWriteDeadline", t, false, true)
}

func (c *Conn) expire(method string, t time.Time, read, write bool) (err error) {
	if read {
		err = c.Conn.SetReadDeadline(t)
	}
	if write && err == nil {
		err = c.Conn.SetWriteDeadline(t)
	}
	if err != nil {
		return err
	}
	c.w.change(func() {
		c.w.did.Deadline = method
		if write {
			c.w.write, c.w.failed = t, 0
		}
		if read {
			c.w.expire(t)
		}
	})
	return nil
}

// Did tells what the code under test has done to the connection so far.
func (c *Conn) Did() (d Did) {
	c.w.look(func() {
		d = c.w.did
		d.Errs = slices.Clone(d.Errs)
		d.Timed = !c.w.read.IsZero() || !c.w.write.IsZero()
	})
	return d
}

// Quiet reports whether nothing more will happen here on its own: everything that the peer was told to send
// is ready, everything that was written has reached it, and no Read waits for its deadline.
func (c *Conn) Quiet() (quiet bool) {
	w := c.w
	w.look(func() {
		sent := len(w.queue) == 0 && !w.busy
		arrived := w.over != nil || w.did.Written == len(w.received) && w.did.Closed == ""
		quiet = sent && arrived && (w.waiting == 0 || w.read.IsZero())
	})
	return quiet
}

// Starved reports whether a Read waits, without a deadline, for bytes that the quiet peer has not been told
// to send.
func (c *Conn) Starved() (starved bool) {
	if !c.Quiet() {
		return false
	}
	c.w.look(func() { starved = c.w.waiting > 0 && c.w.read.IsZero() && !c.w.ready() })
	return starved
}

// Spun is as described at [Writer].
func (c *Conn) Spun() []byte { return c.w.Spun() }

// Stop ends every goroutine that waits in a Read or comes back for another one, with runtime.Goexit, and
// closes the connection.
func (c *Conn) Stop() {
	c.w.stop()
	c.Conn.Close()
}
