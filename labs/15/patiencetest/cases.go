package patiencetest

import (
	"bytes"
	"context"
	"errors"
	"io"
	"math"
	"net"
	"os"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"socketbook/tools/check"
	"socketbook/tools/fault"
)

// always stands for a context that does not end, see unended.
var always = context.Background()

// unended returns ctx, or a context of its own instead of always: one that might end, as those of
// callers do, and that no other case shares.
func unended(c *check.C, ctx context.Context) context.Context {
	if ctx == always {
		var cancel context.CancelFunc
		ctx, cancel = context.WithCancel(ctx)
		c.Cleanup(cancel)
	}
	return ctx
}

func (s suite) exchange(c *check.C) {
	for _, cut := range c.Cuts(1, 4, 6) {
		c.Variation("a new connection; the response comes %s", cut.Name)
		l := connect(c)
		s.good(l, "hello", "hi, there", cut)
		l.wantNoPolling()
	}
	c.Variation("a new connection; the largest response that is allowed")
	c.Rule("A response may have up to 4194304 bytes, and no more. Byte by byte is too slow for the largest.",
		"Refuse a length only if it is above 4194304, and let each Read bring what it can.")
	l := connect(c)
	s.good(l, "hello", strings.Repeat("x", largest), fault.Whole)
	if did := l.peer.Conn().Did(); did.Reads > did.Taken/2 {
		c.Fail("all of the response had come, and Call has read %d bytes with %d Reads", did.Taken, did.Reads)
	}

	for _, v := range []struct{ request, response string }{
		{"", ""},
		{"", "x"},
		{"x", ""},
		{"\x00\xff 你好\r\n", "\xfe\x00\x01 größe %d\n"},
		{long[:300], long[:257]},
		{long, long[:1<<16]},
		{strings.Repeat(long, 16), strings.Repeat(long, 15)},
	} {
		c.Variation("a new connection; a request of %d bytes, a response of %d", len(v.request), len(v.response))
		s.good(connect(c), v.request, v.response, fault.Whole)
	}
	c.Variation("a new connection; the responses of two calls are sent at once, after the first request")
	l = connect(c)
	a := s.call(l, always, "one", ages, ages)
	a.asked()
	a.answers(append(frame("first"), frame("second")...))
	a.brings("first")
	if taken := l.peer.Conn().Did().Taken; taken != len(frame("first")) {
		c.Fail("the first response has %d bytes, and Call has taken %d from the connection",
			len(frame("first")), taken)
	}
	c.WantOpen("Call", l.peer.Conn())
	first := a.response
	b := s.call(l, always, "two", ages, ages)
	b.asked()
	b.brings("second")
	c.Rule("The slice that Call returns belongs to the caller: no later call changes it.",
		"Make a slice for each response, and keep none in a variable of the package or in a sync.Pool.")
	c.WantBytes("the slice of the first call, looked at later", first, []byte("first"))

	c.Variation("two new connections, with a call on each; the second one is answered while the response to " +
		"the first one comes")
	c.Rule("Calls on different connections do not wait for each other, and share nothing.",
		"Give every call variables of its own, and hold no lock while it reads or writes.")
	a, b = s.call(connect(c), always, "one", ages, ages), s.call(connect(c), always, "two", ages, ages)
	a.asked()
	b.asked()
	a.answers(frame("first")[:2])
	c.Await("Call to wait for more", a.or(c.Resting))
	b.answers(frame("second"))
	b.brings("second")
	a.answers(frame("first")[2:])
	a.brings("first")

	const many = 105
	c.Variation("a new connection; %d calls, one after the other", many)
	l = connect(c)
	for i := range many {
		s.good(l, "hello", long[:i], fault.Whole)
	}

	for _, err := range []error{io.EOF, syscall.ECONNRESET, os.ErrDeadlineExceeded} {
		c.Variation("a new connection; Read returns the last bytes of the response together with an error: %v", err)
		c.Rule("Bytes count, whatever error comes with them: the response is complete.",
			"Use the n bytes of Read first, and then look at its error. io.ReadFull does so.")
		l := connect(c)
		response := frame("hi, there")
		l.peer.Conn().AfterRead(func(n int) error {
			if l.peer.Conn().Did().Taken+n < len(response) {
				return nil
			}
			return err
		})
		a := s.call(l, always, "hello", ages, ages)
		a.asked()
		a.answers(response[:4], response[4:])
		a.brings("hi, there")
	}
}

// good is a call that succeeds.
func (s suite) good(l *line, request, response string, cut fault.Cut) {
	a := s.call(l, always, request, ages, ages)
	a.asked()
	a.answers(cut.Pieces(frame(response))...)
	a.brings(response)
}

// silence is a peer that has sent some bytes of the response, and sends no more.
type silence struct {
	idle, total time.Duration
	came        int // bytes
}

func (s suite) silence(c *check.C, all ...silence) {
	response := frame("hi, there")
	for _, v := range all {
		c.Variation("a new connection; %d bytes of the response are there, and no more come", v.came)
		l := connect(c)
		l.peer.Send(response[:v.came])
		a := s.call(l, always, "hello", v.idle, v.total)
		if v.idle == short {
			a.failsWith(os.ErrDeadlineExceeded, "no byte came for idle")
			a.lasts("idle", v.idle)
		} else {
			a.failsWith(context.DeadlineExceeded, "total has passed")
			a.lasts("total", v.total)
		}
	}
}

// notAtOnce is what takes its time.
func (s suite) notAtOnce(c *check.C) {
	for _, idle := range []time.Duration{none, ages} {
		c.Variation("a new connection; ctx has a deadline in an hour; nothing comes")
		ctx, cancel := context.WithTimeout(always, ages)
		defer cancel()
		a := s.call(connect(c), ctx, "hello", idle, short)
		a.failsWith(context.DeadlineExceeded, "total has passed")
		a.lasts("total", short)
	}
	for _, limit := range []time.Duration{none, ages} {
		c.Variation("a new connection; the response comes, but not at once")
		l := connect(c)
		a := s.call(l, always, "hello", limit, limit)
		a.asked()
		if limit == none {
			c.Late(250 * time.Millisecond)
		}
		a.answers(frame("hi, there"))
		a.brings("hi, there")
		l.wantNoPolling()
	}
}

// wantNoPolling ends the case if a deadline was set that no limit has asked for, when each of them
// is an hour or none.
func (l *line) wantNoPolling() {
	if nearest := l.peer.Conn().Did().Patience; nearest > 0 && nearest < ages-time.Minute {
		l.c.Rule("A Read waits until bytes come, a limit has passed or ctx has ended: no other deadline is set.",
			"Do not look again and again: context.AfterFunc tells when ctx ends. A limit of 0 is no limit.")
		l.c.Fail("your code has set a deadline that is only %v ahead, and no limit is that near",
			nearest.Round(time.Millisecond))
	}
}

const dripping = "drip, drip!"

func (s suite) drip(c *check.C) {
	response := frame(dripping)
	s.patiently(c, "the response comes byte by byte",
		"a byte has come, and idle has not passed since then", nil,
		func(a *call, idle time.Duration) time.Time {
			times := []time.Time{a.began}
			a.asked()
			c.Say("the suite sends the response, a byte at a time, with pauses of a sixth of idle")
			for i := range response {
				if <-time.After(idle / 6); a.Ended() {
					break
				}
				times = append(times, time.Now())
				a.peer.Send(response[i : i+1])
			}
			a.Wait()
			return times[max(0, a.peer.Conn().Did().Taken-2)] // the last bytes may not have been noticed yet
		})
	var begun, reads *gate
	s.patiently(
		c,
		"Write waits for longer than idle, because the peer does not read; then the response comes at once",
		"idle has not passed since the request was written",
		func(l *line) { begun, reads = l.full() },
		func(a *call, idle time.Duration) time.Time {
			defer reads.open()
			c.Await("Call to write", a.or(begun.isOpen))
			<-time.After(idle * 3 / 2)
			written := time.Now()
			reads.open()
			c.Await("the request to arrive", a.or(func() bool { return len(a.peer.Received()) > 0 }))
			if !a.Ended() {
				a.asked()
				a.answers(response)
			}
			a.Wait()
			return written
		},
	)

	for total := 45 * time.Millisecond; !s.endless(c, total); total *= 2 {
		if total > 5*time.Second {
			c.NotGraded("this machine stands still for seconds")
		}
	}
	for _, idle := range []time.Duration{none, ages} {
		c.Variation("a new connection; the peer does not read, and Write waits")
		l := connect(c)
		_, reads := l.full()
		defer reads.open()
		c.Say("the suite reads nothing")
		a := s.call(l, always, "hello", idle, short)
		a.failsWith(context.DeadlineExceeded, "total has passed")
		a.lasts("total", short)
	}

	c.Variation("a new connection; total has passed when Write returns, and then the response comes")
	l := connect(c)
	l.late("hello", "too late")
	a := s.call(l, always, "hello", none, short)
	a.failsWith(context.DeadlineExceeded, "total has passed since the call began")
}

// late has the Write of a request return when total has passed, which is short, and the response come then.
func (l *line) late(request, response string) {
	begin := time.Now()
	var mu sync.Mutex
	var at time.Time // the deadline
	left := len(frame(request))
	l.conn.around = func(t time.Time, set func() error) error {
		mu.Lock()
		at = t
		mu.Unlock()
		return set()
	}
	passed := func() bool {
		mu.Lock()
		defer mu.Unlock()
		// the system may notice a moment later that a deadline has passed
		return time.Since(begin) > short && !at.IsZero() && time.Since(at) > short
	}
	l.conn.wrote = func(n int) {
		if left -= n; left > 0 {
			return
		}
		for end := begin.Add(time.Second); !passed() && time.Now().Before(end); {
			<-time.After(time.Millisecond) // who sets a deadline only in the end has to do it first
		}
		l.peer.Send(frame(response))
	}
}

// endless sends a response that does not end. It proves nothing if the machine was so busy that bytes came
// at long intervals.
func (s suite) endless(c *check.C, total time.Duration) (proof bool) {
	const enough, many = 1400 * time.Millisecond, 30
	c.Variation("a new connection; the response comes byte by byte, and does not end")
	l := connect(c)
	var mu sync.Mutex
	var came []time.Time // when Reads brought something
	l.peer.Conn().Before("Read", func() error {
		<-time.After(total / 6)
		return nil
	})
	l.peer.Conn().AfterRead(func(int) error {
		mu.Lock()
		defer mu.Unlock()
		came = append(came, time.Now())
		return nil
	})
	a := s.call(l, always, "hello", ages, total)
	c.Say("byte after byte comes, with pauses of a sixth of total")
	a.peer.Send(header(largest))
	a.peer.Send(fault.Bytes.Pieces(make([]byte, 500))...)
	for !a.Ended() {
		<-time.After(total / 6)
		mu.Lock()
		over := len(came) - slices.IndexFunc(append(came, time.Now()), func(t time.Time) bool {
			return t.Sub(a.began) > total
		})
		mu.Unlock()
		if over > many && time.Since(a.began) > total+enough {
			c.Fail("total has long passed, and Call still waits for more: bytes that come do not put it off")
		}
	}
	a.failsWith(context.DeadlineExceeded, "total has passed")
	a.lasts("total", total)
	mu.Lock()
	defer mu.Unlock()
	last := a.began
	for _, t := range append(came, a.ended) {
		if t.Sub(last) > total/2 {
			return false
		}
		last = t
	}
	return true
}

// patiently makes a call that has to succeed, although it lasts longer than idle. during tells when
// idle began the last time, at the earliest. If idle has passed since then, the machine was busy,
// and it is tried again with a longer one.
func (s suite) patiently(c *check.C, says, complaint string, before func(l *line),
	during func(a *call, idle time.Duration) time.Time,
) {
	for idle := 45 * time.Millisecond; idle < 5*time.Second; idle *= 2 {
		c.Variation("a new connection; %s", says)
		l := connect(c)
		if before != nil {
			before(l)
		}
		a := s.call(l, always, "hello", idle, none)
		since := during(a, idle)
		a.told()
		switch {
		case a.err == nil:
			c.WantBytes("response", a.response, []byte(dripping))
			return
		case !check.Is(a.err, os.ErrDeadlineExceeded):
			c.WantNil("Call", a.err)
		case a.ended.Sub(since) < idle:
			c.Fail("%s, but Call has given up: %s", complaint, check.Err(a.err))
		}
	}
	c.NotGraded("this machine stands still for seconds")
}

// ended returns a context that is over.
func ended() context.Context {
	ctx, cancel := context.WithCancel(always)
	cancel()
	return ctx
}

func (s suite) cancel(c *check.C) {
	passed, cancel := context.WithDeadline(always, time.Unix(1, 0))
	defer cancel()
	for _, ctx := range []context.Context{ended(), passed} {
		for _, limit := range []time.Duration{ages, none} {
			c.Variation("a new connection, and a context that has ended before the call: %v", ctx.Err())
			l := connect(c)
			a := s.call(l, ctx, "hello", limit, limit)
			a.failsWith(ctx.Err(), "ctx has ended")
			if d := l.peer.Conn().Did(); d.Reads+d.Writes > 0 {
				c.Fail("ctx had ended before the call, and Call has used the connection all the same")
			}
		}
	}
	response := frame("hi, there")
	for _, came := range []int{0, 2, 4, 7} {
		for _, limit := range []time.Duration{ages, none} {
			c.Variation("a new connection; ctx is cancelled after %d bytes of the response", came)
			a, cancel := s.cancellable(connect(c), limit, limit)
			a.asked()
			a.answers(response[:came])
			c.Await("Call to wait for more", a.or(c.Resting))
			c.Say("the suite has cancelled ctx")
			cancel()
			a.failsWith(context.Canceled, "ctx was cancelled")
		}
	}
	for _, limit := range []time.Duration{ages, none} {
		c.Variation("a new connection; the peer does not read, Write waits, and ctx is cancelled")
		l := connect(c)
		begun, reads := l.full()
		defer reads.open()
		a, cancel := s.cancellable(l, limit, limit)
		c.Await("Call to write", a.or(begun.isOpen))
		c.Say("the suite has cancelled ctx")
		cancel()
		a.failsWith(context.Canceled, "ctx was cancelled")
	}
	for limit := short; limit < 2*time.Second; limit *= 2 {
		c.Variation("a new connection, and a context with a deadline of its own; nothing comes")
		ctx, cancel := context.WithTimeout(always, limit)
		defer cancel()
		l := connect(c)
		a := s.call(l, ctx, "hello", ages, ages)
		a.failsWith(context.DeadlineExceeded, "the deadline of ctx has passed")
		if l.peer.Conn().Did().Writes > 0 { // it had not passed before the call
			break
		}
	}
}

// cancellable starts a call with a context of its own.
func (s suite) cancellable(l *line, idle, total time.Duration) (*call, context.CancelFunc) {
	ctx, cancel := context.WithCancel(always)
	l.c.Cleanup(cancel)
	return s.call(l, ctx, "hello", idle, total), cancel
}

// ends reports whether a deadline ends the Read or Write that waits: it is in the past, or all but.
func ends(t time.Time) bool { return !t.IsZero() && time.Until(t) < 5*time.Millisecond }

func (s suite) lost(c *check.C) {
	response := frame("hi, there")
	for _, v := range []struct {
		says  string
		set   bool // when a deadline is set, not when a Read returns
		total time.Duration
	}{
		{"ctx is cancelled just when Read returns a part of the response", false, ages},
		{"ctx is cancelled just when your code sets a deadline for the next Read", true, ages},
		{"total passes just when your code sets a deadline for the next Read", true, short},
	} {
		c.Variation("a new connection; %s", v.says)
		l := connect(c)
		ctx, cancel := context.WithCancel(always)
		defer cancel()
		at, past, free := newGate(), newGate(), newGate()
		defer free.open()
		var held atomic.Bool
		moment := func(taken int) { // goes on when the end of ctx has reached the connection
			if taken <= len(header(0)) || held.Swap(true) {
				return
			}
			if v.total == ages {
				cancel()
			}
			at.open()
			select {
			case <-past.ch:
			case <-free.ch:
			}
		}
		l.conn.around = func(t time.Time, set func() error) error {
			if ends(t) {
				defer past.open()
			} else if v.set && !t.IsZero() {
				moment(l.peer.Conn().Did().Taken)
			}
			return set()
		}
		if !v.set {
			l.peer.Conn().AfterRead(func(n int) error {
				moment(l.peer.Conn().Did().Taken + n)
				return nil
			})
		}
		a := s.call(l, ctx, "hello", ages, v.total)
		a.answers(response[:4], response[4:7])
		c.Await("Call to take it", a.or(at.isOpen, c.Resting))
		if !at.isOpen() && v.total == ages {
			cancel()
		}
		closed := func() bool { return l.peer.Conn().Did().Closed != "" }
		c.Await("the end of ctx to be noticed", a.or(past.isOpen, closed, c.Still(patience)))
		if !past.isOpen() && !a.Ended() { // to close is not to end a call
			c.WantOpen("Call", l.peer.Conn())
		}
		free.open()
		c.Await("Call to return", a.or(c.Still(patience)))
		if !a.Ended() {
			c.Fail(
				"this happened between two waits, and Call has not noticed it: it waits for the rest of the response",
			)
		}
		if v.total == ages {
			a.failsWith(context.Canceled, "ctx was cancelled")
		} else {
			a.failsWith(context.DeadlineExceeded, "total has passed")
		}
	}
}

func (s suite) after(c *check.C) {
	response := frame("hi, there")
	waiting := func(a *call) {
		a.asked()
		c.Await("Call to wait for more", a.or(c.Resting))
	}
	for _, v := range []struct {
		says        string
		idle, total time.Duration
		play        func(a *call, cancel func())
	}{
		{"the response comes", ages, ages, func(a *call, _ func()) {
			a.asked()
			a.answers(response)
		}},
		{"the response comes, and there are no limits", none, none, func(a *call, _ func()) {
			a.asked()
			a.answers(response)
		}},
		{"nothing comes, and idle passes", short, ages, func(*call, func()) {}},
		{"nothing comes, and total passes", ages, short, func(*call, func()) {}},
		{"nothing comes, and ctx is cancelled", ages, ages, func(a *call, cancel func()) {
			waiting(a)
			cancel()
		}},
		{"nothing comes, there are no limits, and ctx is cancelled", none, none, func(a *call, cancel func()) {
			waiting(a)
			cancel()
		}},
		{"a length of -1 comes", ages, ages, func(a *call, _ func()) {
			c.Rule(badLength, "Look at the length before you make a slice of it, or read any further.")
			a.asked()
			a.answers(header(-1))
		}},
		{"a Read fails", ages, ages, func(a *call, _ func()) {
			conn := a.peer.Conn()
			conn.Before("Read", func() error {
				if conn.Did().Taken < 2 { // or a byte would be left for the next call
					return nil
				}
				return syscall.EIO
			})
			a.asked()
			a.answers(header(0)[:2])
		}},
	} {
		c.Variation("a new connection; %s; then ctx is cancelled, and Call is called again", v.says)
		l := connect(c)
		ctx, cancel := context.WithCancel(always)
		a := s.call(l, ctx, "hello", v.idle, v.total)
		v.play(a, cancel)
		a.returns()
		c.Rule("", "")
		l.peer.Conn().Before("Read", func() error { return nil })
		c.Settle()
		l.heard = len(l.peer.Received())
		a.free()
		c.Do("cancel()", cancel) // it starts what waits for the end of ctx
		c.Await("Call's context to end", c.Resting)
		if l.peer.Conn().Did().Timed {
			c.Fail("Call has returned, then ctx was cancelled, and a deadline was set: the next Read fails")
		}
		s.good(l, "once more", "welcome back", fault.After(4))
		a.free()
	}

	c.Variation("a new connection; the stream ends before the response is complete")
	l := connect(c)
	a := s.call(l, always, "hello", ages, ages)
	a.answers(response[:4])
	l.peer.CloseWrite()
	a.returns()
	a.free()

	for limit := short; limit < 2*time.Second; limit *= 2 {
		c.Variation("a new connection; the response comes, and later idle and total pass")
		l := connect(c)
		l.peer.Send(response)
		a := s.call(l, always, "hello", limit, limit)
		a.returns()
		a.free()
		if a.err != nil { // a limit passed before the response was read
			continue
		}
		pass(3 * limit)
		if l.peer.Conn().Did().Timed {
			c.Fail("Call has returned, then a limit has passed, and a deadline was set: the next Read fails")
		}
		break
	}

	c.Variation("a new connection; ctx is cancelled just as the response is complete")
	l = connect(c)
	ctx, cancel := context.WithCancel(always)
	defer cancel()
	noticed, goOn, free := newGate(), newGate(), newGate()
	defer free.open()
	defer goOn.open()
	l.peer.Conn().AfterRead(func(n int) error {
		if l.peer.Conn().Did().Taken+n == len(response) {
			cancel()
			select {
			case <-noticed.ch:
			case <-goOn.ch:
			}
		}
		return nil
	})
	l.conn.around = func(t time.Time, set func() error) error {
		if ends(t) {
			noticed.open()
			<-free.ch
		}
		return set()
	}
	a = s.call(l, ctx, "hello", ages, ages)
	a.asked()
	a.answers(response[:4], response[4:])
	c.Await("Call to notice", a.or(noticed.isOpen, c.Still(patience)))
	goOn.open()
	c.Await("Call to return", a.or(c.Resting))
	free.open()
	a.returns()
	c.Await("what Call has started to end", c.Resting)
	if l.peer.Conn().Did().Timed {
		c.Fail("Call has returned, and afterwards what it had started has set a deadline: the next Read fails")
	}
	l.conn.around = nil
	s.good(l, "once more", "welcome back", fault.After(4))

	for _, v := range []struct {
		says string
		at   func() time.Time
	}{
		{"has passed", func() time.Time { return time.Unix(1, 0) }},
		{"passes before the response comes", func() time.Time { return time.Now().Add(short) }},
	} {
		c.Variation("a new connection on which the caller has set a deadline, which %s", v.says)
		c.Rule("A deadline that the caller has set before does not count, and is gone afterwards.",
			"Begin with SetDeadline(time.Time{}): that takes back the deadlines of both directions.")
		l := connect(c)
		at := v.at()
		l.conn.SetDeadline(at)
		a := s.call(l, always, "hello", none, none)
		a.asked()
		<-time.After(time.Until(at) + short)
		a.answers(response)
		a.brings("hi, there")
		a.free()
	}
}

const badLength = "A length below 0 or over 4194304 is an error of your own, at once. Nothing " +
	"after it is read."

// pass lets d pass. Time in which the machine stood still does not count: what was due then comes first.
func pass(d time.Duration) {
	step := d / 20
	for awake := time.Duration(0); awake < d; {
		begin := time.Now()
		<-time.After(step)
		awake += min(time.Since(begin), 2*step)
	}
}

func (s suite) ends(c *check.C) {
	response := frame("hi, there")
	for _, at := range []int{0, 1, 3, 4, 5, len(response) - 1} {
		c.Variation("a new connection; the stream ends after %d of %d bytes of the response", at, len(response))
		l := connect(c)
		a := s.call(l, always, "hello", ages, ages)
		a.asked()
		a.answers(fault.After(4).Pieces(response[:at])...)
		l.peer.CloseWrite()
		a.returns()
		c.WantError("the response was not complete, which is io.ErrUnexpectedEOF", a.err, io.ErrUnexpectedEOF)
	}
	for _, at := range []int{0, 2, 5} {
		c.Variation("a new connection; it is reset after %d bytes of the response", at)
		l := connect(c)
		a := s.call(l, always, "hello", ages, ages)
		a.asked()
		a.answers(response[:at])
		l.peer.Reset()
		a.returns()
		c.WantMet("the connection was reset", a.err, l.peer.Conn())
	}
	for _, size := range []int32{-1, math.MinInt32, largest + 1, 1 << 24, math.MaxInt32} {
		c.Variation("a new connection; a response of %d bytes is announced", size)
		l := connect(c)
		a := s.call(l, always, "hello", ages, ages)
		a.asked()
		a.answers(header(size), []byte("hi"))
		a.returns()
		if a.err == nil {
			c.Fail("a response of %d bytes was announced, and Call has returned no error", size)
		}
		for _, wrong := range []error{
			io.EOF, io.ErrUnexpectedEOF, os.ErrDeadlineExceeded, context.DeadlineExceeded, context.Canceled,
		} {
			if check.Is(a.err, wrong) {
				c.Fail("a response of %d bytes was announced, and the error is %s: it needs one of your own",
					size, check.Err(wrong))
			}
		}
		if taken := l.peer.Conn().Did().Taken; taken > 4 {
			c.Fail("the length is not allowed, and Call has read %d bytes after it", taken-4)
		}
	}
	for _, failure := range failures("read") {
		for _, came := range []int{0, 2, 5} {
			c.Variation("a new connection; Read fails after %d bytes of the response: %v", came, failure)
			l := connect(c)
			conn := l.peer.Conn()
			conn.Before("Read", func() error {
				if conn.Did().Taken < came {
					return nil
				}
				return failure
			})
			a := s.call(l, always, "hello", ages, ages)
			a.answers(fault.After(4).Pieces(response[:came])...)
			a.returns()
			c.WantError("the Read has failed", a.err, failure)
		}
	}
	for _, failure := range failures("write") {
		for _, room := range []int{0, 6} {
			c.Variation("a new connection; Write takes %d bytes, and fails: %v", room, failure)
			l := connect(c)
			l.peer.Conn().Break(room, failure)
			a := s.call(l, always, "hello", ages, ages)
			a.returns()
			c.WantError("the Write has failed", a.err, failure)
		}
	}
	c.Variation("a new connection that somebody closes while Call waits")
	l := connect(c)
	a := s.call(l, always, "hello", ages, ages)
	a.asked()
	c.Await("Call to wait", a.or(c.Resting))
	l.peer.Conn().Close()
	a.returns()
	c.WantError("conn was closed", a.err, net.ErrClosed)
}

// failures are errors that somebody could take for something else, without those that say that a limit
// has passed.
func failures(op string) (all []error) {
	for _, err := range append(fault.Failures(op), syscall.EINTR, syscall.EAGAIN, io.ErrNoProgress) {
		if !errors.Is(err, os.ErrDeadlineExceeded) {
			all = append(all, err)
		}
	}
	return all
}

func (s suite) written(c *check.C) {
	data := []byte(long[:5000])
	for _, size := range []int{0, 1, 4, 300, len(data)} {
		for _, most := range []int{0, 1, 3, size - 1} {
			if most > 0 && size > 1000*most {
				continue // the same once more, in thousands of calls
			}
			c.Variation("a writer that takes %s", upTo(most))
			w := c.Writer(&fault.Writer{Most: max(most, 0)})
			n, err := s.writeAll(c, w, data[:size])
			c.WantNil("WriteAll", err)
			c.WantBytes("written", w.Taken(), data[:size])
			wantCount(c, n, size)
		}
	}
	c.Variation("a writer that takes everything")
	w := c.Writer(&fault.Writer{})
	n, err := s.writeAll(c, w, bytes.Repeat(data, 300))
	c.WantNil("WriteAll", err)
	wantCount(c, n, len(w.Taken()))
	wantCount(c, n, 300*len(data))

	for i, failure := range append(failures("write"), io.EOF, io.ErrShortWrite, os.ErrDeadlineExceeded) {
		for _, v := range []struct {
			most, room int
			full       bool
		}{{0, 0, false}, {0, 5, false}, {0, 9, true}, {2, 5, false}, {3, 9, true}, {1, 8, false}} {
			says := "and fails then"
			if v.full {
				says = "and says with the last one that it has failed"
			}
			c.Variation("a writer that takes %s, %d in all, %s: %v", upTo(v.most), v.room, says, failure)
			w := c.Writer(&fault.Writer{Most: v.most, Room: v.room, Full: v.full, Err: failure})
			n, err := s.writeAll(c, w, []byte("hi, there"))
			c.WantError("a Write has failed", err, failure)
			wantCount(c, n, v.room)
			if w.Tried() > 0 {
				c.Fail("a Write has failed, and your code has called Write again")
			}
		}
		if i > 3 {
			continue
		}
		c.Variation("a connection that takes 6 bytes, and fails then: %v", failure)
		l := connect(c)
		l.peer.Conn().Break(6, failure)
		n, err := s.writeAll(c, l.conn, []byte("hi, there"))
		c.WantError("the Write has failed", err, failure)
		wantCount(c, n, l.peer.Conn().Did().Written)
		a := l.peer.Conn()
		c.WantOpen("WriteAll", a)
		c.WantNoDeadline("WriteAll", a)
	}
	for _, takes := range []int{0, 4} {
		c.Variation("a writer that takes %d bytes, and then 0 without an error, again and again", takes)
		w := &stubborn{room: takes}
		n, err := s.writeAll(c, w, []byte("hi, there"))
		if w.idle > 1 {
			c.Fail("Write has taken nothing, and your code has called it %s", times(w.idle-1))
		}
		c.WantError("Write has taken nothing, which is io.ErrShortWrite", err, io.ErrShortWrite)
		wantCount(c, n, takes)
	}
}

// stubborn is a writer that takes room bytes, and then none, without an error. In the end it fails.
type stubborn struct{ room, idle int }

func (w *stubborn) Write(p []byte) (int, error) {
	n := min(len(p), w.room)
	w.room -= n
	if n > 0 {
		return n, nil
	}
	if w.idle++; w.idle > 100 {
		return 0, io.ErrClosedPipe
	}
	return 0, nil
}

func times(n int) string {
	if n >= 100 {
		return "a hundred times more"
	}
	return "again"
}

func upTo(most int) string {
	if most <= 0 {
		return "any number of bytes at a time"
	}
	return "at most " + plural(most, "byte") + " at a time"
}

func (s suite) writeAll(c *check.C, w io.Writer, data []byte) (n int, err error) {
	before := bytes.Clone(data)
	what := "WriteAll(w, " + plural(len(data), "byte") + ")"
	c.Do(what, func() { n, err = s.lab.WriteAll(w, data) })
	c.Step("%s returned %d, %s", what, n, check.Err(err))
	c.WantBytes("the caller's data, which WriteAll may not change", data, before)
	return n, err
}

func wantCount(c *check.C, n, taken int) {
	if n != taken {
		c.Fail("w has taken %s, and WriteAll says %d", plural(taken, "byte"), n)
	}
}
