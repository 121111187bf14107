package reconnecttest

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"os"
	"slices"
	"syscall"
	"time"

	"socketbook/tools/check"
	"socketbook/tools/fault"
)

func (s suite) clients(c *check.C) {
	c.Variation("three clients connect, send a line and close their side, before Serve is called")
	r := s.prepare(c)
	r.patience = aMoment
	var early []*client
	for i := range 3 {
		p := r.dial(fmt.Sprintf("client %d", i+1))
		r.send(p, fault.Whole, "hello")
		r.closeWrite(p)
		early = append(early, p)
	}
	r.serve()
	for _, p := range early {
		r.answer(p, "HELLO\n")
	}
	for _, cut := range c.Cuts(3) {
		c.Variation(
			"Serve is running; two clients, one after the other; each sends two lines, %s",
			cut.Name,
		)
		for i := range 2 {
			p := r.dial(fmt.Sprintf("client %d", i+1))
			r.talk(p, cut, "hello")
			r.talk(p, cut, "and again")
			r.closeWrite(p)
		}
	}
	r.crowd()
	defer s.addressed(c)()
	c.Variation("Serve is running; %d clients come, one after the other", many)
	for range many {
		r.nextClient()
	}
	r.calledWell()
	r.stop()
}

// addressed has a client whose connection has an address of another type than *net.TCPAddr. Serve is still
// running then, until halt is called.
func (s suite) addressed(c *check.C) (halt func()) {
	if c.Elsewhere() { // where every connection is of the same type
		return func() {}
	}
	c.Variation("Serve was called anew; a client comes whose RemoteAddr is no *net.TCPAddr")
	c.Rule("The connection may be of any type, and its addresses, too.",
		"Use what net.Conn and net.Addr have, such as conn.RemoteAddr().String().")
	r := s.prepare(c)
	r.ln.addressed = true
	r.serve()
	r.nextClient()
	return r.halt
}

// Numbers of clients, and of clients that fail, after which somebody might think it enough.
const (
	many = 101
	some = 25
	most = 40 // at the same time: each has two descriptors
)

// crowd lets many clients wait at the same time, and talks to one after the other.
func (r *run) crowd() {
	r.c.Variation("Serve is running; %d clients come at the same time, and are served or wait", most)
	var all []*client
	for i := range most {
		all = append(all, r.dial(fmt.Sprintf("client %d", i+1)))
	}
	r.c.Await("Serve to accept clients", func() bool {
		return r.call.Ended() || r.timed.Load() != nil || r.c.Resting()
	})
	r.calledWell()
	for _, p := range all { // in this order, because a Serve that serves one at a time comes to the next now
		r.talk(p, fault.Whole, "hello")
		r.closeWrite(p)
	}
}

func (s suite) closed(c *check.C) {
	r := s.start(c)
	for _, order := range []string{orderReturn, orderClose, orderError} {
		for _, cut := range c.Cuts(3) {
			c.Variation("Serve is running; a client sends lines, %s, and leaves its side open", cut.Name)
			p := r.dial("client 1")
			r.talk(p, cut, "hello")
			r.send(p, cut, order)
			r.ended(p)
			r.nextClient()
		}
	}
	defer s.oneOfTwo(c).halt()
	defer r.halt()
	for _, order := range slices.Sorted(maps.Keys(handlerErrors)) {
		c.Variation("Serve is running; a handler is going to return the error %s", check.Err(handlerErrors[order]))
		p := r.dial("client 1")
		r.send(p, fault.Whole, order)
		open := r.overOrForgotten(p)
		if r.call.Ended() { // that is another case
			r = s.start(c)
		} else if open {
			c.Fail("handle has returned, and the connection of client 1 is still open")
		}
	}
	for _, order := range []string{orderReturn, orderError} { // for a Serve that does something else then
		c.Variation("Serve was called anew; a client comes whose connection is a *net.TCPConn")
		r := s.prepareWith(c, c.ListenTCP())
		defer r.halt()
		r.call = r.startServe()
		p := r.dial("client 1")
		r.talk(p, fault.Whole, "hello")
		r.send(p, fault.Whole, order)
		conn := r.ln.accepts()[0]
		c.Await("the end of the connection of client 1", func() bool {
			return r.call.Ended() || check.IsClosed(conn) || p.Over() != nil && c.Resting()
		})
		if !check.IsClosed(conn) {
			c.Fail("handle has returned, and of the connection of client 1 only the writing half " +
				"is closed: call Close")
		}
		r.calledWell()
		r.heardAll(p)
		c.Await("the end of the connection of client 1", func() bool { return p.Over() != nil })
		c.Rule("Serve closes the connection in the normal way: what handle has written still arrives.",
			"Set no options on the connection: with SetLinger(0) Close breaks it off.")
		c.WantError("the end of the connection of client 1", p.Over(), io.EOF)
	}
	c.Variation("Serve was called anew; a handler closes its connection, and returns")
	own := s.start(c)
	defer own.halt()
	own.last(orderClose)
	c.Rule("That handle has closed the connection already does no harm: what Close returns does not matter.",
		"Call Close once, and leave alone what it returns.")
	own.ending.Store(true)
	own.closeListener()
	own.ends()
}

// oneOfTwo has a client that stays while another one's handler returns, if Serve serves both. Serve is
// still running then.
func (s suite) oneOfTwo(c *check.C) *run {
	c.Variation("Serve was called anew; a client is being served and stays, another one comes")
	r := s.start(c)
	stays := r.dial("client 1")
	r.talk(stays, fault.Whole, "hello")
	p := r.dial("client 2")
	r.send(p, fault.Whole, orderReturn)
	c.Await("Serve to go on", func() bool { return r.call.Ended() || r.over.Load() > 0 || c.Resting() })
	if r.over.Load() > 0 { // otherwise client 2 waits until client 1 has left
		var waited check.Stopwatch
		isOpen := func() bool { return p.Over() == nil && p.Conn().Did().Closed != "Close" }
		c.Await("the end of the connection of client 2", func() bool { // a Close in another process is under way
			return r.call.Ended() || !isOpen() || waited.Read() > aMoment && c.Resting() && isOpen()
		})
		if isOpen() && !r.call.Ended() {
			c.Fail("handle has returned, and the connection of client 2 is still open, while client 1 is being served")
		}
	}
	r.closeWrite(stays)
	r.ended(p)
	return r
}

// heardAll ends the case if p has got, or gets, more than the answers of the handler.
func (r *run) heardAll(p *client) {
	r.c.Settle()
	if more := p.Received()[p.heard:]; len(more) > 0 {
		r.c.Rule("The conversation belongs to handle: Serve writes nothing, before, after an error or "+
			"after a panic.",
			"Only close the connection when handle has returned.")
		r.c.Fail("%s received %q, which handle has not written", p.name, more)
	}
}

func (s suite) handlerError(c *check.C) {
	r := s.start(c)
	for _, order := range slices.Sorted(maps.Keys(handlerErrors)) {
		r.patience = aMoment
		c.Variation(
			"Serve is running; a handler is going to return the error %s",
			check.Err(handlerErrors[order]),
		)
		p := r.dial("client 1")
		r.talk(p, fault.Whole, "hello")
		r.send(p, fault.Whole, order)
		r.overOrForgotten(p) // forgotten is another case
		r.nextClient()
		r.calledWell()
	}
	r.patience = 0
	for _, cut := range c.Cuts(3) {
		c.Variation(
			"Serve is running; two handlers in a row return an error; what the clients send comes %s",
			cut.Name,
		)
		r.send(r.dial("client 1"), cut, orderError)
		r.send(r.dial("client 2"), cut, orderError)
		r.nextClient()
		r.calledWell()
	}
	defer s.othersGoOn(c, orderError, "returns an error").halt()

	c.Variation("Serve is running; %d handlers in a row return an error", many)
	r.patience = aMoment
	for range many {
		r.send(r.dial("a client"), fault.Whole, orderError)
	}
	r.nextClient()
	r.last(orderError)
	r.finishes("some handlers have returned errors, the last one, too")
}

// othersGoOn has a client that stays while the handler of another one comes to its end, if Serve serves both;
// otherwise the other one waits. Serve is still running then.
func (s suite) othersGoOn(c *check.C, order, does string) *run {
	c.Variation("Serve was called anew; a client is being served and stays, and the handler of another "+
		"one %s", does)
	c.Rule("What becomes of one client concerns no other: the conversations of the others go on.",
		"Close the connection that handle was called with, and no other.")
	r := s.start(c)
	stays := r.dial("client 1")
	r.talk(stays, fault.Whole, "hello")
	r.send(r.dial("client 2"), fault.Whole, order)
	c.Await("Serve to go on", func() bool { return r.call.Ended() || c.Resting() })
	r.talk(stays, fault.Whole, "still here")
	r.closeWrite(stays)
	r.nextClient()
	return r
}

// last is the last client, whose handler gets this order.
func (r *run) last(order string) {
	p := r.dial("the last client")
	r.talk(p, fault.Whole, "hello")
	r.send(p, fault.Whole, order)
	r.overOrForgotten(p) // forgotten is another case
}

func (s suite) handlerPanic(c *check.C) {
	r := s.start(c)
	whole := r.nextClient()
	r.overOrForgotten(whole)
	for _, order := range append(slices.Sorted(maps.Keys(handlerPanics)), orderNilMap) {
		c.Variation("Serve is running; a handler panics")
		p := r.dial("client 1")
		r.talk(p, fault.Whole, "hello")
		r.send(p, fault.Whole, order)
		r.hungUp(p, "panicked")
		if whole.Conn().Did().Closed == "Close" && p.Conn().Did().Closed == "CloseWrite" {
			c.Fail("handle has panicked, and of the connection of client 1 only the writing half is " +
				"closed: call Close")
		}
		r.nextClient()
		r.calledWell()
	}
	for _, cut := range c.Cuts(3) {
		c.Variation("Serve is running; a handler panics; what its client sends comes %s", cut.Name)
		p := r.dial("client 1")
		r.send(p, cut, orderPanic)
		r.hungUp(p, "panicked")
		r.nextClient()
	}
	c.Variation("Serve was called anew; a handler closes its connection, and panics")
	own := s.start(c)
	defer own.halt()
	own.last(orderClosePanic)
	// whether what Close returns ends Serve is another case
	c.Await("Serve to go on", func() bool { return own.call.Ended() || c.Resting() })

	defer s.othersGoOn(c, orderPanic, "panics").halt()

	c.Variation("Serve is running; %d handlers in a row panic", many)
	for range many {
		r.send(r.dial("a client"), fault.Whole, orderPanic)
	}
	r.nextClient()
	r.last(orderPanic)
	r.finishes("some handlers have panicked, the last one, too")
}

func (s suite) breakOff(c *check.C) {
	c.Variation(
		"two clients whose connections are *net.TCPConn connect before Serve is called: one resets its " +
			"connection, one closes its side, both without a word",
	)
	tcp := s.prepareWith(c, c.ListenTCP())
	defer tcp.halt()
	tcp.reset(tcp.dial("client 1"))
	tcp.closeWrite(tcp.dial("client 2"))
	tcp.serve()
	p := tcp.nextClient()
	c.Await("handle to be called for each", func() bool {
		return int(tcp.calls.Load()) >= tcp.dialled || tcp.call.Ended() || p.Over() != nil && c.Resting()
	})
	tcp.calledForAll()

	c.Variation(
		"two clients connect before Serve is called: one resets its connection, one closes its " +
			"side, both without a word",
	)
	r := s.prepare(c)
	r.reset(r.dial("client 1"))
	r.closeWrite(r.dial("client 2"))
	c.Settle()
	r.serve()
	r.nextClient()
	for _, cut := range c.Cuts(2) {
		for _, breaks := range []func(*client){r.reset, r.closeWrite} {
			c.Variation(
				"Serve is running; a client breaks off in the middle of a line; what it sends comes %s",
				cut.Name,
			)
			p := r.dial("client 1")
			r.talk(p, cut, "hello")
			c.Say("client 1 has sent %q", "hel")
			p.Send(cut.Pieces([]byte("hel"))...)
			breaks(p)
			r.nextClient()
		}
	}
	c.Variation("Serve is running; a client resets its connection without waiting for its answer")
	p = r.dial("client 1")
	r.send(p, fault.Whole, orderUnread)
	r.reset(p)
	r.nextClient()
	r.finishes("some clients have broken off")
	c.Await("handle to be called for each", func() bool {
		return int(r.calls.Load()) >= r.dialled || c.Resting()
	})
	r.calledForAll()
}

func (s suite) listenerClosed(c *check.C) {
	c.Variation("the listener is closed before Serve is called")
	r := s.prepare(c)
	r.closeListener()
	r.serve()
	r.returned(nil)

	c.Variation("Serve is running; the listener is closed while Serve waits for a client")
	r = s.start(c)
	c.Await("Serve to call Accept", r.ln.Starved)
	r.closeListener()
	r.returned(nil)

	c.Variation("Serve is running; the listener is closed after two clients")
	r = s.start(c)
	r.nextClient()
	r.nextClient()
	r.closeListener()
	r.returned(nil)

	c.Variation("Accept is going to fail; then a client is served, and the listener is closed")
	r = s.prepare(c)
	r.acceptFails(temporaryErrors[0])
	r.serve()
	c.Await("Serve to go on", func() bool { return r.call.Ended() || r.ln.Starved() || r.ln.askedAgain() })
	if !r.call.Ended() { // otherwise that was the end, which is another case
		r.nextClient()
		r.closeListener()
		if r.ends() && r.err != nil && check.Is(r.err, temporaryErrors[0]) {
			c.Rule("An error that has passed is over: Serve does not return it later.",
				"When the listener is closed, return nil, whatever Accept has returned before.")
			c.Fail("the listener was closed, and Serve returned an error that had passed: %s", check.Err(r.err))
		}
		r.returned(nil)
	}

	for _, as := range []func(error) error{
		func(err error) error { return fmt.Errorf("accepting behind a proxy: %w", err) },
		func(err error) error {
			return &net.OpError{Op: "accept", Net: "tcp", Err: fmt.Errorf("%w, and gone", err)}
		},
		func(err error) error { return noMore{err} },
		func(err error) error { return fmt.Errorf("%w: %w", errors.New("accepting behind a proxy"), err) },
	} {
		c.Variation("Serve is running; the listener is closed: %v", as(net.ErrClosed))
		r = s.prepare(c)
		r.ln.closedAs = as
		r.call = r.startServe()
		r.nextClient()
		r.closeListener()
		r.returned(nil)
	}
}

// noMore is an error in other words.
type noMore struct{ err error }

func (noMore) Error() string   { return "nobody is let in any more" }
func (n noMore) Unwrap() error { return n.err }

func (s suite) finish(c *check.C) {
	for _, cut := range c.Cuts(3) {
		c.Variation(
			"Serve is running; a client is being served when the listener is closed; its lines come %s",
			cut.Name,
		)
		r := s.start(c)
		p := r.dial("client 1")
		r.talk(p, cut, "hello")
		r.closeListener()
		r.noticed(p)
		r.talk(p, cut, "still here")
		r.closeWrite(p)
		r.returned(nil)
		r.heardAll(p)
	}
	c.Variation("Serve is running; a client has left, and the next one is being served when the listener " +
		"is closed")
	r := s.start(c)
	r.nextClient()
	c.Await("Serve to go on", func() bool { return r.call.Ended() || r.over.Load() > 0 && c.Resting() })
	second := r.dial("client 2")
	r.talk(second, fault.Whole, "hello")
	r.closeListener()
	r.noticed(second)
	r.talk(second, fault.Whole, "still here")
	r.closeWrite(second)
	r.returned(nil)

	s.allFinish(c)

	c.Variation("Serve is running; a client whose connection is a *net.TCPConn is being served when the " +
		"listener is closed")
	tcp := s.prepareWith(c, c.ListenTCP())
	defer tcp.halt()
	tcp.call = tcp.startServe()
	p := tcp.dial("client 1")
	tcp.talk(p, fault.Whole, "hello")
	tcp.closeListener()
	tcp.noticed(p)
	tcp.talk(p, fault.Whole, "still here")
	tcp.closeWrite(p)
	tcp.returned(nil)
	tcp.heardAll(p)

	s.closedAtOnce(c)
	s.finishAfterError(c)

	s.slowClose(c, orderReturn)
	s.slowClose(c, orderError)
}

// allFinish closes the listener while several clients are being served, if Serve serves several, and lets
// one after the other leave.
func (s suite) allFinish(c *check.C) {
	c.Variation("Serve is running; three clients come, and then the listener is closed; all who are being " +
		"served leave, one after the other")
	r := s.start(c)
	var all []*client
	for i := range 3 {
		all = append(all, r.dial(fmt.Sprintf("client %d", i+1)))
	}
	c.Await("Serve to go on", func() bool { return r.call.Ended() || c.Resting() })
	served := int(r.calls.Load())
	if served < len(all) { // one at a time, or two: whom it comes to is its affair
		for _, p := range all {
			r.closeWrite(p)
		}
		r.halt()
		return
	}
	r.closeListener()
	for _, p := range all {
		r.noticed(p)
		r.talk(p, fault.Whole, "still here")
		r.closeWrite(p)
	}
	r.returned(nil)
}

// finishAfterError closes the listener when Accept has failed while a client is being served, if Serve
// accepts meanwhile.
func (s suite) finishAfterError(c *check.C) {
	c.Variation("Serve is running; a client is being served when Accept fails with an error that passes, and " +
		"then the listener is closed")
	r := s.start(c)
	defer r.halt()
	p := r.dial("client 1")
	r.talk(p, fault.Whole, "hello")
	c.Await("Serve to go on", func() bool { return r.call.Ended() || r.ln.Starved() || c.Resting() })
	if !r.ln.Starved() || !r.failsOnce(temporaryErrors[0], veryLongPause) || p.Conn().Did().Closed != "" {
		r.closeWrite(p)
		return // one client at a time, or the error has cut the client, which is another case
	}
	r.closeListener()
	r.noticed(p)
	r.talk(p, fault.Whole, "still here")
	r.closeWrite(p)
	r.returned(nil)
}

// closedAtOnce closes the listener when a client has just been accepted, so that nobody has had the
// time to count it, again and again: who counts too late does so sooner or later.
func (s suite) closedAtOnce(c *check.C) {
	for range 15 {
		c.Variation("Serve is running; the listener is closed as soon as Accept has returned a client")
		r := s.prepare(c)
		r.ln.closeAfterClient()
		p := r.dial("client 1")
		r.serve()
		c.Say("the suite has closed the listener")
		c.Await(
			"handle to be called, or Serve to return",
			func() bool { return r.calls.Load() > 0 || r.call.Ended() },
		)
		c.Await("Serve to notice it", func() bool { return r.call.Ended() || c.Resting() })
		if r.call.Ended() {
			c.Await("what Serve has started to rest", c.Resting)
			r.servedAll()
			c.Fail(
				"Serve has returned, but handle has not: the client was not counted yet when Serve " +
					"began to wait (call Add before go)",
			)
		}
		r.closeWrite(p)
		r.returned(nil)
	}
}

// longTalks has a client that takes its time, in one Serve whose listener is closed and in one whose Accept
// fails.
func (s suite) longTalks(c *check.C) {
	c.Variation(
		"Serve was called twice; the listener of one is closed, and the Accept of the other fails " +
			"for good; " +
			"each serves a client that takes its time",
	)
	closed, failed := s.start(c), s.start(c)
	p, q := closed.dial("client 1"), failed.dial("client 2")
	closed.talk(p, fault.Whole, "hello")
	failed.talk(q, fault.Whole, "hello")
	waits := failed.dial("client 3") // Serve may have accepted it, or not
	failed.closeWrite(waits)
	c.Await("Serve to go on", c.Resting)
	closed.closeListener()
	failed.acceptFails(permanentErrors[1])
	closed.noticed(p)
	failed.noticed(q)
	c.Late(120 * time.Millisecond)
	for r, p := range map[*run]*client{closed: p, failed: q} {
		if r.call.Ended() {
			c.Fail(
				"Serve has returned meanwhile, but %s has not finished: however long it takes, it is "+
					"waited for",
				p.name,
			)
		}
		r.talk(p, fault.Whole, "still here")
		r.closeWrite(p)
	}
	closed.returned(nil)
	if failed.ends() {
		failed.servedAll()
	} // with which error, or whether it takes this one for the end at all, is another case
}

// noticed lets Serve notice its end, and looks whether p is still served.
func (r *run) noticed(p *client) {
	r.c.Await("Serve to notice it", func() bool { return r.call.Ended() || r.c.Resting() })
	if r.call.Ended() {
		r.c.Fail("Serve has returned, but %s has not finished", p.name)
	}
}

// slowClose lets nobody close a connection before Serve has returned, or waits for it.
func (s suite) slowClose(c *check.C, order string) {
	c.Variation(
		"Serve is running; a client is being served when the listener is closed; closing its " +
			"connection takes a while",
	)
	r := s.prepare(c)
	defer r.ln.release()
	r.call = r.startServe()
	p := r.dial("client 1")
	p.Conn().Before("Close", r.ln.holdClose)
	r.talk(p, fault.Whole, "hello")
	r.closeListener()
	r.send(p, fault.Whole, order)
	c.Await(
		"the connection of client 1 to be closed",
		func() bool {
			again := int(r.calls.Load()) > r.dialled // which is another case
			return (r.ln.isClosing() || r.call.Ended() || again) && c.Resting()
		},
	)
	if r.ln.isClosing() && r.call.Ended() { // who has returned and closes nothing fails another case
		c.Fail("Serve has returned, but the connection of client 1 is not closed yet")
	}
	r.ln.release()
	if order == orderReturn { // otherwise what it returns is another case
		r.returned(nil)
	}
}

func (s suite) temporary(c *check.C) {
	r := s.start(c)
	for _, err := range temporaryErrors {
		c.Variation("Serve is running; Accept is going to fail, and then a client comes")
		r.acceptFails(err)
		r.nextClient()
	}
	defer r.halt()
	anew := s.start(c)
	defer anew.halt()
	for _, err := range hiddenErrors {
		c.Variation("Serve is running; Accept is going to fail, and then a client comes")
		c.Rule("The errors of Accept may be wrapped, and their words may be any. EMFILE, ENFILE and "+
			"ECONNABORTED pass, also where no Temporary says so.",
			"Ask errors.As for a net.Error whose Temporary is true, and errors.Is for each of the three.")
		anew.acceptFails(err)
		anew.nextClient()
	}

	c.Variation("Serve was called anew; a client is being served when Accept fails")
	r = s.start(c)
	p := r.dial("client 1")
	r.talk(p, fault.Whole, "hello")
	c.Await("Serve to go on", func() bool { return r.call.Ended() || r.ln.Starved() || c.Resting() })
	if r.ln.Starved() { // otherwise Serve has one client at a time, and calls Accept when this one has left
		if !r.failsOnce(temporaryErrors[0], veryLongPause) && !r.call.Ended() {
			c.Rule("After an error that passes Serve waits 100 ms at most, whoever is being served meanwhile.",
				"Only sleep: do not wait until a client has left.")
			c.Fail("Accept has failed, and Serve does not call it again while client 1 is being served")
		}
		c.Rule("An error that passes concerns nobody who is being served.",
			"Leave connections alone that are still in use: their handle goes on.")
		r.talk(p, fault.Whole, "still here")
		if method := p.Conn().Did().Deadline; method != "" {
			r.timed.Store(&method)
			r.calledWell()
		}
	}
	r.closeWrite(p)
	r.stop()
}

func (s suite) pause(c *check.C) {
	c.Variation("Serve was called twice; the Accept of one is going to fail again and again")
	clock, stop := startClock()
	c.Cleanup(stop)
	long, r := s.prepare(c), s.prepare(c)
	for _, r := range []*run{long, r} {
		r.ln.clock = clock
		r.call = r.startServe()
	}
	long.nextClient()
	r.nextClient()
	c.Await(
		"Serve to wait for clients",
		func() bool { return long.ln.Starved() && r.ln.Starved() && c.Resting() },
	)
	long.ln.failInRow() // its pauses go by while the other one is tested
	defer long.ln.look(func() { long.ln.inRow = false })
	r.shortRows()
	r.notTooSoon()
	long.longRow()

	c.Variation("Serve is running; Accept is going to fail, and then the listener is closed")
	r.ln.closeAfterErrors(1)
	r.acceptFails(temporaryErrors[0])
	c.Say("the suite has closed the listener as soon as Accept had returned that")
	r.ends()
	// once more may be too much, which is another case, as is what it returns; without end fails
	// here
	r.call.Wait()
	if r.err != nil && check.Is(r.err, temporaryErrors[0]) {
		c.Fail("the listener was closed, and Serve returned an error that had passed: %s", check.Err(r.err))
	}
}

// rowOfItsOwn calls Serve after another call that has ended in a row of errors.
func (s suite) rowOfItsOwn(c *check.C) {
	c.Variation("Serve is running; Accept fails %d times in a row, and the listener is closed", attempts)
	r := s.start(c)
	for range attempts {
		c.Await("Serve to wait for clients", func() bool { return r.call.Ended() || r.ln.Starved() })
		r.failsOnce(temporaryErrors[0], veryLongPause)
	}
	r.halt()
	r.call.Wait() // with what it returns is another case

	for try := 1; ; try++ {
		c.Variation("Serve was called anew, and Accept fails; no client has come since then")
		r := s.start(c)
		c.Await("Serve to wait for clients", func() bool { return r.call.Ended() || r.ln.Starved() })
		quick := r.failsOnce(temporaryErrors[0], longPause) && r.ln.lastPause() <= tooSlow
		ended := r.call.Ended() // which is another case
		r.halt()
		if quick || ended {
			break
		}
		if try == attempts {
			c.Rule("A call of Serve has its own errors: the first one that its Accept returns is the first in its "+
				"row.",
				"Count the errors in a variable of Serve, not of the package.")
			c.Fail("the error is the first of this call of Serve, which pauses for more than 100 ms, as it did "+
				"when it was called anew before (%d times)", try-1)
		}
	}
	s.afterAWhile(c)
}

// afterAWhile has an error come when Serve has had none for a while.
func (s suite) afterAWhile(c *check.C) {
	c.Variation("Serve was called anew, and a client has left; after a while Accept fails")
	r := s.start(c)
	defer r.halt()
	r.nextClient()
	c.Await("Serve to wait for clients", func() bool { return r.call.Ended() || r.ln.Starved() })
	c.Late(60 * time.Millisecond)
	r.failsOnce(temporaryErrors[0], longPause)
	c.Rule("After a temporary error Serve waits at least 1 ms, whenever it comes.",
		"Begin each pause with its error: time.Sleep. A ticker that was running before has a tick ready.")
	r.notTooSoon()
}

// Pauses that a busy machine does not make of those that are allowed, 100 ms and, from the fifth error in a
// row on, 1 s.
const (
	longPause     = 450 * time.Millisecond
	veryLongPause = 1400 * time.Millisecond
	failing       = 12 // clients whose handler fails
)

// A pause of 100 ms may last a little longer, and much longer when the machine is busy, but not each time.
const (
	tooSlow  = 150 * time.Millisecond
	attempts = 6
)

// allowed is how long Serve may pause after error n in a row, and what is longer than that on a busy machine
// too.
func allowed(n int) (most, tooLong time.Duration) {
	if n < 5 {
		return 100 * time.Millisecond, longPause
	}
	return time.Second, veryLongPause
}

// longRow waits for the end of the row that Accept fails in, and then for a client.
func (r *run) longRow() {
	var n, tooLong int
	var over bool
	done := func() bool {
		n, tooLong, over = r.ln.row()
		return over || r.call.Ended() || tooLong > 0
	}
	for !done() { // a little at a time: the watchdog has another clock
		var watch check.Stopwatch
		r.c.Await("Serve to call Accept again", func() bool { return done() || watch.Read() > longPause })
	}
	r.c.Variation("Serve is running; Accept has failed %d times in a row", n)
	if n > 0 {
		r.c.Step("the last error was %s", check.Err(temporaryErrors[(n-1)%len(temporaryErrors)]))
	}
	switch {
	case r.call.Ended():
		r.c.Fail("Serve has returned (%s) after %d temporary errors in a row", check.Err(r.err), n)
	case tooLong > 0:
		most, _ := allowed(tooLong)
		r.c.Fail(
			"Accept has failed %d times in a row, and Serve pauses for more than %v before it "+
				"calls it again",
			tooLong,
			most,
		)
	}
	r.notTooSoon()
	r.nextClient()
	r.halt()
}

// failsOnce lets Accept fail, and waits until it is called again, but not for longer than longest.
func (r *run) failsOnce(err error, longest time.Duration) (again bool) {
	before := r.ln.calls()
	r.c.Step("Accept returns the error %s", check.Err(err))
	r.ln.Fail(err)
	var watch check.Stopwatch
	r.c.Await("Serve to call Accept again", func() bool {
		return r.call.Ended() || r.ln.calls() > before || watch.Read() > longest
	})
	return r.ln.calls() > before
}

// shortRows lets Accept fail four times in a row. If a pause was long it does so again, to see whether it was
// the machine: of the pauses at one place in the row the shortest says most about what Serve means.
func (r *run) shortRows() {
	shortest := []time.Duration{time.Hour, time.Hour, time.Hour, time.Hour}
	upTo := len(shortest)
	for row := 0; row < attempts && upTo > 0; row++ {
		r.c.Variation("Serve is running; Accept fails %d times in a row, and a client comes", upTo)
		for i := range upTo {
			r.c.Await("Serve to wait for clients", func() bool { return r.call.Ended() || r.ln.Starved() })
			paused := time.Hour
			if r.failsOnce(temporaryErrors[0], longPause) {
				paused = r.ln.lastPause()
			}
			shortest[i] = min(shortest[i], paused)
		}
		r.nextClient()
		upTo = 1 + slices.IndexFunc(shortest, func(paused time.Duration) bool { return paused > tooSlow })
	}
	if upTo > 0 {
		r.c.Fail(
			"after error %d in a row Serve pauses for at least %v: at most 100 ms are allowed "+
				"before the fifth",
			upTo,
			min(shortest[upTo-1], longPause).Round(time.Millisecond),
		)
	}
}

func (r *run) notTooSoon() {
	if early := r.ln.tooSoon(); early != nil {
		r.c.Fail("Accept returned the error %s, and was called again less than 1 ms later", check.Err(early))
	}
}

// manyPauses lets Accept fail many times, each time before a client; fewer where the pauses are long. One
// long pause may be the machine's, three in a row are not.
func (s suite) manyPauses(c *check.C) {
	c.Variation("Serve is running, and has had a client")
	clock, stop := startClock()
	c.Cleanup(stop)
	r, long, slow := s.prepare(c), 0, 0
	r.ln.clock = clock
	r.call = r.startServe()
	r.nextClient()
	c.Await("Serve to wait for clients", func() bool { return r.ln.Starved() && c.Resting() })
	for n := 0; !r.call.Ended() && (n < failing || n < many && r.ln.paused() < 2*time.Second); n++ {
		handlerFails := n < failing
		switch n {
		case 0:
			c.Variation("Serve is running; Accept fails again and again, and each time a client comes then, " +
				"which makes its handler fail")
		case failing:
			c.Variation("Serve is running; Accept fails again and again, and each time a client comes then, " +
				"which leaves")
		}
		c.Await("Serve to wait for clients", func() bool { return r.call.Ended() || r.ln.Starved() })
		if r.failsOnce(temporaryErrors[n%len(temporaryErrors)], veryLongPause) && r.ln.lastPause() < longPause {
			long = 0
		} else if long++; long == 3 && !r.call.Ended() {
			c.Fail("the error is the first in its row, and Serve pauses for more than 100 ms, not " +
				"for the first time")
		}
		if slow++; r.ln.lastPause() <= tooSlow {
			slow = 0
		}
		if slow == attempts && !r.call.Ended() {
			c.Rule("A client that is accepted ends the row, whatever becomes of it: the next error is the first "+
				"again.",
				"Begin the pauses anew as soon as Accept has returned a client, not when its handler has succeeded.")
			c.Fail("each of the last %d errors was the first in its row, and Serve paused for more than 100 ms "+
				"each time", attempts)
		}
		p := r.dial("the next client")
		if handlerFails {
			r.send(p, fault.Whole, orderError)
		} else {
			r.closeWrite(p)
		}
	}
	r.nextClient()
	r.notTooSoon()
	if shortest := r.ln.shortestPause(); shortest > 115*time.Millisecond {
		c.Fail(
			"Accept fails, each time before a client, and Serve pauses for at least %v: at most "+
				"100 ms are allowed",
			shortest.Round(time.Millisecond),
		)
	}
	r.halt()
}

func (s suite) permanent(c *check.C) {
	for _, err := range permanentErrors {
		c.Variation("Accept is going to fail with an error that no waiting cures")
		r := s.prepare(c)
		r.acceptFails(err)
		r.serve()
		r.returned(err)
	}
	c.Variation("a client is served; then Accept fails")
	r := s.start(c)
	r.nextClient()
	r.acceptFails(permanentErrors[0])
	r.returned(permanentErrors[0])

	c.Variation("the handler of a client returns an error; then Accept fails")
	r = s.start(c)
	p := r.dial("client 1")
	r.send(p, fault.Whole, orderError)
	c.Await("the handler to return", func() bool { return int(r.over.Load()) == r.dialled || r.call.Ended() })
	r.acceptFails(permanentErrors[0])
	c.Await("Serve to return", func() bool { return r.call.Ended() || r.ln.askedAgain() || c.Resting() })
	r.ln.release()
	// that it does not return, or returns the handler's error alone, is another case
	if r.call.Ended() && check.Is(r.err, permanentErrors[0]) && check.Is(r.err, errPlain) {
		c.Rule("An error of handle concerns this client only: Serve never returns it, nor together with "+
			"another one.", "Return only what the last call of Accept has returned.")
		c.Fail("Serve returned the error of a handler: %s", check.Err(r.err))
	}

	s.passedIsOver(c, temporaryErrors[0], permanentErrors[1])
	s.passedIsOver(c, passing{}, permanentErrors[0])
}

// passedIsOver has an error that passes, and then one that does not.
func (s suite) passedIsOver(c *check.C, passes, last error) {
	c.Variation("Accept fails with an error that passes, and then with one that does not")
	c.Rule("An error that has passed is over: Serve does not return it later, nor together with another one, and "+
		"the next one is looked at afresh.",
		"Return only what the last call of Accept has returned. A variable for errors.As that is declared before "+
			"the loop still holds the error of an earlier call.")
	r := s.prepare(c)
	r.acceptFails(passes, last)
	r.serve()
	if !r.ends() {
		c.Fail("Accept has failed with the error %s, and Serve called it again", check.Err(last))
	}
	// that it returns the first one at once is another case
	if r.ln.calls() > 1 && r.err != nil && check.Is(r.err, passes) {
		c.Fail("Serve returned an error that had passed: %s", check.Err(r.err))
	}
}

var (
	errPlain = errors.New("no such account")

	handlerErrors = map[string]error{ // by the line that asks for it
		orderError:                               errPlain,
		"return io.EOF":                          io.EOF,
		"return net.ErrClosed":                   net.ErrClosed,
		"return the net.ErrClosed of a listener": acceptError(net.ErrClosed),
		"return too many open files":             acceptError(syscall.EMFILE),
		"return the reset":                       fault.Failures("read")[0],
		"return the invalid argument":            os.NewSyscallError("setsockopt", syscall.EINVAL),
		"return the canceled context":            fmt.Errorf("talking to a client: %w", context.Canceled),
		"return the deadline that has passed":    &net.OpError{Op: "read", Net: "tcp", Err: os.ErrDeadlineExceeded},
		"return several errors":                  several{errPlain, io.EOF},
		orderPassing:                             fmt.Errorf("talking to a client: %w", passing{}),
	}
	handlerPanics = map[string]any{
		orderPanic:                       "the handler panics, as it was told",
		"panic with an error":            errPlain,
		"panic with io.EOF":              io.EOF,
		"panic with a closed connection": acceptError(net.ErrClosed),
		"panic with a number":            42,
		"panic with nil":                 nil, // which recover sees as a *runtime.PanicNilError
	}
	temporaryErrors = []error{
		acceptError(syscall.EMFILE),
		fmt.Errorf("accepting behind a proxy: %w", acceptError(syscall.ECONNABORTED)),
		fmt.Errorf("accepting behind a proxy: %w", passing{}),
		acceptError(syscall.ENFILE),
		passing{},
	}
	hiddenErrors = []error{ // temporary ones that neither Temporary nor their words show
		fmt.Errorf("accepting behind a proxy: %w", os.NewSyscallError("accept", syscall.ECONNABORTED)),
		fmt.Errorf("%w: %w", errors.New("accepting behind a proxy"), syscall.ECONNABORTED),
		noMore{syscall.ECONNABORTED},
	}
	permanentErrors = []error{
		errors.New("the network card is on fire"),
		acceptError(syscall.EBADF),
		io.EOF,
		fmt.Errorf("accepting behind a proxy: %w", acceptError(syscall.EINVAL)),
		acceptError(os.ErrClosed),
		refusing{},
		io.ErrClosedPipe,
		acceptError(context.Canceled),
	}
)

// acceptError is err as a net.Listener returns it.
func acceptError(err error) error {
	if errno, ok := err.(syscall.Errno); ok {
		err = os.NewSyscallError("accept", errno)
	}
	return &net.OpError{Op: "accept", Net: "tcp", Err: err}
}

// several are errors that cannot be compared, nor be the key of a map.
type several []error

func (s several) Error() string { return errors.Join(s...).Error() }

// refusing is a net.Error that does not pass.
type refusing struct{}

func (refusing) Error() string   { return "the tunnel is shut" }
func (refusing) Timeout() bool   { return true }
func (refusing) Temporary() bool { return false }

// passing is a net.Error that no error number stands behind.
type passing struct{}

func (passing) Error() string   { return "the tunnel is busy" }
func (passing) Timeout() bool   { return false }
func (passing) Temporary() bool { return true }
