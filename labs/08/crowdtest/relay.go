package crowdtest

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"socketbook/tools/check"
	"socketbook/tools/fault"
)

var sideNames = []string{"a", "b"}

// bridge is one call of Relay, and the suite's two ends of what it connects.
type bridge struct {
	c     *check.C
	a, b  *end
	call  *check.Call
	err   error        // what Relay returned
	reads atomic.Int64 // of connections that hesitate
}

// end is the suite's end of one side, a client or a server.
type end struct {
	*fault.Peer
	name  string
	heard int // bytes that were looked at
}

// relay begins a Relay between a and b.
func (s suite) relay(c *check.C) *bridge {
	r, connA, connB := sides(c)
	return r.begin(s, connA, connB)
}

func sides(c *check.C) (r *bridge, connA, connB net.Conn) {
	r = &bridge{c: c, a: &end{name: "a"}, b: &end{name: "b"}}
	connA, r.a.Peer = c.Connect()
	connB, r.b.Peer = c.Connect()
	return r, connA, connB
}

func (r *bridge) begin(s suite, connA, connB net.Conn) *bridge {
	r.call = r.c.Start("Relay(a, b)", func() { r.err = s.lab.Relay(connA, connB) })
	return r
}

// from returns both ends, the one with this name first.
func (r *bridge) from(name string) (from, to *end) {
	if name == r.a.name {
		return r.a, r.b
	}
	return r.b, r.a
}

// both calls f for each direction.
func (r *bridge) both(f func(from, to *end)) {
	f(r.a, r.b)
	f(r.b, r.a)
}

// pass sends data and waits until it has come at the other side.
func (r *bridge) pass(from, to *end, data []byte, cut fault.Cut) {
	r.send(from, data, cut)
	r.arrives(from, to, data)
}

// passInTime is pass where Relay may pause, because a Read has brought nothing.
func (r *bridge) passInTime(from, to *end, data []byte) {
	r.send(from, data, fault.Whole)
	arrived := func() bool {
		return len(to.Received())-to.heard >= len(data) || to.Over() != nil || r.call.Ended()
	}
	for range 3 * barren {
		still, before := r.c.Still(patience), r.reads.Load()
		r.c.Await(fmt.Sprintf("what %s has sent to arrive at %s", from.name, to.name), func() bool {
			return arrived() || r.reads.Load() > before || still()
		})
		if arrived() || r.reads.Load() == before {
			break
		}
	}
	r.arrives(from, to, data)
}

func (r *bridge) send(from *end, data []byte, cut fault.Cut) {
	r.c.Say("%s has sent %s", from.name, check.Bytes(data))
	from.Send(cut.Pieces(data)...)
}

func (r *bridge) arrives(from, to *end, data []byte) {
	before := to.heard
	r.prompt(fmt.Sprintf("what %s has sent to arrive at %s", from.name, to.name), func() bool {
		came := to.Received()[before:]
		return len(came) >= len(data) || to.Over() != nil || !bytes.HasPrefix(data, came)
	})
	got := to.Received()[before:]
	if len(got) < len(data) && bytes.HasPrefix(data, got) {
		r.rests() // Relay may be about to return
		r.ended(fmt.Sprintf("%s has received %d of %d bytes", to.name, len(got), len(data)))
		if to.Over() != nil && bytes.HasPrefix(data, got) {
			r.c.Fail(
				"the stream to %s ended (%v) after %d of %d bytes",
				to.name,
				to.Over(),
				len(got),
				len(data),
			)
		}
	}
	r.c.WantBytes("what "+to.name+" received", got, data)
	to.heard = len(to.Received())
	r.c.Step("%s received it", to.name)
}

// prompt waits for cond, and no longer than until Relay has returned.
func (r *bridge) prompt(what string, cond func() bool) {
	r.c.Prompt(what, func() bool { return cond() || r.call.Ended() })
	if r.call.Ended() {
		r.c.Settle()
	}
}

// ended ends the case if Relay has returned.
func (r *bridge) ended(meanwhile string) {
	if r.call.Ended() {
		r.c.Fail("Relay has returned (%s), and %s", check.Err(r.err), meanwhile)
	}
}

// rests waits until Relay has done all that it does for now.
func (r *bridge) rests() {
	r.c.Await("Relay to wait", func() bool { return r.call.Ended() || r.c.Resting() })
}

func (r *bridge) closeWrite(from *end) {
	r.c.Say("%s has ended its stream", from.name)
	from.CloseWrite()
}

// passesEnd waits for the end of the stream to one side, which must be nothing more than that.
func (r *bridge) passesEnd(to *end) {
	still := r.c.Still(patience) // Relay may look for it from time to time
	r.c.Await("the end of the stream to "+to.name, func() bool {
		return to.Over() != nil || r.call.Ended() || still()
	})
	r.prompt("the end of the stream to "+to.name, func() bool { return to.Over() != nil })
	if to.Over() == nil {
		r.ended("the stream to " + to.name + " has not ended")
	}
	r.c.WantError("the end of the stream to "+to.name, to.Over(), io.EOF)
	r.c.Step("%s has met the end of the stream", to.name)
}

// untimed ends the case if Relay has set a deadline while both ways went on.
func (r *bridge) untimed() {
	r.both(func(from, _ *end) {
		if d := from.Conn().Did(); d.Timed || d.Patience > 0 { // to take one back that is not there is none
			r.c.WantNoDeadline("Relay", from.Conn())
		}
	})
}

// returns waits for Relay, and for both connections to be closed.
func (r *bridge) returns() {
	still := r.c.Still(patience) // as Serve has it
	r.c.Await("Relay to return", func() bool { return r.call.Ended() || still() })
	r.c.Prompt("Relay to return", r.call.Ended)
	r.c.Step("Relay returned %s", check.Err(r.err))
	r.both(func(from, _ *end) {
		if from.Conn().Did().Closed != "Close" {
			r.c.Fail("Relay has returned, and has not closed %s", from.name)
		}
	})
}

// over ends both streams, and looks how Relay returns.
func (r *bridge) over() {
	r.closeWrite(r.a)
	r.closeWrite(r.b)
	r.returns()
	r.c.WantNil("Relay", r.err)
}

// stop ends both streams at the end of a variation that is not about how Relay ends: if it does not, the
// cases that are fail, and no other.
func (r *bridge) stop() {
	r.a.CloseWrite()
	r.b.CloseWrite()
	r.c.Await("Relay to return", func() bool { return r.call.Ended() || r.c.Resting() })
}

// every byte there is, and the names of the readers' home.
var awkward = func() []byte {
	data := []byte("\x00\x00GET / \r\n\r\n你好\n")
	for i := range 256 {
		data = append(data, byte(i))
	}
	return data
}()

// long returns n bytes that do not repeat soon.
func long(n int, seed byte) []byte {
	data := make([]byte, n)
	x := uint32(seed) + 1
	for i := range data {
		x = x*1664525 + 1013904223
		data[i] = byte(x >> 24)
	}
	return data
}

func (s suite) bothWays(c *check.C) {
	for _, cut := range c.Cuts(1, 300) {
		c.Variation("Relay is running; a speaks first, then b; what they send comes %s", cut.Name)
		r := s.relay(c)
		r.pass(r.a, r.b, awkward, cut)
		r.pass(r.b, r.a, awkward[9:], cut)
		for range 3 {
			r.pass(r.b, r.a, []byte("b again"), cut)
		}
		for range 3 {
			r.pass(r.a, r.b, []byte("a again"), cut)
		}
		r.untimed()
		r.stop()
	}
	c.Variation("Relay is running; b speaks first, and a says nothing")
	r := s.relay(c)
	r.pass(r.b, r.a, awkward, fault.Whole)
	r.stop()

	const rule = "A Read that returns 0 bytes and no error means nothing, however often it comes."
	c.Variation("Relay is running; every second Read returns 0 bytes and no error")
	c.Rule(rule, "Look at the error, and not at the number of bytes, to know whether the stream has ended.")
	r, connA, connB := sides(c)
	r.hesitates(s, connA, connB, 0)
	r.passInTime(r.a, r.b, awkward)
	r.passInTime(r.b, r.a, awkward)
	r.passInTime(r.a, r.b, []byte("again"))
	r.stop()

	c.Variation("Relay is running; %d Reads in a row return 0 bytes and no error", barren)
	c.Rule(rule,
		"Call Read again. A bufio.Reader gives up after 100 of them: read from the connection itself.")
	r, connA, connB = sides(c)
	r.hesitates(s, connA, connB, barren)
	r.passInTime(r.a, r.b, awkward)
	r.passInTime(r.b, r.a, awkward)
	r.stop()

	c.Variation("a and b have both sent something before Relay is called")
	r, connA, connB = sides(c)
	r.send(r.a, []byte("from a"), fault.Whole)
	r.send(r.b, []byte("from b!"), fault.Whole)
	r.begin(s, connA, connB)
	r.arrives(r.a, r.b, []byte("from a"))
	r.arrives(r.b, r.a, []byte("from b!"))
	r.stop()

	c.Variation("Relay is running; a and b send more than 1 MiB each, at the same time")
	r = s.relay(c)
	up, down := long(5<<18, 1), long(9<<17, 2)
	r.send(r.a, up, fault.Random(c.Seed(), 200_000))
	r.send(r.b, down, fault.Random(c.Seed()+1, 100_000))
	r.arrives(r.a, r.b, up)
	r.arrives(r.b, r.a, down)
	r.stop()

	c.Variation("Relay is running; a and b talk in turn, %d times", many)
	r = s.relay(c)
	for i := range many {
		r.pass(r.a, r.b, fmt.Appendf(nil, "question %d", i), fault.Whole)
		r.pass(r.b, r.a, fmt.Appendf(nil, "answer %d", i), fault.Whole)
	}
	r.stop()
}

func (s suite) silent(c *check.C) {
	c.Variation("Relay is running; a and b are silent for a while; then a speaks")
	r := s.relay(c)
	c.Late(250 * time.Millisecond)
	r.ended("both connections are open")
	r.pass(r.a, r.b, []byte("still there?"), fault.Whole)
	r.untimed()
	r.stop()
}

// barren is how many Reads may bring nothing: more than package bufio stands.
const barren = 150

// hesitant is a connection that has nothing yet each time that it is asked for the first time. Before that
// it has nothing for a number of times.
type hesitant struct {
	both
	asked bool
	empty int
	reads *atomic.Int64
}

// hesitates is begin with two such connections.
func (r *bridge) hesitates(s suite, connA, connB net.Conn, empty int) {
	r.begin(s, &hesitant{connA.(both), false, empty, &r.reads}, &hesitant{connB.(both), false, empty, &r.reads})
}

type both interface {
	net.Conn
	CloseWrite() error
}

func (h *hesitant) Read(p []byte) (int, error) {
	h.reads.Add(1)
	if h.empty--; h.empty >= 0 {
		return 0, nil
	}
	if h.asked = !h.asked; h.asked {
		return 0, nil
	}
	return h.both.Read(p)
}

// overTCP is for code that treats a *net.TCPConn in a way of its own.
func (s suite) overTCP(c *check.C) {
	c.Variation("Relay is running between two *net.TCPConn; a speaks, ends its stream, and b answers")
	r := &bridge{c: c, a: &end{name: "a"}, b: &end{name: "b"}}
	var connA, connB net.Conn
	connA, r.a.Peer = c.ConnectTCP()
	connB, r.b.Peer = c.ConnectTCP()
	r.begin(s, connA, connB)
	comes := func(from, to *end, data []byte) {
		r.send(from, data, fault.Whole)
		r.closeWrite(from)
		c.Await("all that "+from.name+" has sent", func() bool { return to.Over() != nil })
		c.WantBytes("what "+to.name+" received", to.Received(), data)
	}
	comes(r.a, r.b, long(300_000, 3))
	comes(r.b, r.a, long(300_000, 4))
	r.call.Wait()
	c.WantNil("Relay", r.err)
	if !check.IsClosed(connA) || !check.IsClosed(connB) {
		c.Fail("Relay has returned, and has not closed both connections")
	}
}

func (s suite) half(c *check.C) {
	for _, cut := range c.Cuts(2) {
		for _, name := range sideNames {
			c.Variation(
				"Relay is running; %s sends, %s, and ends its stream; the other side answers then",
				name,
				cut.Name,
			)
			r := s.relay(c)
			from, to := r.from(name)
			r.send(from, awkward, cut)
			r.closeWrite(from)
			r.arrives(from, to, awkward)
			r.passesEnd(to)
			for i := range 3 {
				r.pass(to, from, fmt.Appendf(nil, "answer %d", i), cut)
			}
			r.closeWrite(to)
			r.passesEnd(from)
		}
	}
}

// slowAnswer is one that comes long after the end of the other way.
func (s suite) slowAnswer(c *check.C) {
	c.Variation(
		"Relay is running; a ends its stream without a word; b takes its time, and answers with 200,000 bytes",
	)
	r := s.relay(c)
	r.closeWrite(r.a)
	r.passesEnd(r.b)
	c.Late(250 * time.Millisecond)
	r.ended("b has not finished")
	r.pass(r.b, r.a, long(200_000, 5), fault.Random(c.Seed(), 50_000))
	c.Late(250 * time.Millisecond)
	r.ended("b has not finished")
	r.pass(r.b, r.a, []byte("bye"), fault.Whole)
	r.untimed()
	r.stop()
}

func (s suite) over(c *check.C) {
	c.Variation("Relay is running; both sides end their streams without a word")
	s.relay(c).over()
	for _, cut := range c.Cuts(2) {
		c.Variation("Relay is running; both sides speak, %s, and end their streams, b first", cut.Name)
		r := s.relay(c)
		r.pass(r.a, r.b, awkward, cut)
		r.send(r.b, awkward, cut)
		r.closeWrite(r.b)
		r.arrives(r.b, r.a, awkward)
		r.passesEnd(r.a)
		r.ended("a has not ended its stream")
		r.pass(r.a, r.b, []byte("bye"), cut)
		r.over()
	}
	for _, name := range sideNames {
		c.Variation("Relay is running; the last bytes of %s come together with io.EOF", name)
		c.Rule("A Read may bring the last bytes together with io.EOF, which need not come again. The bytes are "+
			"passed on, then the end.", lookOnce)
		r, connA, connB := sides(c)
		from, to := r.from(name)
		endsWith(from, len(awkward), io.EOF)
		r.begin(s, connA, connB)
		r.pass(from, to, awkward, fault.Whole)
		r.passesEnd(to)
		r.over()
	}
	for i, name := range sideNames {
		c.Variation("Relay is running; both sides end their streams, and Close of %s returns an error", name)
		c.Rule("What Close returns does not matter: both connections are closed, and Relay returns nil.",
			"Call Close of both, and do not look at what it returns.")
		r, connA, connB := sides(c)
		if i == 0 {
			connA = sulky{connA.(both)}
		} else {
			connB = sulky{connB.(both)}
		}
		r.begin(s, connA, connB)
		r.over()
	}
	s.overTCP(c)
}

const lookOnce = "Write the bytes first, and look at the error of the same Read then."

// sulky is a connection that is closed, and says that it is not.
type sulky struct{ both }

func (s sulky) Close() error {
	s.both.Close()
	return errBadly
}

// endsWith makes the Read that brings the last of n bytes return err as well, which does not come again:
// who reads on after io.EOF meets another error. With endsAfter the later ones return err, and always.
func endsWith(from *end, n int, err error) {
	from.Conn().AfterRead(func(k int) error {
		if n -= k; n > 0 || k == 0 {
			return nil
		}
		if err == io.EOF {
			from.Conn().Before("Read", func() error { return errAgain })
		}
		return err
	})
}

var errAgain = errors.New("the Read before this one has returned io.EOF")

func endsAfter(from *end, n int, err error) {
	from.Conn().AfterRead(func(k int) error {
		if n -= k; n <= 0 {
			from.Conn().Before("Read", func() error { return err })
		}
		return nil
	})
}

var errUnplugged = errors.New("the cable is unplugged")

func (s suite) broken(c *check.C) {
	for _, name := range sideNames {
		for _, err := range fault.Failures("read") {
			c.Variation("Relay is running; %s sends something, and the next Read from %s fails: %v", name, name, err)
			s.breaks(c, name, err, func(from, _ *end) { endsAfter(from, len(hello), err) }, true)
			c.Variation("Relay is running; a Read from %s brings bytes together with an error: %v", name, err)
			c.Rule("A Read may bring bytes together with an error, which need not come again. The bytes are "+
				"passed on first. Then Relay closes both connections, and returns this error.", lookOnce)
			s.breaks(c, name, err, func(from, _ *end) { endsWith(from, len(hello), err) }, true)
		}
		for _, err := range fault.Failures("write") {
			for _, room := range []int{0, 4, len(hello)} {
				c.Variation("Relay is running; %s sends something, and a Write to the other side takes %d bytes, "+
					"and fails: %v", name, room, err)
				s.breaks(c, name, err, func(_, to *end) { to.Conn().Break(room, err) }, false)
			}
		}
		c.Variation("Relay is running; %s sends something, and a Write to the other side fails: %v", name, io.EOF)
		c.Rule("io.EOF is the end of a stream only if a Read returns it. A Write that returns it has failed.",
			"Look at the errors of Read and of Write apart from each other, and return every error of Write.")
		s.breaks(c, name, io.EOF, func(_, to *end) { to.Conn().Break(0, io.EOF) }, false)
	}
	for _, name := range sideNames {
		for _, spoken := range []bool{false, true} {
			c.Variation("Relay is running; %s resets its connection", name)
			r := s.relay(c)
			reset, other := r.from(name)
			if spoken {
				r.pass(other, reset, []byte(hello), fault.Whole)
				r.send(reset, awkward, fault.After(7))
			}
			c.Say("%s has reset its connection", name)
			reset.Reset()
			r.returns()
			r.met(reset)
			if spoken {
				r.arrives(reset, other, awkward)
			}
		}
	}
	c.Variation("Relay is running; a ends its stream, and then b resets its connection")
	r := s.relay(c)
	r.closeWrite(r.a)
	r.passesEnd(r.b)
	r.rests()
	r.b.Reset()
	r.returns()
	r.met(r.b)
	s.stays(c)
	s.stuck(c)

	for _, name := range sideNames {
		c.Variation("Relay is running; the last bytes of %s come together with io.EOF, and the Write of them fails",
			name)
		s.breaks(c, name, errUnplugged, func(from, to *end) {
			endsWith(from, len(hello), io.EOF)
			to.Conn().Break(0, errUnplugged)
		}, false)
	}
}

// stuck lets one end of Relay wait in a Write, when something fails.
func (s suite) stuck(c *check.C) {
	c.Variation("Relay is running; a sends 300,000 bytes, and a Write to b takes its time, and fails")
	r, connA, connB := sides(c)
	fails := make(chan struct{})
	r.b.Conn().Before("Write", func() error {
		<-fails
		return errUnplugged
	})
	r.begin(s, connA, connB)
	r.send(r.a, long(300_000, 8), fault.Whole)
	c.Await("Relay to read what it will", func() bool { return r.call.Ended() || c.Resting() })
	close(fails)
	r.returns()
	c.WantError("what Relay returned", r.err, errUnplugged)

	c.Variation("Relay is running; a sends a text in pieces, the first Write to b takes its time, and the " +
		"Read behind the last piece fails")
	r, connA, connB = sides(c)
	goesOn := r.holds(r.b)
	defer goesOn()
	endsAfter(r.a, len(hello), errUnplugged)
	r.begin(s, connA, connB)
	r.send(r.a, []byte(hello), fault.Bytes)
	c.Await("Relay to read what it will", func() bool { return r.call.Ended() || c.Resting() })
	goesOn()
	r.returns()
	c.WantError("what Relay returned", r.err, errUnplugged)
	r.arrives(r.a, r.b, []byte(hello))

	c.Variation("Relay is running; a does not read, so that a Write to a waits; a Read from a fails")
	r, connA, connB = sides(c)
	ended := make(chan struct{})
	end := sync.OnceFunc(func() { close(ended) })
	defer end()
	breaks := make(chan struct{})
	r.a.Conn().Before("Read", func() error {
		<-breaks
		return errUnplugged
	})
	r.begin(s, full{connA.(both), ended, end}, connB)
	r.send(r.b, []byte(hello), fault.Whole)
	c.Await("Relay to write to a", func() bool { return r.call.Ended() || c.Resting() })
	close(breaks)
	r.returns()
	c.WantError("what Relay returned", r.err, errUnplugged)
}

// full is a connection with no room for another byte: a Write waits until it is closed, or its time is over.
type full struct {
	both
	ended <-chan struct{}
	end   func()
}

func (f full) Write([]byte) (int, error) {
	<-f.ended
	return 0, net.ErrClosed
}

func (f full) Close() error {
	f.end()
	return f.both.Close()
}

func (f full) SetDeadline(t time.Time) error {
	if !t.IsZero() {
		f.end()
	}
	return f.both.SetDeadline(t)
}

func (f full) SetWriteDeadline(t time.Time) error {
	if !t.IsZero() {
		f.end()
	}
	return f.both.SetWriteDeadline(t)
}

// met ends the case unless Relay has returned what a call on the side that was reset has, and not
// what its own Close has caused.
func (r *bridge) met(reset *end) {
	for _, err := range reset.Conn().Did().Errs {
		if !check.Is(err, net.ErrClosed) && check.Is(r.err, err) {
			return
		}
	}
	if check.Is(r.err, net.ErrClosed) {
		r.c.Fail(
			"%s was reset, and Relay returned the error that its own Close had caused: %s",
			reset.name,
			check.Err(r.err),
		)
	}
	r.c.WantMet(reset.name+" was reset", r.err, reset.Conn())
}

// stays lets the other way be in a Write when a breaks: Relay waits for it.
func (s suite) stays(c *check.C) {
	c.Variation("Relay is running; a Write to a takes its time; meanwhile a Write to b fails")
	r, connA, connB := sides(c)
	goesOn := r.holds(r.a)
	defer goesOn()
	r.b.Conn().Break(0, errUnplugged)
	r.begin(s, connA, connB)
	r.send(r.b, []byte(hello), fault.Whole)
	c.Await("Relay to write to a", func() bool { return r.call.Ended() || c.Resting() })
	r.send(r.a, []byte(hello), fault.Whole)
	c.Await("Relay to close b", func() bool { return r.call.Ended() || c.Resting() })
	r.ended("one of its goroutines is still running: wait for both of them")
	goesOn()
	r.returns()
	c.WantError("what Relay returned", r.err, errUnplugged)
}

const hello = "hello there"

// breaks lets something fail when the side with this name has sent hello, which arrives if it was read
// only. Nothing else is sent: the other direction waits.
func (s suite) breaks(c *check.C, name string, err error, prepare func(from, to *end), arrives bool) {
	r, connA, connB := sides(c)
	from, to := r.from(name)
	prepare(from, to)
	r.begin(s, connA, connB)
	r.send(from, []byte(hello), fault.Whole)
	r.returns()
	if check.Is(err, net.ErrClosed) { // this is what the other way returns, too
		err = net.ErrClosed
	}
	c.WantError("what Relay returned", r.err, err)
	if err != net.ErrClosed && check.Is(r.err, net.ErrClosed) {
		c.Fail("what Relay returned is also net.ErrClosed, which is not the error that came first: Relay itself " +
			"has closed the connections")
	}
	if arrives {
		r.arrives(from, to, []byte(hello))
	}
	c.Await("the end of both streams", func() bool { return r.a.Over() != nil && r.b.Over() != nil })
}

// relays is how many more Relays run at the same time when this side does not read.
var relays = map[string]int{"b": 8}

func (s suite) slow(c *check.C) {
	const piece, ahead = 32 << 10, 1 << 20
	for _, name := range sideNames {
		c.Variation(
			"Relay is running; %s sends as long as it is read; the other side does not read",
			name,
		)
		r, connA, connB := sides(c)
		fast, slow := r.from(name)
		reads := r.holds(slow)
		defer reads()
		r.begin(s, connA, connB)
		others := []*bridge{s.relay(c)}
		for range relays[name] {
			others = append(others, s.relay(c))
		}
		var sent []byte
		for fast.Conn().Did().Taken == len(sent) && len(sent) <= ahead+piece {
			data := long(piece, byte(len(sent)/piece))
			fast.Send(data)
			sent = append(sent, data...)
			c.Await("Relay to read what it will", func() bool { return r.call.Ended() || c.Resting() })
			r.ended("both connections are open")
		}
		c.Say(
			"%s has sent %d bytes, of which Relay has read %d",
			fast.name,
			len(sent),
			fast.Conn().Did().Taken,
		)
		if taken := fast.Conn().Did().Taken; taken > ahead {
			c.Fail(
				"%s does not read, and Relay has read %d bytes for it: at most 1 MiB is allowed",
				slow.name,
				taken,
			)
		}
		r.send(slow, []byte(hello), fault.Whole)
		c.Await("Relay to pass it on", func() bool { return r.call.Ended() || c.Resting() })
		if len(fast.Received()) == 0 {
			c.Fail(
				"%s does not read, and what it sends itself does not come to %s",
				slow.name,
				fast.name,
			)
		}
		r.arrives(slow, fast, []byte(hello))
		r.pass(slow, fast, long(100_000, 6), fault.Random(c.Seed(), 10_000))
		for _, other := range others {
			other.both(func(from, to *end) { other.pass(from, to, long(10_000, 7), fault.Whole) })
		}
		c.Say("%s reads again", slow.name)
		reads()
		r.arrives(fast, slow, sent)
		r.stop()
		for _, other := range others {
			other.stop()
		}
	}
}

// holds makes every Write to one side wait, until reads is called.
func (r *bridge) holds(slow *end) (reads func()) {
	released := make(chan struct{})
	slow.Conn().Before("Write", func() error {
		<-released
		return nil
	})
	return sync.OnceFunc(func() { close(released) })
}
