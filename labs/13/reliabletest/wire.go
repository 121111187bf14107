package reliabletest

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"net"
	"slices"
	"sync"
	"time"

	"socketbook/tools/check"
	"socketbook/tools/fault"
)

const (
	runSize    = 8
	headerSize = 1 + runSize + 4
	largest    = 65507 - headerSize // bytes; what a datagram over IPv4 carries behind the header
)

// frame is a datagram of the protocol.
type frame struct {
	kind   byte
	run    string
	number uint32
	body   []byte
}

func message(run string, number int, body string) frame {
	return frame{'M', run, uint32(number), []byte(body)}
}

func (f frame) ack() frame { return frame{kind: 'A', run: f.run, number: f.number} }

func (f frame) bytes() []byte {
	b := binary.BigEndian.AppendUint32(append([]byte{f.kind}, f.run...), f.number)
	return append(b, f.body...)
}

// parse reports whether a datagram is long enough to be a frame.
func parse(datagram []byte) (f frame, ok bool) {
	if len(datagram) < headerSize {
		return frame{body: datagram}, false
	}
	return frame{
		datagram[0], string(datagram[1 : 1+runSize]),
		binary.BigEndian.Uint32(datagram[1+runSize:]), datagram[headerSize:],
	}, true
}

// wire is one UDP conversation, and what there is to tell about it. Runs are random, so each is called by a
// number, in the order in which they appear.
type wire struct {
	c    *check.C
	peer *fault.DatagramPeer
	conn net.Conn // the student's

	mu   sync.Mutex
	runs []string
	log  []string
}

// connect begins a conversation; script decides what each datagram is answered with. Nothing is to be
// called on c in there.
func connect(c *check.C, script func(i int, f frame) [][]byte) *wire {
	conn, peer := c.Datagrams()
	w := &wire{c: c, peer: peer, conn: conn}
	peer.Answer(func(i int, data []byte) (answers [][]byte) {
		f, ok := parse(data)
		text := "the suite received " + w.words(data)
		switch {
		case script == nil:
		case !ok:
			text += ", which is too short for a header of 13 bytes"
		default:
			answers = script(i, f)
			text += w.answer(answers)
		}
		w.note(text)
		return answers
	})
	return w
}

// note records what happens while the code under test runs.
func (w *wire) note(text string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.log = append(w.log, text)
}

// answer tells what is sent back.
func (w *wire) answer(answers [][]byte) string {
	if len(answers) == 0 {
		return ", and dropped it"
	}
	text := ", and sent " + w.words(answers[0])
	for i, a := range answers[1:] {
		if i == 3 {
			return fmt.Sprintf("%s and %d more", text, len(answers)-4)
		}
		text += " and " + w.words(a)
	}
	return text
}

// words tells what is in a datagram: `M run 1 number 0 "hello"`.
func (w *wire) words(data []byte) string {
	f, ok := parse(data)
	if !ok {
		return check.Bytes(data)
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	i := slices.Index(w.runs, f.run)
	if i < 0 {
		i = len(w.runs)
		w.runs = append(w.runs, f.run)
	}
	kind := fmt.Sprintf("%c", f.kind)
	if f.kind != 'M' && f.kind != 'A' {
		kind = fmt.Sprintf("%02x", f.kind)
	}
	text := fmt.Sprintf("%s run %d number %d", kind, i+1, f.number)
	if f.kind == 'A' && len(f.body) == 0 {
		return text
	}
	return text + " " + quoted(f.body)
}

// quoted shows a message: as text when it is short, "(nothing)", or its bytes.
func quoted(body []byte) string {
	if len(body) > 0 && len(body) <= 24 &&
		!slices.ContainsFunc(body, func(b byte) bool { return b < ' ' || b > '~' }) {
		return fmt.Sprintf("%q", body)
	}
	return check.Bytes(body)
}

// tell records what has happened since it was last called.
func (w *wire) tell() {
	w.mu.Lock()
	log := w.log
	w.log = nil
	w.mu.Unlock()
	const most = 6 // on each side of a long list
	for i, line := range log {
		switch {
		case i < most || i >= len(log)-most:
			w.c.Step("%s", line)
		case i == most:
			w.c.Step("and so on, %d times", len(log)-2*most)
		}
	}
}

// frames returns what the code under test has sent. It ends the case when one of them is no frame
// of that kind.
func (w *wire) frames(kind byte) (all []frame) {
	return framesOf(w.c, w.peer.Requests(), kind)
}

func framesOf(c *check.C, datagrams [][]byte, kind byte) (all []frame) {
	for _, data := range datagrams {
		f, ok := parse(data)
		if !ok {
			c.Fail("your code sent a datagram of %d bytes, too short for a header of %d", len(data), headerSize)
		}
		if f.kind != kind {
			c.Fail("your code sent a datagram that begins with %q, not with %q", f.kind, kind)
		}
		all = append(all, f)
	}
	return all
}

// behind is in the caller's array, behind each message.
const behind = "the caller's"

// send calls the student's Send, and records what went back and forth and what it returned.
func (s suite) send(w *wire, messages []string, wait time.Duration, tries int) (err error) {
	var lent, whole [][]byte
	for _, m := range messages {
		array := append([]byte(m), behind...)
		whole, lent = append(whole, array), append(lent, array[:len(m)])
	}
	what := fmt.Sprintf("Send(conn, %d messages, wait %v, tries %d)", len(messages), wait, tries)
	if len(messages) == 1 {
		what = fmt.Sprintf("Send(conn, 1 message, wait %v, tries %d)", wait, tries)
	}
	w.c.Do(what, func() { err = s.lab.Send(w.conn, lent, wait, tries) })
	w.c.Await("what was sent to arrive", w.peer.Rested)
	w.tell()
	w.c.Step("%s returned %s", what, check.Err(err))
	for i, m := range messages {
		w.c.WantBytes("the caller's message and what is behind it in its array, which Send may not change",
			whole[i], append([]byte(m), behind...))
		w.c.WantBytes("a message in the caller's slice, which Send may not change", lent[i], []byte(m))
	}
	if err == nil { // otherwise the suite may have closed it
		w.c.WantOpen("Send", w.peer.Conn())
		w.c.WantUntimed("Send", w.peer.Conn())
	}
	return err
}

// appended is what deliver appends to the slice that it is given.
const appended = ", says deliver"

// receiver is a call of the student's Receive.
type receiver struct {
	*wire
	call *check.Call
	err  error

	mu        sync.Mutex
	delivered [][]byte // the slices that deliver was given
	copies    [][]byte // what was in them then
	longer    [][]byte // what they have become by append
	hold      func()   // runs in deliver, if it is set
}

// receive starts Receive on the student's end of w.
func (s suite) receive(w *wire) *receiver {
	r := &receiver{wire: w}
	r.call = w.c.Start("Receive(conn, deliver)", func() {
		r.err = s.lab.Receive(w.conn, func(m []byte) {
			r.mu.Lock()
			r.delivered, r.copies = append(r.delivered, m), append(r.copies, bytes.Clone(m))
			r.longer = append(r.longer, append(m, appended...))
			hold := r.hold
			r.mu.Unlock()
			if hold != nil {
				hold()
			}
		})
	})
	return r
}

// gives sends datagrams to Receive, and waits until it has read them all.
func (r *receiver) gives(datagrams ...[]byte) {
	for _, d := range datagrams[:min(len(datagrams), 8)] {
		r.c.Say("the suite sent %s", r.words(d))
	}
	if len(datagrams) > 8 {
		r.c.Say("and %d datagrams more", len(datagrams)-8)
	}
	reads := max(r.peer.Conn().Did().Reads, 1) + len(datagrams)
	r.peer.Send(datagrams...)
	// When the Read behind the last one has begun, all of them have been read. The acknowledgements
	// are waited for, too: no queue holds hundreds of them.
	r.c.Prompt("Receive to read on", func() bool {
		return r.call.Ended() || r.peer.Conn().Did().Reads >= reads && r.peer.Rested()
	})
}

// got returns what was delivered so far.
func (r *receiver) got() [][]byte {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.delivered)
}

// ends closes the connection, as its owner does, and waits for Receive to return.
func (r *receiver) ends() {
	r.c.WantOpen("Receive", r.peer.Conn())
	r.c.WantNoDeadline("Receive", r.peer.Conn())
	r.c.Say("the suite closes the connection on which Receive reads")
	r.peer.Conn().Close()
	r.returns()
}

// returns waits for Receive.
func (r *receiver) returns() {
	r.call.Wait()
	r.c.Step("Receive returned %s", check.Err(r.err))
}

// wants ends the case unless Receive did what it had to, after these datagrams and no others: it delivered
// and acknowledged what model says.
func (r *receiver) wants(datagrams ...[]byte) {
	passed := func() bool { return !r.peer.Conn().Did().Passed.IsZero() }
	r.c.Await("Receive to rest", func() bool { return r.call.Ended() || passed() || r.c.Resting() })
	if passed() {
		r.c.Rule("Receive sets no deadline: it waits as long as it takes.", "Take it out. Read returns when the "+
			"connection is closed.")
	}
	if passed() && !r.call.Ended() {
		r.c.Fail("Receive set a deadline (%s) that has passed, and read on", r.peer.Conn().Did().Deadline)
	}
	if r.call.Ended() {
		r.c.Fail("Receive returned %s before its connection was closed", check.Err(r.err))
	}
	r.tell()
	bodies, acks := model(datagrams)
	delivered := r.got()
	for i := range min(len(delivered), 4) {
		r.c.Step("deliver, call %d: %s", i+1, quoted(r.copies[i]))
	}
	for i := range min(len(delivered), len(bodies)) {
		r.c.WantBytes(fmt.Sprintf("delivered, call %d", i+1), r.copies[i], bodies[i])
	}
	switch {
	case len(delivered) < len(bodies):
		r.c.Fail("deliver was called for %d messages, and not for %s", len(delivered),
			quoted(bodies[len(delivered)]))
	case len(delivered) > len(bodies):
		r.c.Fail("deliver was called once more than it should be, with %s", quoted(r.copies[len(bodies)]))
	}
	got := r.frames('A')
	for i := range min(len(got), len(acks)) {
		if len(got[i].body) > 0 {
			r.c.Fail("acknowledgement %d has %d bytes, not %d: it is the header alone", i+1, len(got[i].bytes()),
				headerSize)
		}
		if got[i].run != acks[i].run || got[i].number != acks[i].number {
			r.c.Fail("acknowledgement %d is %s, and should be %s", i+1, r.words(got[i].bytes()),
				r.words(acks[i].bytes()))
		}
	}
	if len(got) < len(acks) {
		r.c.Fail("%d datagrams were to be acknowledged, and your code sent %d acknowledgements: %s is missing",
			len(acks), len(got), r.words(acks[len(got)].bytes()))
	}
	if len(got) > len(acks) {
		r.c.Fail("%d datagrams were to be acknowledged, and your code sent %d acknowledgements: %s is one too many",
			len(acks), len(got), r.words(got[len(acks)].bytes()))
	}
	for i, m := range delivered {
		r.c.WantBytes(fmt.Sprintf("the slice of deliver's call %d, looked at later", i+1), m, bodies[i])
	}
	r.mu.Lock()
	longer := slices.Clone(r.longer)
	r.mu.Unlock()
	for i, m := range longer {
		r.c.WantBytes(fmt.Sprintf("the slice of deliver's call %d, to which deliver has appended, looked at later: "+
			"what is behind it in its array is deliver's, too", i+1), m, slices.Concat(bodies[i], []byte(appended)))
	}
}

// model works out what Receive has to deliver and to acknowledge.
func model(datagrams [][]byte) (delivered [][]byte, acks []frame) {
	next := map[string]uint32{}
	for _, d := range datagrams {
		f, ok := parse(d)
		if !ok || f.kind != 'M' || f.number > next[f.run] {
			continue
		}
		if f.number == next[f.run] {
			next[f.run]++
			delivered = append(delivered, f.body)
		}
		acks = append(acks, f.ack())
	}
	return delivered, acks
}
