package scenario

import (
	"bytes"
	"fmt"
	"io"
	"net"
	"runtime"
	"strconv"
	"time"
	"unicode/utf8"

	"socketbook/tools/loopback"
	"socketbook/tools/timeline"
)

// EmptyLine lets a client talk that is given an empty line between two others. Got is what the
// client printed, Stuck whether the two sides ended up waiting for each other.
func EmptyLine(answer AnswerFunc, talk TalkFunc) Play {
	return func(rec *timeline.Recorder) (Outcome, error) {
		o, err := typed(answer, talk, "one", "", "two", "quit")(rec)
		rec.Verdict("3 lines typed, one of them empty: %d answered", len(o.Got))
		return o, err
	}
}

// typed lets a client type lines to a server over a fresh connection, until it ends or both wait
// for each other. Got is what the client printed, Stuck whether they did.
func typed(answer AnswerFunc, talk TalkFunc, lines ...string) Play {
	return onPair(func(rec *timeline.Recorder, c, s net.Conn) (o Outcome, err error) {
		silence := &standoff{rec: rec}
		wc, ws := silence.watch(c, s, c)
		left := false
		_, err = both(func() error {
			defer silence.wake(func() { left = true })
			return answer(ws)
		}, func() error {
			defer c.Close()
			o.Got, err = Talk(rec, "client", talk, wc, lines...)
			silence.settle(&left) // the server finishes its last answer, too
			return err
		})
		if o.Stuck = silence.happened(); o.Stuck {
			err = nil // the deadline that the standoff set
		}
		return o, err
	})
}

// spinReads is how many reads Spin lets a server make after the client has left.
const spinReads = 100

// Spin lets a client send one message, read the answer and close. N is how many times the server
// read from the closed connection; after spinReads times the scene ends the server's goroutine.
func Spin(answer AnswerFunc) Play {
	return onPair(func(rec *timeline.Recorder, c, s net.Conn) (o Outcome, err error) {
		over := make(chan struct{})
		go func() {
			defer close(over)
			answer(&bounded{Conn: s, left: 1 + spinReads})
		}()
		if _, err := exchange(c, "hello"); err != nil {
			return o, err
		}
		c.Close()
		<-over
		o.N = timeline.Count(rec.Events(), "server", timeline.EOF)
		if o.N >= spinReads {
			rec.Verdict("after the client had left, the server read 0 bytes %d times; "+
				"only the scene stopped it", o.N)
		} else {
			rec.Verdict("the server met the end of the stream %s and stopped", times(o.N))
		}
		return o, nil
	})
}

// bounded is a connection on which a goroutine may read so many times; the next read ends the
// goroutine.
type bounded struct {
	net.Conn
	left int
}

func (b *bounded) Read(p []byte) (int, error) {
	if b.left == 0 {
		runtime.Goexit()
	}
	b.left--
	return b.Conn.Read(p)
}

// Reset lets a client exchange one message and then abort the connection (SO_LINGER 0) while the
// server reads. Met is what answer returned.
func Reset(answer AnswerFunc) Play {
	return onPair(func(rec *timeline.Recorder, c, s net.Conn) (o Outcome, err error) {
		answered := make(chan error, 1)
		go func() { answered <- answer(s) }()
		if _, err := exchange(c, "hello"); err != nil {
			return o, err
		}
		if err := loopback.Abort(c); err != nil {
			return o, err
		}
		o.Met = <-answered
		judge(rec, o.Met)
		return o, nil
	})
}

// UnreadAnswer lets a client send 5000 bytes and close without reading an answer, before the server
// gets to it. The server's first answer meets a closed socket, whose machine replies with a reset;
// the scene holds the server back until that has come. Met is what answer returned.
func UnreadAnswer(answer AnswerFunc) Play {
	return onPair(func(rec *timeline.Recorder, c, s net.Conn) (o Outcome, err error) {
		if _, err := c.Write(bytes.Repeat([]byte("a"), 5000)); err != nil {
			return o, err
		}
		if err := Late(rec, s, 5000); err != nil {
			return o, err
		}
		c.Close()
		rec.State(0, "the client has gone, without waiting for an answer")
		o.Met = answer(&afterWrite{Conn: s, do: func() error { return loopback.WaitDead(s) }})
		judge(rec, o.Met)
		return o, nil
	})
}

// afterWrite is a connection whose first write returns only after something else has happened.
type afterWrite struct {
	net.Conn
	do   func() error
	done bool
}

func (w *afterWrite) Write(p []byte) (int, error) {
	n, err := w.Conn.Write(p)
	if !w.done {
		w.done = true
		if derr := w.do(); derr != nil {
			return n, derr
		}
	}
	return n, err
}

// judge says how a server took it that its client left.
func judge(rec *timeline.Recorder, ended error) {
	if ended == nil {
		rec.Verdict("the server took it for what it is: the client has left")
	} else {
		rec.Verdict("the server ended with an error: %s", reason(ended))
	}
}

// Swallowed lets a client send a message that a careful server refuses: it is not UTF-8, and a layer
// between connection and server says so. Met is what answer returned.
func Swallowed(answer AnswerFunc) Play {
	return onPair(func(rec *timeline.Recorder, c, s net.Conn) (o Outcome, err error) {
		answered := make(chan error, 1)
		go func() { answered <- answer(textConn{s}) }()
		if _, err := exchange(c, "hello"); err != nil {
			return o, err
		}
		if _, err := c.Write([]byte("caf\xe9")); err != nil {
			return o, err
		}
		o.Met = <-answered
		if n, err := c.Read(make([]byte, 1024)); err != io.EOF {
			return o, fmt.Errorf("the client read %d bytes and %v instead of the end", n, err)
		}
		if o.Met == nil {
			rec.Verdict("the server dropped its client, and nobody knows why")
		} else {
			rec.Note("server", nil, "ends with: %v", o.Met)
			rec.Verdict("the server dropped its client, and says why: %v", o.Met)
		}
		return o, nil
	})
}

// textConn is a connection that text comes from: bytes that are not UTF-8 are an error.
type textConn struct{ net.Conn }

func (c textConn) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	if !utf8.Valid(p[:n]) {
		return 0, fmt.Errorf("%q is not UTF-8", p[:n])
	}
	return n, err
}

// CloseInside lets a client talk that is given two lines. Got is what it printed, Met what its talk
// function returned.
func CloseInside(answer AnswerFunc, talk TalkFunc) Play {
	return onPair(func(rec *timeline.Recorder, c, s net.Conn) (o Outcome, err error) {
		err, _ = both(func() error { return answer(s) }, func() error {
			defer c.Close()
			o.Got, o.Met = Talk(rec, "client", talk, c, "first", "second")
			return nil
		})
		if o.Met != nil {
			rec.Note("client", nil, "is told: %s", reason(o.Met))
		}
		rec.Verdict("2 lines typed, %d answered", len(o.Got))
		return o, err
	})
}

// NeverClosed lets a client send one message, close its writing half and read to the end. Stuck is
// whether the end would never have come.
func NeverClosed(p Programs) Play {
	return func(rec *timeline.Recorder) (o Outcome, err error) {
		server, err := Start(rec, p.Serve)
		if err != nil {
			return o, err
		}
		defer server.Stop()
		conn, err := rec.Dial("client", server.Addr, p.Dial)
		if err != nil {
			return o, err
		}
		defer conn.Close()
		if _, err := exchange(conn, "hello"); err != nil {
			return o, err
		}
		closeWrite(conn)
		server.Idle(2)
		rec.State(0, "the server is done with this client and waits for the next")
		if timeline.Count(rec.Events(), "server", timeline.Close) == 0 { // and nobody will close it now
			conn.SetReadDeadline(time.Now().Add(Hang))
		}
		_, rerr := conn.Read(make([]byte, 1024))
		o.Stuck = rerr != io.EOF
		if o.Stuck {
			rec.Verdict("the client never sees the end: the server forgot to close its side")
		} else {
			rec.Verdict("the client sees the end: the server has closed its side too")
		}
		return o, nil
	}
}

// SecondWaits lets a second client come while the first one is still there. Stuck is whether the
// second one got no answer within Hang; Got is the answer that it got then, or after the first one
// had left.
func SecondWaits(p Programs) Play { return SecondWaitsAtMost(p, Hang) }

// SecondWaitsAtMost is SecondWaits for a server from which the second client should have an answer:
// it waits longer, as the machine may be slow.
func SecondWaitsAtMost(p Programs, wait time.Duration) Play {
	return func(rec *timeline.Recorder) (o Outcome, err error) {
		server, err := Start(rec, p.Serve)
		if err != nil {
			return o, err
		}
		defer server.Stop()
		first, err := rec.Dial("client 1", server.Addr, p.Dial)
		if err != nil {
			return o, err
		}
		defer first.Close()
		if _, err := exchange(first, "i am here"); err != nil {
			return o, err
		}
		second, err := rec.Dial("client 2", server.Addr, p.Dial)
		if err != nil {
			return o, err
		}
		defer second.Close()
		rec.State(0, "client 2 is connected: the kernel shakes hands without accept")
		if _, err := second.Write([]byte("me too")); err != nil {
			return o, err
		}
		buf := make([]byte, 1024)
		second.SetReadDeadline(time.Now().Add(wait))
		n, rerr := second.Read(buf)
		if o.Stuck = rerr != nil; o.Stuck {
			second.SetReadDeadline(time.Time{})
			rec.State(0, "client 1 leaves")
			first.Close()
			if n, err = second.Read(buf); err != nil {
				return o, err
			}
		}
		o.Got = []string{string(buf[:n])}
		if o.Stuck {
			rec.Verdict("client 2 waits until client 1 has left, and is answered then")
		} else {
			rec.Verdict("client 2 is served while client 1 is still there")
		}
		return o, nil
	}
}

func times(n int) string {
	if n == 1 {
		return "once"
	}
	return strconv.Itoa(n) + " times"
}
