package patiencetest

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"slices"
	"sync"
	"syscall"
	"time"

	"socketbook/tools/check"
	"socketbook/tools/fault"
)

// dialler is the dial that Dial is given, and what became of its calls.
type dialler struct {
	c    *check.C
	ctx  context.Context
	dial func(try int, ctx context.Context) (net.Conn, error) // try: from 1

	mu    sync.Mutex
	began []time.Time
	ended []time.Time
	timed bool // a context of a try had a deadline
	over  bool // or had ended

	what string
	call *check.Call
	conn net.Conn
	err  error
}

// refused is the error of a try.
func refused(try int) error {
	return fmt.Errorf("try %d: %w", try, &net.OpError{
		Op: "dial", Net: "tcp", Err: os.NewSyscallError("connect", syscall.ECONNREFUSED),
	})
}

// start starts the student's Dial.
func (s suite) dial(
	c *check.C, ctx context.Context, tries int, pause, most time.Duration,
	dial func(try int, ctx context.Context) (net.Conn, error),
) *dialler {
	ctx = unended(c, ctx)
	d := &dialler{c: c, ctx: ctx, dial: dial}
	d.what = fmt.Sprintf("Dial(ctx, dial, %s, %s, %s)",
		plural(tries, "try"), pauseOf("pause", pause), pauseOf("most", most))
	c.Step("%s is called", d.what)
	d.call = c.Start(d.what, func() {
		d.conn, d.err = s.lab.Dial(ctx, d.try, tries, pause, most)
	})
	return d
}

func pauseOf(name string, d time.Duration) string {
	if d == ages {
		return name + " 1h"
	}
	return fmt.Sprintf("%s %v", name, d)
}

func (d *dialler) try(ctx context.Context) (net.Conn, error) {
	d.mu.Lock()
	d.began = append(d.began, time.Now())
	_, timed := ctx.Deadline()
	d.timed = d.timed || timed
	d.over = d.over || ctx.Err() != nil && d.ctx.Err() == nil
	try := len(d.began)
	d.mu.Unlock()
	conn, err := d.dial(try, ctx)
	d.mu.Lock()
	d.ended = append(d.ended, time.Now())
	d.mu.Unlock()
	return conn, err
}

func (d *dialler) calls() int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return len(d.began)
}

// returns waits for Dial. There may be many short pauses: each try is waited for.
func (d *dialler) returns() {
	for n := d.calls(); !d.call.Ended(); n = d.calls() {
		d.c.Await(d.what+" to return", func() bool { return d.call.Ended() || d.calls() > n })
	}
	d.call.Wait()
	d.c.Step("dial was called %s; Dial returned %s", numberOfTimes(d.calls()), check.Err(d.err))
	if d.over {
		d.c.Fail("dial was called with a context that had ended, and ctx has not")
	}
}

func numberOfTimes(n int) string {
	switch n {
	case 1:
		return "once"
	case 2:
		return "twice"
	}
	return fmt.Sprintf("%d times", n)
}

func plural(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	if what == "try" {
		return fmt.Sprintf("%d tries", n)
	}
	return fmt.Sprintf("%d %ss", n, what)
}

// wantCalls ends the case unless dial was called that many times.
func (d *dialler) wantCalls(n int) {
	if got := d.calls(); got != n {
		d.c.Fail("dial was to be called %s, and your code has called it %s", numberOfTimes(n), numberOfTimes(got))
	}
}

// pauses returns how long each pause was.
func (d *dialler) pauses() (all []time.Duration) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for i, ended := range d.ended[:len(d.ended)-1] {
		all = append(all, d.began[i+1].Sub(ended))
	}
	return all
}

// wantPauses ends the case if one of the pauses was shorter than it should be.
func (d *dialler) wantPauses(pause, most time.Duration) {
	for i, p := range d.pauses() {
		if pause = min(pause, most); p < pause {
			d.c.Fail("pause number %d was shorter than %v", i+1, pause)
		}
		pause *= 2
	}
}

// wantConn ends the case unless Dial has returned conn, as it was.
func (d *dialler) wantConn(conn net.Conn, peer *fault.Peer) {
	d.c.WantNil("Dial", d.err)
	if d.conn != conn {
		d.c.Fail("dial has returned a connection, and Dial another one, or none")
	}
	d.c.WantOpen("Dial", peer.Conn())
	d.c.WantUntimed("Dial", peer.Conn())
	if did := peer.Conn().Did(); did.Reads+did.Writes > 0 {
		d.c.Fail("Dial has used the connection; it belongs to the caller")
	}
}

const moment = 5 * time.Millisecond

func (s suite) tries(c *check.C) {
	for succeeds := 1; succeeds <= 3; succeeds++ {
		c.Variation("a dial that succeeds at try number %d", succeeds)
		conn, peer := c.Connect()
		d := s.dial(c, always, 3, moment, ages, func(try int, ctx context.Context) (net.Conn, error) {
			if try < succeeds {
				return nil, refused(try)
			}
			return conn, nil
		})
		d.returns()
		d.wantCalls(succeeds)
		d.wantPauses(moment, ages)
		d.wantConn(conn, peer)
	}
	c.Variation("a dial that takes 30ms, and fails")
	d := s.dial(c, always, 3, 4*moment, 4*moment, func(try int, _ context.Context) (net.Conn, error) {
		<-time.After(6 * moment)
		return nil, refused(try)
	})
	d.returns()
	d.wantCalls(3)
	c.Rule("A try takes as long as it takes. The pause begins when dial has returned, and not before.",
		"Make the timer of a pause behind the call of dial, and give dial no context with a limit of your own.")
	d.wantPauses(4*moment, 4*moment)
	if d.timed {
		c.Fail("the context that dial was given has a deadline, and ctx has none: a try takes as long as it takes")
	}

	c.Variation("a dial that succeeds; the deadline of ctx is in an hour")
	c.Rule("The connection that Dial returns is the one that dial has made, and has no deadline.",
		"Set none on it: what the caller does with it later has limits of its own.")
	ctx, cancel := context.WithTimeout(always, ages)
	defer cancel()
	conn, peer := c.Connect()
	d = s.dial(c, ctx, 3, moment, ages, func(int, context.Context) (net.Conn, error) { return conn, nil })
	d.returns()
	d.wantConn(conn, peer)

	for _, v := range []struct {
		tries       int
		pause, most time.Duration
	}{
		{1, ages, ages},
		{2, moment, ages},
		{2, ages, time.Millisecond},
		{20, 0, ages}, // who takes 0 for a default of his own waits for more than an hour in the end
		{4, ages, 0},
		{80, time.Millisecond, time.Millisecond},
	} {
		c.Variation("a dial that fails each time")
		errs := make([]error, v.tries+1)
		d := s.dial(c, always, v.tries, v.pause, v.most, func(try int, _ context.Context) (net.Conn, error) {
			err := refused(try)
			if try < len(errs) {
				errs[try] = err
			}
			return nil, err
		})
		d.returns()
		d.wantCalls(v.tries)
		d.wantPauses(v.pause, v.most)
		c.WantError("the last try", d.err, errs[v.tries])
	}

	for _, failure := range []error{
		context.DeadlineExceeded, context.Canceled, os.ErrDeadlineExceeded, net.ErrClosed,
		errors.New("no such host"), &net.OpError{Op: "dial", Net: "tcp", Err: syscall.ETIMEDOUT},
	} {
		c.Variation("a dial that fails once: %v", failure)
		conn, peer := c.Connect()
		d := s.dial(c, always, 3, moment, ages, func(try int, _ context.Context) (net.Conn, error) {
			if try == 1 {
				return nil, failure
			}
			return conn, nil
		})
		d.returns()
		d.wantCalls(2)
		d.wantConn(conn, peer)
	}
}

// grow looks whether pauses grow, and up to a bound.
func (s suite) grow(c *check.C) {
	s.paced(c, 6, 1, 1000, func(pauses []time.Duration, unit time.Duration) (right, proof bool) {
		return pauses[3] < 12*unit || pauses[4] < 24*unit, pauses[3] < 10*unit && pauses[4] < 20*unit
	})
	s.paced(c, 4, 6, 8, func(pauses []time.Duration, unit time.Duration) (right, proof bool) {
		right = slices.Min(pauses[1:]) < 12*unit
		return right, right
	})
}

// paced looks whether pauses are as long as they should be; pause and most are in units. A busy machine makes
// pauses longer, too. So it is tried again, with a longer unit, until look says that the pauses prove
// something; pauses are too long only if they never were right.
func (s suite) paced(
	c *check.C, tries int, pause, most time.Duration,
	look func(pauses []time.Duration, unit time.Duration) (right, proof bool),
) {
	ever := false
	for unit := moment; unit <= 16*moment; unit *= 2 {
		c.Variation("a dial that fails each time")
		d := s.dial(c, always, tries, pause*unit, most*unit, func(try int, _ context.Context) (net.Conn, error) {
			return nil, refused(try)
		})
		d.returns()
		d.wantCalls(tries)
		d.wantPauses(pause*unit, most*unit)
		right, proof := look(d.pauses(), unit)
		if ever = ever || right; proof || ever && unit > 4*moment {
			return
		}
	}
	if !ever {
		c.Fail("the pauses were longer than they should be, each time")
	}
}

func (s suite) gone(c *check.C) {
	passed, cancel := context.WithDeadline(always, time.Unix(1, 0))
	defer cancel()
	for _, ctx := range []context.Context{ended(), passed} {
		c.Variation("a context that has ended before the call: %v", ctx.Err())
		d := s.dial(c, ctx, 3, moment, ages, func(try int, _ context.Context) (net.Conn, error) {
			return nil, refused(try)
		})
		d.returns()
		d.wantCalls(0)
		c.WantError("ctx has ended", d.err, ctx.Err())
	}

	c.Variation("a dial that fails; ctx is cancelled in a pause of an hour")
	ctx, cancel := context.WithCancel(always)
	defer cancel()
	d := s.dial(c, ctx, 2, ages, ages, func(try int, _ context.Context) (net.Conn, error) {
		return nil, refused(try)
	})
	c.Await("dial to be called", func() bool { return d.call.Ended() || d.calls() > 0 && c.Resting() })
	c.Say("the suite has cancelled ctx")
	cancel()
	d.returns()
	d.wantCalls(1)
	c.WantError("ctx was cancelled", d.err, context.Canceled)

	c.Variation("a dial that fails; the deadline of ctx passes in a pause of an hour")
	ctx, cancel = context.WithTimeout(always, short)
	defer cancel()
	d = s.dial(c, ctx, 2, ages, ages, func(try int, _ context.Context) (net.Conn, error) {
		return nil, refused(try)
	})
	d.returns()
	if d.calls() > 0 { // the deadline may have passed before the call
		d.wantCalls(1)
	}
	c.WantError("the deadline of ctx has passed", d.err, context.DeadlineExceeded)

	for _, tries := range []int{1, 3} {
		c.Variation("a dial that waits until the context that it was given ends; ctx is cancelled meanwhile")
		ctx, cancel := context.WithCancel(always)
		defer cancel()
		begun := newGate()
		d := s.dial(c, ctx, tries, moment, ages, func(_ int, ctx context.Context) (net.Conn, error) {
			begun.open()
			<-ctx.Done()
			return nil, errors.New("operation was canceled")
		})
		c.Await("dial to be called", func() bool { return begun.isOpen() || d.call.Ended() })
		c.Say("the suite has cancelled ctx, and dial waits until the context that it was given ends")
		cancel()
		d.returns()
		d.wantCalls(1)
		c.WantError("ctx was cancelled", d.err, context.Canceled)
	}

	c.Variation("a dial that succeeds; ctx is cancelled just before it returns")
	conn, peer := c.Connect()
	ctx, cancel = context.WithCancel(always)
	defer cancel()
	d = s.dial(c, ctx, 3, moment, ages, func(int, context.Context) (net.Conn, error) {
		cancel()
		return conn, nil
	})
	d.returns()
	d.wantCalls(1)
	c.Await("what Dial has started to end", c.Resting)
	if d.err == nil {
		d.wantConn(conn, peer)
	} else {
		c.WantError("ctx was cancelled", d.err, context.Canceled)
		if peer.Conn().Did().Closed != "Close" {
			c.Fail("dial has returned a connection, and Dial an error: nobody will ever close the connection")
		}
	}

	c.Variation("a dial that succeeds; ctx is cancelled when Dial has returned")
	conn, peer = c.Connect()
	ctx, cancel = context.WithCancel(always)
	d = s.dial(c, ctx, 3, moment, ages, func(int, context.Context) (net.Conn, error) { return conn, nil })
	d.returns()
	c.Do("cancel()", cancel)
	c.Await("Dial's context to end", c.Resting)
	d.wantConn(conn, peer)
}
