package timeline

import (
	"errors"
	"net"
	"sync"
	"sync/atomic"
	"syscall"
)

// Listener wraps ln so that side's accepts are recorded, and everything on the accepted connections.
// Closing the wrapper closes ln.
func (r *Recorder) Listener(side string, ln net.Listener) net.Listener {
	r.moment(Event{Side: side, Op: Listen, Text: ln.Addr().String()})
	return &listener{Listener: ln, r: r, side: side}
}

type listener struct {
	net.Listener
	r     *Recorder
	side  string
	close sync.Once
}

func (l *listener) Accept() (net.Conn, error) { return l.r.Accept(l.side, l.Listener.Accept) }

// Accept calls accept, records it for side, and returns the connection wrapped.
func (r *Recorder) Accept(side string, accept func() (net.Conn, error)) (net.Conn, error) {
	i := r.begin(Event{Side: side, Op: Accept}, nil)
	c, err := accept()
	if err != nil {
		r.end(i, func(e *Event) {
			if e.Op, e.Err = classify(Accept, err); e.Op == Timeout {
				e.Text = string(Accept)
			}
		})
		return nil, err
	}
	accepted := r.wrap(side, c)
	r.end(i, func(e *Event) { e.Conn, e.Text = accepted.name, c.RemoteAddr().String() })
	return accepted, nil
}

func (l *listener) Close() error {
	e := Event{Side: l.side, Op: Close, Text: "listener"}
	return l.r.closing(&l.close, e, l.Listener.Close)
}

// closing calls a close, and records the first one.
func (r *Recorder) closing(once *sync.Once, e Event, call func() error) (err error) {
	first := false
	once.Do(func() { first = true })
	if !first {
		return call()
	}
	i := r.begin(e, nil)
	err = call()
	r.end(i, func(e *Event) { e.Err = reason(err) })
	return err
}

// SyscallConn gives access to the listening socket.
func (l *listener) SyscallConn() (syscall.RawConn, error) { return rawConn(l.Listener) }

// Dial calls dial with addr, records it for side, and returns the connection wrapped.
func (r *Recorder) Dial(side, addr string, dial func(addr string) (net.Conn, error)) (net.Conn, error) {
	i := r.begin(Event{Side: side, Op: Dial, Text: addr}, nil)
	c, err := dial(addr)
	if err != nil {
		r.end(i, func(e *Event) { e.Err = reason(err) })
		return nil, err
	}
	dialled := r.wrap(side, c)
	r.end(i, func(e *Event) { e.Conn = dialled.name })
	return dialled, nil
}

// Conn wraps one end of a connection, once. It records reads, writes and closes for side and passes
// everything on; closing the wrapper closes c.
//
// Writes of one end reach c one after the other, in the order of their events, and so do reads, as a
// net.Conn of the standard library has it too; a write that has to wait for another one begins when
// its turn has come. What somebody writes or reads past the wrapper is not recorded, and [Matcher]
// notices if the bytes do not fit together.
//
// The wrapper offers CloseWrite, SetNoDelay, SetLinger and SyscallConn where c does. It does not
// offer ReadFrom, WriteTo and writev: io.Copy and net.Buffers fall back to plain reads and writes,
// which carry the same bytes.
func (r *Recorder) Conn(side string, c net.Conn) net.Conn { return r.wrap(side, c) }

func (r *Recorder) wrap(side string, c net.Conn) *conn {
	return &conn{Conn: c, r: r, side: side, name: r.name(c.LocalAddr(), c.RemoteAddr())}
}

type conn struct {
	net.Conn
	r              *Recorder
	side, name     string
	reads, writes  sync.Mutex  // held during a call: the kernel's order is the record's
	abort          atomic.Bool // the next Close resets the connection
	close, endOnce sync.Once
}

func (c *conn) Read(p []byte) (int, error) {
	c.reads.Lock()
	defer c.reads.Unlock()
	i := c.r.begin(Event{Side: c.side, Conn: c.name, Op: Recv}, nil)
	n, err := c.Conn.Read(p)
	c.r.end(i, func(e *Event) { e.received(n, c.r.keep(p[:max(n, 0)]), err) })
	return n, err
}

// received is what became of a read. Bytes that came together with an error came: the error is met
// again by the next read.
func (e *Event) received(n int, data []byte, err error) {
	e.N, e.Data = n, data
	e.Op, e.Err = classify(Recv, err)
	if n > 0 && (e.Op != Recv || e.Err == closedHere) {
		e.Op, e.Err = Recv, ""
	}
}

func (c *conn) Write(p []byte) (int, error) {
	c.writes.Lock()
	defer c.writes.Unlock()
	i := c.r.begin(Event{Side: c.side, Conn: c.name, Op: Send}, p)
	n, err := c.Conn.Write(p)
	c.r.end(i, func(e *Event) { e.sent(n, err) })
	return n, err
}

// sent is what became of a write. One that its own side's close ended stays on record: some of its
// bytes may have gone.
func (e *Event) sent(n int, err error) { e.N, e.Err = n, reason(err) }

func (c *conn) Close() error {
	e := Event{Side: c.side, Conn: c.name, Op: Close}
	if c.abort.Load() {
		e.Text = "connection with a reset"
	}
	return c.r.closing(&c.close, e, c.Conn.Close)
}

// CloseWrite closes the writing half: the peer reads end of file, and may go on sending.
func (c *conn) CloseWrite() error {
	half, ok := c.Conn.(interface{ CloseWrite() error })
	if !ok {
		return errors.ErrUnsupported
	}
	e := Event{Side: c.side, Conn: c.name, Op: CloseWrite}
	return c.r.closing(&c.endOnce, e, half.CloseWrite)
}

// SetNoDelay passes TCP_NODELAY on, and records it.
func (c *conn) SetNoDelay(on bool) error {
	tcp, ok := c.Conn.(interface{ SetNoDelay(bool) error })
	if !ok {
		return errors.ErrUnsupported
	}
	word := "off"
	if on {
		word = "on"
	}
	c.r.moment(Event{Side: c.side, Conn: c.name, Op: State, Text: "sets TCP_NODELAY " + word})
	return tcp.SetNoDelay(on)
}

// SetLinger passes SO_LINGER on; 0 makes the next Close abort the connection, which its event says.
func (c *conn) SetLinger(seconds int) error {
	tcp, ok := c.Conn.(interface{ SetLinger(int) error })
	if !ok {
		return errors.ErrUnsupported
	}
	c.abort.Store(seconds == 0)
	return tcp.SetLinger(seconds)
}

// SyscallConn gives access to the socket, for looking into its queues.
func (c *conn) SyscallConn() (syscall.RawConn, error) { return rawConn(c.Conn) }

func rawConn(v any) (syscall.RawConn, error) {
	s, ok := v.(syscall.Conn)
	if !ok {
		return nil, errors.ErrUnsupported
	}
	return s.SyscallConn()
}
