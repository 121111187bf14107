package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"testing/iotest"
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
	stagetest.NeedShell(t)
	const input = "echo hi\n\necho ho\nquit\nnever sent\n"
	stagetest.Failures(
		t,
		stagetest.Serves("serve", serve, ":", "echo hi\n"),
		stagetest.Serves("serve refuses", serve, "echo hi\necho ho"),
		stagetest.Talks("talk", utf8Client.talk, input, "h", "ho\n"),
		stagetest.Talks("talk, the longest command", utf8Client.talk,
			strings.Repeat("x", maxRead)+"\n", "h"),
		stagetest.Talks("talk, a longer one", utf8Client.talk, strings.Repeat("x", maxRead+1)+"\n"),
		stagetest.Talks("talk, and half a character comes", utf8Client.talk, "echo hi\n", "\xe4\xbd"),
		stagetest.Answers("naiveAnswer", func(conn net.Conn) error {
			return naiveAnswer(t.Context(), conn)
		}, "echo hi", "echo ho"),
		stagetest.Answers("sendTwice", func(conn net.Conn) error {
			return sendTwice(conn, []byte("errors"), []byte("output"))
		}),
		stagetest.Answers("sendTwice without errors", func(conn net.Conn) error {
			return sendTwice(conn, nil, []byte("output"))
		}),
		stagetest.Answers("naiveLoop", naiveLoop, "echo hi", "echo ho"),
		stagetest.Reads("naiveReadAll", func(r io.Reader, w io.Writer) error {
			message, err := naiveReadAll(r)
			fmt.Fprintf(w, "%d bytes", len(message))
			return err
		}, strings.Repeat("a", maxRead), "b"),
		stagetest.Reads("naivePrint", naivePrint, "one", "two"),
	)
}

// The text of the whole course shows this lesson.
func TestCourseReadme(t *testing.T) { stagetest.Readme(t, lesson, "../../README.md") }

func TestBugGlue(t *testing.T) {
	got := stagetest.Play(t, lesson, "glue")
	require.Equal(t, []string{"helloworld"}, got.Got)
	require.Equal(t, 2, timeline.Count(got.Events, "client", timeline.Send))
	require.Equal(t, 1, timeline.Count(got.Events, "server", timeline.Recv))
}

func TestPromptReader(t *testing.T) {
	require.Equal(t, []string{"hello", "world"}, stagetest.Play(t, lesson, "prompt-reader").Got)
}

func TestBugSplit(t *testing.T) {
	got := stagetest.Play(t, lesson, "split").Got
	require.Len(t, got, 3)
	require.Len(t, got[0], 1024)
	require.Len(t, got[1], 1024)
	require.Len(t, got[2], 952)
}

func TestBugResidue(t *testing.T) {
	part := strings.Repeat("0", 1024)
	require.Equal(t, []string{part, part}, stagetest.Play(t, lesson, "residue").Got,
		"the second one should be: second")
}

// In the picture of README.md the client has taken the rest before the second answer is sent. A run
// in which the server is quicker is as wrong, and shows it less well.
func TestPictureOfResidue(t *testing.T) {
	f, err := os.Open("testdata/recordings/residue.jsonl")
	require.NoError(t, err)
	defer f.Close()
	events, err := timeline.ReadJSON(f)
	require.NoError(t, err)
	reads, second := 0, false
	for _, row := range timeline.Lay(events).Rows {
		for _, cell := range row.Cells {
			switch e := cell.Event; {
			case e.Side == "client" && e.Op == timeline.Recv:
				reads++
			case e.Side == "server" && e.Op == timeline.Send && string(e.Data) == "second\n":
				require.Equal(t, 2, reads)
				second = true
			}
		}
	}
	require.True(t, second)
}

func TestBugTwoCommands(t *testing.T) {
	got := stagetest.Play(t, lesson, "two-commands").Got
	require.Len(t, got, 1)
	require.Equal(t, "aecho b", strings.TrimSpace(got[0]), "the shell was given: echo aecho b")
}

func TestBugSilentCommand(t *testing.T) {
	got := stagetest.Play(t, lesson, "silent-command")
	require.True(t, got.Stuck)
	require.Empty(t, got.Got)
}

func TestBugCutCharacter(t *testing.T) {
	require.Equal(t, 511, stagetest.Play(t, lesson, "cut-character").N,
		"x and 511 characters of two bytes fit into 1024; after half of the next one every pair is wrong")
}

func TestWrongEncoding(t *testing.T) {
	require.Equal(t, []string{"浣犲ソ"}, stagetest.Play(t, lesson, "wrong-encoding").Got)
}

func TestBugPause(t *testing.T) {
	got := stagetest.Play(t, lesson, "pause")
	require.Equal(t, []string{"onetwothree"}, got.Got)
	require.GreaterOrEqual(t, got.Took[0], 2*pause, "two pauses")
	verdict := fmt.Sprintf("from the first send to the last: %d ms", got.Took[0].Milliseconds())
	require.Contains(t, got.Verdicts(), verdict)
}

func TestBugNoDelay(t *testing.T) {
	got := stagetest.Play(t, lesson, "no-delay")
	require.Equal(t, []string{"helloworld", "helloworld"}, got.Got, "with TCP_NODELAY and without")
	var options []string
	for _, e := range got.Events {
		if e.Op == timeline.State && e.Side == "client" {
			options = append(options, e.Text)
		}
	}
	require.Equal(t, []string{"sets TCP_NODELAY on", "sets TCP_NODELAY off"}, options)
	if runtime.GOOS == "linux" { // the kernel tells how many segments came
		require.Equal(t, 2, got.N, "segments with TCP_NODELAY: the sender joined nothing")
	}
}

func TestNagle(t *testing.T) {
	got := stagetest.Play(t, lesson, "nagle")
	require.Len(t, got.Took, 2)
	for i, conn := range []string{"tcp1", "tcp2"} { // with Nagle's algorithm, and without
		require.GreaterOrEqual(t, got.Took[i]+time.Microsecond, medianExchange(t, got.Events, conn),
			"it measures around the calls of %s, whose times are in whole microseconds", conn)
	}
	verdict := fmt.Sprintf("takes %.2f ms with Nagle's algorithm, %.2f ms without",
		float64(got.Took[0].Microseconds())/1000, float64(got.Took[1].Microseconds())/1000)
	require.Contains(t, got.Verdicts()[0], verdict)

	waited := 0
	for _, row := range timeline.Lay(got.Events).Rows {
		for _, cell := range row.Cells {
			if cell.Tone == timeline.Waiting && cell.Event.Op == timeline.Recv {
				waited++
			}
		}
	}
	if runtime.GOOS == "linux" { // which delays acknowledgements by 40 ms
		require.Positive(t, waited, "a wait stands before a read")
	}
}

// medianExchange is the time from the client's first send of an exchange to its last read, as
// recorded.
func medianExchange(t *testing.T, events []timeline.Event, conn string) time.Duration {
	var took []time.Duration
	begin, read := int64(-1), 0
	for _, e := range events {
		if e.Side != "client" || e.Conn != conn {
			continue
		}
		switch e.Op {
		case timeline.Send:
			if begin < 0 {
				begin = e.US
			}
		case timeline.Recv:
			if read += e.N; read == len("HELLO") {
				took = append(took, time.Duration(e.End-begin)*time.Microsecond)
				begin, read = -1, 0
			}
		}
	}
	require.Len(t, took, 5)
	slices.Sort(took)
	return took[2]
}

// It is not the sender that joins without Nagle's algorithm, and with it the first message goes alone.
func TestNagleJoins(t *testing.T) {
	got := stagetest.Play(t, lesson, "nagle-joins")
	require.Equal(t, []string{"firstagainthird", "firstagainthird"}, got.Got)
	if runtime.GOOS == "linux" { // the kernel tells how many segments came
		require.Equal(t, 1, got.N, "segments fewer with Nagle's algorithm")
		require.Equal(t, []string{
			"Nagle's algorithm on: 3 sends arrived as 2 segments",
			"Nagle's algorithm off: 3 sends arrived as 3 segments",
		}, got.Verdicts())
	}
}

func TestBugOneBehind(t *testing.T) {
	got := stagetest.PlayNaive(t, lesson, "one-behind")
	require.Equal(t, []string{"warning: disk is old", "all is well"}, got.Got,
		"the second one should be: second")
	require.Equal(t, len("second\n"), got.N, "bytes that the client left in its queue")
}

func TestBugFullBuffer(t *testing.T) {
	require.True(t, stagetest.PlayNaive(t, lesson, "full-buffer").Stuck)
	for size, stuck := range map[int]bool{
		1: false, maxRead - 1: false, maxRead: true, maxRead + 1: false,
		2*maxRead - 1: false, 2 * maxRead: true, 2*maxRead + 1: false, 3000: false,
	} {
		got, err := scenario.FullBuffer(shortReads, size)(timeline.NewRecorder(t.Name()))
		require.NoError(t, err)
		require.Equal(t, stuck, got.Stuck, "an answer of %d bytes", size)
		if !stuck {
			require.Equal(t, []string{strings.Repeat("a", size)}, got.Got)
		}
	}
}

func TestBugLongCommand(t *testing.T) {
	got := stagetest.PlayNaive(t, lesson, "long-command")
	require.Equal(t, []string{"hello", "gotcha"}, got.Got, "the end of a comment was run as a command")
}

func TestFixLongCommand(t *testing.T) {
	got := stagetest.Play(t, lesson, "long-command")
	require.ErrorContains(t, got.Met, "nothing was run")
	require.Empty(t, got.Got)
}

func TestBugPieces(t *testing.T) {
	got := stagetest.PlayNaive(t, lesson, "pieces").Got
	require.Len(t, got, 16, "of 15 lines")
	require.Equal(t, []string{strings.Repeat("k", 24), strings.Repeat("k", 75)}, got[10:12])
}

func TestFixPieces(t *testing.T) {
	got := stagetest.Play(t, lesson, "pieces").Got
	require.Len(t, got, 15)
	require.Equal(t, strings.Repeat("k", 99), got[10])
}

func TestBugTwoPipes(t *testing.T) {
	got := stagetest.PlayNaive(t, lesson, "two-pipes")
	require.True(t, got.Stuck,
		"the wait for an answer ended by its deadline, not because the server left")
	require.Zero(t, got.N, "bytes that came")
}

func TestFixTwoPipes(t *testing.T) {
	got := stagetest.Play(t, lesson, "two-pipes")
	require.False(t, got.Stuck)
	require.Equal(t, scenario.PipeBytes+1, got.N, "bytes that came")
}

// What a pipe holds passes even when nobody reads it in time.
func TestPipeHolds(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("64 KiB is what a pipe holds on Linux")
	}
	require.Len(t, naiveRun(t.Context(), "head -c 65536 /dev/zero >&2"), scenario.PipeBytes)
}

// A command that cannot be started says so.
func TestNaiveRunCannotStart(t *testing.T) {
	stagetest.NeedShell(t)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	require.Equal(t, context.Canceled.Error(), string(naiveRun(ctx, "echo hi")))
}

func TestRun(t *testing.T) {
	stagetest.NeedShell(t)
	for command, want := range map[string]string{
		"echo out; echo err >&2":        "out\nerr\n", // standard output first
		"echo err >&2; echo out":        "out\nerr\n",
		"echo before; exit 3":           "before\n", // a command that fails has printed something all the same
		"cat":                           "",         // nothing to read
		"printf '\\377\\376'":           "\xff\xfe",
		"no-such-command-here 2>&1 | :": "",
		"":                              "", // an empty command line is one, too
	} {
		require.Equal(t, want, string(run(command)), command)
	}
	require.Contains(t, string(run("no-such-command-here")), "no-such-command-here: ",
		"the shell says what it has "+
			"not found, or may not look for")
	require.Len(t, run("head -c 10485760 /dev/zero"), 10<<20)
	require.Contains(t, string(run("a\x00b")), "invalid argument", "what cannot be started says so")
}

// One read takes as much as is there and has room, also more than 8 KiB.
func TestBigRead(t *testing.T) {
	const size = 16 << 10
	client, server, err := loopback.TCP()
	require.NoError(t, err)
	defer client.Close()
	defer server.Close()
	_, err = client.Write(make([]byte, size))
	require.NoError(t, err)
	require.NoError(t, loopback.WaitQueued(server, size))
	n, err := server.Read(make([]byte, 1<<20))
	require.NoError(t, err)
	require.Greater(t, n, 8<<10)
}

func TestNextClient(t *testing.T) {
	server, err := scenario.Start(timeline.NewRecorder(t.Name()), serve)
	require.NoError(t, err)
	for range 2 {
		conn, err := dial(server.Addr)
		require.NoError(t, err)
		var out strings.Builder
		require.NoError(t, utf8Client.talk(conn, strings.NewReader("echo hi\n\nquit\n"), &out))
		require.Equal(t, "hi\n", strings.ReplaceAll(out.String(), "\r\n", "\n"))
		conn.Close()
	}
	require.NoError(t, server.Stop())
}

func TestEncodingFlag(t *testing.T) {
	stagetest.NeedShell(t)
	server := stagetest.Server(t)
	gbk := `printf '\326\320\n'`
	out, errs, status := stagetest.Client(t, server.Addr, gbk+"\n", "-encoding", "gbk")
	require.Zero(t, status, errs)
	require.Equal(t, "中\n", out)
	out, _, status = stagetest.Client(t, server.Addr, gbk+"\n")
	require.Zero(t, status)
	require.Equal(t, "\uFFFD\uFFFD\n", out, "not UTF-8: replaced, not dropped")
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
	stagetest.NeedShell(t)
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
	err = utf8Client.talk(conn, &typist{lines: []typed{
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

// A client may leave whenever it likes.
func TestLeaving(t *testing.T) { stagetest.Leaving(t, answer, "echo hi") }

// A request that is not one line of at most 1024 bytes is refused, nothing of it is run, and the next
// client is served. A web page can make a browser send the first two to a port of the
// reader's own machine.
func TestRefused(t *testing.T) {
	mark := filepath.Join(t.TempDir(), "mark")
	touch := "touch '" + mark + "'"
	server := stagetest.Refused(t, serve,
		"POST / HTTP/1.1\r\nHost: 127.0.0.1:8080\r\nContent-Length: 99\r\n\r\n"+touch+"\n",
		"GET /;touch$IFS"+mark+";"+strings.Repeat("a", 2000)+
			" HTTP/1.1\r\nHost: 127.0.0.1:8080\r\n\r\n",
		touch+"\n"+touch,
		touch+"\r\n"+touch+"\r\n",
		touch+strings.Repeat(" ", maxRead+1-len(touch)))
	require.NoFileExists(t, mark)
	longest := "echo " + strings.Repeat("x", maxRead-len("echo "))
	conn, err := dial(server.Addr)
	require.NoError(t, err)
	defer conn.Close()
	require.NoError(t, conn.SetDeadline(time.Now().Add(loopback.Patience)))
	var out strings.Builder
	require.NoError(t, utf8Client.talk(conn, strings.NewReader("\n"+longest+"\n\nquit\n"), &out))
	require.Equal(t, longest[len("echo "):]+"\n", strings.ReplaceAll(out.String(), "\r\n", "\n"),
		"and nothing was sent for the empty lines")
	conn.Close()
	require.NoError(t, server.Stop())
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

// A read may return bytes and an error at once, as every io.Reader may. The bytes come first.
func TestBytesBeforeTheError(t *testing.T) {
	client, server, err := loopback.TCP()
	require.NoError(t, err)
	_, err = client.Write([]byte("echo hi"))
	require.NoError(t, err)
	require.NoError(t, client.CloseWrite())
	require.NoError(t, answer(stagetest.BytesWithTheEnd(server)))
	printed, err := io.ReadAll(client)
	require.NoError(t, err)
	require.Contains(t, string(printed), "hi")
	client.Close()
}

func TestReadMessageUsesTheBytesFirst(t *testing.T) {
	var out strings.Builder
	err := readMessage(iotest.DataErrReader(strings.NewReader("the answer")), &out)
	require.ErrorIs(t, err, io.EOF)
	require.Equal(t, "the answer", out.String())

	full := errors.New("full")
	require.ErrorIs(t, readMessage(strings.NewReader("the answer"), failingWriter{full}), full,
		"an error of w is reported")
}

type failingWriter struct{ err error }

func (w failingWriter) Write([]byte) (int, error) { return 0, w.err }

// A request is one line of text, with or without its end; nothing else reaches the shell.
func TestRequests(t *testing.T) {
	for request, want := range map[string]string{
		"echo hi":                     "echo hi",
		"echo hi\n":                   "echo hi",
		"echo hi\r\n":                 "echo hi",
		"echo 你好, HTTP/1.1 is spoken": "echo 你好, HTTP/1.1 is spoken",
		strings.Repeat("x", maxRead):  strings.Repeat("x", maxRead),
		"\n":                          "",
	} {
		command, err := commandLine([]byte(request))
		require.NoError(t, err, "%q", request)
		require.Equal(t, want, command)
	}
	for request, says := range map[string]string{
		"GET /;echo x HTTP/1.0":                     "an HTTP request",
		"GET /;echo x HTTP/1.0\r\n":                 "an HTTP request",
		"GET /;echo x HTTP/1.0\r\n\r\n":             "an HTTP request",
		"POST / HTTP/1.1\r\nHost: x\r\n\r\necho hi": "an HTTP request",
		"\x07\x00\x00\x00echo hi":                   "requests carry no header here",
		"\x00\x00\x00\x07echo hi":                   "requests carry no header here",
		"\x07\x00\x00\x00":                          "requests carry no header here",
		"abc\x00":                                   "requests carry no header here",
		"echo\x00":                                  "not one line",
		"\x1b[2J":                                   "not one line",
		"echo \x00hi":                               "not one line",
		"echo a\necho b":                            "not one line",
		"echo a\n\n":                                "not one line",
		"echo a\rb":                                 "not one line",
		"echo \x1b[2J":                              "not one line",
		strings.Repeat("x", maxRead+1):              "not one line of at most 1024 bytes",
	} {
		command, err := commandLine([]byte(request))
		require.Error(t, err, "%q", request)
		require.Empty(t, command, "%q", request)
		client, server, err := loopback.TCP()
		require.NoError(t, err)
		_, err = client.Write([]byte(request))
		require.NoError(t, err)
		require.NoError(t, client.CloseWrite())
		require.NoError(t, loopback.WaitQueued(server, len(request)))
		refused := answer(server)
		require.ErrorContains(t, refused, says, "%q", request)
		require.ErrorContains(t, refused, "nothing was run", "%q", request)
		answered, _ := io.ReadAll(client) // a reset, if the request was longer than one read
		require.Empty(t, answered, "%q", request)
		client.Close()
	}
}

// The shell is given the command line as it came, quotes included.
func TestQuotes(t *testing.T) {
	want := "a  b\n" // the shell takes the quotes away
	if runtime.GOOS == "windows" {
		want = "\"a  b\"\r\n" // cmd.exe leaves them
	}
	require.Equal(t, want, string(run(`echo "a  b"`)))
}

// However much a command prints, the server keeps a bounded part of it, and says how much it cut off.
func TestLimitedOutput(t *testing.T) {
	var l limited
	for _, n := range []int{maxOutput - 1, 1, 0, 3} {
		written, err := l.Write(make([]byte, n))
		require.NoError(t, err)
		require.Equal(t, n, written, "the command is never told")
	}
	require.Len(t, l.kept, maxOutput)
	require.Equal(t, 3, l.cut)

	stagetest.NeedShell(t)
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	output := string(run("head -c 150000000 /dev/zero; echo oops >&2"))
	runtime.ReadMemStats(&after)
	require.Less(t, after.TotalAlloc-before.TotalAlloc, uint64(10*maxOutput),
		"bytes allocated for an output of 150 MB")
	kept, rest := output[:maxOutput], output[maxOutput:]
	require.Empty(t, strings.Trim(kept, "\x00"))
	require.Equal(t, "oops\n\n[133222784 more bytes were printed, and cut off]\n", rest)
	require.NotContains(t, string(run("head -c 16777216 /dev/zero")), "cut off", "as many as are kept")
	require.Contains(t, string(run("head -c 16777217 /dev/zero >&2")), "[1 more bytes were printed")
}
