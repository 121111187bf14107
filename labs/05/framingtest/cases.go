package framingtest

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"strconv"
	"sync"

	"socketbook/tools/check"
	"socketbook/tools/fault"
)

// frame is a message as it has to look on the wire.
func frame(payload []byte) []byte {
	return append(header(int32(len(payload))), payload...)
}

func header(n int32) []byte {
	return binary.LittleEndian.AppendUint32(nil, uint32(n))
}

// samples are payloads of which each has something special: bytes in order, none, a zero byte, a byte over
// 127, a
// length over one byte, and one over 64 KiB.
func samples() [][]byte {
	long := bytes.Repeat([]byte("socket "), 10_000)
	return [][]byte{[]byte("hi!"), {}, {0}, {0xff, 0xfe}, long[:300], long}
}

func (s suite) write(c *check.C) {
	payloads := samples()
	for _, payload := range payloads[:5] {
		c.Variation("a new connection")
		conn, peer := c.Connect()
		c.WantNil("WriteMessage", s.writeMessage(c, conn, payload))
		c.Settle()
		got := peer.Received()
		c.Step("the suite received %s", check.Bytes(got))
		c.WantBytes("on the wire", got, frame(payload))
	}
	for _, payload := range [][]byte{payloads[5], huger} {
		c.Variation("a writer that is not a connection, and takes everything")
		w := c.Writer(&fault.Writer{})
		c.WantNil("WriteMessage", s.writeMessage(c, w, payload))
		c.WantBytes("written", w.Taken(), frame(payload))
	}
}

// huger is a payload that fits no buffer of a size that somebody thought large enough.
var huger = bytes.Repeat([]byte("sockets "), 300_000)

func (s suite) read(c *check.C) {
	for _, payload := range samples()[:5] {
		c.Variation("a new connection")
		conn, peer := c.Connect()
		data := frame(payload)
		send(c, peer, fault.After(4), data) // header and payload, neither in pieces
		s.wantMessage(c, conn, payload)
	}
}

// wantMessage reads a message and compares it with payload.
func (s suite) wantMessage(c *check.C, r io.Reader, payload []byte) {
	got, err := s.readMessage(c, r, roomy)
	c.WantNil("ReadMessage", err)
	c.WantBytes("payload", got, payload)
}

func (s suite) header(c *check.C) {
	payload := []byte("hi, there")
	for _, cut := range []fault.Cut{fault.After(1, 4), fault.After(2, 4), fault.After(3, 4), fault.After(1, 2, 3, 4)} {
		c.Variation("a new connection, %s", cut.Name)
		conn, peer := c.Connect()
		send(c, peer, cut, frame(payload))
		s.wantMessage(c, conn, payload)
	}
}

func (s suite) payload(c *check.C) {
	payload := samples()[4]
	data := frame(payload)
	for _, cut := range c.Cuts(5, len(data)-1) {
		c.Variation("a new connection, the header in one piece, the payload: %s", cut.Name)
		conn, peer := c.Connect()
		pieces := append([][]byte{data[:4]}, cut.Pieces(data[4:])...)
		c.Say("the suite has sent %s", check.Pieces(pieces))
		peer.Send(pieces...)
		s.wantMessage(c, conn, payload)
	}
}

// longPayloads are read through a reader of the suite's, which has all of them at once.
func (s suite) longPayloads(c *check.C) {
	for _, payload := range [][]byte{samples()[5], huger} {
		c.Variation("a reader that is not a connection, with a message of %d bytes", len(payload))
		c.Rule(
			"Any length up to limit is read, whatever it is.",
			"The only bound is limit: make the slice as long as the header says once the length is "+
				"checked.",
		)
		got, err := s.readMessage(c, bytes.NewReader(frame(payload)), 2*len(payload))
		c.WantNil("ReadMessage", err)
		c.WantBytes("payload", got, payload)
	}
}

// script is a reader whose Reads return what it says, one after the other, whatever is asked for.
type script []result

type result struct {
	data string
	err  error
}

func (s *script) Read(p []byte) (int, error) {
	if len(*s) == 0 {
		return 0, io.EOF
	}
	next := &(*s)[0]
	n := copy(p, next.data)
	if next.data = next.data[n:]; next.data != "" {
		return n, nil
	}
	err := next.err
	*s = (*s)[1:]
	return n, err
}

// oddReads are what io.Reader allows and a connection does not do.
func (s suite) oddReads(c *check.C) {
	for _, v := range []struct {
		says  string
		reads script
	}{
		{"returns the last bytes of the message together with io.EOF", script{{"\x03\x00\x00\x00", nil}, {"hi!", io.EOF}}},
		{"returns 0 bytes and no error before the header", script{{"", nil}, {"\x03\x00\x00\x00hi!", nil}}},
		{"returns 0 bytes and no error inside the header", script{{"\x03\x00", nil}, {"", nil}, {"\x00\x00hi!", nil}}},
		{"returns 0 bytes and no error inside the payload", script{{"\x03\x00\x00\x00h", nil}, {"", nil}, {"i!", nil}}},
	} {
		c.Variation("a reader that is not a connection, and %s", v.says)
		c.Rule(
			"r is any io.Reader: bytes count, whatever error comes with them, and 0 bytes without "+
				"an error are no end.",
			"io.ReadFull knows all this. In a loop of your own use the n bytes first, then look at "+
				"the error, and read on after 0, nil.",
		)
		s.wantMessage(c, &v.reads, []byte("hi!"))
	}
}

func (s suite) pastTheEnd(c *check.C) {
	messages := [][]byte{[]byte("first"), {}, samples()[4], []byte("last")}
	stream := bytes.Join(
		[][]byte{frame(messages[0]), frame(messages[1]), frame(messages[2]), frame(messages[3])},
		nil,
	)
	c.Variation("a new connection; all that is sent lies there before the first read")
	conn, peer := c.Connect()
	send(c, peer, fault.Whole, stream)
	c.Settle()
	end := 0
	for i, m := range messages {
		s.wantMessage(c, conn, m)
		c.WantOpen("ReadMessage", peer.Conn())
		end += 4 + len(m)
		if taken := peer.Conn().Did().Taken; taken != end {
			c.Fail(
				"message %d ends after byte %d of the stream, but ReadMessage has taken %d bytes",
				i+1,
				end,
				taken,
			)
		}
	}
}

func (s suite) endBetween(c *check.C) {
	for _, messages := range []int{0, 1, 2} {
		c.Variation("a new connection; the suite closes after %d messages", messages)
		conn, peer := c.Connect()
		for range messages {
			send(c, peer, fault.After(4), frame([]byte("hi!")))
		}
		peer.CloseWrite()
		for range messages {
			s.wantMessage(c, conn, []byte("hi!"))
			c.WantOpen("ReadMessage", peer.Conn())
		}
		_, err := s.readMessage(c, conn, roomy)
		c.WantError("at the end of the stream", err, io.EOF)
		if check.Is(err, io.ErrUnexpectedEOF) {
			c.Fail("at the end of the stream: the error is io.ErrUnexpectedEOF, but no message was cut")
		}
		c.WantOpen("ReadMessage", peer.Conn())
	}
	c.Variation("a new connection; the suite resets it between two messages")
	conn, peer := c.Connect()
	send(c, peer, fault.After(4), frame([]byte("hi!")))
	s.wantMessage(c, conn, []byte("hi!"))
	c.WantOpen("ReadMessage", peer.Conn())
	peer.Reset()
	_, err := s.readMessage(c, conn, roomy)
	c.WantMet("the connection was reset", err, peer.Conn())
	c.WantOpen("ReadMessage", peer.Conn())
}

func (s suite) endInside(c *check.C) {
	message := frame([]byte("hi, there"))
	for _, at := range []int{1, 2, 3, 4, 5, len(message) - 1} {
		for _, cut := range []fault.Cut{fault.After(4), fault.Bytes} {
			c.Variation("a new connection, closed after %d of %d bytes", at, len(message))
			conn, peer := c.Connect()
			send(c, peer, cut, message[:at])
			peer.CloseWrite()
			c.Step("the suite closed its side")
			_, err := s.readMessage(c, conn, roomy)
			c.WantError("inside a message", err, io.ErrUnexpectedEOF)
			c.WantOpen("ReadMessage", peer.Conn())
		}
		c.Variation("a new connection, reset after %d of %d bytes", at, len(message))
		conn, peer := c.Connect()
		send(c, peer, fault.After(4), message[:at])
		peer.Reset()
		c.Step("the suite reset the connection when they were read")
		_, err := s.readMessage(c, conn, roomy)
		c.WantMet("the connection was reset", err, peer.Conn())
		c.WantOpen("ReadMessage", peer.Conn())
	}
	const announced = 300_000 // more than fits a length of two bytes, or a buffer that somebody thought large enough
	c.Variation("a new connection, closed after 10 of %d bytes of the payload", announced)
	conn, peer := c.Connect()
	send(c, peer, fault.After(4), append(header(announced), "ten bytes!"...))
	peer.CloseWrite()
	c.Step("the suite closed its side")
	_, err := s.readMessage(c, conn, roomy)
	c.WantError("inside a message", err, io.ErrUnexpectedEOF)
}

// much is more memory than the suite itself needs meanwhile, and less than the lengths announced here.
const much = 64 << 20 // bytes

func (s suite) refused(c *check.C) {
	const limit = 1000
	s.refuse(c, -1, limit)
	s.refuse(c, math.MinInt32, limit)
	s.refuse(c, limit+1, limit)
	s.refuse(c, 128<<20, limit)
	s.refuse(c, math.MaxInt32, limit)
	s.refuse(c, 1, 0)
	if strconv.IntSize > 32 {
		s.refuse(c, math.MinInt32, math.MaxInt) // as an unsigned number it would be under this limit
	}
	c.Variation("a new connection; a message of exactly the limit")
	conn, peer := c.Connect()
	payload := bytes.Repeat([]byte("x"), limit)
	send(c, peer, fault.Whole, frame(payload))
	got, err := s.readMessage(c, conn, limit)
	c.WantNil("ReadMessage", err)
	c.WantBytes("payload", got, payload)

	c.Variation("a new connection; a message of 3 bytes, the limit is the largest int")
	conn, peer = c.Connect()
	send(c, peer, fault.Whole, frame([]byte("hi!")))
	got, err = s.readMessage(c, conn, math.MaxInt)
	c.WantNil("ReadMessage", err)
	c.WantBytes("payload", got, []byte("hi!"))
}

// refuse announces n bytes, sends none, and leaves the connection open.
func (s suite) refuse(c *check.C, n int32, limit int) {
	c.Variation("a new connection; a header announces %d bytes, the limit is %d", n, limit)
	conn, peer := c.Connect()
	send(c, peer, fault.Whole, header(n))
	c.Settle()
	var payload []byte
	var err error
	what := fmt.Sprintf("ReadMessage(conn, %d)", limit)
	allocated := c.Allocated(what, func() { payload, err = s.lab.ReadMessage(conn, limit) })
	returned(c, what, payload, err)
	switch taken := peer.Conn().Did().Taken; {
	case err == nil:
		c.Fail("a header announced %d bytes, and ReadMessage returned no error", n)
	case check.Is(err, io.EOF) || check.Is(err, io.ErrUnexpectedEOF):
		c.Fail("a header announced %d bytes, and ReadMessage took it for the end of the stream", n)
	case allocated > much:
		c.Fail(
			"a header announced %d bytes, and ReadMessage allocated more than %d MiB before it refused",
			n,
			much>>20,
		)
	case taken != 4:
		c.Fail("ReadMessage has taken %d bytes, not the 4 of the header", taken)
	}
	c.WantOpen("ReadMessage", peer.Conn())
}

func (s suite) badWrite(c *check.C) {
	broken := errors.New("the cable is cut")
	payload := []byte("hi, there")
	whole := frame(payload)
	for _, room := range []int{0, 2, 4, 6} {
		c.Variation("a writer that takes %d bytes and then fails", room)
		w := c.Writer(&fault.Writer{Room: room, Err: broken})
		err := s.writeMessage(c, w, payload)
		c.WantError("WriteMessage", err, broken)
		if w.Tried() > 0 {
			c.Fail("after the error WriteMessage offered the writer %d bytes more", w.Tried())
		}
		c.WantBytes("taken by the writer", w.Taken(), whole[:room])
	}
	for _, room := range []int{4, len(whole)} {
		c.Variation("a writer that fails with byte %d, and says that it took it", room)
		w := c.Writer(&fault.Writer{Room: room, Err: broken, Full: true})
		c.WantError("WriteMessage", s.writeMessage(c, w, payload), broken)
		if w.Tried() > 0 {
			c.Fail("after the error WriteMessage offered the writer %d bytes more", w.Tried())
		}
	}
	for _, most := range []int{1, 3, 5, len(payload) - 1, len(whole) - 4, len(whole) - 3, len(whole) - 2, len(whole) - 1} {
		c.Variation("a writer that takes at most %d bytes a call and returns no error", most)
		w := c.Writer(&fault.Writer{Most: most})
		if s.writeMessage(c, w, payload) == nil {
			c.WantBytes("WriteMessage returned nil; taken by the writer", w.Taken(), whole)
		}
	}
	s.tooLong(c)
}

// tooLong offers a payload whose length a careless conversion to int32 makes negative.
func (s suite) tooLong(c *check.C) {
	payload := huge(c)
	if payload == nil {
		return
	}
	c.Variation(
		"a payload of %d bytes, more than the header can tell; nothing may be written",
		len(payload),
	)
	w := c.Writer(&fault.Writer{Err: errors.New("nothing may be written")})
	var err error
	c.Do("WriteMessage(w, payload)", func() { err = s.lab.WriteMessage(w, payload) })
	c.Step("WriteMessage(w, payload) returned %s", check.Err(err))
	if w.Calls() > 0 {
		c.Fail(
			"WriteMessage began to write a message whose length does not fit the header: compare " +
				"len(payload) with math.MaxInt32 first",
		)
	}
	if err == nil {
		c.Fail("WriteMessage returned no error, and wrote nothing")
	}
}

func (s suite) conversation(c *check.C) {
	for _, cut := range c.Cuts(2) {
		s.echo(c, cut)
	}
	s.readMeanwhile(c)
	s.writeMeanwhile(c)

	s.longPayloads(c)
	s.oddReads(c)

	c.Variation("a new connection, of which ReadMessage is given nothing but Read, as io.Reader says")
	conn, peer := c.Connect()
	send(c, peer, fault.Whole, frame([]byte("hi!")))
	s.wantMessage(c, onlyReader{conn}, []byte("hi!"))
}

// onlyReader hides all of a connection but Read.
type onlyReader struct{ io.Reader }

// echo has 20 messages read, and each written back.
func (s suite) echo(c *check.C, cut fault.Cut) {
	c.Variation("a new connection, %s", cut.Name)
	rng := rand.New(rand.NewPCG(c.Seed(), 5))
	most := 300 // bytes of a message; one is much longer, and yet read within the limit when it is read byte by byte
	if cut.Name == fault.Bytes.Name {
		most = 10
	}
	var sent, got [][]byte
	var stream []byte
	for i := range 20 {
		m := make([]byte, rng.IntN(most))
		for k := range m {
			m[k] = byte(rng.Uint32())
		}
		if i == 10 {
			m = bytes.Repeat(append(m, 'x'), 70*most/(len(m)+1))
		}
		sent = append(sent, m)
		stream = append(stream, frame(m)...)
	}
	conn, peer := c.Connect()
	send(c, peer, cut, stream)
	peer.CloseWrite()
	c.Step("ReadMessage reads 20 messages, and WriteMessage writes each of them back")
	for i := range sent {
		var m []byte
		var err error
		try := func(function, args string, f func()) { // each call has a time limit of its own
			c.Do(fmt.Sprintf("%s(%s) for message %d", function, args, i+1), f)
			c.WantNil(fmt.Sprintf("%s for message %d", function, i+1), err)
			c.WantOpen(function, peer.Conn())
			c.WantNoDeadline(function, peer.Conn())
		}
		try(
			"ReadMessage",
			fmt.Sprintf("conn, %d", roomy),
			func() { m, err = s.lab.ReadMessage(conn, roomy) },
		)
		try("WriteMessage", "conn, payload", func() { err = s.lab.WriteMessage(conn, m) })
		got = append(got, m)
	}
	c.Settle()
	for i, m := range got {
		c.WantBytes(fmt.Sprintf("message %d, looked at when all were read", i+1), m, sent[i])
	}
	c.WantBytes("on the wire", peer.Received(), stream)
}

// readMeanwhile stops a message in the middle of its header and of its payload, and has others read and
// written meanwhile.
func (s suite) readMeanwhile(c *check.C) {
	c.Variation("two new connections; a message stops half-way on the first one")
	c.Rule(
		"Calls on different connections, and in the two directions of one, do not wait for each "+
			"other and share nothing. A message may come late.",
		"Give every call variables of its own, and hold no lock while it reads. Wait as long as it takes.",
	)
	payload, short := []byte("a long way to go"), []byte("quick")
	first, firstPeer := c.Connect()
	second, secondPeer := c.Connect()
	var got []byte
	var err error
	call := c.Start(
		fmt.Sprintf("ReadMessage(first, %d)", roomy),
		func() { got, err = s.lab.ReadMessage(first, roomy) },
	)
	data := frame(payload)
	for _, piece := range [][]byte{data[:2], data[2:7]} {
		c.Say(
			"the suite has sent %s on the first connection, on which ReadMessage has begun to read",
			check.Bytes(piece),
		)
		firstPeer.Send(piece)
		c.Await("ReadMessage to wait for more", func() bool { return call.Ended() || c.Resting() })
		c.Late()

		c.Say(
			"while the first call waits, the suite has sent %s on the second connection",
			check.Bytes(frame(short)),
		)
		secondPeer.Send(frame(short))
		var other []byte
		var otherErr error
		what := fmt.Sprintf("ReadMessage(second, %d)", roomy)
		c.Do(what, func() { other, otherErr = s.lab.ReadMessage(second, roomy) })
		returned(c, what, other, otherErr)
		c.WantNil("ReadMessage", otherErr)
		c.WantBytes("payload", other, short)

		c.Do("WriteMessage(first, payload)", func() { otherErr = s.lab.WriteMessage(first, short) })
		c.Step(
			"WriteMessage(first, payload), the payload being %s, returned %s",
			check.Bytes(short),
			check.Err(otherErr),
		)
		c.WantNil("WriteMessage", otherErr)
	}
	c.Say("the suite has sent %s on the first connection", check.Bytes(data[7:]))
	firstPeer.Send(data[7:])
	call.Wait()
	returned(c, fmt.Sprintf("ReadMessage(first, %d)", roomy), got, err)
	c.WantNil("ReadMessage", err)
	c.WantBytes("payload on the first connection", got, payload)
	c.Settle()
	c.WantBytes(
		"written on the first connection",
		firstPeer.Received(),
		append(frame(short), frame(short)...),
	)
}

// busy is a writer that takes nothing until it is let go.
type busy struct {
	mu    sync.Mutex
	freed sync.Cond
	calls int
	free  bool
	taken []byte
}

func (b *busy) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.calls++
	for !b.free {
		b.freed.Wait()
	}
	b.taken = append(b.taken, p...)
	return len(p), nil
}

func (b *busy) called() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.calls > 0
}

func (b *busy) letGo() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.free = true
	b.freed.Broadcast()
}

// writeMeanwhile stops a Write, and has another message written to somebody else meanwhile.
func (s suite) writeMeanwhile(c *check.C) {
	c.Variation("two writers; the first one takes its time")
	c.Rule(
		"Calls on different connections do not wait for each other.",
		"Let no call hold a lock or a variable that another one needs while it writes.",
	)
	payload, short := []byte("a long way to go"), []byte("quick")
	first := &busy{}
	first.freed.L = &first.mu
	defer first.letGo()
	second := c.Writer(&fault.Writer{})
	var err, otherErr error
	call := c.Start("WriteMessage(first, payload)", func() { err = s.lab.WriteMessage(first, payload) })
	c.Await("WriteMessage to write", func() bool { return call.Ended() || first.called() })
	c.Step("WriteMessage(first, payload), the payload being %s, waits in first.Write", check.Bytes(payload))

	c.Step("WriteMessage(second, payload) is called meanwhile, the payload being %s", check.Bytes(short))
	c.Do("WriteMessage(second, payload)", func() { otherErr = s.lab.WriteMessage(second, short) })
	c.Step("WriteMessage(second, payload) returned %s", check.Err(otherErr))
	c.WantNil("WriteMessage", otherErr)
	c.WantBytes("written to the second", second.Taken(), frame(short))

	first.letGo()
	call.Wait()
	c.Step("first.Write went on, and WriteMessage(first, payload) returned %s", check.Err(err))
	c.WantNil("WriteMessage", err)
	c.WantBytes("written to the first", first.taken, frame(payload))
}
