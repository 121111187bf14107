package reconnecttest

import (
	"errors"
	"fmt"
	"io"
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
	c.Variation("Serve is running; %d clients come, one after the other", many)
	for range many {
		r.nextClient()
	}
	r.calledWell()
	r.stop()
}

// Numbers of clients, and of clients that fail, after which somebody might think it enough.
const (
	many = 105
	some = 25
)

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
	r.stop()
}

func (s suite) handlerError(c *check.C) {
	r := s.start(c)
	for _, order := range []string{orderError, orderEOF, orderErrClosed, orderEMFILE} {
		c.Variation(
			"Serve is running; a handler is going to return the error %s",
			check.Err(handlerErrors[order]),
		)
		p := r.dial("client 1")
		r.talk(p, fault.Whole, "hello")
		r.send(p, fault.Whole, order)
		r.nextClient()
		r.calledWell()
	}
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
	c.Variation("Serve is running; %d handlers in a row return an error", some)
	for range some {
		r.send(r.dial("a client"), fault.Whole, orderError)
	}
	r.nextClient()
	r.finishes("some handlers have returned errors")
}

func (s suite) handlerPanic(c *check.C) {
	r := s.start(c)
	for _, order := range []string{orderPanic, orderNilMap, orderPanicError} {
		c.Variation("Serve is running; a handler panics")
		p := r.dial("client 1")
		r.talk(p, fault.Whole, "hello")
		r.send(p, fault.Whole, order)
		r.hungUp(p, "panicked")
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
	c.Variation("Serve is running; %d handlers in a row panic", some)
	for range some {
		r.send(r.dial("a client"), fault.Whole, orderPanic)
	}
	r.nextClient()
	r.finishes("some handlers have panicked")
}

func (s suite) breakOff(c *check.C) {
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
	p := r.dial("client 1")
	r.send(p, fault.Whole, orderUnread)
	r.reset(p)
	r.nextClient()
	r.finishes("some clients have broken off")
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
}

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
		r.staysFor(p, cut)
		r.returned(nil)
	}
	s.closedAtOnce(c)
	c.Variation("Serve is running; a client is being served when Accept fails for good")
	r := s.start(c)
	p := r.dial("client 1")
	r.talk(p, fault.Whole, "hello")
	r.acceptFails(permanentErrors[1])
	r.staysFor(p, fault.Whole)
	r.ends() // with which error, or whether it takes this one for the end at all, is another case

	c.Variation(
		"Serve is running; a client is being served when the listener is closed; closing its " +
			"connection takes a while",
	)
	s.slowClose(c)
}

// closedAtOnce closes the listener when a client has just been accepted, so that nobody has had the time to
// count it,
// again and again: who counts too late does so sooner or later.
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
			c.Fail(
				"Serve has returned, but handle has not: the client was not counted yet when Serve " +
					"began to wait (call Add before go)",
			)
		}
		r.closeWrite(p)
		r.returned(nil)
	}
}

// staysFor lets Serve notice its end, and looks whether p is served to its own.
func (r *run) staysFor(p *client, cut fault.Cut) {
	r.c.Await("Serve to notice it", func() bool { return r.call.Ended() || r.c.Resting() })
	if r.call.Ended() {
		r.c.Fail("Serve has returned, but %s has not finished", p.name)
	}
	if cut.Name == fault.Whole.Name {
		r.c.Late()
	}
	if r.call.Ended() {
		r.c.Fail(
			"Serve has returned meanwhile, but %s has not finished: however long it takes, it is "+
				"waited for",
			p.name,
		)
	}
	r.talk(p, cut, "still here")
	r.closeWrite(p)
}

// slowClose lets nobody close a connection before Serve has returned, or waits for it.
func (s suite) slowClose(c *check.C) {
	r := s.prepare(c)
	defer r.ln.release()
	r.call = r.startServe()
	p := r.dial("client 1")
	p.Conn().Before("Close", r.ln.holdClose)
	r.talk(p, fault.Whole, "hello")
	r.closeListener()
	r.closeWrite(p)
	c.Await(
		"the connection of client 1 to be closed",
		func() bool { return (r.ln.isClosing() || r.call.Ended()) && c.Resting() },
	)
	if r.ln.isClosing() && r.call.Ended() { // who has returned and closes nothing fails another case
		c.Fail("Serve has returned, but the connection of client 1 is not closed yet")
	}
	r.ln.release()
	r.returned(nil)
}

func (s suite) temporary(c *check.C) {
	r := s.start(c)
	for _, err := range temporaryErrors {
		c.Variation("Serve is running; Accept is going to fail, and then a client comes")
		r.acceptFails(err)
		r.nextClient()
	}
	r.stop()
}

func (s suite) pause(c *check.C) {
	const inRow, single = 6, 6
	r := s.start(c)
	c.Variation("Serve is running; Accept is going to fail %d times in a row", inRow)
	r.nextClient()
	c.Await("Serve to wait for clients", func() bool { return r.ln.Starved() && c.Resting() })
	r.acceptFails(slices.Repeat(temporaryErrors[:1], inRow)...)
	r.patience = 4*longPause + (inRow-4)*veryLongPause
	r.nextClient()
	if r.ln.tooSoon() > 0 {
		c.Fail("Accept returned a temporary error, and was called again at once")
	}
	r.patience = longPause
	for i := range single {
		c.Variation(
			"Serve is running; Accept has failed %d times so far, and a client was served after that",
			inRow+i,
		)
		r.acceptFails(temporaryErrors[0])
		r.nextClient()
	}
	s.manyPauses(r)
	c.Variation("Serve is running; Accept is going to fail, and then the listener is closed")
	r.ln.closeAfterErrors(1)
	r.acceptFails(temporaryErrors[0])
	c.Say("the suite has closed the listener as soon as Accept had returned that")
	r.ends()
	r.call.Wait() // once more may be too much, which is another case, as is what it returns; without end fails here
}

// manyPauses lets Accept fail many times, in a Serve of its own, each time before a client; fewer where the
// pauses
// are long.
func (s suite) manyPauses(before *run) {
	c, begin := before.c, time.Now()
	r := s.start(c)
	r.patience = longPause
	c.Variation("Serve was called anew; Accept fails %d times, and a client is served after each", many)
	for i := 0; i < many && time.Since(begin) < 8*time.Second; i++ {
		r.acceptFails(temporaryErrors[0])
		r.nextClient()
	}
	r.stop()
}

const (
	longPause     = 250 * time.Millisecond // what no pause of the 100 ms that are allowed takes
	veryLongPause = 1200 * time.Millisecond
)

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
}

var (
	errPlain = errors.New("no such account")

	handlerErrors = map[string]error{ // by the line that asks for it
		orderError:     errPlain,
		orderEOF:       io.EOF,
		orderErrClosed: net.ErrClosed,
		orderEMFILE:    acceptError(syscall.EMFILE),
	}
	temporaryErrors = []error{
		acceptError(syscall.EMFILE),
		fmt.Errorf("accepting behind a proxy: %w", acceptError(syscall.ECONNABORTED)),
		fmt.Errorf("accepting behind a proxy: %w", passing{}),
	}
	permanentErrors = []error{
		errors.New("the network card is on fire"),
		acceptError(syscall.EBADF),
		io.EOF,
	}
)

// acceptError is err as a net.Listener returns it.
func acceptError(err error) error {
	return &net.OpError{Op: "accept", Net: "tcp", Err: os.NewSyscallError("accept", err)}
}

// passing is a net.Error that no error number stands behind.
type passing struct{}

func (passing) Error() string   { return "the tunnel is busy" }
func (passing) Timeout() bool   { return false }
func (passing) Temporary() bool { return true }
