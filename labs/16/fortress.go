// Package fortress is lab 16: a server that holds out against its clients. The task is in README.md.
package fortress

import (
	"context"
	"net"
	"time"
)

// Limits are what clients may cost. Each is 1 or more.
type Limits struct {
	MaxClients int           // connected at the same time
	MaxHeader  int           // bytes of a request's header
	MaxCommand int           // bytes of a request's payload
	MaxOutput  int           // bytes of an output that are sent
	Request    time.Duration // for a request to come, all of it
	Run        time.Duration // for a call of run
	Answer     time.Duration // for a client to take an answer
}

// Serve answers the requests of its clients with what run returns, within limits. It returns nil when ln
// is closed, and then all connections are closed, too.
func Serve(ln net.Listener, limits Limits,
	run func(ctx context.Context, command []string) ([]byte, error),
) error {
	panic("not started")
}
