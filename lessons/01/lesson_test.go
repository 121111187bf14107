package main

import (
	"bytes"
	"errors"
	"io"
	"net"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

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
	stagetest.Failures(
		t,
		stagetest.Serves("serve", serve, "`az{ @AZ[ é"),
		stagetest.Talks("talk", talk, "h\nnever sent\n", "H"),
		stagetest.Answers("readFirst", readFirst, "hi"),
		stagetest.Answers("readFirst, and nobody speaks", readFirst),
	)
}

func TestEcho(t *testing.T) {
	got := stagetest.Play(t, lesson, "echo")
	require.Equal(t, []string{"HELLO"}, got.Got)
	require.Equal(t, 2, timeline.Count(got.Events, "server", timeline.Close),
		"the server closes the connection, and then the listener")

	server, err := scenario.Start(timeline.NewRecorder(t.Name()), serve)
	require.NoError(t, err)
	conn, err := dial(server.Addr)
	require.NoError(t, err)
	defer conn.Close()
	var out bytes.Buffer
	require.NoError(t, talk(conn, strings.NewReader("hello, 你好 é\n"), &out))
	require.NoError(t, server.Returned())
	require.Equal(t, "HELLO, 你好 é\n", out.String(), "only the letters a to z change")
}

// Only the letters a to z change; their neighbours do not.
func TestUpper(t *testing.T) {
	require.Equal(t, "`AZ{ @AZ[", string(upper([]byte("`az{ @AZ["))))
	require.Equal(t, "é 你好 \xe9\xff", string(upper([]byte("é 你好 \xe9\xff"))))
}

// A message of 1024 bytes is read as a whole, and nothing is sent for an empty line.
func TestLimits(t *testing.T) {
	longest := strings.Repeat("a", maxRead)
	for line, want := range map[string]string{longest: strings.ToUpper(longest) + "\n", "": ""} {
		client, server, err := loopback.TCP()
		require.NoError(t, err)
		require.NoError(t, client.SetDeadline(time.Now().Add(loopback.Patience)))
		answered := make(chan error, 1)
		go func() { answered <- answer(server) }()
		var out bytes.Buffer
		require.NoError(t, talk(client, strings.NewReader(line+"\n"), &out))
		require.Equal(t, want, out.String())
		client.Close()
		if err := <-answered; line == "" {
			require.ErrorIs(t, err, io.EOF, "nothing was sent")
		}
	}
}

func TestServerFirst(t *testing.T) {
	require.False(t, stagetest.Play(t, lesson, "server-first").Stuck)
}

func TestBugBothListen(t *testing.T) {
	got := stagetest.PlayNaive(t, lesson, "both-listen")
	require.True(t, got.Stuck, "both wait until the scene sets a deadline")
	require.Equal(t, 2, timeline.Count(got.Events, "", timeline.Timeout))
}

// One side that begins is all it takes.
func TestFixBothListen(t *testing.T) {
	got := stagetest.Play(t, lesson, "both-listen")
	require.False(t, got.Stuck)
	require.Equal(t, 1, timeline.Count(got.Events, "client", timeline.Recv))
}

func TestBugSecondMessage(t *testing.T) {
	got := stagetest.Play(t, lesson, "second-message")
	require.Equal(t, []string{"ONE"}, got.Got)
	reset := loopback.Is(got.Met, syscall.ECONNRESET) // by the late bytes; Linux hands out the end first
	require.True(t, reset || errors.Is(got.Met, io.EOF), got.Met)
}

func TestBugSecondClient(t *testing.T) {
	met := stagetest.Play(t, lesson, "second-client").Met
	require.True(t, loopback.Is(met, syscall.ECONNREFUSED), met)
}

func TestNobodyThere(t *testing.T) {
	got := stagetest.Play(t, lesson, "nobody-there")
	require.True(t, loopback.Is(got.Met, syscall.ECONNREFUSED), got.Met)
	dialled := slices.IndexFunc(got.Events, func(e timeline.Event) bool { return e.Op == timeline.Dial })
	require.ErrorContains(t, got.Met, got.Events[dialled].Text, "the error names the address")
}

// The client's dial and send return before the server's accept begins.
func TestListeningIsEnough(t *testing.T) {
	got := stagetest.Play(t, lesson, "listening-is-enough")
	require.Equal(t, []string{"HELLO"}, got.Got)
	require.Equal(t, len("hello"), got.N, "bytes in the queue before the first read")
	var accepted int64
	for _, e := range got.Events {
		if e.Op == timeline.Accept {
			accepted = e.US
		}
	}
	require.NotZero(t, accepted)
	for _, e := range got.Events {
		if e.Side == "client" && (e.Op == timeline.Dial || e.Op == timeline.Send) {
			require.Less(t, e.End, accepted, "%s is over when accept begins", e.Op)
		}
	}
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
	require.Contains(t, errs,
		"the client closed the connection before it sent a message; start the server again: go "+
			"run ./lessons/01 server")
	require.Equal(t, 1, strings.Count(errs, "\n"))
}

func TestPython(t *testing.T) {
	t.Run("its client, our server", func(t *testing.T) {
		server := stagetest.Server(t)
		out, errs, status := stagetest.Output(t,
			stagetest.Python(t, "client.py", server.Addr, "hello, 你好"), "")
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
