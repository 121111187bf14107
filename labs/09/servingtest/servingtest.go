// Package servingtest is the suite of lab 09. The task that it tests is in labs/09/README.md; how a
// suite is made, in the documentation of package check.
package servingtest

import (
	"context"
	"net"
	"testing"

	"socketbook/tools/check"
)

// Lab is what a student hands in: a constructor, because the type is the student's.
type Lab struct {
	New func(handle func(net.Conn)) Server
}

// Server is the methods of a student's server.
type Server struct {
	// Serve also reports whether err is ErrServerClosed. This is asked where the student's code runs:
	// the error is the student's own.
	Serve    func(ln net.Listener) (closed bool, err error)
	Shutdown func(ctx context.Context) error
	Close    func() error
}

// Of returns the methods of s. errServerClosed is its package's.
func Of(s interface {
	Serve(ln net.Listener) error
	Shutdown(ctx context.Context) error
	Close() error
}, errServerClosed error,
) Server {
	return Server{
		Serve: func(ln net.Listener) (bool, error) {
			err := s.Serve(ln)
			return err != nil && check.Is(err, errServerClosed), err
		},
		Shutdown: s.Shutdown,
		Close:    s.Close,
	}
}

// Run grades lab.
func Run(t *testing.T, lab Lab) {
	t.Helper()
	check.Run(t, Suite(lab))
}

// The names of the cases.
const (
	Clients  = "the clients of every listener are served beside each other"
	Handler  = "a handler that returns or panics ends its own client only"
	Accept   = "an error of Accept ends its own Serve only"
	Listener = "Shutdown closes every listener, and Serve returns ErrServerClosed"
	Waits    = "Shutdown waits until every client has been served to its end"
	Context  = "a context that ends makes Shutdown cut the clients that are left"
	Close    = "Close cuts every client at once"
	Nobody   = "nobody is served after Shutdown or Close"
	Again    = "each method may be called again, and while another one waits"
	Alone    = "a server that ends leaves other servers alone"
)

// Suite is the table of cases, applied to lab.
func Suite(lab Lab) check.Lab {
	s := suite{lab}
	return check.Lab{Number: "09", File: "serving.go", Answer: lab, Cases: []check.Case{
		{
			Name:   Clients,
			Points: 1,
			Run:    s.clients,
			Lesson: "08",
			Scene:  "second-waits",
			Rule: "Serve calls Handle once for each client, with the connection that Accept returned, and " +
				"at once, whatever other clients do. It may be called for several listeners, also at the " +
				"same time. The server itself neither reads from a connection nor writes to it.",
			Hint: "Start a goroutine for each client that Accept returns, and go back to Accept.",
		},
		{
			Name:   Handler,
			Points: 1,
			Run:    s.handler,
			Scene:  "panicking-handler",
			Needs:  []string{Clients},
			Rule: "When Handle has returned or panicked, the server closes the connection, at once and " +
				"not before, and goes on serving all others.",
			Hint: "In the goroutine of the client, defer the Close and a function that calls recover.",
		},
		{
			Name:   Accept,
			Points: 1,
			Run:    s.accept,
			Scene:  "open-listener",
			Needs:  []string{Clients},
			Rule: "When Accept fails and neither Shutdown nor Close was called, Serve closes its listener " +
				"and returns the error, which is not ErrServerClosed, even if somebody has closed the " +
				"listener. The clients that are there, and other listeners, go on.",
			Hint: "Keep a field that Shutdown and Close set, and look at it, not at the error, to know " +
				"whether the server has ended. defer ln.Close().",
		},
		{
			Name:   Listener,
			Points: 1,
			Run:    s.listener,
			Scene:  "graceful",
			Needs:  []string{Clients},
			Rule: "Shutdown closes the listener of every Serve, at once. Every Serve returns " +
				"ErrServerClosed then, whatever error Accept returns, and does not wait for its clients; " +
				"Shutdown does. Code that looks again and again sleeps for at most 20 ms in between.",
			Hint: "Keep the listeners in a field. Close them before you wait for anything.",
		},
		{
			Name:   Waits,
			Points: 1,
			Run:    s.waits,
			Also:   []func(*check.C){s.slowClose},
			Scene:  "graceful",
			Needs:  []string{Clients, Handler, Listener},
			Rule: "Shutdown returns nil when every Handle has returned, or panicked, and its connection is " +
				"closed: not before, however long that takes, and not later. Until then it leaves their " +
				"connections alone. Code that looks again and again sleeps for at most 20 ms in between.",
			Hint: "Count each client before its goroutine is started, and count it out after its Close. A " +
				"sync.WaitGroup does both; wait for it outside of any lock that a client needs.",
		},
		{
			Name:   Context,
			Points: 1,
			Run:    s.context,
			Scene:  "graceful",
			Needs:  []string{Waits},
			Rule: "When ctx ends before the last client has gone, Shutdown closes the connections that are " +
				"left, and returns the error of ctx. It does not wait for their handlers.",
			Hint: "Let a goroutine wait for the clients and close a channel; select between that and " +
				"ctx.Done(). Keep the connections in a map, so that they can be closed.",
		},
		{
			Name:   Close,
			Points: 1,
			Run:    s.close,
			Scene:  "cut-off",
			Needs:  []string{Clients},
			Rule: "Close closes all listeners and all connections, and does nothing else to them. It does " +
				"not wait for the handlers, and returns nil. A handler may call it, too.",
			Hint: "Go through the listeners and the connections, and close each. Do not ask who is just " +
				"reading or writing: closing the connection wakes them.",
		},
		{
			Name:   Nobody,
			Points: 1,
			Run:    s.nobody,
			Scene:  "graceful",
			Needs:  []string{Listener, Close},
			Rule: "Once Shutdown or Close was called, no Handle is called any more. A client that Accept " +
				"returns all the same is closed. A later Serve closes its listener and returns " +
				"ErrServerClosed, without a call of Accept.",
			Hint: "Set the field that says so under the lock under which clients are counted, and look at it " +
				"there.",
		},
		{
			Name:   Again,
			Points: 1,
			Run:    s.again,
			Needs:  []string{Waits, Context, Close, Nobody},
			Rule: "All methods may be called at any time and any number of times. A second Shutdown waits " +
				"as well. Close does not wait for a Shutdown that waits: it ends what that waits for. It returns " +
				"nil, whatever closing something has returned.",
			Hint: "Never wait for clients with a lock held. A channel can be closed only once: use sync.Once, " +
				"or look first.",
		},
		{
			Name:   Alone,
			Points: 1,
			Run:    s.alone,
			Needs:  []string{Waits, Close},
			Rule:   "What a server knows is its own: another server has other clients, and another end.",
			Hint:   "Everything belongs into fields of Server; a variable of the package is shared by all.",
		},
	}}
}

type suite struct{ lab Lab }
