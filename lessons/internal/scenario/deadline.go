package scenario

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strconv"
	"sync/atomic"
	"syscall"
	"time"

	"socketbook/tools/loopback"
	"socketbook/tools/timeline"
)

// undisturbed plays, with ever more time, until the machine was quick enough: a play says that it was
// disturbed when it was late itself. Only the last time is recorded.
func undisturbed(
	rec *timeline.Recorder,
	play func(rec *timeline.Recorder, limit time.Duration) (o Outcome, disturbed bool, err error),
) (Outcome, error) {
	for limit := 2 * Hang; limit < loopback.Patience; limit *= 2 {
		scratch := timeline.NewRecorder("")
		o, disturbed, err := play(scratch, limit)
		if err != nil || !disturbed {
			rec.Replay(scratch.Snapshot())
			return o, err
		}
	}
	return Outcome{}, fmt.Errorf("this machine is too busy: a step came late, even with limits of %v",
		loopback.Patience/2)
}

// LimitedAnswer is an AnswerFunc with a limit for reading a message.
type LimitedAnswer func(limit time.Duration) AnswerFunc

// SlowDrip sends a message byte by byte, each of which comes well within the server's limit, until the
// server ends that or three limits have passed. Stuck is whether it goes on then, N how many bytes were
// sent, Met what the server met, Took how long it lasted.
func SlowDrip(answer LimitedAnswer, message []byte) Play {
	return func(rec *timeline.Recorder) (Outcome, error) {
		return undisturbed(rec, func(rec *timeline.Recorder, limit time.Duration) (Outcome, bool, error) {
			return drip(rec, limit, answer, message)
		})
	}
}

func drip(
	rec *timeline.Recorder, limit time.Duration, answer LimitedAnswer, message []byte,
) (o Outcome, disturbed bool, err error) {
	c, s, err := Pair(rec)
	if err != nil {
		return o, false, err
	}
	defer c.Close()
	counted := &readCountingConn{Conn: s}
	answered, ended := make(chan error, 1), make(chan error, 1)
	begin := time.Now()
	go func() { answered <- answer(limit)(counted) }()
	go func() {
		_, err := c.Read(make([]byte, 1))
		ended <- err
	}()
	pace := limit * 2 / 5
	late := func() bool { return time.Since(begin) > time.Duration(o.N+1)*pace+pace/4 }
	rec.State(0, "the server's limit is %d ms; a byte comes every %d ms",
		limit.Milliseconds(), pace.Milliseconds())
	for !o.Stuck {
		select {
		case <-ended:
			o.Met, o.Took = <-answered, []time.Duration{time.Since(begin)}
			rec.Verdict("%d bytes came within the limit, %s: the server waited no longer", o.N, ms(limit))
			disturbed = disturbed || late() || counted.reads() != o.N+1 || time.Duration(o.N) != limit/pace
			return o, disturbed, nil
		case <-time.After(time.Until(begin.Add(time.Duration(o.N+1) * pace))):
		}
		if time.Since(begin) >= 3*limit {
			o.Stuck = true
			break
		}
		disturbed = disturbed || late()
		if _, err := c.Write(message[o.N : o.N+1]); err != nil {
			return o, true, nil
		}
		o.N++
	}
	disturbed = disturbed || counted.reads() != o.N+1 || time.Duration(o.N) != 3*limit/pace
	rec.Verdict("%d bytes came in three times the limit, %s, and the server waits for the next one",
		o.N, ms(limit))
	o.Took = []time.Duration{time.Since(begin)}
	if err := closeWrite(c); err != nil {
		return o, true, nil // the server has reset the connection meanwhile
	}
	o.Met = <-answered
	<-ended
	return o, disturbed, nil
}

// readCountingConn counts the reads that have begun.
type readCountingConn struct {
	net.Conn
	begun atomic.Int32
}

func (c *readCountingConn) Read(p []byte) (int, error) {
	c.begun.Add(1)
	return c.Conn.Read(p)
}

func (c *readCountingConn) reads() int { return int(c.begun.Load()) }

// ReadContextFunc is a Read that a context ends, too.
type ReadContextFunc func(ctx context.Context, conn net.Conn, p []byte) (int, error)

// cancelTries is how often Cancelled plays; most times the first one shows a bug.
const cancelTries = 5

// Cancelled ends a read by its context, and then cancels another one at the moment at which its bytes come.
// Got are the messages that were read, Met the error of the read after that, which should have another
// message. It plays that up to cancelTries times, until Met is an error.
func Cancelled(read ReadContextFunc) Play {
	return func(rec *timeline.Recorder) (o Outcome, err error) {
		var scratch *timeline.Recorder
		for range cancelTries {
			scratch = timeline.NewRecorder("")
			o, err = onPair(func(rec *timeline.Recorder, c, s net.Conn) (Outcome, error) {
				return cancelled(rec, c, s, read)
			})(scratch)
			if err != nil || o.Met != nil {
				break
			}
		}
		rec.Replay(scratch.Snapshot())
		return o, err
	}
}

func cancelled(rec *timeline.Recorder, c, s net.Conn, read ReadContextFunc) (o Outcome, err error) {
	buf := make([]byte, 100)
	ctx, cancel := context.WithTimeout(context.Background(), Hang)
	defer cancel()
	_, err = read(ctx, s, buf)
	if err == nil {
		return o, errors.New("a read whose context has ended returned no error")
	}
	rec.Note("server", nil, "its context has ended, and so has the read: %s", reason(err))
	ctx, cancel = context.WithCancel(context.Background())
	defer cancel()
	late := &lateDeadline{
		Conn: s, cancel: cancel,
		begun: make(chan struct{}), back: make(chan struct{}), set: make(chan struct{}),
	}
	if _, err := c.Write([]byte("one")); err != nil {
		return o, err
	}
	n, err := read(ctx, late, buf)
	if n == 0 {
		return o, fmt.Errorf("a read that has its bytes returned none: %w", err)
	}
	o.Got = append(o.Got, string(buf[:n]))
	rec.Note("server", buf[:n], "its context ended while the read returned")
	<-late.set
	if _, err := c.Write([]byte("two")); err != nil {
		return o, err
	}
	if err := pollFor(loopback.Patience, "3 bytes in the queue", func() bool {
		queued, err := loopback.Queued(s, 3)
		return queued == 3 || err != nil
	}); err != nil {
		return o, err
	}
	n, o.Met = s.Read(buf)
	if o.Met != nil {
		rec.Verdict("the next read, without a context: %s, though its bytes were there: the deadline of the "+
			"ended context was set after it had been set back", reason(o.Met))
		return o, nil
	}
	o.Got = append(o.Got, string(buf[:n]))
	rec.Verdict("the next read, without a context, got its bytes: %q", buf[:n])
	return o, nil
}

// lateDeadline is a connection whose context is cancelled when a read returns, and whose deadline in the past
// is set late: after it was set back, if nobody waits for it.
type lateDeadline struct {
	net.Conn
	cancel           func()
	begun, back, set chan struct{}
}

func (l *lateDeadline) Read(p []byte) (int, error) {
	n, err := l.Conn.Read(p)
	l.cancel()
	<-l.begun
	return n, err
}

func (l *lateDeadline) SetReadDeadline(at time.Time) error {
	if at.IsZero() {
		defer close(l.back)
		return l.Conn.SetReadDeadline(at)
	}
	close(l.begun)
	select {
	case <-l.back:
	case <-time.After(Hang / 5):
	}
	defer close(l.set)
	return l.Conn.SetReadDeadline(at)
}

// DialTimeout dials a listener whose accept queue has room for one, with dial and then with hasty. Met is the
// second one's error, Took how long it took.
func DialTimeout(dial, hasty DialFunc) Play {
	return func(rec *timeline.Recorder) (o Outcome, err error) {
		ln, err := loopback.Listen()
		if err != nil {
			return o, err
		}
		defer ln.Close()
		q := &queues{rec: rec, ln: ln.(*net.TCPListener)}
		if err := shrinkQueue(q.ln); err != nil {
			return o, err
		}
		first, err := rec.Dial("client 1", ln.Addr().String(), dial)
		if err != nil {
			return o, err
		}
		defer first.Close()
		if err := q.show(1); err != nil {
			return o, err
		}
		begin := time.Now()
		second, met := rec.Dial("client 2", ln.Addr().String(), hasty)
		if met == nil {
			second.Close()
			return o, errors.New("a client is connected to a listener whose queue is full")
		}
		o.Met, o.Took = met, []time.Duration{time.Since(begin)}
		rec.Verdict("client 2: %s; Timeout()? %s", reason(met), yes(timeout(met)))
		return o, nil
	}
}

// timeout is what Timeout of an error of package net says.
func timeout(err error) bool {
	var t net.Error
	return errors.As(err, &t) && t.Timeout()
}

func yes(b bool) string {
	if b {
		return "yes"
	}
	return "no"
}

// partialSize is more bytes than the queues of both sides hold.
const partialSize = 64 << 20

// PartialSend writes more than fits to a peer that does not read, with a deadline. N is how many bytes the
// write says that it has sent, Met its error; Got is how many the peer finds when it reads, as a number.
func PartialSend() Play {
	return func(rec *timeline.Recorder) (Outcome, error) {
		return undisturbed(rec, partialSend)
	}
}

func partialSend(rec *timeline.Recorder, limit time.Duration) (o Outcome, disturbed bool, err error) {
	ln, err := loopback.Listen()
	if err != nil {
		return o, false, err
	}
	defer ln.Close()
	var peer net.Conn
	c, err := rec.Dial("client", ln.Addr().String(), func(addr string) (net.Conn, error) {
		peer, err = net.Dial("tcp", addr)
		return fullReads{peer}, err
	})
	if err != nil {
		return o, false, err
	}
	defer c.Close()
	s, err := rec.Accept("server", func() (net.Conn, error) { return loopback.AcceptFrom(ln, peer) })
	if err != nil {
		return o, false, err
	}
	defer s.Close()
	bytes := make([]byte, partialSize)
	s.SetWriteDeadline(time.Now().Add(limit))
	if o.N, o.Met = s.Write(bytes); o.Met == nil {
		return o, false, fmt.Errorf("%d bytes fit into the queues", partialSize)
	}
	if o.N == 0 { // the deadline had passed before the write began
		return o, true, nil
	}
	rec.State(o.N, "%d of %d bytes went out", o.N, partialSize)
	c.SetReadDeadline(time.Now().Add(loopback.Patience))
	if err := s.Close(); err != nil {
		return o, false, err
	}
	found, err := c.Read(bytes)
	if err != nil {
		return o, false, err
	}
	o.Got = []string{strconv.Itoa(found)}
	as := "as many as the write says"
	if found != o.N {
		as = "not as many as the write says"
	}
	rec.Verdict("the write: %s, after a part of the bytes; the peer found %s", reason(o.Met), as)
	return o, false, nil
}

// fullReads is a connection whose reads are full: one for all that comes.
type fullReads struct{ net.Conn }

func (f fullReads) Read(p []byte) (int, error) {
	n, err := io.ReadFull(f.Conn, p)
	if err == io.ErrUnexpectedEOF {
		err = nil
	}
	return n, err
}

// NowFunc is a read that does not wait.
type NowFunc func(conn *net.TCPConn, p []byte) (int, error)

// Errnos meets errors of the system and others. Got are the names of their numbers, "none" if they have
// none. now is nil where there is no read that does not wait.
func Errnos(dial DialFunc, now NowFunc) Play {
	return func(rec *timeline.Recorder) (o Outcome, err error) {
		met := func(what string, err error) {
			name := errnoName(err)
			o.Got = append(o.Got, name)
			rec.Verdict("%s: %s; its number: %s; Timeout()? %s", what, reason(err), name, yes(timeout(err)))
		}
		addr, err := loopback.FreeAddr()
		if err != nil {
			return o, err
		}
		_, err = rec.Dial("client", addr, dial)
		met("a dial where nobody listens", err)
		ln, err := loopback.Listen()
		if err != nil {
			return o, err
		}
		defer ln.Close()
		c, err := rec.Dial("client", ln.Addr().String(), dial)
		if err != nil {
			return o, err
		}
		defer c.Close()
		conn, err := ln.Accept()
		if err != nil {
			return o, err
		}
		s := &nowConn{TCPConn: conn.(*net.TCPConn)}
		recorded, _ := rec.Accept("server", func() (net.Conn, error) { return s, nil })
		defer recorded.Close()
		buf := make([]byte, 100)
		if now != nil {
			s.now = now
			_, err = recorded.Read(buf)
			met("a read that does not wait", err)
			s.now = nil
		}
		recorded.SetReadDeadline(time.Now().Add(Hang))
		_, err = recorded.Read(buf)
		met("a read that waits until its deadline", err)
		recorded.SetReadDeadline(time.Now().Add(loopback.Patience))
		if err := loopback.Abort(c); err != nil {
			return o, err
		}
		_, err = recorded.Read(buf)
		met("a read from a client that has aborted", err)
		return o, nil
	}
}

// nowConn reads with now, unless that is nil.
type nowConn struct {
	*net.TCPConn
	now NowFunc
}

func (c *nowConn) Read(p []byte) (int, error) {
	if c.now != nil {
		return c.now(c.TCPConn, p)
	}
	return c.TCPConn.Read(p)
}

// errnoName is the name of the number that an error of the system has.
func errnoName(err error) string {
	for name, errno := range map[string]syscall.Errno{
		"ECONNREFUSED": syscall.ECONNREFUSED, "ECONNRESET": syscall.ECONNRESET, "ETIMEDOUT": syscall.ETIMEDOUT,
		"EAGAIN": syscall.EAGAIN,
	} {
		if loopback.Is(err, errno) {
			return name
		}
	}
	return "none"
}
