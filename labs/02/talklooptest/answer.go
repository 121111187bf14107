package talklooptest

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"slices"
	"strings"
	"sync/atomic"
	"syscall"
	"time"
	"weak"

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

// returns waits for the call, for which nothing is left to wait, and records what it returned.
func (a *answering) returns() error {
	a.c.Prompt("Answer(conn) to return", a.Ended)
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
	a.c.Prompt("the answer to "+text(message), func() bool { return a.Ended() || arrived() })
	a.wantNoDeadline()
	a.c.Settle()
	if a.Ended() && !arrived() {
		a.returns()
	}
	a.c.Await("the answer to "+text(message), arrived)
	answer = string(a.peer.Received()[before:])
	a.c.Step("the suite received %s", text(answer))
	return answer
}

// wantNoDeadline ends the case if Answer has set a deadline.
func (a *answering) wantNoDeadline() {
	if a.peer.Conn().Did().Deadline != "" {
		a.c.Rule("How long to wait for a message is for the caller to decide.", "Set no deadline in Answer.")
	}
	a.c.WantNoDeadline("Answer", a.peer.Conn())
}

func (s suite) end(c *check.C) {
	c.Variation("a new connection; the suite closes its side without a message")
	conn, peer := c.Connect()
	peer.CloseWrite()
	a := s.startAnswer(c, conn, peer)
	err := a.returns()
	if peer.Conn().Did().Reads == 0 {
		c.Rule("conn may be a *net.TCPConn or any other net.Conn: what it says is read and answered.",
			"Use the methods of net.Conn, and begin with Read. For more, write v, ok := conn.(T), and do without it "+
				"when ok is false.")
	}
	c.WantNil("Answer", err)
	c.Settle()
	if len(peer.Received()) > 0 {
		c.Rule("Only what the client has sent is answered: there is no greeting, and no farewell.",
			"Write nothing but what Read has brought, in upper case.")
	}
	c.WantText("answered without a message", string(peer.Received()), "")

	c.Variation("a new connection; the suite sends one message and closes its side, and one Read brings both")
	conn, peer = c.Connect()
	peer.Conn().AfterRead(func(int) error { return io.EOF })
	a = s.startAnswer(c, conn, peer)
	peer.Send([]byte("x")) // one byte, so that it is read at once
	peer.CloseWrite()
	c.WantNil("Answer", a.returns())
}

func (s suite) talk(c *check.C) {
	every := make([]byte, 256) // each byte once
	for i := range every {
		every[i] = byte(i)
	}
	c.Variation("a new connection; the suite waits for each answer before it goes on")
	conn, peer := c.Connect()
	a := s.startAnswer(c, conn, peer)
	messages := []string{
		"hello", "how are you", "z", "quit", "QUIT", "exit", "hello", "hello", " ", "\n", "\r\n", "\x00",
		"quit\n", "exit\n", "quit\r\n", "bye\r\n",
		"caf\u00e9, stra\u00dfe, 你好\n", string(every), "half of \xe4\xbd", "\xa0, and the rest",
	}
	for n := 256; n <= 8<<10; n *= 2 { // bytes that fill any usual buffer
		messages = append(messages, strings.Repeat(string(every), n/256))
	}
	for _, message := range messages {
		a.wantAnswer(message)
	}
	c.Late(120 * time.Millisecond)
	c.WantText("answer", a.exchange("a late message"), "A LATE MESSAGE")
	peer.CloseWrite()
	a.returns() // whether with an error is another case

	s.together(c)
	s.notAhead(c)
	s.bothAtOnce(c)

	c.Variation("a new connection; the suite sends 71680 bytes at once, and closes its side")
	conn, peer = c.Connect()
	peer.Send([]byte(strings.Repeat(string(every), 280)))
	peer.CloseWrite()
	s.startAnswer(c, conn, peer).returns()
	c.Settle()
	c.WantBytes("all answers together", peer.Received(), []byte(upper(strings.Repeat(string(every), 280))))

	for _, cut := range c.Cuts(2, 1024) {
		data := strings.Repeat(string(every), 20)
		if cut.Name == fault.Bytes.Name { // more messages than anybody may think enough
			data = strings.Repeat(string(every), 4)
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

// wantAnswer sends a message and compares its answer.
func (a *answering) wantAnswer(message string) {
	a.c.WantText("answer", a.exchange(message), upper(message))
	if n := a.peer.Conn().Did(); n.Writes > n.Brought {
		a.c.Fail(
			"%d calls of Read brought bytes, and %d calls of Write answered them; a client "+
				"that reads once may get no more than the first",
			n.Brought,
			n.Writes,
		)
	}
}

// together lets a Read bring a message and an error at once. What becomes of the error is another case.
func (s suite) together(c *check.C) {
	for _, broken := range []error{io.EOF, fault.Failures("read")[0], os.ErrDeadlineExceeded} {
		c.Variation("a new connection, whose Read brings the message together with the error %v", broken)
		c.Rule("A Read may bring bytes and an error at once, as io.Reader says. The bytes are answered.",
			"After each Read, answer buf[:n] if n > 0, and look at its error then.")
		conn, peer := c.Connect()
		peer.Conn().AfterRead(func(int) error { return broken })
		a := s.startAnswer(c, conn, peer)
		a.send("x") // one byte, so that it is read at once
		peer.CloseWrite()
		a.returns()
		c.Settle()
		if got := string(peer.Received()); strings.HasPrefix(got, "X") && got != "X" {
			c.Rule("An error ends the loop: nothing is written after it.",
				"Answer what has come and return the error. It is for the caller, not for the client.")
		}
		c.WantText("answer", string(peer.Received()), "X")
	}
}

// notAhead holds an answer up, and looks whether the next message is read meanwhile.
func (s suite) notAhead(c *check.C) {
	c.Variation("a new connection, whose first Write takes a while; the suite sends two messages")
	conn, peer := c.Connect()
	var writing atomic.Bool
	written := make(chan struct{})
	peer.Conn().Before("Write", func() error {
		writing.Store(true)
		<-written
		return nil
	})
	a := s.startAnswer(c, conn, peer)
	c.Say("the suite has sent \"one\" | \"two\"")
	peer.Send([]byte("one"), []byte("two"))
	func() {
		defer close(written)
		c.Await("an answer", func() bool { return a.Ended() || c.Resting() })
		if n := peer.Conn().Did(); n.Reads > 1 {
			c.Rule("What a Read brings is answered before the next Read.",
				"Call Read and Write in turn, in one loop.")
			c.Fail("Answer reads again, and has not written the answer to what it has read (%d bytes)", n.Taken)
		}
	}()
	peer.CloseWrite()
	a.returns()
	c.Settle()
	c.WantText("all answers together", string(peer.Received()), "ONETWO")
}

// bothAtOnce holds an answer up, before it is written or when the message has been read, until another call
// of Answer is over.
func (s suite) bothAtOnce(c *check.C) {
	for _, method := range []string{"Write", "Read"} {
		c.Variation("two connections; the first %s on one takes until the other one has ended", method)
		c.Rule("Several calls of Answer may run at once, each with a connection of its own.",
			"Make a new buffer in each call, keep nothing from one call to the next, and hold no lock.")
		conn, slow := c.Connect()
		held, release := slow.Conn().Hold(method)
		a := s.startAnswer(c, conn, slow)
		a.send("first")
		func() {
			defer release()
			c.Prompt("the first "+method, func() bool { return a.Ended() || held() })
			conn, quick := c.Connect()
			b := s.startAnswer(c, conn, quick)
			b.send("and the second")
			quick.CloseWrite()
			b.returns()
		}()
		slow.CloseWrite()
		a.returns()
		c.Settle()
		c.WantText("the first answer", string(slow.Received()), "FIRST")
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

	for _, reset := range wrapped("read", syscall.ECONNRESET) {
		c.Variation("a new connection, on which every Read fails: %v", reset)
		conn, peer := c.Connect()
		peer.Conn().Before("Read", func() error { return reset })
		c.WantNil("Answer", s.startAnswer(c, conn, peer).returns())
	}
	c.Variation("a new connection, whose Read brings the message together with a reset")
	conn, peer = c.Connect()
	peer.Conn().AfterRead(func(int) error { return wrapped("read", syscall.ECONNRESET)[0] })
	a = s.startAnswer(c, conn, peer)
	a.send("x")
	peer.CloseWrite()
	if err := a.returns(); err != nil && !errors.Is(err, io.EOF) { // that one is another case
		c.WantNil("Answer", err)
	}
}

// wrapped returns errors that are errno, as a net.Conn returns them.
func wrapped(op string, errno syscall.Errno) []error {
	err := error(&net.OpError{Op: op, Net: "tcp", Err: os.NewSyscallError(op, errno)})
	return []error{
		err, fmt.Errorf("the tunnel is shut: %w", err),
		fmt.Errorf("%w: %w", errors.New("the tunnel is shut"), err),
		&net.OpError{Op: op, Net: "tcp", Err: reworded{errno}},
		fmt.Errorf("the tunnel is shut: %w", errno), // no *net.OpError, and no *os.SyscallError
	}
}

// reworded is an error number in the words of another system.
type reworded struct{ errno syscall.Errno }

func (reworded) Error() string   { return "the other side is not there any more" }
func (r reworded) Unwrap() error { return r.errno }

// gone starts Answer on a connection with one message, whose client is gone when the answer is
// written. If the client has closed before, Write meets a broken pipe, otherwise a reset. The
// message has one byte, so that it is read at once.
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
	for i, broken := range append(wrapped("write", syscall.EPIPE), wrapped("write", syscall.ECONNRESET)...) {
		c.WantNil("Answer", s.unwritten(c, i%2, broken).returns())
	}
}

// unwritten starts Answer on a connection whose Write takes some bytes and fails.
func (s suite) unwritten(c *check.C, taken int, broken error) *answering {
	c.Variation("a new connection, on which Write takes %d bytes and fails: %v", taken, broken)
	conn, peer := c.Connect()
	peer.Conn().Break(taken, broken)
	a := s.startAnswer(c, conn, peer)
	a.send("hello")
	peer.CloseWrite()
	return a
}

// unread starts Answer on a connection whose Read fails.
func (s suite) unread(c *check.C, broken error) *answering {
	c.Variation("a new connection, on which every Read fails: %v", broken)
	conn, peer := c.Connect()
	peer.Conn().Before("Read", func() error { return broken })
	return s.startAnswer(c, conn, peer)
}

// otherFailures are those of "read" or "write" that do not say that the client has left.
func otherFailures(op string) []error {
	return slices.DeleteFunc(fault.Failures(op), func(err error) bool {
		return errors.Is(err, syscall.ECONNRESET) || errors.Is(err, syscall.EPIPE)
	})
}

// strangers are further errors that do not say so, though they may sound like it.
func strangers(op string) []error {
	failed := func(err error) error { return &net.OpError{Op: op, Net: "tcp", Err: err} }
	return []error{
		failed(os.NewSyscallError(op, syscall.ENOTCONN)),
		failed(os.NewSyscallError(op, syscall.ESHUTDOWN)),
		failed(os.NewSyscallError(op, syscall.EBADF)),
		failed(os.NewSyscallError(op, syscall.EINTR)),
		failed(os.NewSyscallError(op, syscall.ENETRESET)),
		failed(os.NewSyscallError(op, syscall.ECONNREFUSED)),
		failed(context.Canceled),
		net.ErrClosed,
		io.ErrShortWrite,
	}
}

// past is a deadline that has passed.
var past = time.Unix(1, 0)

func (s suite) failure(c *check.C) {
	// a loop that ignores errors waits after the first, and is busy after the second
	for _, what := range []string{"write", "read"} {
		c.Variation("a new connection, whose %s deadline has passed", what)
		c.WantError("Answer", s.late(c, what).returns(), os.ErrDeadlineExceeded)
	}
	c.Variation("a new connection, which is a *net.TCPConn; its write deadline has passed, and the suite " +
		"sends a message and stays")
	tcp, client := c.ConnectTCP()
	tcp.SetWriteDeadline(past)
	late := s.startAnswer(c, tcp, client)
	late.send("hello")
	late.Wait()
	c.Step("Answer(conn) returned %s", check.Err(late.err))
	c.WantError("Answer", late.err, os.ErrDeadlineExceeded)

	c.Variation("a new connection, which the caller closes on the side of Answer")
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

	for _, broken := range append(otherFailures("read"), strangers("read")...) {
		a := s.unread(c, broken)
		c.WantMet("Read failed", a.returns(), a.peer.Conn())
		a.wantNoDeadline()
		if a.peer.Conn().Did().Writes > 0 {
			c.Fail("Read failed, and Answer called Write after it: the error ends the loop")
		}
	}
	for i, broken := range append(otherFailures("write"), strangers("write")...) {
		a := s.unwritten(c, i%len("hello"), broken)
		c.WantMet("Write failed", a.returns(), a.peer.Conn())
		a.wantNoDeadline()
		if len(a.peer.Conn().Did().Errs) > 1 {
			c.Fail("Write failed, and Answer called it again: the error ends the loop")
		}
	}
	s.onceOnly(c)
	for op, call := range map[string]string{"read": "Read", "write": "Write"} {
		for _, broken := range []error{otherFailures(op)[0], net.ErrClosed, os.ErrDeadlineExceeded} {
			c.Variation("a new connection, on which the second %s fails: %v", call, broken)
			conn, peer := c.Connect()
			calls := 0
			peer.Conn().Before(call, func() error {
				if calls++; calls == 2 {
					return broken
				}
				return nil
			})
			a := s.startAnswer(c, conn, peer)
			c.Say("the suite has sent \"x\" | \"y\"")
			peer.Send([]byte("x"), []byte("y"))
			peer.CloseWrite()
			err := a.returns()
			if calls > 1 { // otherwise the first message was the end, which is another case
				c.WantError("Answer", err, broken)
			}
		}
	}
}

// onceOnly lets one Read bring bytes and an error, and the next one bytes alone.
func (s suite) onceOnly(c *check.C) {
	broken := otherFailures("read")[0]
	c.Variation("a new connection, whose first Read brings the message together with the error %v", broken)
	c.Rule("A Read may bring bytes and an error at once: the bytes are answered, and then the error counts.",
		"After the Write look at the error of the Read, also when it has brought bytes.")
	conn, peer := c.Connect()
	first := true
	peer.Conn().AfterRead(func(int) error {
		if first {
			first = false
			return broken
		}
		return nil
	})
	a := s.startAnswer(c, conn, peer)
	c.Say("the suite has sent \"x\" | \"y\"")
	peer.Send([]byte("x"), []byte("y"))
	peer.CloseWrite()
	c.WantError("Answer", a.returns(), broken)
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
	for _, broken := range otherFailures("read") {
		s.unread(c, broken).wantClosed()
	}
	for i, broken := range otherFailures("write") {
		s.unwritten(c, i%len("hello"), broken).wantClosed()
	}
	s.closesSlowly(c)

	c.Variation("a new connection; the suite sends a message and closes its side; then nobody needs " +
		"conn any more")
	conn, peer = c.Connect()
	peer.Send([]byte("hello"))
	peer.CloseWrite()
	s.letGo(c, "Answer(conn)", conn, func(conn net.Conn) { s.lab.Answer(conn) })

	c.Variation("a new connection, whose Close closes it and returns an error; the suite closes its side")
	c.Rule("A client that has left is no error. What Close returns does not matter.",
		"Do not return the error of Close.")
	conn, peer = c.Connect()
	peer.Conn().Before("Close", peer.Conn().Conn.Close) // so that the Close after it fails
	peer.CloseWrite()
	if err := s.startAnswer(c, conn, peer).returns(); err != nil && !errors.Is(err, io.EOF) {
		c.WantNil("Answer", err)
	}

	for _, end := range []string{"closes its side", "resets the connection"} {
		c.Variation("a new connection, which is a *net.TCPConn; the suite %s", end)
		conn, peer := c.ConnectTCP()
		a := s.startAnswer(c, conn, peer)
		if end == "closes its side" {
			peer.CloseWrite()
		} else {
			peer.Reset()
		}
		a.Wait()
		c.Step("Answer(conn) returned %s", check.Err(a.err))
		if !check.IsClosed(conn) {
			c.Fail(stillOpen)
		}
	}
}

// letGo has call use a connection that nothing else holds on to, and looks whether it is let go.
func (s suite) letGo(c *check.C, function string, conn net.Conn, call func(conn net.Conn)) {
	lent := &struct{ net.Conn }{conn}
	kept, given := weak.Make(lent), []net.Conn{lent}
	c.Do(function, func() { call(given[0]) })
	given[0] = nil
	c.WantLetGo(function, func() bool { return kept.Value() != nil })
}

// closesSlowly lets Close take its time: until Answer has returned, or waits for it.
func (s suite) closesSlowly(c *check.C) {
	c.Variation("a new connection, which takes a while to close; the suite closes its side")
	conn, peer := c.Connect()
	var closing atomic.Bool
	closed := make(chan struct{})
	peer.Conn().Before("Close", func() error {
		closing.Store(true)
		<-closed
		return nil
	})
	a := s.startAnswer(c, conn, peer)
	peer.CloseWrite()
	func() {
		defer close(closed)
		c.Await("the connection to be closed", func() bool { return a.Ended() || closing.Load() && c.Resting() })
		if a.Ended() {
			c.Rule("When Answer returns, the connection is closed, and nothing is left to do.",
				"Call conn.Close with defer or as the last thing, not with go.")
			c.Fail("Answer has returned, and the connection is not closed yet")
		}
	}()
	a.returns()
}

const (
	stillOpen = "Answer has returned, and the connection is still open on its side"
	halfOpen  = "Answer has returned, and only the writing half of the connection is closed: call Close"
)

// wantClosed ends the case unless Answer returns and has closed its connection.
func (a *answering) wantClosed() {
	a.returns()
	switch a.peer.Conn().Did().Closed {
	case "Close":
	case "CloseWrite":
		a.c.Fail(halfOpen)
	default:
		a.c.Fail(stillOpen)
	}
}
