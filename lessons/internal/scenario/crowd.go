package scenario

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"log"
	"net"
	"strings"
	"sync"
	"time"

	"socketbook/tools/loopback"
	"socketbook/tools/timeline"
)

// UntilClosed wraps a serve function that answers its clients in the background. The result returns
// only when the connections that serve accepted are closed, too: their ends are then in the recording.
func UntilClosed(serve func(net.Listener) error) func(net.Listener) error {
	return func(ln net.Listener) error {
		var open sync.WaitGroup
		err := serve(&countingListener{ln, &open})
		closed := make(chan struct{})
		go func() {
			open.Wait()
			close(closed)
		}()
		select {
		case <-closed:
		case <-time.After(loopback.Patience): // somebody changed the lesson, and it closes nothing
		}
		return err
	}
}

// countingListener counts connections that are open.
type countingListener struct {
	net.Listener
	open *sync.WaitGroup
}

func (l *countingListener) Accept() (net.Conn, error) {
	conn, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	l.open.Add(1)
	return &countedConn{conn, sync.OnceFunc(l.open.Done)}, nil
}

type countedConn struct {
	net.Conn
	closed func()
}

func (c *countedConn) Close() error {
	defer c.closed()
	return c.Conn.Close()
}

// MixedLines lets two clients each send a message that a layer between connection and server refuses,
// so that the server logs a line for each. If the first write to the log ends no line, it returns only
// when the other handler has ended one. Got are the lines, N how many of them name one client and say
// what was wrong.
func MixedLines(p Programs) Play {
	return func(rec *timeline.Recorder) (o Outcome, err error) {
		gate := &lineGate{
			begun: make(chan struct{}), other: make(chan struct{}), full: make(chan struct{}),
		}
		before := log.Writer()
		log.SetOutput(gate)
		defer log.SetOutput(before)
		server, err := Start(rec, UntilClosed(func(ln net.Listener) error {
			return p.Serve(textListener{ln})
		}))
		if err != nil {
			return o, err
		}
		defer server.Stop()
		var names []string
		for i, message := range []string{"caf\xe9", "na\xefve"} { // Latin-1, which is not UTF-8
			conn, err := rec.Dial(fmt.Sprint("client ", i+1), server.Addr, p.Dial)
			if err != nil {
				return o, err
			}
			defer conn.Close()
			names = append(names, conn.LocalAddr().String(), fmt.Sprint(i+1))
			if _, err := conn.Write([]byte(message)); err != nil {
				return o, err
			}
			if err := within("the first piece of the log", gate.begun); err != nil {
				return o, err
			}
		}
		if err := within("two lines in the log", gate.full); err != nil {
			return o, err
		}
		text := strings.NewReplacer(names...).Replace(gate.written.String())
		o.Got = strings.Split(strings.TrimSuffix(text, "\n"), "\n")
		for _, line := range o.Got {
			rec.Note("server", nil, "log: %s", line)
			if strings.Count(line, "client") == 1 && strings.Contains(line, "UTF-8") {
				o.N++
			}
		}
		rec.Verdict("2 handlers logged a line each, %d of the lines whole", o.N)
		return o, nil
	}
}

// textListener accepts connections that text comes from.
type textListener struct{ net.Listener }

func (l textListener) Accept() (net.Conn, error) {
	conn, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return textConn{conn}, nil
}

// lineGate is where a log of two lines goes.
type lineGate struct {
	mu                 sync.Mutex
	written            bytes.Buffer  // to be read when full is closed
	begun, other, full chan struct{} // closed at the first piece; at the first line's end; at the second's
}

func (g *lineGate) Write(p []byte) (int, error) {
	g.mu.Lock()
	first, before := g.written.Len() == 0, bytes.Count(g.written.Bytes(), []byte("\n"))
	g.written.Write(p)
	lines := bytes.Count(g.written.Bytes(), []byte("\n"))
	if before < 1 && lines >= 1 {
		close(g.other)
	}
	if before < 2 && lines >= 2 {
		close(g.full)
	}
	g.mu.Unlock()
	if !first {
		return len(p), nil
	}
	close(g.begun)
	return len(p), within("somebody else's line", g.other)
}

// within waits for a channel to be closed; a watchdog says what did not happen.
func within(what string, happened <-chan struct{}) error {
	select {
	case <-happened:
		return nil
	case <-time.After(loopback.Patience):
		return fmt.Errorf("waited %v for %s", loopback.Patience, what)
	}
}

// ErrorElsewhere lets a client exchange one message and abort the connection while the server waits
// for the next one, and then a second client come. Stuck is whether the server left the first one's
// connection open for as long as watch. N is how many accepts met an error.
func ErrorElsewhere(p Programs, watch time.Duration) Play {
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
		if _, err := exchange(first, "hello"); err != nil {
			return o, err
		}
		if err := loopback.Abort(first); err != nil {
			return o, err
		}
		if err := wait(rec, "the reset", timeline.Happened("server", timeline.Reset, 1)); err != nil {
			return o, err
		}
		o.Stuck = !happensWithin(rec, watch, timeline.Happened("server", timeline.Close, 1))
		if o.Stuck {
			rec.State(0, "the connection of client 1 stays open: nobody will close it now")
		}
		second, err := rec.Dial("client 2", server.Addr, p.Dial)
		if err != nil {
			return o, err
		}
		if _, err := exchange(second, "me too"); err != nil {
			return o, err
		}
		closed := timeline.Count(rec.Events(), "server", timeline.Close)
		second.Close()
		err = wait(rec, "the server's close", timeline.Happened("server", timeline.Close, closed+1))
		for _, e := range rec.Events() {
			if e.Op == timeline.Accept && e.Err != "" {
				o.N++
			}
		}
		where := "and whoever read it closed the connection"
		if o.Stuck {
			where = "and the connection was left open"
		}
		rec.Verdict("a read met the reset, %s; %d calls of accept met an error", where, o.N)
		return o, err
	}
}

// happensWithin watches for something that may never come.
func happensWithin(
	rec *timeline.Recorder, watch time.Duration, cond func([]timeline.Event) bool,
) bool {
	ctx, cancel := context.WithTimeout(context.Background(), watch)
	defer cancel()
	return rec.Wait(ctx, "", cond) == nil
}

// CutWord lets a client send a word that ends the conversation, in two pieces, the second one when the
// server has read the first and waits for more. Stuck is whether the server went on waiting.
func CutWord(answer AnswerFunc, word string) Play {
	return onPair(func(rec *timeline.Recorder, c, s net.Conn) (o Outcome, err error) {
		server := &Server{}
		server.changed = sync.NewCond(&server.mu)
		go func() {
			err := answer(&watchedConn{s, server})
			server.update(func() { server.returned, server.err = true, err })
		}()
		for i, piece := range []string{word[:1], word[1:]} {
			server.Listening(i + 1)
			if _, err := io.WriteString(c, piece); err != nil {
				return o, err
			}
		}
		server.Listening(3)
		if o.Stuck = !server.Over(); o.Stuck {
			rec.State(0, "%q has been sent, and the server is blocked in Read, waiting for more", word)
		}
		closeWrite(c)
		if _, err := io.Copy(io.Discard, c); err != nil {
			return o, err
		}
		err = server.Returned()
		ended := "ended the conversation"
		if o.Stuck {
			ended = "did not end the conversation"
		}
		rec.Verdict("%q, sent as %q and %q, %s", word, word[:1], word[1:], ended)
		return o, err
	})
}

// Relayed lets a client speak to a server through a relay: it sends a message, closes its writing half
// and reads to the end. The server answers when it has met the end. Got is what the client read.
func Relayed(dial func(addr string) (net.Conn, error), relay func(a, b net.Conn) error) Play {
	return func(rec *timeline.Recorder) (o Outcome, err error) {
		server, err := Start(rec, answerAtTheEnd)
		if err != nil {
			return o, err
		}
		defer server.Stop()
		ln, err := loopback.Listen()
		if err != nil {
			return o, err
		}
		defer ln.Close()
		addr := ln.Addr().String()
		client, err := rec.Dial("client", addr, dial)
		if err != nil {
			return o, err
		}
		defer client.Close()
		a, err := rec.Accept("relay", func() (net.Conn, error) { return loopback.AcceptFrom(ln, client) })
		if err != nil {
			return o, err
		}
		defer a.Close()
		b, err := rec.Dial("relay", server.Addr, dial)
		if err != nil {
			return o, err
		}
		relayed := make(chan error, 1)
		go func() { relayed <- relay(a, b) }()
		if _, err := client.Write([]byte("hello")); err != nil {
			return o, err
		}
		closeWrite(client)
		output, err := io.ReadAll(client)
		if err != nil {
			return o, err
		}
		o.Met = <-relayed
		if err := server.Returned(); err != nil {
			return o, err
		}
		if len(output) > 0 {
			o.Got = []string{string(output)}
		}
		rec.Verdict("the server answered 5 bytes; the client read %d of them, and then the end", len(output))
		return o, nil
	}
}

// answerAtTheEnd serves one client: it reads to the end, and answers then.
func answerAtTheEnd(ln net.Listener) error {
	conn, err := ln.Accept()
	if err != nil {
		return err
	}
	defer conn.Close()
	message, err := io.ReadAll(conn)
	if err != nil {
		return err
	}
	_, err = conn.Write(bytes.ToUpper(message))
	return err
}
