package main

import (
	"bytes"
	"io"
	"runtime"
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

func TestFixSecondMessage(t *testing.T) {
	answers, met, err := scenario.SecondMessage(timeline.NewRecorder(t.Name()), programs)
	require.NoError(t, err)
	require.NoError(t, met)
	require.Equal(t, []string{"ONE", "TWO"}, answers)
}

func TestTalk(t *testing.T) {
	rec := timeline.NewRecorder(t.Name())
	require.NoError(t, converse(rec))
	require.Equal(t, 2, timeline.Count(rec.Events(), "client", timeline.Send), "nothing is sent after quit")
	require.Equal(t, 1, timeline.Count(rec.Events(), "server", timeline.EOF))
}

func TestBugEmptyLine(t *testing.T) {
	rec := timeline.NewRecorder(t.Name())
	printed, stuck, err := scenario.EmptyLine(rec, answer, naiveTalk)
	require.NoError(t, err)
	require.True(t, stuck, "the client waits for an answer to nothing")
	require.Equal(t, []string{"ONE"}, printed)
	require.Equal(t, 1, timeline.Count(rec.Events(), "server", timeline.Recv), "the server never sees the empty line")
}

func TestFixEmptyLine(t *testing.T) {
	printed, stuck, err := scenario.EmptyLine(timeline.NewRecorder(t.Name()), answer, talk)
	require.NoError(t, err)
	require.False(t, stuck)
	require.Equal(t, []string{"ONE", "TWO"}, printed)
}

func TestBugSpin(t *testing.T) {
	reads, err := scenario.Spin(timeline.NewRecorder(t.Name()), naiveAnswer)
	require.NoError(t, err)
	require.Equal(t, 500, reads, "as often as the scene lets it")
}

func TestFixSpin(t *testing.T) {
	reads, err := scenario.Spin(timeline.NewRecorder(t.Name()), answer)
	require.NoError(t, err)
	require.Equal(t, 1, reads)
}

func TestBugReset(t *testing.T) {
	ended, err := scenario.Reset(timeline.NewRecorder(t.Name()), eofOnlyAnswer)
	require.NoError(t, err)
	require.ErrorIs(t, ended, errReset)
}

func TestFixReset(t *testing.T) {
	ended, err := scenario.Reset(timeline.NewRecorder(t.Name()), answer)
	require.NoError(t, err)
	require.NoError(t, ended)
}

func TestBugUnreadAnswer(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("on Windows such a write may meet a reset, which resetOnlyAnswer knows")
	}
	ended, err := scenario.UnreadAnswer(timeline.NewRecorder(t.Name()), resetOnlyAnswer)
	require.NoError(t, err)
	require.ErrorIs(t, ended, errBrokenPipe)
}

func TestFixUnreadAnswer(t *testing.T) {
	rec := timeline.NewRecorder(t.Name())
	ended, err := scenario.UnreadAnswer(rec, answer)
	require.NoError(t, err)
	require.NoError(t, ended)
	require.NotZero(t, timeline.Count(rec.Events(), "server", timeline.Reset), "it did meet the dead connection")
}

func TestBugNextClient(t *testing.T) {
	_, met, err := scenario.NextClient(timeline.NewRecorder(t.Name()), programs, scenario.Leave)
	require.NoError(t, err)
	require.True(t, loopback.Is(met, syscall.ECONNREFUSED), met)
}

func TestPeerGone(t *testing.T) {
	for _, gone := range []error{io.EOF, errReset, errBrokenPipe} {
		require.True(t, peerGone(gone), gone)
	}
	for _, other := range []error{nil, io.ErrUnexpectedEOF, syscall.ECONNREFUSED, io.ErrShortWrite} {
		require.False(t, peerGone(other), other)
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
		out, errs, status := stagetest.Output(t, stagetest.Python(t, "client.py", server.Addr), "hello\n\n你好\nquit\n")
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
