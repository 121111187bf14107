package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"socketbook/lessons/internal/scenario"
	"socketbook/lessons/internal/stage/stagetest"
	"socketbook/tools/loopback"
	"socketbook/tools/timeline"
)

func TestMain(m *testing.M) {
	os.Setenv("GORACE", "atexit_sleep_ms=0") // for processes that a scene ends
	panicIfAsked()
	stagetest.Main(m, lesson)
}

func TestLesson(t *testing.T) { stagetest.Lesson(t, lesson) }

func TestGraceful(t *testing.T) {
	got := stagetest.Play(t, lesson, "graceful")
	require.Equal(t, []string{"ONE MORE"}, got.Got, "answered after Shutdown was called")
	require.True(t, loopback.Is(got.Met, syscall.ECONNREFUSED), "%v", got.Met)
	require.GreaterOrEqual(t, got.Took[0], scenario.Hang, "the other client had that long")
	require.Equal(t, 1, timeline.Count(got.Events, "client 2", timeline.EOF), "and was cut off")
}

func TestCutOff(t *testing.T) {
	got := stagetest.Play(t, lesson, "cut-off")
	require.ErrorIs(t, got.Met, net.ErrClosed, "what the handler meets")
	require.Less(t, len(got.Got[0]), got.N)
	require.Equal(t, 1, timeline.Count(got.Events, "client", timeline.EOF), "no error, just the end")
}

func TestBugPanickingHandler(t *testing.T) {
	got := stagetest.PlayNaive(t, lesson, "panicking-handler")
	require.Empty(t, got.Got)
	require.Error(t, got.Met, "the other client has lost its connection")
}

func TestFixPanickingHandler(t *testing.T) {
	got := stagetest.Play(t, lesson, "panicking-handler")
	require.Equal(t, []string{"on"}, got.Got)
	require.NoError(t, got.Met)
}

func TestTooMany(t *testing.T) {
	got := stagetest.Play(t, lesson, "too-many")
	require.Equal(t, []string{errTooMany.Error() + "\n", "ME TOO"}, got.Got)
}

func TestBugAcceptError(t *testing.T) {
	got := stagetest.PlayNaive(t, lesson, "accept-error")
	require.Equal(t, 1, got.N)
	require.Empty(t, got.Got)
	require.Error(t, got.Met)
}

func TestFixAcceptError(t *testing.T) {
	got := stagetest.Play(t, lesson, "accept-error")
	require.Equal(t, 3, got.N)
	require.Equal(t, []string{"HELLO"}, got.Got)
	require.Len(t, got.Took, 3)
	for i, pause := range got.Took {
		require.GreaterOrEqual(t, pause, firstPause<<i)
	}
}

func TestBugNoDescriptors(t *testing.T) {
	got := stagetest.PlayNaive(t, lesson, "no-descriptors")
	require.True(t, got.Stuck)
	require.Equal(t, 1000, got.N, "accepts that failed, and it would have gone on")
}

func TestFixNoDescriptors(t *testing.T) {
	got := stagetest.Play(t, lesson, "no-descriptors")
	require.False(t, got.Stuck)
	require.Equal(t, 4, got.N)
	require.Equal(t, []string{"I AM CLIENT 1", "I AM CLIENT 2"}, got.Got)
}

func TestBugOpenListener(t *testing.T) {
	got := stagetest.PlayNaive(t, lesson, "open-listener")
	require.True(t, got.Stuck, "a client is connected, and nobody is there")
	require.NotEqual(t, []string{"free"}, got.Got)
}

func TestFixOpenListener(t *testing.T) {
	got := stagetest.Play(t, lesson, "open-listener")
	require.False(t, got.Stuck)
	require.True(t, loopback.Is(got.Met, syscall.ECONNREFUSED), "%v", got.Met)
	require.Equal(t, []string{"free"}, got.Got)
}

func TestUnixSocket(t *testing.T) {
	got := stagetest.Play(t, lesson, "unix-socket")
	require.Equal(t, []string{"HELLO"}, got.Got)
	require.Zero(t, got.N, "files left")
}

// running is a server at work.
type running struct {
	*Server
	addr   string
	served chan error // what Serve returns
}

// start starts a server, which has ended, and Serve returned, when the test ends.
func start(t *testing.T, s *Server) running {
	ln, err := loopback.Listen()
	require.NoError(t, err)
	r := running{s, ln.Addr().String(), make(chan error, 1)}
	go func() { r.served <- s.Serve(ln) }()
	t.Cleanup(func() {
		s.Close()
		require.NoError(t, s.Shutdown(patience(t)), "its handlers end")
		r.returned(t)
	})
	return r
}

// returned returns what Serve returned.
func (r running) returned(t *testing.T) error {
	select {
	case err := <-r.served:
		r.served <- err
		return err
	case <-time.After(loopback.Patience):
		t.Fatal("Serve has not returned")
		return nil
	}
}

// patience is over when loopback.Patience is.
func patience(t *testing.T) context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), loopback.Patience)
	t.Cleanup(cancel)
	return ctx
}

// client connects, and closes its connection when the test ends.
func (r running) client(t *testing.T) net.Conn {
	conn, err := dial(r.addr)
	require.NoError(t, err)
	t.Cleanup(func() { conn.Close() })
	require.NoError(t, conn.SetDeadline(time.Now().Add(loopback.Patience)))
	return conn
}

// asks sends a message and returns the answer, which comes with one read.
func asks(t *testing.T, conn net.Conn, message string) string {
	_, err := conn.Write([]byte(message))
	require.NoError(t, err)
	buf := make([]byte, maxRead)
	n, err := conn.Read(buf)
	require.NoError(t, err)
	return string(buf[:n])
}

// logs returns the lines of the log, which are not printed while the test runs.
func logs(t *testing.T) *bufio.Reader {
	logged, w := io.Pipe()
	log.SetOutput(w)
	t.Cleanup(func() {
		log.SetOutput(os.Stderr)
		logged.Close()
	})
	return bufio.NewReader(logged)
}

func upperServer() *Server { return &Server{Handler: HandlerFunc(answer)} }

func blocks(release chan struct{}) *Server {
	return &Server{Handler: HandlerFunc(func(conn net.Conn) error {
		conn.Write([]byte("here"))
		<-release
		return nil
	})}
}

func over() context.Context {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	return ctx
}

// The endings that README's table has.
func TestShutdown(t *testing.T) {
	t.Run("nobody is there", func(t *testing.T) {
		s := start(t, upperServer())
		require.NoError(t, s.Shutdown(patience(t)))
		require.Equal(t, ErrServerClosed, s.returned(t))
	})
	t.Run("nobody is there, and ctx is over", func(t *testing.T) {
		for range 20 {
			require.NoError(t, start(t, upperServer()).Shutdown(over()))
		}
	})
	t.Run("somebody is there, and ctx is over", func(t *testing.T) {
		s := start(t, upperServer())
		conn := s.client(t)
		require.Equal(t, "HELLO", asks(t, conn, "hello"))
		require.Equal(t, context.Canceled, s.Shutdown(over()))
		_, err := conn.Read(make([]byte, 1))
		require.Equal(t, io.EOF, err)
	})
	t.Run("before Serve", func(t *testing.T) {
		shutDown, closed := upperServer(), upperServer()
		require.NoError(t, shutDown.Shutdown(patience(t)))
		require.NoError(t, closed.Close())
		for _, s := range []*Server{shutDown, closed} {
			ln, err := loopback.Listen()
			require.NoError(t, err)
			require.Equal(t, ErrServerClosed, s.Serve(ln))
			require.ErrorIs(t, ln.Close(), net.ErrClosed, "it is closed")
		}
	})
	t.Run("while Serve begins", func(t *testing.T) {
		for range 50 {
			s := start(t, upperServer())
			require.NoError(t, s.Shutdown(patience(t)))
			require.Equal(t, ErrServerClosed, s.returned(t))
		}
	})
	t.Run("twice", func(t *testing.T) {
		s := start(t, upperServer())
		conn := s.client(t)
		require.Equal(t, "HELLO", asks(t, conn, "hello"))
		var both sync.WaitGroup
		for range 2 {
			both.Go(func() {
				if err := s.Shutdown(patience(t)); err != nil {
					t.Error(err)
				}
			})
		}
		require.Equal(t, ErrServerClosed, s.returned(t))
		require.Equal(t, "AGAIN", asks(t, conn, "again"), "served on")
		conn.Close()
		both.Wait()
		require.NoError(t, s.Shutdown(patience(t)), "and once more")
	})
	t.Run("a handler that blocks", func(t *testing.T) {
		release := make(chan struct{})
		s := start(t, blocks(release))
		conn := s.client(t)
		_, err := io.ReadFull(conn, make([]byte, 4))
		require.NoError(t, err)
		ctx, cancel := context.WithTimeout(context.Background(), scenario.Hang)
		defer cancel()
		require.Equal(t, context.DeadlineExceeded, s.Shutdown(ctx))
		_, err = conn.Read(make([]byte, 1))
		require.Equal(t, io.EOF, err, "its client is free, all the same")
		close(release)
		require.NoError(t, s.Shutdown(patience(t)))
	})
}

func TestClose(t *testing.T) {
	release := make(chan struct{})
	s := start(t, blocks(release))
	conn := s.client(t)
	_, err := io.ReadFull(conn, make([]byte, 4))
	require.NoError(t, err)
	require.NoError(t, s.Close(), "it does not wait for the handler")
	require.NoError(t, s.Close(), "twice")
	require.Equal(t, ErrServerClosed, s.returned(t))
	_, err = conn.Read(make([]byte, 1))
	require.Equal(t, io.EOF, err)
	close(release)
	require.NoError(t, s.Shutdown(patience(t)), "this does")
}

// Close cuts a Shutdown short that waits.
func TestCloseDuringShutdown(t *testing.T) {
	s := start(t, upperServer())
	conn := s.client(t)
	require.Equal(t, "HELLO", asks(t, conn, "hello"))
	shut := make(chan error, 1)
	go func() { shut <- s.Shutdown(patience(t)) }()
	require.Equal(t, ErrServerClosed, s.returned(t))
	s.Close()
	require.NoError(t, <-shut)
}

// Somebody else has closed the listener: that is an error, and not ErrServerClosed.
func TestClosedListener(t *testing.T) {
	ln, err := loopback.Listen()
	require.NoError(t, err)
	ln.Close()
	err = upperServer().Serve(ln)
	require.ErrorIs(t, err, net.ErrClosed)
	require.NotErrorIs(t, err, ErrServerClosed)
}

func TestTwoListeners(t *testing.T) {
	server := upperServer()
	a, b := start(t, server), start(t, server)
	require.Equal(t, "A", asks(t, a.client(t), "a"))
	require.Equal(t, "B", asks(t, b.client(t), "b"))
	server.Close()
	require.Equal(t, ErrServerClosed, a.returned(t))
	require.Equal(t, ErrServerClosed, b.returned(t))
}

// lateListener has a client at the moment in which the server is shut down.
type lateListener struct {
	net.Listener
	before func()
}

func (l lateListener) Accept() (net.Conn, error) {
	conn, err := l.Listener.Accept()
	l.before()
	return conn, err
}

func TestAcceptedTooLate(t *testing.T) {
	ln, err := loopback.Listen()
	require.NoError(t, err)
	conn, err := dial(ln.Addr().String())
	require.NoError(t, err)
	defer conn.Close()
	require.NoError(t, conn.SetDeadline(time.Now().Add(loopback.Patience)))
	s := upperServer()
	late := lateListener{ln, func() { s.Shutdown(patience(t)) }}
	require.Equal(t, ErrServerClosed, s.Serve(late))
	told, err := io.ReadAll(conn)
	require.NoError(t, err)
	require.Equal(t, "the server was closed\n", string(told))
}

// A handler's error, its panic and its end without Close each end one client, and are a line in the log
// or nothing.
func TestHandlers(t *testing.T) {
	for _, test := range []struct {
		name, line string
		handle     func(conn net.Conn) error
	}{
		{"it returns an error", "not today", func(net.Conn) error { return errors.New("not today") }},
		{"it panics", "the handler panicked: oh", func(net.Conn) error { panic("oh") }},
		{"it panics with an error", "the handler panicked: unexpected EOF", func(net.Conn) error {
			panic(io.ErrUnexpectedEOF)
		}},
		{"it does not close", "", func(net.Conn) error { return nil }},
		{"it closes twice", "", func(conn net.Conn) error {
			conn.Close()
			conn.Close()
			return nil
		}},
		{"it ends its goroutine", "", func(net.Conn) error {
			runtime.Goexit()
			return nil
		}},
	} {
		t.Run(test.name, func(t *testing.T) {
			lines := logs(t)
			s := start(t, &Server{Handler: HandlerFunc(test.handle)})
			for range 2 {
				conn := s.client(t)
				if test.line != "" {
					line, err := lines.ReadString('\n')
					require.NoError(t, err)
					require.Equal(t, fmt.Sprintf("client %s: %s\n", conn.LocalAddr(), test.line), line)
				}
				_, err := conn.Read(make([]byte, 1))
				require.Equal(t, io.EOF, err)
			}
		})
	}
}

// An error of accept that does not pass ends Serve; the clients that are there are served on.
func TestAcceptFailsForGood(t *testing.T) {
	ln, err := loopback.Listen()
	require.NoError(t, err)
	s := upperServer()
	served := make(chan error, 1)
	failing := &failsAfterOne{Listener: ln}
	go func() { served <- s.Serve(failing) }()
	conn := running{s, ln.Addr().String(), nil}.client(t)
	require.ErrorIs(t, <-served, syscall.EINVAL)
	require.Equal(t, "HELLO", asks(t, conn, "hello"))
	conn.Close()
	require.NoError(t, s.Shutdown(patience(t)))
}

type failsAfterOne struct {
	net.Listener
	accepted bool
}

func (l *failsAfterOne) Accept() (net.Conn, error) {
	if l.accepted {
		return nil, os.NewSyscallError("accept4", syscall.EINVAL)
	}
	l.accepted = true
	return l.Listener.Accept()
}

// A server that pauses after a failure of accept can be ended.
func TestShutdownDuringAPause(t *testing.T) {
	lines := logs(t)
	ln, err := loopback.Listen()
	require.NoError(t, err)
	s := upperServer()
	served := make(chan error, 1)
	go func() { served <- s.Serve(alwaysFails{ln}) }()
	for _, pause := range []string{"5ms", "10ms", "20ms"} {
		line, err := lines.ReadString('\n')
		require.NoError(t, err)
		require.Contains(t, line, "trying again in "+pause)
	}
	go io.Copy(io.Discard, lines)
	require.NoError(t, s.Shutdown(patience(t)))
	require.Equal(t, ErrServerClosed, <-served)
}

type alwaysFails struct{ net.Listener }

func (l alwaysFails) Accept() (net.Conn, error) {
	return nil, os.NewSyscallError("accept4", errsTemporary[0])
}

// After a client has been accepted, the next failure has the shortest pause again.
func TestPausesBeginAgain(t *testing.T) {
	lines := logs(t)
	ln, err := loopback.Listen()
	require.NoError(t, err)
	s := upperServer()
	served := make(chan error, 1)
	go func() { served <- s.Serve(&failsEachTime{Listener: ln}) }()
	for range 3 {
		line, err := lines.ReadString('\n')
		require.NoError(t, err)
		require.Contains(t, line, "trying again in 5ms")
		conn := running{Server: s, addr: ln.Addr().String()}.client(t)
		require.Equal(t, "HELLO", asks(t, conn, "hello"))
		conn.Close()
	}
	go io.Copy(io.Discard, lines)
	require.NoError(t, s.Shutdown(patience(t)))
	require.Equal(t, ErrServerClosed, <-served)
}

// failsEachTime fails before each client.
type failsEachTime struct {
	net.Listener
	calls int
}

func (l *failsEachTime) Accept() (net.Conn, error) {
	if l.calls++; l.calls%2 == 1 {
		return alwaysFails{l.Listener}.Accept()
	}
	return l.Listener.Accept()
}

// A thousand clients that connect and say nothing keep nobody from being served.
func TestSilentCrowd(t *testing.T) {
	s := start(t, upperServer())
	var silent []net.Conn
	defer func() {
		for _, conn := range silent {
			loopback.Abort(conn)
		}
	}()
	for range 1000 {
		conn, err := dial(s.addr)
		require.NoError(t, err)
		silent = append(silent, conn)
	}
	require.Equal(t, "HELLO", asks(t, s.client(t), "hello"))
}

// On the command line a server that may have no more files open says so, serves those that it has, and
// the others when some have left.
func TestNoDescriptorsLeft(t *testing.T) {
	stagetest.NeedShell(t)
	if runtime.GOOS == "darwin" {
		t.Skip("macOS ends the connection for which accept has no descriptor")
	}
	cmd := stagetest.Command(t, "server", "-addr", "127.0.0.1:0")
	script := []string{"-c", `ulimit -n 30; exec "$@"`, "sh"}
	limited := exec.CommandContext(t.Context(), "sh", append(script, cmd.Args...)...)
	limited.Env = cmd.Env
	errs, err := limited.StderrPipe()
	require.NoError(t, err)
	s := running{addr: stagetest.Start(t, limited).Addr}
	var conns []net.Conn
	for range 40 {
		conns = append(conns, s.client(t))
	}
	line, err := bufio.NewReader(errs).ReadString('\n')
	require.NoError(t, err)
	require.Regexp(t, `^accepting a client: .*too many open files; trying again in 5ms\n$`, line)
	go io.Copy(io.Discard, errs)
	require.Equal(t, "HELLO", asks(t, conns[0], "hello"))
	for _, conn := range conns[:30] {
		conn.Close()
	}
	require.Equal(t, "ME TOO", asks(t, conns[39], "me too"))
}

func TestLeaving(t *testing.T) {
	t.Run("upper", func(t *testing.T) { stagetest.Leaving(t, answer, "hello") })
	t.Run("loop", func(t *testing.T) { stagetest.Leaving(t, greet("abc"), "hello") })
}

func TestPython(t *testing.T) {
	const lines = "hello\n\n你好\nquit\n"
	t.Run("its client, our server", func(t *testing.T) {
		server := stagetest.Server(t)
		out, errs, status := stagetest.Output(t, stagetest.Python(t, "client.py", server.Addr), lines)
		require.Zero(t, status, errs)
		require.Equal(t, "HELLO\n你好\n", out)
	})
	t.Run("our client, its server", func(t *testing.T) {
		server := stagetest.Start(t, stagetest.Python(t, "server.py", "upper"))
		out, errs, status := stagetest.Client(t, server.Addr, lines)
		require.Zero(t, status, errs)
		require.Equal(t, "HELLO\n你好\n", out)
	})
	t.Run("its client, our server that says abc", func(t *testing.T) {
		server := stagetest.Server(t, "-handler", "loop")
		client := stagetest.Python(t, "client.py", server.Addr, "greeted")
		out, errs, status := stagetest.Output(t, client, "one\ntwo\n")
		require.Zero(t, status, errs)
		require.Equal(t, "abc\nabc\nabc\n", out)
	})
	t.Run("our client, its server that says abc", func(t *testing.T) {
		server := stagetest.Start(t, stagetest.Python(t, "server.py", "loop"))
		out, errs, status := stagetest.Client(t, server.Addr, "one\n")
		require.Zero(t, status, errs)
		require.Regexp(t, `^(abc)+\n$`, out, "one read, which may bring both")
	})
}

// Python's TCPServer without ThreadingMixIn serves one client after the other.
func TestPlainTCPServer(t *testing.T) {
	s := running{addr: stagetest.Start(t, stagetest.Python(t, "server.py", "upper", "plain")).Addr}
	first, second := s.client(t), s.client(t)
	require.Equal(t, "ONE", asks(t, first, "one"))
	_, err := second.Write([]byte("two"))
	require.NoError(t, err)
	require.NoError(t, second.SetReadDeadline(time.Now().Add(scenario.Hang)))
	buf := make([]byte, 3)
	_, err = second.Read(buf)
	require.ErrorIs(t, err, os.ErrDeadlineExceeded)
	first.Close()
	require.NoError(t, second.SetReadDeadline(time.Now().Add(loopback.Patience)))
	_, err = io.ReadFull(second, buf)
	require.NoError(t, err)
	require.Equal(t, "TWO", string(buf))
}

// The tutorials' handler leaves a traceback when a client resets, and others are served on.
func TestLostClient(t *testing.T) {
	python := stagetest.Python(t, "server.py", "tutorial")
	errs, err := python.StderrPipe()
	require.NoError(t, err)
	s := running{addr: stagetest.Start(t, python).Addr}
	conn := s.client(t)
	require.Equal(t, "ONE", asks(t, conn, "one"))
	require.NoError(t, loopback.Abort(conn))
	lines, told := bufio.NewScanner(errs), ""
	for lines.Scan() && !strings.HasPrefix(told, "Connection") {
		told = lines.Text()
	}
	require.Contains(t, told, "ConnectionResetError")
	go io.Copy(io.Discard, errs)
	require.Equal(t, "TWO", asks(t, s.client(t), "two"))
}

// A read may return bytes and an error at once, as every io.Reader may. The bytes come first.
func TestBytesBeforeTheError(t *testing.T) {
	client, server := pair(t)
	_, err := client.Write([]byte("hello"))
	require.NoError(t, err)
	require.NoError(t, client.CloseWrite())
	require.NoError(t, answer(stagetest.BytesWithTheEnd(server)))
	answered, err := io.ReadAll(client)
	require.NoError(t, err)
	require.Equal(t, "HELLO", string(answered))

	client, server = pair(t)
	_, err = server.Write([]byte("HELLO"))
	require.NoError(t, err)
	require.NoError(t, server.CloseWrite())
	var out bytes.Buffer
	require.ErrorIs(t, talk(stagetest.BytesWithTheEnd(client), strings.NewReader("hello\n"), &out), io.EOF)
	require.Equal(t, "HELLO\n", out.String())
}

func pair(t *testing.T) (client, server *net.TCPConn) {
	client, server, err := loopback.TCP()
	require.NoError(t, err)
	t.Cleanup(func() {
		client.Close()
		server.Close()
	})
	return client, server
}
