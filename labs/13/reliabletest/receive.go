package reliabletest

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"slices"
	"strings"
	"sync"
	"time"

	"socketbook/tools/check"
	"socketbook/tools/fault"
)

const (
	one   = "run nr 1"
	two   = "\x00\x00\x00\x00\x00\x00\x00\x00"
	three = "\xff\xfe\xfd\xfc\x00\x00\x00\x01"
)

// play sends the datagrams, a few at a time, and ends the case unless Receive does with them what
// it should.
func (s suite) play(c *check.C, datagrams ...[]byte) {
	w := connect(c, nil)
	r := s.receive(w)
	for few := range slices.Chunk(datagrams, 50) { // more may not fit into the queue
		r.gives(few...)
	}
	r.wants(datagrams...)
	r.ends()
}

func (s suite) delivers(c *check.C) {
	c.Variation("a new connection; three messages, one after the other")
	s.play(
		c,
		message(one, 0, "hello").bytes(),
		message(one, 1, "and").bytes(),
		message(one, 2, "goodbye").bytes(),
	)
	c.Variation("a new connection; messages of all kinds")
	var all [][]byte
	for i, body := range samples {
		all = append(all, message(three, i, body).bytes())
	}
	s.play(c, all...)
	c.Variation("a new connection; the largest message that fits into a datagram")
	s.play(c, message(two, 0, strings.Repeat("x", largest)).bytes(), message(two, 1, "y").bytes())

	c.Variation("a new connection, and another call of Receive; a message of a run that an earlier call has had")
	c.Rule("Receive keeps for each run the number that it expects next, and each call expects number "+
		"0 at first.",
		"Make the map in the function. Nothing is kept in the package.")
	s.play(c, message(one, 0, "hello").bytes(), message(one, 1, "again").bytes())

	c.Variation("a new connection; deliver takes its time")
	s.delivering(c, func() {})
}

// delivering does something while deliver, which was given a message, has not returned.
func (s suite) delivering(c *check.C, meanwhile func()) {
	w := connect(c, nil)
	r := s.receive(w)
	free := make(chan struct{})
	defer sync.OnceFunc(func() { close(free) })()
	entered := make(chan struct{}, 100)
	r.hold = func() {
		entered <- struct{}{}
		<-free
	}
	m := message(one, 0, "hello").bytes()
	c.Say("the suite sent %s, and deliver has not returned", w.words(m))
	w.peer.Send(m)
	c.Await("deliver to be called", func() bool { return len(entered) > 0 })
	c.Await("Receive to wait for deliver", func() bool { return r.call.Ended() || c.Resting() })
	if len(w.peer.Requests()) > 0 {
		c.Fail("your code acknowledged a message before deliver had returned: a message is acknowledged when it " +
			"has been delivered")
	}
	meanwhile()
	free <- struct{}{}
	c.Await("the acknowledgement, now that deliver has returned", func() bool {
		return r.call.Ended() || len(w.peer.Requests()) > 0
	})
	r.wants(m)
	r.ends()
}

func (s suite) copies(c *check.C) {
	m := func(run string, number int) []byte {
		return message(run, number, fmt.Sprintf("message %d", number)).bytes()
	}
	c.Variation("a new connection; messages come twice")
	s.play(c, m(one, 0), m(one, 0), m(one, 1), m(one, 1), m(one, 1), m(one, 2))
	c.Variation("a new connection; old copies come late")
	s.play(c, m(one, 0), m(one, 1), m(one, 0), m(one, 2), m(one, 3), m(one, 0), m(one, 1), m(one, 4), m(one, 4))
	c.Variation("a new connection; a second run begins, and copies of the first one come late")
	s.play(c, m(one, 0), m(one, 1), m(two, 0), m(one, 1), m(one, 0), m(two, 1), m(two, 0), m(one, 2))
	c.Variation("a new connection; two runs at the same time")
	s.play(c, m(one, 0), m(three, 0), m(one, 1), m(three, 1), m(three, 1), m(one, 1), m(one, 2), m(three, 2))
	c.Variation(
		"a new connection; the same message under several numbers, and the same number with another message",
	)
	s.play(c, message(one, 0, "hi").bytes(), message(one, 1, "hi").bytes(), message(one, 1, "ho").bytes(),
		message(one, 2, "hi").bytes())

	c.Variation("a new connection; nine runs, of which each differs from the first one in one byte")
	all := [][]byte{m(one, 0)}
	for i := range one {
		run := []byte(one)
		run[i] ^= 0x80
		all = append(all, m(string(run), 0))
	}
	s.play(c, append(all, all[0])...)

	const many = 300
	c.Variation("a new connection; %d messages, and then copies of some of them", many)
	all = nil
	for i := range many {
		all = append(all, m(one, i))
	}
	s.play(c, append(all, m(one, 0), m(one, 43), m(one, 255), m(one, 256), m(one, many-1))...)
	c.Variation("a new connection; %d runs of one message, and then copies of some of them", many)
	all = nil
	for i := range many {
		all = append(all, m(fmt.Sprintf("run %4d", i), 0))
	}
	s.play(c, append(all, all[0], all[1], all[many/2], all[many-1], m("run    0", 1))...)
}

func (s suite) early(c *check.C) {
	m := func(run string, number int) []byte {
		return message(run, number, fmt.Sprintf("message %d", number)).bytes()
	}
	c.Variation("a new connection; the second message comes first")
	s.play(c, m(one, 1), m(one, 0), m(one, 1), m(one, 2))
	c.Variation("a new connection; the third message comes before the second one")
	s.play(c, m(one, 0), m(one, 2), m(one, 1), m(one, 2))
	for _, far := range []int{2, 3, 255, 256, 257, 65535, 65536, 65537, 1 << 24, 1<<31 - 1, 1 << 31, 1<<32 - 1} {
		c.Variation("a new connection; behind number 0 comes number %d", far)
		s.play(c, m(one, 0), m(one, far), m(one, 1))
	}
	c.Variation("a new connection; a second run does not begin at its beginning")
	s.play(c, m(one, 0), m(two, 1), m(one, 1), m(two, 0), m(two, 1))

	ack := message(one, 1, "").ack().bytes()
	for _, junk := range []struct {
		says string
		data []byte
	}{
		{"an empty datagram", nil},
		{"the letter M alone", []byte("M")},
		{"a header without its last byte", m(one, 1)[:headerSize-1]},
		{"an acknowledgement", ack},
		{"an acknowledgement with text behind it", append(ack, "hi"...)},
		{"a message whose M is a small one", append([]byte("m"), m(one, 1)[1:]...)},
		{"a message without a letter", append([]byte{0}, m(one, 1)[1:]...)},
		{"a message whose M comes late", append([]byte(" "), m(one, 1)...)},
		{"a message as in the lesson", []byte("N 1 4711 hello, I am not binary")},
		{"text", []byte("hello, is there anybody out there?")},
	} {
		c.Variation("a new connection; between two messages comes %s", junk.says)
		s.play(c, m(one, 0), junk.data, junk.data, m(one, 1))
	}
}

func (s suite) receiveEnds(c *check.C) {
	c.Variation("a new connection that is closed before the call")
	w := connect(c, nil)
	w.conn.Close()
	r := s.receive(w)
	r.returns()
	c.WantNil("Receive", r.err)

	m := message(one, 0, "hello").bytes()
	c.Variation("a new connection that is closed while deliver runs")
	w = connect(c, nil)
	r = s.receive(w)
	r.hold = func() { w.peer.Conn().Close() }
	w.peer.Send(m)
	r.returns()
	c.WantNil("Receive, whose Write said that the connection is closed,", r.err)

	for _, failure := range append(failures, os.ErrDeadlineExceeded) {
		for _, method := range []string{"Read", "Write"} {
			c.Variation("a new connection; a message comes, and then a %s fails: %v", method, failure)
			w := connect(c, nil)
			conn, after := w.peer.Conn(), 0
			conn.Before(method, func() error {
				if method == "Read" && conn.Did().Brought == 0 {
					return nil
				}
				if after++; after > 3 {
					return net.ErrClosed // it would go on forever
				}
				return failure
			})
			w.peer.Send(m)
			r := s.receive(w)
			r.returns()
			c.WantError("the "+method, r.err, failure)
			if after > 1 {
				c.Fail("your code called %s again after the one that failed; an error ends the call", method)
			}
			c.WantOpen("Receive", conn)
			c.WantNoDeadline("Receive", conn)
		}
	}
	c.Variation("a new connection on which the caller has set a deadline, which passes")
	w = connect(c, nil)
	w.conn.SetReadDeadline(time.Now().Add(-time.Second))
	r = s.receive(w)
	r.returns()
	c.WantError("the Read", r.err, os.ErrDeadlineExceeded)
}

func (s suite) nothing(c *check.C) {
	c.Variation("a new connection; nothing comes, for a while")
	w := connect(c, nil)
	r := s.receive(w)
	c.Late(250 * time.Millisecond)
	r.wants()
	r.ends()
	c.WantNil("Receive", r.err)
}

// network is one direction of a bad network: it is told of each datagram, and returns what comes out at the
// other end now.
type network func(datagram []byte) [][]byte

func good(d []byte) [][]byte { return [][]byte{d} }

func doubles(d []byte) [][]byte { return [][]byte{d, d} }

// losesFirst loses the first copy of each datagram.
func losesFirst() network {
	seen := map[string]bool{}
	return func(d []byte) [][]byte {
		if !seen[string(d)] {
			seen[string(d)] = true
			return nil
		}
		return good(d)
	}
}

// overtakes holds the first copy of each datagram, until the next datagram has passed it.
func overtakes() network {
	seen := map[string]bool{}
	var held [][]byte
	return func(d []byte) (out [][]byte) {
		if !seen[string(d)] {
			seen[string(d)] = true
			held = append(held, d)
			return nil
		}
		out = append([][]byte{d}, held...)
		held = nil
		return out
	}
}

// repeats sends along an old datagram with each new one, a later one each time.
func repeats() network {
	var old [][]byte
	n := 0
	return func(d []byte) [][]byte {
		old = append(old, d)
		n++
		return [][]byte{old[n/2], d}
	}
}

// badly does all of it at random.
func badly(rng *rand.Rand) network {
	var old [][]byte
	return func(d []byte) (out [][]byte) {
		if old = append(old, d); rng.IntN(10) >= 3 {
			out = append(out, d)
		}
		for rng.IntN(4) == 0 {
			out = append(out, old[rng.IntN(len(old))])
		}
		return out
	}
}

func (s suite) together(c *check.C) {
	rng := rand.New(rand.NewPCG(c.Seed(), 13))
	random := func() network { return badly(rand.New(rand.NewPCG(rng.Uint64(), 13))) }
	for _, v := range []struct {
		says        string
		there, back network
	}{
		{"a good network", good, good},
		{"a network that loses the first copy of each message", losesFirst(), good},
		{"a network that loses the first acknowledgement of each message", good, losesFirst()},
		{"a network that doubles everything", doubles, doubles},
		{"a network in which each message is overtaken by its next copy", overtakes(), good},
		{"a network in which each acknowledgement is overtaken by the next", good, overtakes()},
		{"a network that sends old datagrams again, long after", repeats(), repeats()},
		{"a network that loses, doubles and delays, at random", random(), random()},
	} {
		c.Variation("two new connections, and between them %s", v.says)
		s.converse(c, v.there, v.back)
	}

	s.sendsApart(c)
	c.Variation("two new connections; deliver takes its time, and Receive is called on the second one meanwhile")
	c.Rule(
		"Calls on different connections may run at the same time: each has its own runs and its own buffer.",
		"Keep the buffer and the map in variables of the function, and nothing in the package.",
	)
	s.delivering(c, func() {
		s.play(c, message(two, 0, "meanwhile").bytes(), message(two, 1, "on the second one").bytes())
	})
}

// converse has Send and Receive of the student's talk to each other, in three calls of Send.
func (s suite) converse(c *check.C, there, back network) {
	const wait, tries = 3 * time.Millisecond, 1000 // a busy machine may let many tries pass
	sender, fromSender := c.Datagrams()
	receiver := connect(c, nil)
	pass := func(to *fault.DatagramPeer, through network) func(int, []byte) [][]byte {
		return func(_ int, d []byte) [][]byte {
			to.Send(through(bytes.Clone(d))...)
			return nil
		}
	}
	fromSender.Answer(pass(receiver.peer, there))
	receiver.peer.Answer(pass(fromSender, back))
	r := s.receive(receiver)
	c.Prompt("Receive to read", func() bool { return r.call.Ended() || receiver.peer.Conn().Did().Reads > 0 })
	var want [][]byte
	for call, messages := range [][]string{samples[:6], {"hi", "hi"}, hello} {
		var lent [][]byte
		for _, m := range messages {
			lent = append(lent, []byte(m))
		}
		want = append(want, lent...)
		var err error
		what := fmt.Sprintf("Send(conn, %d messages, wait %v, tries %d)", len(messages), wait, tries)
		c.Do(what, func() { err = s.lab.Send(sender, lent, wait, tries) })
		c.Step("call %d: %s returned %s", call+1, what, check.Err(err))
		c.WantNil("Send", err)
		got := r.got()
		for i := range min(len(got), len(want)) {
			c.WantBytes(fmt.Sprintf("delivered, call %d", i+1), got[i], want[i])
		}
		if len(got) != len(want) {
			c.Fail("Send has returned nil, %d messages were sent, and %d were delivered", len(want), len(got))
		}
	}
	r.ends()
}
