package fortresstest

import (
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"slices"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"socketbook/tools/check"
	"socketbook/tools/fault"
)

func (s suite) ends(c *check.C) {
	s.notPositive(c)
	s.passing(c)
	c.Variation("the listener is closed before Serve is called")
	r := prepare(c)
	r.dialler.Close()
	r.serve(s.lab, generous)
	r.returns(nil)

	for _, err := range []error{
		nil,
		errors.New("the network card is on fire"),
		&net.OpError{Op: "accept", Net: "tcp", Err: os.NewSyscallError("accept", syscall.ECONNRESET)},
		io.EOF,
		fmt.Errorf("accepting behind a proxy: %w", net.ErrClosed),
	} {
		c.Variation(
			"Serve is running; clients are silent, in the middle of a request, wait for a command, one of " +
				"them with its stream ended, do not read, and are refused",
		)
		r := s.start(c, generous)
		w := r.waits("x")
		defer w.release()
		r.dial()
		p, q, unread, bad := r.newcomer(), r.dial(), r.newcomer(), r.dial()
		p.sends(fault.Whole, request("date")[:20])
		q.requests(orderWait + " x")
		half := r.dial()
		half.requests(orderWait + " x")
		half.CloseWrite()
		defer unread.stopsReading()()
		unread.requests("hello")
		bad.sends(fault.Whole, "\xff\xff\xff\xff")
		r.await("run to be called", func() bool { return w.began.Load() == 2 })
		r.rests()
		r.end(err)
		if !r.await("the end of ctx", func() bool { return w.stopped.Load() == 2 }) {
			c.Fail("Accept has failed, and the ctx of run has not ended")
		}
		if check.Is(err, net.ErrClosed) {
			err = nil
		}
		r.returns(err)
		for _, p := range r.clients {
			p.isClosed(r.await, "Serve has returned")
		}
	}

	c.Variation(
		"Serve is running; two commands wait; one of the clients resets its connection, the listener is closed, " +
			"and the commands take a while to end",
	)
	r = s.start(c, generous)
	w := r.waits("x")
	defer w.release()
	gone := r.waits("gone")
	defer gone.release()
	w.deaf, gone.deaf = true, true
	r.dial().requests(orderWait + " x")
	p := r.dial()
	p.requests(orderWait + " gone")
	r.await("run to be called", func() bool { return w.began.Load() == 1 && gone.began.Load() == 1 })
	c.Say("%s has reset its connection", p.name)
	p.Reset()
	r.await("the end of ctx", func() bool { return gone.stopped.Load() == 1 })
	r.end(nil)
	for _, one := range []*wait{w, gone} {
		r.rests()
		if r.call.Ended() {
			c.Fail("Serve has returned, and run has not")
		}
		c.Say("one of the commands is done")
		one.release()
	}
	r.returns(nil)

	c.Variation("Serve is running; MaxClients is 1, and a second client is told so, which takes a while; the " +
		"listener is closed")
	r = prepare(c)
	r.dial()
	held, told := r.dial().Conn().Hold("Write")
	letGo := sync.OnceFunc(told)
	defer letGo()
	r.serve(s.lab, with(func(l *Limits) { l.MaxClients = 1 }))
	if r.await("the second client to be told", held) {
		r.end(nil)
		r.rests()
		if r.call.Ended() {
			c.Fail("Serve has returned, and a Write that it has started has not")
		}
		letGo()
		r.returns(nil)
	} else { // which is the matter of another case
		r.stop()
	}

	c.Variation(
		"Serve is running; a client is there; the listener is closed, and closing a connection takes a while",
	)
	r = s.start(c, generous)
	p = r.newcomer()
	var closing atomic.Bool
	released := make(chan struct{})
	release := sync.OnceFunc(func() { close(released) })
	defer release()
	p.Conn().Before("Close", func() error {
		closing.Store(true)
		<-released
		return nil
	})
	r.end(nil)
	c.Await("the connection to be closed", func() bool { return closing.Load() || r.call.Ended() })
	r.rests()
	if r.call.Ended() {
		c.Fail("Serve has returned, and the connection of %s is not closed yet", p.name)
	}
	release()
	r.returns(nil)

	c.Variation("Serve is running; a client is there; the listener is closed, and the Read that waits takes a " +
		"while to return")
	r = prepare(c)
	onward := make(chan struct{})
	goOn := sync.OnceFunc(func() { close(onward) })
	defer goOn()
	var lingers atomic.Int32
	r.ln = lingering{r.ln, onward, &lingers}
	r.serve(s.lab, generous)
	p = r.newcomer()
	r.end(nil)
	c.Await("the connection to be closed", func() bool { return (p.closed() || r.call.Ended()) && c.Resting() })
	if r.call.Ended() && lingers.Load() > 0 { // who looks around may have been between two Reads
		c.Fail("Serve has returned, and a Read that it has started has not")
	}
	goOn()
	r.returns(nil)
}

// notPositive calls Serve with limits that are none.
func (s suite) notPositive(c *check.C) {
	for i, set := range []func(l *Limits, n int){
		func(l *Limits, n int) { l.MaxClients = n },
		func(l *Limits, n int) { l.MaxHeader = n },
		func(l *Limits, n int) { l.MaxCommand = n },
		func(l *Limits, n int) { l.MaxOutput = n },
		func(l *Limits, n int) { l.Request = time.Duration(n) },
		func(l *Limits, n int) { l.Run = time.Duration(n) },
		func(l *Limits, n int) { l.Answer = time.Duration(n) },
	} {
		for _, n := range []int{0, -1} {
			name := []string{"MaxClients", "MaxHeader", "MaxCommand", "MaxOutput", "Request", "Run", "Answer"}[i]
			c.Variation("Serve is called, and limits.%s is %d; a client waits in the queue", name, n)
			c.Rule(
				"Each limit is 1 or more. If one is not, Serve returns an error, at once and without a call of Accept.",
				"Look at all of them before you accept anybody.",
			)
			r := prepare(c)
			counted := &counting{Listener: r.ln}
			r.ln = counted
			r.dial()
			r.serve(s.lab, with(func(l *Limits) { set(l, n) }))
			if !r.await("Serve to return", r.call.Ended) {
				c.Fail("limits.%s is %d, and Serve does not return", name, n)
			}
			if r.err == nil || counted.calls.Load() > 0 {
				c.Fail("limits.%s is %d, and Serve has called Accept %d times and returned %s",
					name, n, counted.calls.Load(), check.Err(r.err))
			}
		}
	}
}

// counting is a listener that tells how often Accept was called, and whether too soon after an error.
type counting struct {
	net.Listener
	calls, inside atomic.Int32
	failed        atomic.Pointer[time.Time]
	soon          atomic.Bool
	several       atomic.Bool // goroutines call Accept, and one of them need not have met the error
	mu            sync.Mutex
	pauses        []time.Duration // between an error and the next call
}

// patience is the shortest of the last n pauses: one may be long because the machine is busy.
func (l *counting) patience(n int) time.Duration {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.pauses) < n {
		return 0
	}
	return slices.Min(l.pauses[len(l.pauses)-n:])
}

func (l *counting) Accept() (net.Conn, error) {
	l.calls.Add(1)
	if l.inside.Add(1) > 1 {
		l.several.Store(true)
	}
	defer l.inside.Add(-1)
	if at := l.failed.Swap(nil); at != nil {
		pause := time.Since(*at)
		if pause < time.Millisecond/2 {
			l.soon.Store(true)
		}
		l.mu.Lock()
		l.pauses = append(l.pauses, pause)
		l.mu.Unlock()
	}
	conn, err := l.Listener.Accept()
	if now := time.Now(); err != nil {
		l.failed.Store(&now)
	}
	return conn, err
}

// lingering is a listener with connections of which a Read that is ended by Close returns when onward is
// closed. lingers counts these Reads.
type lingering struct {
	net.Listener
	onward  <-chan struct{}
	lingers *atomic.Int32
}

func (l lingering) Accept() (net.Conn, error) {
	conn, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return lingerer{conn, l}, nil
}

type lingerer struct {
	net.Conn
	l lingering
}

func (c lingerer) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	if errors.Is(err, net.ErrClosed) {
		c.l.lingers.Add(1)
		<-c.l.onward
	}
	return n, err
}

// passing lets Accept fail with errors that pass.
func (s suite) passing(c *check.C) {
	failed := func(errno syscall.Errno) error {
		return &net.OpError{Op: "accept", Net: "tcp", Err: os.NewSyscallError("accept4", errno)}
	}
	errs := []error{
		failed(syscall.EMFILE), failed(syscall.ENFILE), failed(syscall.ECONNABORTED), syscall.EMFILE,
		fmt.Errorf("accepting behind a proxy: %w", failed(syscall.EMFILE)),
	}
	c.Variation("Serve is running; a client is there; Accept fails for a moment, again and again")
	c.Rule(
		"EMFILE, ENFILE and ECONNABORTED pass. After such an error Serve waits for 1 to 100 ms, and calls Accept "+
			"again, however often that happens. Its clients are served meanwhile.",
		"Ask for these three with errors.Is, sleep, and go back to Accept.",
	)
	r := prepare(c)
	counted := &counting{Listener: r.ln}
	r.ln = counted
	r.serve(s.lab, generous)
	p := r.newcomer()
	for i := range 6 {
		r.dialler.Fail(errs[i%len(errs)], errs[i%len(errs)])
		c.Say("Accept fails twice: %v", errs[i%len(errs)])
		p.asks("still here")
		r.newcomer().leaves()
	}
	if counted.soon.Load() && !counted.several.Load() {
		c.Fail("Accept has failed, and was called again less than 1 ms later")
	}
	const inARow = 13 // a pause of 1 ms that is doubled ten times is one of a second
	c.Say("Accept fails %d times in a row: %v", inARow, errs[0])
	r.rests()
	calls := counted.calls.Load()
	r.dialler.Fail(slices.Repeat(errs[:1], inARow)...)
	for i := range int32(inARow) {
		c.Await("Accept to be called again", func() bool {
			return counted.calls.Load() > calls+i || r.call.Ended()
		})
	}
	if least := counted.patience(3); least > 500*time.Millisecond && !counted.several.Load() {
		c.Fail("Accept has failed %d times in a row, and is called again after %v, not within 100 ms",
			inARow, least.Round(time.Millisecond))
	}
	r.newcomer().leaves()
	c.Variation(
		"Serve is running; a client is there; Accept has failed for a moment, and the listener is closed",
	)
	r.end(nil)
	r.returns(nil)
}

// end lets Accept fail, or closes the listener if err is nil.
func (s *server) end(err error) {
	if err == nil {
		s.c.Say("the suite has closed the listener")
		s.dialler.Close()
		return
	}
	s.c.Say("Accept returns the error %s", check.Err(err))
	s.dialler.Fail(err)
}

func (s *server) returns(want error) {
	if !s.await("Serve to return", s.call.Ended) {
		s.c.Fail("Accept has failed, and Serve does not return")
	}
	s.c.Step("Serve returned %s", check.Err(s.err))
	if want != nil {
		s.c.WantError("what Serve returned", s.err, want)
	} else if s.err != nil {
		s.c.Fail("the listener was closed, and Serve returned an error, not nil")
	}
}
