// Package reconnecttest is the suite of lab 03. The task that it tests is in labs/03/README.md; how
// a suite is made, in the documentation of package check.
package reconnecttest

import (
	"net"
	"testing"

	"socketbook/tools/check"
)

// Lab is what a student hands in.
type Lab struct {
	Serve func(ln net.Listener, handle func(net.Conn) error) error
}

// Run grades lab.
func Run(t *testing.T, lab Lab) {
	t.Helper()
	check.Run(t, Suite(lab))
}

// The names of the cases.
const (
	Clients   = "every client gets its answers"
	Closed    = "a connection is closed as soon as its handler has returned"
	Error     = "a handler that returns an error ends its own client only"
	Panic     = "a handler that panics ends its own client only"
	BreakOff  = "a client that breaks off ends alone"
	Listener  = "a closed listener ends Serve without an error"
	Finish    = "a client that is being served when the listener closes is served to its end"
	Temporary = "a temporary accept error is survived"
	Pause     = "temporary accept errors do not make Serve spin"
	Permanent = "any other accept error is returned"
)

// Suite is the table of cases, applied to lab.
func Suite(lab Lab) check.Lab {
	s := suite{lab}
	return check.Lab{Number: "03", File: "reconnect.go", Answer: lab, Cases: []check.Case{
		{
			Name:   Clients,
			Points: 1,
			Run:    s.clients,
			Scene:  "next-client",
			Rule: "Serve accepts one client after the other, calls handle once for each, and " +
				"hands over the connection as Accept returned it. handle alone reads, writes, and " +
				"decides when the conversation is over.",
			Hint: "Put Accept and the call of handle into a loop, and close the connection only " +
				"when handle has returned.",
		},
		{
			Name:   Closed,
			Points: 1,
			Run:    s.closed,
			Scene:  "never-closed",
			Needs:  []string{Clients},
			Rule: "When handle has returned, with an error or without, Serve closes the " +
				"connection at once, all of it, whether handle has closed it already or not.",
			Hint: "Call handle in a separate small function, with defer conn.Close() in it: a " +
				"defer in the body of the loop runs only when Serve returns. What Close returns " +
				"does not matter.",
		},
		{
			Name:   Error,
			Points: 1,
			Run:    s.handlerError,
			Scene:  "after-reset",
			Needs:  []string{Clients},
			Rule: "An error of handle concerns one client. It is never the end of Serve, not " +
				"even io.EOF or net.ErrClosed, and handle is not called again for the same client. " +
				"Nor does it keep Serve from returning when the listener is closed.",
			Hint: "Log the error of handle, or ignore it, and go on with the next Accept; look " +
				"for net.ErrClosed only in what Accept returns.",
		},
		{
			Name:   Panic,
			Points: 1,
			Run:    s.handlerPanic,
			Scene:  "next-client",
			Needs:  []string{Clients},
			Rule: "A panic in handle costs its own client the connection, which is closed, and " +
				"nobody else anything. Nor does it keep Serve from returning when the listener is " +
				"closed.",
			Hint: "recover works in a deferred function, in the same goroutine, below the loop: " +
				"wrap each single call of handle. Defer the Close too, and whatever else must " +
				"happen after every client, such as the Done of a sync.WaitGroup.",
		},
		{
			Name:   BreakOff,
			Points: 1,
			Run:    s.breakOff,
			Scene:  "after-unread",
			Needs:  []string{Clients},
			Rule: "A client may vanish at any moment: before it is accepted, in the middle of a " +
				"line, without having read its answer. The next one is served as if nothing had " +
				"happened, and Serve still returns when the listener is closed.",
			Hint: "Whatever a call on the connection of one client returns, go on with the next Accept.",
		},
		{
			Name:   Listener,
			Points: 1,
			Run:    s.listenerClosed,
			Needs:  []string{Clients},
			Rule:   "A closed listener is the order to stop: Serve returns nil, and calls Accept no more.",
			Hint: "Look at the error of Accept with errors.Is(err, net.ErrClosed); comparing " +
				"with == misses it, because it comes wrapped.",
		},
		{
			Name:   Finish,
			Points: 1,
			Run:    s.finish,
			Also:   []func(*check.C){s.longTalks},
			Scene:  "second-waits",
			Needs:  []string{Clients, Listener},
			Rule: "The end of the listener cuts no conversation, whether it was closed or Accept " +
				"failed for good: Serve returns when every handle that it has called has returned, " +
				"and its connection is closed.",
			Hint: "If each client has its own goroutine, count them with a sync.WaitGroup, " +
				"Done coming after Close (deferred calls run last in first out), and wait before " +
				"every return. Leave connections alone that are still in use.",
		},
		{
			Name:   Temporary,
			Points: 1,
			Run:    s.temporary,
			Needs:  []string{Clients},
			Rule: "Some errors of Accept pass: those whose net.Error says Temporary() (among " +
				"them syscall.EMFILE, too many open files), and syscall.ECONNABORTED, a client " +
				"that gave up while it waited. They may be wrapped. Serve goes on after them.",
			Hint: "Take the net.Error out with errors.As, and ask errors.Is for the error " +
				"numbers. Retry by going through the whole loop again, so that the next error is " +
				"looked at afresh.",
		},
		{
			Name:   Pause,
			Points: 1,
			Run:    s.pause,
			Also:   []func(*check.C){s.manyPauses, s.rowOfItsOwn},
			Needs:  []string{Error, Temporary},
			Rule: "Too many open files stay too many for a while. After a temporary error Serve " +
				"waits at least 1 ms, and at most 100 ms, before it calls Accept again; from the " +
				"fifth error in a row on, up to 1 s. A client that is accepted ends the row. How " +
				"many errors there have been is no reason to return.",
			Hint: "time.Sleep(5 * time.Millisecond) before the next Accept will do; net/http " +
				"doubles it with every error in a row, and begins with 5 ms again when Accept has " +
				"returned a client.",
		},
		{
			Name:   Permanent,
			Points: 1,
			Run:    s.permanent,
			Needs:  []string{Clients},
			Rule: "An error of Accept that is neither temporary nor net.ErrClosed is the end of " +
				"Serve, which returns it, and calls Accept no more.",
			Hint: "Only errors that you recognise as temporary go back to Accept; return every " +
				"other one, as it is or wrapped with %w. A net.Error is not temporary by being one.",
		},
	}}
}

type suite struct{ lab Lab }
