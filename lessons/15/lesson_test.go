package main

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"io"
	"log"
	"net"
	"os"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"testing/iotest"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"socketbook/lessons/internal/scenario"
	"socketbook/lessons/internal/stage/stagetest"
	"socketbook/tools/loopback"
	"socketbook/tools/timeline"
)

func TestMain(m *testing.M) {
	scenario.SleepIfAsked()
	serveIfAsked()
	stagetest.Main(m, lesson)
}

func TestLesson(t *testing.T) { stagetest.Lesson(t, lesson) }

// What comes of each call that fails: an error, a line in the log, and which connections are closed.
func TestFailures(t *testing.T) {
	stagetest.NeedShell(t)
	stagetest.Failures(
		t,
		stagetest.Answers("answer", patient.handle, message("exit 3"), message("")),
		stagetest.Talks("talk", newClient().talk, "exit 3\n\necho hi\nquit\nnever sent\n",
			reply(3, ""), reply(0, "hi\n")),
		stagetest.Reads("decodeMessage", func(r io.Reader, w io.Writer) error {
			_, payload, err := decodeMessage(r, 100)
			w.Write(payload)
			return err
		}, message("one"), message("two")),
	)
}

// message is a request, and reply an answer, as they are sent.
func message(command string) string { return reply(0, command) }

func reply(status int, payload string) string {
	return framed(`{"status":`+strconv.Itoa(status)+`,"total_size":`+strconv.Itoa(len(payload))+`}`) + payload
}

func framed(header string) string {
	return string(binary.LittleEndian.AppendUint32(nil, uint32(len(header)))) + header
}

func TestBugSlowCommand(t *testing.T) {
	got := stagetest.PlayNaive(t, lesson, "slow-command")
	require.True(t, got.Stuck)
	require.Equal(t, 1, got.N, "processes left")
}

func TestFixSlowCommand(t *testing.T) {
	got := stagetest.Play(t, lesson, "slow-command")
	require.False(t, got.Stuck)
	require.Zero(t, got.N, "processes left")
	require.Equal(t, []string{"[ended: its limit of 50ms has passed]\n"}, got.Got)
}

func TestBugWaitsForInput(t *testing.T) {
	got := stagetest.PlayNaive(t, lesson, "waits-for-input")
	require.True(t, got.Stuck)
	if runtime.GOOS != "windows" {
		require.Equal(t, []string{"typed at the server\n"}, got.Got)
	}
}

func TestFixWaitsForInput(t *testing.T) {
	got := stagetest.Play(t, lesson, "waits-for-input")
	require.False(t, got.Stuck)
	require.Equal(t, []string{""}, got.Got)
}

func TestBugExitStatus(t *testing.T) {
	got := stagetest.PlayNaive(t, lesson, "exit-status")
	require.Equal(t, []string{"", "", "", ""}, got.Got, "which of them have failed?")
}

func TestFixExitStatus(t *testing.T) {
	got := stagetest.Play(t, lesson, "exit-status")
	require.Equal(t, []string{"", "[exit status 3]", "", "[exit status 1]"}, got.Got)
}

func TestBugIdle(t *testing.T) {
	got := stagetest.PlayNaive(t, lesson, "idle")
	require.True(t, got.Stuck)
	require.Equal(t, []string{errTooMany.Error(), errTooMany.Error()}, got.Got)
}

func TestFixIdle(t *testing.T) {
	got := stagetest.Play(t, lesson, "idle")
	require.False(t, got.Stuck)
	require.Equal(t, []string{errTooMany.Error(), "answered"}, got.Got)
}

func TestBugSlowDrip(t *testing.T) {
	got := stagetest.PlayNaive(t, lesson, "slow-drip")
	require.True(t, got.Stuck)
	require.Equal(t, 7, got.N, "bytes")
	require.ErrorIs(t, got.Met, io.ErrUnexpectedEOF, "the scene has ended it")
}

func TestFixSlowDrip(t *testing.T) {
	got := stagetest.Play(t, lesson, "slow-drip")
	require.False(t, got.Stuck)
	require.Equal(t, 2, got.N, "bytes")
	require.ErrorIs(t, got.Met, os.ErrDeadlineExceeded)
	require.ErrorContains(t, got.Met, "got 2 of 4 header bytes")
	require.GreaterOrEqual(t, got.Took[0], 2*scenario.Hang)
}

func TestBugHeartbeat(t *testing.T) {
	got := stagetest.PlayNaive(t, lesson, "heartbeat")
	require.True(t, got.Stuck)
	require.ErrorContains(t, got.Met, "reading a command")
	require.ErrorContains(t, got.Met, syscall.ETIMEDOUT.Error())
}

func TestFixHeartbeat(t *testing.T) {
	got := stagetest.Play(t, lesson, "heartbeat")
	require.False(t, got.Stuck)
	require.NoError(t, got.Met, "it has left")
	require.Equal(t, 2, countErrors(got.Events, "server", syscall.ETIMEDOUT),
		"bytes that nobody acknowledged, and keep-alive")
	require.Equal(t, 1, timeline.Count(got.Events, "client 2", timeline.Timeout))
}

// countErrors counts the calls of a side that met an error.
func countErrors(events []timeline.Event, side string, err error) (n int) {
	for _, e := range events {
		if e.Side == side && strings.Contains(e.Err, err.Error()) {
			n++
		}
	}
	return n
}

func TestStoppedProcess(t *testing.T) {
	got := stagetest.Play(t, lesson, "stopped-process")
	require.ErrorIs(t, got.Met, os.ErrDeadlineExceeded, "the heartbeat")
	require.Positive(t, got.N, "answers to keep-alive probes")
	require.Equal(t, 1, timeline.Count(got.Events, "client", timeline.Timeout))
}

func TestPartialSend(t *testing.T) {
	got := stagetest.Play(t, lesson, "partial-send")
	require.ErrorIs(t, got.Met, os.ErrDeadlineExceeded)
	if runtime.GOOS == "windows" {
		t.Skip("Windows does not promise how much of a write that was ended has gone out")
	}
	require.Positive(t, got.N)
	require.Equal(t, []string{strconv.Itoa(got.N)}, got.Got)
}

// A dial that was out of time has one of two errors, and chance decides which. Timeout is true of both.
func TestDialTimeout(t *testing.T) {
	got := stagetest.Play(t, lesson, "dial-timeout")
	var late net.Error
	require.ErrorAs(t, got.Met, &late)
	require.True(t, late.Timeout())
	require.True(t, errors.Is(got.Met, os.ErrDeadlineExceeded) || errors.Is(got.Met, context.DeadlineExceeded))
	require.GreaterOrEqual(t, got.Took[0], scenario.Hang)
}

func TestErrno(t *testing.T) {
	got := stagetest.Play(t, lesson, "errno")
	want := []string{"ECONNREFUSED", "EAGAIN", "none", "ECONNRESET"}
	if now == nil {
		want = []string{"ECONNREFUSED", "none", "ECONNRESET"}
	}
	require.Equal(t, want, got.Got)
}

func TestBugCancelled(t *testing.T) {
	got := stagetest.PlayNaive(t, lesson, "cancelled")
	require.ErrorIs(t, got.Met, os.ErrDeadlineExceeded)
	require.Equal(t, []string{"one"}, got.Got, "and two is in the queue")
}

func TestFixCancelled(t *testing.T) {
	got := stagetest.Play(t, lesson, "cancelled")
	require.NoError(t, got.Met)
	require.Equal(t, []string{"one", "two"}, got.Got)
}

func TestReadContext(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	client, server := pair(t)
	buf := make([]byte, 10)
	t.Run("its context ends while it waits", func(t *testing.T) {
		time.AfterFunc(time.Millisecond, cancel)
		n, err := readContext(ctx, server, buf)
		require.Zero(t, n)
		require.Equal(t, context.Canceled, err)
	})
	t.Run("its context has ended before", func(t *testing.T) {
		_, err := readContext(ctx, server, buf)
		require.Equal(t, context.Canceled, err)
	})
	t.Run("the connection can be read on", func(t *testing.T) {
		_, err := client.Write([]byte("hello"))
		require.NoError(t, err)
		n, err := readContext(t.Context(), server, buf)
		require.NoError(t, err)
		require.Equal(t, "hello", string(buf[:n]))
	})
	t.Run("the stream ends", func(t *testing.T) {
		require.NoError(t, client.CloseWrite())
		_, err := readContext(t.Context(), server, buf)
		require.Equal(t, io.EOF, err)
	})
}

func TestMessages(t *testing.T) {
	var sent bytes.Buffer
	for _, command := range []string{"echo 你好", "", strings.Repeat("x", maxCommand)} {
		sent.WriteString(message(command))
	}
	pieces := iotest.OneByteReader(&sent)
	for _, want := range []string{"echo 你好", "", strings.Repeat("x", maxCommand)} {
		status, payload, err := decodeMessage(pieces, maxCommand)
		require.NoError(t, err)
		require.Zero(t, status)
		require.Equal(t, want, string(payload))
	}
	_, _, err := decodeMessage(pieces, maxCommand)
	require.ErrorIs(t, err, io.EOF)
}

func TestMessagesThatAreNone(t *testing.T) {
	long := `{"total_size":0,"x":"` + strings.Repeat("x", maxHeader) + `"}`
	for _, test := range []struct{ name, sent, err string }{
		{"a negative length", "\xff\xff\xff\xff", "a header of -1 bytes is announced"},
		{"a length of 2 GiB", "\xff\xff\xff\x7f", "a header of 2147483647 bytes is announced"},
		{"an HTTP request", "GET / HTTP/1.1\r\n", "a header of 542393671 bytes is announced"},
		{"a header over 64 KiB", framed(long), "is announced: not from 0 to 65536"},
		{"no JSON", framed("hello"), "the header is not the JSON it should be"},
		{"an empty header", framed(""), "the header is not the JSON it should be"},
		{"a header of another type", framed(`[1]`), "the header is not the JSON it should be"},
		{"a size with a fraction", framed(`{"total_size":1.5}`), "the header is not the JSON it should be"},
		{"no size", framed(`{"status":0}`), "a payload of -1 bytes is announced"},
		{"a negative size", framed(`{"total_size":-5}`), "a payload of -5 bytes is announced"},
		{"a payload of 2 GiB", framed(`{"total_size":2147483648}`), "a payload of 2147483648 bytes is announced"},
		{"half a length", "\x1b\x00", "got 2 of 4 header bytes: unexpected EOF"},
		{"half a header", framed(`{"total_size":3}`)[:10], "got 6 of 16 header bytes: unexpected EOF"},
		{"half a payload", message("hello")[:len(message("hello"))-3], "got 2 of 5 payload bytes: unexpected EOF"},
	} {
		t.Run(test.name, func(t *testing.T) {
			_, _, err := decodeMessage(strings.NewReader(test.sent), maxCommand)
			require.ErrorContains(t, err, test.err)
			require.False(t, peerGone(err), "that is no way to leave")
		})
	}
	newer := framed(`{"total_size":2,"new":{"in":["another","version"]}}`) + "hi"
	_, payload, err := decodeMessage(strings.NewReader(newer), 2)
	require.NoError(t, err, "keys that are not known are ignored")
	require.Equal(t, "hi", string(payload))
}

// A message of which half has come is an error, and one line in the log; the next client is served.
func TestHalfAMessage(t *testing.T) {
	logged := logs(t)
	s := start(t, 0)
	conn := s.client(t)
	_, err := conn.Write([]byte(message("echo hi")[:9]))
	require.NoError(t, err)
	require.NoError(t, conn.CloseWrite())
	got, err := io.ReadAll(conn)
	require.NoError(t, err)
	require.Empty(t, got)
	require.Contains(t, logged(), "reading a command: got 5 of 27 header bytes: unexpected EOF")
	status, _, err := quick.ask(s.client(t), "")
	require.NoError(t, err)
	require.Zero(t, status)
}

func TestLeaving(t *testing.T) {
	stagetest.Leaving(t, patient.handle, message(""))
}

// A client whose user says nothing for an hour keeps its place, because it sends heartbeats; one that sends
// none loses it.
func TestHeartbeats(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		near, far := net.Pipe()
		answered := make(chan error, 1)
		go func() { answered <- newCommands().handle(far) }()
		in, typed := io.Pipe()
		talked := make(chan error, 1)
		go func() { talked <- newClient().talk(near, in, io.Discard) }()
		time.Sleep(time.Hour + time.Second) // between two heartbeats
		io.WriteString(typed, "quit\n")
		require.NoError(t, <-talked)
		near.Close()
		require.NoError(t, <-answered)
	})
	synctest.Test(t, func(t *testing.T) {
		near, far := net.Pipe()
		defer near.Close()
		begin := time.Now()
		err := newCommands().handle(far)
		require.ErrorIs(t, err, os.ErrDeadlineExceeded)
		require.Equal(t, newCommands().idle, time.Since(begin))
	})
}

// A server that has vanished is noticed while the user says nothing, and the user is told.
func TestHeartbeatWithoutAnswer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		near, far := net.Pipe()
		defer far.Close()
		go io.Copy(io.Discard, far)
		in, typed := io.Pipe()
		c := newClient()
		begin := time.Now()
		err := c.talk(near, in, io.Discard)
		require.ErrorIs(t, err, os.ErrDeadlineExceeded)
		require.ErrorContains(t, err, "a heartbeat: reading an answer: got 0 of 4 header bytes")
		require.Equal(t, c.heartbeat+c.patience, time.Since(begin))
		typed.Close() // ends the scan
	})
}

// running is a server at work.
type running struct {
	*Server
	addr string
}

// start starts a server with room for most clients, 0: for all. It has ended when the test ends.
func start(t *testing.T, most int) running {
	ln, err := loopback.Listen()
	require.NoError(t, err)
	c := newCommands()
	c.limit = loopback.Patience
	r := running{&Server{Handler: HandlerFunc(c.answer), MaxClients: most}, ln.Addr().String()}
	served := make(chan error, 1)
	go func() { served <- r.Serve(ln) }()
	t.Cleanup(func() {
		r.Close()
		require.NoError(t, r.Shutdown(within(t)), "its handlers end")
		require.Equal(t, ErrServerClosed, <-served)
	})
	return r
}

// within is a context that ends when loopback.Patience has passed.
func within(t *testing.T) context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), loopback.Patience)
	t.Cleanup(cancel)
	return ctx
}

// client connects, and closes its connection when the test ends.
func (r running) client(t *testing.T) *net.TCPConn {
	conn, err := net.Dial("tcp", r.addr)
	require.NoError(t, err)
	t.Cleanup(func() { conn.Close() })
	require.NoError(t, conn.SetDeadline(time.Now().Add(loopback.Patience)))
	return conn.(*net.TCPConn)
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

// sleeping sends a command that starts sleep, and waits until that has started.
func sleeping(t *testing.T, conn net.Conn, command string) *scenario.Sleeper {
	sleepers, err := scenario.NewSleepers()
	require.NoError(t, err)
	t.Cleanup(sleepers.Close)
	require.NoError(t, writeMessage(conn, loopback.Patience, 0, []byte(command)))
	sleeper, err := sleepers.Next()
	require.NoError(t, err)
	t.Cleanup(sleeper.End)
	return sleeper
}

func ended(t *testing.T, sleeper *scenario.Sleeper) {
	outlives, err := sleeper.Outlives()
	require.NoError(t, err)
	require.False(t, outlives, "a process of the command is left")
}

// Who cuts a client off ends its command, too, before anything returns.
func TestShutdownEndsCommands(t *testing.T) {
	s := start(t, 0)
	conn := s.client(t)
	sleeper := sleeping(t, conn, waitsForSleep)
	over, cancel := context.WithCancel(t.Context())
	cancel()
	require.Equal(t, context.Canceled, s.Shutdown(over))
	ended(t, sleeper)
	_, _, err := decodeMessage(conn, maxAnswer)
	require.True(t, errors.Is(err, io.EOF) || peerGone(err), "%v", err)
}

func TestCloseEndsCommands(t *testing.T) {
	s := start(t, 0)
	sleeper := sleeping(t, s.client(t), waitsForSleep)
	s.Close()
	ended(t, sleeper)
}

// mute is a connection over which nothing is sent: on Windows the reset that answers a message may take away
// what the client was told.
type mute struct{ net.Conn }

func (mute) Write(p []byte) (int, error) { return len(p), nil }

func TestTooMany(t *testing.T) {
	s := start(t, 1)
	first := s.client(t)
	_, _, err := quick.ask(first, "")
	require.NoError(t, err)
	var out bytes.Buffer
	require.NoError(t, quick.talk(mute{s.client(t)}, strings.NewReader("echo hi\n"), &out))
	require.Equal(t, errTooMany.Error()+"\n[exit status -1]\n", out.String())
}

// logs returns a function that waits for the next line of the log.
func logs(t *testing.T) (next func() string) {
	lines := make(logged, 10)
	log.SetFlags(0)
	log.SetOutput(lines)
	t.Cleanup(func() { log.SetOutput(os.Stderr) })
	return func() string {
		select {
		case line := <-lines:
			return line
		case <-time.After(loopback.Patience):
			t.Fatal("nothing was logged")
			return ""
		}
	}
}

type logged chan string

func (l logged) Write(p []byte) (int, error) {
	l <- string(p)
	return len(p), nil
}
