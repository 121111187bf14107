package scenario

import (
	"bytes"
	"io"
	"net"
	"runtime"
	"strconv"
	"time"

	"socketbook/tools/loopback"
	"socketbook/tools/timeline"
)

// EmptyLine lets a client talk that is given an empty line between two others. It returns what the client printed,
// and whether the two sides ended up waiting for each other.
func EmptyLine(rec *timeline.Recorder, answer func(net.Conn) error, talk func(net.Conn, io.Reader, io.Writer) error) (printed []string, stuck bool, err error) {
	printed, stuck, err = typed(rec, answer, talk, "one", "", "two", "quit")
	rec.Verdict("3 lines typed, one of them empty: %d answered", len(printed))
	return printed, stuck, err
}

// typed lets a client type lines to a server over a fresh connection, until it ends or both wait for each other.
func typed(rec *timeline.Recorder, answer func(net.Conn) error, talk func(net.Conn, io.Reader, io.Writer) error, lines ...string) (printed []string, stuck bool, err error) {
	c, s, err := Pair(rec)
	if err != nil {
		return nil, false, err
	}
	defer s.Close()
	silence := &standoff{rec: rec}
	wc, ws := silence.watch(c, s, c)
	left := false
	_, err = both(func() error {
		defer silence.wake(func() { left = true })
		return answer(ws)
	}, func() error {
		defer c.Close()
		printed, err = Talk(rec, "client", talk, wc, lines...)
		silence.settle(&left) // the server finishes its last answer, too
		return err
	})
	if stuck = silence.happened(); stuck {
		err = nil // the deadline that the standoff set
	}
	return printed, stuck, err
}

// spinReads is how many reads Spin lets a server make after the client has left.
const spinReads = 500

// Spin lets a client send one message, read the answer and close. It returns how many times the server
// read from the closed connection; after spinReads times the scene ends the server's goroutine.
func Spin(rec *timeline.Recorder, answer func(net.Conn) error) (reads int, err error) {
	c, s, err := Pair(rec)
	if err != nil {
		return 0, err
	}
	defer s.Close()
	over := make(chan struct{})
	go func() {
		defer close(over)
		answer(&bounded{Conn: s, left: 1 + spinReads})
	}()
	if _, err := exchange(c, "hello"); err != nil {
		return 0, err
	}
	c.Close()
	<-over
	reads = timeline.Count(rec.Events(), "server", timeline.EOF)
	if reads >= spinReads {
		rec.Verdict("after the client had left, the server read 0 bytes %d times; only the scene stopped it", reads)
	} else {
		rec.Verdict("the server met the end of the stream %s and stopped", times(reads))
	}
	return reads, nil
}

// bounded is a connection on which a goroutine may read so many times; the next read ends the goroutine.
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

// Reset lets a client exchange one message and then abort the connection (SO_LINGER 0) while the server reads. It
// returns what answer returned.
func Reset(rec *timeline.Recorder, answer func(net.Conn) error) (ended error, err error) {
	c, s, err := Pair(rec)
	if err != nil {
		return nil, err
	}
	defer s.Close()
	answered := make(chan error, 1)
	go func() { answered <- answer(s) }()
	if _, err := exchange(c, "hello"); err != nil {
		return nil, err
	}
	if err := loopback.Abort(c); err != nil {
		return nil, err
	}
	ended = <-answered
	judge(rec, ended)
	return ended, nil
}

// UnreadAnswer lets a client send 5000 bytes and close without reading an answer, before the server gets to it. The
// server's first answer meets a closed socket, whose machine replies with a reset; the scene holds the server back until that
// has come. It returns what answer returned.
func UnreadAnswer(rec *timeline.Recorder, answer func(net.Conn) error) (ended error, err error) {
	c, s, err := Pair(rec)
	if err != nil {
		return nil, err
	}
	defer s.Close()
	if _, err := c.Write(bytes.Repeat([]byte("a"), 5000)); err != nil {
		return nil, err
	}
	if err := Late(rec, s, 5000); err != nil {
		return nil, err
	}
	c.Close()
	rec.State(0, "the client has gone, without waiting for an answer")
	ended = answer(&afterWrite{Conn: s, do: func() error { return loopback.WaitDead(s) }})
	judge(rec, ended)
	return ended, nil
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

// NeverClosed lets a client send one message, close its writing half and read to the end. It returns whether the end
// came.
func NeverClosed(rec *timeline.Recorder, p Programs) (ended bool, err error) {
	server, err := Start(rec, p.Serve)
	if err != nil {
		return false, err
	}
	conn, err := rec.Dial("client", server.Addr, p.Dial)
	if err != nil {
		server.Stop()
		return false, err
	}
	if _, err := exchange(conn, "hello"); err != nil {
		conn.Close()
		server.Stop()
		return false, err
	}
	conn.(interface{ CloseWrite() error }).CloseWrite()
	server.Idle(2)
	rec.State(0, "the server is done with this client and waits for the next")
	if timeline.Count(rec.Events(), "server", timeline.Close) == 0 { // and now nobody will close it any more
		conn.SetReadDeadline(time.Now().Add(Hang))
	}
	_, rerr := conn.Read(make([]byte, 1024))
	ended = rerr == io.EOF
	if ended {
		rec.Verdict("the client sees the end: the server has closed its side too")
	} else {
		rec.Verdict("the client never sees the end: the server forgot to close its side")
	}
	conn.Close()
	server.Stop()
	return ended, nil
}

// SecondWaits lets a second client come while the first one is still there. It returns whether the second one got an answer
// within Hang, and the answer that it got after the first one had left.
func SecondWaits(rec *timeline.Recorder, p Programs) (atOnce bool, later string, err error) {
	server, err := Start(rec, p.Serve)
	if err != nil {
		return false, "", err
	}
	defer server.Stop()
	first, err := rec.Dial("client 1", server.Addr, p.Dial)
	if err != nil {
		return false, "", err
	}
	defer first.Close()
	if _, err := exchange(first, "i am here"); err != nil {
		return false, "", err
	}
	second, err := rec.Dial("client 2", server.Addr, p.Dial)
	if err != nil {
		return false, "", err
	}
	defer second.Close()
	rec.State(0, "client 2 is connected: the kernel shakes hands before accept is called")
	if _, err := second.Write([]byte("me too")); err != nil {
		return false, "", err
	}
	buf := make([]byte, 1024)
	second.SetReadDeadline(time.Now().Add(Hang))
	n, rerr := second.Read(buf)
	if atOnce = rerr == nil; !atOnce {
		second.SetReadDeadline(time.Time{})
		rec.State(0, "client 1 leaves")
		first.Close()
		if n, err = second.Read(buf); err != nil {
			return false, "", err
		}
	}
	later = string(buf[:n])
	if atOnce {
		rec.Verdict("client 2 is served while client 1 is still there")
	} else {
		rec.Verdict("client 2 waits until client 1 has left, and is answered then")
	}
	return atOnce, later, nil
}

func times(n int) string {
	if n == 1 {
		return "once"
	}
	return strconv.Itoa(n) + " times"
}
