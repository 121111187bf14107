package main

import (
	"bufio"
	"bytes"
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

// Lesson 04 reads "hello" and "world" as one; datagrams do not stick.
func TestFixNoGlue(t *testing.T) {
	rec := timeline.NewRecorder(t.Name())
	answers, err := scenario.DatagramGlue(rec, servePacket)
	require.NoError(t, err)
	require.Equal(t, []string{"WORLD", "HELLO", "WORLD", "HELLO"}, answers)
	flows := timeline.Flows(rec.Events())
	require.Len(t, flows, 2)
	for _, f := range flows {
		require.True(t, f.Whole(), f)
	}
}

func TestAnyOrderStart(t *testing.T) {
	printed, err := scenario.AnyOrderStart(timeline.NewRecorder(t.Name()), programs, listen)
	require.NoError(t, err)
	require.Equal(t, []string{"HELLO"}, printed)
}

func TestBugTruncated(t *testing.T) {
	rec := timeline.NewRecorder(t.Name())
	got, told, err := scenario.Truncated(rec, cutting)
	require.NoError(t, err)
	if runtime.GOOS == "windows" { // which tells every reader (WSAEMSGSIZE)
		require.True(t, tooLong(told), told)
		return
	}
	require.NoError(t, told)
	require.Equal(t, []string{"hel", "bye"}, got, "lo is gone: it does not come with the next read")
	require.Equal(t, 1, timeline.Flows(rec.Events())[0].Truncated)
}

func TestFixTruncated(t *testing.T) {
	got, told, err := scenario.Truncated(timeline.NewRecorder(t.Name()), noticing)
	require.NoError(t, err)
	require.True(t, tooLong(told), told)
	require.Equal(t, []string{"bye"}, got)
}

func TestEmpty(t *testing.T) {
	rec := timeline.NewRecorder(t.Name())
	printed, err := scenario.Converse(rec, programs, "", "hello", "", "quit", "never sent")
	require.NoError(t, err)
	require.Equal(t, []string{"", "HELLO", ""}, printed)
	require.Equal(t, []int{0, 5, 0}, timeline.Flows(rec.Events())[0].Reads)
}

func TestTooBig(t *testing.T) {
	rec := timeline.NewRecorder(t.Name())
	fits, tooMuch := strings.Repeat("a", maxMessage), strings.Repeat("a", maxMessage+1)
	printed, err := scenario.Converse(rec, programs, fits, tooMuch, "hello")
	require.NoError(t, err)
	require.Equal(t, []string{strings.ToUpper(fits), "HELLO"}, printed, "the talk goes on")
	require.Equal(t, []int{maxMessage, 5}, timeline.Flows(rec.Events())[0].Sends)
}

func TestTooBigClient(t *testing.T) {
	server := stagetest.Server(t)
	long := strings.Repeat("a", maxMessage+1)
	out, errs, status := stagetest.Client(t, server.Addr, long+"\nhello\n")
	require.Zero(t, status)
	require.Equal(t, "HELLO\n", out)
	require.Equal(t, "client: not sent: a message of 65508 bytes; one datagram carries at most 65507\n", errs)

	longest := strings.Repeat("a", bufio.MaxScanTokenSize-1) // and a newline
	out, errs, status = stagetest.Client(t, server.Addr, longest+"\nhello\n")
	require.Zero(t, status)
	require.Equal(t, "HELLO\n", out, "a line of 65,535 bytes is not sent, and the client goes on")
	require.Contains(t, errs, "a message of 65535 bytes")

	out, errs, status = stagetest.Client(t, server.Addr, "hello\n"+longest+"a\nhello\n")
	require.Equal(t, 1, status)
	require.Equal(t, "HELLO\n", out, "no piece of a line that is too long to be read is sent")
	require.Equal(t, 1, strings.Count(errs, "\n"), errs)
	require.Contains(t, errs, "64 KiB")
}

func TestBugOverflow(t *testing.T) {
	read, failed, err := scenario.QueueOverflow(timeline.NewRecorder(t.Name()))
	require.NoError(t, err)
	require.Zero(t, failed, "not one send reports an error")
	require.NotZero(t, read)
	require.Less(t, read, 1000, "of 2000")
}

func TestNobody(t *testing.T) {
	met, err := scenario.Nobody(timeline.NewRecorder(t.Name()), unconnected)
	require.NoError(t, err)
	require.ErrorIs(t, met, os.ErrDeadlineExceeded, "a socket that is not connected is told nothing")
	met, err = scenario.Nobody(timeline.NewRecorder(t.Name()), connected)
	require.NoError(t, err)
	if runtime.GOOS == "windows" {
		require.ErrorIs(t, met, os.ErrDeadlineExceeded, "Go switches off, on Windows, the report that a datagram met nobody")
		return
	}
	require.True(t, loopback.Is(met, syscall.ECONNREFUSED), met)
}

func TestBugBothWait(t *testing.T) {
	rec := timeline.NewRecorder(t.Name())
	deadline, ended, err := scenario.BothWait(rec, naivePrograms)
	require.NoError(t, err)
	require.False(t, deadline)
	require.ErrorIs(t, ended, os.ErrDeadlineExceeded, "the one that the scene set")
	require.Zero(t, timeline.Count(rec.Events(), "server", timeline.Recv))
}

func TestFixBothWait(t *testing.T) {
	deadline, ended, err := scenario.BothWait(timeline.NewRecorder(t.Name()), programs)
	require.NoError(t, err)
	require.True(t, deadline)
	require.ErrorIs(t, ended, os.ErrDeadlineExceeded)
	require.ErrorContains(t, ended, "no answer within 5s")
}

func TestBugForged(t *testing.T) {
	printed, err := scenario.Forged(timeline.NewRecorder(t.Name()), servePacket, unconnected, talk)
	require.NoError(t, err)
	require.Equal(t, []string{"FORGED"}, printed)
}

func TestFixForged(t *testing.T) {
	printed, err := scenario.Forged(timeline.NewRecorder(t.Name()), servePacket, connected, talk)
	require.NoError(t, err)
	require.Equal(t, []string{"HELLO"}, printed)
}

func TestFixBadText(t *testing.T) {
	printed, err := scenario.Converse(timeline.NewRecorder(t.Name()), programs, "caf\xe9 \xff", "hello")
	require.NoError(t, err)
	require.Equal(t, []string{"CAF\xe9 \xff", "HELLO"}, printed)
}

// Over IPv6 a datagram may be a little longer than the longest message: it is thrown away, and the server goes on.
func TestLongerThanMaxMessage(t *testing.T) {
	pc, err := listen("[::1]:0")
	if err != nil && os.Getenv("CI") == "" {
		t.Skip("this machine has no IPv6 loopback address, and over IPv4 no datagram is that long")
	}
	require.NoError(t, err)
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
}

func TestServeEnds(t *testing.T) {
	pc, err := listen("127.0.0.1:0")
	require.NoError(t, err)
	pc.Close()
	require.NoError(t, servePacket(pc), "a closed socket is no error")
}

// Each exchange has a deadline of its own: one that has passed, while somebody thought about the next line, does not count.
func TestDeadlineOfEachExchange(t *testing.T) {
	client, server, err := loopback.UDP()
	require.NoError(t, err)
	defer client.Close()
	served := make(chan error, 1)
	go func() { served <- servePacket(server) }()
	require.NoError(t, client.SetReadDeadline(time.Now()))
	var out bytes.Buffer
	require.NoError(t, talk(client, strings.NewReader("hello\n"), &out))
	require.Equal(t, "HELLO\n", out.String())
	server.Close()
	require.NoError(t, <-served)
}

func TestPython(t *testing.T) {
	t.Run("its client, our server", func(t *testing.T) {
		server := stagetest.Server(t)
		out, errs, status := stagetest.Output(t, stagetest.Python(t, "client.py", server.Addr), "hello\n\n你好\nquit\n")
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

// A datagram may bear the server's own address as its source. An answer would go to the server itself, as would the
// answer to that, without end: the loops of the services echo and chargen.
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
	require.False(t, isOwn(server, &net.UDPAddr{IP: net.IP{192, 0, 2, 1}, Port: port}), "the same port of another machine (RFC 5737)")
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

// Without its deadline a client would wait for ever: one that cannot be set is an error.
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
