package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"slices"
	"sync"
	"time"
)

const maxRead = 1024 // bytes; the most that one read takes, not what it waits for

// listen asks the system for the address and lets clients queue up for it.
func listen(addr string) (net.Listener, error) {
	return net.Listen("tcp", addr)
}

// ErrServerClosed is what Serve returns after Shutdown or Close.
var ErrServerClosed = errors.New("the server was closed")

// errTooMany is what a client is told that the server has no room for.
var errTooMany = errors.New("too many clients; come back later")

// A Handler has the server's half of a conversation with one client. When Handle returns, the server
// closes conn; that Handle has closed it already does no harm. An error or a panic of Handle is one
// line in the log (net.ErrClosed is none after Shutdown or Close), and all other clients are served on.
type Handler interface {
	Handle(conn net.Conn) error
}

// HandlerFunc is a function that serves as a Handler.
type HandlerFunc func(conn net.Conn) error

// Handle calls f.
func (f HandlerFunc) Handle(conn net.Conn) error { return f(conn) }

// A Server lets its Handler have each client, in a goroutine of its own. The exported fields are set
// before Serve is called. The methods may be called from any goroutine. A server that was shut down or
// closed does not serve again.
type Server struct {
	Handler    Handler // not nil
	MaxClients int     // at the same time; the next one is told so, in a line. 0: no limit

	mu        sync.Mutex
	ended     bool // by Shutdown or Close
	listeners []net.Listener
	clients   map[net.Conn]bool
	handlers  sync.WaitGroup
}

// What Serve waits before it accepts again when accept has failed: twice as long each time.
const (
	firstPause   = 5 * time.Millisecond
	longestPause = time.Second
)

// Serve accepts clients on ln until Shutdown or Close is called; then it returns ErrServerClosed, at
// once or after the pause that it is in. It is called once for each listener. An accept that fails for
// the moment, because no descriptor is left, say, is tried again; any other failure is returned, and
// the clients that are there keep their handlers. In every case Serve closes ln.
func (s *Server) Serve(ln net.Listener) error {
	defer ln.Close()
	if !s.opened(ln) {
		return ErrServerClosed
	}
	pause := time.Duration(0)
	for {
		conn, err := ln.Accept()
		switch {
		case err == nil:
			pause = 0
			s.start(conn)
		case s.hasEnded():
			return ErrServerClosed
		case temporary(err):
			pause = min(max(2*pause, firstPause), longestPause)
			log.Printf("accepting a client: %v; trying again in %v", err, pause)
			time.Sleep(pause)
		default:
			return fmt.Errorf("accepting a client: %w", err)
		}
	}
}

// Shutdown ends the server politely: it closes the listeners, waits until every client has been served
// to the end, and returns nil. If ctx ends before, it cuts off the clients that are still there, does
// not wait for their handlers, and returns ctx's error. Called again, it waits again.
func (s *Server) Shutdown(ctx context.Context) error {
	s.end()
	served := make(chan struct{})
	go func() {
		s.handlers.Wait()
		close(served)
	}()
	select {
	case <-served:
		return nil
	case <-ctx.Done():
		if s.cutOff() == 0 { // the last one has just left
			return nil
		}
		return ctx.Err()
	}
}

// Close ends the server at once: it closes the listeners and all connections, and does not wait for
// the handlers, which meet net.ErrClosed. It always returns nil.
func (s *Server) Close() error {
	s.end()
	s.cutOff()
	return nil
}

// start lets the handler have conn, or closes it with the reason why not.
func (s *Server) start(conn net.Conn) {
	if err := s.admit(conn); err != nil {
		fmt.Fprintln(conn, err) // one line always fits into a new connection's send buffer
		conn.Close()
		return
	}
	go func() {
		defer s.leave(conn)
		err := s.handle(conn)
		if errors.Is(err, net.ErrClosed) && s.hasEnded() { // we cut it off
			return
		}
		if err != nil { // there is nobody to return it to
			log.Printf("client %s: %v", conn.RemoteAddr(), err)
		}
	}()
}

// handle calls the handler, and makes an error of a panic.
func (s *Server) handle(conn net.Conn) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("the handler panicked: %v", p)
		}
	}()
	return s.Handler.Handle(conn)
}

// admit counts a client in, if there is room for it.
func (s *Server) admit(conn net.Conn) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ended {
		return ErrServerClosed
	}
	if s.MaxClients > 0 && len(s.clients) >= s.MaxClients {
		return errTooMany
	}
	if s.clients == nil {
		s.clients = map[net.Conn]bool{}
	}
	s.clients[conn] = true
	s.handlers.Add(1) // never after end, so that Wait has seen all
	return nil
}

// leave counts a client out, and closes its connection.
func (s *Server) leave(conn net.Conn) {
	s.mu.Lock()
	delete(s.clients, conn)
	s.mu.Unlock()
	conn.Close()
	s.handlers.Done()
}

// opened notes a listener, so that end can close it, and reports whether the server is still to serve.
func (s *Server) opened(ln net.Listener) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.listeners = append(s.listeners, ln)
	return !s.ended
}

// end closes the listeners. From now on nobody is admitted.
func (s *Server) end() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.ended = true
	for _, ln := range s.listeners {
		ln.Close()
	}
}

func (s *Server) hasEnded() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.ended
}

// cutOff closes the connections, and returns how many there were.
func (s *Server) cutOff() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	for conn := range s.clients {
		conn.Close()
	}
	return len(s.clients)
}

// temporary reports whether accept may succeed in a moment, after an error of this kind.
func temporary(err error) bool {
	return slices.ContainsFunc(errsTemporary, func(e error) bool { return errors.Is(err, e) })
}

// answer sends each message back in upper case until the client leaves, and closes conn.
func answer(conn net.Conn) error {
	defer conn.Close()
	buf := make([]byte, maxRead)
	for {
		n, err := conn.Read(buf)
		if n > 0 { // a read may return bytes and an error at once: the bytes come first
			_, werr := conn.Write(upper(buf[:n]))
			if peerGone(werr) {
				return nil
			}
			if werr != nil {
				return fmt.Errorf("writing an answer: %w", werr)
			}
		}
		if peerGone(err) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("reading a message: %w", err)
		}
	}
}

// upper returns b with the letters a to z in upper case and every other byte as it is.
func upper(b []byte) []byte {
	up := make([]byte, len(b))
	for i, c := range b {
		if 'a' <= c && c <= 'z' {
			c -= 'a' - 'A'
		}
		up[i] = c
	}
	return up
}

// peerGone reports whether err means that the peer has gone. A peer says so in three ways: end of file
// (it closed), a reset (it aborted, or left bytes unread), a broken pipe (we wrote after its reset had come).
func peerGone(err error) bool {
	return errors.Is(err, io.EOF) || errors.Is(err, errReset) || errors.Is(err, errBrokenPipe)
}

const farewell = "886" // bye-bye in a Chinese chat: 八八六 sounds like 拜拜了

// greet returns another answer: it sends word when the client comes and again after each message, until
// a message is the farewell or the client leaves, and closes conn.
func greet(word string) func(conn net.Conn) error {
	return func(conn net.Conn) error {
		defer conn.Close()
		buf := make([]byte, maxRead)
		for {
			_, err := conn.Write([]byte(word))
			if peerGone(err) {
				return nil
			}
			if err != nil {
				return fmt.Errorf("writing a greeting: %w", err)
			}
			n, err := conn.Read(buf)
			if peerGone(err) || string(buf[:n]) == farewell {
				return nil
			}
			if err != nil {
				return fmt.Errorf("reading a message: %w", err)
			}
		}
	}
}
