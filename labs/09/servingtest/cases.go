package servingtest

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"socketbook/tools/check"
	"socketbook/tools/fault"
)

const (
	many  = 105 // clients, after which somebody might think it enough
	crowd = 30  // at the same time
	horde = 130 // at the same time, without descriptors
)

var errClosedBadly = errors.New("the listener was closed, and something else has failed")

func (s suite) clients(c *check.C) {
	for _, cut := range c.Cuts(3) {
		c.Variation(
			"Serve is running for two listeners; a client of each talks, %s; another says nothing",
			cut.Name,
		)
		r := s.begin(c, 2)
		r.dial(r.serves[0])
		p, q := r.dial(r.serves[0]), r.dial(r.serves[1])
		for _, line := range []string{"hello", "", "\x00 and 你好"} {
			r.talkIn(p, cut, line)
			r.talkIn(q, cut, line)
		}
		r.closeWrite(p)
		r.talk(q, "still here")
		r.calledWell()
		r.stop()
	}
	c.Variation("Serve is running; %d clients connect, and the last one speaks first", crowd)
	r := s.begin(c, 1)
	var all []*client
	for range crowd {
		all = append(all, r.dial(r.serves[0]))
	}
	for i := len(all) - 1; i >= 0; i-- {
		r.talk(all[i], "hello")
	}
	r.calledWell()
	r.stop()

	c.Variation("Serve is running; %d clients are there, and stay", horde)
	_, ln := s.crowded(c)
	ln.leave()
	c.Await("the server to end", func() bool { return ln.call.Ended() || c.Resting() })

	c.Variation("Serve is running; %d clients come one after the other", many)
	r = s.begin(c, 1)
	for range many {
		r.closeWrite(r.newcomer(r.serves[0]))
	}
	r.calledWell()
	r.stop()

	c.Variation("Serve is running; a client has sent a line, and its handler neither reads nor writes")
	r = s.begin(c, 0)
	r.silent = true
	p := r.dial(r.serve())
	r.send(p, fault.Whole, "hello")
	r.await("Handle to be called", func() bool { return r.calls.Load() > 0 })
	r.open(p, "its handler has not returned yet")
	r.hear()
	r.await("Handle to return", func() bool { return r.over.Load() > 0 })
	r.rests() // if the connection is still open, another case says so
	c.WantNoDeadline("the server", p.Conn())
	if d := p.Conn().Did(); d.Reads+d.Writes > 0 {
		c.Fail("the server has read from the connection of client 1, or written to it: " +
			"the conversation belongs to Handle")
	}
	r.stop()
}

func (s suite) handler(c *check.C) {
	for _, order := range []string{orderReturn, orderClose, orderPanic, orderNilMap} {
		c.Variation(
			"Serve is running for two listeners; a client of each is there; then others end by %q",
			order,
		)
		r := s.begin(c, 2)
		p, q := r.newcomer(r.serves[0]), r.newcomer(r.serves[1])
		for range 3 {
			other := r.newcomer(r.serves[0])
			r.send(other, fault.Whole, order)
			r.ended(other, "Handle has returned or panicked")
			c.Settle()
			if len(other.Received()) > other.heard {
				c.Fail(
					"the server has written to the connection of %s when its handler was over",
					other.name,
				)
			}
			if order == orderReturn {
				c.Await("the end to arrive", func() bool { return other.Over() != nil })
				c.WantError("the end of the connection of "+other.name, other.Over(), io.EOF)
			}
		}
		c.Say("two more clients have connected and reset their connections")
		r.dial(r.serves[0]).Reset()
		r.newcomer(r.serves[1]).Reset()
		r.talk(p, "still here")
		r.talk(q, "me too")
		r.newcomer(r.serves[0])
		r.calledWell()
		r.stop()
	}
	s.overTCP(c)
}

// overTCP lets a handler return whose connection is a *net.TCPConn.
func (s suite) overTCP(c *check.C) {
	c.Variation("Serve is running; the handler of a client whose connection is a *net.TCPConn returns")
	r := s.begin(c, 0)
	p := r.newcomer(r.serveOn(r.listenTCP()))
	r.send(p, fault.Whole, orderReturn)
	if !r.await("the end of the connection", func() bool { return p.Over() != nil }) {
		c.Fail("Handle has returned, and the server has not called Close on the connection of client 1")
	}
	r.met(p)
	r.stop()
}

// met ends the case unless p has met the end of the stream, and its connection, the only one, which is a
// *net.TCPConn, is closed.
func (r *run) met(p *client) {
	if p.Over() != io.EOF {
		r.c.Fail("%s has not met the end of the stream, but %v: call Close, and nothing besides", p.name, p.Over())
	}
	closed := func() bool {
		all := true
		r.accepted.Range(func(conn, _ any) bool {
			all = check.IsClosed(conn.(net.Conn))
			return all
		})
		return all
	}
	if !r.await("the connection to be closed", closed) {
		r.c.Fail("of the connection of %s only the writing half is closed: call Close", p.name)
	}
}

func (s suite) accept(c *check.C) {
	for _, err := range []error{
		errors.New("the network card is on fire"),
		&net.OpError{Op: "accept", Net: "tcp", Err: os.NewSyscallError("accept", syscall.EBADF)},
		&net.OpError{Op: "accept", Net: "tcp", Err: os.ErrDeadlineExceeded},
		io.EOF,
		net.ErrClosed,
	} {
		c.Variation(
			"Serve is running for two listeners; a client of each is there; then Accept of one fails: %v",
			err,
		)
		r := s.begin(c, 2)
		failed, other := r.serves[0], r.serves[1]
		p, q := r.newcomer(failed), r.newcomer(other)
		if err == net.ErrClosed {
			c.Say("the suite has closed the listener of Serve 1")
			failed.ln.Listener.Close()
		} else {
			c.Say("Accept of Serve 1 returns the error %s", check.Err(err))
			failed.ln.Fail(err)
		}
		if !r.await("Serve 1 to return", failed.call.Ended) {
			c.Fail("Accept has failed, and Serve 1 does not return: it neither tries again nor waits for its clients")
		}
		c.Step("Serve 1 returned %s", check.Err(failed.err))
		c.WantError("what Serve 1 returned", failed.err, err)
		if failed.closed {
			c.Fail("what Serve 1 returned is also ErrServerClosed, but nobody has closed the server")
		}
		if !failed.ln.closes() {
			c.Fail("Serve 1 has returned, and has not closed its listener")
		}
		r.talk(p, "still here")
		r.talk(q, "me too")
		if other.call.Ended() {
			c.Fail(
				"Serve 2 has returned (%s), though only the Accept of Serve 1 has failed",
				check.Err(other.err),
			)
		}
		r.newcomer(other)
		r.newcomer(r.serve())
		r.stop()
	}
}

func (s suite) listener(c *check.C) {
	c.Variation("Serve was called for three listeners; a client is there")
	r := s.begin(c, 3)
	r.accepting()
	p := r.newcomer(r.serves[0])
	e := r.shutdown(context.Background())
	r.served()
	r.closeWrite(p)
	r.returns(e, nil, "the last client has gone")

	c.Variation("Serve was called for two listeners, and for a third one; nobody has connected")
	r = s.begin(c, 2)
	r.accepting()
	r.serve()
	r.accepting()
	r.returns(r.shutdown(context.Background()), nil, "nobody is there")
	r.served()

	c.Variation("Serve was called for a listener whose Accept, when it is closed, returns an error of its own")
	c.Rule("When Shutdown or Close was called Serve returns ErrServerClosed, whatever error Accept has "+
		"returned.",
		"Note in a field, under the lock, that the server ends, and look at that after Accept has failed, "+
			"not at its error.")
	r = s.begin(c, 0)
	other := r.listen()
	other.says = errors.New("the proxy has gone")
	r.serveOn(other)
	r.accepting()
	r.returns(r.shutdown(context.Background()), nil, "nobody is there")
	r.served()

	c.Variation("Serve was called for two listeners; closing each of them returns an error")
	r = s.begin(c, 2)
	r.accepting()
	for _, v := range r.serves {
		v.ln.look(func() { v.ln.fails = errClosedBadly })
	}
	r.returns(r.shutdown(context.Background()), nil, "nobody is there")
	r.served()

	c.Variation("Serve was called for a listener; Accept notices at once that this is closed, and Close takes " +
		"a while")
	r = s.begin(c, 0)
	var closing atomic.Bool
	onward := make(chan struct{})
	goesOn := sync.OnceFunc(func() { close(onward) })
	c.Cleanup(goesOn)
	other = r.listen()
	other.shut = func() {
		closing.Store(true)
		<-onward
	}
	v := r.serveOn(other)
	r.accepting()
	e = r.shutdown(context.Background())
	c.Await("the listener to be closed", func() bool {
		return (closing.Load() || e.call.Ended()) && (v.call.Ended() || c.Resting())
	})
	goesOn()
	r.returns(e, nil, "nobody is there")
	r.served()

	for i, which := range []string{"first", "second", "third"} {
		c.Variation("Serve was called for one listener after the other, three in all; Accept of the %s one has "+
			"failed, and its Serve has returned", which)
		r = s.begin(c, 0)
		for range 3 {
			r.serve()
			r.accepting()
		}
		failed := r.serves[i]
		failed.ln.Fail(errors.New("the network card is on fire"))
		r.await(failed.name+" to return", failed.call.Ended)
		r.serves = slices.Delete(r.serves, i, i+1)
		r.returns(r.shutdown(context.Background()), nil, "nobody is there")
		r.served()
	}
}

func (s suite) waits(c *check.C) {
	c.Variation("Serve was called for a listener, which has two clients, and then for another one, which has " +
		"two more; one of the first has left before")
	r := s.begin(c, 1)
	first, gone := r.newcomer(r.serves[0]), r.newcomer(r.serves[0])
	r.serve()
	stay := []*client{r.newcomer(r.serves[1]), r.newcomer(r.serves[1]), first}
	r.closeWrite(gone)
	r.ended(gone, "Handle has returned")
	e := r.shutdown(context.Background())
	for i, order := range []string{orderReturn, orderPanic, ""} {
		r.waiting(e, "not every client has been served to its end")
		for _, p := range stay[i:] {
			r.talk(p, "still here")
		}
		if order == "" {
			r.closeWrite(stay[i])
		} else {
			r.send(stay[i], fault.Whole, order)
		}
		r.ended(stay[i], "Handle has returned or panicked")
	}
	r.returns(e, nil, "the last client has gone")
	r.served()

	c.Variation("Serve is running; a client is there; then Accept fails, and Serve has returned")
	r = s.begin(c, 1)
	p := r.newcomer(r.serves[0])
	r.serves[0].ln.Fail(errors.New("the network card is on fire"))
	r.await("Serve 1 to return", r.serves[0].call.Ended)
	r.serves = nil
	e = r.shutdown(context.Background())
	if !isClosed(p) { // who cuts its clients then fails another case
		r.waiting(e, "client 1 is there")
	}
	r.closeWrite(p)
	r.returns(e, nil, "the last client has gone")

	c.Variation("Serve is running; a client is there; ctx has a deadline, in an hour")
	r = s.begin(c, 1)
	p = r.newcomer(r.serves[0])
	ctx, cancel := context.WithTimeout(context.Background(), time.Hour)
	defer cancel()
	e = r.shutdown(ctx)
	r.waiting(e, "client 1 is there")
	c.WantNoDeadline("Shutdown", p.Conn())
	r.talk(p, "still here")
	r.closeWrite(p)
	r.returns(e, nil, "the last client has gone")
	r.served()

	c.Variation("Serve is running; a client whose connection is a *net.TCPConn talks on while Shutdown waits")
	r = s.begin(c, 0)
	p = r.newcomer(r.serveOn(r.listenTCP()))
	e = r.shutdown(context.Background())
	r.waiting(e, "client 1 is there")
	r.talk(p, "still here")
	r.closeWrite(p)
	r.returns(e, nil, "the last client has gone")
	r.served()
	s.oneLess(c)
	s.atOnce(c)
}

func (s suite) slowClose(c *check.C) {
	c.Variation("Serve is running; a client leaves, and closing its connection takes a while")
	r := s.begin(c, 1)
	p := r.newcomer(r.serves[0])
	var closing atomic.Bool
	released := make(chan struct{})
	release := sync.OnceFunc(func() { close(released) })
	defer release()
	p.Conn().Before("Close", func() error {
		closing.Store(true)
		<-released
		return nil
	})
	e := r.shutdown(context.Background())
	r.closeWrite(p)
	c.Await(
		"the connection to be closed",
		func() bool { return (closing.Load() || e.call.Ended()) && c.Resting() },
	)
	c.Late(250 * time.Millisecond)
	r.waiting(e, "client 1 has not been served to its end, for its connection is not closed yet")
	release()
	r.returns(e, nil, "the last client has gone")
}

// oneLess lets each of three clients leave before Shutdown, another one come, and each that is there then be
// the last.
func (s suite) oneLess(c *check.C) {
	for gone := range 3 {
		for last := range 4 {
			if last == gone {
				continue
			}
			c.Variation("Serve is running; of three clients, client %d has left, client 4 has come, and client %d "+
				"leaves last", gone+1, last+1)
			r := s.begin(c, 1)
			r.comeAndGo(3, gone)
			e := r.shutdown(context.Background())
			r.waiting(e, "three clients are there")
			for i := range r.clients {
				if i != gone && i != last {
					r.leaves(i)
				}
			}
			r.waiting(e, fmt.Sprintf("client %d is there", last+1))
			r.leaves(last)
			r.returns(e, nil, "the last client has gone")
		}
	}
}

// comeAndGo lets n clients come, then one of them leave, and another one come.
func (r *run) comeAndGo(n, gone int) {
	for range n {
		r.newcomer(r.serves[0])
	}
	r.leaves(gone)
	r.newcomer(r.serves[0])
}

// leaves lets a client leave, and waits until the server knows.
func (r *run) leaves(i int) {
	before := r.over.Load()
	r.closeWrite(r.clients[i])
	r.await("Handle to return", func() bool { return r.over.Load() > before })
	r.rests()
}

// atOnce calls Shutdown when a client has just been accepted and Accept is called again, in the same
// goroutine, and with all processors busy: who counts a client too late, in its own goroutine, has not
// had the time to.
func (s suite) atOnce(c *check.C) {
	for range 15 {
		c.Variation(
			"Serve is running; Shutdown is called as soon as a client was accepted, and Accept is called again",
		)
		r := s.begin(c, 0)
		ctx, cancel := context.WithCancel(context.Background())
		defer cancel()
		var accepted, begun, returned, early atomic.Bool
		ln := r.listen()
		ln.leave = func() {
			keepBusy()
			accepted.Store(true)
		}
		ln.enter = func() { // of the first Accept after that: several may wait already
			if accepted.Load() && begun.CompareAndSwap(false, true) {
				r.server.Shutdown(ctx)
				early.Store(r.over.Load() == 0 && ctx.Err() == nil)
				returned.Store(true)
			}
		}
		p := r.dial(r.serveOn(ln))
		c.Await(
			"Shutdown to wait",
			func() bool { return begun.Load() && (returned.Load() || c.Resting()) },
		)
		r.rests()
		// Who takes it for one that came too late closes it.
		if early.Load() && !r.await("the connection to be closed", func() bool { return isClosed(p) }) {
			c.Fail(
				"Shutdown has returned, and client 1 was there: count it before its goroutine is started",
			)
		}
		r.closeWrite(p)
		r.rests()
		cancel() // Shutdown may wait for Serve
		r.served()
	}
}

// keepBusy lets all other processors be busy for a moment.
func keepBusy() {
	var busy sync.WaitGroup
	for range runtime.GOMAXPROCS(0) - 1 {
		busy.Add(1)
		go func() {
			busy.Done()
			for begin := time.Now(); time.Since(begin) < 300*time.Microsecond; {
			}
		}()
	}
	busy.Wait()
}

func (s suite) context(c *check.C) {
	c.Variation(
		"Serve was called for two listeners; three clients are there, and the handler of one waits for " +
			"something else",
	)
	r := s.begin(c, 1)
	first := r.newcomer(r.serves[0])
	r.serve()
	all := []*client{r.newcomer(r.serves[1]), first, r.newcomer(r.serves[1])}
	deaf := r.newcomer(r.serves[0])
	r.send(deaf, fault.Whole, orderDeaf)
	r.send(all[2], fault.Whole, orderBreak)
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	e := r.shutdown(ctx)
	r.waiting(e, "four clients are there, and ctx has not ended")
	r.closeWrite(all[0])
	r.ended(all[0], "Handle has returned")
	for _, p := range append(all[1:], deaf) {
		r.open(p, "ctx has not ended yet")
	}
	r.talk(all[1], "still here")
	c.Say("the suite has cancelled ctx")
	cancel()
	r.returns(e, context.Canceled, "ctx has ended, and handlers are not waited for")
	for _, p := range append(all[1:], deaf) {
		r.isCut(p, "ctx has ended")
	}
	r.served()
	r.hear()

	late, cancel := context.WithDeadline(context.Background(), time.Unix(1, 0))
	defer cancel()
	caused, because := context.WithCancelCause(context.Background())
	because(errors.New("the operator has gone home"))
	for _, v := range []struct {
		how string
		ctx context.Context
	}{
		{"was cancelled", ctx},
		{"had a deadline, which has passed,", late},
		{"was cancelled, for a cause,", caused},
	} {
		c.Variation("Serve is running; a client is there; the ctx of Shutdown %s before", v.how)
		r = s.begin(c, 1)
		p := r.newcomer(r.serves[0])
		e = r.shutdown(v.ctx)
		r.returns(e, v.ctx.Err(), "ctx has ended")
		r.ended(p, "ctx has ended")
		r.served()
	}

	c.Variation("Serve is running; a client is there; the handler of another one calls Shutdown, and so waits " +
		"for itself; then ctx ends")
	r = s.begin(c, 1)
	r.ctx, cancel = context.WithCancel(context.Background())
	defer cancel()
	p, q := r.newcomer(r.serves[0]), r.newcomer(r.serves[0])
	r.send(q, fault.Whole, orderShut)
	r.served()
	r.talk(p, "still here")
	r.open(q, "its handler has called Shutdown, and ctx has not ended")
	if len(r.shut) > 0 {
		c.Fail("Shutdown has returned (%s): two clients are there", check.Err(<-r.shut))
	}
	c.Say("the suite has cancelled ctx")
	cancel()
	r.isCut(p, "ctx has ended")
	r.ended(q, "ctx has ended")
	if !r.await("Shutdown to return", func() bool { return len(r.shut) > 0 }) {
		c.Fail("Shutdown, which a handler has called, does not return: ctx has ended")
	}
	c.WantError("Shutdown(ctx)", <-r.shut, context.Canceled)

	c.Variation("Serve is running; three clients are there, and closing a connection returns an error; ctx ends")
	c.Rule("When ctx ends Shutdown closes all connections that are left, also when closing one of them returns "+
		"an error, and returns the error of ctx.", "Do not look at what closing returns, and go on with the next.")
	r = s.begin(c, 1)
	for range 3 {
		r.newcomer(r.serves[0])
	}
	tried, relent := r.resist()
	r.returns(r.shutdown(ctx), ctx.Err(), "ctx has ended")
	r.await("the connections to be closed", func() bool { return tried() == 3 })
	if n := tried(); n < 3 {
		c.Fail("ctx has ended, and of 3 connections the server has tried to close %d: closing one has failed", n)
	}
	relent()
	r.served()
	r.stop()

	c.Variation("Serve is running; a client leaves, Shutdown returns, and ctx ends then")
	r = s.begin(c, 1)
	ctx, cancel = context.WithCancel(context.Background())
	defer cancel()
	p = r.newcomer(r.serves[0])
	r.closeWrite(p)
	r.ended(p, "Handle has returned")
	r.returns(r.shutdown(ctx), nil, "nobody is there")
	cancel()
	r.served()
}

func (s suite) close(c *check.C) {
	c.Variation(
		"Serve was called for two listeners; clients are there, and the handler of one waits for something else",
	)
	r := s.begin(c, 1)
	all := []*client{r.newcomer(r.serves[0])}
	r.serve()
	for i := range 5 {
		all = append(all, r.newcomer(r.serves[i%2]))
	}
	r.send(all[4], fault.Whole, orderBreak)
	r.send(all[5], fault.Whole, orderDeaf)
	r.rests()
	r.returns(r.closes(), nil, "it is not to wait for handlers")
	for _, p := range all {
		r.isCut(p, "Close was called")
	}
	r.served()
	r.hear()

	for gone := range 4 {
		c.Variation("Serve is running; of four clients, client %d has left, and client 5 has come; Close is called",
			gone+1)
		r = s.begin(c, 1)
		r.comeAndGo(4, gone)
		r.returns(r.closes(), nil, "it is not to wait for handlers")
		for i, p := range r.clients {
			if i != gone {
				r.isCut(p, "Close was called")
			}
		}
	}

	c.Variation("Serve is running; %d clients are there; Close is called", horde)
	server, ln := s.crowded(c)
	closing := c.Start("Close()", func() { server.Close() })
	still := c.Still(patience)
	c.Await("the clients to be cut", func() bool {
		return ln.cut.Load() == horde || closing.Ended() && still()
	})
	if n := ln.cut.Load(); n < horde {
		c.Fail("Close was called, and of %d connections %d are closed", horde, n)
	}

	c.Variation("Serve was called for two listeners; three clients are there; closing a listener " +
		"returns an error, " +
		"and so does closing a connection")
	c.Rule("Close closes all listeners and all connections, also when closing one of them returns an "+
		"error, and "+
		"returns nil.", "Do not look at what closing returns, and go on with the next.")
	r = s.begin(c, 2)
	r.accepting()
	for _, v := range r.serves {
		v.ln.look(func() { v.ln.fails = errClosedBadly })
	}
	for range 3 {
		r.newcomer(r.serves[0])
	}
	tried, relent := r.resist()
	r.returns(r.closes(), nil, "it is not to wait for handlers")
	r.await("the connections to be closed", func() bool { return tried() == 3 })
	if n := tried(); n < 3 {
		c.Fail("Close was called, and of 3 connections the server has tried to close %d: closing one has failed", n)
	}
	relent()
	r.served()
	r.stop()

	c.Variation("Serve is running; a client is there; then Accept fails, and Serve has returned; " +
		"Close is called")
	r = s.begin(c, 1)
	p := r.newcomer(r.serves[0])
	r.serves[0].ln.Fail(errors.New("the network card is on fire"))
	r.await("Serve 1 to return", r.serves[0].call.Ended)
	r.returns(r.closes(), nil, "it is not to wait for handlers")
	r.ended(p, "Close was called")

	c.Variation("Serve is running; one client is there; the handler of another one calls Close")
	r = s.begin(c, 1)
	p = r.newcomer(r.serves[0])
	q := r.newcomer(r.serves[0])
	r.send(q, fault.Whole, orderStop)
	r.ended(p, "Close was called")
	r.ended(q, "Close was called")
	r.served()

	c.Variation("Serve is running; a client whose connection is a *net.TCPConn is there; Close is called")
	r = s.begin(c, 0)
	p = r.newcomer(r.serveOn(r.listenTCP()))
	r.returns(r.closes(), nil, "it is not to wait for handlers")
	c.Await("the end to arrive", func() bool { return p.Over() != nil })
	r.met(p)
	r.served()

	c.Variation("Close is called, and Serve was not")
	r = s.begin(c, 0)
	r.returns(r.closes(), nil, "nobody is there")
}

func (s suite) nobody(c *check.C) {
	for _, end := range []func(r *run) *ending{
		func(r *run) *ending { return r.shutdown(context.Background()) },
		(*run).closes,
	} {
		c.Variation(
			"a client connects, and Accept takes its time to return it; meanwhile the server ends",
		)
		r := s.begin(c, 0)
		var has atomic.Bool
		onward := make(chan struct{})
		goesOn := sync.OnceFunc(func() { close(onward) })
		c.Cleanup(goesOn)
		ln := r.listen()
		ln.leave = func() {
			has.Store(true)
			<-onward
		}
		v := r.serveOn(ln)
		p := r.dial(v)
		if !r.await("Serve to call Accept", func() bool { return has.Load() }) {
			c.Fail("Serve does not call Accept")
		}
		e := end(r)
		r.await(e.what+" to return", e.call.Ended) // it may wait for Serve
		c.Say("Accept returns client 1")
		goesOn()
		r.returns(e, nil, "nobody is being served")
		r.ended(p, e.what+" was called before Accept has returned it")
		r.served()
		c.Settle()
		c.WantBytes("what client 1 received", p.Received(), nil)
		if r.calls.Load() > 0 {
			c.Fail(
				"Handle was called for client 1, which Accept has returned after the call of %s",
				e.what,
			)
		}

		c.Variation(
			"the server has ended; then Serve is called for another listener, with a client in its queue",
		)
		r = s.begin(c, 1)
		r.newcomer(r.serves[0])
		r.leaves(0)
		r.returns(end(r), nil, "nobody is there")
		ln = r.listen()
		if _, err := ln.Dial(); err != nil {
			c.NotGraded("no connection on 127.0.0.1 could be made: %v", err)
		}
		c.Say("the suite has called Serve once more")
		r.serveOn(ln)
		r.served()
		if ln.asked() > 0 {
			c.Rule("A Serve that is called when the server has ended closes its listener and returns "+
				"ErrServerClosed.",
				"Look at the field that says so at the beginning of Serve, before Accept.")
			c.Fail("Serve 2 has called Accept, though the server had ended before")
		}

		c.Variation("the server has ended before the first Serve")
		r = s.begin(c, 0)
		r.returns(end(r), nil, "nobody is there")
		c.Say("the suite has called Serve")
		r.serve()
		r.served()
	}
}

func (s suite) again(c *check.C) {
	c.Variation(
		"Serve is running; a client is there; Shutdown is called twice, and Serve for another listener",
	)
	r := s.begin(c, 1)
	p := r.newcomer(r.serves[0])
	first, second := r.shutdown(context.Background()), r.shutdown(context.Background())
	r.waiting(first, "client 1 is there")
	r.waiting(second, "client 1 is there")
	c.Say("the suite has called Serve once more")
	r.serve()
	r.served()
	r.closeWrite(p)
	r.returns(first, nil, "the last client has gone")
	r.returns(second, nil, "the last client has gone")
	r.returns(r.shutdown(context.Background()), nil, "nobody is there")
	r.returns(r.closes(), nil, "nobody is there")
	r.returns(r.closes(), nil, "nobody is there")

	c.Variation("Serve is running; a client is there; Shutdown waits, and Close is called")
	r = s.begin(c, 1)
	p = r.newcomer(r.serves[0])
	first = r.shutdown(context.Background())
	r.waiting(first, "client 1 is there")
	r.returns(r.closes(), nil, "it does not wait for Shutdown")
	r.ended(p, "Close was called")
	r.returns(first, nil, "Close has ended what it waits for")
	r.served()

	c.Variation(
		"Serve is running; the handler of a client waits for something else; Close is called, and then Shutdown",
	)
	r = s.begin(c, 1)
	p = r.newcomer(r.serves[0])
	r.send(p, fault.Whole, orderDeaf)
	r.rests()
	r.returns(r.closes(), nil, "it is not to wait for handlers")
	r.ended(p, "Close was called")
	r.returns(r.closes(), nil, "it is not to wait for handlers")
	first = r.shutdown(context.Background())
	r.waiting(first, "the handler has not returned")
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	second = r.shutdown(ctx)
	r.waiting(second, "the handler has not returned")
	c.Say("the suite has cancelled the ctx of the second Shutdown")
	cancel()
	r.returns(second, context.Canceled, "its ctx has ended")
	r.waiting(first, "its own ctx has not ended, and the handler has not returned")
	c.Say("the handler returns")
	r.hear()
	r.returns(first, nil, "the handler has returned")
	r.served()

	c.Variation("Serve is running; the handler of a client waits for something else; the ctx of " +
		"Shutdown ends; " +
		"Shutdown is called again")
	r = s.begin(c, 1)
	p = r.newcomer(r.serves[0])
	r.send(p, fault.Whole, orderDeaf)
	r.rests()
	r.returns(r.shutdown(ctx), context.Canceled, "its ctx has ended")
	r.ended(p, "ctx has ended")
	second = r.shutdown(context.Background())
	r.waiting(second, "the handler has not returned")
	c.Say("the handler returns")
	r.hear()
	r.returns(second, nil, "the handler has returned")
	r.served()
}

func (s suite) alone(c *check.C) {
	c.Variation(
		"two servers, with a listener and a client each; one of them is shut down, and a third one is closed",
	)
	r, other := s.begin(c, 1), s.begin(c, 1)
	p, q := r.newcomer(r.serves[0]), other.newcomer(other.serves[0])
	e := r.shutdown(context.Background())
	r.waiting(e, "its client is there")
	r.served()
	other.talk(q, "still here")
	other.newcomer(other.serves[0])
	r.closeWrite(p)
	r.returns(e, nil, "its last client has gone; those of the other server are not its own")
	third := s.begin(c, 1)
	third.returns(third.closes(), nil, "nobody is there")
	other.open(q, "another server was closed")
	other.talk(q, "and still")
	if other.serves[0].call.Ended() {
		c.Fail("the Serve of one server has returned, because another one was closed")
	}
	other.returns(other.closes(), nil, "it is not to wait for handlers")
	other.served()
}
