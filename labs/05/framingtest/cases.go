package framingtest

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"net"
	"os"
	"runtime"
	"slices"
	"strconv"
	"sync"
	"syscall"
	"time"
	"weak"

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

// samples are payloads of which each has something special: bytes in order, none, a zero byte, bytes
// over 127 and characters of several, a length over 127, one over a byte, and one over 64 KiB.
func samples() [][]byte {
	long := bytes.Repeat([]byte("socket "), 10_000)
	return [][]byte{[]byte("hi!"), {}, {0}, []byte("\xff你好"), long[:200], long[:300], long}
}

func (s suite) write(c *check.C) {
	payloads := samples()
	for _, payload := range payloads[:6] {
		c.Variation("a new connection")
		conn, peer := c.Connect()
		c.WantNil("WriteMessage", s.writeMessage(c, conn, payload))
		c.Settle()
		got := peer.Received()
		c.Step("the suite received %s", check.Bytes(got))
		if len(got) == 0 && len(payload) > 0 {
			writesAll(c)
		}
		c.WantBytes("on the wire", got, frame(payload))
	}
	for _, payload := range [][]byte{payloads[6], payloads[0], nil} {
		c.Variation("a writer that is not a connection, and takes everything")
		w := c.Writer(&fault.Writer{})
		err := s.writeLent(c, &lentWriter{Writer: w, plain: true}, payload)
		if err != nil {
			c.Rule(
				"w may be anything that has Write; it need not be a connection.",
				"Call w.Write, and no other method of w. Do not ask for its type.",
			)
		}
		c.WantNil("WriteMessage", err)
		c.WantBytes("written", w.Taken(), frame(payload))
	}
	for _, size := range edges() {
		c.Variation("a writer that is not a connection, and a payload of %d bytes", size)
		payload := mixed[size%251:][:size]
		w := c.Writer(&fault.Writer{})
		c.WantNil("WriteMessage", s.writeLent(c, &lentWriter{Writer: w, plain: true}, payload))
		taken := w.Taken()
		if len(taken) < 4+size {
			writesAll(c)
		}
		c.WantBytes("written", taken, frame(payload))
	}
}

func writesAll(c *check.C) {
	c.Rule(
		"WriteMessage returns nil only when the whole message has been written: the four bytes of its "+
			"length, and the payload.",
		"Call w.Write before you return: what lies in a buffer, or is left to a goroutine, is not written. "+
			"In a loop, the last piece may be shorter than the others.",
	)
}

// edges are lengths behind which somebody's buffer or number may end.
func edges() (sizes []int) {
	for _, k := range []int{7, 8, 10, 12, 13, 15, 16, 17} {
		sizes = append(sizes, 1<<k-1, 1<<k, 1<<k+1)
	}
	return sizes
}

// mixed has bytes of which no two neighbours are the same.
var mixed = func() []byte {
	all := make([]byte, 1<<17+1000)
	for i := range all {
		all[i] = byte(i % 251)
	}
	return all
}()

// vast is a payload whose length takes four bytes.
var vast = make([]byte, 1<<24+1)

func (s suite) read(c *check.C) {
	for _, payload := range samples()[:6] {
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
	for _, cut := range []fault.Cut{
		fault.After(1, 4), fault.After(2, 4), fault.After(3, 4),
		fault.After(1, 2, 3, 4),
	} {
		c.Variation("a new connection, %s", cut.Name)
		conn, peer := c.Connect()
		send(c, peer, cut, frame(payload))
		s.wantMessage(c, conn, payload)
	}
}

func (s suite) payload(c *check.C) {
	payload := samples()[5]
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

func anyLength(c *check.C) {
	c.Rule(
		"Any length up to limit is read, whatever it is.",
		"Put all four bytes of the length together. The only bound is limit: make the slice as long as the "+
			"header says once the length is checked.",
	)
}

// longPayloads are read through a reader of the suite's, which has all of them at once.
func (s suite) longPayloads(c *check.C) {
	// twice, because a buffer for each length would not be noticed otherwise
	sizes := append(edges(), edges()...)
	got, want := make([][]byte, len(sizes)), make([][]byte, len(sizes))
	for i, size := range sizes {
		c.Variation("a reader that is not a connection, with a message of %d bytes", size)
		anyLength(c)
		want[i] = mixed[i:][:size]
		r := io.MultiReader(bytes.NewReader(header(int32(size))), bytes.NewReader(want[i]))
		var err error
		got[i], err = s.readMessage(c, r, roomy+2*size)
		c.WantNil("ReadMessage", err)
		if !bytes.Equal(got[i], want[i]) {
			c.WantBytes("payload", got[i], want[i])
		}
	}
	c.Variation("the suite looks at the payloads of these %d messages again", len(sizes))
	keepsNothing(c)
	for i := range got {
		got[i] = append(got[i], byte(i))
	}
	for i, m := range got {
		if !bytes.Equal(m[:sizes[i]], want[i]) || m[sizes[i]] != byte(i) {
			c.Fail("a payload of %d bytes, to which the suite has appended one, has changed since", sizes[i])
		}
	}
	c.Variation("a reader that returns at most 1000 bytes each time; behind a message of 70000 bytes is " +
		"one of 3")
	c.Rule(
		"What lies behind the message belongs to the next call, however long the message is.",
		"Ask for no more than what the message still lacks: a bufio.Reader made inside ReadMessage takes "+
			"bytes that the next call will miss.",
	)
	long := vast[:70_000]
	rest := &script{}
	for piece := range slices.Chunk(append(frame(long), frame([]byte("hi!"))...), 1000) {
		rest.reads = append(rest.reads, result{string(piece), nil})
	}
	rest.reads = append(rest.reads, result{"", io.EOF})
	s.wantMessage(c, rest, long)
	s.wantMessage(c, rest, []byte("hi!"))
}

// manyMessages come one behind the other, with every byte at their ends.
func (s suite) manyMessages(c *check.C) {
	const many = 1024
	c.Variation("a reader that is not a connection, with %d messages, and a writer that gets them "+
		"back", many)
	var stream []byte
	for i := range many {
		stream = append(stream, frame([]byte{byte(i), 'x', byte(i)}[:1+i%3])...)
	}
	r, w := bytes.NewReader(stream), c.Writer(&fault.Writer{})
	var got []byte
	var err error
	done, function, rest := 0, "ReadMessage", len(stream)
	c.Do("the last of these calls", func() {
		for done < many && rest == r.Len() {
			if got, err = s.lab.ReadMessage(r, 1000); err != nil {
				return
			}
			if err = s.lab.WriteMessage(w, got); err != nil {
				function = "WriteMessage"
				return
			}
			done++
			rest -= 4 + len(got)
			clear(got) // it is the caller's
		}
	})
	c.WantNil(fmt.Sprintf("%s, called for message %d,", function, done+1), err)
	c.WantBytes("written", w.Taken(), stream[:len(w.Taken())])
	if rest != r.Len() {
		c.Fail(
			"message %d is %s, and ReadMessage has taken %d bytes of what is behind it",
			done,
			check.Bytes(stream[len(stream)-rest-4-len(got):len(stream)-rest]),
			rest-r.Len(),
		)
	}
}

// script is a reader whose Reads return what it says, one after the other, whatever is asked for. Its
// last error it returns a few times.
type script struct {
	reads []result
	after int // calls since the last error of reads
}

type result struct {
	data string
	err  error
}

// unkeyed cannot be compared.
type unkeyed struct {
	io.Reader
	io.Writer
	_ []byte
}

var errLater = errors.New("the connection broke before")

func (s *script) Read(p []byte) (int, error) {
	next := &s.reads[0]
	n := copy(p, next.data)
	if next.data = next.data[n:]; next.data != "" {
		return n, nil
	}
	err := next.err
	switch {
	case len(s.reads) > 1:
		s.reads = s.reads[1:]
	case s.after < 3 || err == io.EOF:
		s.after++
	default:
		err = errLater
	}
	return n, err
}

// oddReads are what io.Reader allows and a connection does not do.
func (s suite) oddReads(c *check.C) {
	nothing := slices.Repeat([]result{{}}, 50)
	end := result{"", io.EOF}
	var before []result
	for _, b := range "\x03\x00\x00\x00hi!" {
		before = append(append(before, nothing...), result{string(b), nil})
	}
	for _, v := range []struct {
		says    string
		reads   []result
		payload string
	}{
		{
			"returns the last bytes of the message together with io.EOF",
			[]result{{"\x03\x00\x00\x00", nil}, {"hi!", io.EOF}},
			"hi!",
		},
		{
			"returns the payload in two reads, the second together with io.EOF",
			[]result{{"\x09\x00\x00\x00", nil}, {"hi, ", nil}, {"there", io.EOF}},
			"hi, there",
		},
		{
			"returns the last bytes of an empty message together with io.EOF",
			[]result{{"\x00\x00", nil}, {"\x00\x00", io.EOF}},
			"",
		},
		{"returns an empty message, and then io.EOF", []result{{"\x00\x00\x00\x00", nil}, end}, ""},
		{
			"returns 0 bytes and no error, 50 times, before the header",
			slices.Concat(nothing, []result{{"\x03\x00\x00\x00hi!", nil}, end}), "hi!",
		},
		{
			"returns 0 bytes and no error, 50 times, inside the header",
			slices.Concat([]result{{"\x03\x00", nil}}, nothing, []result{{"\x00\x00hi!", nil}, end}), "hi!",
		},
		{
			"returns 0 bytes and no error, 50 times, inside the payload",
			slices.Concat([]result{{"\x03\x00\x00\x00h", nil}}, nothing, []result{{"i!", nil}, end}), "hi!",
		},
		{"returns 0 bytes and no error, 50 times before each byte", before, "hi!"},
	} {
		c.Variation("a reader that is not a connection, and %s", v.says)
		c.Rule(
			"r is any io.Reader: bytes count, whatever error comes with them, and 0 bytes without "+
				"an error are no end.",
			"io.ReadFull knows all this. In a loop of your own use the n bytes first, then look at "+
				"the error, and read on after 0, nil.",
		)
		s.wantMessage(c, &script{reads: v.reads}, []byte(v.payload))
	}
	c.Variation("a reader and a writer that cannot be keys of a map")
	c.Rule(
		"r and w may be anything that has Read or Write.",
		"Keep nothing between calls: then no map needs r or w for a key.",
	)
	s.wantMessage(c, unkeyed{Reader: bytes.NewReader(frame([]byte("hi!")))}, []byte("hi!"))
	w := c.Writer(&fault.Writer{})
	c.WantNil("WriteMessage", s.writeMessage(c, unkeyed{Writer: w}, []byte("hi!")))
	c.WantBytes("written", w.Taken(), frame([]byte("hi!")))
}

// breaks are errors of a connection that somebody could take for something else.
var breaks = []error{
	errors.New("the cable is cut"),
	io.ErrClosedPipe, io.ErrNoProgress, net.ErrClosed, os.ErrDeadlineExceeded,
	context.DeadlineExceeded, context.Canceled, syscall.EPIPE, syscall.ECONNRESET, syscall.ECONNABORTED,
	syscall.EINTR, syscall.EAGAIN, syscall.ENOBUFS,
}

func brokenIsNoEnd(c *check.C) {
	c.Rule(
		"When the stream breaks, wherever that is, the error is the one that Read returned, "+
			"whichever it is.",
		"Only io.EOF is an end. Return every other error, alone or wrapped with %w, and read "+
			"no more.",
	)
}

// broken has the reader break after what came, alone and together with the last of it.
func (s suite) broken(c *check.C, came string) {
	for _, err := range breaks {
		for _, reads := range [][]result{{{came, err}}, {{came, nil}, {"", err}}}[:min(1+len(came), 2)] {
			c.Variation("a reader that returns %s, and then breaks: %v", check.Bytes([]byte(came)), err)
			brokenIsNoEnd(c)
			_, got := s.readLent(c, &script{reads: reads}, roomy)
			c.WantError("ReadMessage", got, err)
			if check.Is(got, io.EOF) || check.Is(got, io.ErrUnexpectedEOF) {
				c.Fail("the stream broke, but the error is an end of it, too: %s", check.Err(got))
			}
		}
	}
}

func (s suite) pastTheEnd(c *check.C) {
	messages := [][]byte{[]byte("first"), {}, samples()[5]}
	for _, full := range []int{512, 1024, 4096} { // as long as the buffers of the standard library
		messages = append(messages, bytes.Repeat([]byte("x"), full))
	}
	messages = append(messages, []byte("last"))
	var stream []byte
	for _, m := range messages {
		stream = append(stream, frame(m)...)
	}
	c.Variation("a new connection; all that is sent lies there before the first read")
	conn, peer := c.Connect()
	send(c, peer, fault.Whole, stream)
	c.Settle()
	end := 0
	for i, m := range messages {
		s.wantMessage(c, conn, m)
		wantUntouched(c, "ReadMessage", peer.Conn())
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

// wantUntouched ends the case if function has closed a connection, or set a deadline on it.
func wantUntouched(c *check.C, function string, conn *fault.Conn) {
	if did := conn.Did(); did.Closed != "" || did.Deadline != "" {
		onlyLent(c)
	}
	c.WantOpen(function, conn)
	c.WantNoDeadline(function, conn)
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
			wantUntouched(c, "ReadMessage", peer.Conn())
		}
		_, err := s.readMessage(c, conn, roomy)
		c.WantError("at the end of the stream", err, io.EOF)
		if check.Is(err, io.ErrUnexpectedEOF) {
			c.Fail("at the end of the stream: the error is io.ErrUnexpectedEOF, but no message was cut")
		}
		wantUntouched(c, "ReadMessage", peer.Conn())
	}
	c.Variation("a new connection; the suite resets it between two messages")
	conn, peer := c.Connect()
	send(c, peer, fault.After(4), frame([]byte("hi!")))
	s.wantMessage(c, conn, []byte("hi!"))
	wantUntouched(c, "ReadMessage", peer.Conn())
	peer.Reset()
	brokenIsNoEnd(c)
	_, err := s.readMessage(c, conn, roomy)
	c.WantMet("the connection was reset", err, peer.Conn())
	wantUntouched(c, "ReadMessage", peer.Conn())
	s.broken(c, "")

	c.Variation("a reader whose first Read fails; then it has a message")
	nothingIsKept(c)
	r := &script{reads: []result{{"", os.ErrDeadlineExceeded}, {"\x03\x00\x00\x00hi!", nil}}}
	_, err = s.readMessage(c, r, roomy)
	c.WantError("ReadMessage", err, os.ErrDeadlineExceeded)
	s.wantMessage(c, r, []byte("hi!"))
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
			s.wantCut(c, err)
			wantUntouched(c, "ReadMessage", peer.Conn())
		}
		c.Variation("a new connection, reset after %d of %d bytes", at, len(message))
		brokenIsNoEnd(c)
		conn, peer := c.Connect()
		send(c, peer, fault.After(4), message[:at])
		peer.Reset()
		c.Step("the suite reset the connection when they were read")
		_, err := s.readMessage(c, conn, roomy)
		c.WantMet("the connection was reset", err, peer.Conn())
		wantUntouched(c, "ReadMessage", peer.Conn())
	}
	// more than fits a length of two bytes, or a buffer that somebody thought large enough
	const announced = 300_000
	c.Variation("a new connection, closed after 10 of %d bytes of the payload", announced)
	conn, peer := c.Connect()
	send(c, peer, fault.After(4), append(header(announced), "ten bytes!"...))
	peer.CloseWrite()
	c.Step("the suite closed its side")
	_, err := s.readMessage(c, conn, roomy)
	c.WantError("inside a message", err, io.ErrUnexpectedEOF)
	c.Variation("a reader that is not a connection; a header announces %d bytes, and none come", len(vast))
	anyLength(c)
	_, err = s.readLent(c, bytes.NewReader(header(int32(len(vast)))), 2*len(vast))
	c.WantError("inside a message, whose length is below limit", err, io.ErrUnexpectedEOF)
	for _, came := range []string{"\x00", "\x00\x00\x00", "\x00\x01"} { // with zeros behind it, it is whole
		c.Variation("a reader that returns %s, and then ends", check.Bytes([]byte(came)))
		_, err := s.readLent(c, &script{reads: []result{{came, nil}, {"", io.EOF}}}, roomy)
		s.wantCut(c, err)
	}
	for _, came := range []string{"\x00\x00\x00", "\x03", "\x03\x00\x00\x00", "\x03\x00\x00\x00h"} {
		s.broken(c, came)
		c.Variation("a reader that returns %s together with io.EOF", check.Bytes([]byte(came)))
		_, err := s.readLent(c, &script{reads: []result{{came, io.EOF}}}, roomy)
		s.wantCut(c, err)
	}
	for _, came := range []int{1_000_000, 1 << 20} { // where the pieces of somebody's loop end
		c.Variation("a reader that ends after %d of %d bytes of the payload", came, 2<<20)
		begun := func() io.Reader { return bytes.NewReader(append(header(2<<20), vast[:came]...)) }
		got, err := s.readMessage(c, begun(), 4<<20)
		if err == nil && len(got) < came {
			anyLength(c)
		}
		s.wantCut(c, err)
		for _, broken := range []error{breaks[0], os.ErrDeadlineExceeded} {
			c.Variation("a reader that breaks after %d of %d bytes of the payload: %v", came, 2<<20, broken)
			brokenIsNoEnd(c)
			_, err := s.readMessage(c, io.MultiReader(begun(), &script{reads: []result{{"", broken}}}), 4<<20)
			c.WantError("ReadMessage", err, broken)
		}
	}
	c.Variation("a reader of which one Read fails inside the payload; then it has the rest")
	brokenIsNoEnd(c)
	r := &script{reads: []result{{"\x03\x00\x00\x00h", nil}, {"", os.ErrDeadlineExceeded}, {"i!", nil}}}
	_, err = s.readMessage(c, r, roomy)
	c.WantError("ReadMessage", err, os.ErrDeadlineExceeded)
}

// wantCut ends the case unless err says that a message was cut.
func (s suite) wantCut(c *check.C, err error) {
	c.WantError("inside a message", err, io.ErrUnexpectedEOF)
	if check.Is(err, io.EOF) {
		c.Fail("inside a message: the error is io.ErrUnexpectedEOF, and io.EOF too; it cannot be both")
	}
}

// much is what a call may not allocate for a short message, or for one that it refuses, in bytes.
const much = 1 << 20

func (s suite) refused(c *check.C) {
	const limit = 1000
	s.refuse(c, -1, limit)
	s.refuse(c, math.MinInt32, limit)
	s.refuse(c, limit+1, limit)
	s.refuse(c, 1, 0)
	s.refuse(c, 128<<20, limit)
	s.refuse(c, math.MaxInt32, limit)
	for k := range 31 { // at each power of two somebody's number may end
		s.refuseByOne(c, 1<<k)
		s.refuseByOne(c, 1<<k-1)
	}
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

	limits := []int{3, 1000, math.MaxInt32, math.MaxInt - 1, math.MaxInt}
	for _, k := range []int{31, 32, 33, 53} { // which a smaller or a floating number may not hold
		if k < strconv.IntSize-1 {
			limits = append(limits, 1<<k, 1<<k+1)
		}
	}
	for _, limit := range limits {
		c.Variation("a message of 3 bytes, and the limit is %d", limit)
		got, allocated, err := s.measured(c, bytes.NewReader(frame([]byte("hi!"))), limit)
		c.WantNil("ReadMessage", err)
		c.WantBytes("payload", got, []byte("hi!"))
		if allocated > much {
			c.Fail("a message of 3 bytes, and ReadMessage allocated more than %d MiB", much>>20)
		}
	}
}

// measured calls ReadMessage and tells how much it allocated.
func (s suite) measured(c *check.C, r io.Reader, limit int) (payload []byte, allocated uint64, err error) {
	what := fmt.Sprintf("ReadMessage(conn, %d)", limit)
	allocated = c.Allocated(what, func() { payload, err = s.lab.ReadMessage(r, limit) })
	returned(c, what, payload, err)
	return payload, allocated, err
}

// refuseByOne announces a byte more than limit, through a reader that has a message behind it.
func (s suite) refuseByOne(c *check.C, limit int) {
	c.Variation("a reader with a header that announces %d bytes, and the limit is %d", limit+1, limit)
	next := frame(nil)
	r := bytes.NewReader(append(header(int32(limit+1)), next...))
	_, err := s.readMessage(c, r, limit)
	switch {
	case err == nil || check.Is(err, io.EOF) || check.Is(err, io.ErrUnexpectedEOF):
		c.Fail(
			"a header announced %d bytes, over the limit of %d, and the error is %s",
			limit+1,
			limit,
			check.Err(err),
		)
	case r.Len() != len(next):
		c.Fail("ReadMessage has taken %d bytes, not the 4 of the header", 8-r.Len())
	}
}

// refuse announces n bytes and sends none. Then a message follows.
func (s suite) refuse(c *check.C, n int32, limit int) {
	c.Variation("a new connection; a header announces %d bytes, the limit is %d", n, limit)
	conn, peer := c.Connect()
	send(c, peer, fault.Whole, header(n))
	c.Settle()
	_, allocated, err := s.measured(c, conn, limit)
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
	wantUntouched(c, "ReadMessage", peer.Conn())
	next := []byte("hi!")[:min(limit, 3)]
	send(c, peer, fault.Whole, frame(next))
	got, err := s.readMessage(c, conn, limit)
	if err != nil && limit > 4+len(next) && limit <= math.MaxInt32 { // it is not because of the limit
		nothingIsKept(c)
	}
	c.WantNil("ReadMessage, called again", err)
	c.WantBytes("payload", got, next)
}

func (s suite) badWrite(c *check.C) {
	payload := []byte("hi, there")
	whole := frame(payload)
	c.Variation("a writer whose first Write fails, and no later one")
	once := &failsOnce{err: os.ErrDeadlineExceeded}
	c.WantError("WriteMessage", s.writeMessage(c, once, payload), once.err)
	if once.calls > 1 {
		c.Fail("after the error WriteMessage called Write again")
	}
	nothingIsKept(c)
	c.WantNil("WriteMessage, called again", s.writeMessage(c, once, payload))
	c.WantBytes("taken by the writer", once.taken, whole)
	for _, broken := range append(breaks, io.EOF, io.ErrUnexpectedEOF, io.ErrShortWrite) {
		for _, room := range []int{0, 2, 4, 6} {
			c.Variation("a writer that takes %d bytes and then fails: %v", room, broken)
			w := c.Writer(&fault.Writer{Room: room, Err: broken})
			s.wantBroken(c, w, payload, broken)
			c.WantBytes("taken by the writer", w.Taken(), whole[:room])
		}
		for _, room := range []int{4, len(whole)} {
			c.Variation("a writer that fails with byte %d, and says that it took it: %v", room, broken)
			s.wantBroken(c, c.Writer(&fault.Writer{Room: room, Err: broken, Full: true}), payload, broken)
		}
	}
	for size := range len(payload) + 1 {
		whole := frame(payload[:size])
		for most := 1; most < len(whole); most++ {
			c.Variation("a writer that takes at most %d bytes a call and returns no error", most)
			w := c.Writer(&fault.Writer{Most: most})
			if s.writeTo(c, w, payload[:size]) == nil {
				c.WantBytes("WriteMessage returned nil; taken by the writer", w.Taken(), whole)
			}
		}
	}
	for _, at := range []int{0, 2, 4, 6} {
		c.Variation("a writer that takes %d bytes, and then none for some calls; it returns no error", at)
		w := &stalling{left: at, stalls: 20}
		if s.writeMessage(c, w, payload) == nil {
			c.WantBytes("WriteMessage returned nil; taken by the writer", w.taken, whole)
		}
	}
	broken := errors.New("the cable is cut")
	c.Variation("a payload of %d bytes, and a writer that takes the first 4 and then fails", len(vast))
	c.Rule(
		"The length has four bytes: payloads up to 2147483647 bytes can be sent.",
		"Put all four bytes of the length together, and refuse nothing below that.",
	)
	w := c.Writer(&fault.Writer{Room: 4, Err: broken})
	c.WantError("WriteMessage", s.writeTo(c, w, vast), broken)
	c.WantBytes("written", w.Taken(), header(int32(len(vast))))
	s.trips(c)
	s.tooLong(c)
}

// trips has one call of Write go wrong, the first ones and the last, with short payloads and long ones.
func (s suite) trips(c *check.C) {
	broken := errors.New("the cable is cut")
	none, half, all := func(int) int { return 0 }, func(n int) int { return n / 2 }, func(n int) int { return n }
	trips := []struct {
		says string
		trip
	}{
		{"takes half of its bytes and returns no error", trip{take: half}},
		{"takes none of its bytes and fails", trip{take: none, err: broken}},
		{"takes half of its bytes and fails", trip{take: half, err: broken}},
		{"takes all of its bytes and fails", trip{take: all, err: broken}},
	}
	for _, size := range []int{0, 9, 5000, 70_000, 3 << 19} {
		payload := vast[:size]
		c.Variation("a payload of %d bytes, and a writer that takes everything", size)
		good := &lentWriter{Writer: c.Writer(&fault.Writer{})}
		c.WantNil("WriteMessage", s.writeLent(c, good, payload))
		c.WantBytes("written", good.Taken(), frame(payload))
		calls := []int{1, 2, 3, good.calls}
		if good.calls > 1000 {
			return // a few bytes at a time, which takes long
		}
		for _, call := range slices.Compact(slices.DeleteFunc(calls, func(n int) bool { return n > good.calls })) {
			for _, t := range trips {
				c.Variation("a payload of %d bytes, and a writer of which call %d %s", size, call, t.says)
				t.trip.call = call
				w := &lentWriter{Writer: c.Writer(&fault.Writer{}), trip: t.trip}
				err := s.writeLent(c, w, payload)
				switch {
				case t.err != nil && w.calls > call:
					c.Fail("after the error WriteMessage called Write again")
				case t.err != nil && w.calls == call:
					c.WantError("WriteMessage", err, broken)
				case err == nil:
					c.WantBytes("WriteMessage returned nil; taken by the writer", w.Taken(), good.Taken())
				}
			}
		}
	}
}

// wantBroken has payload written to w, which is broken.
func (s suite) wantBroken(c *check.C, w *fault.Writer, payload []byte, broken error) {
	c.WantError("WriteMessage", s.writeTo(c, w, payload), broken)
	if w.Tried() > 0 {
		c.Fail("after the error WriteMessage offered the writer %d bytes more", w.Tried())
	}
}

func nothingIsKept(c *check.C) {
	c.Rule(
		"Both functions may be called any number of times: a call that failed changes nothing for the "+
			"next one.",
		"Keep nothing between calls. Behind mu.Lock() write defer mu.Unlock().",
	)
}

// failsOnce is a writer whose first Write fails.
type failsOnce struct {
	err   error
	calls int
	taken []byte
}

func (w *failsOnce) Write(p []byte) (int, error) {
	if w.calls++; w.calls == 1 {
		return 0, w.err
	}
	w.taken = append(w.taken, p...)
	return len(p), nil
}

// stalling is a writer that takes a few bytes, then none for some calls, and then all.
type stalling struct {
	left, stalls int
	taken        []byte
}

func (w *stalling) Write(p []byte) (int, error) {
	n := len(p)
	if w.stalls > 0 {
		n = min(n, w.left)
		w.left -= n
		if n == 0 {
			w.stalls--
		}
	}
	w.taken = append(w.taken, p[:n]...)
	return n, nil
}

// tooLong offers payloads whose length a careless conversion to 32 bits makes negative, or small.
func (s suite) tooLong(c *check.C) {
	all := huge(c)
	for _, size := range hugeSizes {
		if size > int64(len(all)) {
			continue // not on this system
		}
		c.Variation("a payload of %d bytes, more than the header can tell; nothing may be written", size)
		c.Rule(
			"A payload over 2147483647 bytes does not fit the header: an error, and nothing is written.",
			"Compare len(payload) with math.MaxInt32 before the first Write.",
		)
		w := c.Writer(&fault.Writer{Err: errors.New("nothing may be written")})
		lent := &lentWriter{Writer: w}
		var err error
		c.Do("WriteMessage(w, payload)", func() { err = s.lab.WriteMessage(lent, all[:size]) })
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
		lent.wantUntouched(c)
	}
}

// hugeSizes are lengths over 2147483647 bytes; the last is the largest.
var hugeSizes = []int64{1 << 31, 1<<32 - 1, 1 << 32, 1<<32 + 3}

func (s suite) conversation(c *check.C) {
	for _, cut := range c.Cuts(2) {
		s.echo(c, cut)
	}
	s.readMeanwhile(c)
	s.manyMessages(c)
	s.longPayloads(c)
	s.oddReads(c)

	for _, limit := range []int{roomy, 0} {
		c.Variation("a reader with a message of 3 bytes, where %d are allowed; then nobody needs it any "+
			"more", limit)
		r := &lentReader{Reader: bytes.NewReader(frame([]byte("hi!")))}
		kept, given := weak.Make(r), []io.Reader{r}
		c.Do("ReadMessage", func() { s.lab.ReadMessage(given[0], limit) })
		given[0] = nil
		c.WantLetGo("ReadMessage", func() bool { return kept.Value() != nil })

		c.Variation("a writer that takes everything, and that then nobody needs any more")
		w := &lentWriter{Writer: &fault.Writer{}}
		keptWriter, lent := weak.Make(w), []io.Writer{w}
		c.Do("WriteMessage", func() { s.lab.WriteMessage(lent[0], []byte("hi!")) })
		lent[0] = nil
		c.WantLetGo("WriteMessage", func() bool { return keptWriter.Value() != nil })
	}

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
	// bytes of a message; one is much longer, and yet read within the limit when it is read byte by
	// byte
	most := 300
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
		if i == 3 || i == 4 {
			m = nil
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
			wantUntouched(c, function, peer.Conn())
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

	c.Step("the suite appends a byte to each message")
	keepsNothing(c)
	for i := range got {
		got[i] = append(got[i], byte(i))
	}
	for i, m := range got {
		c.WantBytes(fmt.Sprintf("message %d and its byte", i+1), m, append(sent[i], byte(i)))
	}
}

func keepsNothing(c *check.C) {
	c.Rule(
		"What ReadMessage returns belongs to the caller, who may also append to it.",
		"Make a slice for each message. Of an array that several share, the full slice expression "+
			"array[i:j:j] gives a slice that append does not write behind.",
	)
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

// busy is a connection on which nothing moves until it is let go: its reader gets data then, and its
// writer is heard.
type busy struct {
	mu    sync.Mutex
	freed sync.Cond
	calls int
	free  bool
	first bool // a first Write of no more than a header does not wait
	data  []byte
	taken []byte
}

func newBusy(data []byte) *busy {
	b := &busy{data: data}
	b.freed.L = &b.mu
	return b
}

// begin waits until the connection is let go.
func (b *busy) begin() {
	b.calls++
	for !b.free {
		b.freed.Wait()
	}
}

func (b *busy) Read(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if len(p) == 0 {
		return 0, nil
	}
	b.begin()
	if len(b.data) == 0 {
		return 0, io.EOF
	}
	n := copy(p, b.data)
	b.data = b.data[n:]
	return n, nil
}

func (b *busy) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if !b.first || len(b.taken)+len(p) > 4 {
		b.begin()
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

// callers is how many calls wait at a time, in each direction.
const callers = 16

// lateBy is how long they wait at least: code that gives up early is found.
const lateBy = 120 * time.Millisecond

// manyCallers has many connections wait at a time: for a header, for a payload, and, all with the same
// payload, for the first Write or the one behind the header.
func (s suite) manyCallers(c *check.C) {
	c.Variation("%d connections to read from and %d to write to, on which nothing moves", callers, callers)
	c.Rule(
		"Calls on different connections do not wait for each other and share nothing, and wait as "+
			"long as it takes.",
		"Hold no lock and no place among a few while you read or write, give up on no timer, and "+
			"leave the payload alone: others may be writing it too.",
	)
	payload := []byte("the same for all")
	lent := append(bytes.Clone(payload), behind...)[:len(payload)]
	written := func(i int) []byte { // every third call writes something else
		if i%3 == 0 {
			return payload[:i]
		}
		return lent
	}
	var all []*busy
	defer func() {
		for _, b := range all {
			b.letGo()
		}
	}()
	var calls []*check.Call
	got, errs := make([][]byte, callers), make([]error, 2*callers)
	start := func(what string, data []byte, f func(b *busy)) {
		b := newBusy(data)
		all = append(all, b)
		call := c.Start(what, func() { f(b) })
		calls = append(calls, call)
		hasBegun := func() bool { return call.Ended() || b.called() }
		for i := 0; i < 1000 && !hasBegun(); i++ {
			runtime.Gosched() // Await would sleep for a millisecond
		}
		c.Await(
			fmt.Sprintf("%s to begin, while %d calls on other connections wait", what, len(calls)-1),
			hasBegun,
		)
	}
	for i := range callers {
		header := frame(payload)[:4*(i%2)] // every second one waits for its payload
		start(fmt.Sprintf("ReadMessage(conn, %d)", roomy), frame(payload)[len(header):], func(b *busy) {
			r := io.MultiReader(bytes.NewReader(header), b)
			got[i], errs[i] = s.lab.ReadMessage(r, roomy)
		})
		start("WriteMessage(w, payload)", nil, func(b *busy) {
			b.first = i%2 > 0
			errs[callers+i] = s.lab.WriteMessage(b, written(i))
		})
	}
	conn, peer := c.Connect() // one that has deadlines
	peer.Send(frame(payload)[:6])
	var last []byte
	var lastErr error
	slow := c.Start("ReadMessage(conn)", func() { last, lastErr = s.lab.ReadMessage(conn, roomy) })
	c.Step("the suite lets %v pass, and then everything go on", lateBy)
	for range 8 { // not at once: when the machine has stood still, the calls get to run before it is over
		time.Sleep(lateBy / 8)
	}
	wantUntouched(c, "ReadMessage", peer.Conn())
	for _, b := range all {
		b.letGo()
	}
	peer.Send(frame(payload)[6:])
	slow.Wait()
	c.WantNil("ReadMessage", lastErr)
	c.WantBytes("payload", last, payload)
	for i, call := range calls {
		call.Wait()
		n := i / 2
		if i%2 == 0 {
			c.WantNil("ReadMessage", errs[n])
			c.WantBytes("payload", got[n], payload)
		} else {
			c.WantNil("WriteMessage", errs[callers+n])
			c.WantBytes("written", all[i].taken, frame(written(n)))
		}
	}
}
