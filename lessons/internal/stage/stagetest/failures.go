package stagetest

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"socketbook/lessons/internal/scenario"
	"socketbook/tools/loopback"
)

// Failures runs functions of a lesson again and again, and each time another one of the calls that
// they make fails, and all calls after it. What they return, print, log, send and leave open is in
// testdata/failures.txt.
func Failures(t *testing.T, functions ...Function) {
	var said strings.Builder
	for _, f := range functions {
		fmt.Fprintf(&said, "# %s\n", f.name)
		for n := 1; ; n++ {
			c := &calls{t: t, name: f.name, failing: n}
			said.WriteString(f.failing(t, c))
			if c.failed == "" {
				break
			}
		}
	}
	Golden(t, filepath.Join("testdata", "failures.txt"), said.String())
}

// Function is one of a lesson's, with a peer for its connection.
type Function struct {
	name string
	run  func(c *calls, conn net.Conn, out io.Writer) error
	peer func(conn *pipeEnd) (got []string) // what was sent to it, write by write
}

// failing runs f once, and returns a line that says what came of it.
func (f Function) failing(t *testing.T, c *calls) string {
	var out, logged bytes.Buffer
	log.SetFlags(0)
	log.SetOutput(&logged)
	defer log.SetOutput(os.Stderr)
	near, far := pipe()
	defer near.Close()
	watchdog := time.AfterFunc(loopback.Patience, func() { far.Close(); near.Close() })
	got := make(chan []string)
	go func() {
		defer far.Close()
		got <- f.peer(far)
	}()
	err := f.run(c, failingConn{near, c}, failingWriter{&out, c})
	near.Close()
	sent := append(c.sent, <-got...)
	require.True(t, watchdog.Stop(), "%s did not return within %v", f.name, loopback.Patience)

	what := "nothing fails"
	if c.failed != "" {
		what = c.failed + " fails"
		require.True(t, err == nil || errors.Is(err, errCut), "%s, %s: %v", f.name, what, err)
	}
	line := what + ": no error"
	if err != nil {
		line = fmt.Sprintf("%s: %v", what, err)
	}
	line += fmt.Sprintf("; connections closed: %d", c.closed)
	if len(sent) > 0 {
		line += fmt.Sprintf("; sent %.40q", sent)
	}
	if out.Len() > 0 {
		line += fmt.Sprintf("; printed %q", &out)
	}
	if logged.Len() > 0 {
		line += fmt.Sprintf("; logged %q", &logged)
	}
	return line + "\n"
}

// Answers is a server's half of a conversation. Its client sends the requests, and does not mind
// what comes.
func Answers(name string, answer scenario.AnswerFunc, requests ...string) Function {
	return Function{
		name: name,
		run:  func(_ *calls, conn net.Conn, _ io.Writer) error { return answer(conn) },
		peer: func(conn *pipeEnd) []string { return send(conn, requests) },
	}
}

// Serves is what accepts clients: one, and then the listener is closed.
func Serves(name string, serve func(net.Listener) error, requests ...string) Function {
	return Function{
		name: name,
		run: func(c *calls, conn net.Conn, _ io.Writer) error {
			return serve(&failingListener{c, conn})
		},
		peer: func(conn *pipeEnd) []string { return send(conn, requests) },
	}
}

// Accepts is what serves clients at once: none comes, and the listener is closed.
func Accepts(name string, serve func(net.Listener) error) Function {
	return Function{
		name: name,
		run:  func(c *calls, _ net.Conn, _ io.Writer) error { return serve(&failingListener{calls: c}) },
		peer: nobody,
	}
}

func nobody(*pipeEnd) []string { return nil }

// send sends the requests, and meanwhile takes what comes.
func send(conn *pipeEnd, requests []string) []string {
	taken := make(chan []string)
	go func() {
		var all []string
		for {
			message, err := conn.next()
			if err != nil {
				taken <- all
				return
			}
			all = append(all, message)
		}
	}()
	for _, request := range requests {
		io.WriteString(conn, request)
	}
	conn.CloseWrite()
	return <-taken
}

// Talks is a client's half of a conversation, with the lines of its input. Its server gives these
// answers, one for each message.
func Talks(name string, talk scenario.TalkFunc, input string, answers ...string) Function {
	return Function{
		name: name,
		run: func(c *calls, conn net.Conn, out io.Writer) error {
			return talk(conn, failingReader{strings.NewReader(input), c}, out)
		},
		peer: func(conn *pipeEnd) (got []string) {
			for {
				message, err := conn.next()
				if err != nil {
					return got
				}
				got = append(got, message)
				if len(got) > len(answers) {
					return got
				}
				io.WriteString(conn, answers[len(got)-1])
			}
		},
	}
}

// Reads is what copies messages from a connection to a writer. Its peer sends these pieces.
func Reads(name string, read func(r io.Reader, w io.Writer) error, pieces ...string) Function {
	return Function{
		name: name,
		run:  func(_ *calls, conn net.Conn, out io.Writer) error { return read(conn, out) },
		peer: func(conn *pipeEnd) []string { return send(conn, pieces) },
	}
}

// ServesPackets is a server over UDP, which gets these messages.
func ServesPackets(name string, serve func(net.PacketConn) error, messages ...string) Function {
	return Function{
		name: name,
		run: func(c *calls, _ net.Conn, _ io.Writer) error {
			return serve(&failingPackets{calls: c, messages: messages})
		},
		peer: nobody,
	}
}

// pipeEnd is one end of a connection in memory, which can be closed in one direction.
type pipeEnd struct {
	net.Conn
	*io.PipeReader
	*io.PipeWriter
}

// pipe returns both ends. Each read takes what one write has sent, or what it has room for.
func pipe() (near, far *pipeEnd) {
	fromFar, toNear := io.Pipe()
	fromNear, toFar := io.Pipe()
	return &pipeEnd{nil, fromFar, toFar}, &pipeEnd{nil, fromNear, toNear}
}

func (p *pipeEnd) Read(b []byte) (int, error) { return p.PipeReader.Read(b) }

func (p *pipeEnd) Write(b []byte) (int, error) { return p.PipeWriter.Write(b) }

// next returns what the next write of the other end has sent.
func (p *pipeEnd) next() (string, error) {
	buf := make([]byte, 1<<17)
	n, err := p.Read(buf)
	return string(buf[:n]), err
}

func (p *pipeEnd) CloseWrite() error { return p.PipeWriter.Close() }

func (p *pipeEnd) Close() error { return errors.Join(p.PipeReader.Close(), p.PipeWriter.Close()) }

func (p *pipeEnd) RemoteAddr() net.Addr { return &net.TCPAddr{IP: peer, Port: 4242} }

func (p *pipeEnd) SetReadDeadline(time.Time) error { return nil }

func (p *pipeEnd) SetWriteDeadline(time.Time) error { return nil }

// peer is where messages come from: an address for documentation (RFC 5737).
var peer = net.IPv4(192, 0, 2, 1)

// errCut is how calls fail.
var errCut = errors.New("the cable is cut")

// calls counts the calls of a function, of which one fails, and all after it.
type calls struct {
	t             *testing.T
	name          string // of the function
	failing, made int
	failed        string // the first one, or ""
	closed        int    // connections
	sent          []string
}

func (c *calls) call(what string) error {
	c.made++
	if c.made > 1000 {
		c.t.Fatalf("%s: %s fails: it makes ever more calls", c.name, cmp.Or(c.failed, "nothing"))
	}
	if c.made < c.failing {
		return nil
	}
	if c.failed != "" {
		return fmt.Errorf("%w, as before", errCut)
	}
	c.failed = fmt.Sprintf("call %d, %s,", c.made, what)
	return errCut
}

type failingConn struct {
	net.Conn
	*calls
}

func (f failingConn) Read(p []byte) (int, error) {
	if err := f.call("read"); err != nil {
		return 0, err
	}
	return f.Conn.Read(p)
}

func (f failingConn) Write(p []byte) (int, error) {
	if err := f.call("write"); err != nil {
		return 0, err
	}
	return f.Conn.Write(p)
}

func (f failingConn) SetReadDeadline(at time.Time) error {
	if err := f.call("set the deadline"); err != nil {
		return err
	}
	return f.Conn.SetReadDeadline(at)
}

func (f failingConn) SetWriteDeadline(at time.Time) error {
	if err := f.call("set the deadline"); err != nil {
		return err
	}
	return f.Conn.SetWriteDeadline(at)
}

func (f failingConn) Close() error {
	f.closed++
	return f.Conn.Close()
}

type failingListener struct {
	*calls
	conn net.Conn // comes first, unless nil
}

func (f *failingListener) Accept() (net.Conn, error) {
	if err := f.call("accept"); err != nil {
		return nil, err
	}
	conn := f.conn
	if conn == nil {
		return nil, &net.OpError{Op: "accept", Net: "tcp", Err: net.ErrClosed}
	}
	f.conn = nil
	return conn, nil
}

func (f *failingListener) Addr() net.Addr { return &net.TCPAddr{} }

func (f *failingListener) Close() error { return nil }

// failingPackets is a socket that gets some messages, and is closed then.
type failingPackets struct {
	net.PacketConn
	*calls
	messages []string
}

func (f *failingPackets) ReadFrom(p []byte) (int, net.Addr, error) {
	if err := f.call("read"); err != nil {
		return 0, nil, err
	}
	if len(f.messages) == 0 {
		return 0, nil, &net.OpError{Op: "read", Net: "udp", Err: net.ErrClosed}
	}
	message := f.messages[0]
	f.messages = f.messages[1:]
	return copy(p, message), &net.UDPAddr{IP: peer, Port: 4242}, nil
}

func (f *failingPackets) WriteTo(p []byte, _ net.Addr) (int, error) {
	if err := f.call("write"); err != nil {
		return 0, err
	}
	f.sent = append(f.sent, string(p))
	return len(p), nil
}

func (f *failingPackets) LocalAddr() net.Addr {
	return &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 4243}
}

type failingReader struct {
	io.Reader
	*calls
}

func (f failingReader) Read(p []byte) (int, error) {
	if err := f.call("read the input"); err != nil {
		return 0, err
	}
	return f.Reader.Read(p)
}

type failingWriter struct {
	io.Writer
	*calls
}

func (f failingWriter) Write(p []byte) (int, error) {
	if err := f.call("print"); err != nil {
		return 0, err
	}
	return f.Writer.Write(p)
}
