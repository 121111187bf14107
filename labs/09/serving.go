// Package serving is lab 09: a server type that ends in every way there is. The task is in README.md.
package serving

import (
	"context"
	"errors"
	"net"
)

// ErrServerClosed is what Serve returns after Shutdown or Close.
var ErrServerClosed = errors.New("the server was closed")

// Server lets Handle have each client, in a goroutine of its own. Handle is set before Serve is called
// and not changed. All methods may be called from any goroutine, at any time, any number of times.
type Server struct {
	Handle func(conn net.Conn)
	// whatever you need
}

// Serve accepts clients on ln until Shutdown or Close is called; then it returns ErrServerClosed. It is
// called once for each listener, and closes it.
func (s *Server) Serve(ln net.Listener) error {
	panic("not started")
}

// Shutdown closes the listeners and waits until every client has been served to its end. If ctx ends
// before, it cuts off the clients that are left, and returns the error of ctx.
func (s *Server) Shutdown(ctx context.Context) error {
	panic("not started")
}

// Close closes the listeners and cuts off all clients.
func (s *Server) Close() error {
	panic("not started")
}
