package main

import (
	"bytes"
	"io"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"socketbook/lessons/internal/scenario"
	"socketbook/lessons/internal/stage/stagetest"
	"socketbook/tools/loopback"
	"socketbook/tools/timeline"
)

func TestMain(m *testing.M) { stagetest.Main(m, lesson) }

func TestLesson(t *testing.T) { stagetest.Lesson(t, lesson) }

func TestFixNextClient(t *testing.T) {
	answer, met, err := scenario.NextClient(timeline.NewRecorder(t.Name()), programs, scenario.Leave)
	require.NoError(t, err)
	require.NoError(t, met)
	require.Equal(t, "ANYBODY?", answer)
}

// The second client of lesson 01 met a closed port; it is the same scenario.
func TestFixSecondClient(t *testing.T) { TestFixNextClient(t) }

func TestAfterReset(t *testing.T) {
	rec := timeline.NewRecorder(t.Name())
	answer, met, err := scenario.NextClient(rec, programs, scenario.Abort)
	require.NoError(t, err)
	require.NoError(t, met)
	require.Equal(t, "ANYBODY?", answer)
	require.Equal(t, 1, timeline.Count(rec.Events(), "server", timeline.Reset), "the server did meet the reset")
}

func TestAfterUnread(t *testing.T) {
	rec := timeline.NewRecorder(t.Name())
	answer, met, err := scenario.NextClient(rec, programs, scenario.LeaveUnread)
	require.NoError(t, err)
	require.NoError(t, met)
	require.Equal(t, "ANYBODY?", answer)
	require.Equal(t, 1, timeline.Count(rec.Events(), "server", timeline.Reset), "the server did meet the reset")
}

func TestBugNeverClosed(t *testing.T) {
	ended, err := scenario.NeverClosed(timeline.NewRecorder(t.Name()), naivePrograms)
	require.NoError(t, err)
	require.False(t, ended)
}

func TestFixNeverClosed(t *testing.T) {
	ended, err := scenario.NeverClosed(timeline.NewRecorder(t.Name()), programs)
	require.NoError(t, err)
	require.True(t, ended)
}

func TestBugSecondWaits(t *testing.T) {
	rec := timeline.NewRecorder(t.Name())
	atOnce, later, err := scenario.SecondWaits(rec, programs)
	require.NoError(t, err)
	require.False(t, atOnce)
	require.Equal(t, "ME TOO", later, "it was not refused, it waited")
	require.Equal(t, 1, timeline.Count(rec.Events(), "client 2", timeline.Timeout))
}

func TestServeEnds(t *testing.T) {
	ln, err := loopback.Listen()
	require.NoError(t, err)
	ln.Close()
	require.NoError(t, serve(ln), "a closed listener is no error")
}

func TestPython(t *testing.T) {
	t.Run("its clients, our server", func(t *testing.T) {
		server := stagetest.Server(t)
		for range 2 {
			out, errs, status := stagetest.Output(t, stagetest.Python(t, "client.py", server.Addr), "hello\n\n你好\nquit\n")
			require.Zero(t, status, errs)
			require.Equal(t, "HELLO\n你好\n", out)
		}
	})
	t.Run("our clients, its server", func(t *testing.T) {
		server := stagetest.Start(t, stagetest.Python(t, "server.py"))
		for range 2 {
			out, errs, status := stagetest.Client(t, server.Addr, "hello\n\n你好\nquit\n")
			require.Zero(t, status, errs)
			require.Equal(t, "HELLO\n你好\n", out)
		}
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
