package main

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"log"
	"net"
	"os"
	"runtime"
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
	const input = "h\n\nho\nquit\nnever sent\n"
	stagetest.Failures(
		t,
		stagetest.ServesPackets("servePacket", servePacket, "a", "", "`az{ @AZ[ é"),
		stagetest.Talks("talk", talk, input, "H", "", "HO"),
		stagetest.Talks("naiveTalk", naiveTalk, input, "H", "", "HO"),
		stagetest.ServesPackets("naiveServe", naiveServe, "hi", "", "ho"),
	)
}

// Lesson 04 reads "hello" and "world" as one; datagrams do not stick.
func TestFixNoGlue(t *testing.T) {
	got := stagetest.Play(t, lesson, "no-glue")
	require.Equal(t, []string{"WORLD", "HELLO", "WORLD", "HELLO"}, got.Got)
	flows := timeline.Flows(got.Events)
	require.Len(t, flows, 2)
	for _, f := range flows {
		require.True(t, f.Whole(), f)
	}
}

func TestAnyOrderStart(t *testing.T) {
	require.Equal(t, []string{"HELLO"}, stagetest.Play(t, lesson, "any-order-start").Got)
}

func TestBugTruncated(t *testing.T) {
	got := stagetest.PlayNaive(t, lesson, "truncated")
	if runtime.GOOS == "windows" { // which tells every reader (WSAEMSGSIZE)
		require.True(t, tooLong(got.Met), got.Met)
		return
	}
	require.NoError(t, got.Met)
	require.Equal(t, []string{"hel", "bye"}, got.Got, "lo is gone: it does not come with the next read")
	require.Equal(t, 1, timeline.Flows(got.Events)[0].Truncated)
}

func TestFixTruncated(t *testing.T) {
	got := stagetest.Play(t, lesson, "truncated")
	require.True(t, tooLong(got.Met), got.Met)
	require.Equal(t, []string{"bye"}, got.Got)
}

func TestEmpty(t *testing.T) {
	got := stagetest.Play(t, lesson, "empty")
	require.Equal(t, []string{"", "HELLO"}, got.Got)
	require.Equal(t, []int{0, 5}, timeline.Flows(got.Events)[0].Reads)
	play := scenario.Converse(programs, "", "hello", "", "quit", "never sent")
	all, err := play(timeline.NewRecorder(t.Name()))
	require.NoError(t, err)
	require.Equal(t, []string{"", "HELLO", ""}, all.Got)
}

func TestTooBig(t *testing.T) {
	got := stagetest.Play(t, lesson, "too-big")
	require.Equal(t, []string{strings.ToUpper(longest), "HELLO"}, got.Got, "the talk goes on")
	require.Equal(t, []int{maxMessage, 5}, timeline.Flows(got.Events)[0].Sends)
}

func TestTooBigClient(t *testing.T) {
	server := stagetest.Server(t)
	long := strings.Repeat("a", maxMessage+1)
	out, errs, status := stagetest.Client(t, server.Addr, long+"\nhello\n")
	require.Zero(t, status)
	require.Equal(t, "HELLO\n", out)
	require.Equal(t,
		"client: not sent: a message of 65508 bytes; one datagram carries at most 65507\n", errs)

	longest := strings.Repeat("a", bufio.MaxScanTokenSize-1) // and a newline
	out, errs, status = stagetest.Client(t, server.Addr, longest+"\nhello\n")
	require.Zero(t, status)
	require.Equal(t, "HELLO\n", out, "a line of 65,535 bytes is not sent, and the client goes on")
	require.Contains(t, errs, "a message of 65535 bytes")

	out, errs, status = stagetest.Client(t, server.Addr, "hello\n"+longest+"a\nhello\n")
	require.Equal(t, 1, status)
	require.Equal(t, "HELLO\n", out, "no piece of a line that is too long to be read is sent")
	require.Equal(t, 1, strings.Count(errs, "\n"), errs)
	require.Contains(t, errs, "65,535 bytes")
}

func TestBugOverflow(t *testing.T) {
	got := stagetest.Play(t, lesson, "overflow")
	require.NotZero(t, got.N)
	require.Less(t, got.N, scenario.Overflowing/2, "datagrams read, of those sent")
	verdict := fmt.Sprintf("%d of 2000 vanished, and no send reported an error", 2000-got.N)
	require.Contains(t, got.Verdicts(), verdict)
	for _, e := range got.Events {
		require.False(t, e.Op == timeline.Send && e.Err != "", "not one send reports an error")
	}
}

func TestNobody(t *testing.T) {
	got := stagetest.PlayNaive(t, lesson, "nobody")
	require.True(t, got.Stuck, "a socket that is not connected is told nothing")
	got = stagetest.Play(t, lesson, "nobody")
	if runtime.GOOS == "windows" {
		require.True(t, got.Stuck, "Go switches off, on Windows, the report that a datagram met nobody")
		return
	}
	require.ErrorIs(t, got.Met, syscall.ECONNREFUSED)
}

func TestBugBothWait(t *testing.T) {
	got := stagetest.PlayNaive(t, lesson, "both-wait")
	require.True(t, got.Stuck, "it has no deadline")
	require.ErrorIs(t, got.Met, os.ErrDeadlineExceeded, "the one that the scene set")
	require.Zero(t, timeline.Count(got.Events, "server", timeline.Recv))
}

func TestFixBothWait(t *testing.T) {
	got := stagetest.Play(t, lesson, "both-wait")
	require.False(t, got.Stuck)
	require.ErrorIs(t, got.Met, os.ErrDeadlineExceeded)
	require.ErrorContains(t, got.Met, "no answer within 5s")
	require.LessOrEqual(t, got.Took[0], patience, "the deadline that it set, not only its words")
	require.Greater(t, got.Took[0], patience/2)
}

func TestBugForged(t *testing.T) {
	require.Equal(t, []string{"FORGED"}, stagetest.PlayNaive(t, lesson, "forged").Got)
}

func TestFixForged(t *testing.T) {
	require.Equal(t, []string{"HELLO"}, stagetest.Play(t, lesson, "forged").Got)
}

func TestBugDoubled(t *testing.T) {
	got := stagetest.Play(t, lesson, "doubled")
	require.Equal(t, []string{"ONE", "ONE", "TWO"}, got.Got, "one behind from there on")
}

func TestBugOvertaken(t *testing.T) {
	require.Equal(t, []string{"SECOND", "FIRST"}, stagetest.Play(t, lesson, "overtaken").Got)
}

func TestBugEchoLoop(t *testing.T) {
	got := stagetest.PlayNaive(t, lesson, "echo-loop")
	require.Equal(t, 20, got.N, "answers: as many as the scene lets it give")
}

func TestFixEchoLoop(t *testing.T) {
	got := stagetest.Play(t, lesson, "echo-loop")
	require.Zero(t, got.N, "answers")
	require.Equal(t, 1, timeline.Count(got.Events, "server", timeline.Recv))
}

// The source's address does not tell two servers' loop from a conversation; the format does.
func TestEchoPair(t *testing.T) {
	require.Equal(t, 20, stagetest.PlayNaive(t, lesson, "echo-pair").N, "answers of the first server")
	got := stagetest.Play(t, lesson, "echo-pair")
	require.Equal(t, 1, got.N, "answers of the first server")
	require.Equal(t, 1, timeline.Count(got.Events, "server 2", timeline.Recv))
	require.Equal(t, 1, timeline.Count(got.Events, "server 2", timeline.Send), "the question")
}

func TestFixBadText(t *testing.T) {
	require.Equal(t, []string{"CAF\xe9 \xff", "HELLO"}, stagetest.Play(t, lesson, "bad-text").Got)
}

// Over IPv6 a datagram may be a little longer than the longest message: it is thrown away, and the
// server goes on.
func TestLongerThanMaxMessage(t *testing.T) {
	pc, err := listen("[::1]:0")
	if err != nil && os.Getenv("CI") == "" {
		t.Skip("this machine has no IPv6 loopback address, and over IPv4 no datagram is that long")
	}
	require.NoError(t, err)
	var logged bytes.Buffer
	log.SetOutput(&logged)
	defer log.SetOutput(os.Stderr)
	served := make(chan error, 1)
	go func() { served <- servePacket(pc) }()
	conn, err := dial(pc.LocalAddr().String())
	require.NoError(t, err)
	defer conn.Close()
	require.NoError(t, conn.(*net.UDPConn).SetWriteBuffer(128<<10))
	_, err = conn.Write(make([]byte, maxMessage+10))
	require.NoError(t, err)
	var out bytes.Buffer
	require.NoError(t, talk(conn, strings.NewReader("hello\n"), &out))
	require.Equal(t, "HELLO\n", out.String())
	pc.Close()
	require.NoError(t, <-served, "a closed socket is no error")
	require.Regexp(t, `^a message was thrown away: .*\n$`, logged.String())
}

// TCP and UDP count ports separately: one program has a socket of each with the same number.
func TestSamePort(t *testing.T) {
	for range 100 { // of the free ports of one protocol some are taken in the other
		ln, err := loopback.Listen()
		require.NoError(t, err)
		defer ln.Close()
		if pc, err := listen(ln.Addr().String()); err == nil {
			require.Equal(t, ln.Addr().String(), pc.LocalAddr().String())
			pc.Close()
			return
		}
	}
	t.Fatal("no port is free in both")
}

func TestServeEnds(t *testing.T) {
	pc, err := listen("127.0.0.1:0")
	require.NoError(t, err)
	pc.Close()
	require.NoError(t, servePacket(pc), "a closed socket is no error")
}

// Each exchange has a deadline of its own: one that has passed, while somebody thought about the next
// line, does not count.
func TestDeadlineOfEachExchange(t *testing.T) {
	client, server, err := loopback.UDP()
	require.NoError(t, err)
	defer client.Close()
	served := make(chan error, 1)
	go func() { served <- servePacket(server) }()
	require.NoError(t, client.SetReadDeadline(time.Now()))
	watched := &deadlines{Conn: client}
	var out bytes.Buffer
	require.NoError(t, talk(watched, strings.NewReader("hello\nagain\n"), &out))
	require.Equal(t, "HELLO\nAGAIN\n", out.String())
	require.Len(t, watched.sent, 2)
	require.Len(t, watched.set, 2)
	for i := range watched.set {
		require.False(t, watched.set[i].deadline.Before(watched.sent[i].Add(patience)),
			"earlier than it says")
		require.False(t, watched.set[i].deadline.After(watched.set[i].at.Add(patience)),
			"later than it says")
	}
	server.Close()
	require.NoError(t, <-served)
}

// deadlines notes when something was sent, and each deadline and when it was set.
type deadlines struct {
	net.Conn
	sent []time.Time
	set  []struct{ at, deadline time.Time }
}

func (d *deadlines) Write(p []byte) (int, error) {
	n, err := d.Conn.Write(p)
	d.sent = append(d.sent, time.Now())
	return n, err
}

func (d *deadlines) SetReadDeadline(t time.Time) error {
	d.set = append(d.set, struct{ at, deadline time.Time }{time.Now(), t})
	return d.Conn.SetReadDeadline(t)
}

func TestPython(t *testing.T) {
	t.Run("its client, our server", func(t *testing.T) {
		server := stagetest.Server(t)
		out, errs, status := stagetest.Output(t, stagetest.Python(t, "client.py", server.Addr),
			"hello\n\n你好\nquit\n")
		require.Zero(t, status, errs)
		require.Equal(t, "HELLO\n\n你好\n", out)
	})
	t.Run("our client, its server", func(t *testing.T) {
		server := stagetest.Start(t, stagetest.Python(t, "server.py"))
		out, errs, status := stagetest.Client(t, server.Addr, "hello\n\n你好 \xff\nquit\n")
		require.Zero(t, status, errs)
		require.Equal(t, "HELLO\n\n你好 \xff\n", out)
	})
}

// A datagram may bear the server's own address as its source. An answer would go to the server
// itself, as would the answer to that, without end: the loops of the services echo and chargen.
func TestOwnAddress(t *testing.T) {
	client, server, err := loopback.UDP()
	require.NoError(t, err)
	defer client.Close()
	_, err = server.WriteTo([]byte("to myself"), server.LocalAddr())
	require.NoError(t, err)
	require.NoError(t, loopback.WaitQueued(server, 1))
	var logged bytes.Buffer
	defer collectLog(&logged)()
	counted := &countingPacketConn{PacketConn: server}
	served := make(chan error, 1)
	go func() { served <- servePacket(counted) }()
	require.NoError(t, talk(client, strings.NewReader("hello\n"), io.Discard), "the next client is served")
	server.Close()
	require.NoError(t, <-served)
	require.Equal(t, 1, counted.writes, "answers: one to the client, none to the server itself")
	require.Contains(t, logged.String(), "this server's own address")

	port := server.LocalAddr().(*net.UDPAddr).Port
	addrs, err := net.InterfaceAddrs()
	require.NoError(t, err)
	own := []net.IP{{127, 0, 0, 1}, {127, 0, 0, 2}, net.IPv6loopback, net.ParseIP("::ffff:127.0.0.1")}
	for _, a := range addrs {
		if network, ok := a.(*net.IPNet); ok {
			own = append(own, network.IP)
		}
	}
	for _, ip := range own {
		require.True(t, isOwn(server, &net.UDPAddr{IP: ip, Port: port}), ip)
		require.False(t, isOwn(server, &net.UDPAddr{IP: ip, Port: port - 1}), "another program's port")
	}
	require.False(
		t,
		isOwn(server, &net.UDPAddr{IP: net.IP{192, 0, 2, 1}, Port: port}),
		"the same port of another "+
			"machine (RFC 5737)",
	)
}

// collectLog sends what the lesson logs to w, and returns what ends that.
func collectLog(w io.Writer) (restore func()) {
	flags := log.Flags()
	log.SetFlags(0)
	log.SetOutput(w)
	return func() { log.SetOutput(os.Stderr); log.SetFlags(flags) }
}

type countingPacketConn struct {
	net.PacketConn
	writes int
}

func (c *countingPacketConn) WriteTo(p []byte, to net.Addr) (int, error) {
	c.writes++
	return c.PacketConn.WriteTo(p, to)
}

// Without its deadline a client would wait forever: one that cannot be set is an error.
func TestDeadlineThatCannotBeSet(t *testing.T) {
	client, server, err := loopback.UDP()
	require.NoError(t, err)
	defer client.Close()
	defer server.Close()
	require.NoError(t, client.SetReadDeadline(time.Now().Add(scenario.Hang)))
	err = talk(noDeadline{client}, strings.NewReader("hello\n"), io.Discard)
	require.ErrorIs(t, err, os.ErrNoDeadline)
	require.ErrorContains(t, err, "limiting the wait")
}

type noDeadline struct{ net.Conn }

func (noDeadline) SetReadDeadline(time.Time) error { return os.ErrNoDeadline }
