package crowdtest

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"socketbook/tools/check"
	"socketbook/tools/fault"
)

// patience is how long nothing moves until the suite gives up: much longer than code may pause that looks
// around from time to time.
const patience = 400 * time.Millisecond

// The lines that the suite's handler takes for orders; it answers every other line in upper case.
const (
	orderReturn = "return"
	orderClose  = "close and return"
	orderPanic  = "panic"
	orderNilMap = "write to a nil map"
	orderError  = "panic with an error"
)

// visits is nil: nobody has made the map.
var visits map[string]int

// run is one call of Serve: the suite's listener and handler, and what has happened so far.
type run struct {
	c       *check.C
	ln      *listener
	call    *check.Call
	err     error // what Serve returned
	clients []*client

	// of the handler
	now, most, calls, over atomic.Int32
	strange                atomic.Bool     // it was called with something that Accept has not returned
	silent                 <-chan struct{} // it only waits for this; nil: it converses
}

// prepare makes a listener. Clients may connect to it before serve is called.
func prepare(c *check.C) *run { return &run{c: c, ln: &listener{Listener: c.Listen()}} }

func (r *run) serve(s suite, limit int) *run {
	r.call = r.c.Start(
		"Serve(ln, limit, handle)",
		func() { r.err = s.lab.Serve(r.ln, limit, r.handle) },
	)
	return r
}

// start is prepare and serve.
func (s suite) start(c *check.C, limit int) *run { return prepare(c).serve(s, limit) }

func (r *run) handle(conn net.Conn) {
	r.calls.Add(1)
	if !r.ln.returned(conn) {
		r.strange.Store(true)
	}
	now := r.now.Add(1)
	for most := r.most.Load(); now > most && !r.most.CompareAndSwap(most, now); most = r.most.Load() {
	}
	defer func() {
		r.now.Add(-1)
		r.over.Add(1)
	}()
	if r.silent != nil {
		<-r.silent
		return
	}
	converse(conn)
}

func converse(conn net.Conn) {
	lines := bufio.NewScanner(conn)
	for lines.Scan() {
		switch line := lines.Text(); line {
		case orderReturn:
			return
		case orderClose:
			conn.Close()
			return
		case orderPanic:
			panic("the handler panics, as it was told")
		case orderError:
			panic(io.EOF)
		case orderNilMap:
			visits["client"]++
		default:
			if _, err := io.WriteString(conn, upper(line)+"\n"); err != nil {
				return
			}
		}
	}
}

// upper is line with the letters a to z in upper case and every other byte as it is.
func upper(line string) string {
	b := []byte(line)
	for i, x := range b {
		if 'a' <= x && x <= 'z' {
			b[i] = x - 'a' + 'A'
		}
	}
	return string(b)
}

// client is a client of the suite's.
type client struct {
	*fault.Peer
	name  string
	heard int // bytes of answers that were looked at
}

func (r *run) dial(name string) *client {
	peer, err := r.ln.Dial()
	if err != nil && r.ln.closes() {
		r.c.Fail("Serve has closed the listener, and there are more clients")
	}
	if err != nil {
		r.c.NotGraded("no connection on 127.0.0.1 could be made: %v", err)
	}
	r.c.Step("%s connected", name)
	p := &client{Peer: peer, name: name}
	r.clients = append(r.clients, p)
	return p
}

func (r *run) send(p *client, cut fault.Cut, line string) {
	r.c.Say("%s has sent the line %q", p.name, line)
	p.Send(cut.Pieces([]byte(line + "\n"))...)
}

// talk sends a line and waits for its answer.
func (r *run) talk(p *client, cut fault.Cut, line string) {
	r.send(p, cut, line)
	r.answer(p, upper(line)+"\n")
}

func (r *run) answer(p *client, want string) {
	came := func() bool { return len(p.Received())-p.heard >= len(want) }
	switch {
	case r.await("the answer to "+p.name, func() bool { return came() || p.Over() != nil }) && came():
	case p.Over() != nil && p.Conn().Did().Closed != "":
		r.c.Fail("Serve has closed the connection of %s, and its handle has not returned yet", p.name)
	case p.Over() != nil:
		r.c.Fail("the connection of %s ended before the answer came: %v", p.name, p.Over())
	case r.call.Ended():
		r.c.Fail("Serve has returned (%s), and %s has no answer", check.Err(r.err), p.name)
	default:
		r.c.Fail("%s waits for its answer; of %d clients, handle is running for %d",
			p.name, len(r.clients), r.now.Load())
	}
	got := string(p.Received()[p.heard:])
	r.c.WantText("the answer to "+p.name, got, want)
	p.heard += len(want)
	r.c.Step("%s received %q", p.name, got)
}

// await waits for cond. It gives up, and returns false, when Serve has returned, or when nothing
// moves any more. Each client that is served is a move: code that looks around may serve one at a time.
func (r *run) await(what string, cond func() bool) bool {
	for moved := true; moved; {
		still, calls := r.c.Still(patience), r.calls.Load()
		served := func() bool { return r.calls.Load() > calls }
		r.c.Await(what, func() bool { return cond() || r.call.Ended() || served() || still() })
		moved = served() && !cond() && !r.call.Ended() && int(r.calls.Load()) <= len(r.clients)
	}
	if r.call.Ended() {
		r.c.Settle()
	}
	return cond()
}

// rests waits until Serve has done all that it does for now.
func (r *run) rests() {
	r.c.Await("Serve to wait for clients", func() bool { return r.call.Ended() || r.c.Resting() })
}

func (r *run) closeWrite(p *client) {
	r.c.Say("%s has closed its side", p.name)
	p.CloseWrite()
}

func (r *run) reset(p *client) {
	r.c.Say("%s has reset its connection", p.name)
	p.Reset()
}

// ended waits for the end of a connection, of which Close must have been called.
func (r *run) ended(p *client, handlerHas string) {
	if !r.await(
		"the end of the connection of "+p.name,
		func() bool { return p.Conn().Did().Closed == "Close" },
	) {
		r.calledWell()
		switch {
		case r.call.Ended():
			r.c.Fail("Serve has returned (%s), and the listener is still open", check.Err(r.err))
		case p.Over() != nil:
			r.c.Fail(
				"handle has %s, and of the connection of %s only the writing half is closed: call Close",
				handlerHas,
				p.name,
			)
		}
		r.c.Fail("handle has %s, and the connection of %s is still open", handlerHas, p.name)
	}
	r.c.Step("the connection of %s has ended", p.name)
}

// calledWell ends the case when the handler was called more often than there are clients, or with
// something else than a connection of theirs.
func (r *run) calledWell() {
	if r.strange.Load() {
		r.c.Fail("handle was called with something else than the net.Conn that Accept had returned")
	}
	if calls := int(r.calls.Load()); calls > len(r.clients) {
		r.c.Fail("handle was called %d times for %d clients", calls, len(r.clients))
	}
}

// untouched ends the case when something else was done to the connection of p than to close it,
// though its handler does nothing.
func (r *run) untouched(p *client) {
	r.c.WantNoDeadline("Serve", p.Conn())
	switch d := p.Conn().Did(); {
	case d.Writes > 0:
		r.c.Fail(
			"Serve has written to the connection of %s: the conversation belongs to handle",
			p.name,
		)
	case d.Reads > 0:
		r.c.Fail("Serve has read from the connection of %s: the conversation belongs to handle", p.name)
	}
}

func (r *run) closeListener() {
	r.c.Say("the suite has closed the listener")
	r.ln.Listener.Close()
}

// returns waits for Serve to return, and compares the error.
func (r *run) returns(want error) {
	if !r.await("Serve to return", r.call.Ended) {
		r.c.Fail(
			"Accept has failed, all clients that it returned have been served, and Serve does not return",
		)
	}
	r.c.Step("Serve returned %s", check.Err(r.err))
	if want != nil {
		r.c.WantError("what Serve returned", r.err, want)
	} else if r.err != nil {
		r.c.Fail("the listener was closed, and Serve returned an error, not nil")
	}
}

// stop ends Serve at the end of a variation that is not about how it ends: if it does not, the cases that
// are fail, and no other.
func (r *run) stop() {
	r.ln.Listener.Close()
	for _, p := range r.clients {
		p.CloseWrite()
	}
	r.rests()
}

// listener is what Serve gets. It knows what Accept has returned.
type listener struct {
	*fault.Listener
	last    bool // the first client that is accepted closes the listener
	wrapped bool // net.ErrClosed comes in other words

	mu     sync.Mutex
	conns  []net.Conn
	closed bool // by Serve
}

func (l *listener) Accept() (net.Conn, error) {
	conn, err := l.Listener.Accept()
	switch {
	case l.wrapped && errors.Is(err, net.ErrClosed):
		err = fmt.Errorf("accepting behind a proxy: %w", goneError{})
	case err == nil:
		l.mu.Lock()
		l.conns = append(l.conns, conn)
		l.mu.Unlock()
		if l.last {
			l.Listener.Close()
		}
	}
	return conn, err
}

// goneError is net.ErrClosed, and does not say so.
type goneError struct{}

func (goneError) Error() string { return "the proxy has gone" }
func (goneError) Unwrap() error { return net.ErrClosed }

func (l *listener) returned(conn net.Conn) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.Contains(l.conns, conn)
}

// first is the first connection that Accept has returned.
func (l *listener) first() net.Conn {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.conns[0]
}

func (l *listener) accepted() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.conns)
}

// Close is called by Serve.
func (l *listener) Close() error {
	l.mu.Lock()
	l.closed = true
	l.mu.Unlock()
	return l.Listener.Close()
}

func (l *listener) closes() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.closed
}
