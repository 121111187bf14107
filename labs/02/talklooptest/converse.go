package talklooptest

import (
	"errors"
	"io"
	"net"
	"os"
	"strings"
	"syscall"
	"time"

	"socketbook/tools/check"
	"socketbook/tools/fault"
)

// errUnplugged is the error of an input that breaks.
var errUnplugged = errors.New("the keyboard is unplugged")

// input is what the suite types: only a reader, whose errors but io.EOF are broken.
type input struct {
	r      io.Reader
	broken error
}

func (i input) Read(p []byte) (int, error) {
	n, err := i.r.Read(p)
	if err != nil && err != io.EOF {
		err = i.broken
	}
	return n, err
}

// hesitant is a reader every other Read of which brings nothing, and no error.
type hesitant struct {
	input
	hesitates *bool
}

func (h hesitant) Read(p []byte) (int, error) {
	if *h.hesitates = !*h.hesitates; *h.hesitates {
		return 0, nil
	}
	return h.input.Read(p)
}

// conversation is a call of the student's Converse. Its input is a connection too, at whose other end
// the suite types: so it comes in pieces, and a wait for a line that nobody types is seen.
type conversation struct {
	c        *check.C
	call     *check.Call
	server   *fault.Peer // the other end of conn
	keyboard *fault.Peer // the other end of in
	out      *fault.Writer
	err      error

	messages int
	leftover string // what the conversation before has not sent
	sent     string // what the server has to have received by now
	printed  string // and what has to stand on out
}

// lastOnly closes the connections of the conversation before: the goroutines of many make looks at the
// stacks slow. The last one stays, so that what waits there is found.
type lastOnly struct{ v *conversation }

func (l *lastOnly) keep(v *conversation) *conversation {
	if l.v != nil {
		l.v.server.Close()
		l.v.keyboard.Close()
	}
	l.v = v
	return v
}

func (s suite) startConverse(c *check.C, out *fault.Writer) *conversation {
	return s.startConverseOn(c, out, errUnplugged, func(i input) io.Reader { return i })
}

// startConverseOn is startConverse with another error of the input, and another input.
func (s suite) startConverseOn(
	c *check.C,
	out *fault.Writer,
	broken error,
	reader func(input) io.Reader,
) *conversation {
	conn, server := c.Connect()
	in, keyboard := c.Connect()
	v := &conversation{c: c, server: server, keyboard: keyboard, out: c.Writer(out)}
	v.call = c.Start("Converse(conn, in, out)", func() {
		v.err = s.lab.Converse(conn, reader(input{in, broken}), v.out)
	})
	return v
}

func (v *conversation) did() fault.Did { return v.server.Conn().Did() }

// awaits waits for cond, and records what Converse has returned if it has ended before that.
func (v *conversation) awaits(what string, cond func() bool) {
	v.c.Prompt(what, func() bool { return v.call.Ended() || cond() })
	if v.call.Ended() {
		v.c.Settle()
		if !cond() {
			v.c.Step("Converse(conn, in, out) returned %s", check.Err(v.err))
		}
	}
	v.c.Await(what, cond)
}

// types makes text the next input.
func (v *conversation) types(typed string, cut fault.Cut) {
	v.c.Say("the suite has typed %s", text(typed))
	v.keyboard.Send(cut.Pieces([]byte(typed))...)
}

// receives waits until message has come, all of it and nothing else, and an answer is awaited.
func (v *conversation) receives(message string) {
	before := len(v.sent)
	v.sent += message
	v.awaits("the message "+text(message), func() bool {
		n, got := v.did(), len(v.server.Received())
		enough := got >= len(v.sent) ||
			got > before && v.server.Conn().Starved() // another message, which is shown
		return enough && got == n.Written && n.Reads > v.messages
	})
	v.messages++
	got := string(v.server.Received()[before:])
	v.c.Step("the suite received %s", text(got))
	if v.leftover != "" && got == v.leftover {
		v.c.Rule("Each call of Converse has an input of its own. What an earlier call has not sent is not sent "+
			"later.",
			"Make the bufio.Scanner, or what else you keep lines in, in each call, and in no variable of the package.")
	}
	what := "the message"
	if len(message) > 0 && strings.HasPrefix(got, message) {
		what = "sent before an answer was read"
	}
	v.c.WantText(what, got, message)
	if writes := v.did().Writes; writes > v.messages {
		v.c.Fail(
			"%s went out in %d calls of Write; a server that reads once may get no more than the first",
			text(message),
			1+writes-v.messages,
		)
	}
}

// answers sends the answer to a message.
func (v *conversation) answers(answer string) {
	v.c.Say("the suite has answered %s", text(answer))
	v.server.Send([]byte(answer))
}

// prints waits until answer is printed as a line.
func (v *conversation) prints(answer string) {
	before := len(v.printed)
	v.printed += answer + "\n"
	v.awaits("the line "+text(answer)+" on out", func() bool {
		got := len(v.out.Taken())
		waits := v.server.Conn().Starved() || v.keyboard.Conn().Starved() // so what it has printed is all
		return got >= len(v.printed) || got > before && waits
	})
	v.c.WantText("printed", string(v.out.Taken()[before:]), answer+"\n")
}

// exchanges answers a message that is on its way.
func (v *conversation) exchanges(message, answer string) {
	v.receives(message)
	v.answers(answer)
	v.prints(answer)
}

// ends makes this the end of the input.
func (v *conversation) ends() {
	v.keyboard.CloseWrite()
	v.c.Say("the suite has ended the input")
}

// returns waits for the call, records what it returned, and compares all that was sent and printed.
func (v *conversation) returns() error {
	v.c.Prompt("Converse to return", func() bool { return v.call.Ended() || v.sentMore() })
	if v.sentMore() {
		more := string(v.server.Received()[len(v.sent):])
		v.c.Step("the suite received %s", text(more))
		v.c.WantText("sent when nothing was left to send", more, "")
	}
	v.c.Step("Converse(conn, in, out) returned %s", check.Err(v.err))
	v.c.Settle()
	v.c.WantText("all that was sent", string(v.server.Received()), v.sent)
	v.c.WantText("all that was printed", string(v.out.Taken()), v.printed)
	return v.err
}

// sentMore reports whether an answer is awaited to what should not have been sent.
func (v *conversation) sentMore() bool {
	n, got := v.did(), len(v.server.Received())
	return got > len(v.sent) && got == n.Written && n.Reads > v.messages
}

// lineEnd ends a line; one that ends with a carriage return of its own has to have both.
func lineEnd(line string) string {
	if strings.HasSuffix(line, "\r") {
		return "\r\n"
	}
	return "\n"
}

func (s suite) lines(c *check.C) {
	long := strings.Repeat("socket ", 200)[:1024]
	c.Variation("a new connection; each line is typed when the answer to the one before is printed")
	v := s.startConverse(c, &fault.Writer{})
	for _, x := range []struct{ line, answer string }{
		{"hello", "HELLO"},
		{"how are you", "fine"},
		{"  two  spaces ", "  TWO  SPACES "},
		{"你好", "你好, 你好"},
		{" ", " "},
		{"\t", "a tab"},
		{"\x00", "a zero"},
		{long, "ok"},
		{"more", upper(long)},
		{"more", "the same line, another answer"},
		{"exit", "QUIT"},
		{"bye", "quit"},
		{"# no comment", "#"},
		{"/help", "\n"},
		{"\xc4\xe3\xba\xc3 is not UTF-8\xff", " "},
		{"zero\x00byte\x00", "zeros\x00\x00"},
		{"100 %d%s", "100 %d%s %v"},
		{"\ufeffhello", "\ufeffHELLO"},
		{"and a line end", "two\nlines\n"},
		{"bytes", "\xff\x00\xfe, \r"},
		{"\tone carriage return stays\r", "ok"},
		{"\r", "ok"},
		{strings.Repeat("y", 1023) + "\r", "ok"},
	} {
		v.types(x.line+lineEnd(x.line), fault.Whole)
		v.exchanges(x.line, x.answer)
	}
	v.types(long+"\r\n", fault.Whole)
	v.exchanges(long, "ok")
	v.ends()
	v.returns()
	v.wantPatience()

	c.Variation("Converse is called once more, with another connection and another input")
	c.Rule("Each call of Converse has a connection and an input of its own, and keeps nothing for the next one.",
		"Make the bufio.Scanner, and whatever else you need, in Converse itself.")
	v = s.startConverse(c, &fault.Writer{})
	v.types("hello again\n", fault.Whole)
	v.exchanges("hello again", "HELLO AGAIN")
	v.ends()
	v.returns()

	s.early(c)

	for _, broken := range []error{io.EOF, fault.Failures("read")[0]} {
		c.Variation("a new connection, whose Read brings the answer together with the error %v", broken)
		c.Rule("A Read may bring bytes and an error at once, as io.Reader says. The bytes are the answer.",
			"After the Read, print buf[:n] if n > 0, and look at its error then.")
		v = s.startConverse(c, &fault.Writer{})
		v.server.Conn().AfterRead(func(int) error { return broken })
		v.types("one\n", fault.Whole)
		v.ends()
		v.receives("one")
		v.answers("1")
		v.prints("1")
		v.returns()
	}

	c.Variation("a new connection; the answer comes late")
	v = s.startConverse(c, &fault.Writer{})
	v.types("are you there?\n", fault.Whole)
	v.receives("are you there?")
	c.Late(120 * time.Millisecond)
	v.answers("YES")
	v.prints("YES")
	v.ends()
	v.returns()

	const many = 105 // more than somebody might think enough
	c.Variation("a new connection; %d lines are typed at once", many)
	v = s.startConverse(c, &fault.Writer{})
	v.types(strings.Repeat("more\n", many), fault.Whole)
	for range many {
		v.exchanges("more", "MORE")
	}
	v.ends()
	v.returns()

	var last lastOnly
	for i, cut := range c.Cuts(3) {
		lines, lineEnd := []string{"one", "two and a half", "three"}, []string{"\n", "\r\n"}[i%2]
		c.Variation("a new connection; all lines are typed before the first is answered: %s", cut.Name)
		v := last.keep(s.startConverse(c, &fault.Writer{}))
		v.types(strings.Join(lines, lineEnd)+lineEnd, cut)
		if cut.Name == fault.Whole.Name { // so that a goroutine which sends ahead has done so
			c.Await("the message "+text(lines[0]), func() bool {
				return len(v.server.Received()) >= len(lines[0]) && (c.Resting() || v.did().Timed)
			})
		}
		for _, line := range lines {
			v.exchanges(line, upper(line))
		}
		v.ends()
		v.returns()
	}
}

// early answers the first line with what is the answer to the second as well: in two pieces, and as
// more than a Read brings.
func (s suite) early(c *check.C) {
	long := strings.Repeat("SOCKET ", 200)
	for _, pieces := range [][]string{{"ONE", "TWO"}, {long[:1024], long[1024:]}} {
		c.Variation(
			"a new connection; the suite answers the first line with %d bytes, and with %d more at once",
			len(pieces[0]),
			len(pieces[1]),
		)
		c.Rule("The answer is what one Read into a buffer of 1024 bytes brings. What does not come with "+
			"it is the answer to the next line.",
			"Call conn.Read once for each line, with a buffer of exactly 1024 bytes.")
		v := s.startConverse(c, &fault.Writer{})
		v.types("one\ntwo\n", fault.Whole)
		v.receives("one")
		c.Say("the suite has answered %s | %s", text(pieces[0]), text(pieces[1]))
		if pieces[0] == "ONE" {
			v.server.Send([]byte(pieces[0]), []byte(pieces[1]))
		} else {
			v.server.Send([]byte(long))
		}
		v.ends()
		v.sent += "two"
		v.printed = pieces[0] + "\n" + pieces[1] + "\n"
		v.messages++
		v.returns()
		v.wantPatience()
	}
	c.Variation("a new connection; the suite answers a line with %d bytes", len(long))
	c.Rule("The answer is what one Read into a buffer of 1024 bytes brings. The rest stays in the connection, "+
		"for the next line or for the caller.",
		"Call conn.Read itself, with a buffer of exactly 1024 bytes: a bufio.Reader takes more.")
	v := s.startConverse(c, &fault.Writer{})
	v.types("one\n", fault.Whole)
	v.receives("one")
	v.answers(long)
	v.prints(long[:1024])
	v.ends()
	v.returns()
	if taken := v.did().Taken; taken != 1024 {
		c.Fail("Converse has taken %d bytes from the connection and printed 1024", taken)
	}
}

func (s suite) empty(c *check.C) {
	for _, cut := range c.Cuts(1, 6) {
		c.Variation("a new connection; lines and empty lines: %s", cut.Name)
		v := s.startConverse(c, &fault.Writer{})
		v.types("\none\n\n\n\r\ntwo\n\n", cut)
		v.exchanges("one", "ONE")
		v.exchanges("two", "TWO")
		v.ends()
		v.returns()
	}
	c.Variation("a new connection; somebody presses Enter twice, and then types a line")
	v := s.startConverse(c, &fault.Writer{})
	v.types("\n", fault.Whole)
	v.types("\n", fault.Whole)
	v.types("hello\n", fault.Whole)
	v.exchanges("hello", "HELLO")
	v.ends()
	v.returns()
}

// neverSent is a line behind quit.
const neverSent = "never sent"

func (s suite) quit(c *check.C) {
	var last lastOnly
	var leftover string
	for _, x := range []struct {
		typed string
		lines []string
		ends  bool // quit does not need the end of the input
	}{
		{"one\nquit\nnever sent\n", []string{"one"}, false},
		{"quit\n", nil, false},
		{
			"quitter\n quit\nquit now\nQuit\nq\nquit\r\r\nquit\x00\nquit\r\nnever sent\n",
			[]string{"quitter", " quit", "quit now", "Quit", "q", "quit\r", "quit\x00"},
			false,
		},
		{"one\ntwo\n", []string{"one", "two"}, true},
		{"one\nthe last line", []string{"one", "the last line"}, true},
		{"one\nquit", []string{"one"}, true},
		{"", nil, true},
	} {
		for _, cut := range []fault.Cut{fault.Whole, fault.Bytes} {
			c.Variation("a new connection; the input: %s", cut.Name)
			v := last.keep(s.startConverse(c, &fault.Writer{}))
			v.leftover = leftover
			v.types(x.typed, cut)
			if strings.HasSuffix(x.typed, neverSent+"\n") {
				leftover = neverSent
			}
			if x.ends {
				v.ends()
			}
			for _, line := range x.lines {
				v.exchanges(line, upper(line))
			}
			c.WantNil("Converse", v.returns())
			v.wantLent()
		}
	}
	c.Variation("a new connection; every other Read of the input brings nothing, and the last also io.EOF")
	c.Rule("in is any io.Reader. A Read that brings 0 bytes and no error is not the end, and the last one may "+
		"bring bytes together with io.EOF.",
		"Look at the bytes first, and let nothing but io.EOF be the end of the input; bufio.Scanner does.")
	typed := "one\ntwo"
	v := s.startConverseOn(c, &fault.Writer{}, errUnplugged,
		func(i input) io.Reader { return hesitant{i, new(bool)} })
	v.keyboard.Conn().AfterRead(func(n int) error {
		if v.keyboard.Conn().Did().Taken+n == len(typed) {
			return io.EOF
		}
		return nil
	})
	v.types(typed, fault.Whole)
	v.ends()
	v.exchanges("one", "ONE")
	v.exchanges("two", "TWO")
	c.WantNil("Converse", v.returns())

	for _, typed := range []string{"one\nquit\n", "one\ntwo\n"} { // the second line has no answer
		c.Variation("a new connection; the suite has typed %s, answers one line, and closes its side; then nobody "+
			"needs conn any more", text(typed))
		conn, server := c.Connect()
		server.Send([]byte("ONE"))
		server.CloseWrite()
		s.letGo(c, "Converse(conn, in, out)", conn, func(conn net.Conn) {
			s.lab.Converse(conn, strings.NewReader(typed), io.Discard)
		})
	}

	s.talkAtOnce(c)

	s.overTCP(c, "quit")
	s.overTCP(c, "the end of the input")
}

// talkAtOnce holds one conversation up, before a line is written or when its answer has been read, until
// another one is over.
func (s suite) talkAtOnce(c *check.C) {
	for _, method := range []string{"Write", "Read"} {
		c.Variation("two conversations; the %s on the first connection takes until the second has ended", method)
		c.Rule("Several calls of Converse may run at once, each on its own connection.",
			"Make a new buffer in each call, keep nothing from one call to the next, and hold no lock.")
		slow := s.startConverse(c, &fault.Writer{})
		held, release := slow.server.Conn().Hold(method)
		slow.saysOnly("first")
		func() {
			defer release()
			c.Prompt("the first "+method, func() bool { return slow.call.Ended() || held() })
			quick := s.startConverse(c, &fault.Writer{})
			quick.saysOnly("and the second")
			c.Prompt("Converse to return", quick.call.Ended)
		}()
		c.WantNil("Converse", slow.returns())
	}
}

// saysOnly types a line, which is answered at once, and ends the input.
func (v *conversation) saysOnly(line string) {
	v.answers(upper(line))
	v.types(line+"\n", fault.Whole)
	v.ends()
	v.messages, v.sent, v.printed = 1, line, upper(line)+"\n"
}

// overTCP is for a Converse that does something else when its connection is a *net.TCPConn.
func (s suite) overTCP(c *check.C, end string) {
	c.Variation("a new connection, which is a *net.TCPConn; one line, and then %s", end)
	conn, server := c.ConnectTCP()
	in, keyboard := c.Connect()
	call := c.Start("Converse(conn, in, out)", func() { s.lab.Converse(conn, in, &fault.Writer{}) })
	keyboard.Send([]byte("one\n"))
	c.Await("the message \"one\"", func() bool { return call.Ended() || len(server.Received()) > 0 })
	switch end {
	case "quit":
		server.Send([]byte("ONE"))
		keyboard.Send([]byte("quit\n"))
	case "the end of the input":
		server.Send([]byte("ONE"))
		keyboard.CloseWrite()
	case "an input that breaks":
		server.Send([]byte("ONE"))
		keyboard.Reset()
	default:
		server.CloseWrite()
		keyboard.CloseWrite()
	}
	call.Wait()
	if _, err := conn.Write([]byte("more")); err != nil {
		c.Fail("Converse has closed the connection, or half of it: a Write after it fails (%v)", err)
	}
}

func (s suite) broken(c *check.C) {
	var ends, reads, writes, inputs, outputs lastOnly
	for _, end := range []string{"closes its side", "resets the connection"} {
		leave := (*fault.Peer).CloseWrite
		want := func(v *conversation) { c.WantError("Converse", v.fails(), io.EOF) }
		if end == "resets the connection" {
			leave = (*fault.Peer).Reset
			want = (*conversation).wantMet
		}
		c.Variation("a new connection; the suite %s when it has the second message", end)
		v := ends.keep(s.startConverse(c, &fault.Writer{}))
		v.types("one\ntwo\nthree\n", fault.Whole)
		v.exchanges("one", "ONE")
		v.receives("two")
		leave(v.server)
		want(v)

		c.Variation("a new connection; the suite %s when it has the last line, which has no line end", end)
		v = s.startConverse(c, &fault.Writer{})
		v.types("one\ntwo", fault.Whole)
		v.ends()
		v.exchanges("one", "ONE")
		c.Prompt("the message \"two\"", func() bool { return v.call.Ended() || v.sentMore() })
		if v.sentMore() { // otherwise the last line is lost, which is another case
			v.receives("two")
			leave(v.server)
			want(v)
		}

		c.Variation("a new connection; the suite %s before the first line", end)
		v = s.startConverse(c, &fault.Writer{})
		leave(v.server)
		c.Settle()
		v.types("one\ntwo\n", fault.Whole)
		want(v)
	}
	s.overTCP(c, "a server that closes its side")
	s.overTCP(c, "an input that breaks")

	for _, broken := range fault.Failures("read") {
		c.Variation("a new connection, on which every Read fails: %v", broken)
		v := reads.keep(s.startConverse(c, &fault.Writer{}))
		v.server.Conn().Before("Read", func() error { return broken })
		v.types("one\ntwo\n", fault.Whole)
		v.ends()
		v.wantFailed("Read")
	}
	for _, both := range []error{fault.Failures("read")[2], io.EOF} {
		c.Variation("a new connection, whose first Read brings the answer together with the error %v", both)
		c.Rule("A Read may bring bytes and an error at once: the bytes are printed, and then the error counts.",
			"When the answer is printed, look at the error of the Read, also when it has brought bytes.")
		v := s.startConverse(c, &fault.Writer{})
		first := once(both)
		v.server.Conn().AfterRead(func(int) error { return first() })
		v.types("one\ntwo\n", fault.Whole)
		v.receives("one")
		v.answers("1")
		v.prints("1")
		c.WantError("Converse", v.fails(), both) // with the next line, if a bufio.Reader keeps it
	}

	for i, broken := range fault.Failures("write") {
		taken := i % len("one") // some of the bytes, or none
		c.Variation("a new connection, on which Write takes %d bytes and fails: %v", taken, broken)
		v := writes.keep(s.startConverse(c, &fault.Writer{}))
		v.server.Conn().Break(taken, broken)
		v.types("one\ntwo\n", fault.Whole)
		v.ends()
		v.wantFailed("Write")
	}
	for _, broken := range []error{errUnplugged, io.ErrUnexpectedEOF, os.ErrClosed, os.ErrDeadlineExceeded} {
		c.Variation("a new connection; the input breaks after the first line: %v", broken)
		v := inputs.keep(s.startConverseOn(c, &fault.Writer{}, broken, func(i input) io.Reader { return i }))
		v.types("one\n", fault.Whole)
		v.exchanges("one", "ONE")
		v.keyboard.Reset()
		c.WantError("Converse", v.fails(), broken)
	}
	c.Variation("a new connection; the Read of the input that brings the end of a line brings an error, too")
	c.Rule("A Read may bring bytes and an error at once: every line that has come is sent, and then the "+
		"error counts.",
		"Look at the bytes of a Read before its error, as bufio.Scanner and bufio.Reader do.")
	both := s.startConverse(c, &fault.Writer{})
	typed := "one\n"
	keyboard := both.keyboard.Conn()
	keyboard.AfterRead(func(n int) error {
		if keyboard.Did().Taken+n < len(typed) {
			return nil
		}
		keyboard.Before("Read", func() error { return errUnplugged }) // and stays unplugged
		return errUnplugged
	})
	both.types(typed, fault.Whole)
	both.exchanges("one", "ONE")
	c.WantError("Converse", both.fails(), errUnplugged)

	for _, lines := range []int{0, 2} {
		c.Variation("a new connection; the input breaks after %d lines: %v", lines, errUnplugged)
		v := inputs.keep(s.startConverse(c, &fault.Writer{}))
		for range lines {
			v.types("one\n", fault.Whole)
			v.exchanges("one", "ONE")
		}
		v.keyboard.Reset()
		c.WantError("Converse", v.fails(), errUnplugged)
	}
	s.midLine(c)

	for _, broken := range []error{fault.Failures("write")[0], os.ErrDeadlineExceeded} {
		c.Variation("a new connection, on which the second Write fails: %v", broken)
		v := writes.keep(s.startConverse(c, &fault.Writer{}))
		calls := 0
		v.server.Conn().Before("Write", func() error {
			if calls++; calls == 2 {
				return broken
			}
			return nil
		})
		v.types("one\ntwo\nthree\n", fault.Whole)
		v.ends()
		v.exchanges("one", "ONE")
		c.WantError("Converse", v.fails(), broken)
	}
	full := errors.New("the disk is full")
	for _, x := range []struct {
		room int
		err  error
		full bool // the Write that fills the output fails, too
	}{
		{0, full, false},
		{len("ONE"), full, false},
		{len("ONE\nT"), full, false},
		{len("ONE\nTWO\n"), full, true},
		{0, syscall.EPIPE, false},
		{1, os.ErrClosed, false},
	} {
		c.Variation("a new connection; an output that takes %d bytes and then fails: %v", x.room, x.err)
		v := outputs.keep(s.startConverse(c, &fault.Writer{Room: x.room, Err: x.err, Full: x.full}))
		v.types("one\ntwo\nthree\nfour\n", fault.Whole)
		v.receives("one")
		v.answers("ONE")
		if x.room > len("ONE\n") {
			v.prints("ONE")
			v.receives("two")
			v.answers("TWO")
		}
		c.WantError("Converse", v.fails(), x.err)
	}
}

// midLine has an input that breaks in the middle of a line, of which Converse sends what has come, or not.
func (s suite) midLine(c *check.C) {
	for _, atOnce := range []bool{false, true} {
		how := "a Read brings the beginning of the second line, and the next one fails"
		if atOnce {
			how = "a Read brings the beginning of the second line, and fails"
		}
		c.Variation("a new connection; %s: %v", how, errUnplugged)
		c.Rule("When the input breaks, its error is returned, in the middle of a line, too.",
			"Only io.EOF is the end of the input. After any other error return it, whether what has come of the "+
				"line was sent or not.")
		v := s.startConverseOn(c, &fault.Writer{}, errUnplugged,
			func(input) io.Reader { return &breaking{text: "one\ntw", atOnce: atOnce} })
		v.exchanges("one", "ONE")
		c.Prompt("Converse to return", func() bool { return v.call.Ended() || v.sentMore() })
		if part := "tw"; v.sentMore() {
			got := string(v.server.Received()[len(v.sent):])
			c.Step("the suite received %s", text(got))
			if !strings.HasPrefix(part, got) {
				c.WantText("the message", got, part)
			}
			v.answers(upper(got))
		}
		c.WantError("Converse", v.fails(), errUnplugged)
	}
}

// breaking is an input that brings its text and then breaks for good.
type breaking struct {
	text   string
	atOnce bool // the last Read that brings something breaks already
}

func (b *breaking) Read(p []byte) (n int, err error) {
	n = copy(p, b.text)
	b.text = b.text[n:]
	if b.text == "" && (n == 0 || b.atOnce) {
		err = errUnplugged
	}
	return n, err
}

// once is err at the first call, and nil later.
func once(err error) func() error {
	return func() (now error) {
		now, err = err, nil
		return now
	}
}

// wantFailed ends the case unless the call returns what a Read or Write of its connection has returned, and
// has sent nothing after that.
func (v *conversation) wantFailed(what string) {
	err := v.fails()
	v.c.WantMet(what+" failed", err, v.server.Conn())
	if n := v.did().Writes; n > 1 {
		v.c.Fail("%s failed, and Converse went on: it called Write %d times", what, n)
	}
}

// fails waits for the call and records what it returned.
func (v *conversation) fails() error {
	v.c.Prompt("Converse to return", v.call.Ended)
	v.c.Step("Converse(conn, in, out) returned %s", check.Err(v.err))
	v.wantLent()
	return v.err
}

// wantLent ends the case if Converse has closed the connection, or left a deadline on it.
func (v *conversation) wantLent() {
	v.c.WantOpen("Converse", v.server.Conn())
	v.c.WantUntimed("Converse", v.server.Conn())
	v.wantPatience()
}

// wantPatience ends the case if Converse has set a deadline that is near.
func (v *conversation) wantPatience() {
	v.c.WantPatience("Converse", v.server.Conn(), 10*time.Second)
}

// wantMet ends the case unless the call returns what a Read or Write of its connection has returned.
func (v *conversation) wantMet() {
	v.c.WantMet("the connection was reset", v.fails(), v.server.Conn())
}
