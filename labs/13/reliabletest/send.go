package reliabletest

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"socketbook/tools/check"
)

const (
	plenty = 20                    // tries of which only a few are needed
	short  = 20 * time.Millisecond // a wait that an answer with a timer of its own takes in full
	ages   = time.Hour             // a wait that nobody takes in full
)

var hello = []string{"hello", "and", "goodbye"}

// samples are messages of which each has something special: text, nothing, a zero byte, bytes over 127,
// what looks like an acknowledgement, one that is longer than a buffer of somebody's.
var samples = []string{
	"hi", "", "\x00", "\xff\xfe\n", "A" + strings.Repeat("\x00", headerSize-1), "%d", "你好",
	strings.Repeat("socket ", 300), "hi", "hi",
}

// acknowledged answers every message with its acknowledgement.
func acknowledged(_ int, f frame) [][]byte { return [][]byte{f.ack().bytes()} }

// dropped loses everything.
func dropped(int, frame) [][]byte { return nil }

// wantMessages ends the case unless the first of the messages were sent, in order and no others:
// each one most times at most, the same to the byte, and all with one run.
func (w *wire) wantMessages(messages []string, first, most int) {
	wantFrames(w.c, w.frames('M'), messages, first, most)
}

func wantFrames(c *check.C, sent []frame, messages []string, first, most int) {
	copies := 0
	next := 0 // the number that was sent last, plus one
	for i, f := range sent {
		if f.run != sent[0].run {
			c.Fail("the datagrams of one call of Send carry different runs")
		}
		switch int64(f.number) {
		case int64(next):
			next, copies = next+1, 1
		case int64(next - 1):
			copies++
		default:
			c.Fail("datagram %d carries the number %d, and not %d; numbers are big-endian and begin at 0", i+1,
				f.number, next)
		}
		if next > len(messages) {
			c.Fail("your code sent number %d, and there are %d messages, numbers 0 to %d", f.number, len(messages),
				len(messages)-1)
		}
		if next > first {
			c.Fail("your code sent number %d, but number %d had not been acknowledged", next-1, next-2)
		}
		c.WantBytes(fmt.Sprintf("behind the header of number %d", f.number), f.body, []byte(messages[f.number]))
		if copies > most {
			c.Fail("your code sent number %d more than %d times", f.number, most)
		}
	}
	if next < first {
		c.Fail("your code sent %d messages, not %d", next, first)
	}
}

func (s suite) sends(c *check.C) {
	for _, messages := range [][]string{{"hello"}, hello, samples, {strings.Repeat("x", largest)}} {
		c.Variation("a new connection; the suite acknowledges everything")
		w := connect(c, acknowledged)
		err := s.send(w, messages, ages, 3)
		w.wantMessages(messages, len(messages), 1)
		c.WantNil("Send", err)
	}
	c.Variation("a new connection; no messages")
	c.Rule("No messages are no error, and nothing is sent.",
		"A loop over no messages does nothing; then return nil.")
	w := connect(c, acknowledged)
	c.WantNil("Send", s.send(w, nil, ages, 3))
	w.wantMessages(nil, 0, 1)

	c.Variation("a new connection; the suite drops the first message")
	c.Rule(
		"A message that is not acknowledged in any of its tries ends Send: no later message is sent.",
		"Return an error when the tries of a message are over, and end the loop over the messages with it.",
	)
	w = connect(c, dropped)
	s.send(w, hello, short, 1) // what it returns is for another case
	w.wantMessages(hello, 1, 2)

	const many = 300
	c.Variation("a connection that acknowledges everything at once; %d messages", many)
	c.Rule(
		"When the acknowledgement of one message is there, the next one is sent at once: Send waits for "+
			"nothing else.",
		"Read behind a Write only, and until the acknowledgement has come. Do not empty the queue before, and do "+
			"not sleep.",
	)
	s.sendMany(c, numbered(many))

	const calls = 20
	c.Variation("a new connection; %d calls of Send, one after the other", calls)
	c.Rule(
		"When Send has returned, nothing that it has started is still running: what reads on takes the "+
			"acknowledgements of the next call.",
		"Wake a goroutine that reads with a deadline that has passed, wait until it has ended, and take the "+
			"deadline back.",
	)
	w = connect(c, acknowledged)
	for range calls {
		c.WantNil("Send", s.send(w, []string{"hello"}, ages, 3))
	}
	s.runsDiffer(c, w)
}

// sendsApart makes a call of Send while another one waits, on another connection.
func (s suite) sendsApart(c *check.C) {
	c.Variation("two new connections; on the first one Send waits, and on the second one it is called meanwhile")
	c.Rule(
		"Calls on different connections may run at the same time: each has a run and messages of its own.",
		"Keep the run, the datagram and the buffer in variables of the function, and nothing in the package.",
	)
	first := connect(c, func(i int, f frame) [][]byte {
		if i == 0 {
			return nil // it is acknowledged later
		}
		return acknowledged(i, f)
	})
	second := connect(c, acknowledged)
	var lent [][]byte
	for _, m := range hello {
		lent = append(lent, []byte(m))
	}
	var err error
	call := c.Start("Send on the first connection", func() { err = s.lab.Send(first.conn, lent, ages, 3) })
	c.Await("the first message on the first connection", func() bool {
		return call.Ended() || len(first.peer.Requests()) > 0 && c.Resting()
	})
	first.tell()
	c.WantNil("Send on the second connection", s.send(second, hello, ages, 3))
	second.wantMessages(hello, len(hello), 1)
	first.wantMessages(hello, 1, 1)
	ack := first.frames('M')[0].ack().bytes()
	c.Say("the suite sent %s, on the first connection", first.words(ack))
	first.peer.Send(ack)
	call.Wait()
	c.Await("what was sent to arrive", first.peer.Rested)
	first.tell()
	c.Step("Send on the first connection returned %s", check.Err(err))
	first.wantMessages(hello, len(hello), 1)
	c.WantNil("Send on the first connection", err)
}

// sendMany sends messages over a prompt connection: hundreds of round trips take long on a busy machine.
func (s suite) sendMany(c *check.C, messages []string) {
	conn, _ := c.Datagrams()
	p := &prompt{Conn: conn}
	p.changed.L = &p.mu
	defer p.end()
	var lent [][]byte
	for _, m := range messages {
		lent = append(lent, []byte(m))
	}
	var err error
	what := fmt.Sprintf("Send(conn, %d messages, wait %v, tries 3)", len(messages), ages)
	c.Do(what, func() { err = s.lab.Send(p, lent, ages, 3) })
	c.Step("%s returned %s", what, check.Err(err))
	wantFrames(c, framesOf(c, p.sent, 'M'), messages, len(messages), 1)
	c.WantNil("Send", err)
}

// prompt is a connection on which the acknowledgement is there when Write returns. Of its deadlines
// only one in the past means anything: nothing has to be waited for.
type prompt struct {
	net.Conn

	mu      sync.Mutex
	changed sync.Cond
	sent    [][]byte
	acks    [][]byte
	late    bool // the read deadline has passed
	over    bool
}

// Write notes a datagram and acknowledges it.
func (p *prompt) Write(b []byte) (int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.sent = append(p.sent, bytes.Clone(b))
	if f, ok := parse(b); ok {
		p.acks = append(p.acks, f.ack().bytes())
	}
	p.changed.Broadcast()
	return len(b), nil
}

// Read returns the next acknowledgement.
func (p *prompt) Read(b []byte) (int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for len(p.acks) == 0 && !p.late && !p.over {
		p.changed.Wait()
	}
	switch {
	case p.over:
		return 0, net.ErrClosed
	case p.late:
		return 0, os.ErrDeadlineExceeded
	}
	n := copy(b, p.acks[0])
	p.acks = p.acks[1:]
	return n, nil
}

// SetReadDeadline ends a Read if the deadline has passed.
func (p *prompt) SetReadDeadline(t time.Time) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.late = !t.IsZero() && time.Until(t) <= 0
	p.changed.Broadcast()
	return nil
}

// SetDeadline is SetReadDeadline: a Write does not wait.
func (p *prompt) SetDeadline(t time.Time) error { return p.SetReadDeadline(t) }

// SetWriteDeadline does nothing.
func (p *prompt) SetWriteDeadline(time.Time) error { return nil }

func (p *prompt) end() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.over = true
	p.changed.Broadcast()
}

// numbered are that many messages, all different.
func numbered(many int) (messages []string) {
	for i := range many {
		messages = append(messages, fmt.Sprintf("message %d", i))
	}
	return messages
}

// runsDiffer looks at the runs of several calls.
func (s suite) runsDiffer(c *check.C, w *wire) {
	var runs []uint64
	for _, f := range w.frames('M') {
		runs = append(runs, binary.BigEndian.Uint64([]byte(f.run)))
		if f.number != 0 {
			c.Fail("a call of Send begins with the number %d; the numbers of each call begin at 0", f.number)
		}
	}
	c.Step("their runs were %016x, %016x, %016x …", runs[0], runs[1], runs[2])
	c.Rule(
		"Each call of Send has a run of its own, which no earlier call has had, not even one of the "+
			"same program before it was started anew.",
		"Fill 8 bytes with crypto/rand's Read at the beginning of Send.",
	)
	for i, run := range runs {
		if slices.Contains(runs[:i], run) {
			c.Fail("two calls of Send have the same run, %016x: Receive takes the messages of the second one "+
				"for copies", run)
		}
	}
	vary := 0 // bytes that are not the same in all runs
	for shift := 0; shift < 64; shift += 8 {
		if slices.ContainsFunc(runs, func(run uint64) bool { return (run^runs[0])>>shift&0xff != 0 }) {
			vary++
		}
	}
	if vary < 2 {
		c.Fail("of the 8 bytes of the run only one changes from call to call: soon a run comes again")
	}
	for _, order := range []func(uint64) uint64{func(n uint64) uint64 { return n }, swapped} {
		counts := true
		for i := 1; i < len(runs); i++ {
			counts = counts && order(runs[i])-order(runs[i-1]) == 1
		}
		if counts {
			c.Fail("the runs count up from call to call: when the program is started anew, they come again")
		}
	}
}

func swapped(n uint64) uint64 {
	return binary.LittleEndian.Uint64(binary.BigEndian.AppendUint64(nil, n))
}

// loses is what Send meets when the first tries of each message are lost.
type loses struct {
	lost, tries int
	wait        time.Duration
	messages    []string
}

func (s suite) lost(c *check.C) {
	s.loses(c, loses{1, plenty, short, hello})
	s.tooLate(c)
}

func (s suite) loses(c *check.C, all ...loses) {
	for _, v := range all {
		c.Variation("a new connection; the suite loses each message %d times", v.lost)
		seen := map[uint32]int{}
		w := connect(c, func(_ int, f frame) [][]byte {
			if seen[f.number]++; seen[f.number] <= v.lost {
				return nil
			}
			return acknowledged(0, f)
		})
		err := s.send(w, v.messages, v.wait, v.tries)
		if last := uint32(max(len(seen), 1) - 1); err != nil && seen[last] > v.lost {
			c.Fail("number %d was acknowledged, %d times, and Send returned %s: one acknowledgement is enough, "+
				"whichever try it answers", last, seen[last]-v.lost, check.Err(err))
		}
		w.wantMessages(v.messages, len(v.messages), v.tries)
		c.WantNil("Send", err)
	}
}

// tooLate has an acknowledgement come when its try is over.
func (s suite) tooLate(c *check.C) {
	c.Variation("a new connection; an acknowledgement comes when its try has just ended, and no other one comes")
	c.Rule(
		"An acknowledgement of an earlier try counts, too: it only came late. One of a later try then comes on "+
			"top, while Send waits for that of the next message, and is passed over.",
		"Begin a try with its Write. Do not empty the queue before: what is in there may be what you wait for.",
	)
	var given atomic.Bool
	w := connect(c, func(i int, f frame) [][]byte {
		if f.number == 0 && (i == 0 || given.Load()) {
			return nil
		}
		return acknowledged(i, f)
	})
	conn := w.peer.Conn()
	conn.Before("Read", func() error { // the first one behind the Read that has ended the try
		if !conn.Did().Passed.IsZero() && given.CompareAndSwap(false, true) {
			f, _ := parse(w.peer.Requests()[0])
			w.note("the first try is over; now the suite sent " + w.words(f.ack().bytes()))
			w.peer.Send(f.ack().bytes())
		}
		return nil
	})
	err := s.send(w, hello, short, plenty)
	c.WantNil("Send", err)
	w.wantMessages(hello, len(hello), plenty)
}

// unanswered is a call of which the first messages are acknowledged, and no other.
func (s suite) unanswered(c *check.C, acked, tries int, wait time.Duration) {
	c.Variation("a new connection")
	var w *wire
	w = connect(c, func(i int, f frame) [][]byte {
		if i > acked+tries+5 { // it would go on forever
			w.peer.Conn().Close()
		}
		if int(f.number) < acked {
			return acknowledged(i, f)
		}
		return nil
	})
	switch acked {
	case 0:
		c.Say("the suite drops every message")
	case 1:
		c.Say("the suite acknowledges number 0 and drops every other message")
	default:
		c.Say("the suite acknowledges number 0 and 1, and drops the last message, number 2")
	}
	begin := time.Now()
	err := s.send(w, hello, wait, tries)
	took, all := time.Since(begin), time.Duration(tries)*wait
	if passed := w.peer.Conn().Did().Passed; passed.After(
		begin,
	) { // a machine that stands still does not move it
		took = passed.Sub(begin)
	}
	w.wantMessages(hello, acked+1, tries)
	n := 0 // an acknowledgement may take longer than wait on a busy machine: only the last message counts
	for _, f := range w.frames('M') {
		if int(f.number) == acked {
			n++
		}
	}
	if n != tries {
		c.Fail("your code sent number %d %d times, not %d times", acked, n, tries)
	}
	c.WantError("nobody has acknowledged it", err, os.ErrDeadlineExceeded)
	if took < all {
		c.Fail("the call was over after %v, and %d tries of %v take %v: the last one is waited for, too",
			took.Round(time.Millisecond), tries, wait, all)
	}
	if longest := w.peer.Conn().Did().Longest; longest > all {
		c.Fail("the longest read deadline of the call gave the acknowledgement %v, and not what wait says",
			longest.Round(time.Microsecond))
	}
	c.WantUntimed("Send", w.peer.Conn())
	c.WantOpen("Send", w.peer.Conn())
}

func (s suite) silence(c *check.C) {
	s.unanswered(c, 0, 3, short)
	c.Variation("a new connection; the suite acknowledges at once")
	w := connect(c, acknowledged)
	c.WantNil("Send", s.send(w, hello, ages, 3))
	// half of it: the machine may stand still between time.Now and SetReadDeadline
	if got := w.peer.Conn().Did().Longest; got > 0 && (got < ages/2 || got > ages) {
		c.Fail("the longest read deadline of the call gave the acknowledgement %v, and not what wait says",
			got.Round(time.Microsecond))
	}
}

// notAcks are datagrams that are close to the acknowledgement of f, and are not it.
func notAcks(f frame) (all [][]byte) {
	ack := f.ack().bytes()
	for i := range ack {
		wrong := bytes.Clone(ack)
		wrong[i] ^= 1
		all = append(all, wrong)
	}
	longer := append(bytes.Clone(ack), 0) // a buffer may still hold it when a shorter one has come
	return append(all, nil, ack[:1], ack[:12], longer, ack[:12], longer, nil,
		append(bytes.Clone(ack), f.body...),
		f.bytes(), append([]byte("AA"), ack[1:]...), bytes.ToLower(ack[:1]), ack[1:], append([]byte{' '}, ack...),
		fmt.Appendf(nil, "A %d", f.number), bytes.Repeat([]byte("A"), 5000))
}

func (s suite) others(c *check.C) {
	c.Variation("a new connection; other datagrams come, and then nothing until the message is sent again")
	seen := map[uint32]int{}
	w := connect(c, func(_ int, f frame) [][]byte {
		if seen[f.number]++; seen[f.number] == 1 {
			return notAcks(f)
		}
		return acknowledged(0, f)
	})
	err := s.send(w, hello, short, plenty)
	if n := len(w.frames('M')); n < 2*len(hello) {
		w.wantMessages(hello, len(hello), plenty)
		c.Fail("your code took a datagram that is not the acknowledgement for it, and went on")
	}
	w.wantMessages(hello, len(hello), plenty)
	c.WantNil("Send", err)

	c.Variation("a new connection; other datagrams come in front of each acknowledgement")
	w = connect(c, func(_ int, f frame) [][]byte { return append(notAcks(f), f.ack().bytes()) })
	err = s.send(w, hello, ages, 3)
	w.wantMessages(hello, len(hello), 1)
	c.WantNil("Send", err)

	c.Variation("a new connection; each acknowledgement comes twice, and every second message is lost once")
	clear(seen)
	w = connect(c, func(_ int, f frame) [][]byte {
		if seen[f.number]++; f.number%2 == 1 && seen[f.number] == 1 {
			return nil
		}
		return [][]byte{f.ack().bytes(), f.ack().bytes()}
	})
	err = s.send(w, samples, short, plenty)
	if seen[1] < 2 {
		c.Fail("your code took the second acknowledgement of message number 0 for that of number 1")
	}
	w.wantMessages(samples, len(samples), plenty)
	c.WantNil("Send", err)

	c.Variation("a new connection; the acknowledgements of the call before come late")
	var late [][]byte
	w = connect(c, func(i int, f frame) [][]byte {
		switch {
		case i == 0:
			late = append(late, f.ack().bytes())
			return acknowledged(i, f)
		case i == 1:
			return late
		}
		return acknowledged(i, f)
	})
	c.WantNil("Send", s.send(w, []string{"one"}, ages, 3))
	err = s.send(w, []string{"two"}, short, plenty)
	if len(w.frames('M')) < 3 {
		c.Fail("your code took the acknowledgement of another call, of which the run is another, for this one's")
	}
	c.WantNil("Send", err)

	const tries, wait = 2, 40 * time.Millisecond
	c.Variation("a new connection")
	w = connect(c, dropped)
	c.Say("the suite acknowledges nothing, and sends other datagrams, without a pause")
	var n atomic.Uint64
	w.peer.Flood(func() []byte {
		return append([]byte("A"), binary.LittleEndian.AppendUint64(nil, n.Add(1))[:n.Load()%9]...)
	})
	err = s.send(w, hello, wait, tries)
	if w.peer.Conn().Did().Endless {
		c.Fail("other datagrams came, one after the other, and the %v of a try were never over: the wait "+
			"must not begin anew with each of them", wait)
	}
	w.wantMessages(hello, 1, tries)
	c.WantError("nobody has acknowledged it", err, os.ErrDeadlineExceeded)
}

var errUnplugged = errors.New("the cable is unplugged")

// failures are errors that somebody could take for a timeout, for an end, or for nothing.
var failures = []error{
	errUnplugged, io.EOF, io.ErrClosedPipe, syscall.EINTR, syscall.ECONNREFUSED, syscall.ENETUNREACH,
	syscall.EPERM, syscall.ETIMEDOUT,
}

func (s suite) sendFails(c *check.C) {
	for _, failure := range append(failures, net.ErrClosed, os.ErrDeadlineExceeded) {
		for at := 1; at <= len(hello); at++ {
			c.Variation("a new connection; Write number %d fails: %v", at, failure)
			w := connect(c, acknowledged)
			writes := 0
			w.peer.Conn().Before("Write", func() error {
				if writes++; writes == at {
					return failure
				}
				return nil
			})
			err := s.send(w, hello, short, 3)
			c.WantError("the Write", err, failure)
			if writes > at {
				c.Fail("your code called Write after the one that failed; an error ends the call")
			}
			c.WantUntimed("Send", w.peer.Conn())
			c.WantOpen("Send", w.peer.Conn())
		}
		if failure == os.ErrDeadlineExceeded {
			continue // of a Read it is the end of the try
		}
		c.Variation("a new connection; every Read behind the first Write fails: %v", failure)
		w := connect(c, acknowledged)
		conn := w.peer.Conn()
		conn.Before("Read", func() error {
			if conn.Did().Writes == 0 {
				return nil
			}
			return failure
		})
		err := s.send(w, hello, ages, 3)
		c.WantError("the Read", err, failure)
		if n := conn.Did().Writes; n > 2 { // the second, if a Read had begun before the first
			c.Fail("your code called Write %d times; the Read had failed, and an error ends the call", n)
		}
		c.WantUntimed("Send", conn)
		c.WantOpen("Send", conn)
	}
	c.Variation("a new connection; the first copy is lost, and the second Write fails: %v", errUnplugged)
	w := connect(c, dropped)
	writes := 0
	w.peer.Conn().Before("Write", func() error {
		if writes++; writes == 2 {
			return errUnplugged
		}
		return nil
	})
	c.WantError("the second Write", s.send(w, hello, short, 3), errUnplugged)
	if writes != 2 {
		c.Fail("your code called Write %d times; the second call failed, and an error ends the call", writes)
	}
	c.WantUntimed("Send", w.peer.Conn())

	c.Variation("a new connection; a message of one byte more than fits into a datagram")
	w = connect(c, acknowledged)
	err := s.send(w, []string{"hi", strings.Repeat("x", largest+1), "there"}, ages, 3)
	if err == nil || check.Is(err, os.ErrDeadlineExceeded) {
		c.Fail("the message was not sent, but the error is %s: pass on what Write returned", check.Err(err))
	}
	w.wantMessages([]string{"hi"}, 1, 1)
	c.WantUntimed("Send", w.peer.Conn())

	c.Variation("a new connection that somebody closes while Send waits")
	w = connect(c, func(int, frame) [][]byte {
		w.peer.Conn().Close()
		return nil
	})
	c.WantError("conn is closed", s.send(w, hello, ages, 3), net.ErrClosed)
}
