package fault

import (
	"errors"
	"net"
	"sync"
	"time"
)

// Conn is the end that the code under test gets, and the witness of what that does to it. A Read
// returns at most one piece of what the peer sent, and never waits for the kernel when the piece
// has already been sent.
type Conn struct {
	net.Conn
	*wire
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
	if err := c.first("Read"); err != nil {
		c.hasRead(0, err, func() { c.did.Reads++ })
		return 0, err
	}
	n, err := c.Conn.Read(p[:c.await(len(p))])
	if n > 0 && err == nil {
		err = c.last(n)
	}
	c.hasRead(n, err, func() {
		c.inside--
		c.take(n)
	})
	return n, err
}

// await returns how many bytes the next Read may ask for: no more than the first piece has left,
// and want if the stream has ended or was closed, where the socket itself gives the answer.
func (c *Conn) await(want int) int {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.did.Reads++
	c.until(c.ready)
	c.inside++
	if len(c.pieces) > 0 {
		return min(want, c.pieces[0])
	}
	return want
}

// Write passes p on.
func (c *Conn) Write(p []byte) (n int, err error) {
	if err = c.first("Write"); err == nil {
		room, full := c.grant(len(p))
		if n, err = c.Conn.Write(p[:room]); err == nil {
			err = full
		}
	}
	c.change(func() {
		if len(p) > 0 {
			c.did.Writes++
		}
		c.did.Written += n
		c.met(err)
	})
	c.count(err)
	return n, err
}

// Close closes the connection of the code under test.
func (c *Conn) Close() error {
	if err := c.first("Close"); err != nil {
		return err
	}
	c.closes("Close") // before the other side can know
	return c.Conn.Close()
}

// CloseWrite closes the writing half: the peer meets the end of the stream, and may go on sending.
func (c *Conn) CloseWrite() error {
	half, ok := c.Conn.(interface{ CloseWrite() error })
	if !ok {
		return errors.ErrUnsupported
	}
	if c.Did().Closed == "" {
		c.closes("CloseWrite")
	}
	return half.CloseWrite()
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
func (c *Conn) SetDeadline(t time.Time) error {
	defer c.expire("SetDeadline", t)
	return c.Conn.SetDeadline(t)
}

// SetReadDeadline sets the deadline of Reads, those that wait already among them.
func (c *Conn) SetReadDeadline(t time.Time) error {
	defer c.expire("SetReadDeadline", t)
	return c.Conn.SetReadDeadline(t)
}

// SetWriteDeadline sets the deadline of Writes.
func (c *Conn) SetWriteDeadline(t time.Time) error {
	defer c.expire("SetWriteDeadline", t)
	return c.Conn.SetWriteDeadline(t)
}

// Quiet reports whether nothing more will happen here on its own: everything that the peer was told
// to send is ready, everything that was written has reached it, and no Read takes something from the
// socket or waits for a deadline that is near.
func (c *Conn) Quiet() (quiet bool) {
	c.look(func() {
		sent := len(c.queue) == 0 && !c.busy && c.inside == 0
		arrived := c.over != nil || c.did.Written == len(c.received) && c.did.Closed == ""
		wakes := c.waiting > 0 && c.ready() // a Read has not yet noticed what is there
		quiet = sent && arrived && !wakes && c.idle()
	})
	return quiet
}

// Held is how many bytes the peer has received, all of which it keeps.
func (c *Conn) Held() (n int) {
	c.look(func() { n = len(c.received) })
	return n
}

// Starved reports whether a Read waits, without a deadline, for bytes that the quiet peer has not
// been told to send.
func (c *Conn) Starved() (starved bool) {
	quiet := c.Quiet()
	c.look(func() { starved = quiet && c.waiting > 0 && c.read.IsZero() && !c.ready() })
	return starved
}

// Stop ends every goroutine that waits in a Read or comes back for another one, with runtime.Goexit, and
// closes the connection.
func (c *Conn) Stop() {
	c.wire.Stop()
	c.Conn.Close()
}
