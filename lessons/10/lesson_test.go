package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"socketbook/lessons/internal/scenario"
	"socketbook/lessons/internal/stage/stagetest"
	"socketbook/tools/loopback"
	"socketbook/tools/timeline"
)

const inUse = "address already in use"

func TestMain(m *testing.M) {
	os.Setenv("GORACE", "atexit_sleep_ms=0") // for processes that a scene ends
	holdIfAsked()
	if len(os.Args) > 1 && os.Args[1] == "server" { // at-exit starts it
		main()
	}
	stagetest.Main(m, lesson)
}

func TestLesson(t *testing.T) { stagetest.Lesson(t, lesson) }

// What comes of each call that fails: an error, a line in the log, and which connections are closed.
func TestFailures(t *testing.T) {
	stagetest.Failures(
		t,
		stagetest.Serves("serve", serve, "a", "`az{ @AZ[ é"),
		stagetest.Talks("talk", talk, "h\n\nho\nquit\nnever sent\n", "H", "HO"),
		stagetest.Talks("naiveTalk", func(conn net.Conn, in io.Reader, out io.Writer) error {
			dial := func(string) (net.Conn, error) { return conn, nil }
			return naiveTalk(dial, "", in, out)
		}, "hi\n", "HI"),
		stagetest.Talks("naiveTalk, and nobody is there",
			func(conn net.Conn, in io.Reader, out io.Writer) error {
				dial := func(string) (net.Conn, error) { return nil, errors.New("nobody is there") }
				return naiveTalk(dial, "", in, out)
			}, "hi\n"),
	)
}

func TestBugRestart(t *testing.T) {
	got := stagetest.PlayNaive(t, lesson, "restart")
	require.Len(t, got.Got, 2)
	require.Contains(t, got.Got[0], inUse, "a restart without SO_REUSEADDR")
	if runtime.GOOS == "linux" {
		require.Contains(t, got.Got[1], inUse, "with it, too: the first server counts")
		require.Zero(t, got.N)
	}
}

func TestFixRestart(t *testing.T) {
	got := stagetest.Play(t, lesson, "restart")
	require.NoError(t, got.Met)
	require.Len(t, got.Got, 2)
	require.Contains(t, got.Got[0], inUse, "without it, although the first server had it")
	require.Equal(t, "succeeds", got.Got[1])
}

func TestStillListening(t *testing.T) {
	got := stagetest.Play(t, lesson, "still-listening")
	require.Equal(t, []string{inUse, inUse, "free", "free"}, got.Got)
	require.Equal(t, 2, got.N, "listeners with SO_REUSEPORT that were given clients")
}

func TestAtExit(t *testing.T) {
	got := stagetest.Play(t, lesson, "at-exit")
	require.Equal(t, []string{"free", inUse, "free", inUse, "free"}, got.Got)
}

func TestWhoHasIt(t *testing.T) {
	got := stagetest.Play(t, lesson, "who-has-it")
	require.Equal(t, []string{"this process and its child", "its child", ""}, got.Got)
}

func TestBugPortsRunOut(t *testing.T) {
	got := stagetest.PlayNaive(t, lesson, "ports-run-out")
	require.Equal(t, []string{"ONE", "TWO", "THREE", "FOUR"}, got.Got)
	require.ErrorContains(t, got.Met, "cannot assign requested address")
	require.Equal(t, 4, got.N, "connections in TIME_WAIT")
}

func TestFixPortsRunOut(t *testing.T) {
	got := stagetest.Play(t, lesson, "ports-run-out")
	require.NoError(t, got.Met)
	require.Equal(t, []string{"ONE", "TWO", "THREE", "FOUR", "FIVE", "SIX"}, got.Got)
	require.Equal(t, 1, got.N)
}

func TestBugTwoFamilies(t *testing.T) {
	got := stagetest.PlayNaive(t, lesson, "two-families")
	require.ErrorContains(t, got.Met, "connection refused")
	require.Equal(t, 2, got.N, "the server has one address, the client takes one of two")
}

func TestFixTwoFamilies(t *testing.T) {
	got := stagetest.Play(t, lesson, "two-families")
	require.NoError(t, got.Met)
	require.Equal(t, []string{
		"connected to [::1]:8080", "connected to 127.0.0.1:8080", "connected to 127.0.0.1:8080",
	}, got.Got)
	require.GreaterOrEqual(t, got.Took[2], 300*time.Millisecond, "package net waits for ::1 that long")
}

func TestWildcard(t *testing.T) {
	got := stagetest.Play(t, lesson, "wildcard")
	const both = "127.0.0.1 and [::1]"
	require.Equal(t, []string{both, both, both, "127.0.0.1", "[::1]", "127.0.0.1"}, got.Got)
}

func TestPrivileged(t *testing.T) {
	got := stagetest.Play(t, lesson, "privileged")
	require.ErrorContains(t, got.Met, "permission denied")
	const denied = "permission denied"
	require.Equal(t, []string{denied, denied, "allowed", denied, "allowed"}, got.Got)
}

func TestPortZero(t *testing.T) {
	got := stagetest.Play(t, lesson, "port-zero")
	require.Equal(t, 40, got.N)
	require.Equal(t, []string{"32768 to 60999", "49152 to 65535"}, got.Got)
}

// Where there is no private network the recording of each take is shown, and said to be one.
func TestRecorded(t *testing.T) {
	why := fmt.Errorf("no private network here: clone: none today: %w", errors.ErrUnsupported)
	refused := func(*timeline.Recorder) (scenario.Outcome, error) { return scenario.Outcome{}, why }
	for _, sc := range lesson.Scenes {
		for _, take := range sc.Takes() {
			recording, err := recordings.ReadFile(path.Join("testdata/recordings", take.Name()+".jsonl"))
			require.NoError(t, err)
			rec := timeline.NewRecorder(take.Name())
			got, err := scenario.OrRecorded(refused, recording, madeOn)(rec)
			require.NoError(t, err)
			require.Equal(t, why.Error(), got.Lacking)
			require.Contains(t, rec.Events()[0].Text, "a recording, made on Linux 6.18")
			require.NotZero(t, timeline.Count(rec.Events(), "", timeline.Verdict))
		}
	}
}

// What whoHas reads is what ss says.
func TestWhoHasAgreesWithSs(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("ss is a program of Linux")
	}
	ss, err := exec.LookPath("ss")
	if err != nil && os.Getenv("CI") == "" {
		t.Skip("ss is not installed: it is in the package iproute2")
	}
	require.NoError(t, err)
	ln, err := loopback.Listen()
	require.NoError(t, err)
	defer ln.Close()
	port := ln.Addr().(*net.TCPAddr).Port
	pids, err := whoHas(port)
	require.NoError(t, err)
	require.Equal(t, []int{os.Getpid()}, pids)
	out, err := exec.Command(ss, "-Hltnp", fmt.Sprintf("sport = :%d", port)).Output()
	require.NoError(t, err)
	require.Contains(t, string(out), fmt.Sprintf("pid=%d,", os.Getpid()))
}

// A name that has one address is dialled as before, and one that has none is one error.
func TestNaiveDial(t *testing.T) {
	ln, err := loopback.Listen()
	require.NoError(t, err)
	defer ln.Close()
	conn, err := naiveDial(ln.Addr().String())
	require.NoError(t, err)
	conn.Close()
	_, err = naiveDial("127.0.0.1:70000")
	require.Error(t, err)
}

// A Python server whose client is connected when it ends cannot start again: SO_REUSEADDR is off there.
func TestPythonRestart(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("TIME_WAIT keeps nobody from listening there")
	}
	for _, option := range []string{"", "reuse"} {
		t.Run("option "+option, func(t *testing.T) {
			args := []string{"0"}
			if option != "" {
				args = append(args, option)
			}
			first := stagetest.Python(t, "server.py", args...)
			server := stagetest.Start(t, first)
			conn, err := dial(server.Addr)
			require.NoError(t, err)
			defer conn.Close()
			require.NoError(t, conn.SetDeadline(time.Now().Add(loopback.Patience)))
			_, err = conn.Write([]byte("hello"))
			require.NoError(t, err)
			n, err := io.ReadFull(conn, make([]byte, 5))
			require.NoError(t, err)
			require.Equal(t, 5, n)
			require.NoError(t, first.Process.Kill())
			_, err = conn.Read(make([]byte, 1))
			require.Equal(t, io.EOF, err)
			first.Wait()
			conn.Close()
			_, args[0], _ = net.SplitHostPort(server.Addr)
			again := stagetest.Python(t, "server.py", args...)
			if option != "" {
				require.Equal(t, server.Addr, stagetest.Start(t, again).Addr)
				return
			}
			_, errs, status := stagetest.Output(t, again, "")
			require.Equal(t, 1, status)
			require.Contains(t, strings.ToLower(errs), inUse)
		})
	}
}

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
