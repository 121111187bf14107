// Package scenario holds one scenario for each bug of the course. The stage that has the bug and
// the stage that fixes it run the same scenario, each with its own code; what comes out differs,
// and both are asserted.
//
// A scenario is a function that returns a [Play]: the scene that shows it plays it, and so do the
// tests.
package scenario

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"sync"
	"time"

	"socketbook/tools/loopback"
	"socketbook/tools/timeline"
)

// Hang is how long a scene watches somebody wait for what never comes. It begins only when that is
// certain: no time would be enough, and the scene only has to end.
const Hang = 50 * time.Millisecond

// Programs are the two sides of a lesson, as its server.go and client.go have them.
type Programs struct {
	Serve func(ln net.Listener) error
	Dial  func(addr string) (net.Conn, error)
	Talk  TalkFunc
}

// Server is a serve function at work on a recorded listener.
type Server struct {
	Addr string

	ln       io.Closer // a listener, or for datagrams a socket
	mu       sync.Mutex
	changed  *sync.Cond
	accepts  int  // calls of Accept that have begun
	waiting  bool // in Accept
	reads    int  // calls of Read on accepted connections that have begun
	deadline bool // serve has set one, on an accepted connection
	returned bool
	err      error
	kept     []net.Conn // accepted connections, not recorded: closed by Stop if serve forgot to
}

// Start lets serve work on a listener of its own, in the background. As a lesson's main function
// does, it closes the listener when serve returns. The caller calls Stop.
func Start(rec *timeline.Recorder, serve func(net.Listener) error) (*Server, error) {
	ln, err := loopback.Listen()
	if err != nil {
		return nil, err
	}
	return StartOn(rec, ln, serve), nil
}

// StartOn is Start with a listener that the caller made.
func StartOn(rec *timeline.Recorder, ln net.Listener, serve func(net.Listener) error) *Server {
	s := &Server{Addr: ln.Addr().String()}
	recorded := rec.Listener("server", &keepingListener{ln, s})
	s.ln = recorded
	s.changed = sync.NewCond(&s.mu)
	go func() {
		err := serve(&watchedListener{recorded, s})
		s.ln.Close()
		s.update(func() { s.returned, s.err = true, err })
	}()
	return s
}

// Stop waits until serve waits for a client, closes the listener, waits until serve has returned,
// and returns its error. The clients must have left.
func (s *Server) Stop() error {
	s.wait(func() bool { return s.returned || s.waiting })
	s.ln.Close()
	s.wait(func() bool { return s.returned })
	for _, conn := range s.kept {
		conn.Close()
	}
	return s.err
}

// Idle waits until serve has nothing to do: it waits for its n-th client, or has returned.
func (s *Server) Idle(n int) {
	s.wait(func() bool { return s.returned || s.accepts >= n })
}

// Listening waits until serve has begun its n-th read, or has returned.
func (s *Server) Listening(n int) {
	s.wait(func() bool { return s.returned || s.reads >= n })
}

// Returned waits until serve has returned, and hands its error back.
func (s *Server) Returned() error {
	s.wait(func() bool { return s.returned })
	return s.err
}

// Over reports whether serve has returned.
func (s *Server) Over() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.returned
}

// wait ends when cond holds, or, because somebody changed a lesson and it hangs now, after
// loopback.Patience.
func (s *Server) wait(cond func() bool) {
	expired := false
	watchdog := time.AfterFunc(loopback.Patience, func() { s.update(func() { expired = true }) })
	defer watchdog.Stop()
	s.mu.Lock()
	defer s.mu.Unlock()
	for !cond() && !expired {
		s.changed.Wait()
	}
}

// limited reports whether serve has set a deadline for a read.
func (s *Server) limited() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.deadline
}

func (s *Server) update(change func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	change()
	s.changed.Broadcast()
}

// watchedListener and watchedConn tell when a call begins, which no recording of what it returned
// can.
type watchedListener struct {
	net.Listener
	s *Server
}

func (l *watchedListener) Accept() (net.Conn, error) {
	l.s.update(func() { l.s.accepts, l.s.waiting = l.s.accepts+1, true })
	conn, err := l.Listener.Accept()
	l.s.update(func() { l.s.waiting = false })
	if err != nil {
		return nil, err
	}
	return &watchedConn{conn, l.s}, nil
}

// keepingListener remembers what it accepted, so that a server that closes nothing leaves nothing
// behind.
type keepingListener struct {
	net.Listener
	s *Server
}

func (l *keepingListener) Accept() (net.Conn, error) {
	conn, err := l.Listener.Accept()
	if err == nil {
		conn.SetDeadline(time.Now().Add(loopback.Patience)) // as in Pair
		l.s.update(func() { l.s.kept = append(l.s.kept, conn) })
	}
	return conn, err
}

type watchedConn struct {
	net.Conn
	s *Server
}

func (c *watchedConn) SetReadDeadline(at time.Time) error {
	c.s.update(func() { c.s.deadline = true })
	return c.Conn.SetReadDeadline(at)
}

func (c *watchedConn) Read(p []byte) (int, error) {
	c.s.update(func() { c.s.reads++ })
	return c.Conn.Read(p)
}

// Pair returns the two recorded ends of a fresh connection. The caller closes both. A read or write
// that would block for longer than loopback.Patience fails: no scene comes near it.
func Pair(rec *timeline.Recorder) (client, server net.Conn, err error) {
	ln, err := loopback.Listen()
	if err != nil {
		return nil, nil, err
	}
	defer ln.Close()
	client, err = rec.Dial("client", ln.Addr().String(), func(addr string) (net.Conn, error) {
		return net.Dial("tcp", addr)
	})
	if err != nil {
		return nil, nil, err
	}
	server, err = rec.Accept("server", func() (net.Conn, error) { return loopback.AcceptFrom(ln, client) })
	if err != nil {
		client.Close()
		return nil, nil, err
	}
	watchdog := time.Now().Add(loopback.Patience)
	return client, server, errors.Join(client.SetDeadline(watchdog), server.SetDeadline(watchdog))
}

// Late waits until n bytes are in the receive queue of conn and records that. It makes a late
// reader of whoever reads next.
func Late(rec *timeline.Recorder, conn net.Conn, n int) error {
	if err := loopback.WaitQueued(conn, n); err != nil {
		return err
	}
	rec.State(n, "%d bytes are in the receive queue, and nobody has read yet", n)
	return nil
}

// Talk runs a client's talk function on lines, one message each, and records what it prints. It
// returns the printed lines.
func Talk(
	rec *timeline.Recorder, side string, talk TalkFunc, conn net.Conn, lines ...string,
) ([]string, error) {
	out := &printed{rec: rec, side: side}
	err := talk(conn, strings.NewReader(strings.Join(lines, "\n")+"\n"), out)
	return out.lines(), err
}

// printed records what a program prints, line by line.
type printed struct {
	rec  *timeline.Recorder
	side string
	all  bytes.Buffer
	line bytes.Buffer
}

func (p *printed) Write(b []byte) (int, error) {
	p.all.Write(b)
	for _, c := range b {
		if c != '\n' {
			p.line.WriteByte(c)
			continue
		}
		p.rec.Note(p.side, append([]byte{}, p.line.Bytes()...), "prints") // an empty line too is something
		p.line.Reset()
	}
	return len(b), nil
}

func (p *printed) lines() []string {
	text := strings.TrimSuffix(p.all.String(), "\n")
	if text == "" {
		return nil
	}
	return strings.Split(text, "\n")
}

// exchange sends a message and reads one answer with one read, as the clients of the first lessons
// do.
func exchange(conn net.Conn, message string) (string, error) {
	if _, err := conn.Write([]byte(message)); err != nil {
		return "", err
	}
	buf := make([]byte, 1024)
	n, err := conn.Read(buf)
	return string(buf[:n]), err
}

// both runs two functions at the same time and waits for both.
func both(a, b func() error) (aErr, bErr error) {
	done := make(chan error, 1)
	go func() { done <- a() }()
	bErr = b()
	return <-done, bErr
}

// reason is a network error without the addresses, which differ from run to run.
func reason(err error) string {
	var op *net.OpError
	if errors.As(err, &op) {
		err = op.Err
	}
	var sys *os.SyscallError
	if errors.As(err, &sys) {
		return sys.Err.Error()
	}
	return err.Error()
}

// wait waits until the events fulfil a condition; a watchdog says what did not happen.
func wait(rec *timeline.Recorder, what string, cond func([]timeline.Event) bool) error {
	ctx, cancel := context.WithTimeoutCause(context.Background(), loopback.Patience,
		fmt.Errorf("%v passed", loopback.Patience))
	defer cancel()
	return rec.Wait(ctx, what, cond)
}
