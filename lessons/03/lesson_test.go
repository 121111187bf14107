package main

import (
	"bytes"
	"io"
	"log"
	"net"
	"os"
	"slices"
	"strings"
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
		stagetest.Serves("serve", serve, "a", "`az{ @AZ[ é"),
		stagetest.Talks("talk", talk, "h\n\nho\nquit\nnever sent\n", "H", "HO"),
		stagetest.Serves("naiveServe", naiveServe, "hi", "ho"),
	)
}

func TestFixNextClient(t *testing.T) {
	got := stagetest.Play(t, lesson, "next-client")
	require.NoError(t, got.Met)
	require.Equal(t, []string{"ANYBODY?"}, got.Got)
}

func TestFixSecondClient(t *testing.T) {
	got := stagetest.Play(t, lesson, "second-client")
	require.NoError(t, got.Met)
	require.Equal(t, []string{"ANYBODY?"}, got.Got)
}

func TestAfterReset(t *testing.T) {
	servedAfterReset(t, "after-reset")
}

func TestAfterUnread(t *testing.T) {
	servedAfterReset(t, "after-unread")
}

func servedAfterReset(t *testing.T, scene string) {
	got := stagetest.Play(t, lesson, scene)
	require.NoError(t, got.Met)
	require.Equal(t, []string{"ANYBODY?"}, got.Got)
	reset := func(e timeline.Event) bool { return e.Side == "server" && e.Err != "" }
	require.True(t, slices.ContainsFunc(got.Events, reset), "the server did meet the reset")
}

func TestBugNeverClosed(t *testing.T) {
	require.True(t, stagetest.PlayNaive(t, lesson, "never-closed").Stuck)
}

func TestFixNeverClosed(t *testing.T) {
	require.False(t, stagetest.Play(t, lesson, "never-closed").Stuck)
}

func TestBugSecondWaits(t *testing.T) {
	got := stagetest.Play(t, lesson, "second-waits")
	require.True(t, got.Stuck, "no answer while the first one is there")
	require.Equal(t, []string{"ME TOO"}, got.Got, "it was not refused, it waited")
	require.Equal(t, 1, timeline.Count(got.Events, "client 2", timeline.Timeout))
}

func TestGbkUpper(t *testing.T) {
	got := stagetest.Play(t, lesson, "gbk-upper")
	require.Equal(t, []string{"乤", "丄"}, got.Got, "in UTF-8, and in GBK")
	require.Equal(t, "乤\x81\x41", stagetest.Sent(got.Events, "server"))
}

// A client that the server fails to answer is one line in the log. The next one is served.
func TestNextAfterAFailure(t *testing.T) {
	var logged bytes.Buffer
	log.SetOutput(&logged)
	defer log.SetOutput(os.Stderr)
	ln, err := loopback.Listen()
	require.NoError(t, err)
	server := scenario.StartOn(timeline.NewRecorder(t.Name()), &impatient{Listener: ln}, serve)
	for _, want := range []string{"", "HELLO\n"} {
		conn, err := dial(server.Addr)
		require.NoError(t, err)
		require.NoError(t, conn.SetDeadline(time.Now().Add(loopback.Patience)))
		var out strings.Builder
		err = talk(conn, strings.NewReader("hello\n"), &out)
		require.Equal(t, want == "", err != nil, "%v", err)
		require.Equal(t, want, out.String())
		conn.Close()
	}
	require.NoError(t, server.Stop())
	require.Equal(t, 1, strings.Count(logged.String(), "\n"), &logged)
	require.Contains(t, logged.String(), "reading a message: ")
}

// impatient is a listener whose first connection has no time to be read from.
type impatient struct {
	net.Listener
	accepted int
}

func (l *impatient) Accept() (net.Conn, error) {
	conn, err := l.Listener.Accept()
	l.accepted++
	if err == nil && l.accepted == 1 {
		conn = late{conn}
	}
	return conn, err
}

type late struct{ net.Conn }

func (late) Read([]byte) (int, error) { return 0, os.ErrDeadlineExceeded }

// A client may leave whenever it likes.
func TestLeaving(t *testing.T) { stagetest.Leaving(t, answer, "hello") }

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
			out, errs, status := stagetest.Output(t, stagetest.Python(t, "client.py", server.Addr),
				"hello\n\n你好\nquit\n")
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
