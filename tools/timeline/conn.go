package timeline

import (
	"errors"
	"net"
	"sync"
	"sync/atomic"
	"syscall"
)

// Listener wraps ln so that side's accepts are recorded, and everything on the accepted connections. Closing the
// wrapper closes ln.
func (r *Recorder) Listener(side string, ln net.Listener) net.Listener {
	i := r.begin(Event{Side: side, Op: Listen, Text: ln.Addr().String()})
	r.end(i, nil)
	return &listener{Listener: ln, r: r, side: side}
}

type listener struct {
	net.Listener
	r     *Recorder
	side  string
	close sync.Once
}

func (l *listener) Accept() (net.Conn, error) {
	conn, err := l.Listener.Accept()
	if errors.Is(err, net.ErrClosed) { // our own Close, recorded there
		return nil, err
	}
	e := Event{Side: l.side, Op: Accept}
	if err != nil {
		e.Op, e.Err = classify(Accept, err)
	} else {
		e.Conn, e.Text = l.r.name(conn.LocalAddr(), conn.RemoteAddr()), conn.RemoteAddr().String()
	}
	l.r.end(l.r.begin(e), nil)
	if err != nil {
		return nil, err
	}
	return l.r.Conn(l.side, conn), nil
}

func (l *listener) Close() error {
	l.close.Do(func() {
		l.r.end(l.r.begin(Event{Side: l.side, Op: Close, Text: "listener"}), nil)
	})
	return l.Listener.Close()
}

// SyscallConn gives access to the listening socket.
func (l *listener) SyscallConn() (syscall.RawConn, error) { return rawConn(l.Listener) }

// Dial calls dial with addr, records it for side, and returns the connection wrapped.
func (r *Recorder) Dial(side, addr string, dial func(addr string) (net.Conn, error)) (net.Conn, error) {
	i := r.begin(Event{Side: side, Op: Dial, Text: addr})
	conn, err := dial(addr)
	if err != nil {
		r.end(i, func(e *Event) { _, e.Err = classify(Dial, err) })
		return nil, err
	}
	name := r.name(conn.LocalAddr(), conn.RemoteAddr())
	r.end(i, func(e *Event) { e.Conn = name })
	return r.Conn(side, conn), nil
}

// Conn wraps one end of a connection. It records reads, writes and closes for side and passes everything on;
// closing the wrapper closes c.
//
// The wrapper offers CloseWrite, SetNoDelay, SetLinger and SyscallConn where c does. It does not offer ReadFrom,
// WriteTo and writev: io.Copy and net.Buffers fall back to plain reads and writes, which carry the same bytes.
func (r *Recorder) Conn(side string, c net.Conn) net.Conn {
	return &conn{Conn: c, r: r, side: side, name: r.name(c.LocalAddr(), c.RemoteAddr())}
}

type conn struct {
	net.Conn
	r          *Recorder
	side, name string
	abort      atomic.Bool // the next Close resets the connection
	close      sync.Once
}

func (c *conn) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	if errors.Is(err, net.ErrClosed) { // our own Close, recorded there
		return n, err
	}
	e := Event{Side: c.side, Conn: c.name, N: n, Data: head(p[:n]), Text: Preview(p[:n])}
	e.Op, e.Err = classify(Recv, err)
	c.r.end(c.r.begin(e), nil)
	return n, err
}

func (c *conn) Write(p []byte) (int, error) {
	i := c.r.begin(Event{Side: c.side, Conn: c.name, Op: Send, Data: head(p), Text: Preview(p)})
	n, err := c.Conn.Write(p)
	c.r.end(i, func(e *Event) {
		e.N = n
		e.Op, e.Err = classify(Send, err)
	})
	return n, err
}

func (c *conn) Close() error {
	c.close.Do(func() {
		e := Event{Side: c.side, Conn: c.name, Op: Close}
		if c.abort.Load() {
			e.Text = "connection with a reset"
		}
		c.r.end(c.r.begin(e), nil)
	})
	return c.Conn.Close()
}

// CloseWrite closes the writing half: the peer reads end of file, and may go on sending.
func (c *conn) CloseWrite() error {
	half, ok := c.Conn.(interface{ CloseWrite() error })
	if !ok {
		return errors.ErrUnsupported
	}
	c.r.end(c.r.begin(Event{Side: c.side, Conn: c.name, Op: CloseWrite}), nil)
	return half.CloseWrite()
}

// SetNoDelay passes TCP_NODELAY on.
func (c *conn) SetNoDelay(on bool) error {
	tcp, ok := c.Conn.(interface{ SetNoDelay(bool) error })
	if !ok {
		return errors.ErrUnsupported
	}
	return tcp.SetNoDelay(on)
}

// SetLinger passes SO_LINGER on; 0 makes the next Close abort the connection.
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
