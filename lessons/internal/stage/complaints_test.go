package stage_test

import (
	"bufio"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/text/encoding"

	"socketbook/lessons/internal/scenario"
	"socketbook/lessons/internal/stage"
	"socketbook/lessons/internal/stage/stagetest"
	"socketbook/tools/timeline"
)

// talker is a lesson with everything that a lesson may have.
func talker() stage.Lesson {
	return stage.Lesson{
		Number: "04", RunsCommands: true,
		Listen: func(string) (net.Listener, error) {
			return &silentListener{end: make(chan struct{})}, nil
		},
		Serve: func(ln net.Listener) error {
			ln.Accept()
			return nil
		},
		Dial: func(string) (net.Conn, error) {
			conn, peer := net.Pipe()
			peer.Close()
			return conn, nil
		},
		Talk: func(net.Conn, io.Reader, io.Writer) error { return nil },
		ServerFlags: func(l *stage.Lesson, flags *flag.FlagSet) {
			flags.Bool("quiet", false, "says less")
		},
		ClientFlags: func(l *stage.Lesson, flags *flag.FlagSet) {
			var e encoding.Encoding
			flags.Func("encoding", "answers are in `NAME`", stage.Encoding(&e))
			flags.String("save", "", "answers go to `FOLDER`")
		},
		Scenes: []stage.Scene{
			{Name: "glue", Line: "two messages arrive as one", Run: done},
			{Name: "split", Line: "one message arrives as two", Run: done},
		},
	}
}

func done(rec *timeline.Recorder) (o scenario.Outcome, err error) {
	rec.Verdict("done")
	return o, nil
}

// silentListener is a listener to which nobody comes.
type silentListener struct {
	end    chan struct{}
	closed int
}

func (l *silentListener) Accept() (net.Conn, error) {
	<-l.end
	return nil, net.ErrClosed
}

func (l *silentListener) Close() error {
	if l.closed++; l.closed == 1 {
		close(l.end)
	}
	return nil
}

func (l *silentListener) Addr() net.Addr {
	return &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 4444}
}

// Everything that a lesson may complain about is one line that says what was tried, on which
// address, why it failed, and what to type next. The lines stand in testdata/complaints.txt.
func TestComplaints(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("testdata/complaints.txt has Linux's words for errors")
	}
	var said strings.Builder
	run := func(what string, l stage.Lesson, args ...string) {
		ctx, interrupt := context.WithCancel(t.Context())
		interrupt()
		if what != "" || args[0] == "-svg" {
			ctx = t.Context() // the others end as soon as they listen
		}
		if what != "" {
			what = "# " + what + "\n"
		}
		out, errs, status := stagetest.Run(ctx, l, "", args...)
		require.LessOrEqual(t, strings.Count(errs, "\n"), 1)
		fmt.Fprintf(&said, "%s$ %s\n%s%sstatus %d\n\n", what, strings.Join(args, " "), out, errs, status)
	}

	for _, args := range [][]string{
		{"server"},
		{"server", "-addr", "8080"},
		{"server", "-addr", "127.0.0.1:http"},
		{"server", "-addr", "127.0.0.1:-1"},
		{"server", "-addr", "127.0.0.1:0"},
		{"server", "-addr", "127.0.0.1:65535"},
		{"server", "-addr", "127.0.0.1:65536"},
		{"server", "-addr", "no such host:80"},
		{"server", "-addr", "localhost:80"},
		{"server", "-addr", ":80"},
		{"server", "-expose", "-quiet"},
		{"server", "-save", "x"},
		{"server", "client"},
		{"client", "-addr", "8080"},
		{"client", "-addr", "127.0.0.1:0"},
		{"client", "-addr", "127.0.0.1:65536"},
		{"client", "-addr", "no such host:80"},
		{"client", "-expose"},
		{"client", "-encoding", "klingon"},
		{"sever"},
		{"glue"},
		{"split"},
		{"-addr", "x"},
		{"-expose"},
		{"-encoding", "gbk"},
		{"-save", "x"},
		{"-quiet"},
		{"-port", "80"},
		{"-list", "split"},
		{"-scene"},
		{"-scene", "stick"},
		{"-svg", ""},
		{"-svg", "no/such/folder.svg"},
		{"-svg", os.DevNull},
		{"-svg", "stage.go"},
		{"-svg", "stage.go/picture.svg"},
		{"-list"},
		{"-help"},
	} {
		run("", talker(), args...)
	}
	harmless := talker()
	harmless.RunsCommands = false
	run("", harmless, "-expose")
	run("", harmless, "server", "-expose")

	for _, err := range []error{
		opError("listen", syscall.EADDRINUSE), opError("listen", syscall.EACCES),
		opError("listen", syscall.EADDRNOTAVAIL), opError("listen", syscall.EMFILE),
		&net.OpError{Op: "listen", Net: "tcp", Err: errors.New("strange")}, errors.New("strange"),
	} {
		l := talker()
		l.Listen = func(string) (net.Listener, error) { return nil, err }
		run("listening meets: "+err.Error(), l, "server", "-addr", "127.0.0.1:80")
	}
	datagrams := talker()
	datagrams.ListenPacket = func(string) (net.PacketConn, error) {
		return nil, opError("listen", syscall.EADDRINUSE)
	}
	run("listening for datagrams meets: address already in use", datagrams, "server")

	for _, err := range []error{
		opError("dial", syscall.ECONNREFUSED), opError("dial", syscall.ETIMEDOUT),
		opError("dial", os.ErrDeadlineExceeded), opError("dial", syscall.EHOSTUNREACH),
		errors.New("strange"),
	} {
		l := talker()
		l.Dial = func(string) (net.Conn, error) { return nil, err }
		run("dialling meets: "+err.Error(), l, "client", "-addr", "127.0.0.1:80")
	}

	for _, err := range []error{
		fmt.Errorf("sending: %w", bufio.ErrTooLong),
		fmt.Errorf("got 2 of 4: %w", io.ErrUnexpectedEOF),
		fmt.Errorf("reading: %w", io.EOF),
		fmt.Errorf("reading: %w", opError("read", syscall.ECONNRESET)),
		fmt.Errorf("reading: %w", syscall.ECONNRESET),
		fmt.Errorf("writing: %w", opError("write", syscall.EPIPE)),
		opError("read", syscall.ECONNREFUSED),
		fmt.Errorf("no answer: %w", os.ErrDeadlineExceeded),
		errors.New("something else"),
		fmt.Errorf("saving: %w", &fs.PathError{Op: "write", Path: "a.txt", Err: syscall.ENOSPC}),
		fmt.Errorf("saving: %w", &fs.PathError{Op: "close", Path: "a.txt", Err: syscall.EDQUOT}),
		fmt.Errorf("saving: %w", &fs.PathError{Op: "open", Path: "a.txt", Err: syscall.EACCES}),
	} {
		l := talker()
		l.Serve = func(net.Listener) error { return err }
		l.Talk = func(net.Conn, io.Reader, io.Writer) error { return err }
		run("serving meets: "+err.Error(), l, "server")
		run("talking meets: "+err.Error(), l, "client", "-addr", "127.0.0.1:80")
	}
	stagetest.Golden(t, filepath.Join("testdata", "complaints.txt"), said.String())
}

// opError is what package net returns: the operation, the address, and the cause.
func opError(op string, cause error) error {
	at := &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 80}
	if errno, ok := cause.(syscall.Errno); ok {
		cause = os.NewSyscallError(op, errno)
	}
	return &net.OpError{Op: op, Net: "tcp", Addr: at, Err: cause}
}

// A server that is interrupted is closed, and may put away what it has. In a bubble time passes only
// while everybody waits.
func TestInterruptedServerCleansUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, interrupt := context.WithCancel(t.Context())
		time.AfterFunc(time.Hour, interrupt)
		l, clean := talker(), false
		l.Serve = func(ln net.Listener) error {
			ln.Accept()
			time.Sleep(50 * time.Millisecond)
			clean = true
			return errors.New("the end of an interrupted server is no failure, whatever it returns")
		}
		out, errs, status := stagetest.Run(ctx, l, "", "server")
		require.Zero(t, status)
		require.True(t, clean)
		require.Equal(t, "listening on 127.0.0.1:4444\n", out)
		require.Empty(t, errs)
	})
}

// One that does not end cannot keep the reader waiting.
func TestInterruptedServerThatHangs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, interrupt := context.WithCancel(t.Context())
		l, hang := talker(), make(chan struct{})
		defer close(hang)
		l.Serve = func(net.Listener) error {
			interrupt()
			<-hang
			return nil
		}
		begin := time.Now()
		_, _, status := stagetest.Run(ctx, l, "", "server")
		require.Zero(t, status)
		require.Equal(t, 100*time.Millisecond, time.Since(begin))
	})
}

// Whatever ends a role, its socket is closed: a server's whose serve returns, or that may not listen
// there; a client's.
func TestSocketsAreClosed(t *testing.T) {
	ln := &silentListener{end: make(chan struct{})}
	l := talker()
	l.Listen = func(string) (net.Listener, error) { return ln, nil }
	l.Serve = func(net.Listener) error { return nil }
	_, _, status := stagetest.Run(t.Context(), l, "", "server")
	require.Zero(t, status)
	require.Equal(t, 1, ln.closed)

	conn, peer := net.Pipe()
	l.Dial = func(string) (net.Conn, error) { return conn, nil }
	_, _, status = stagetest.Run(t.Context(), l, "", "client")
	require.Zero(t, status)
	_, err := peer.Read(make([]byte, 1))
	require.ErrorIs(t, err, io.EOF)
}

// A client that is interrupted in the middle of a talk ends with an end of line, and with status 0.
func TestInterruptedClient(t *testing.T) {
	ctx, interrupt := context.WithCancel(t.Context())
	l, hang := talker(), make(chan struct{})
	defer close(hang)
	l.Talk = func(_ net.Conn, _ io.Reader, out io.Writer) error {
		io.WriteString(out, "half a li")
		interrupt()
		<-hang
		return nil
	}
	out, _, status := stagetest.Run(ctx, l, "", "client")
	require.Zero(t, status)
	require.Equal(t, "half a li\n", out)
}
