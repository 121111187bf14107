package talklooptest

import (
	"io"
	"net"
	"os"
	"strings"
	"time"

	"socketbook/tools/check"
	"socketbook/tools/fault"
)

// upper is what a message has to become.
func upper(message string) string {
	up := []byte(message)
	for i, b := range up {
		if 'a' <= b && b <= 'z' {
			up[i] = b - 'a' + 'A'
		}
	}
	return string(up)
}

// answering is a call of the student's Answer.
type answering struct {
	*check.Call
	c    *check.C
	peer *fault.Peer
	err  error
}

func (s suite) startAnswer(c *check.C, conn net.Conn, peer *fault.Peer) *answering {
	a := &answering{c: c, peer: peer}
	a.Call = c.Start("Answer(conn)", func() { a.err = s.lab.Answer(conn) })
	return a
}

// returns waits for the call and records what it returned.
func (a *answering) returns() error {
	a.Wait()
	a.c.Step("Answer(conn) returned %s", check.Err(a.err))
	return a.err
}

// send hands a message over in one piece.
func (a *answering) send(message string) {
	a.c.Say("the suite has sent %s", text(message))
	a.peer.Send([]byte(message))
}

// exchange sends a message and waits for its answer, which it returns.
func (a *answering) exchange(message string) (answer string) {
	before := len(a.peer.Received())
	a.send(message)
	arrived := func() bool { return len(a.peer.Received()) >= before+len(message) }
	a.c.Await("the answer to "+text(message), func() bool { return a.Ended() || arrived() })
	a.c.Settle()
	if a.Ended() && !arrived() {
		a.returns()
	}
	a.c.Await("the answer to "+text(message), arrived)
	answer = string(a.peer.Received()[before:])
	a.c.Step("the suite received %s", text(answer))
	return answer
}

func (s suite) end(c *check.C) {
	c.Variation("a new connection; the suite closes its side without a message")
	conn, peer := c.Connect()
	peer.CloseWrite()
	a := s.startAnswer(c, conn, peer)
	c.WantNil("Answer", a.returns())
	c.Settle()
	c.WantText("answered without a message", string(peer.Received()), "")
}

func (s suite) talk(c *check.C) {
	every := make([]byte, 256) // each byte once
	for i := range every {
		every[i] = byte(i)
	}
	c.Variation("a new connection; the suite waits for each answer before it goes on")
	conn, peer := c.Connect()
	a := s.startAnswer(c, conn, peer)
	for _, message := range []string{"hello", "how are you", "z", "quit", "QUIT", "caf\u00e9, stra\u00dfe, 你好\n", string(every)} {
		answer := a.exchange(message)
		c.WantText("answer", answer, upper(message))
		if n := peer.Conn().Did(); n.Writes > n.Brought {
			c.Fail(
				"%d calls of Read brought bytes, and %d calls of Write answered them; a client "+
					"that reads once may get no more than the first",
				n.Brought,
				n.Writes,
			)
		}
	}
	c.Late()
	c.WantText("answer", a.exchange("a late message"), "A LATE MESSAGE")
	peer.CloseWrite()
	a.returns() // whether with an error is another case

	c.Variation("a new connection; the suite sends 71680 bytes at once, and closes its side")
	conn, peer = c.Connect()
	peer.Send([]byte(strings.Repeat(string(every), 280)))
	peer.CloseWrite()
	s.startAnswer(c, conn, peer).returns()
	c.Settle()
	c.WantBytes("all answers together", peer.Received(), []byte(upper(strings.Repeat(string(every), 280))))

	for _, cut := range c.Cuts(2, 1024) {
		data := strings.Repeat(string(every), 20)
		if cut.Name == fault.Bytes.Name {
			data = string(every)
		}
		c.Variation(
			"a new connection; the suite sends %d bytes and closes its side: %s",
			len(data),
			cut.Name,
		)
		conn, peer := c.Connect()
		c.Say("the suite has sent all of them")
		peer.Send(cut.Pieces([]byte(data))...)
		peer.CloseWrite()
		s.startAnswer(c, conn, peer).returns()
		c.Settle()
		c.WantBytes("all answers together", peer.Received(), []byte(upper(data)))
	}
}

func (s suite) reset(c *check.C) {
	c.Variation("a new connection; the suite resets it before Answer reads")
	conn, peer := c.Connect()
	peer.Reset()
	c.Settle()
	c.WantNil("Answer", s.startAnswer(c, conn, peer).returns())

	c.Variation("a new connection; the suite resets it while Answer reads")
	conn, peer = c.Connect()
	a := s.startAnswer(c, conn, peer)
	peer.Reset()
	c.WantNil("Answer", a.returns())
}

// gone starts Answer on a connection with one message, whose client is gone when the answer is written. If
// the
// client has closed before, Write meets a broken pipe, otherwise a reset. The message has one byte, so that
// it is read at once.
func (s suite) gone(c *check.C, closes bool) *answering {
	conn, peer := c.Connect()
	peer.Conn().Before("Write", peer.Dead)
	a := s.startAnswer(c, conn, peer)
	a.send("x")
	how := "resets the connection"
	if closes {
		peer.CloseWrite()
		how = "closes its side and resets the connection"
	}
	peer.Reset()
	c.Step("the suite %s when that is read; the Write comes after it", how)
	return a
}

func (s suite) brokenPipe(c *check.C) {
	for _, closes := range []bool{true, false} {
		c.Variation("a new connection")
		c.WantNil("Answer", s.gone(c, closes).returns())
	}
}

// past is a deadline that has passed.
var past = time.Unix(1, 0)

func (s suite) failure(c *check.C) {
	for _, what := range []string{"write", "read"} { // a loop that ignores errors waits after the first, and is busy after the second
		c.Variation("a new connection, whose %s deadline has passed", what)
		c.WantError("Answer", s.late(c, what).returns(), os.ErrDeadlineExceeded)
	}
	c.Variation("a new connection, which is closed on the side of Answer by whoever has accepted it")
	conn, peer := c.Connect()
	a := s.startAnswer(c, conn, peer)
	conn.Close()
	c.WantError("Answer", a.returns(), net.ErrClosed)

	c.Variation("a new connection, which is closed in the same way while Answer is about to write")
	conn, peer = c.Connect()
	peer.Conn().Before("Write", conn.Close)
	a = s.startAnswer(c, conn, peer)
	a.send("hello")
	c.WantError("Answer", a.returns(), net.ErrClosed)
}

// late starts Answer on a connection whose deadline has passed.
func (s suite) late(c *check.C, what string) *answering {
	conn, peer := c.Connect()
	if what == "read" {
		conn.SetReadDeadline(past)
	} else {
		conn.SetWriteDeadline(past)
	}
	a := s.startAnswer(c, conn, peer)
	a.send("hello")
	return a
}

func (s suite) closed(c *check.C) {
	for _, message := range []string{"", "hello"} {
		c.Variation("a new connection")
		conn, peer := c.Connect()
		a := s.startAnswer(c, conn, peer)
		if message != "" {
			a.send(message)
		}
		peer.CloseWrite()
		c.Step("the suite closed its side")
		a.wantClosed()
		c.Settle()
		if err := peer.Over(); err != io.EOF {
			c.Fail("the client met %s behind the last answer, not the end of the stream", check.Err(err))
		}
	}
	c.Variation("a new connection; the suite resets it")
	conn, peer := c.Connect()
	a := s.startAnswer(c, conn, peer)
	peer.Reset()
	a.wantClosed()

	c.Variation("a new connection")
	s.gone(c, true).wantClosed()

	for _, what := range []string{"read", "write"} {
		c.Variation("a new connection, whose %s deadline has passed", what)
		a := s.late(c, what)
		a.peer.CloseWrite() // even whoever does not look at the deadline comes to an end
		a.wantClosed()
	}
}

// wantClosed ends the case unless Answer returns and has closed its connection.
func (a *answering) wantClosed() {
	a.returns()
	if open(a.peer) {
		a.c.Fail("Answer has returned, and the connection is still open on its side")
	}
}

// open reports whether the code under test has not closed its end.
func open(peer *fault.Peer) bool {
	return peer.Conn().Did().Closed != "Close"
}
