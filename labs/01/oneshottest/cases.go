package oneshottest

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"

	"socketbook/tools/check"
	"socketbook/tools/fault"
)

const most = 1024 // bytes of a message

// upper is what a message has to become.
func upper(message []byte) []byte {
	up := bytes.Clone(message)
	for i, b := range up {
		if 'a' <= b && b <= 'z' {
			up[i] = b - 'a' + 'A'
		}
	}
	return up
}

// wantOneWrite ends the case if what went out in several calls of Write.
func wantOneWrite(c *check.C, what, reader string, writes int) {
	if writes > 1 {
		c.Fail(
			"%s went out in %d calls of Write; a %s that reads once may get no more than the first",
			what,
			writes,
			reader,
		)
	}
}

var errUnplugged = errors.New("the cable is unplugged")

// answered sends message in one piece and compares what comes back. The client closes its side at once, so
// an answer
// that reads to the end passes too: OneRead is about that.
func (s suite) answered(c *check.C, message []byte) (got []byte) {
	c.Variation("a new connection; the suite sends one message and closes its side")
	conn, peer := c.Connect()
	send(c, peer, fault.Whole, message)
	peer.CloseWrite()
	c.WantNil("Answer", s.answer(c, conn))
	c.Settle()
	got = peer.Received()
	c.Step("the suite received %s", text(got))
	if bytes.Equal(got, upper(message)) {
		wantOneWrite(c, "the answer", "client", peer.Conn().Did().Writes)
	}
	return got
}

func (s suite) upper(c *check.C) {
	for _, message := range []string{"hello", "z", "the quick brown fox jumps over the lazy dog", "Hello, World"} {
		got := s.answered(c, []byte(message))
		c.WantText("answer", string(got), string(upper([]byte(message))))
	}
}

func (s suite) others(c *check.C) {
	all := make([]byte, 256)
	for i := range all {
		all[i] = byte(i)
	}
	for _, message := range [][]byte{
		[]byte("1 + 1 = 2\n"), []byte(" \tindented, and a line end\r\n"), []byte("caf\u00e9 stra\u00dfe"), []byte("你好, socket"),
		{0xc4, 0xe3, 0xba, 0xc3}, // 你好 in GBK
		{'a', 0, 'b', 0},
		all,
	} {
		got := s.answered(c, message)
		c.WantBytes("answer", got, upper(message))
	}
}

func (s suite) oneRead(c *check.C) {
	for _, cut := range c.Cuts(2) {
		c.Variation("a new connection, which the suite leaves open; %s", cut.Name)
		s.wantFirst(c, cut, []byte("hello"))
	}
	c.Variation("a new connection; the message comes late")
	conn, peer := c.Connect()
	var err error
	call := c.Start("Answer(conn)", func() { err = s.lab.Answer(conn) })
	c.Late()
	send(c, peer, fault.Whole, []byte("hello"))
	call.Wait()
	c.Step("Answer(conn) returned %s", check.Err(err))
	c.WantNil("Answer", err)
	c.Settle()
	c.WantText("answer", string(peer.Received()), "HELLO")

	for _, n := range []int{most, most + 1, 3 * most} {
		c.Variation("a new connection; %d bytes at once", n)
		s.wantFirst(c, fault.Whole, bytes.Repeat([]byte("socket "), n)[:n])
	}
}

// wantFirst sends data in pieces, and wants the first of them, or its first 1024 bytes, to be answered.
func (s suite) wantFirst(c *check.C, cut fault.Cut, data []byte) {
	conn, peer := c.Connect()
	message := send(c, peer, cut, data)
	message = message[:min(len(message), most)]
	c.WantNil("Answer", s.answer(c, conn))
	c.Settle()
	got := peer.Received()
	c.Step("the suite received %s", text(got))
	c.WantText("answer", string(got), string(upper(message)))
	wantOneWrite(c, "the answer", "client", peer.Conn().Did().Writes)
}

func (s suite) closes(c *check.C) {
	for _, leaves := range []bool{false, true} {
		c.Variation("a new connection; the suite sends one message")
		conn, peer := c.Connect()
		send(c, peer, fault.Whole, []byte("hello"))
		if leaves {
			peer.CloseWrite()
			c.Step("the suite closed its side")
		}
		c.WantNil("Answer", s.answer(c, conn))
		wantClosed(c, peer)
		c.Settle()
		if err := peer.Over(); err != io.EOF {
			c.Fail("the client met %s behind the answer, not the end of the stream", check.Err(err))
		}
	}
}

// wantClosed ends the case unless Answer has closed its connection.
func wantClosed(c *check.C, peer *fault.Peer) {
	if peer.Conn().Did().Closed != "Close" {
		c.Fail("Answer has returned, and the connection is still open on its side")
	}
}

func (s suite) silent(c *check.C) {
	c.Variation("a new connection; the suite closes its side without a message")
	conn, peer := c.Connect()
	peer.CloseWrite()
	err := s.answer(c, conn)
	c.WantError("Answer", err, io.EOF)
	wantClosed(c, peer)
	c.Settle()
	c.WantBytes("answered without a message", peer.Received(), nil)

	c.Variation("a new connection; the suite resets it without a message")
	conn, peer = c.Connect()
	peer.Reset()
	c.WantMet("the connection was reset", s.answer(c, conn), peer.Conn())
	wantClosed(c, peer)
}

func (s suite) unsent(c *check.C) {
	for _, end := range []string{"closes its side and resets the connection", "resets the connection"} {
		c.Variation(
			"a new connection; when the message is read, the suite %s, and the Write comes after that",
			end,
		)
		conn, peer := c.Connect()
		send(c, peer, fault.Whole, []byte("hello"))
		if end != "resets the connection" { // so that Write meets a broken pipe; otherwise, a reset
			peer.CloseWrite()
		}
		peer.Reset()
		peer.Conn().Before("Write", peer.Dead)
		err := s.answer(c, conn)
		if err == nil {
			c.Fail("the answer could not be sent, and Answer returned nil")
		}
		c.WantMet("the answer could not be sent", err, peer.Conn())
		wantClosed(c, peer)
	}
}

// askFor lets Ask send message, answers it in pieces, and compares both.
func (s suite) askFor(
	c *check.C,
	conn net.Conn,
	peer *fault.Peer,
	message, answer []byte,
	cut fault.Cut,
	isLate bool,
) *question {
	before, writes := len(peer.Received()), peer.Conn().Did().Writes
	q := s.startAsk(c, conn, message)
	c.Await("the question", func() bool { return q.Ended() || len(peer.Received()) >= before+len(message) })
	if q.Ended() {
		q.returns(c)
		c.WantNil("Ask", q.err)
		c.Fail("Ask has returned before the suite answered")
	}
	c.Step("the suite received %s", text(peer.Received()[before:]))
	if isLate {
		c.Late()
	}
	taken := peer.Conn().Did().Taken
	first := send(c, peer, cut, answer)
	q.returns(c)
	c.WantNil("Ask", q.err)
	c.Settle()
	c.WantText("question", string(peer.Received()[before:]), string(message))
	wantOneWrite(c, "the question", "server", peer.Conn().Did().Writes-writes)
	if !bytes.Equal(q.message, message) {
		c.Fail(
			"Ask has changed message, which belongs to the caller: it was %s, and is %s now",
			text(message),
			text(q.message),
		)
	}
	c.WantText("answer", string(q.answer), string(first[:min(len(first), most)]))
	if taken = peer.Conn().Did().Taken - taken; taken != len(q.answer) {
		c.Fail(
			"Ask has taken %d bytes from the connection and returned %d: the others belong to the "+
				"next call",
			taken,
			len(q.answer),
		)
	}
	c.WantUntimed("Ask", peer.Conn())
	return q
}

func (s suite) ask(c *check.C) {
	long := bytes.Repeat([]byte("socket "), 300)
	for _, x := range []struct{ message, answer []byte }{
		{[]byte("hello"), []byte("HELLO")},
		{[]byte("how are you"), []byte("fine")},
		{[]byte("?"), []byte("a longer answer\n")},
		{[]byte(" two\nlines\n"), []byte{' ', 0xff, 0, 'x', 0}},
		{[]byte{'a', 0, 'b', 0xff, 0}, []byte("a\x00")},
		{long[:most], long[:most]},
		{[]byte("more"), long},
	} {
		c.Variation("a new connection; the suite answers in one piece and leaves the connection open")
		conn, peer := c.Connect()
		s.askFor(c, conn, peer, x.message, x.answer, fault.Whole, false)
	}
	c.Variation("a new connection; the answer comes late")
	conn, peer := c.Connect()
	s.askFor(c, conn, peer, []byte("hello"), []byte("HELLO"), fault.Whole, true)
	for _, cut := range c.Cuts(2)[1:] {
		c.Variation("a new connection; the suite answers: %s", cut.Name)
		conn, peer := c.Connect()
		s.askFor(c, conn, peer, []byte("hello"), []byte("HELLO"), cut, false)
	}
}

func (s suite) again(c *check.C) {
	c.Variation("a new connection, for several questions")
	conn, peer := c.Connect()
	messages := []string{"hello", "a longer message", "bye"}
	var asked []*question
	for _, m := range messages {
		asked = append(asked, s.askFor(c, conn, peer, []byte(m), upper([]byte(m)), fault.Whole, false))
		c.WantOpen("Ask", peer.Conn())
	}
	for i, m := range messages {
		c.WantText(
			fmt.Sprintf("answer %d, looked at when all were there", i+1),
			string(asked[i].answer),
			string(upper([]byte(m))),
		)
	}
}

func (s suite) refused(c *check.C) {
	for _, message := range [][]byte{{}, nil, bytes.Repeat([]byte("x"), most+1), bytes.Repeat([]byte("y"), 3*most)} {
		c.Variation("a new connection; a question of %d bytes", len(message))
		conn, peer := c.Connect()
		q := s.startAsk(c, conn, message)
		c.Say("the suite has received no question, and answers nothing")
		c.Await("an error", func() bool { return q.Ended() || len(peer.Received()) > 0 })
		if n := len(peer.Received()); n > 0 {
			c.Fail("Ask sent %d bytes instead of returning an error", n)
		}
		q.returns(c)
		c.Settle()
		switch n := len(peer.Received()); {
		case q.err == nil:
			c.Fail("a message of %d bytes was asked, and Ask returned no error", len(message))
		case n > 0:
			c.Fail("Ask returned an error, and had sent %d bytes", n)
		}
		c.WantOpen("Ask", peer.Conn())
	}
}

func (s suite) left(c *check.C) {
	for _, end := range []string{"closes its side", "resets the connection"} {
		leave := (*fault.Peer).CloseWrite
		want := func(_ *fault.Peer, err error) { c.WantError("Ask", err, io.EOF) }
		if end == "resets the connection" {
			leave = (*fault.Peer).Reset
			want = func(peer *fault.Peer, err error) { c.WantMet("the connection was reset", err, peer.Conn()) }
		}
		c.Variation("a new connection; the suite %s when it has the question", end)
		conn, peer := c.Connect()
		q := s.startAsk(c, conn, []byte("hello"))
		c.Await("the question", func() bool { return len(peer.Received()) >= len("hello") })
		leave(peer)
		q.returns(c)
		want(peer, q.err)
		c.WantOpen("Ask", peer.Conn())

		c.Variation("a new connection; the suite %s before the question", end)
		conn, peer = c.Connect()
		leave(peer)
		c.Settle()
		q = s.startAsk(c, conn, []byte("hello"))
		q.returns(c)
		want(peer, q.err)
		c.WantOpen("Ask", peer.Conn())
	}
	c.Variation("a new connection, on which every Write fails: %v", errUnplugged)
	conn, peer := c.Connect()
	peer.Conn().Before("Write", func() error { return errUnplugged })
	q := s.startAsk(c, conn, []byte("hello"))
	c.Say("the suite has made Write fail")
	q.returns(c)
	c.WantError("Ask", q.err, errUnplugged)
	c.WantOpen("Ask", peer.Conn())
}
