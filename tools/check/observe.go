package check

import (
	"net"
	"slices"
)

// Resting reports whether the code under test has done all that it will do for now: every goroutine of its calls waits,
// in Read or Accept, for another goroutine or for a timer. A call that has returned rests too.
//
// It is for what must not happen: Await that the call has ended or that the code rests, then look which of the two it was.
func (c *C) Resting() bool {
	moves := func(g goroutine) bool { return !g.waits() }
	// Quiet before and after: what the code wrote or closed just before it came to rest may still be under way.
	return c.quiet() && c.calling() && !slices.ContainsFunc(c.tree(snapshot()), moves) && c.quiet()
}

// waits is blocked, and also waiting for a timer or the network.
func (g goroutine) waits() bool {
	return g.blocked() || g.state == "select" || g.state == "sleep" || g.state == "IO wait"
}

// Record records what the code under test does with conn, for the timeline of a failure. It is for connections that the suite has made itself; those
// of Connect and Listen are recorded anyway.
func (c *C) Record(side string, conn net.Conn) net.Conn {
	if !c.options.timeline {
		return conn
	}
	return c.rec.Conn(side, conn)
}
