package main

import (
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/text/encoding/simplifiedchinese"

	"socketbook/lessons/internal/scenario"
	"socketbook/lessons/internal/stage/stagetest"
	"socketbook/tools/loopback"
	"socketbook/tools/timeline"
)

func TestMain(m *testing.M) { stagetest.Main(m, lesson) }

func TestLesson(t *testing.T) { stagetest.Lesson(t, lesson) }

// The text of the whole course shows this lesson.
func TestCourseReadme(t *testing.T) { stagetest.Readme(t, lesson, "../../README.md") }

func TestBugGlue(t *testing.T) {
	rec := timeline.NewRecorder(t.Name())
	got, err := scenario.Glue(rec, messages)
	require.NoError(t, err)
	require.Equal(t, []string{"helloworld"}, got)
	require.Equal(t, 2, timeline.Count(rec.Events(), "client", timeline.Send))
	require.Equal(t, 1, timeline.Count(rec.Events(), "server", timeline.Recv))
}

func TestPromptReader(t *testing.T) {
	got, err := scenario.Prompt(timeline.NewRecorder(t.Name()), messages)
	require.NoError(t, err)
	require.Equal(t, []string{"hello", "world"}, got)
}

func TestBugSplit(t *testing.T) {
	got, err := scenario.Split(timeline.NewRecorder(t.Name()), messages)
	require.NoError(t, err)
	require.Len(t, got, 3)
	require.Len(t, got[0], 1024)
	require.Len(t, got[1], 1024)
	require.Len(t, got[2], 952)
}

func TestBugResidue(t *testing.T) {
	printed, err := scenario.Residue(timeline.NewRecorder(t.Name()), answer, talk)
	require.NoError(t, err)
	require.Equal(t, []string{strings.Repeat("0", 1024), strings.Repeat("0", 1024)}, printed, "the second one should be: second")
}

func TestBugTwoCommands(t *testing.T) {
	output, err := scenario.TwoCommands(timeline.NewRecorder(t.Name()), sendCommand, answer)
	require.NoError(t, err)
	require.Equal(t, "aecho b\n", output, "the shell was given: echo aecho b")
}

func TestBugSilentCommand(t *testing.T) {
	printed, stuck, err := scenario.SilentCommand(timeline.NewRecorder(t.Name()), answer, talk)
	require.NoError(t, err)
	require.True(t, stuck)
	require.Empty(t, printed)
}

func TestBugCutCharacter(t *testing.T) {
	defer decodeAs(simplifiedchinese.GBK)()
	whole, err := scenario.CutCharacter(timeline.NewRecorder(t.Name()), answer, talk)
	require.NoError(t, err)
	require.Equal(t, 511, whole, "x and 511 characters of two bytes fit into 1024; after half of the next one every pair is wrong")
}

func TestWrongEncoding(t *testing.T) {
	defer decodeAs(simplifiedchinese.GBK)()
	printed, err := scenario.WrongEncoding(timeline.NewRecorder(t.Name()), answer, talk)
	require.NoError(t, err)
	require.Equal(t, []string{"浣犲ソ"}, printed)
}

func TestBugPause(t *testing.T) {
	got, slept, err := scenario.Pause(timeline.NewRecorder(t.Name()), messages, 20*time.Millisecond)
	require.NoError(t, err)
	require.Equal(t, []string{"onetwothree"}, got)
	require.GreaterOrEqual(t, slept, 40*time.Millisecond, "two pauses")
}

func TestBugNoDelay(t *testing.T) {
	rec := timeline.NewRecorder(t.Name())
	got, err := scenario.NoDelay(rec, messages)
	require.NoError(t, err)
	require.Equal(t, []string{"helloworld"}, got)
	if runtime.GOOS == "linux" { // the kernel tells how many segments came
		states := 0
		for _, e := range rec.Events() {
			if e.Op == timeline.State && strings.Contains(e.Text, "segment") {
				states++
				require.Equal(t, 2, e.N, "segments: the sender joined nothing")
			}
		}
		require.Equal(t, 1, states)
	}
}

func TestNagle(t *testing.T) {
	with, without, err := scenario.Nagle(timeline.NewRecorder(t.Name()))
	require.NoError(t, err)
	require.Positive(t, with)
	require.Positive(t, without)
}

func TestBugTwoPipes(t *testing.T) {
	came, err := scenario.TwoPipes(timeline.NewRecorder(t.Name()), naiveAnswer, true)
	require.NoError(t, err)
	require.Zero(t, came)
}

func TestFixTwoPipes(t *testing.T) {
	came, err := scenario.TwoPipes(timeline.NewRecorder(t.Name()), answerAs, false)
	require.NoError(t, err)
	require.Equal(t, scenario.PipeBytes+1, came)
}

// What a pipe holds passes even when nobody reads it in time.
func TestPipeHolds(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("64 KiB is what a pipe holds on Linux")
	}
	require.Len(t, naiveRun(t.Context(), "head -c 65536 /dev/zero >&2"), scenario.PipeBytes)
}

func TestRun(t *testing.T) {
	for command, want := range map[string]string{
		"echo out; echo err >&2":        "out\nerr\n", // standard output first
		"echo err >&2; echo out":        "out\nerr\n",
		"echo before; exit 3":           "before\n", // a command that fails has printed something all the same
		"cat":                           "",         // nothing to read
		"printf '\\377\\376'":           "\xff\xfe",
		"no-such-command-here 2>&1 | :": "",
	} {
		require.Equal(t, want, string(run(command)), command)
	}
	require.Contains(t, string(run("no-such-command-here")), "not found")
	require.Len(t, run("head -c 10485760 /dev/zero"), 10<<20)
	require.Contains(t, string(run("a\x00b")), "invalid argument", "what cannot be started says so")
}

func TestNextClient(t *testing.T) {
	server, err := scenario.Start(timeline.NewRecorder(t.Name()), serve)
	require.NoError(t, err)
	for range 2 {
		conn, err := dial(server.Addr)
		require.NoError(t, err)
		var out strings.Builder
		require.NoError(t, talk(conn, strings.NewReader("echo hi\n\nquit\n"), &out))
		require.Equal(t, "hi\n", out.String())
		conn.Close()
	}
	require.NoError(t, server.Stop())
}

func TestLongCommand(t *testing.T) {
	client, server, err := loopback.TCP()
	require.NoError(t, err)
	defer server.Close()
	err = talk(client, strings.NewReader(strings.Repeat("x", maxRead+1)), io.Discard)
	require.ErrorContains(t, err, "the server takes at most")
	client.Close()
	n, _ := server.Read(make([]byte, 1))
	require.Zero(t, n, "nothing was sent")
}

func TestEncodingFlag(t *testing.T) {
	server := stagetest.Server(t)
	gbk := `printf '\326\320\n'`
	out, errs, status := stagetest.Client(t, server.Addr, gbk+"\n", "-encoding", "gbk")
	require.Zero(t, status, errs)
	require.Equal(t, "中\n", out)
	out, _, status = stagetest.Client(t, server.Addr, gbk+"\n")
	require.Zero(t, status)
	require.Equal(t, "\uFFFD\uFFFD\n", out, "not UTF-8: replaced, not dropped")
}

// A web page of any origin can make a browser send this to a port of the reader's own machine.
func TestBrowser(t *testing.T) {
	mark := filepath.Join(t.TempDir(), "mark")
	for name, request := range map[string]string{
		"in the body": "POST / HTTP/1.1\r\nHost: 127.0.0.1:8080\r\nContent-Length: 99\r\n\r\ntouch '" + mark + "'\n",
		"in the path": "GET /;touch$IFS" + mark + ";" + strings.Repeat("a", 2000) + " HTTP/1.1\r\nHost: 127.0.0.1:8080\r\n\r\n",
	} {
		client, server, err := loopback.TCP()
		require.NoError(t, err)
		_, err = client.Write([]byte(request))
		require.NoError(t, err)
		require.ErrorContains(t, answer(server), "nothing was run", name)
		require.NoFileExists(t, mark, name)
		_, err = client.Read(make([]byte, 1))
		require.Error(t, err, "the connection is closed")
		client.Close()
	}
}

// A command that nc sends ends with a newline, and is one all the same.
func TestNewlineAtTheEnd(t *testing.T) {
	client, server, err := loopback.TCP()
	require.NoError(t, err)
	_, err = client.Write([]byte("echo hi\r\n"))
	require.NoError(t, err)
	require.NoError(t, client.CloseWrite())
	require.NoError(t, answer(server))
	got, err := io.ReadAll(client)
	require.NoError(t, err)
	require.Contains(t, string(got), "hi")
	client.Close()
}

// What README.md lets its reader type, and says of the lines that come back.
func TestRunIt(t *testing.T) {
	text, err := os.ReadFile("README.md")
	require.NoError(t, err)
	require.Contains(t, string(text), "prints the lines 1 to 283")
	require.Contains(t, string(text), "284 to 539")
	require.Contains(t, string(text), "540 to 600")
	require.Contains(t, string(text), "2292 bytes")

	server, err := scenario.Start(timeline.NewRecorder(t.Name()), serve)
	require.NoError(t, err)
	conn, err := dial(server.Addr)
	require.NoError(t, err)
	var out strings.Builder
	err = talk(conn, &typist{lines: []typed{
		{"seq 600", nil},
		{"echo second", func() error {
			require.Equal(t, numbers(1, 283), out.String())
			return nil
		}},
		{"true", func() error {
			require.Equal(t, numbers(1, 539), out.String())
			return loopback.WaitQueued(conn, 2292-2*1024+len("second\n"))
		}},
		{"true", func() error {
			require.Equal(t, numbers(1, 600)+"second\n", out.String())
			server.Listening(4) // or the shell would be given: truetrue
			return conn.SetReadDeadline(time.Now().Add(scenario.Hang))
		}},
	}}, &out)
	require.ErrorIs(t, err, os.ErrDeadlineExceeded, "no prompt comes back")
	conn.Close()
	require.NoError(t, server.Stop())
}

// numbers is what seq prints.
func numbers(from, to int) string {
	var s strings.Builder
	for n := from; n <= to; n++ {
		fmt.Fprintln(&s, n)
	}
	return s.String()
}

// typist types one line after the other, each when something has happened.
type typist struct{ lines []typed }

type typed struct {
	line string
	when func() error
}

func (y *typist) Read(p []byte) (int, error) {
	if len(y.lines) == 0 {
		return 0, io.EOF
	}
	next := y.lines[0]
	y.lines = y.lines[1:]
	if next.when != nil {
		if err := next.when(); err != nil {
			return 0, err
		}
	}
	return copy(p, next.line+"\n"), nil
}

func TestServeEnds(t *testing.T) {
	ln, err := loopback.Listen()
	require.NoError(t, err)
	ln.Close()
	require.NoError(t, serve(ln), "a closed listener is no error")
}

// The server survives a client that resets while its command runs.
func TestResetDuringCommand(t *testing.T) {
	client, server, err := loopback.TCP()
	require.NoError(t, err)
	answered := make(chan error, 1)
	go func() { answered <- answer(&abortBeforeWrite{server, client}) }()
	_, err = client.Write([]byte("echo too late"))
	require.NoError(t, err)
	require.NoError(t, <-answered)
}

// abortBeforeWrite resets the connection from the other end before the first answer is written.
type abortBeforeWrite struct {
	net.Conn
	peer net.Conn
}

func (a *abortBeforeWrite) Write(p []byte) (int, error) {
	loopback.Abort(a.peer)
	if err := loopback.WaitDead(a.Conn); err != nil {
		return 0, err
	}
	return a.Conn.Write(p)
}
