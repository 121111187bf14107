package crowdtest

import (
	"errors"
	"fmt"
	"io"
	"math"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"socketbook/tools/check"
	"socketbook/tools/fault"
)

const (
	many = 105 // clients, after which somebody might think it enough
	most = 40  // at the same time: each has two descriptors
)

func (s suite) crowd(c *check.C) {
	c.Variation("two clients connect before Serve is called with limit 3; the first one says nothing")
	r := prepare(c)
	r.dial("client 1")
	p := r.dial("client 2")
	r.send(p, fault.Whole, "hello")
	r.serve(s, 3)
	r.answer(p, "HELLO\n")
	r.talk(r.dial("client 3"), fault.Whole, "me too")
	r.stop()

	for _, cut := range c.Cuts(3) {
		c.Variation(
			"Serve is running with limit 2; two clients talk in turn; what they send comes %s",
			cut.Name,
		)
		r = s.start(c, 2)
		p, q := r.dial("client 1"), r.dial("client 2")
		for _, line := range []string{"hello", "na\xefve, 你好", "", "\x00"} {
			for _, p := range []*client{p, q} {
				r.talk(p, cut, line)
			}
		}
		r.closeWrite(p)
		r.talk(q, fault.Whole, "still here")
		r.stop()
	}

	c.Variation(
		"Serve is running with the largest limit; %d clients connect, and the last one speaks first",
		most,
	)
	c.Rule(largestRule, largestHint)
	r = s.start(c, math.MaxInt)
	var all []*client
	for i := range most {
		all = append(all, r.dial(fmt.Sprintf("client %d", i+1)))
	}
	for i := len(all) - 1; i >= 0; i-- {
		r.talk(all[i], fault.Whole, "hello")
	}
	for _, p := range all {
		r.talk(p, fault.Whole, "again")
		r.closeWrite(p)
	}
	r.stop()

	s.horde(c, math.MaxInt, 260)

	c.Variation("Serve is running with limit 50; %d clients come one after the other", many)
	r = s.start(c, 50)
	for range many {
		p := r.dial("the next client")
		r.talk(p, fault.Whole, "hello")
		r.closeWrite(p)
	}
	r.calledWell()
	r.stop()
}

const (
	largestRule = "limit may be very large, math.MaxInt for instance: as many clients as come are served then."
	largestHint = "Count the clients that are there, and compare. Make nothing that has limit places in " +
		"advance, and do not lower limit."
)

// horde lets so many clients be there that they cannot have descriptors. They all have the same address.
func (s suite) horde(c *check.C, limit, clients int) {
	name, want := fmt.Sprintf("limit %d", limit), int32(min(limit, clients))
	if limit == math.MaxInt {
		name = "the largest limit"
	}
	c.Variation("Serve is running with %s; %d clients, all with the same remote address, are there, and stay",
		name, clients)
	if limit == math.MaxInt {
		c.Rule(largestRule, largestHint)
	}
	ln := &crowded{clients: clients, closed: make(chan struct{})}
	var now atomic.Int32
	leave := make(chan struct{})
	end := sync.OnceFunc(func() {
		close(leave)
		ln.Close()
		ln.hangUp()
	})
	defer end()
	call := c.Start("Serve(ln, limit, handle)", func() {
		s.lab.Serve(ln, limit, func(net.Conn) {
			now.Add(1)
			<-leave
		})
	})
	for moved := true; moved; { // one after the other, if Serve looks around
		still, before := c.Still(patience), now.Load()
		c.Await("handle to be called for as many as there is a place for", func() bool {
			return now.Load() > before || call.Ended() || still()
		})
		moved = now.Load() > before && now.Load() < want && !call.Ended()
	}
	c.Await("Serve to wait", func() bool { return call.Ended() || c.Resting() })
	if n := now.Load(); n < want {
		c.Fail("of %d clients, handle is running for %d", clients, n)
	} else if n > want {
		c.Fail("handle is running for %d clients at the same time: that is more than limit", n)
	}
	end()
	c.Await("Serve to end", func() bool { return call.Ended() || c.Resting() })
}

// crowded is a listener whose clients say nothing.
type crowded struct {
	clients int
	mu      sync.Mutex
	once    sync.Once
	closed  chan struct{}
	peers   []net.Conn // the clients' ends
}

func (l *crowded) Accept() (net.Conn, error) {
	l.mu.Lock()
	l.clients--
	there := l.clients >= 0
	l.mu.Unlock()
	if there {
		conn, peer := net.Pipe()
		l.mu.Lock()
		l.peers = append(l.peers, peer)
		l.mu.Unlock()
		return silent{conn}, nil
	}
	<-l.closed
	return nil, net.ErrClosed
}

func (l *crowded) Close() error {
	l.once.Do(func() { close(l.closed) })
	return nil
}

// hangUp closes the clients' ends.
func (l *crowded) hangUp() {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, peer := range l.peers {
		peer.Close()
	}
}

// silent is a connection that can be closed by half, as one over TCP can.
type silent struct{ net.Conn }

func (silent) CloseWrite() error { return nil }

func (l *crowded) Addr() net.Addr { return &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 8888} }

func (s suite) limit(c *check.C) {
	for _, n := range []struct{ limit, waiting int }{{1, 3}, {2, 20}, {7, 3}} {
		limit, waiting := n.limit, n.waiting
		c.Variation(
			"Serve is running with limit %d; %d clients connect and send a line",
			limit,
			limit+waiting,
		)
		r := s.start(c, limit)
		var all []*client
		for i := range limit + waiting {
			p := r.dial(fmt.Sprintf("client %d", i+1))
			r.send(p, fault.Whole, "hello")
			all = append(all, p)
		}
		r.fills(all, limit)
		for left := range len(all) - 1 {
			p := next(all)
			c.Variation(
				"Serve is running with limit %d; %d clients have left or are about to, %d are there",
				limit,
				left+1,
				len(all)-left-1,
			)
			r.leave(p, left)
			r.fills(all, min(limit+left+1, len(all)))
		}
		r.stop()
	}
	s.places(c)
	s.horde(c, 3, 9)

	c.Variation("Serve was called twice, each time with limit 1; a client connects to each")
	r, other := s.start(c, 1), s.start(c, 1)
	r.talk(r.dial("client 1"), fault.Whole, "hello")
	other.talk(other.dial("client 2"), fault.Whole, "hello")
	r.stop()
	other.stop()
}

// fills waits until want of these clients have been answered, and looks that no other one is served.
func (r *run) fills(all []*client, want int) {
	answered := func() (n int) {
		for _, p := range all {
			if len(p.Received()) > 0 {
				n++
			}
		}
		return n
	}
	if !r.await("as many as limit clients to be served", func() bool { return answered() >= want }) {
		if r.call.Ended() {
			r.c.Fail("Serve has returned (%s), and clients are waiting", check.Err(r.err))
		}
		r.c.Fail("%d clients are being served, others wait, and nothing more happens", r.now.Load())
	}
	r.rests()
	for _, p := range all {
		if got := string(p.Received()); got != "" && got != "HELLO\n" {
			r.c.Fail("the conversation belongs to handle, but %s, which was waiting, was sent %q", p.name, got)
		}
	}
	if got := answered(); got > want {
		r.c.Fail("handle is running for %d clients at the same time: that is more than limit", r.now.Load())
	}
	r.c.Step("%d clients are being served, the others wait", r.now.Load())
	for _, p := range all {
		if len(p.Received()) == 0 && p.Over() != nil {
			r.c.Fail("%s was still waiting, and its connection was closed", p.name)
		}
	}
}

// next is a client that is being served.
func next(all []*client) *client {
	for _, p := range all {
		if len(p.Received()) > 0 && p.heard == 0 {
			p.heard = len(p.Received())
			return p
		}
	}
	return nil
}

// leave makes a client leave, in one of several ways.
func (r *run) leave(p *client, way int) {
	switch way % 4 {
	case 0:
		r.closeWrite(p)
	case 1:
		r.reset(p)
	case 2:
		r.send(p, fault.Whole, orderReturn)
	case 3:
		r.send(p, fault.Whole, orderClose)
	}
}

// places lets many clients come one after the other, where two places are taken by others.
func (s suite) places(c *check.C) {
	c.Variation(
		"Serve is running with limit 3; two clients are there, and %d come and go beside them",
		many,
	)
	r := s.start(c, 3)
	p, q := r.dial("client 1"), r.dial("client 2")
	for i := range many {
		third := r.dial("the next client")
		r.talk(third, fault.Whole, "hello")
		r.leave(third, i)
	}
	r.talk(p, fault.Whole, "hello")
	r.talk(q, fault.Whole, "hello")
	if n := r.most.Load(); n > 3 {
		c.Fail("handle was running %d times at once", n)
	}
	r.stop()
}

var errBadly = errors.New("the connection does not close well")

func (s suite) closed(c *check.C) {
	for _, order := range []string{orderReturn, orderClose} {
		for _, cut := range c.Cuts(3) {
			c.Variation(
				"Serve is running; a client sends lines, %s, and leaves its side open",
				cut.Name,
			)
			r := s.start(c, 2)
			p := r.dial("client 1")
			r.talk(p, fault.Whole, "hello")
			r.send(p, cut, order)
			r.ended(p, "returned")
			c.Await("the end to arrive", func() bool { return p.Over() != nil })
			c.WantError("the end of the connection of client 1", p.Over(), io.EOF)
			r.talk(r.dial("the next client"), fault.Whole, "hello")
			r.stop()
		}
	}
	c.Variation("Serve is running with limit 1; a client sends a line, and Close returns an error")
	c.Rule("What Close returns does not matter: the place is free, and Serve goes on.",
		"Call Close, and do not look at what it returns.")
	bad := s.start(c, 1)
	p := bad.dial("client 1")
	var tried atomic.Bool
	p.Conn().Before("Close", func() error {
		tried.Store(true)
		return errBadly
	})
	bad.send(p, fault.Whole, orderReturn)
	bad.await("the connection to be closed", tried.Load)
	bad.rests() // until the place is free, too
	bad.talk(bad.dial("the next client"), fault.Whole, "hello")
	bad.stop()
	if bad.call.Ended() && check.Is(bad.err, errBadly) {
		c.Fail("Serve returned what closing the connection of a client had returned: %s", check.Err(bad.err))
	}

	c.Variation("Serve is running; a client whose connection is a *net.TCPConn sends a line, and its " +
		"handler returns")
	tcp := &run{c: c, ln: &listener{Listener: c.ListenTCP()}}
	tcp.serve(s, 2)
	p = tcp.dial("client 1")
	tcp.talk(p, fault.Whole, "hello")
	tcp.send(p, fault.Whole, orderReturn)
	if !tcp.await("the end to arrive", func() bool { return p.Over() != nil }) {
		c.Fail("handle has returned, and the connection of client 1 is still open")
	}
	if p.Over() != io.EOF {
		c.Fail("client 1 has not met the end of the stream, but %v: call Close, and nothing besides", p.Over())
	}
	if !tcp.await("the connection to be closed", func() bool { return check.IsClosed(tcp.ln.first()) }) {
		c.Fail("handle has returned, and of the connection of client 1 only the writing half is closed: call Close")
	}
	tcp.stop()

	c.Variation("Serve is running; a handler neither reads nor writes; its client has sent a line, " +
		"and another client waits")
	gate := make(chan struct{})
	open := sync.OnceFunc(func() { close(gate) })
	defer open()
	r := prepare(c)
	r.silent = gate
	r.serve(s, 1)
	p, q := r.dial("client 1"), r.dial("client 2")
	r.send(p, fault.Whole, "hello")
	r.send(q, fault.Whole, "hello")
	if !r.await("handle to be called", func() bool { return r.calls.Load() > 0 }) {
		c.Fail("handle was not called")
	}
	r.rests()
	if p.Conn().Did().Closed != "" {
		c.Fail("handle has not returned yet, and Serve has closed the connection of client 1")
	}
	r.untouched(p)
	r.untouched(q)
	c.Say("the handler returns")
	open()
	r.ended(p, "returned")
	r.untouched(p)
	r.stop()
}

func (s suite) panics(c *check.C) {
	c.Variation("Serve is running, and nobody panics; the suite has closed the listener")
	calm := s.start(c, 4)
	calm.stop()
	calm.await("Serve to return", calm.call.Ended)
	for _, order := range []string{orderPanic, orderError, orderNilMap} {
		c.Variation(
			"Serve is running with limit 4; a client is there; the handlers of three others panic",
		)
		// Places for the one that is there, the one before, whose place may be free only a moment after
		// its connection is closed, and the next: places that are lost are missed by the last.
		r := s.start(c, 4)
		there := r.dial("client 1")
		r.talk(there, fault.Whole, "hello")
		for i := range 3 {
			p := r.dial(fmt.Sprintf("client %d", i+2))
			r.talk(p, fault.Whole, "hello")
			r.send(p, fault.Whole, order)
			r.ended(p, "panicked")
			c.Settle()
			if len(p.Received()) > p.heard {
				c.Fail("Serve has written to the connection of a client whose handler has panicked")
			}
		}
		r.talk(there, fault.Whole, "still here")
		r.talk(r.dial("the next client"), fault.Whole, "hello")
		r.calledWell()
		c.Say("all clients have closed their side, and the suite has closed the listener")
		r.stop()
		if !r.await("Serve to return", r.call.Ended) {
			c.Fail("Serve does not return: it waits for a client whose handler has panicked")
		}
		if check.Is(r.err, io.EOF) {
			c.Fail("Serve returned what a handler had panicked with")
		}
		if r.err != nil && calm.call.Ended() && calm.err == nil {
			c.Fail("the listener was closed, and Serve returned an error because handlers had panicked: %s",
				check.Err(r.err))
		}
	}
}

var errOnFire = errors.New("the network card is on fire")

func (s suite) end(c *check.C) {
	c.Variation("the listener is closed before Serve is called")
	first := prepare(c)
	first.closeListener()
	first.serve(s, 2)
	first.returns(nil)

	s.waits(c, 2, false, nil)
	for i, last := range []error{
		errOnFire,
		&net.OpError{Op: "accept", Net: "tcp", Err: os.NewSyscallError("accept", syscall.EBADF)},
		&net.OpError{Op: "accept", Net: "tcp", Err: os.ErrDeadlineExceeded},
		io.EOF,
		fmt.Errorf("accepting behind a proxy: %w", io.ErrClosedPipe),
	} {
		s.waits(c, []int{9, 2}[i%2], false, last)
	}
	s.closedAtOnce(c)
	s.closesSlowly(c)

	c.Variation("Serve was called twice; a client of each is there; one of them leaves, and its listener is " +
		"closed")
	r, other := s.start(c, 5), s.start(c, 5)
	p := r.dial("client 1")
	r.talk(p, fault.Whole, "hello")
	q := other.dial("client 2")
	other.talk(q, fault.Whole, "hello")
	r.closeWrite(p)
	r.closeListener()
	if !r.await("Serve to return", r.call.Ended) {
		c.Fail("Serve does not return: it waits for a client of the other Serve")
	}
	other.talk(q, fault.Whole, "still here")
	other.stop()
}

// waits lets Accept fail with last, or closes the listener if that is nil, while clients are there.
func (s suite) waits(c *check.C, limit int, wrapped bool, last error) {
	c.Variation("Serve is running with limit %d; two clients are there, two more come and leave", limit)
	r := prepare(c)
	r.ln.wrapped = wrapped
	r.serve(s, limit)
	var all []*client
	for i := range 2 {
		p := r.dial(fmt.Sprintf("client %d", i+1))
		r.talk(p, fault.Whole, "hello")
		all = append(all, p)
	}
	for i := range 2 {
		p := r.dial(fmt.Sprintf("client %d", i+3))
		r.send(p, fault.Whole, "hello")
		r.closeWrite(p)
	}
	r.rests()
	if last == nil {
		r.closeListener()
	} else {
		r.ln.Fail(last)
		c.Say("the next Accept returns the error %s", check.Err(last))
	}
	r.rests()
	if limit > 2 && (wrapped || check.Is(last, errOnFire)) {
		c.Late(250 * time.Millisecond)
	}
	for _, p := range all {
		if r.call.Ended() {
			c.Fail(
				"Serve has returned (%s), but %s has not finished: however long it takes, it is waited for",
				check.Err(r.err),
				p.name,
			)
		}
		r.talk(p, fault.Whole, "still here")
		r.closeWrite(p)
	}
	r.returns(last)
	if calls := int(r.calls.Load()); calls < r.ln.accepted() {
		c.Fail("Accept has returned %d clients, and handle was called for %d: a client that was "+
			"accepted is served, also when the listener is closed while it waits", r.ln.accepted(), calls)
	}
	closed := 0
	for _, p := range r.clients {
		if p.Conn().Did().Closed == "Close" {
			closed++
		}
	}
	if closed < r.ln.accepted() {
		c.Fail("Serve has returned, and %d connections are still open", r.ln.accepted()-closed)
	}
}

// closedAtOnce closes the listener when a client has just been accepted, so that nobody has had the
// time to count it, again and again: who counts too late does so sooner or later.
func (s suite) closedAtOnce(c *check.C) {
	for range 15 {
		c.Variation("Serve is running; the listener is closed as soon as Accept has returned a client")
		r := prepare(c)
		r.ln.last = true
		p := r.dial("client 1")
		r.serve(s, 2)
		c.Say("the suite has closed the listener")
		c.Await("handle to be called", func() bool { return r.calls.Load() > 0 || r.call.Ended() })
		r.rests()
		if r.call.Ended() {
			c.Fail(
				"Serve has returned, but handle has not: the client was not counted yet when Serve " +
					"began to wait (count it before its goroutine is started)",
			)
		}
		r.closeWrite(p)
		r.returns(nil)
	}
}

// closesSlowly lets nobody close a connection before Serve has returned, or waits for it.
func (s suite) closesSlowly(c *check.C) {
	c.Variation("Serve is running; a client leaves, and closing its connection takes a while")
	r := s.start(c, 2)
	p := r.dial("client 1")
	r.talk(p, fault.Whole, "hello")
	var closing atomic.Bool
	released := make(chan struct{})
	release := sync.OnceFunc(func() { close(released) })
	defer release()
	p.Conn().Before("Close", func() error {
		closing.Store(true)
		<-released
		return nil
	})
	r.closeListener()
	r.closeWrite(p)
	c.Await(
		"the connection to be closed",
		func() bool { return (closing.Load() || r.call.Ended()) && c.Resting() },
	)
	if r.call.Ended() {
		c.Fail("Serve has returned, but the connection of client 1 is not closed yet")
	}
	release()
	r.returns(nil)
}
