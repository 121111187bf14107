// Package crowdtest is the suite of lab 08. The task that it tests is in labs/08/README.md; how a
// suite is made, in the documentation of package check.
package crowdtest

import (
	"net"
	"testing"

	"socketbook/tools/check"
)

// Lab is what a student hands in.
type Lab struct {
	Serve func(ln net.Listener, limit int, handle func(net.Conn)) error
	Relay func(a, b net.Conn) error
}

// Run grades lab.
func Run(t *testing.T, lab Lab) {
	t.Helper()
	check.Run(t, Suite(lab))
}

// The names of the cases.
const (
	Crowd  = "every client is served at once, whatever the others do"
	Limit  = "at most limit clients are served at a time, and the others wait"
	Closed = "a connection is closed as soon as its handler has returned"
	Panic  = "a handler that panics ends its own client only"
	End    = "Serve returns when Accept has failed and the last client has gone"
	Both   = "bytes pass both ways at the same time"
	Half   = "the end of one way is passed on, and the other way goes on"
	Over   = "when both ways have ended Relay closes both connections and returns nil"
	Broken = "a connection that breaks ends the other one, and Relay returns the error"
	Slow   = "a side that does not read holds up its own way only"
)

// Suite is the table of cases, applied to lab.
func Suite(lab Lab) check.Lab {
	s := suite{lab}
	return check.Lab{Number: "08", File: "crowd.go", Answer: lab, Cases: []check.Case{
		{
			Name:   Crowd,
			Points: 1,
			Run:    s.crowd,
			Scene:  "second-waits",
			Rule: "Serve calls handle once for each client, with the connection that Accept " +
				"returned, and at once: a client that is being served, or says nothing, holds up nobody. " +
				"With the largest limit, math.MaxInt, there is a place for each, whatever limit other calls of " +
				"Serve have, and nothing is made for those who have not come. Serve itself neither reads from " +
				"a connection nor writes to it.",
			Hint: "Start a goroutine for each client that Accept returns, and go back to Accept.",
		},
		{
			Name:   Limit,
			Points: 1,
			Run:    s.limit,
			Scene:  "crowd",
			Needs:  []string{Crowd},
			Rule: "As many as limit clients are served at the same time, and never more. The others " +
				"wait: they are not closed, and are sent nothing. Whenever a handle has returned, however " +
				"its client has ended, one of them is served: code that looks again and again for a place sleeps " +
				"for at most 20 ms in between. Each call of Serve has its own limit.",
			Hint: "A channel made with make(chan struct{}, limit) holds the places: send to it before " +
				"handle is called, and receive from it, in a deferred function, when handle is over.",
		},
		{
			Name:   Closed,
			Points: 1,
			Run:    s.closed,
			Lesson: "03",
			Scene:  "never-closed",
			Needs:  []string{Crowd},
			Rule: "When handle has returned, Serve closes the connection at once, all of it, and does " +
				"nothing else with it, whether handle has closed it already or not.",
			Hint: "In the goroutine of the client, defer conn.Close() before handle is called. What " +
				"Close returns does not matter.",
		},
		{
			Name:   Panic,
			Points: 1,
			Run:    s.panics,
			Needs:  []string{Crowd, Closed},
			Rule: "A panic in handle costs its own client the connection, which is closed, and " +
				"nobody else anything: the place is free again, and Serve goes on and ends as usual.",
			Hint: "recover works only in a deferred function, in the goroutine that panics. Defer the " +
				"Close too, and whatever else must happen after each client.",
		},
		{
			Name:   End,
			Points: 1,
			Run:    s.end,
			Also:   []func(*check.C){func(c *check.C) { s.waits(c, 9, true, nil) }},
			Needs:  []string{Crowd, Closed},
			Rule: "When Accept fails, Serve waits until every client that Accept has returned has been " +
				"served to its end, and its connection is closed. Then it returns nil if the listener " +
				"was closed, and the error of Accept otherwise. Each call of Serve has its own clients.",
			Hint: "Count the clients with a sync.WaitGroup, before the goroutine is started (its method " +
				"Go does), with Done coming after Close, and wait before every return. Look for " +
				"net.ErrClosed with errors.Is.",
		},
		{
			Name:   Both,
			Points: 1,
			Run:    s.bothWays,
			Also:   []func(*check.C){s.silent},
			Scene:  "relay",
			Rule: "Relay passes on every byte, unchanged and in order, in both directions at the same " +
				"time, and at once: nothing that it has read waits for more to come. Either side may " +
				"speak first, or say nothing for long.",
			Hint: "One goroutine for each direction, each with a buffer of its own: io.Copy(b, a) in " +
				"one and io.Copy(a, b) in the other.",
		},
		{
			Name:   Half,
			Points: 1,
			Run:    s.half,
			Also:   []func(*check.C){s.slowAnswer},
			Scene:  "relay",
			Needs:  []string{Both},
			Rule: "When one side has ended its stream, Relay ends the stream to the other side, after " +
				"all that came before, with CloseWrite. The other direction goes on, for as long as it takes.",
			Hint: "When io.Copy(b, a) has returned nil, close the writing half of b and nothing else: " +
				"b.(interface{ CloseWrite() error }).CloseWrite(). Not every connection is a *net.TCPConn.",
		},
		{
			Name:   Over,
			Points: 1,
			Run:    s.over,
			Scene:  "relay",
			Needs:  []string{Both, Half},
			Rule: "When both streams have ended and all bytes are passed on, Relay closes both " +
				"connections and returns nil. The end of a stream is not an error.",
			Hint: "Wait for both goroutines, close a and b with Close, and only then return; io.EOF is not " +
				"an error here.",
		},
		{
			Name:   Broken,
			Points: 1,
			Run:    s.broken,
			Scene:  "relay",
			Needs:  []string{Both, Half},
			Rule: "When a Read or a Write fails, nothing more can pass in that direction. Relay ends the " +
				"other direction as well: it closes both connections, waits for its goroutines, and " +
				"returns the error that came first. Bytes that came before an error, or together with it, " +
				"are passed on.",
			Hint: "Let both goroutines send their result on a channel. If the first one is an error, " +
				"close a and b, which wakes the Read that the other goroutine waits in; receive its result " +
				"too, and return the first.",
		},
		{
			Name:   Slow,
			Points: 1,
			Run:    s.slow,
			Scene:  "relay",
			Needs:  []string{Both, Half},
			Rule: "A side that does not read makes Write wait. The other direction goes on meanwhile, and " +
				"in this one Relay reads at most 1 MiB ahead: so the sender has to wait, too, and the " +
				"memory stays bounded. No Relay holds up another, or gets its bytes.",
			Hint: "Read no more before Write has returned. Each direction needs a goroutine and a buffer " +
				"of its own, no lock that the other one needs, and no variable of the package.",
		},
	}}
}

type suite struct{ lab Lab }
