package main

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"socketbook/lessons/internal/scenario"
	"socketbook/lessons/internal/stage/stagetest"
	"socketbook/tools/loopback"
	"socketbook/tools/timeline"
)

func TestMain(m *testing.M) {
	os.Setenv("GORACE", "atexit_sleep_ms=0") // for processes that answer a client: they end at once
	answerIfAsked()
	if len(os.Args) > 1 && os.Args[1] == "server" { // crowd starts it
		if os.Args[2] == "-bare" {
			lesson.Serve, lesson.ServerFlags = bareServe, nil
			os.Args = slices.Delete(os.Args, 2, 3)
		}
		main()
	}
	stagetest.Main(m, lesson)
}

func TestLesson(t *testing.T) { stagetest.Lesson(t, lesson) }

// What comes of each call that fails: an error, a line in the log, and which connections are closed.
func TestFailures(t *testing.T) {
	stagetest.Failures(
		t,
		stagetest.Accepts("serve", serve),
		stagetest.Answers("answer", answer, "a", "`az{ @AZ[ é"),
		stagetest.Answers("greet", greet("welcome"), "hi", farewell, "never read"),
		stagetest.Talks("talk", talk, "h\n\nho\nquit\nnever sent\n", "H", "HO"),
		stagetest.Accepts("naiveServe", naiveServe),
		stagetest.Answers("naiveAnswer", naiveAnswer, "hi", "ho"),
		stagetest.Accepts("naiveLogServe", naiveLogServe),
	)
}

func TestFixSecondWaits(t *testing.T) {
	got := stagetest.Play(t, lesson, "second-waits")
	require.False(t, got.Stuck)
	require.Equal(t, []string{"ME TOO"}, got.Got)
	closes := slices.IndexFunc(got.Events, func(e timeline.Event) bool { return e.Op == timeline.Close })
	answered := slices.IndexFunc(got.Events, func(e timeline.Event) bool {
		return e.Side == "client 2" && e.Op == timeline.Recv
	})
	require.Less(t, answered, closes, "while the first one is there")
}

func TestBugMixedLines(t *testing.T) {
	got := stagetest.PlayNaive(t, lesson, "mixed-lines")
	require.Equal(t, []string{
		`client 1: client 2: reading a message: "na\xefve" is not UTF-8`,
		`reading a message: "caf\xe9" is not UTF-8`,
	}, got.Got)
	require.Zero(t, got.N)
}

func TestFixMixedLines(t *testing.T) {
	got := stagetest.Play(t, lesson, "mixed-lines")
	require.Equal(t, []string{
		`client 1: reading a message: "caf\xe9" is not UTF-8`,
		`client 2: reading a message: "na\xefve" is not UTF-8`,
	}, got.Got)
	require.Equal(t, 2, got.N)
}

func TestBugErrorElsewhere(t *testing.T) {
	got := stagetest.PlayNaive(t, lesson, "error-elsewhere")
	require.Zero(t, got.N, "errors that accept met")
	require.Equal(t, 1, timeline.Count(got.Events, "server", timeline.Reset), "a read met it")
	require.True(t, got.Stuck, "nobody closes the connection")
}

func TestFixErrorElsewhere(t *testing.T) {
	got := stagetest.Play(t, lesson, "error-elsewhere")
	require.Zero(t, got.N)
	require.Equal(t, 1, timeline.Count(got.Events, "server", timeline.Reset))
	require.False(t, got.Stuck)
}

func TestProcess(t *testing.T) {
	got := stagetest.Play(t, lesson, "process")
	require.Equal(t, []string{"I AM CLIENT 1", "I AM CLIENT 2"}, got.Got)
	require.Equal(t, 2, got.N, "processes")
	require.Zero(t, timeline.Count(got.Events, "server", timeline.Send), "the server itself sends nothing")
}

func TestBugParentsCopy(t *testing.T) {
	got := stagetest.PlayNaive(t, lesson, "parents-copy")
	require.True(t, got.Stuck)
	require.Zero(t, got.N, "clients that saw the end")
}

func TestFixParentsCopy(t *testing.T) {
	got := stagetest.Play(t, lesson, "parents-copy")
	require.False(t, got.Stuck)
	require.Equal(t, 1, got.N)
}

func TestBugZombie(t *testing.T) {
	require.True(t, stagetest.PlayNaive(t, lesson, "zombie").Stuck)
}

func TestFixZombie(t *testing.T) {
	require.False(t, stagetest.Play(t, lesson, "zombie").Stuck)
}

func TestBugCutWord(t *testing.T) {
	got := stagetest.Play(t, lesson, "cut-word")
	require.True(t, got.Stuck, "the server waits for more")
	require.Equal(t, "hihihi", stagetest.Sent(got.Events, "server"), "it greets after each piece")
}

func TestCrowd(t *testing.T) {
	got := stagetest.Play(t, lesson, "crowd")
	require.Equal(t, 1000, got.N)
	require.Len(t, got.Took, 9)
	rows := got.Verdicts()
	require.Len(t, rows, 10, "a heading and a row for each measurement")
	each := func(row string) (kB float64) {
		_, err := fmt.Sscan(row[strings.Index(row, " kB")-8:], &kB)
		require.NoError(t, err, row)
		return kB
	}
	require.Less(t, each(rows[3]), each(rows[9]), "a goroutine takes less memory than a process")
	var svg bytes.Buffer
	require.NoError(t, scenario.CrowdPlot(&svg, "crowd: x", got.Events))
	require.Equal(t, 9, strings.Count(svg.String(), "<circle"), "a point for each row")
}

func TestBacklog(t *testing.T) {
	got := stagetest.Play(t, lesson, "backlog")
	require.Equal(t, 3, got.N, "connections that a backlog of 2 lets in")
	require.ErrorContains(t, got.Met, "timed out")
	require.NotContains(t, got.Met.Error(), "refused")
}

func TestBugRelay(t *testing.T) {
	got := stagetest.PlayNaive(t, lesson, "relay")
	require.Empty(t, got.Got)
	require.NoError(t, got.Met, "and nobody is told")
	require.Equal(t, "HELLO", stagetest.Sent(got.Events, "server"), "it did answer")
}

func TestFixRelay(t *testing.T) {
	got := stagetest.Play(t, lesson, "relay")
	require.Equal(t, []string{"HELLO"}, got.Got)
	require.NoError(t, got.Met)
}

// Where a scene cannot be played its recording is shown, and says that it is one.
func TestRecordingInstead(t *testing.T) {
	why := fmt.Errorf("no network for you: %w", errors.ErrUnsupported)
	refused := func(*timeline.Recorder) (scenario.Outcome, error) { return scenario.Outcome{}, why }
	rec := timeline.NewRecorder("backlog")
	got, err := scenario.OrRecorded(refused, backlogRecording, madeOn)(rec)
	require.NoError(t, err)
	require.Equal(t, why.Error(), got.Lacking)
	events := rec.Events()
	require.Equal(t, "a recording, made on Linux 6.18, because it cannot be played here: "+why.Error(),
		events[0].Text)
	kept, err := timeline.ReadJSON(bytes.NewReader(backlogRecording))
	require.NoError(t, err)
	require.NoError(t, timeline.Agree(kept, events[1:]))
	var lines bytes.Buffer
	require.NoError(t, timeline.WriteJSON(&lines, events))
	again, err := timeline.ReadJSON(&lines)
	require.NoError(t, err, "it can be read back")
	require.Equal(t, events, again)
}

func TestGreet(t *testing.T) {
	for _, test := range []struct{ messages, greetings []string }{
		{[]string{"886"}, []string{"hi"}},
		{[]string{"8866", "hello", "886"}, []string{"hi", "hi", "hi"}},
	} {
		client, server := pair(t)
		answered := make(chan error, 1)
		go func() { answered <- greet("hi")(server) }()
		buf := make([]byte, 10)
		for i, message := range test.messages {
			n, err := io.ReadFull(client, buf[:2])
			require.NoError(t, err)
			require.Equal(t, test.greetings[i], string(buf[:n]))
			_, err = client.Write([]byte(message))
			require.NoError(t, err)
		}
		_, err := client.Read(buf)
		require.Equal(t, io.EOF, err, "after the farewell")
		require.NoError(t, <-answered)
	}
	t.Run("leaving", func(t *testing.T) { stagetest.Leaving(t, greet("hi"), "hello") })
}

func TestLeaving(t *testing.T) { stagetest.Leaving(t, answer, "hello") }

func pair(t *testing.T) (client, server *net.TCPConn) {
	client, server, err := loopback.TCP()
	require.NoError(t, err)
	t.Cleanup(func() {
		client.Close()
		server.Close()
	})
	require.NoError(t, client.SetDeadline(time.Now().Add(loopback.Patience)))
	require.NoError(t, server.SetDeadline(time.Now().Add(loopback.Patience)))
	return client, server
}

// A client that the server fails to answer is one line in the log; the others are served.
func TestFailureIsLogged(t *testing.T) {
	logged, w := io.Pipe()
	log.SetOutput(w)
	defer log.SetOutput(os.Stderr)
	addr := serving(t, func(ln net.Listener) error {
		return serveEach(ln, func(conn net.Conn) error {
			defer conn.Close()
			return errors.New("not today")
		})
	})
	for range 2 {
		conn, err := dial(addr)
		require.NoError(t, err)
		defer conn.Close()
		line, err := bufio.NewReader(logged).ReadString('\n')
		require.NoError(t, err)
		require.Equal(t, "client "+conn.LocalAddr().String()+": not today\n", line)
	}
}

func TestServeEnds(t *testing.T) {
	ln, err := loopback.Listen()
	require.NoError(t, err)
	ln.Close()
	require.NoError(t, serve(ln), "a closed listener is no error")
	require.NoError(t, serveProcesses(ln, nil))
}

// serving starts a server on a listener of its own and ends it with the test.
func serving(t *testing.T, serve func(net.Listener) error) (addr string) {
	ln, err := loopback.Listen()
	require.NoError(t, err)
	done := make(chan error, 1)
	go func() { done <- scenario.UntilClosed(serve)(ln) }()
	t.Cleanup(func() {
		ln.Close()
		require.NoError(t, <-done)
	})
	return ln.Addr().String()
}

// asks lets a client send one line, and returns what it prints.
func asks(t *testing.T, addr, line string) string {
	conn, err := dial(addr)
	require.NoError(t, err)
	defer conn.Close()
	require.NoError(t, conn.SetDeadline(time.Now().Add(loopback.Patience)))
	var out strings.Builder
	require.NoError(t, talk(conn, strings.NewReader(line+"\n"), &out))
	return out.String()
}

// A thousand clients that connect and say nothing keep nobody from being served.
func TestSilentCrowd(t *testing.T) {
	addr := serving(t, serve)
	var silent []net.Conn
	defer func() {
		for _, conn := range silent {
			loopback.Abort(conn)
		}
	}()
	for range 1000 {
		conn, err := dial(addr)
		require.NoError(t, err)
		silent = append(silent, conn)
	}
	require.Equal(t, "HELLO\n", asks(t, addr, "hello"))
}

// A client that resets its connection while it is in the accept queue is a client that has left.
func TestResetInTheQueue(t *testing.T) {
	ln, err := loopback.Listen()
	require.NoError(t, err)
	conn, err := dial(ln.Addr().String())
	require.NoError(t, err)
	require.NoError(t, loopback.Abort(conn))
	done := make(chan error, 1)
	go func() { done <- scenario.UntilClosed(serve)(ln) }()
	require.Equal(t, "HELLO\n", asks(t, ln.Addr().String(), "hello"))
	ln.Close()
	require.NoError(t, <-done)
}

// What passes through a relay is not kept: 64 MiB each way take a few buffers.
func TestRelayManyBytes(t *testing.T) {
	dropPipes(t)
	const size = 64 << 20
	client, a := pair(t)
	b, server := pair(t)
	relayed := make(chan error, 1)
	go func() { relayed <- relay(a, b) }()
	go func() { // the server: sends back what comes, and then the end
		io.Copy(server, server)
		server.CloseWrite()
	}()
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	go func() {
		io.Copy(client, io.LimitReader(zeros{}, size))
		client.CloseWrite()
	}()
	n, err := io.Copy(io.Discard, client)
	runtime.ReadMemStats(&after)
	require.NoError(t, err)
	require.EqualValues(t, size, n)
	require.NoError(t, <-relayed)
	require.Less(t, after.TotalAlloc-before.TotalAlloc, uint64(4<<20), "bytes allocated")
}

// dropPipes lets the collector close the pipes through which Linux splices one connection into another, when
// the test ends: package net keeps them for the next time, in a sync.Pool, which two collections empty. A
// goroutine of naiveRelay, which nobody waits for, may put one there after them.
func dropPipes(t *testing.T) {
	before := loopback.Snapshot()
	collect := func() error {
		runtime.GC()
		runtime.GC()
		return before.Leaked() // which waits for goroutines, too
	}
	t.Cleanup(func() {
		if collect() != nil {
			require.NoError(t, collect())
		}
	})
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) {
	clear(p)
	return len(p), nil
}

// A relay of which one side resets ends, says so, and closes the other side.
func TestRelayReset(t *testing.T) {
	dropPipes(t)
	for name, relay := range map[string]func(a, b net.Conn) error{"relay": relay, "naiveRelay": naiveRelay} {
		client, a := pair(t)
		b, server := pair(t)
		soon := time.Now().Add(10 * time.Second) // Wine loses a reset now and then
		require.NoError(t, errors.Join(a.SetDeadline(soon), b.SetDeadline(soon)))
		relayed := make(chan error, 1)
		go func() { relayed <- relay(a, b) }()
		require.NoError(t, loopback.Abort(client))
		require.ErrorIs(t, <-relayed, errReset, name)
		require.ErrorIs(t, a.Close(), net.ErrClosed, name)
		require.ErrorIs(t, b.Close(), net.ErrClosed, name)
		_, err := server.Read(make([]byte, 1))
		require.Error(t, err, "it has the end, or a reset")
		var timeout net.Error
		require.False(t, errors.As(err, &timeout) && timeout.Timeout(), "%v", err)
	}
}

// A server that may have no more files open says so in one line.
func TestNoDescriptors(t *testing.T) {
	stagetest.NeedShell(t)
	cmd := stagetest.Command(t, "server", "-addr", "127.0.0.1:0")
	script := []string{"-c", `ulimit -n 30; exec "$@"`, "sh"}
	limited := exec.CommandContext(t.Context(), "sh", append(script, cmd.Args...)...)
	limited.Env = cmd.Env
	var errs bytes.Buffer
	limited.Stderr = &errs
	out, err := limited.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, limited.Start())
	var addr string
	_, err = fmt.Fscanf(out, "listening on %s\n", &addr)
	require.NoError(t, err)
	var conns []net.Conn
	for range 40 {
		if conn, err := dial(addr); err == nil {
			conns = append(conns, conn)
		}
	}
	watchdog := time.AfterFunc(loopback.Patience, func() { limited.Process.Kill() })
	err = limited.Wait()
	require.True(t, watchdog.Stop(), "it goes on")
	for _, conn := range conns {
		conn.Close()
	}
	require.Equal(t, 1, limited.ProcessState.ExitCode(), "%v", err)
	require.Equal(t, 1, strings.Count(errs.String(), "\n"), &errs)
	require.Contains(t, errs.String(), "too many open files")
}

// On the command line each client has a process, which greets it, and none is left when it has gone.
func TestProcessServer(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("Go hands no socket to a new process there")
	}
	server := stagetest.Server(t, "-process", "-greet", "hi")
	for range 2 {
		conn, err := dial(server.Addr)
		require.NoError(t, err)
		defer conn.Close()
		require.NoError(t, conn.SetDeadline(time.Now().Add(loopback.Patience)))
		buf := make([]byte, 10)
		n, err := conn.Read(buf)
		require.NoError(t, err)
		require.Equal(t, "hi", string(buf[:n]))
		_, err = conn.Write([]byte(farewell))
		require.NoError(t, err)
		_, err = conn.Read(buf)
		require.Equal(t, io.EOF, err)
	}
}

// The role of a process that answers one client is of no use without one.
func TestAnswerByHand(t *testing.T) {
	out, errs, status := stagetest.Output(t, stagetest.Command(t, "answer"), "")
	require.Equal(t, 1, status)
	require.Empty(t, out)
	require.Equal(t, 1, strings.Count(errs, "\n"), errs)
	require.Contains(t, errs, "no client on descriptor 3")
}

func TestPython(t *testing.T) {
	const lines = "hello\n\n你好\nquit\n"
	t.Run("its clients, our server", func(t *testing.T) {
		server := stagetest.Server(t)
		out, errs, status := stagetest.Output(t, stagetest.Python(t, "client.py", server.Addr), lines)
		require.Zero(t, status, errs)
		require.Equal(t, "HELLO\n你好\n", out)
	})
	t.Run("our clients, its server", func(t *testing.T) {
		server := stagetest.Start(t, stagetest.Python(t, "server.py"))
		first, err := dial(server.Addr)
		require.NoError(t, err)
		defer first.Close()
		out, errs, status := stagetest.Client(t, server.Addr, lines)
		require.Zero(t, status, errs)
		require.Equal(t, "HELLO\n你好\n", out, "while the first one is there")
	})
	t.Run("its clients, our server that greets", func(t *testing.T) {
		server := stagetest.Server(t, "-greet", "hi")
		client := stagetest.Python(t, "client.py", server.Addr, "greeted")
		out, errs, status := stagetest.Output(t, client, "one\n88\n")
		require.Zero(t, status, errs)
		require.Equal(t, "hi\nhi\nhi\nend\n", out)
	})
	t.Run("our clients, its server that greets", func(t *testing.T) {
		server := stagetest.Start(t, stagetest.Python(t, "server.py", "hi"))
		out, errs, status := stagetest.Client(t, server.Addr, "one\n")
		require.Zero(t, status, errs)
		require.Regexp(t, `^(hi)+\n$`, out, "one read, which may bring both greetings")
	})
}

// A read may return bytes and an error at once, as every io.Reader may. The bytes come first.
func TestBytesBeforeTheError(t *testing.T) {
	client, server := pair(t)
	_, err := client.Write([]byte("hello"))
	require.NoError(t, err)
	require.NoError(t, client.CloseWrite())
	require.NoError(t, answer(stagetest.BytesWithTheEnd(server)))
	answered, err := io.ReadAll(client)
	require.NoError(t, err)
	require.Equal(t, "HELLO", string(answered))

	client, server = pair(t)
	_, err = server.Write([]byte("HELLO"))
	require.NoError(t, err)
	require.NoError(t, server.CloseWrite())
	var out bytes.Buffer
	require.ErrorIs(t, talk(stagetest.BytesWithTheEnd(client), strings.NewReader("hello\n"), &out), io.EOF)
	require.Equal(t, "HELLO\n", out.String())
}

// bareServe is a server of a few lines that does nothing but echo, for the benchmark.
func bareServe(ln net.Listener) error {
	for {
		conn, err := ln.Accept()
		if err != nil {
			return nil
		}
		go func() {
			defer conn.Close()
			buf := make([]byte, maxRead)
			for {
				n, err := conn.Read(buf)
				if err != nil {
					return
				}
				if _, err := conn.Write(buf[:n]); err != nil {
					return
				}
			}
		}()
	}
}

// BenchmarkRequests counts requests of 5 bytes per second, one outstanding for each client, and the
// processor's time that the server takes for each. The servers are processes of their own.
func BenchmarkRequests(b *testing.B) {
	servers := []struct {
		name    string
		command func() *exec.Cmd // nil if this machine lacks it
	}{
		{"lesson", itself("server")},
		{"bare", itself("server", "-bare")},
		{"python", pythonServer()},
	}
	for _, clients := range []int{1, 10, 100} {
		for _, server := range servers {
			b.Run(fmt.Sprintf("clients=%d/%s", clients, server.name), func(b *testing.B) {
				if server.command == nil {
					b.Skip("not installed")
				}
				cmd := server.command()
				out, err := cmd.StdoutPipe()
				require.NoError(b, err)
				require.NoError(b, cmd.Start())
				var addr string
				_, err = fmt.Fscanf(out, "listening on %s\n", &addr)
				require.NoError(b, err)
				load(b, addr, clients)
				cmd.Process.Kill()
				cmd.Wait()
				took := cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()
				b.ReportMetric(float64(took.Microseconds())/float64(b.N), "server-µs/request")
			})
		}
	}
}

// load makes b.N requests.
func load(b *testing.B, addr string, clients int) {
	var conns []net.Conn
	for range clients {
		conn, err := dial(addr)
		require.NoError(b, err)
		conns = append(conns, conn)
	}
	var running sync.WaitGroup
	b.ResetTimer()
	for i, conn := range conns {
		requests := b.N / clients
		if i < b.N%clients {
			requests++
		}
		running.Go(func() {
			buf := make([]byte, maxRead)
			for range requests {
				conn.Write([]byte("hello"))
				if _, err := io.ReadFull(conn, buf[:5]); err != nil {
					b.Error(err)
					return
				}
			}
		})
	}
	running.Wait()
	b.StopTimer()
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "requests/s")
	for _, conn := range conns {
		loopback.Abort(conn)
	}
}

// BenchmarkCrowd holds 10,000 clients, connected and answered, on a server in a process of its own.
func BenchmarkCrowd(b *testing.B) {
	play := scenario.Crowd(scenario.CrowdServer{
		Kind: "a goroutine each", Command: itself("server"), Clients: []int{10_000},
	})
	for range b.N {
		rec := timeline.NewRecorder("crowd")
		got, err := play(rec)
		require.NoError(b, err)
		require.Equal(b, 10_000, got.N)
		for _, e := range rec.Events() {
			if e.Op == timeline.Verdict {
				b.Log(e.Text)
			}
		}
	}
}
