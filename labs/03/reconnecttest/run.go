package reconnecttest

import (
	"bufio"
	"errors"
	"io"
	"net"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"socketbook/tools/check"
	"socketbook/tools/fault"
)

// The lines that the suite's handler takes for orders, besides those in handlerErrors and handlerPanics. It
// answers every other line in upper case.
const (
	orderReturn     = "return"
	orderClose      = "close and return"
	orderError      = "return an error"
	orderPassing    = "return the temporary error"
	orderPanic      = "panic"
	orderClosePanic = "close and panic"
	orderNilMap     = "write to a nil map"
	orderUnread     = "answer when the client has gone"
)

// visits is nil: nobody has made the map.
var visits map[string]int

// run is one call of Serve: the suite's listener and handler, and what has happened so far.
type run struct {
	c   *check.C
	lab Lab
	ln  *listener

	call    *check.Call
	done    chan struct{} // closed when Serve has returned
	err     error         // what it returned
	dialled int
	ending  atomic.Bool // it does not matter any more how Serve ends
	// how long a client waits for an answer while Serve rests; 0 means as long as the watchdog
	patience time.Duration

	// of the handler
	calls   atomic.Int32
	over    atomic.Int32           // calls that have returned or panicked
	strange atomic.Int32           // calls with something that Accept has not returned
	twice   atomic.Bool            // a call with a connection that another one has got
	seen    sync.Map               // connections that a call has got
	timed   atomic.Pointer[string] // the method that had set a deadline before a call
	handled sync.Map               // address of a client → *traffic
}

// traffic counts the calls of the handler on one connection.
type traffic struct{ reads, writes atomic.Int32 }

// counted is a connection that the handler uses.
type counted struct {
	net.Conn
	*traffic
}

func (c counted) Read(p []byte) (int, error) {
	c.reads.Add(1)
	return c.Conn.Read(p)
}

func (c counted) Write(p []byte) (int, error) {
	c.writes.Add(1)
	return c.Conn.Write(p)
}

// prepare makes a listener. Clients may connect to it before serve is called.
func (s suite) prepare(c *check.C) *run { return s.prepareWith(c, c.Listen()) }

func (s suite) prepareWith(c *check.C, ln *fault.Listener) *run {
	return &run{c: c, lab: s.lab, ln: newListener(ln), done: make(chan struct{})}
}

// start is prepare and serve. It is no step: a variation that begins with it, or comes after it, says that
// Serve is running.
func (s suite) start(c *check.C) *run {
	r := s.prepare(c)
	r.call = r.startServe()
	return r
}

func (r *run) serve() {
	r.c.Step("the suite called Serve(ln, handle)")
	r.call = r.startServe()
}

func (r *run) startServe() *check.Call {
	return r.c.Start("Serve(ln, handle)", func() {
		defer close(r.done)
		defer func() {
			if r.ending.Load() { // a panic is another way to end
				_ = recover()
			}
		}()
		r.err = r.lab.Serve(r.ln, r.handle)
	})
}

// handle is the handler. It does not close the connection, unless it is told to.
func (r *run) handle(conn net.Conn) error {
	r.calls.Add(1)
	defer r.over.Add(1)
	if !r.ln.returned(conn) {
		r.strange.Add(1)
	} else if _, known := r.seen.LoadOrStore(conn, true); known {
		r.twice.Store(true)
	}
	r.lookForDeadlines(conn)
	defer r.lookForDeadlines(conn)
	t := &traffic{}
	r.handled.Store(conn.RemoteAddr().String(), t)
	return converse(counted{conn, t})
}

// lookForDeadlines notes that a deadline was set on the connection: the handler sets none.
func (r *run) lookForDeadlines(conn net.Conn) {
	if w, ok := conn.(interface{ Did() fault.Did }); ok && w.Did().Deadline != "" {
		method := w.Did().Deadline
		r.timed.Store(&method)
	}
}

func converse(conn net.Conn) error {
	lines := bufio.NewScanner(conn)
	for lines.Scan() {
		order := lines.Text()
		if err, ok := handlerErrors[order]; ok {
			return err
		}
		if value, ok := handlerPanics[order]; ok {
			panic(value)
		}
		switch order {
		case orderReturn:
			return nil
		case orderClose:
			return conn.Close()
		case orderClosePanic:
			conn.Close()
			panic("the handler panics, and has closed its connection")
		case orderNilMap:
			visits["client"]++
		case orderUnread:
			return answerTooLate(conn)
		}
		if _, err := io.WriteString(conn, strings.ToUpper(order)+"\n"); err != nil {
			return err
		}
	}
	return lines.Err()
}

// answerTooLate waits until the client is gone, and answers then.
func answerTooLate(conn net.Conn) error {
	io.Copy(io.Discard, conn)
	_, err := io.WriteString(conn, "too late\n")
	return err
}

// client is a client of the suite's.
type client struct {
	*fault.Peer
	name  string
	heard int // bytes of answers that were looked at
}

func (r *run) dial(name string) *client {
	peer, err := r.ln.Dial()
	if err != nil && r.ln.closedByServe() {
		r.notToBeClosed(name)
	}
	if err != nil {
		r.c.NotGraded("no connection on 127.0.0.1 could be made: %v", err)
	}
	r.dialled++
	r.c.Step("%s connected", name)
	return &client{Peer: peer, name: name}
}

// notToBeClosed ends the case because Serve has closed the listener, and a client cannot connect.
func (r *run) notToBeClosed(name string) {
	r.c.Await("the end of Serve", func() bool { return r.call.Ended() || r.c.Resting() })
	if r.call.Ended() {
		r.c.Fail("Serve has closed the listener and returned (%s), and %s cannot connect", check.Err(r.err), name)
	}
	r.c.Rule("The listener belongs to the caller: Serve may close it when it is about to return, and not "+
		"before.",
		"Leave the listener open, whatever has happened to a client or in Accept: the next client is going to "+
			"connect.")
	r.c.Fail("Serve has closed the listener, and %s cannot connect", name)
}

// send sends a line.
func (r *run) send(p *client, cut fault.Cut, line string) {
	r.c.Say("%s has sent the line %q", p.name, line)
	p.Send(cut.Pieces([]byte(line + "\n"))...)
}

// talk sends a line and waits for its answer.
func (r *run) talk(p *client, cut fault.Cut, line string) {
	r.send(p, cut, line)
	r.answer(p, strings.ToUpper(line)+"\n")
}

// answer waits for an answer.
func (r *run) answer(p *client, want string) {
	came := func() bool { return len(p.Received())-p.heard >= len(want) || p.Over() != nil || r.call.Ended() }
	var waited check.Stopwatch
	// Resting twice: what the code did while the first one looked has arrived when the second says
	// yes
	late := func() bool {
		return r.patience > 0 && waited.Read() > r.patience && r.c.Resting() && r.c.Resting()
	}
	r.c.Await("the answer to "+p.name, func() bool { return came() || late() })
	if !came() {
		r.calledWell()
		r.c.Rule("Serve accepts the next client at once, and calls handle for it: it pauses after a temporary "+
			"error of Accept, and never otherwise.",
			"Look at the line where Serve waits: a sleep between two clients, a lock, or a connection that "+
				"goroutines share.")
		r.c.Fail("%s waits for its answer, and Serve waits as well, for nothing that has to do "+
			"with clients", p.name)
	}
	if !came() || r.call.Ended() {
		r.c.Settle() // an answer may still be on its way
	} else if len(p.Received())-p.heard < len(want) { // the connection has ended; so, perhaps, has Serve
		r.c.Await("the end of Serve", func() bool { return r.call.Ended() || r.c.Resting() })
	}
	got := string(p.Received()[p.heard:])
	switch {
	case len(got) >= len(want):
	case r.call.Ended():
		if r.ln.calls() == 0 {
			r.c.Rule("ln may be any net.Listener: Serve calls its Accept.",
				"Use the methods of the interface, and leave *net.TCPListener alone.")
		}
		r.c.Fail("Serve has returned (%s), and %s has no answer", check.Err(r.err), p.name)
	default:
		r.notTurnedAway(p)
		r.c.Fail("the connection of %s ended before the answer came: %v", p.name, p.Over())
	}
	r.c.WantText("the answer to "+p.name, got, want)
	p.heard += len(want)
	r.c.Step("%s received %q", p.name, got)
}

// notTurnedAway ends the case if Serve, which rests, has not called handle for each client that it has
// accepted, and has closed the connection of p.
func (r *run) notTurnedAway(p *client) {
	if int(r.calls.Load()) < len(r.ln.accepts()) {
		r.c.Rule("Whoever Accept returns is a client, of whatever type the connection is, and however many "+
			"there are: handle is called for each.",
			"Look at the line that closes a connection without a call of handle.")
		r.c.Fail("the connection of %s has ended, and handle was not called for every client that Accept "+
			"has returned", p.name)
	}
}

func (r *run) closeWrite(p *client) {
	r.c.Say("%s has closed its side", p.name)
	p.CloseWrite()
}

// overOrForgotten waits until the connection of p has ended, or will not end any more because Serve
// has forgotten it. The handlers of all other clients are over, or about to be.
func (r *run) overOrForgotten(p *client) (open bool) {
	isOpen := func() bool { return p.Over() == nil && p.Conn().Did().Closed != "Close" }
	var waited check.Stopwatch
	maybe := func() bool { // before that a look at the code says nothing
		long := waited.Read() > 10*aMoment
		return long || int(r.over.Load()) == r.dialled
	}
	// isOpen is asked again, because Resting has looked at the connections before it looked at the
	// code
	forgotten := func() bool {
		late := int(r.over.Load()) == r.dialled &&
			waited.Read() > aMoment // a Close in another process is under way
		return late && isOpen() && r.c.Resting() && isOpen()
	}
	r.c.Await("the end of the connection of "+p.name, func() bool {
		return r.call.Ended() || maybe() && (p.Over() != nil && r.c.Resting() ||
			forgotten()) // Serve may still be about to close, or to return
	})
	r.calledWell()
	r.untouched(p)
	return isOpen()
}

// hungUp waits for the end of a connection, whatever kind of end it is. handlerHas is what the handler does
// before that: "returned".
func (r *run) hungUp(p *client, handlerHas string) {
	open := r.overOrForgotten(p)
	if r.call.Ended() {
		if handlerHas == "returned" {
			r.c.Rule("What handle or Close returns concerns one client: Serve goes on with the next one.",
				"Log the error of handle, or ignore it; do not return it.")
		}
		r.c.Fail("Serve has returned (%s), and the listener is still open", check.Err(r.err))
	}
	if open {
		r.calledWell()
		r.c.Fail("handle has %s, and the connection of %s is still open", handlerHas, p.name)
	}
	r.c.Step("the connection of %s has ended", p.name)
}

// untouched ends the case if anybody but the handler has read from the connection of p, or written
// to it. The handler is done with it.
func (r *run) untouched(p *client) {
	t, ok := r.handled.Load(p.Conn().RemoteAddr().String())
	d := p.Conn().Did()
	if !ok || d.Closed != "Close" && int(r.over.Load()) != r.dialled {
		return
	}
	what := ""
	if d.Deadline != "" {
		r.timed.Store(&d.Deadline)
		r.calledWell()
	}
	switch t := t.(*traffic); {
	case d.Writes > int(t.writes.Load()):
		what = "written to"
	case d.Reads > int(t.reads.Load()):
		what = "read from"
	default:
		return
	}
	r.c.Rule("The conversation belongs to handle: Serve neither reads from the connection nor "+
		"writes to it, "+
		"before, after an error or after a panic.", "Only close the connection when handle has returned.")
	r.c.Fail("Serve has %s the connection of %s", what, p.name)
}

// ended waits for the end of a connection that has to be closed in the normal way.
func (r *run) ended(p *client) {
	r.hungUp(p, "returned")
	if closed := p.Conn().Did().Closed; closed != "Close" {
		r.c.Fail(
			"handle has returned, and of the connection of %s only the writing half is closed: call Close",
			p.name,
		)
	}
	r.c.WantError("the end of the connection of "+p.name, p.Over(), io.EOF)
}

func (r *run) reset(p *client) {
	r.c.Say("%s has reset its connection", p.name)
	p.Reset()
}

// nextClient is a client that has nothing special about it. Whether its connection is closed is a case of
// its own.
func (r *run) nextClient() *client {
	p := r.dial("the next client")
	r.talk(p, fault.Whole, "anybody there?")
	r.closeWrite(p)
	return p
}

// calledWell ends the case when the handler was called more often than there are clients, or with
// something else than a connection of theirs.
func (r *run) calledWell() {
	if r.strange.Load() > 0 {
		r.c.Rule("handle is called with the connection that Accept has returned, and only when there is one.",
			"Look at the error of Accept first, and hand over conn itself: no other type around it.")
		r.c.Fail("handle was called with something else than the net.Conn that Accept had returned")
	}
	if method := r.timed.Load(); method != nil {
		r.c.Rule("How long a client may take is for handle to decide: Serve sets no deadline.",
			"Hand the connection over as Accept has returned it.")
		r.c.Fail("Serve has called %s on a connection", *method)
	}
	if r.twice.Load() && int(r.calls.Load()) <= r.dialled {
		r.c.Rule("handle is called once for each client, with the connection of this client.",
			"Make a new variable for each client: conn, err := ln.Accept() in the loop. One that is declared "+
				"before the loop is shared by all goroutines.")
		r.c.Fail("handle was called twice with the same connection, and not with that of another client")
	}
	if calls := int(r.calls.Load()); calls > r.dialled {
		r.c.Rule("handle is called once for each client, whatever it has returned.",
			"Do not call handle again: close the connection, and go on with the next Accept.")
		r.c.Fail("handle was called %d times for %d clients", calls, r.dialled)
	}
}

// calledForAll ends the case when the handler was not called for every client.
func (r *run) calledForAll() {
	if calls := int(r.calls.Load()); calls < r.dialled {
		r.c.Fail("handle was called %d times for %d clients: it is called for every one, and finds out "+
			"itself who has left", calls, r.dialled)
	}
}

func (r *run) closeListener() {
	r.c.Say("the suite has closed the listener")
	r.ln.shut()
}

// ends waits until Serve returns. It is false when Serve calls Accept once more instead, after an error
// that is the end.
func (r *run) ends() bool {
	defer r.ln.release()
	r.c.Await("Serve to return", func() bool { return r.call.Ended() || r.ln.askedAgain() })
	return !r.ln.askedAgain()
}

// returned waits until Serve returns, and compares the error; nil if the listener was closed.
func (r *run) returned(want error) {
	if !r.ends() {
		last := want
		if last == nil {
			last = net.ErrClosed
		}
		r.c.Fail("Accept has returned the error %s, and Serve has called it once more", check.Err(last))
	}
	r.c.Step("Serve returned %s", check.Err(r.err))
	r.calledWell()
	r.servedAll()
	if want != nil {
		r.c.WantError("what Serve returned", r.err, want)
	} else if r.err != nil {
		r.c.Fail("the listener was closed, and Serve returned an error, not nil")
	}
}

// servedAll ends the case unless handle was called for every client that Accept has returned. Serve has
// returned.
func (r *run) servedAll() {
	if accepted := len(r.ln.accepts()); int(r.calls.Load()) < accepted {
		r.c.Rule("handle is called for every client that Accept has returned, however the listener ends.",
			"Before you return, serve those that wait in a channel or a list of your own.")
		r.c.Fail("clients that Accept has returned: %d; calls of handle: %d; and Serve has returned",
			accepted, r.calls.Load())
	}
}

// finishes closes the listener and waits for Serve, which has nothing to wait for any more. Whether
// it returns net.ErrClosed is another case, and so is a Serve that panics or calls Accept once
// more. before is what might keep it: "some handlers have panicked".
func (r *run) finishes(before string) {
	r.c.Variation("Serve is running; %s, all clients have gone, and the listener is closed", before)
	r.ending.Store(true)
	r.ln.shut()
	if r.ends() && r.err != nil && !check.Is(r.err, net.ErrClosed) {
		r.c.Rule("When the listener is closed, Serve returns nil, whatever handlers have returned before.",
			"Do not keep the error of a handler.")
		r.c.Fail("the listener was closed, and Serve returned %s, not nil", check.Err(r.err))
	}
}

// stop ends Serve at the end of a case that is not about how Serve ends. It is not awaited: a Serve
// that does not end fails the cases that are, and no other.
func (r *run) stop() {
	r.c.Step("the suite has closed the listener, because this case is over")
	r.halt()
}

// halt is stop without a step, for what is deferred.
func (r *run) halt() {
	r.ending.Store(true)
	r.ln.Listener.Close()
	select {
	case <-r.done:
	case <-time.After(100 * time.Millisecond):
	}
}

// listener is what Serve gets. It notes what becomes of the calls of Accept: how soon after an error the
// next one comes, and whether one comes after an error that is the end. It keeps goroutines apart, because
// several may accept, each with its own pauses and its own end.
type listener struct {
	*fault.Listener

	mu         sync.Mutex
	conns      []net.Conn           // what Accept has returned
	clock      *clock               // started in the case that looks at pauses
	failed     map[string]time.Time // goroutine → when its last Accept failed; zero if it did not
	last       time.Time            // when any Accept failed last
	early      error                // after which a call came too soon
	lastErr    error                // which one that was
	lastAt     time.Duration        // on the clock
	closeAfter int                  // errors until the listener closes; 0 for never
	closed     bool                 // by the suite
	ended      map[string]bool      // goroutines to which Accept has returned an error that is the end
	again      bool                 // one of them has called it once more
	closeNext  bool                 // as soon as a client is accepted
	closing    bool                 // a connection that closes slowly is about to
	asked      int                  // calls of Accept
	pauses     []time.Duration      // between an error and the next call
	awake      []time.Duration      // the same, on the clock: without what the machine has added
	inRow      bool                 // Accept fails again and again, see failInRow
	failures   int                  // how often it has done so
	closedAs   func(error) error    // what becomes of net.ErrClosed; nil for nothing
	addressed  bool                 // the address of a client has a type of its own
	shutDown   bool                 // Serve has called Close

	released chan struct{} // closed when the calls that are held up may go on
	release  func()        // closes it
}

func newListener(ln *fault.Listener) *listener {
	l := &listener{
		Listener: ln,
		clock:    &clock{},
		failed:   map[string]time.Time{},
		ended:    map[string]bool{},
		released: make(chan struct{}),
	}
	l.release = sync.OnceFunc(func() { close(l.released) })
	return l
}

// soon is half of the pause that the task asks for, so that a coarse clock does no harm.
const soon = 500 * time.Microsecond

// Accept holds up who should not have called it: otherwise an endless loop might be at its end before the
// suite has looked.
func (l *listener) Accept() (net.Conn, error) {
	caller := goroutine()
	if !l.enter(caller) {
		<-l.released
	}
	var conn net.Conn
	err := l.nextInRow()
	if err == nil {
		conn, err = l.Listener.Accept()
	}
	if err != nil {
		if errors.Is(err, net.ErrClosed) && l.closedAs != nil {
			err = l.closedAs(err)
		}
		if l.refused(caller, err) {
			l.shut()
		}
		return nil, err
	}
	if f, ok := conn.(*fault.Conn); ok && l.addressed {
		conn = addressed{f}
	}
	l.accepted(caller, conn)
	return conn, nil
}

// addressed is a connection whose address has a type of its own.
type addressed struct{ *fault.Conn }

type address struct{ net.Addr }

func (a addressed) RemoteAddr() net.Addr { return address{a.Conn.RemoteAddr()} }

// enter compares with the last error that the same goroutine got; for a goroutine that has not called
// before, with the last error of all.
func (l *listener) enter(caller string) (ok bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	failed, known := l.failed[caller]
	if !known {
		failed = l.last
	}
	l.asked++
	if !failed.IsZero() {
		paused := time.Since(failed)
		l.pauses = append(l.pauses, paused)
		l.awake = append(l.awake, l.clock.read()-l.lastAt)
		if paused < soon {
			l.early = l.lastErr
		}
	}
	l.again = l.again || l.ended[caller]
	return !l.ended[caller]
}

func (l *listener) accepted(caller string, conn net.Conn) {
	l.mu.Lock()
	l.failed[caller], l.last = time.Time{}, time.Time{}
	l.conns = append(l.conns, conn)
	last := l.closeNext
	l.mu.Unlock()
	if last {
		l.shut()
	}
}

func (l *listener) refused(caller string, err error) (toClose bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if errors.Is(err, net.ErrClosed) {
		l.failed[caller] = time.Time{}
		l.ended[caller] = l.closed
		return false
	}
	l.ended[caller] = slices.Contains(permanentErrors, err)
	l.last, l.lastAt, l.lastErr = time.Now(), l.clock.read(), err
	l.failed[caller] = l.last
	l.closeAfter--
	return l.closeAfter == 0
}

// shut is Close, called by the suite.
func (l *listener) shut() {
	l.look(func() { l.closed = true })
	l.Listener.Close()
}

// Close is what Serve calls, if it does.
func (l *listener) Close() error {
	l.look(func() { l.shutDown = true })
	return l.Listener.Close()
}

func (l *listener) closedByServe() (closed bool) {
	l.look(func() { closed = l.shutDown })
	return closed
}

// look runs f under the lock.
func (l *listener) look(f func()) {
	l.mu.Lock()
	defer l.mu.Unlock()
	f()
}

// returned reports whether Accept has returned conn.
func (l *listener) returned(conn net.Conn) (ok bool) {
	l.look(func() { ok = slices.Contains(l.conns, conn) })
	return ok
}

// closeAfterErrors makes the listener close when Accept has failed n times more.
func (l *listener) closeAfterErrors(n int) {
	l.look(func() { l.closeAfter = n })
}

// closeAfterClient makes the listener close when a client is accepted.
func (l *listener) closeAfterClient() {
	l.look(func() { l.closeNext = true })
}

// holdClose is what a connection does first that takes its time to close: until release.
func (l *listener) holdClose() error {
	l.look(func() { l.closing = true })
	<-l.released
	return nil
}

// isClosing reports whether Close of such a connection was called.
func (l *listener) isClosing() (closing bool) {
	l.look(func() { closing = l.closing })
	return closing
}

// askedAgain reports whether Accept was called after an error that is the end.
func (l *listener) askedAgain() (again bool) {
	l.look(func() { again = l.again })
	return again
}

// calls is how often Accept was called.
func (l *listener) calls() (n int) {
	l.look(func() { n = l.asked })
	return n
}

// paused is how long Serve has paused after errors, all in all.
func (l *listener) paused() (d time.Duration) {
	l.look(func() {
		for _, p := range l.pauses {
			d += p
		}
	})
	return d
}

// lastPause is the one before the last call of Accept after an error.
func (l *listener) lastPause() (d time.Duration) {
	l.look(func() {
		if len(l.pauses) > 0 {
			d = l.pauses[len(l.pauses)-1]
		}
	})
	return d
}

// shortestPause is the one that says most about what Serve means: on a busy machine the others get longer.
func (l *listener) shortestPause() (d time.Duration) {
	l.look(func() {
		if len(l.pauses) > 0 {
			d = slices.Min(l.pauses)
		}
	})
	return d
}

// accepts returns what Accept has returned.
func (l *listener) accepts() (conns []net.Conn) {
	l.look(func() { conns = slices.Clone(l.conns) })
	return conns
}

// tooSoon is an error of Accept that was followed by the next call at once; nil if there was none.
func (l *listener) tooSoon() (err error) {
	l.look(func() { err = l.early })
	return err
}

// failInRow makes Accept, in which Serve waits, fail again and again before it hands out clients:
// more often than anybody may think enough, or, where the pauses are long, at least ten times.
func (l *listener) failInRow() {
	l.look(func() { l.inRow, l.failures = true, 1 })
	l.Fail(temporaryErrors[0])
}

// nextInRow is the next error of such a row; nil when it is over. Whether the pauses have grown is told by
// a watch, which never shows less than Serve has waited.
func (l *listener) nextInRow() (err error) {
	const atLeast, newest, grown = 10, 6, 15 * time.Millisecond
	l.look(func() {
		if l.inRow && l.failures >= atLeast && len(l.pauses) >= newest {
			l.inRow = l.failures < many && slices.Min(l.pauses[len(l.pauses)-newest:]) <= grown
		}
		if l.inRow {
			err = temporaryErrors[l.failures%len(temporaryErrors)]
			l.failures++
		}
	})
	return err
}

// row tells how far such a row has come: the errors so far, the first of them after which the pause
// was, or is, too long, 0 for none, and whether the row is over.
func (l *listener) row() (n, tooLong int, over bool) {
	l.look(func() {
		n, over = l.failures, !l.inRow
		awake, pauses := slices.Clone(l.awake), l.pauses
		if !over && !l.last.IsZero() { // one that goes on
			awake = append(awake, l.clock.read()-l.lastAt)
		}
		for i, paused := range awake {
			_, long := allowed(i + 1)
			if paused > long || i+1 >= 5 && i < len(pauses) && pauses[i] > 1600*time.Millisecond {
				tooLong = i + 1
				break
			}
		}
	})
	return n, tooLong, over
}

// goroutine returns the number of the calling goroutine, from the first line of its stack: "goroutine 34
// [running]:".
func goroutine() string {
	var line [32]byte
	runtime.Stack(line[:], false)
	return strings.Fields(string(line[:]))[1]
}

const aMoment = 5 * time.Millisecond // for what is under way from another process

// clock is a Stopwatch that goes on by itself.
type clock struct {
	total atomic.Int64 // nanoseconds
}

// startClock starts a clock, which stop stops.
func startClock() (c *clock, stop func()) {
	c = &clock{}
	done := make(chan struct{})
	go func() {
		var watch check.Stopwatch
		tick := time.NewTicker(aMoment)
		defer tick.Stop()
		for {
			c.total.Store(int64(watch.Read()))
			select {
			case <-tick.C:
			case <-done:
				return
			}
		}
	}()
	return c, func() { close(done) }
}

func (c *clock) read() time.Duration { return time.Duration(c.total.Load()) }

// acceptFails makes Accept return these errors before it hands out the next client.
func (r *run) acceptFails(errs ...error) {
	for _, err := range errs {
		r.c.Step("Accept is going to return the error %s", check.Err(err))
	}
	r.ln.Fail(errs...)
}
