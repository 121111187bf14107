package stickytest

import (
	"bytes"
	"fmt"

	"socketbook/tools/check"
)

// pairsToStick are messages that have to stick; two of the largest together have 16 KiB.
var pairsToStick = [][2][]byte{
	{[]byte("hello"), []byte("world")},
	{[]byte("a"), []byte("a")},
	{[]byte("echo a"), bytes.Repeat([]byte("b"), 3000)},
	{bytes.Repeat([]byte{0}, 1500), []byte("!")},
	{bytes.Repeat([]byte("first "), 1365), bytes.Repeat([]byte("second "), 1170)},
}

func (s suite) sticks(c *check.C) {
	s.sticksOn(c, promptly)

	c.Variation("a network that alters what it carries: Provoke has to return what Read has returned")
	n := newNetwork(c, promptly)
	n.altered = true
	got, err := s.provoke(c, n, []byte("hello"), []byte("world"))
	c.WantNil("Provoke", err)
	c.WantBytes("what Provoke returned", got, bytes.Join(n.reads, nil))
}

func (s suite) sticksSlow(c *check.C) {
	for _, d := range slowly {
		s.sticksOn(c, d)
	}
}

// sticksOn makes all pairs stick on one connection.
func (s suite) sticksOn(c *check.C, d delivery) {
	n := newNetwork(c, d)
	var got [][]byte
	for i, pair := range pairsToStick {
		c.Variation("%s; call %d of Provoke on this connection", d.name, i+1)
		got = append(got, s.stick(c, n, pair[0], pair[1]))
	}
	for i, pair := range pairsToStick {
		c.WantBytes(
			fmt.Sprintf("what call %d of Provoke has returned, looked at after the last call", i+1),
			got[i],
			bytes.Join(pair[:], nil),
		)
	}
}

// stick makes two messages stick, and returns what Provoke has returned.
func (s suite) stick(c *check.C, n *network, first, second []byte) []byte {
	got, err := s.provoke(c, n, first, second)
	c.WantNil("Provoke", err)
	n.check(c, first, second)
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
	call := c.Start("Provoke(client, server, queued, first, second)", func() {
		got, err = s.lab.Provoke(client, server, n.queued, bytes.Clone(first), bytes.Clone(second))
	})
	func() {
		defer n.tell(c, call) // also when the call hangs
		call.Wait()
	}()
	c.Step("Provoke returned %s, %s", check.Bytes(got), check.Err(err))
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.closed {
		c.Fail("Provoke has closed the connection; it has to stay open, also when Provoke returns an error")
	}
	if len(n.timed) > 0 {
		c.Fail("Provoke has left a deadline on %s; later calls would meet it, so take it back", n.timed[0])
	}
	return got, err
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
	}
	for _, failing := range []struct {
		call   string
		number int
	}{{"Write", 1}, {"Write", 2}, {"queued", 1}, {"Read", 1}} {
		c.Variation("call %d of %s is going to fail", failing.number, failing.call)
		n := newNetwork(c, promptly)
		n.failing, n.number = failing.call, failing.number
		_, err := s.provoke(c, n, []byte("hello"), []byte("world"))
		if !n.failed {
			continue // it was not called: there are other ways to look into the queue
		}
		c.WantError("Provoke", err, errCable)
		if n.tooLate != "" {
			c.Fail("after the error Provoke has called %s", n.tooLate)
		}
	}
}
