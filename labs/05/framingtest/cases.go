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

// samples are payloads of which each has something special: bytes in order, none, a zero byte, a byte over 127, a
// length over one byte, and one over 64 KiB.
func samples() [][]byte {
	long := bytes.Repeat([]byte("socket "), 10_000)
	return [][]byte{[]byte("hi!"), {}, {0}, {0xff, 0xfe}, long[:300], long}
}

func (s suite) write(c *check.C) {
	for _, payload := range samples() {
		c.Variation("a new connection")
		conn, peer := c.Connect()
		c.WantNil("WriteMessage", s.writeMessage(c, conn, payload))
		c.Settle()
		got := peer.Received()
		c.Step("the suite received %s", check.Bytes(got))
		c.WantBytes("on the wire", got, frame(payload))
	}
}

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

func (s suite) pastTheEnd(c *check.C) {
	messages := [][]byte{[]byte("first"), {}, samples()[4], []byte("last")}
	stream := bytes.Join([][]byte{frame(messages[0]), frame(messages[1]), frame(messages[2]), frame(messages[3])}, nil)
	c.Variation("a new connection; all that is sent lies there before the first read")
	conn, peer := c.Connect()
	send(c, peer, fault.Whole, stream)
	c.Settle()
	end := 0
	for i, m := range messages {
		s.wantMessage(c, conn, m)
		end += 4 + len(m)
		if taken := peer.Conn().Taken(); taken != end {
			c.Fail("message %d ends after byte %d of the stream, but ReadMessage has taken %d bytes", i+1, end, taken)
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
		}
		_, err := s.readMessage(c, conn, roomy)
		c.WantError("at the end of the stream", err, io.EOF)
		if errors.Is(err, io.ErrUnexpectedEOF) {
			c.Fail("at the end of the stream: the error is io.ErrUnexpectedEOF, but no message was cut")
		}
	}
	c.Variation("a new connection; the suite resets it between two messages")
	conn, peer := c.Connect()
	send(c, peer, fault.After(4), frame([]byte("hi!")))
	s.wantMessage(c, conn, []byte("hi!"))
	peer.Reset()
	_, err := s.readMessage(c, conn, roomy)
	s.wantBroken(c, err)
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
		}
		c.Variation("a new connection, reset after %d of %d bytes", at, len(message))
		conn, peer := c.Connect()
		send(c, peer, fault.After(4), message[:at])
		peer.Reset()
		c.Step("the suite reset the connection when they were read")
		_, err := s.readMessage(c, conn, roomy)
		s.wantBroken(c, err)
	}
}

// wantBroken ends the case unless err is the error of a connection that broke.
func (s suite) wantBroken(c *check.C, err error) {
	if err == nil || errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		c.Fail("the connection was reset, but the error is %s: pass on what Read returned, alone or wrapped", check.Err(err))
	}
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
	switch taken := peer.Conn().Taken(); {
	case err == nil:
		c.Fail("a header announced %d bytes, and ReadMessage returned no error", n)
	case errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF):
		c.Fail("a header announced %d bytes, and ReadMessage took it for the end of the stream", n)
	case allocated > much:
		c.Fail("a header announced %d bytes, and ReadMessage set aside more than %d MiB before it refused", n, much>>20)
	case taken != 4:
		c.Fail("ReadMessage has taken %d bytes, not the 4 of the header", taken)
	}
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
	for _, most := range []int{1, 3, 5} {
		c.Variation("a writer that takes at most %d bytes a call and returns no error", most)
		w := c.Writer(&fault.Writer{Most: most})
		err := s.writeMessage(c, w, payload)
		taken := w.Taken()
		if err == nil {
			c.WantBytes("WriteMessage returned nil; taken by the writer", taken, whole)
		} else if !bytes.HasPrefix(whole, taken) {
			c.WantBytes("taken by the writer", taken, whole[:min(len(taken), len(whole))])
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
	c.Variation("a payload of %d bytes", len(payload))
	w := c.Writer(&fault.Writer{Err: errors.New("nothing may be written")})
	var err error
	c.Do("WriteMessage(w, payload)", func() { err = s.lab.WriteMessage(w, payload) })
	c.Step("WriteMessage(w, payload) returned %s", check.Err(err))
	if w.Calls() > 0 {
		c.Fail("WriteMessage began to write a message whose length does not fit the header")
	}
	if err == nil {
		c.Fail("WriteMessage returned no error, and wrote nothing")
	}
}

func (s suite) conversation(c *check.C) {
	for _, cut := range c.Cuts(2) {
		c.Variation("a new connection, %s", cut.Name)
		rng := rand.New(rand.NewPCG(c.Seed(), 5))
		most := 300 // bytes of a message; one is about a thousand times as long
		if cut.Name == fault.Bytes.Name {
			most = 1
		}
		var sent, got [][]byte
		var stream []byte
		for i := range 20 {
			m := make([]byte, rng.IntN(most))
			for k := range m {
				m[k] = byte(rng.Uint32())
			}
			if i == 10 {
				m = bytes.Repeat(append(m, 'x'), 1000*most/(len(m)+1))
			}
			sent = append(sent, m)
			stream = append(stream, frame(m)...)
		}
		conn, peer := c.Connect()
		send(c, peer, cut, stream)
		peer.CloseWrite()
		c.Do("reading 20 messages and writing each back", func() {
			for range sent {
				m, err := s.lab.ReadMessage(conn, roomy)
				if err != nil || s.lab.WriteMessage(conn, m) != nil {
					return
				}
				got = append(got, m)
			}
		})
		c.Settle()
		c.Step("ReadMessage returned %d messages, each of which was given to WriteMessage", len(got))
		for i, m := range got {
			c.WantBytes(fmt.Sprintf("message %d, looked at when all were read", i+1), m, sent[i])
		}
		c.WantBytes("on the wire", peer.Received(), stream)
	}
}
