// Package loopback makes the conditions that socket lessons and suites need, on 127.0.0.1 only:
// connected pairs, waiting until bytes are in a receive queue, abortive closes, and checks that
// nothing was left behind.
package loopback

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"syscall"
	"time"
)

// Patience bounds every wait in this package. It is a watchdog for what should never happen, not a
// delay: a wait ends as soon as its condition holds.
const Patience = time.Minute

// patience is Patience, except in tests.
var patience = Patience

// Listen returns a TCP listener on a free port of 127.0.0.1. The caller closes it.
func Listen() (net.Listener, error) {
	return net.Listen("tcp", "127.0.0.1:0")
}

// Options are socket options set between socket() and bind().
type Options struct {
	ReceiveBuffer int  // bytes, SO_RCVBUF; 0 leaves the system's size
	NoReuse       bool // switch SO_REUSEADDR off, which Go switches on for listeners
}

// ListenOptions listens on the TCP address addr, "127.0.0.1:0" for a free port, with options that
// are set before bind. Accepted connections inherit ReceiveBuffer. Where an option cannot be set
// (Windows) it returns errors.ErrUnsupported. The caller closes the listener.
func ListenOptions(addr string, o Options) (net.Listener, error) {
	lc := net.ListenConfig{Control: control(o)}
	return lc.Listen(context.Background(), "tcp", addr)
}

// DialOptions dials the TCP address addr, with options that are set before connect. Where an option
// cannot be set (Windows) it returns errors.ErrUnsupported. The caller closes the connection.
func DialOptions(addr string, o Options) (net.Conn, error) {
	d := net.Dialer{Control: control(o)}
	return d.Dial("tcp", addr)
}

func control(o Options) func(network, addr string, c syscall.RawConn) error {
	return func(_, _ string, c syscall.RawConn) error {
		var err error
		if cerr := c.Control(func(fd uintptr) { err = setOptions(fd, o) }); cerr != nil {
			return cerr
		}
		return err
	}
}

// TCP returns the two ends of a fresh connection over 127.0.0.1. The caller closes both.
func TCP() (client, server *net.TCPConn, err error) {
	ln, err := Listen()
	if err != nil {
		return nil, nil, err
	}
	defer ln.Close()
	c, s, err := Connect(ln)
	if err != nil {
		return nil, nil, err
	}
	return c.(*net.TCPConn), s.(*net.TCPConn), nil
}

// Connect dials ln, a TCP listener, and accepts that connection. Strangers that were quicker are
// accepted and closed; so nobody else may accept from ln at the same time. The caller closes both
// ends.
func Connect(ln net.Listener) (client, server net.Conn, err error) {
	// The kernel completes the handshake before accept, so dialling first does not block.
	client, err = net.Dial("tcp", ln.Addr().String())
	if err != nil {
		return nil, nil, err
	}
	if server, err = AcceptFrom(ln, client); err != nil {
		client.Close()
		return nil, nil, err
	}
	return client, server, nil
}

// AcceptFrom accepts from ln, which client has dialled, until it has client's other end. Strangers
// are accepted and closed. The caller closes what is returned.
func AcceptFrom(ln net.Listener, client net.Conn) (net.Conn, error) {
	for {
		server, err := ln.Accept()
		if err != nil {
			return nil, err
		}
		if server.RemoteAddr().String() == client.LocalAddr().String() {
			return server, nil
		}
		server.Close()
	}
}

// UDP returns a socket that listens on a free port of 127.0.0.1 and one that is connected to it. The caller
// closes both.
func UDP() (client, server *net.UDPConn, err error) {
	pc, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		return nil, nil, err
	}
	c, err := net.Dial("udp", pc.LocalAddr().String())
	if err != nil {
		pc.Close()
		return nil, nil, err
	}
	return c.(*net.UDPConn), pc.(*net.UDPConn), nil
}

// FreeAddr returns an address of 127.0.0.1 on which nobody listens at this moment. Its port lies below
// those that systems hand out by themselves (32768 and up on Linux, 49152 and up elsewhere), so that no
// listener or client gets it by chance before it is used.
func FreeAddr() (string, error) {
	return free(func(addr string) (net.Addr, error) {
		ln, err := net.Listen("tcp", addr)
		if err != nil {
			return nil, err
		}
		return ln.Addr(), ln.Close()
	})
}

// FreePacketAddr is FreeAddr for UDP: an address to which no socket is bound.
func FreePacketAddr() (string, error) {
	return free(func(addr string) (net.Addr, error) {
		pc, err := net.ListenPacket("udp", addr)
		if err != nil {
			return nil, err
		}
		return pc.LocalAddr(), pc.Close()
	})
}

// free tries ports until one can be bound.
func free(bind func(addr string) (net.Addr, error)) (string, error) {
	var err error
	for range 100 { // some ports are taken
		var addr net.Addr
		if addr, err = bind(fmt.Sprintf("127.0.0.1:%d", 10000+rand.IntN(20000))); err == nil {
			return addr.String(), nil
		}
	}
	return "", err
}

// Abort closes a TCP connection with a RST instead of a FIN (SO_LINGER 0): unsent bytes are thrown
// away and the peer's next read or write fails with ECONNRESET or EPIPE. conn may be wrapped if it
// passes SetLinger on.
func Abort(conn net.Conn) error {
	l, ok := conn.(interface{ SetLinger(seconds int) error })
	if !ok {
		return fmt.Errorf("aborting a %T: %w", conn, errors.ErrUnsupported)
	}
	if err := l.SetLinger(0); err != nil {
		return err
	}
	return conn.Close()
}

// ErrEnded is returned by WaitQueued when the stream ended before n bytes came.
var ErrEnded = errors.New("the stream ended first")

// WaitQueued blocks until at least n bytes lie in conn's receive queue, without taking any out
// (recv with MSG_PEEK; on Windows FIONREAD); for n = 0, any byte. For a datagram socket it waits
// for a next datagram of at least n bytes. It fails with os.ErrDeadlineExceeded after Patience, and
// leaves conn without a read deadline.
func WaitQueued(conn net.Conn, n int) error {
	sc, ok := conn.(syscall.Conn)
	if !ok {
		return fmt.Errorf("looking into the queue of a %T: %w", conn, errors.ErrUnsupported)
	}
	raw, err := sc.SyscallConn()
	if err != nil {
		return err
	}
	if err := conn.SetReadDeadline(time.Now().Add(patience)); err != nil {
		return err
	}
	defer conn.SetReadDeadline(time.Time{})
	if err := waitQueued(raw, n); err != nil {
		return fmt.Errorf("waiting for %d bytes in the receive queue: %w", n, err)
	}
	return nil
}

// Queued returns how many bytes lie in conn's receive queue now, looking at no more than limit; for a
// datagram socket, the size of the next datagram. It does not block and takes nothing out. Where the system
// cannot tell it returns errors.ErrUnsupported.
func Queued(conn net.Conn, limit int) (int, error) {
	sc, ok := conn.(syscall.Conn)
	if !ok {
		return 0, fmt.Errorf("looking into the queue of a %T: %w", conn, errors.ErrUnsupported)
	}
	raw, err := sc.SyscallConn()
	if err != nil {
		return 0, err
	}
	var n int
	var perr error
	if err := raw.Control(func(fd uintptr) { n, perr = peek(fd, limit) }); err != nil {
		return 0, err
	}
	return n, perr
}

// WaitDead blocks until the kernel has given conn up: a RST came or was sent, and every further write will
// fail. It takes nothing out of the queue. On Windows it returns nil when a read would meet the reset, or
// after 50 ms.
func WaitDead(conn net.Conn) error {
	return poll("the connection to be reset", func() (bool, error) { return dead(conn) })
}

// poll asks again and again, in ever longer steps, for what the kernel does not announce.
func poll(what string, done func() (bool, error)) error {
	watchdog := time.NewTimer(patience)
	defer watchdog.Stop()
	for step := 20 * time.Microsecond; ; step = min(2*step, 5*time.Millisecond) {
		ok, err := done()
		if ok || err != nil {
			return err
		}
		select {
		case <-time.After(step):
		case <-watchdog.C:
			return fmt.Errorf("waited %v for %s", patience, what)
		}
	}
}
