package main

import (
	"bytes"
	"io"
	"net"
	"os"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"socketbook/lessons/internal/scenario"
	"socketbook/lessons/internal/stage/stagetest"
	"socketbook/tools/loopback"
	"socketbook/tools/timeline"
)

func TestMain(m *testing.M) { stagetest.Main(m, lesson) }

func TestLesson(t *testing.T) { stagetest.Lesson(t, lesson) }

// What comes of each call that fails: an error, a line in the log, and which connections are closed.
func TestFailures(t *testing.T) {
	const input = "h\n\nho\nquit\nnever sent\n"
	stagetest.Failures(
		t,
		stagetest.Serves("serve", serve, "a", "`az{ @AZ[ é"),
		stagetest.Talks("talk", talk, input, "H", "HO"),
		stagetest.Talks("naiveTalk", naiveTalk, input, "H", "", "HO"),
		stagetest.Answers("eofOnlyAnswer", eofOnlyAnswer, "hi", "ho"),
		stagetest.Answers("resetOnlyAnswer", resetOnlyAnswer, "hi", "ho"),
		stagetest.Answers("swallowingAnswer", swallowingAnswer, "hi", "ho"),
		stagetest.Talks("closingTalk", closingTalk, "hi\nquit\nnever sent\n", "HI"),
	)
}

func TestFixSecondMessage(t *testing.T) {
	got := stagetest.Play(t, lesson, "second-message")
	require.NoError(t, got.Met)
	require.Equal(t, []string{"ONE", "TWO"}, got.Got)
}

func TestTalk(t *testing.T) {
	got := stagetest.Play(t, lesson, "talk")
	require.Equal(t, []string{"HELLO", "HOW ARE YOU"}, got.Got)
	require.Equal(t, 2, timeline.Count(got.Events, "client", timeline.Send),
		"nothing is sent after quit")
	require.Equal(t, 1, timeline.Count(got.Events, "server", timeline.EOF))
}

func TestBugEmptyLine(t *testing.T) {
	got := stagetest.PlayNaive(t, lesson, "empty-line")
	require.True(t, got.Stuck, "the client waits for an answer to nothing")
	require.Equal(t, []string{"ONE"}, got.Got)
	require.Equal(t, 1, timeline.Count(got.Events, "server", timeline.Recv),
		"the server never sees the empty line")
}

func TestFixEmptyLine(t *testing.T) {
	got := stagetest.Play(t, lesson, "empty-line")
	require.False(t, got.Stuck)
	require.Equal(t, []string{"ONE", "TWO"}, got.Got)
}

func TestBugSpin(t *testing.T) {
	got := stagetest.PlayNaive(t, lesson, "spin")
	require.Equal(t, 100, got.N, "reads after the end: as many as the scene lets it make")
}

func TestFixSpin(t *testing.T) {
	require.Equal(t, 1, stagetest.Play(t, lesson, "spin").N, "reads after the end")
}

func TestBugReset(t *testing.T) {
	require.ErrorIs(t, stagetest.PlayNaive(t, lesson, "reset").Met, errReset)
}

func TestFixReset(t *testing.T) {
	require.NoError(t, stagetest.Play(t, lesson, "reset").Met)
}

func TestBugUnreadAnswer(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("on Windows such a write may meet a reset, which resetOnlyAnswer knows")
	}
	require.ErrorIs(t, stagetest.PlayNaive(t, lesson, "unread-answer").Met, errBrokenPipe)
}

func TestFixUnreadAnswer(t *testing.T) {
	got := stagetest.Play(t, lesson, "unread-answer")
	require.NoError(t, got.Met)
	require.True(t, metError(got.Events, "server"), "it did meet the dead connection")
}

// metError reports whether a read or write of a side failed.
func metError(events []timeline.Event, side string) bool {
	return slices.ContainsFunc(events,
		func(e timeline.Event) bool { return e.Side == side && e.Err != "" })
}

func TestBugNextClient(t *testing.T) {
	got := stagetest.Play(t, lesson, "next-client")
	require.Empty(t, got.Got)
	require.Error(t, got.Met)
	require.NotErrorIs(t, got.Met, os.ErrDeadlineExceeded, "it does not wait: the kernel resets it")
	require.Equal(t, 1, timeline.Count(got.Events, "server", timeline.Accept), "nobody took it")
}

func TestBugSwallowed(t *testing.T) {
	got := stagetest.PlayNaive(t, lesson, "swallowed")
	require.NoError(t, got.Met, "as if the client had left")
	require.Zero(t, timeline.Count(got.Events, "server", timeline.EOF), "which it had not")
}

func TestFixSwallowed(t *testing.T) {
	got := stagetest.Play(t, lesson, "swallowed")
	require.ErrorContains(t, got.Met, `"caf\xe9" is not UTF-8`)
}

func TestBugCloseInside(t *testing.T) {
	got := stagetest.PlayNaive(t, lesson, "close-inside")
	require.ErrorIs(t, got.Met, net.ErrClosed)
	require.Equal(t, []string{"FIRST"}, got.Got)
}

func TestFixCloseInside(t *testing.T) {
	got := stagetest.Play(t, lesson, "close-inside")
	require.NoError(t, got.Met)
	require.Equal(t, []string{"FIRST", "SECOND"}, got.Got)
}

func TestPeerGone(t *testing.T) {
	for _, gone := range []error{io.EOF, errReset, errBrokenPipe} {
		require.True(t, peerGone(gone), gone)
	}
	for _, other := range []error{nil, io.ErrUnexpectedEOF, syscall.ECONNREFUSED, io.ErrShortWrite} {
		require.False(t, peerGone(other), other)
	}
}

// The client closes its writing half, and reads to the end: the server closes its side, too.
func TestAnswerCloses(t *testing.T) { stagetest.Leaving(t, answer, "hello") }

// Each of the naive functions knows what its name says, and no more.
func TestNaiveAnswers(t *testing.T) {
	closes := func(conn net.Conn) error { return conn.Close() }
	for name, test := range map[string]struct {
		answer scenario.AnswerFunc
		leave  func(net.Conn) error
		met    error
	}{
		"eofOnly, end":     {eofOnlyAnswer, closes, nil},
		"eofOnly, reset":   {eofOnlyAnswer, loopback.Abort, errReset},
		"resetOnly, end":   {resetOnlyAnswer, closes, nil},
		"resetOnly, reset": {resetOnlyAnswer, loopback.Abort, nil},
	} {
		client, server, err := loopback.TCP()
		require.NoError(t, err)
		require.NoError(t, test.leave(client))
		require.ErrorIs(t, test.answer(server), test.met, name)
		require.ErrorIs(t, server.Close(), net.ErrClosed, "it has closed the connection")
	}
}

func TestServeEnds(t *testing.T) {
	ln, err := loopback.Listen()
	require.NoError(t, err)
	ln.Close()
	require.NoError(t, serve(ln), "a closed listener is no error")
}

func TestPython(t *testing.T) {
	t.Run("its client, our server", func(t *testing.T) {
		server := stagetest.Server(t)
		out, errs, status := stagetest.Output(t, stagetest.Python(t, "client.py", server.Addr),
			"hello\n\n你好\nquit\n")
		require.Zero(t, status, errs)
		require.Equal(t, "HELLO\n你好\n", out)
	})
	t.Run("our client, its server", func(t *testing.T) {
		server := stagetest.Start(t, stagetest.Python(t, "server.py"))
		out, errs, status := stagetest.Client(t, server.Addr, "hello\n\n你好\nquit\n")
		require.Zero(t, status, errs)
		require.Equal(t, "HELLO\n你好\n", out)
	})
}

// A read may return bytes and an error at once, as every io.Reader may. The bytes come first.
func TestBytesBeforeTheError(t *testing.T) {
	client, server, err := loopback.TCP()
	require.NoError(t, err)
	_, err = client.Write([]byte("hello"))
	require.NoError(t, err)
	require.NoError(t, client.CloseWrite())
	require.NoError(t, answer(stagetest.BytesWithTheEnd(server)))
	answered, err := io.ReadAll(client)
	require.NoError(t, err)
	require.Equal(t, "HELLO", string(answered))
	client.Close()

	client, server, err = loopback.TCP()
	require.NoError(t, err)
	_, err = server.Write([]byte("HELLO"))
	require.NoError(t, err)
	require.NoError(t, server.CloseWrite())
	var out bytes.Buffer
	require.ErrorIs(t, talk(stagetest.BytesWithTheEnd(client), strings.NewReader("hello\n"), &out), io.EOF)
	require.Equal(t, "HELLO\n", out.String())
	client.Close()
	server.Close()
}
