package servingtest

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
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
	orderDeaf   = "wait for something else"
	orderStop   = "close the server"
	orderShut   = "shut the server down"
	orderBreak  = "panic when the connection has ended"
)

// visits is nil: nobody has made the map.
var visits map[string]int

// run is one server: its methods, the suite's listeners and its handler.
type run struct {
	c       *check.C
	server  Server
	serves  []*serve
	clients []*client

	accepted sync.Map // what Accept has returned

	// of the handler
	calls, over atomic.Int32
	strange     atomic.Bool   // it was called with something that Accept has not returned
	deaf        chan struct{} // closed when handlers that wait for something else go on
	hear        func()        // closes it
	silent      bool          // it does nothing but that
	ctx         context.Context
	shut        chan error // what Shutdown(ctx) has returned to it
}

// serve is one call of Serve.
type serve struct {
	name   string // "Serve 1"
	ln     *listener
	call   *check.Call
	closed bool
	err    error
}

// begin makes a server and calls Serve for n listeners.
func (s suite) begin(c *check.C, n int) *run {
	r := &run{c: c, deaf: make(chan struct{}), shut: make(chan error, 1)}
	r.hear = sync.OnceFunc(func() { close(r.deaf) })
	c.Cleanup(r.hear)
	r.server = s.lab.New(r.handle)
	for range n {
		r.serve()
	}
	return r
}

func (r *run) serve() *serve { return r.serveOn(r.listen()) }

func (r *run) listen() *listener { return &listener{Listener: r.c.Listen(), r: r} }

// listenTCP is listen with connections that are a *net.TCPConn. Nobody sees what is done to them.
func (r *run) listenTCP() *listener { return &listener{Listener: r.c.ListenTCP(), r: r} }

func (r *run) serveOn(ln *listener) *serve {
	v := &serve{name: fmt.Sprintf("Serve %d", len(r.serves)+1), ln: ln}
	r.serves = append(r.serves, v)
	v.call = r.c.Start("Serve(ln)", func() { v.closed, v.err = r.server.Serve(ln) })
	return v
}

// accepting waits until every Serve has called Accept.
func (r *run) accepting() {
	for _, v := range r.serves {
		asked := func() bool { return v.ln.Starved() || v.call.Ended() }
		if r.await(v.name+" to call Accept", asked) && !v.call.Ended() {
			continue
		}
		if v.closed {
			r.c.Fail("%s returned ErrServerClosed, and nobody has closed this server: what another one has been told "+
				"does not concern it", v.name)
		}
		r.c.Fail("%s does not call Accept", v.name)
	}
}

func (r *run) handle(conn net.Conn) {
	r.calls.Add(1)
	defer r.over.Add(1)
	if _, ok := r.accepted.Load(conn); !ok {
		r.strange.Store(true)
	}
	if r.silent {
		<-r.deaf
		return
	}
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
		case orderNilMap:
			visits["client"]++
		case orderDeaf:
			<-r.deaf
			return
		case orderStop:
			r.server.Close()
		case orderShut:
			r.shut <- r.server.Shutdown(r.ctx)
		case orderBreak:
			for lines.Scan() {
			}
			panic("the handler panics at the end of its connection, as it was told")
		default:
			if _, err := io.WriteString(conn, strings.ToUpper(line)+"\n"); err != nil {
				return
			}
		}
	}
}

// client is a client of the suite's.
type client struct {
	*fault.Peer
	name  string
	heard int // bytes of answers that were looked at
}

func (r *run) dial(v *serve) *client {
	peer, err := v.ln.Dial()
	if err != nil && v.ln.closes() {
		if r.await(v.name+" to return", v.call.Ended) {
			r.c.Fail("%s has returned (%s), and neither Shutdown nor Close was called", v.name, check.Err(v.err))
		}
		r.c.Fail("the server has closed a listener, and neither Shutdown nor Close was called")
	}
	if err != nil {
		r.c.NotGraded("no connection on 127.0.0.1 could be made: %v", err)
	}
	p := &client{Peer: peer, name: fmt.Sprintf("client %d", len(r.clients)+1)}
	r.clients = append(r.clients, p)
	r.c.Step("%s connected to the listener of %s", p.name, v.name)
	return p
}

// newcomer is a client that has been answered once.
func (r *run) newcomer(v *serve) *client {
	p := r.dial(v)
	r.talk(p, "hello")
	return p
}

func (r *run) send(p *client, cut fault.Cut, line string) {
	r.c.Say("%s has sent the line %q", p.name, line)
	p.Send(cut.Pieces([]byte(line + "\n"))...)
}

func (r *run) talk(p *client, line string) { r.talkIn(p, fault.Whole, line) }

// talkIn sends a line in pieces and waits for its answer.
func (r *run) talkIn(p *client, cut fault.Cut, line string) {
	r.send(p, cut, line)
	want := strings.ToUpper(line) + "\n"
	came := func() bool { return len(p.Received())-p.heard >= len(want) }
	if !r.await("the answer to "+p.name, func() bool { return came() || p.Over() != nil }) {
		r.c.Fail("%s waits for its answer, and nothing happens", p.name)
	} else if !came() && p.Conn().Did().Closed != "" {
		r.c.Fail("the server has closed the connection of %s, and its Handle has not returned yet", p.name)
	} else if !came() {
		r.c.Fail("the connection of %s ended before the answer came: %v", p.name, p.Over())
	}
	got := string(p.Received()[p.heard:])
	r.c.WantText("the answer to "+p.name, got, want)
	p.heard += len(want)
	r.c.Step("%s received %q", p.name, got)
}

func (r *run) closeWrite(p *client) {
	r.c.Say("%s has closed its side", p.name)
	p.CloseWrite()
}

// await waits for cond. It gives up, and returns false, when nothing moves any more. Each client that is
// served is a move: code that looks around may serve one at a time.
func (r *run) await(what string, cond func() bool) bool {
	for moved := true; moved; {
		still, calls := r.c.Still(patience), r.calls.Load()
		served := func() bool { return r.calls.Load() > calls }
		r.c.Await(what, func() bool { return cond() || served() || still() })
		moved = served() && !cond() && int(r.calls.Load()) <= len(r.clients)
	}
	return cond()
}

// rests waits until the code has done all that it does for now.
func (r *run) rests() { r.c.Await("the server to wait", r.c.Resting) }

func isClosed(p *client) bool { return p.Conn().Did().Closed == "Close" }

// ended waits for the connection of p to be closed. why is what should have ended it.
func (r *run) ended(p *client, why string) {
	if !r.await("the end of the connection of "+p.name, func() bool { return isClosed(p) }) {
		r.calledWell()
		r.c.Fail("%s, and the server has not called Close on the connection of %s", why, p.name)
	}
	r.c.Step("the connection of %s has ended", p.name)
}

// isCut waits for the connection of p to be closed, and looks that nothing else was done to it.
func (r *run) isCut(p *client, why string) {
	r.ended(p, why)
	r.c.WantNoDeadline("the server", p.Conn())
	r.c.Await("the end to arrive", func() bool { return p.Over() != nil })
	if len(p.Received()) > p.heard {
		r.c.Fail("the server has written to the connection of %s before it closed it", p.name)
	}
	r.c.WantError("the end of the connection of "+p.name, p.Over(), io.EOF)
}

// resist makes closing the connections of all clients fail. tried tells how many of them the server has
// tried to close; relent is the end of it.
func (r *run) resist() (tried func() int, relent func()) {
	var over atomic.Bool
	closes := make([]atomic.Bool, len(r.clients))
	for i, p := range r.clients {
		p.Conn().Before("Close", func() error {
			closes[i].Store(true)
			if over.Load() {
				return nil
			}
			return errors.New("the connection does not close")
		})
	}
	tried = func() (n int) {
		for i := range closes {
			if closes[i].Load() {
				n++
			}
		}
		return n
	}
	return tried, func() { over.Store(true) }
}

// open ends the case if the connection of p is closed.
func (r *run) open(p *client, why string) {
	r.rests()
	if p.Conn().Did().Closed != "" {
		r.c.Fail("the server has closed the connection of %s: %s", p.name, why)
	}
}

// ending is a call of Shutdown or Close.
type ending struct {
	what string
	call *check.Call
	err  error
}

func (r *run) shutdown(ctx context.Context) *ending {
	e := &ending{what: "Shutdown(ctx)"}
	r.c.Say("the suite has called Shutdown(ctx)")
	e.call = r.c.Start(e.what, func() { e.err = r.server.Shutdown(ctx) })
	return e
}

func (r *run) closes() *ending {
	e := &ending{what: "Close()"}
	r.c.Say("the suite has called Close()")
	e.call = r.c.Start(e.what, func() { e.err = r.server.Close() })
	return e
}

// returns waits for a call of Shutdown or Close, which has nothing to wait for; because says why not.
func (r *run) returns(e *ending, want error, because string) {
	if !r.await(e.what+" to return", e.call.Ended) {
		r.c.Fail("%s does not return: %s", e.what, because)
	}
	r.c.Step("%s returned %s", e.what, check.Err(e.err))
	if want == nil {
		r.c.WantNil(e.what, e.err)
	} else {
		r.c.WantError(e.what, e.err, want)
	}
}

// waiting ends the case if a call of Shutdown has returned; because says why it should wait.
func (r *run) waiting(e *ending, because string) {
	r.c.Await("Shutdown to wait", func() bool { return e.call.Ended() || r.c.Resting() })
	if e.call.Ended() {
		r.c.Fail("%s has returned (%s): %s", e.what, check.Err(e.err), because)
	}
}

// served waits until every Serve has returned ErrServerClosed, and its listener is closed.
func (r *run) served() {
	for _, v := range r.serves {
		if !r.await(v.name+" to return", v.call.Ended) {
			r.c.Fail("%s does not return, though the server has ended", v.name)
		}
		r.c.Step("%s returned %s", v.name, check.Err(v.err))
		if !v.closed {
			r.c.Fail("%s returned %s, not ErrServerClosed", v.name, check.Err(v.err))
		}
		if !v.ln.closes() {
			r.c.Fail("%s has returned, and its listener is still open", v.name)
		}
	}
}

// calledWell ends the case when the handler was called more often than there are clients, or with
// something else than a connection of theirs.
func (r *run) calledWell() {
	if r.strange.Load() {
		r.c.Fail("Handle was called with something else than the net.Conn that Accept had returned")
	}
	if calls := int(r.calls.Load()); calls > len(r.clients) {
		r.c.Fail("Handle was called %d times for %d clients", calls, len(r.clients))
	}
}

// stop ends what is left of a server at the end of a variation that is not about its end.
func (r *run) stop() {
	r.hear()
	for _, v := range r.serves {
		v.ln.Listener.Close()
	}
	for _, p := range r.clients {
		p.CloseWrite()
	}
	r.rests()
}

// listener is what Serve gets. It knows how often Accept was called, and who has closed it.
type listener struct {
	*fault.Listener
	r     *run
	enter func() // called at the beginning of Accept; may be nil
	leave func() // called when Accept has got a client; may be nil
	fails error  // what Close returns, though the listener is closed
	shut  func() // called at the end of Close; may be nil
	says  error  // what Accept returns when the listener is closed; nil: net.ErrClosed

	mu     sync.Mutex
	calls  int
	closed bool // by the server
}

func (l *listener) Accept() (net.Conn, error) {
	l.look(func() { l.calls++ })
	if l.enter != nil {
		l.enter()
	}
	conn, err := l.Listener.Accept()
	if err == nil {
		l.r.accepted.Store(conn, true)
		if l.leave != nil {
			l.leave()
		}
	} else if l.says != nil && errors.Is(err, net.ErrClosed) {
		err = l.says
	}
	return conn, err
}

// Close is called by the server.
func (l *listener) Close() error {
	var fails error
	l.look(func() { l.closed, fails = true, l.fails })
	err := l.Listener.Close()
	if l.shut != nil {
		l.shut()
	}
	if fails != nil {
		err = fails
	}
	return err
}

func (l *listener) look(f func()) {
	l.mu.Lock()
	defer l.mu.Unlock()
	f()
}

func (l *listener) closes() (closed bool) {
	l.look(func() { closed = l.closed })
	return closed
}

func (l *listener) asked() (calls int) {
	l.look(func() { calls = l.calls })
	return calls
}

// crowded is a listener with a horde of clients, which say nothing; each has a handler that waits for the
// end of its connection.
type crowded struct {
	call     *check.Call // of Serve
	left     atomic.Int32
	now, cut atomic.Int32
	once     sync.Once
	closed   chan struct{}
	peers    sync.Map // the clients' ends
}

// leave closes the listener and the clients' ends.
func (l *crowded) leave() {
	l.Close()
	l.peers.Range(func(peer, _ any) bool {
		peer.(net.Conn).Close()
		return true
	})
}

// crowded makes a server and waits until the whole horde is being served.
func (s suite) crowded(c *check.C) (Server, *crowded) {
	ln := &crowded{closed: make(chan struct{})}
	ln.left.Store(horde)
	server := s.lab.New(func(conn net.Conn) {
		ln.now.Add(1)
		conn.Read(make([]byte, 1))
	})
	c.Cleanup(ln.leave)
	ln.call = c.Start("Serve(ln)", func() { server.Serve(ln) })
	for moved := true; moved; { // one after the other, if the server looks around
		still, before := c.Still(patience), ln.now.Load()
		c.Await("Handle to be called for each", func() bool { return ln.now.Load() > before || still() })
		moved = ln.now.Load() > before && ln.now.Load() < horde
	}
	if n := ln.now.Load(); n < horde {
		c.Fail("of %d clients, Handle is running for %d", horde, n)
	}
	return server, ln
}

func (l *crowded) Accept() (net.Conn, error) {
	if l.left.Add(-1) >= 0 {
		conn, peer := net.Pipe()
		l.peers.Store(peer, true)
		return &mute{Conn: conn, ln: l}, nil
	}
	<-l.closed
	return nil, net.ErrClosed
}

func (l *crowded) Close() error {
	l.once.Do(func() { close(l.closed) })
	return nil
}

func (l *crowded) Addr() net.Addr { return &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 8888} }

// mute is a client of the horde.
type mute struct {
	net.Conn
	ln   *crowded
	once sync.Once
}

// Close counts those that are cut.
func (m *mute) Close() error {
	m.once.Do(func() { m.ln.cut.Add(1) })
	return m.Conn.Close()
}

// What a connection over TCP has besides.
func (m *mute) CloseWrite() error   { return nil }
func (m *mute) SetLinger(int) error { return nil }
