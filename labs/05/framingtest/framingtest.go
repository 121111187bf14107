// Package framingtest is the suite of lab 05. The task that it tests is in labs/05/README.md; how a
// suite is made, in the documentation of package check.
package framingtest

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"testing"
	"time"

	"socketbook/tools/check"
	"socketbook/tools/fault"
)

// Lab is what a student hands in.
type Lab struct {
	WriteMessage func(w io.Writer, payload []byte) error
	ReadMessage  func(r io.Reader, limit int) ([]byte, error)
}

// Run grades lab.
func Run(t *testing.T, lab Lab) {
	t.Helper()
	check.Run(t, Suite(lab))
}

// The names of the cases.
const (
	Write        = "a message is written as four bytes of length and the payload"
	Read         = "a message is read back"
	Header       = "a header that comes in pieces is put together"
	Payload      = "a payload that comes in pieces is put together"
	PastTheEnd   = "nothing is read past the end of a message"
	EndBetween   = "the end between two messages is io.EOF"
	EndInside    = "the end inside a message is io.ErrUnexpectedEOF"
	Refused      = "a length that is negative or over the limit is refused before allocating"
	BadWrite     = "a write that fails or falls short is reported"
	Conversation = "a conversation of many messages comes through as it was sent"
)

// Suite is the table of cases, applied to lab.
func Suite(lab Lab) check.Lab {
	s := suite{lab}
	return check.Lab{Number: "05", File: "framing.go", Answer: lab, Cases: []check.Case{
		{
			Name:   Write,
			Points: 1,
			Run:    s.write,
			Scene:  "byte-order",
			Rule: "A message is its length as a signed 32-bit number, little-endian (what " +
				"Python's struct.pack('<i', n) gives), and then the payload.",
			Hint: "Put the four bytes together with binary.LittleEndian.PutUint32, and write an " +
				"empty message too: it is four zero bytes.",
		},
		{
			Name:   Read,
			Points: 1,
			Run:    s.read,
			Scene:  "byte-order",
			Rule: "The first four bytes are the length, little-endian; the payload is that many " +
				"bytes, none for an empty message. Nothing behind them is waited for.",
			Hint: "Read four bytes, turn them into a number with binary.LittleEndian.Uint32, " +
				"then read that many, and return.",
		},
		{
			Name: Header, Points: 1, Run: s.header, Scene: "split-header", Needs: []string{Read},
			Rule: "One Read may return fewer bytes than it was asked for, even of a header of four.",
			Hint: "Read the header with io.ReadFull, or in a loop until all four bytes are there.",
		},
		{
			Name: Payload, Points: 1, Run: s.payload, Scene: "split", Needs: []string{Read},
			Rule: "A payload may come in any number of pieces, cut anywhere.",
			Hint: "Read until the announced number of bytes is there; io.ReadFull does that.",
		},
		{
			Name:   PastTheEnd,
			Points: 1,
			Run:    s.pastTheEnd,
			Scene:  "over-read",
			Needs:  []string{Read},
			Rule: "What lies behind the message belongs to the next call: take its header and " +
				"its payload from the stream, no byte more, and leave the connection open.",
			Hint: "Ask for no more than what the message still lacks. A bufio.Reader made inside " +
				"ReadMessage takes bytes that the next call will miss.",
		},
		{
			Name:   EndBetween,
			Points: 1,
			Run:    s.endBetween,
			Scene:  "cut-short",
			Needs:  []string{Read},
			Rule: "When the stream ends before the first byte of a message, the peer has " +
				"finished: the error is io.EOF.",
			Hint: "Pass on the io.EOF of the first read of the header, and only that one.",
		},
		{
			Name:   EndInside,
			Points: 1,
			Run:    s.endInside,
			Scene:  "cut-short",
			Needs:  []string{Read},
			Rule: "When the stream ends after the first byte of a message and before its last, " +
				"something is missing: the error is io.ErrUnexpectedEOF. A connection that breaks " +
				"is its own error, not an end.",
			Hint: "io.ReadFull returns io.EOF when it has read nothing at all: right before a " +
				"header, wrong between a header and its payload.",
		},
		{
			Name:   Refused,
			Points: 1,
			Run:    s.refused,
			Scene:  "huge",
			Needs:  []string{Read},
			Memory: true,
			Rule: "The length comes from a stranger: a negative one, and one above limit, is an " +
				"error before memory is allocated for it and before anything more is read. A " +
				"length equal to limit is allowed. limit may be any int from 0 on; it is a bound, " +
				"not the size of a buffer.",
			Hint: "Read the number as an int32 and compare it as an int, before make and before " +
				"the next read.",
		},
		{
			Name:   BadWrite,
			Points: 1,
			Run:    s.badWrite,
			Scene:  "overflow",
			Needs:  []string{Write},
			Rule: "nil means that the whole message is written. When Write returns an error, " +
				"WriteMessage returns that error, and writes nothing more.",
			Hint: "Look at both results of every Write, stop at the first error, and treat n < " +
				"len(p) without an error as io.ErrShortWrite (or write the rest).",
		},
		{
			Name:   Conversation,
			Points: 1,
			Run:    s.conversation,
			Also:   []func(*check.C){s.manyCallers},
			Scene:  "residue",
			Needs:  []string{Write, Read, Header, Payload, PastTheEnd},
			Rule: "Each message keeps its bytes, whatever comes before and after it, however the " +
				"stream is cut, and whatever other calls do meanwhile, on another connection or in " +
				"the other direction; none waits for another. The connection stays as the caller " +
				"has set it up.",
			Hint: "Give every call variables of its own and every message a slice of its own. " +
				"What is shared, another call changes, even after the first one has returned.",
		},
	}}
}

type suite struct{ lab Lab }

// roomy is a limit that is not meant to matter, in bytes.
const roomy = 1 << 20

// readMessage calls the student's function and records what it returned.
func (s suite) readMessage(c *check.C, r io.Reader, limit int) (payload []byte, err error) {
	what := fmt.Sprintf("ReadMessage(conn, %d)", limit)
	c.Do(what, func() { payload, err = s.lab.ReadMessage(r, limit) })
	returned(c, what, payload, err)
	return payload, err
}

func returned(c *check.C, what string, payload []byte, err error) {
	c.Step("%s returned %s, %s", what, check.Bytes(payload), check.Err(err))
}

// writeMessage calls the student's function and records what it returned.
func (s suite) writeMessage(c *check.C, w io.Writer, payload []byte) (err error) {
	lent := append(bytes.Clone(payload), behind...)
	lend := lent[:len(payload)]
	if payload == nil {
		lend = nil
	}
	if lw, ok := w.(*lentWriter); ok {
		lw.left = 4 + len(payload)
		lw.message = func() []byte { return frame(payload) }
		lw.kept = func() bool { return kept(lent, payload) }
		if lw.plain {
			w = struct{ file }{lw}
		}
	}
	c.Do("WriteMessage(w, payload)", func() { err = s.lab.WriteMessage(w, lend) })
	c.Step(
		"WriteMessage(w, payload), the payload being %s, returned %s",
		check.Bytes(payload),
		check.Err(err),
	)
	if !kept(lent, payload) {
		payloadIsTheCallers(c)
	}
	c.WantBytes("the caller's payload, which WriteMessage may not change", lent[:len(payload)], payload)
	c.WantBytes("the bytes behind the payload in the caller's array", lent[len(payload):], []byte(behind))
	return err
}

// kept reports whether lent is still the payload with what is behind it.
func kept(lent, payload []byte) bool {
	return bytes.Equal(lent[:len(payload)], payload) && string(lent[len(payload):]) == behind
}

// look is up to which length a payload is looked at during each Write, in bytes; a longer one is looked at
// less often.
const look = 4096

func payloadIsTheCallers(c *check.C) {
	c.Rule(
		"The payload belongs to the caller: it is not changed, not even for a while, and neither are "+
			"the bytes behind it in its array.",
		"Put what you want to change into a slice of your own, made with make. append to the payload "+
			"may write into the array behind it.",
	)
}

func onlyLent(c *check.C) {
	c.Rule(
		"The functions neither close a connection nor set deadlines on it, whatever happens.",
		"Return the error, and leave the rest to the caller.",
	)
}

// writeTo is writeMessage to a writer that has more methods than Write.
func (s suite) writeTo(c *check.C, w *fault.Writer, payload []byte) error {
	return s.writeLent(c, &lentWriter{Writer: w}, payload)
}

func (s suite) writeLent(c *check.C, w *lentWriter, payload []byte) error {
	err := s.writeMessage(c, w, payload)
	w.wantUntouched(c)
	return err
}

// lent is what is not for the code under test in a connection that it is lent: it notes the calls.
type lent struct {
	did string // the method that was called last, "" for none
}

func (l *lent) note(method string) error { l.did = method; return nil }

func (l *lent) Close() error                     { return l.note("Close") }
func (l *lent) CloseWrite() error                { return l.note("CloseWrite") }
func (l *lent) SetDeadline(time.Time) error      { return l.note("SetDeadline") }
func (l *lent) SetReadDeadline(time.Time) error  { return l.note("SetReadDeadline") }
func (l *lent) SetWriteDeadline(time.Time) error { return l.note("SetWriteDeadline") }
func (l *lent) LocalAddr() net.Addr              { return &net.TCPAddr{} }
func (l *lent) RemoteAddr() net.Addr             { return &net.TCPAddr{} }

// lentReader is a reader that could be taken for a connection.
type lentReader struct {
	lent
	io.Reader
}

// Write takes nothing.
func (r *lentReader) Write([]byte) (int, error) { return 0, r.note("Write") }

// readLent is readMessage from a reader that ReadMessage has to leave alone, whatever it returns.
func (s suite) readLent(c *check.C, r io.Reader, limit int) (payload []byte, err error) {
	lent := &lentReader{Reader: r}
	payload, err = s.readMessage(c, lent, limit)
	if lent.did != "" {
		onlyLent(c)
		c.Fail("ReadMessage called %s on the reader, which belongs to the caller", lent.did)
	}
	return payload, err
}

// lentWriter is the writer that WriteMessage gets: it notes what it is not lent for.
type lentWriter struct {
	lent
	*fault.Writer
	calls   int
	left    int // bytes of the message that have not been taken
	message func() []byte
	kept    func() bool // whether the payload is as it was; nil if nobody looks
	changed bool        // it was not, during a Write
	again   int         // bytes that were offered when so many were not left
	trip    trip
	plain   bool // WriteMessage gets it as a file
}

// file is less than a connection.
type file interface {
	io.WriteCloser
	CloseWrite() error
	SetDeadline(time.Time) error
	SetWriteDeadline(time.Time) error
}

// trip says what goes wrong with one call of Write.
type trip struct {
	call int // 1 for the first one; 0 for none
	take func(n int) int
	err  error
}

// errAgain ends a loop that would send without end.
var errAgain = errors.New("more bytes than the message has")

// Read has nothing.
func (w *lentWriter) Read([]byte) (int, error) { return 0, w.note("Read") }

// Write notes what is wrong with the call.
func (w *lentWriter) Write(p []byte) (int, error) {
	w.calls++
	if w.kept != nil {
		if often := w.calls&(w.calls-1) == 0; often || w.left <= look {
			w.changed = w.changed || !w.kept()
		}
		if len(p) > w.left {
			w.again = len(p)
			return 0, errAgain
		}
	}
	if w.calls == w.trip.call {
		p = p[:w.trip.take(len(p))]
	}
	n, err := w.Writer.Write(p)
	w.left -= n
	if w.calls == w.trip.call {
		err = w.trip.err
	}
	return n, err
}

func (w *lentWriter) wantUntouched(c *check.C) {
	switch {
	case w.did != "":
		onlyLent(c)
		c.Fail("WriteMessage called %s on the writer, which belongs to the caller", w.did)
	case w.changed:
		payloadIsTheCallers(c)
		c.Fail("WriteMessage has changed the payload, or the bytes behind it, when it called Write")
	case w.again > 0:
		taken := w.Taken()
		c.WantBytes(
			fmt.Sprintf("written, before the writer was offered %d bytes more", w.again),
			taken,
			w.message()[:len(taken)],
		)
		c.Rule(
			"A Write that has taken n bytes has sent them: only the rest is missing.",
			"Go on with p = p[n:], or return an error such as io.ErrShortWrite.",
		)
		c.Fail("WriteMessage offered the writer %d bytes when the message had %d left", w.again, w.left)
	}
}

// behind is in the caller's array, behind the payload.
const behind = "the caller's"

// send hands data over as cut says.
func send(c *check.C, peer *fault.Peer, cut fault.Cut, data []byte) {
	pieces := cut.Pieces(data)
	c.Say("the suite has sent %s", check.Pieces(pieces))
	peer.Send(pieces...)
}
