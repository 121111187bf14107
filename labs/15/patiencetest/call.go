package patiencetest

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"socketbook/tools/check"
	"socketbook/tools/fault"
)

// patience is how long nothing moves until the suite gives up: much longer than code may pause that looks
// around from time to time.
const patience = time.Second / 2

const (
	largest = 4 << 20   // bytes of a response
	ages    = time.Hour // a limit that does not pass
	none    = 0         // no limit
	short   = 40 * time.Millisecond
)

// frame is a message as it has to look on the wire.
func frame(payload string) []byte { return append(header(int32(len(payload))), payload...) }

func header(n int32) []byte { return binary.LittleEndian.AppendUint32(nil, uint32(n)) }

// line is one connection.
type line struct {
	c     *check.C
	peer  *fault.Peer
	conn  *limited // the student's end
	heard int      // bytes of earlier requests
}

func connect(c *check.C) *line {
	conn, peer := c.Connect()
	return &line{c: c, peer: peer, conn: &limited{Conn: conn}}
}

// limited is the student's end of a connection, with something around each call that sets a deadline.
type limited struct {
	net.Conn
	around func(t time.Time, set func() error) error // set before the call, if at all
	wrote  func(n int)                               // before a Write returns
}

func (l *limited) Write(p []byte) (int, error) {
	n, err := l.Conn.Write(p)
	if l.wrote != nil {
		l.wrote(n)
	}
	return n, err
}

func (l *limited) limit(t time.Time, set func(time.Time) error) error {
	if l.around == nil {
		return set(t)
	}
	return l.around(t, func() error { return set(t) })
}

func (l *limited) SetDeadline(t time.Time) error      { return l.limit(t, l.Conn.SetDeadline) }
func (l *limited) SetReadDeadline(t time.Time) error  { return l.limit(t, l.Conn.SetReadDeadline) }
func (l *limited) SetWriteDeadline(t time.Time) error { return l.limit(t, l.Conn.SetWriteDeadline) }

// gate is something that happens once.
type gate struct {
	once sync.Once
	ch   chan struct{}
}

func newGate() *gate { return &gate{ch: make(chan struct{})} }

func (g *gate) open() { g.once.Do(func() { close(g.ch) }) }

func (g *gate) isOpen() bool {
	select {
	case <-g.ch:
		return true
	default:
		return false
	}
}

// full makes every Write wait, as it does when the peer does not read and the buffers are full:
// until reads is opened or the deadline of the Write has passed.
func (l *line) full() (begun, reads *gate) {
	begun, reads = newGate(), newGate()
	under := l.peer.Conn().Conn
	l.peer.Conn().Before("Write", func() error {
		begun.open()
		clock := time.NewTicker(time.Millisecond)
		defer clock.Stop()
		for !reads.isOpen() {
			if _, err := under.Write(nil); err != nil { // its deadline has passed, or it is closed
				break
			}
			<-clock.C
		}
		return nil
	})
	return begun, reads
}

// call is one call of the student's Call.
type call struct {
	*line
	*check.Call
	what         string
	request      string
	began, ended time.Time
	response     []byte
	err          error
}

// behind follows the request in the caller's array.
const behind = "the caller's"

func (s suite) call(l *line, ctx context.Context, request string, idle, total time.Duration) *call {
	ctx = unended(l.c, ctx)
	a := &call{line: l, request: request, what: fmt.Sprintf(
		"Call(ctx, conn, %s, %s, %s)", quoted(request), limit("idle", idle), limit("total", total))}
	l.c.Step("%s is called", a.what)
	array := []byte(request + behind)
	a.began = time.Now()
	a.Call = l.c.Start(a.what, func() {
		a.response, a.err = s.lab.Call(ctx, l.conn, array[:len(request)], idle, total)
		a.ended = time.Now()
		if string(array) != request+behind {
			a.err = errors.Join(a.err, errChanged)
		}
	})
	return a
}

var errChanged = errors.New("the suite: the request, or what follows it in its array, has been changed")

// limit tells of a limit, without a number if that differs from try to try.
func limit(name string, d time.Duration) string {
	switch d {
	case none:
		return "no " + name
	case ages:
		return name + " 1h"
	case short:
		return fmt.Sprintf("%s %v", name, d)
	}
	return "a short " + name
}

// quoted shows a request: short ones as text.
func quoted(text string) string {
	if len(text) > 24 {
		return fmt.Sprintf("%d bytes", len(text))
	}
	return strconv.Quote(text)
}

// asked waits for the request, and ends the case unless it is what it should be.
func (a *call) asked() {
	want := frame(a.request)
	got := func() []byte { return a.peer.Received()[a.heard:] }
	came, rests := 0, a.c.Still(patience)
	a.c.Await("the request to arrive", func() bool {
		if n := len(got()); n > came { // who pauses between two Writes rests, and goes on
			came, rests = n, a.c.Still(patience)
		}
		return len(got()) >= len(want) || a.Ended() && a.c.Resting() || rests()
	})
	if a.Ended() && len(got()) < len(want) {
		a.told()
		a.c.WantNil("Call", a.err)
	}
	a.c.WantBytes("the request on the wire", got(), want)
	a.heard += len(want)
	a.c.Say("the suite received the request %s", quoted(a.request))
}

// answers sends pieces of a response.
func (a *call) answers(pieces ...[]byte) {
	a.peer.Send(pieces...)
	if len(slices.Concat(pieces...)) == 0 {
		a.c.Say("the suite has sent nothing")
		return
	}
	a.c.Say("the suite has sent %s", check.Pieces(pieces))
}

// returns waits for the call.
func (a *call) returns() {
	a.Wait()
	a.told()
}

func (a *call) told() {
	if a.err != nil {
		a.c.Step("Call returned the error %s", check.Err(a.err))
	} else {
		a.c.Step("Call returned %s, nil", check.Bytes(a.response))
	}
	if check.Is(a.err, errChanged) {
		a.c.Fail("Call has changed the request, or what follows it in its array; both belong to the caller")
	}
}

// brings waits for the response.
func (a *call) brings(response string) {
	a.returns()
	a.c.WantNil("Call", a.err)
	a.c.WantBytes("response", a.response, []byte(response))
}

// limits are the errors by which a caller knows why a call has ended.
var limits = []struct {
	err  error
	name string
}{
	{os.ErrDeadlineExceeded, "os.ErrDeadlineExceeded"},
	{context.DeadlineExceeded, "context.DeadlineExceeded"},
	{context.Canceled, "context.Canceled"},
}

// failsWith waits for the call, which has to end with want, one of limits, and with no other of them.
func (a *call) failsWith(want error, why string) {
	a.returns()
	a.isOnly(want, why)
}

func (a *call) isOnly(want error, why string) {
	var name string
	for _, l := range limits {
		if l.err == want {
			name = l.name
		}
	}
	a.c.WantError(fmt.Sprintf("%s, which is %s", why, name), a.err, want)
	for _, l := range limits {
		if l.err != want && check.Is(a.err, l.err) {
			a.c.Fail("%s: the error is %s, and %s, too; the caller cannot tell why the call has ended",
				why, name, l.name)
		}
	}
}

// lasts ends the case if a limit ended the call too early, or by a deadline that was set later than that.
func (a *call) lasts(name string, limit time.Duration) {
	spent := a.ended.Sub(a.began)
	if spent < limit {
		a.c.Fail("Call returned before %s, %v, had passed", name, limit)
	}
	if nearest := a.peer.Conn().Did().Patience; nearest > limit && spent >= nearest {
		a.c.Fail("%s is %v, and the nearest deadline that your code has set was further ahead", name, limit)
	}
}

// or returns the condition that one of two holds, or that the call has ended.
func (a *call) or(conds ...func() bool) func() bool {
	return func() bool {
		for _, cond := range conds {
			if cond() {
				return true
			}
		}
		return a.Ended()
	}
}

// free ends the case unless conn is as the caller needs it.
func (a *call) free() {
	a.c.WantOpen("Call", a.peer.Conn())
	a.c.WantUntimed("Call", a.peer.Conn())
}

var long = strings.Repeat("socket ", 10_000)
