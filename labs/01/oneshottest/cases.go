package oneshottest

import (
	"bytes"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"sync/atomic"
	"syscall"
	"time"
	"weak"

	"socketbook/tools/check"
	"socketbook/tools/fault"
)

const (
	most     = 1024             // bytes of a message
	patience = 10 * time.Second // the nearest deadline that is allowed
)

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

// answered sends message in one piece and compares what comes back. The client closes its side at
// once, so an answer that reads to the end passes too: OneRead is about that.
func (s suite) answered(c *check.C, message []byte) (got []byte) {
	c.Variation("a new connection; the suite sends one message and closes its side")
	conn, peer := c.Connect()
	send(c, peer, fault.Whole, message)
	peer.CloseWrite()
	c.WantNil("Answer", s.answer(c, conn, peer))
	c.Settle()
	got = peer.Received()
	c.Step("the suite received %s", text(got))
	if did := peer.Conn().Did(); did.Writes == 0 && did.Closed == "" {
		c.Rule("When Answer returns, the answer is written, the connection is closed, and nothing is left to do.",
			"Let Answer do its work itself, or wait for the goroutine that does it.")
	}
	if bytes.Equal(got, upper(message)) {
		wantOneWrite(c, "the answer", "client", peer.Conn().Did().Writes)
	}
	return got
}

func (s suite) upper(c *check.C) {
	var signs []byte // each sign with a letter behind it, as in "it's"
	for sign := byte('!'); sign < 'A'; sign++ {
		signs = append(signs, sign, 'a'+sign%26)
	}
	for _, message := range []string{
		"hello", "z", "the quick brown fox jumps over the lazy dog", "Hello, World", "quit", "QUIT",
		"exit", "hello", string(signs),
	} {
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
		[]byte("1 + 1 = 2\n"), []byte(" \tindented, and a line end\r\n"), []byte("caf\u00e9 stra\u00dfe"),
		[]byte("你好, socket"),
		{0xc4, 0xe3, 0xba, 0xc3}, // 你好 in GBK
		{'a', 0, 'b', 0},
		[]byte(" "), []byte("\n"), []byte("\r\n"), []byte(" \t \r\n"),
		{0},
		{0xff},
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
	a := s.startAnswer(c, conn)
	c.Late(120 * time.Millisecond)
	send(c, peer, fault.Whole, []byte("hello"))
	c.WantNil("Answer", a.returns(c, peer))
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
	c.WantNil("Answer", s.answer(c, conn, peer))
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
		c.WantNil("Answer", s.answer(c, conn, peer))
		wantClosed(c, peer)
		c.Settle()
		if err := peer.Over(); err != io.EOF {
			c.Fail("the client met %s behind the answer, not the end of the stream", check.Err(err))
		}
	}
	s.closesSlowly(c)

	c.Variation("a new connection, whose Close closes it and returns an error; the suite sends one message")
	c.Rule("nil means that the whole answer was written. What Close returns does not matter.",
		"Do not return the error of Close.")
	conn, peer := c.Connect()
	peer.Conn().Before("Close", peer.Conn().Conn.Close) // so that the Close after it fails
	send(c, peer, fault.Whole, []byte("hello"))
	c.WantNil("Answer", s.answer(c, conn, peer))

	for _, message := range []string{"hello", ""} {
		c.Variation("a new connection; the suite sends %s and closes its side; then nobody needs conn any more",
			text([]byte(message)))
		conn, peer := c.Connect()
		peer.Send([]byte(message))
		peer.CloseWrite()
		s.letGo(c, "Answer(conn)", conn, func(conn net.Conn) { s.lab.Answer(conn) })
	}

	s.bothAtOnce(c)
	s.overTCP(c, "sends one message", func(peer *fault.Peer) { peer.Send([]byte("hello")) })
}

// bothAtOnce holds one answer up, before it is written or when the message has been read, until another call
// of Answer is over.
func (s suite) bothAtOnce(c *check.C) {
	for _, method := range []string{"Write", "Read"} {
		c.Variation("two connections; the %s on the first takes until the second is answered", method)
		c.Rule("Several calls of Answer may run at once, each with a connection of its own.",
			"Make a new buffer in each call, keep nothing from one call to the next, and hold no lock.")
		conn, slow := c.Connect()
		held, release := slow.Conn().Hold(method)
		a := s.startAnswer(c, conn)
		send(c, slow, fault.Whole, []byte("first"))
		func() {
			defer release()
			c.Prompt("the first "+method, func() bool { return a.Ended() || held() })
			conn, quick := c.Connect()
			b := s.startAnswer(c, conn)
			send(c, quick, fault.Whole, []byte("and the second"))
			b.returns(c, quick)
		}()
		a.returns(c, slow)
		c.Settle()
		c.WantText("the first answer", string(slow.Received()), "FIRST")
	}
}

// interrupted is an error that a program in C would begin anew after.
func interrupted(op string) error {
	return &net.OpError{Op: op, Net: "tcp", Err: os.NewSyscallError(op, syscall.EINTR)}
}

// once is err at the first call, and nil later.
func once(err error) func() error {
	return func() (now error) {
		now, err = err, nil
		return now
	}
}

// closesSlowly lets Close take its time: until Answer has returned, or waits for it.
func (s suite) closesSlowly(c *check.C) {
	c.Variation("a new connection, which takes a while to close; the suite sends one message")
	conn, peer := c.Connect()
	var closing atomic.Bool
	closed := make(chan struct{})
	peer.Conn().Before("Close", func() error {
		closing.Store(true)
		<-closed
		return nil
	})
	send(c, peer, fault.Whole, []byte("hello"))
	a := s.startAnswer(c, conn)
	func() {
		defer close(closed)
		c.Await("the connection to be closed", func() bool { return a.Ended() || closing.Load() && c.Resting() })
		if a.Ended() {
			c.Rule("When Answer returns, the connection is closed, and nothing is left to do.",
				"Call conn.Close with defer or as the last thing, not with go.")
			c.Fail("Answer has returned, and the connection is not closed yet")
		}
	}()
	a.returns(c, peer)
}

// letGo has call use a connection that nothing else holds on to, and looks whether it is let go.
func (s suite) letGo(c *check.C, function string, conn net.Conn, call func(conn net.Conn)) {
	lent := &struct{ net.Conn }{conn}
	kept, given := weak.Make(lent), []net.Conn{lent}
	c.Do(function, func() { call(given[0]) })
	given[0] = nil
	c.WantLetGo(function, func() bool { return kept.Value() != nil })
}

// overTCP is for an Answer that does something else when its connection is a *net.TCPConn.
func (s suite) overTCP(c *check.C, happens string, happen func(peer *fault.Peer)) {
	c.Variation("a new connection, which is a *net.TCPConn; the suite %s", happens)
	conn, peer := c.ConnectTCP()
	happen(peer)
	a := s.startAnswer(c, conn)
	a.Wait()
	c.Step("Answer(conn) returned %s", check.Err(a.err))
	if !check.IsClosed(conn) {
		c.Fail(stillOpen)
	}
}

const (
	stillOpen = "Answer has returned, and the connection is still open on its side"
	halfOpen  = "Answer has returned, and only the writing half of the connection is closed: call Close"
)

// wantClosed ends the case unless Answer has closed its connection.
func wantClosed(c *check.C, peer *fault.Peer) {
	switch peer.Conn().Did().Closed {
	case "Close":
	case "CloseWrite":
		c.Fail(halfOpen)
	default:
		c.Fail(stillOpen)
	}
}

func (s suite) silent(c *check.C) {
	c.Variation("a new connection; the suite closes its side without a message")
	conn, peer := c.Connect()
	peer.CloseWrite()
	err := s.answer(c, conn, peer)
	c.WantError("Answer", err, io.EOF)
	wantClosed(c, peer)
	c.Settle()
	c.WantBytes("answered without a message", peer.Received(), nil)

	c.Variation("a new connection; the suite resets it without a message")
	conn, peer = c.Connect()
	peer.Reset()
	c.WantMet("the connection was reset", s.answer(c, conn, peer), peer.Conn())
	wantClosed(c, peer)

	c.Variation("a new connection, whose Close closes it and returns an error; the suite closes its side")
	c.Rule("The error is that of Read. What Close returns does not matter.", "Do not return the error of Close.")
	conn, peer = c.Connect()
	peer.Conn().Before("Close", peer.Conn().Conn.Close) // so that the Close after it fails
	peer.CloseWrite()
	c.WantError("Answer", s.answer(c, conn, peer), io.EOF)

	for _, broken := range append(fault.Failures("read"), interrupted("read")) {
		c.Variation("a new connection, on which the first Read fails: %v", broken)
		conn, peer := c.Connect()
		peer.Conn().Before("Read", once(broken))
		send(c, peer, fault.Whole, []byte("hello"))
		c.WantMet("Read failed", s.answer(c, conn, peer), peer.Conn())
		wantClosed(c, peer)
		c.Settle()
		c.WantBytes("answered without a message", peer.Received(), nil)
	}
	s.overTCP(c, "closes its side without a message", (*fault.Peer).CloseWrite)
	s.overTCP(c, "resets it without a message", (*fault.Peer).Reset)
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
		wantUnsent(c, s.answer(c, conn, peer), peer)
	}
	c.Variation("a new connection, on which Write fails, and whose Close closes it and returns an error")
	conn, peer := c.Connect()
	peer.Conn().Break(0, interrupted("write"))
	peer.Conn().Before("Close", peer.Conn().Conn.Close) // so that the Close after it fails
	send(c, peer, fault.Whole, []byte("hello"))
	peer.CloseWrite()
	wantUnsent(c, s.answer(c, conn, peer), peer)

	c.Variation("a new connection, which is a *net.TCPConn, and whose write deadline has passed")
	conn, peer = c.ConnectTCP()
	conn.SetWriteDeadline(time.Unix(1, 0))
	peer.Send([]byte("hello"))
	peer.CloseWrite()
	s.startAnswer(c, conn).Wait() // what it returns is for a connection that tells
	if !check.IsClosed(conn) {
		c.Fail(stillOpen)
	}

	for i, broken := range append(fault.Failures("write"), interrupted("write")) {
		taken := i % len("hello") // some of the bytes, or none
		c.Variation("a new connection, on which Write takes %d bytes and fails: %v", taken, broken)
		conn, peer := c.Connect()
		peer.Conn().Break(taken, broken)
		send(c, peer, fault.Whole, []byte("hello"))
		peer.CloseWrite()
		wantUnsent(c, s.answer(c, conn, peer), peer)
		if n := peer.Conn().Did().Writes; n > 1 {
			c.Rule("A Write that fails is the end: what it has not taken is not written again.",
				"Return the error of Write at once.")
			c.Fail("Write failed, and Answer went on: it called Write %d times", n)
		}
	}
}

// wantUnsent ends the case unless err says why the answer could not be sent, and the connection is closed.
func wantUnsent(c *check.C, err error, peer *fault.Peer) {
	if err == nil {
		c.Fail("the answer could not be sent, and Answer returned nil")
	}
	c.WantMet("the answer could not be sent", err, peer.Conn())
	wantClosed(c, peer)
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
	c.Prompt("the question", func() bool { return q.Ended() || len(peer.Received()) >= before+len(message) })
	if q.Ended() {
		q.returns(c)
		c.Rule("A message of 1 to 1024 bytes is asked, each time and whatever it says, and its answer is what the "+
			"server then sends.",
			"Refuse a message by its length alone. Write any other, and then Read.")
		c.WantNil("Ask", q.err)
		c.Fail("Ask has returned before the suite answered")
	}
	c.Step("the suite received %s", text(peer.Received()[before:]))
	if isLate {
		c.Late(120 * time.Millisecond)
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
	room := q.message[len(q.message):cap(q.message)]
	if bytes.Count(room, []byte{behind}) < len(room) {
		c.Rule(
			"message belongs to the caller, and so does the rest of the array behind it, into which append writes.",
			"Write message as it is. To change or lengthen it, make a copy first: bytes.Clone(message).",
		)
		c.Fail("Ask has written into the array behind message, which belongs to the caller")
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
	wantNoTrace(c, peer)
	return q
}

// wantNoTrace ends the case if Ask has left a deadline behind, or set one that is near.
func wantNoTrace(c *check.C, peer *fault.Peer) {
	c.WantUntimed("Ask", peer.Conn())
	c.WantPatience("Ask", peer.Conn(), patience)
}

// lastOnly closes the peer of the variation before: the goroutines of many connections make looks at the
// stacks slow. The last one stays, so that what waits there is found.
type lastOnly struct{ peer *fault.Peer }

func (l *lastOnly) keep(peer *fault.Peer) {
	if l.peer != nil {
		l.peer.Close()
	}
	l.peer = peer
}

func (s suite) ask(c *check.C) {
	var last lastOnly
	long := bytes.Repeat([]byte("socket "), 300)
	for _, x := range []struct{ message, answer []byte }{
		{[]byte("hello"), []byte("HELLO")},
		{[]byte("how are you"), []byte("fine")},
		{[]byte("?"), []byte("a longer answer\n")},
		{[]byte(" two\nlines\n"), []byte{' ', 0xff, 0, 'x', 0}},
		{[]byte{'a', 0, 'b', 0xff, 0}, []byte("a\x00")},
		{[]byte(" "), []byte("\r\n")},
		{[]byte("\r\n"), []byte(" ")},
		{[]byte("quit"), []byte("quit")},
		{[]byte{0}, []byte{0}},
		{[]byte("100 %d\n"), []byte("100 %s\n")},
		{[]byte("exit"), []byte("ERROR: the answer to exit")},
		{[]byte("\ufeffhello"), []byte("\ufeffHELLO")},
		{long[:most], upper(long[:most])},
		{[]byte("more"), long},
	} {
		c.Variation("a new connection; the suite answers in one piece and leaves the connection open")
		conn, peer := c.Connect()
		last.keep(peer)
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
	long, other := strings.Repeat("socket ", 300), strings.Repeat("packet ", 300)
	exchanges := []struct{ message, answer string }{
		{"hello", "HELLO"},
		{"a longer message", "A LONGER MESSAGE"},
		{"hello", "and again"},
		{"more", long[:most]},
		{"still more", other}, // the end of which waits for the next question
	}
	var asked []*question
	for _, x := range exchanges {
		asked = append(asked, s.askFor(c, conn, peer, []byte(x.message), []byte(x.answer), fault.Whole, false))
		c.WantOpen("Ask", peer.Conn())
	}
	for _, q := range asked[:len(asked)-1] { // by more than its buffer can have left
		_ = append(q.answer, strings.Repeat("nobody else's ", 2*most/10)...)
	}
	for i, x := range exchanges {
		c.WantText(
			fmt.Sprintf("answer %d, looked at when all were there", i+1),
			string(asked[i].answer),
			x.answer[:min(len(x.answer), most)],
		)
	}
	q := s.startAsk(c, conn, []byte("bye"))
	q.returns(c)
	c.WantNil("Ask", q.err)
	c.WantText("what had come with the answer before", string(q.answer), other[most:min(len(other), 2*most)])
	c.WantOpen("Ask", peer.Conn())

	for _, answer := range []string{"HELLO", ""} {
		c.Variation("a new connection; the suite answers %s and closes its side; then nobody needs conn any more",
			text([]byte(answer)))
		conn, peer := c.Connect()
		peer.Send([]byte(answer))
		peer.CloseWrite()
		s.letGo(c, "Ask(conn, \"hello\")", conn, func(conn net.Conn) { s.lab.Ask(conn, []byte("hello")) })
	}
	c.Variation("a new connection; a question of 0 bytes; then nobody needs conn any more")
	conn, peer = c.Connect()
	peer.Send([]byte("that it is asked is another case"))
	peer.CloseWrite()
	s.letGo(c, "Ask(conn, nil)", conn, func(conn net.Conn) { s.lab.Ask(conn, nil) })

	s.askedAtOnce(c)

	c.Variation("a new connection, which is a *net.TCPConn, for two questions")
	conn, peer = c.ConnectTCP()
	for _, m := range []string{"hello", "bye"} {
		before := len(peer.Received())
		q := s.startAsk(c, conn, []byte(m))
		c.Await("the question", func() bool { return q.Ended() || len(peer.Received()) >= before+len(m) })
		send(c, peer, fault.Whole, upper([]byte(m)))
		q.Wait()
		c.Step("%s returned %s, %s", q.what, text(q.answer), check.Err(q.err))
		c.WantNil("Ask", q.err)
		c.WantText("answer", string(q.answer), string(upper([]byte(m))))
	}
	if _, err := conn.Write([]byte("more")); err != nil {
		c.Fail("Ask has closed the connection, or half of it: a Write after the last question "+
			"fails (%v)", err)
	}
}

// askedAtOnce holds one question up, before it is written or when its answer has been read, until
// another one, on another connection, is answered.
func (s suite) askedAtOnce(c *check.C) {
	for _, method := range []string{"Write", "Read"} {
		c.Variation("two connections; the %s on the first takes until the question on the second is answered",
			method)
		c.Rule("Several calls of Ask may run at once, each on a connection of its own.",
			"Make a new buffer in each call, keep nothing from one call to the next, and hold no lock.")
		conn, slow := c.Connect()
		held, release := slow.Conn().Hold(method)
		send(c, slow, fault.Whole, []byte("FIRST"))
		a := s.startAsk(c, conn, []byte("first"))
		func() {
			defer release()
			c.Prompt("the first "+method, func() bool { return a.Ended() || held() })
			conn, quick := c.Connect()
			send(c, quick, fault.Whole, []byte("AND THE SECOND"))
			s.startAsk(c, conn, []byte("and the second")).returns(c)
		}()
		a.returns(c)
		c.WantNil("Ask", a.err)
		c.WantText("the first answer", string(a.answer), "FIRST")
	}
}

func (s suite) refused(c *check.C) {
	for _, message := range [][]byte{
		{},
		nil, bytes.Repeat([]byte("x"), most+1), bytes.Repeat([]byte("y"), 3*most),
		bytes.Repeat([]byte("z"), 1<<16+5),         // which is 5 in 16 bits
		bytes.Repeat([]byte("\u00e9"), most/2+100), // fewer letters than bytes
	} {
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
		case check.Is(q.err, io.EOF):
			c.Fail("io.EOF says that the server has closed its side; for a question of %d bytes it is an "+
				"error of your own", len(message))
		}
		c.WantOpen("Ask", peer.Conn())
		wantNoTrace(c, peer)
	}
	for _, size := range []int{0, most + 1} {
		c.Variation("a new connection, which is a *net.TCPConn; a question of %d bytes", size)
		conn, peer := c.ConnectTCP()
		peer.Send([]byte("that it is asked is another case"))
		s.startAsk(c, conn, bytes.Repeat([]byte("x"), size)).Wait()
		if _, err := conn.Write([]byte("more")); err != nil {
			c.Fail("Ask has closed the connection, or half of it: a Write after it fails (%v)", err)
		}
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
		q.fails(c, peer, want)

		c.Variation("a new connection; the suite %s before the question", end)
		conn, peer = c.Connect()
		leave(peer)
		c.Settle()
		q = s.startAsk(c, conn, []byte("hello"))
		q.fails(c, peer, want)
	}
	met := func(what string) func(*fault.Peer, error) {
		return func(peer *fault.Peer, err error) { c.WantMet(what+" failed", err, peer.Conn()) }
	}
	var reads, writes lastOnly
	for _, broken := range append(fault.Failures("read"), interrupted("read")) {
		c.Variation("a new connection, on which the first Read fails: %v", broken)
		conn, peer := c.Connect()
		reads.keep(peer)
		peer.Conn().Before("Read", once(broken))
		send(c, peer, fault.Whole, []byte("HELLO"))
		s.startAsk(c, conn, []byte("hello")).fails(c, peer, met("Read"))
	}
	for i, broken := range fault.Failures("write") {
		taken := i % len("hello") // some of the bytes, or none
		c.Variation("a new connection, on which Write takes %d bytes and fails: %v", taken, broken)
		conn, peer := c.Connect()
		writes.keep(peer)
		peer.Conn().Break(taken, broken)
		q := s.startAsk(c, conn, []byte("hello"))
		c.Say("the suite has made Write fail")
		q.fails(c, peer, met("Write"))
	}
	c.Variation("a new connection, which is a *net.TCPConn, and whose write deadline has passed")
	conn, peer := c.ConnectTCP()
	conn.SetWriteDeadline(time.Unix(1, 0))
	peer.Send([]byte("HELLO"))
	s.startAsk(c, conn, []byte("hello")).Wait()
	conn.SetWriteDeadline(time.Time{})
	if _, err := conn.Write([]byte("more")); err != nil {
		c.Fail("Ask has closed the connection, or half of it: a Write after it fails (%v)", err)
	}
	c.Variation("a new connection, which is a *net.TCPConn; the suite closes its side before the question")
	conn, peer = c.ConnectTCP()
	peer.CloseWrite()
	q := s.startAsk(c, conn, []byte("hello"))
	q.Wait()
	c.Step("%s returned %s, %s", q.what, text(q.answer), check.Err(q.err))
	if _, err := conn.Write([]byte("more")); err != nil {
		c.Fail("Ask has closed the connection, or half of it: a Write after it fails (%v)", err)
	}
}

// fails waits for a question that has no answer. want compares its error.
func (q *question) fails(c *check.C, peer *fault.Peer, want func(peer *fault.Peer, err error)) {
	q.returns(c)
	want(peer, q.err)
	c.WantOpen("Ask", peer.Conn())
	wantNoTrace(c, peer)
	if n := peer.Conn().Did().Writes; n > 1 {
		c.Rule("Ask asks once, even if the server leaves, and an error of Write is the end.",
			"Return the first error, and call Write no more.")
		c.Fail("there was an error, and Ask went on: it called Write %d times", n)
	}
}
