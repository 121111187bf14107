// Package serving is the reference answer to lab 09: a server type that ends in every way there is.
package serving

import (
	"context"
	"errors"
	"fmt"
	"log"
	"net"
	"sync"
)

// ErrServerClosed is what Serve returns after Shutdown or Close.
var ErrServerClosed = errors.New("the server was closed")

// Server lets Handle have each client, in a goroutine of its own. Handle is set before Serve is called
// and not changed. All methods may be called from any goroutine, at any time, any number of times.
type Server struct {
	Handle func(conn net.Conn)

	mu        sync.Mutex
	ended     bool // by Shutdown or Close
	listeners []net.Listener
	clients   map[net.Conn]bool
	handlers  sync.WaitGroup
}

// Serve accepts clients on ln until Shutdown or Close is called; then it returns ErrServerClosed. It is
// called once for each listener, and closes it. Another error of Accept is returned. The clients that
// are there keep their handlers in any case.
func (s *Server) Serve(ln net.Listener) error {
	defer ln.Close()
	if !s.opened(ln) {
		return ErrServerClosed
	}
	for {
		conn, err := ln.Accept()
		switch {
		case err == nil && s.admit(conn):
			go s.serve(conn)
		case err == nil:
			conn.Close()
		case s.hasEnded():
			return ErrServerClosed
		default:
			return fmt.Errorf("accepting a client: %w", err)
		}
	}
}

// Shutdown closes the listeners and waits until every client has been served to its end. If ctx ends
// before, it cuts off the clients that are left, and returns the error of ctx.
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
		s.cutOff()
		return ctx.Err()
	}
}

// Close closes the listeners and cuts off all clients. It does not wait for their handlers.
func (s *Server) Close() error {
	s.end()
	s.cutOff()
	return nil
}

// serve calls Handle, and counts the client out.
func (s *Server) serve(conn net.Conn) {
	defer s.leave(conn)
	defer func() {
		if p := recover(); p != nil {
			log.Printf("client %s: the handler panicked: %v", conn.RemoteAddr(), p)
		}
	}()
	s.Handle(conn)
}

// admit counts a client in, unless the server has ended.
func (s *Server) admit(conn net.Conn) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ended {
		return false
	}
	if s.clients == nil {
		s.clients = map[net.Conn]bool{}
	}
	s.clients[conn] = true
	s.handlers.Add(1) // never after end, so that Wait has seen all
	return true
}

// leave closes the connection of a client, and counts it out.
func (s *Server) leave(conn net.Conn) {
	conn.Close()
	s.mu.Lock()
	delete(s.clients, conn)
	s.mu.Unlock()
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

func (s *Server) cutOff() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for conn := range s.clients {
		conn.Close()
	}
}
