package reconnecttest

import (
	"bufio"
	"errors"
	"io"
	"net"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"socketbook/tools/check"
	"socketbook/tools/fault"
)

// The lines that the suite's handler takes for orders. It answers every other line in upper case.
const (
	orderReturn     = "return"
	orderClose      = "close and return"
	orderError      = "return an error"
	orderEOF        = "return io.EOF"
	orderErrClosed  = "return net.ErrClosed"
	orderEMFILE     = "return too many open files"
	orderPanic      = "panic"
	orderPanicError = "panic with an error"
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
	calls   atomic.Int32 // of the handler
}

// prepare makes a listener. Clients may connect to it before serve is called.
func (s suite) prepare(c *check.C) *run {
	return &run{c: c, lab: s.lab, ln: &listener{Listener: c.Listen(), failed: map[string]time.Time{}}, done: make(chan struct{})}
}

// start is prepare and serve.
func (s suite) start(c *check.C) *run {
	r := s.prepare(c)
	r.serve()
	return r
}

func (r *run) serve() {
	r.c.Step("the suite called Serve(ln, handle)")
	r.call = r.c.Start("Serve(ln, handle)", func() {
		defer close(r.done)
		r.err = r.lab.Serve(r.ln, r.handle)
	})
}

// handle is the handler. It does not close the connection, unless it is told to.
func (r *run) handle(conn net.Conn) error {
	r.calls.Add(1)
	lines := bufio.NewScanner(conn)
	for lines.Scan() {
		switch lines.Text() {
		case orderReturn:
			return nil
		case orderClose:
			return conn.Close()
		case orderError, orderEOF, orderErrClosed, orderEMFILE:
			return handlerErrors[lines.Text()]
		case orderPanic:
			panic("the handler panics, as it was told")
		case orderPanicError:
			panic(errPlain)
		case orderNilMap:
			visits["client"]++
		case orderUnread:
			return answerTooLate(conn)
		}
		if _, err := io.WriteString(conn, strings.ToUpper(lines.Text())+"\n"); err != nil {
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
	if err != nil {
		r.c.Fail("the suite could not connect: %v", err)
	}
	r.dialled++
	r.c.Step("%s connected", name)
	return &client{Peer: peer, name: name}
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
	r.c.Await("the answer to "+p.name, func() bool { return len(p.Received())-p.heard >= len(want) || p.Over() != nil || r.call.Ended() })
	if r.call.Ended() {
		r.c.Settle() // an answer may still be on its way
	}
	got := string(p.Received()[p.heard:])
	switch {
	case len(got) >= len(want):
	case r.call.Ended():
		r.c.Fail("Serve has returned (%s), and %s has no answer", check.Err(r.err), p.name)
	default:
		r.c.Fail("the connection of %s ended before the answer came: %v", p.name, p.Over())
	}
	r.c.WantText("the answer to "+p.name, got, want)
	p.heard += len(want)
	r.c.Step("%s received %q", p.name, got)
}

func (r *run) closeWrite(p *client) {
	r.c.Say("%s has closed its side", p.name)
	p.CloseWrite()
}

// over waits for the end of a connection, whatever kind of end it is.
func (r *run) over(p *client) {
	r.c.Await("the end of the connection of "+p.name, func() bool {
		return r.call.Ended() || p.Over() != nil && r.c.Resting() // Serve may still be about to return
	})
	if r.call.Ended() {
		r.c.Fail("Serve has returned (%s), and the listener is still open", check.Err(r.err))
	}
	r.c.Step("the connection of %s has ended", p.name)
}

// ended waits for the end of a connection that has to be closed in the normal way.
func (r *run) ended(p *client) {
	r.over(p)
	r.c.WantError("the end of the connection of "+p.name, p.Over(), io.EOF)
}

func (r *run) reset(p *client) {
	r.c.Say("%s has reset its connection", p.name)
	p.Reset()
}

// nextClient is a client that has nothing special about it. Whether its connection is closed is a case of its own.
func (r *run) nextClient() {
	p := r.dial("the next client")
	r.talk(p, fault.Whole, "anybody there?")
	r.closeWrite(p)
}

// calledOnce ends the case when the handler was called more often than there are clients.
func (r *run) calledOnce() {
	if calls := int(r.calls.Load()); calls > r.dialled {
		r.c.Fail("handle was called %d times for %d clients", calls, r.dialled)
	}
}

func (r *run) closeListener() {
	r.c.Say("the suite has closed the listener")
	r.ln.Close()
}

// returned waits until Serve returns, and compares the error.
func (r *run) returned(want error) {
	r.call.Wait()
	r.c.Step("Serve returned %s", check.Err(r.err))
	if want != nil {
		r.c.WantError("what Serve returned", r.err, want)
	} else if r.err != nil {
		r.c.Fail("the listener was closed, and Serve returned an error, not nil")
	}
}

// stop ends Serve at the end of a case that is not about how Serve ends. It is not awaited: a Serve that does not end
// fails the cases that are, and no other.
func (r *run) stop() {
	r.ln.Close()
	select {
	case <-r.done:
	case <-time.After(100 * time.Millisecond):
	}
}

// listener is what Serve gets. It notes how soon after an error Accept is called again.
type listener struct {
	*fault.Listener

	mu         sync.Mutex
	failed     map[string]time.Time // goroutine → when its last Accept failed; zero if it did not
	last       time.Time            // when any Accept failed last
	early      int                  // calls that came too soon
	closeAfter int                  // errors until the listener closes; 0 for never
}

// soon is half of the pause that the task asks for, so that a coarse clock does no harm.
const soon = 500 * time.Microsecond

func (l *listener) Accept() (net.Conn, error) {
	caller := goroutine()
	l.enter(caller)
	conn, err := l.Listener.Accept()
	if l.leave(caller, err) {
		l.Close()
	}
	return conn, err
}

// enter compares with the last error that the same goroutine got, because several may accept, each with its own pauses; for a
// goroutine that has not called before, with the last error of all.
func (l *listener) enter(caller string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	failed, known := l.failed[caller]
	if !known {
		failed = l.last
	}
	if !failed.IsZero() && time.Since(failed) < soon {
		l.early++
	}
}

func (l *listener) leave(caller string, err error) (toClose bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if err == nil || errors.Is(err, net.ErrClosed) {
		l.failed[caller] = time.Time{}
		return false
	}
	l.last = time.Now()
	l.failed[caller] = l.last
	l.closeAfter--
	return l.closeAfter == 0
}

// goroutine returns the number of the calling goroutine, from the first line of its stack: "goroutine 34 [running]:".
func goroutine() string {
	var line [32]byte
	runtime.Stack(line[:], false)
	return strings.Fields(string(line[:]))[1]
}

// closeAfterErrors makes the listener close when Accept has failed n times more.
func (l *listener) closeAfterErrors(n int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.closeAfter = n
}

// tooSoon is how many calls of Accept came at once after an error.
func (l *listener) tooSoon() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.early
}

// acceptFails makes Accept return these errors before it hands out the next client.
func (r *run) acceptFails(errs ...error) {
	for _, err := range errs {
		r.c.Step("Accept is going to return the error %s", check.Err(err))
	}
	r.ln.Fail(errs...)
}
