package main

import (
	"bytes"
	"errors"
	"io"
	"net"
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

func TestEcho(t *testing.T) {
	rec := timeline.NewRecorder(t.Name())
	server, err := scenario.Start(rec, serve)
	require.NoError(t, err)
	conn, err := rec.Dial("client", server.Addr, dial)
	require.NoError(t, err)
	var out bytes.Buffer
	require.NoError(t, talk(conn, strings.NewReader("hello, 你好 é\n"), &out))
	conn.Close()
	require.NoError(t, server.Returned())
	require.Equal(t, "HELLO, 你好 é\n", out.String(), "only the letters a to z change")
	require.Equal(t, 1, timeline.Count(rec.Events(), "server", timeline.Close)-1, "the server closes the connection, and then the listener")
}

func TestServerFirst(t *testing.T) {
	stuck, err := scenario.BothListen(timeline.NewRecorder(t.Name()), readFirst, greet)
	require.NoError(t, err)
	require.False(t, stuck)
}

func TestBugBothListen(t *testing.T) {
	rec := timeline.NewRecorder(t.Name())
	stuck, err := scenario.BothListen(rec, readFirst, readFirst)
	require.NoError(t, err)
	require.Equal(t, 2, timeline.Count(rec.Events(), "", timeline.Timeout))
	require.True(t, stuck, "both wait until the scene sets a deadline")
}

// One side that begins is all it takes: here the client of this lesson meets its server.
func TestFixBothListen(t *testing.T) {
	stuck, err := scenario.BothListen(timeline.NewRecorder(t.Name()),
		func(conn net.Conn) error { return talk(conn, strings.NewReader("hello\n"), io.Discard) }, answer)
	require.NoError(t, err)
	require.False(t, stuck)
}

func TestBugSecondMessage(t *testing.T) {
	answers, met, err := scenario.SecondMessage(timeline.NewRecorder(t.Name()), programs)
	require.NoError(t, err)
	require.Equal(t, []string{"ONE"}, answers)
	require.ErrorIs(t, met, io.EOF)
}

func TestBugSecondClient(t *testing.T) {
	_, met, err := scenario.NextClient(timeline.NewRecorder(t.Name()), programs, scenario.Leave)
	require.NoError(t, err)
	require.True(t, loopback.Is(met, syscall.ECONNREFUSED), met)
}

func TestNobodyThere(t *testing.T) {
	addr, err := loopback.FreeAddr()
	require.NoError(t, err)
	_, err = dial(addr)
	require.True(t, loopback.Is(err, syscall.ECONNREFUSED), err)
	require.ErrorContains(t, err, addr, "the error names the address")
}

func TestServeEnds(t *testing.T) {
	ln, err := loopback.Listen()
	require.NoError(t, err)
	ln.Close()
	require.NoError(t, serve(ln), "a closed listener is no error")
}

func TestClientThatSaysNothing(t *testing.T) {
	client, server, err := loopback.TCP()
	require.NoError(t, err)
	client.Close()
	require.True(t, errors.Is(answer(server), io.EOF))
}

// A server whose client leaves without a word says so in one line, and how to go on.
func TestServerWithoutAMessage(t *testing.T) {
	dialled := make(chan struct{})
	early := lesson
	early.Listen = func(addr string) (net.Listener, error) {
		ln, err := listen(addr)
		if err == nil {
			go func() {
				defer close(dialled)
				if conn, err := dial(ln.Addr().String()); err == nil {
					conn.Close()
				}
			}()
		}
		return ln, err
	}
	_, errs, status := stagetest.Run(t.Context(), early, "", "server", "-addr", "127.0.0.1:0")
	<-dialled
	require.Equal(t, 1, status)
	require.Contains(t, errs, "the client closed the connection before it sent a message; start the server again: go run ./lessons/01 server")
	require.Equal(t, 1, strings.Count(errs, "\n"))
}

func TestPython(t *testing.T) {
	t.Run("its client, our server", func(t *testing.T) {
		server := stagetest.Server(t)
		out, errs, status := stagetest.Output(t, stagetest.Python(t, "client.py", server.Addr, "hello, 你好"), "")
		require.Zero(t, status, errs)
		require.Equal(t, "HELLO, 你好\n", out)
	})
	t.Run("our client, its server", func(t *testing.T) {
		server := stagetest.Start(t, stagetest.Python(t, "server.py"))
		out, errs, status := stagetest.Client(t, server.Addr, "hello, 你好\n")
		require.Zero(t, status, errs)
		require.Equal(t, "HELLO, 你好\n", out)
	})
}
