package stickytest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"os"
	"slices"
	"syscall"

	"socketbook/tools/check"
)

// pairsToStick are messages that have to stick. The largest have 16 KiB together, of which each has nearly
// all once.
func pairsToStick() [][2][]byte {
	pairs := [][2][]byte{
		{[]byte("hello"), []byte("world")},
		{[]byte("a"), []byte("a")},
		{[]byte("echo a"), bytes.Repeat([]byte("b"), 3000)},
		{bytes.Repeat([]byte{0}, 1500), []byte("!")},
		{[]byte("\x00 \r\n\xff"), []byte("\xfe\n \x00")}, // is neither text nor to be trimmed
		{[]byte(" one line\r\n"), []byte("\tand one more\r\n")},
		{[]byte(" "), []byte("\r\n")},
		{[]byte{0}, []byte{0}},
		{pattern(1), pattern(atMost - 1)},
		{pattern(atMost - 1), pattern(1)},
	}
	for half := 2; half <= atMost/2; half *= 2 {
		pairs = append(pairs, [2][]byte{pattern(half), pattern(half)})
	}
	return pairs
}

const atMost = 16 << 10 // bytes that two messages have together

// pattern returns so many bytes of all values.
func pattern(size int) []byte {
	p := make([]byte, size)
	for i := range p {
		p[i] = byte(i*7 + i>>8)
	}
	return p
}

func (s suite) sticks(c *check.C) {
	s.sticksOn(c, promptly)

	c.Variation("a network that alters what it carries: Provoke has to return what Read has returned")
	n := newNetwork(c, promptly)
	n.altered = true
	got, err := s.provoke(c, n, []byte("hello"), []byte("world"))
	whatWasRead(c)
	c.WantNil("Provoke", err)
	c.WantBytes("what Provoke returned", got, bytes.Join(n.reads, nil))
}

func whatWasRead(c *check.C) {
	c.Rule(
		"Provoke returns what its Read has returned, byte for byte, whatever it is.",
		"Return buf[:n], n being the result of Read: nothing trimmed, nothing converted, and no error "+
			"because of the contents.",
	)
}

func (s suite) sticksSlow(c *check.C) {
	for _, d := range slowly {
		s.sticksOn(c, d)
	}
	c.Variation("a slow network: the messages are under way for %v", lateBy)
	c.Rule(
		"Messages may be under way for a long time. Provoke waits for them as long as queued does.",
		"Call queued, and wait until it returns; give up only when it returns an error. No timer, no "+
			"pause.",
	)
	n := newNetwork(c, slowly[0])
	n.late = true
	s.stick(c, n, []byte("hello"), []byte("world"))
}

// appended is what the caller appends to what Provoke has returned.
const appended = "!"

// sticksOn makes all pairs stick on one connection, the first of them twice.
func (s suite) sticksOn(c *check.C, d delivery) {
	n := newNetwork(c, d)
	pairs := pairsToStick()
	var results, got [][]byte
	for i := 0; i < len(pairs); i++ {
		c.Variation("%s; call %d of Provoke on this connection", d.name, i+1)
		results = append(results, s.stick(c, n, pairs[i][0], pairs[i][1]))
		got = append(got, append(results[i], appended...))
		if n.calls["queued"] == 0 { // what it does instead takes long, and is not enough on a slow network
			pairs = [][2][]byte{pairs[0], pairs[len(pairs)-1]}
		}
	}
	c.Rule(
		"What Provoke returns belongs to the caller: later calls do not change it, and the caller may "+
			"overwrite it and append to it.",
		"Give each call a slice of its own, made with make. A buffer that calls share is overwritten by "+
			"the next call, or by an append.",
	)
	for i, pair := range pairs {
		c.WantBytes(
			fmt.Sprintf(
				"what call %d of Provoke has returned, with a %q that its caller has appended, looked at after "+
					"the last call",
				i+1,
				appended,
			),
			got[i],
			append(bytes.Join(pair[:], nil), appended...),
		)
	}
	c.Variation("%s; the messages of the first call once more, after the suite has overwritten what "+
		"that call returned", d.name)
	clear(results[0])
	s.stick(c, n, pairs[0][0], pairs[0][1])
}

// stick makes two messages stick, and returns what Provoke has returned.
func (s suite) stick(c *check.C, n *network, first, second []byte) []byte {
	got, err := s.provoke(c, n, first, second)
	if err != nil && len(first)+len(second) > 4096 {
		c.Rule(
			"Long messages stick like short ones: up to 16 KiB together.",
			"Refuse no message but an empty one.",
		)
	}
	c.WantNil("Provoke", err)
	n.check(c, first, second)
	whatWasRead(c)
	c.WantBytes("what Provoke returned", got, bytes.Join([][]byte{first, second}, nil))
	return got
}

// provoke calls Provoke, and tells what happened on the network meanwhile. Whatever it returns, it has to
// leave the connection as it was.
func (s suite) provoke(c *check.C, n *network, first, second []byte) (got []byte, err error) {
	n.forget()
	c.Step("the messages are %s", quoted([][]byte{first, second}))
	client, server := c.Record(
		"client",
		clientEnd{end{n.client, n, "client"}},
	), c.Record(
		"server",
		serverEnd{end{n.server, n, "server"}},
	)
	lentFirst, lentSecond := lend(first), lend(second)
	call := c.Start("Provoke(client, server, queued, first, second)", func() {
		got, err = s.lab.Provoke(
			client,
			server,
			n.queued,
			lentFirst[:len(first)],
			lentSecond[:len(second)],
		)
	})
	func() {
		defer n.tell(c, call) // also when the call hangs
		call.Wait()
	}()
	c.Step("Provoke returned %s, %s", check.Bytes(got), check.Err(err))
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.closed != "" {
		c.Fail(
			"Provoke has called %s; the connection has to stay open, also when Provoke returns an error",
			n.closed,
		)
	}
	for _, direction := range slices.Sorted(maps.Keys(n.limits)) {
		c.Fail("Provoke has left a deadline on %s; later calls would meet it, so take it back", direction)
	}
	wantKept(c, "first", lentFirst, first)
	wantKept(c, "second", lentSecond, second)
	return got, err
}

// behind is in the caller's arrays, behind the messages.
const behind = "the caller's"

// lend returns a copy of m with that behind it.
func lend(m []byte) []byte { return append(bytes.Clone(m), behind...) }

// wantKept ends the case if Provoke has written into what it was lent.
func wantKept(c *check.C, name string, lent, m []byte) {
	if string(lent) != string(m)+behind {
		c.Rule(
			"The messages, and what is behind them in their arrays, belong to the caller.",
			"Read into a slice of your own, made with make. append to a slice that you were given may "+
				"write into the array behind it.",
		)
	}
	c.WantBytes(name+", which Provoke may not change", lent[:len(m)], m)
	c.WantBytes("the bytes behind "+name+" in the caller's array", lent[len(m):], []byte(behind))
}

// forget begins anew what is noted of one call.
func (n *network) forget() {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.writes, n.written, n.reads, n.happened = nil, 0, nil, nil
}

// tell makes steps of what has happened, and ends a call that hangs.
func (n *network) tell(c *check.C, call *check.Call) {
	n.mu.Lock()
	for _, what := range n.happened {
		c.Step("%s", what)
	}
	n.mu.Unlock()
	if !call.Ended() {
		n.stop()
	}
}

// check compares what went over the network with what had to.
func (n *network) check(c *check.C, first, second []byte) {
	n.mu.Lock()
	defer n.mu.Unlock()
	at := 0
	for _, w := range n.writes {
		if at < len(first) && at+len(w) > len(first) {
			c.Fail(
				"one Write carried bytes of both messages: no wonder that they stick; each has to " +
					"be sent by itself",
			)
		}
		at += len(w)
	}
	both := bytes.Join([][]byte{first, second}, nil)
	c.WantBytes("what was written", bytes.Join(n.writes, nil), both)
	if len(n.writes) != 2 {
		c.Fail(
			"%s sent the two messages; it has to be two, one for each message",
			count(len(n.writes), "Write has", "Writes have"),
		)
	}
	if len(n.reads) != 1 {
		c.Fail(
			"%s returned data; it has to be one, which returns both messages",
			count(len(n.reads), "Read has", "Reads have"),
		)
	}
	c.WantBytes("what the Read returned", n.reads[0], both)
}

func (s suite) refuses(c *check.C) {
	errs := failingWith
	for _, pair := range [][2]string{{"", "world"}, {"hello", ""}, {"", ""}} {
		c.Variation("a message is empty")
		n := newNetwork(c, promptly)
		_, err := s.provoke(c, n, []byte(pair[0]), []byte(pair[1]))
		switch {
		case n.calls["Write"] > 0:
			c.Fail("Provoke has called Write, although an empty message cannot stick")
		case err == nil:
			c.Fail("Provoke returned no error")
		}
		c.Step("the next two messages on this connection are not empty")
		s.stick(c, n, []byte("hello"), []byte("world"))
		if n.calls["queued"] == 0 { // see sticksOn
			errs = failingWith[:1]
		}
	}
	n := newNetwork(c, promptly)
	for _, f := range failures(errs) {
		c.Variation("call %d of %s is going to fail: %v", f.number, f.call, f.err)
		if f.took > 0 {
			c.Step("that Write returns %d beside its error", f.took)
		}
		n.breaks(f)
		_, err := s.provoke(c, n, []byte("hello"), []byte("world"))
		if !n.failed {
			continue // it was not called: there are other ways to look into the queue
		}
		c.WantError("Provoke", err, f.err)
		if n.tooLate != "" {
			c.Fail("after the error Provoke has called %s", n.tooLate)
		}
	}
	c.Variation("a new connection, on which nothing fails")
	c.Rule(
		"A call that failed changes nothing for the next one.",
		"Keep nothing between calls. Behind mu.Lock() write defer mu.Unlock().",
	)
	s.stick(c, newNetwork(c, promptly), []byte("hello"), []byte("world"))
}

// failingWith are all errors that somebody could take for something else.
var failingWith = []error{
	errors.New("the cable is cut"),
	io.EOF, io.ErrUnexpectedEOF, io.ErrClosedPipe, io.ErrShortWrite, io.ErrNoProgress,
	net.ErrClosed, os.ErrDeadlineExceeded, context.DeadlineExceeded,
	syscall.EPIPE, syscall.ECONNRESET, syscall.ECONNABORTED, syscall.EINTR, syscall.EAGAIN,
}

// failures are all calls that may fail, with each of the errors, and, of a Write, all counts.
func failures(errs []error) (all []failure) {
	for _, err := range errs {
		for _, took := range []int{0, 3, len("hello")} {
			all = append(all, failure{"Write", 1, took, err}, failure{"Write", 2, took, err})
		}
		all = append(all, failure{"queued", 1, 0, err}, failure{"Read", 1, 0, err})
	}
	return all
}
