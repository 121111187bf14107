package wire

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/gopacket/gopacket/layers"
	"github.com/gopacket/gopacket/pcapgo"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"socketbook/tools/netns"
)

func TestMain(m *testing.M) {
	netns.Main()
	os.Exit(m.Run())
}

// watchdog is how long a test waits for what must happen. Nothing is asserted by it.
const watchdog = 30 * time.Second

// inner is the T of the half of a test that runs inside.
type inner struct{ failures []string }

func (t *inner) Errorf(format string, args ...any) {
	t.failures = append(t.failures, fmt.Sprintf(format, args...))
}

func (t *inner) FailNow() { runtime.Goexit() }

// net1 is what every half has: its network, a recording that has begun, and a server that listens.
type net1 struct {
	*inner
	n  *netns.Network
	c  *Capture
	ln net.Listener
}

const server = "127.0.0.1:8080"

// half registers the half of a test that runs inside.
func half(name string, f func(net1)) string {
	netns.Register(name, func(n *netns.Network) error {
		t := &inner{}
		done := make(chan struct{})
		go func() {
			defer close(done)
			c, err := Open(n, time.Now())
			require.NoError(t, err)
			defer c.Close()
			ln, err := net.Listen("tcp", server)
			require.NoError(t, err)
			defer ln.Close()
			f(net1{t, n, c, ln})
		}()
		<-done
		if t.failures != nil {
			return errors.New(strings.Join(t.failures, "\n"))
		}
		return nil
	})
	return name
}

// inside runs a half. Where no private network is to be had it skips the test; in CI that is a
// failure.
func inside(t *testing.T, o netns.Options) {
	t.Helper()
	ctx, cancel := context.WithTimeoutCause(t.Context(), watchdog, errors.New("watchdog of "+o.Func))
	defer cancel()
	err := netns.Run(ctx, o)
	if errors.Is(err, errors.ErrUnsupported) && os.Getenv("CI") == "" {
		t.Skip(err)
	}
	require.NoError(t, err)
}

// pair connects two programs.
func (t net1) pair() (client, server *net.TCPConn) {
	c, err := net.Dial("tcp", t.ln.Addr().String())
	require.NoError(t, err)
	s, err := t.ln.Accept()
	require.NoError(t, err)
	return c.(*net.TCPConn), s.(*net.TCPConn)
}

func (t net1) write(c net.Conn, text string) {
	_, err := c.Write([]byte(text))
	require.NoError(t, err)
}

func (t net1) read(c net.Conn, text string) {
	buf := make([]byte, len(text))
	require.NoError(t, c.SetReadDeadline(time.Now().Add(watchdog)))
	_, err := io.ReadFull(c, buf)
	require.NoError(t, err)
	require.Equal(t, text, string(buf))
}

func (t net1) readEOF(c net.Conn) {
	_, err := c.Read(make([]byte, 1))
	require.ErrorIs(t, err, io.EOF)
}

// wait waits until the recording has n segments of one kind, and returns all of them.
func (t net1) wait(n int, what string, kind func(Segment) bool) []Segment {
	ctx, cancel := context.WithTimeout(context.Background(), watchdog)
	defer cancel()
	var all []Segment
	require.NoError(t, t.c.Wait(ctx, fmt.Sprint(n, " ", what), func(segments []Segment) bool {
		found := 0
		for _, s := range segments {
			if kind(s) {
				found++
			}
		}
		all = segments
		return found >= n
	}))
	return all
}

func (t net1) segments() []Segment {
	segments, err := t.c.Segments()
	require.NoError(t, err)
	return segments
}

// expect compares the segments with lines such as "> SYN 0 0 0": direction, flags, seq, ack, len.
// The direction is seen from the side that sent the first one.
func (t net1) expect(segments []Segment, lines ...string) {
	require.Equal(t, lines, t.lines(segments))
}

func (t net1) lines(segments []Segment) []string {
	var got []string
	for _, s := range segments {
		arrow := ">"
		if s.Src != segments[0].Src {
			arrow = "<"
		}
		line := fmt.Sprintf("%s %v %d %d %d", arrow, s.Flags, s.Seq, s.Ack, s.Len)
		if s.Again {
			line += " again"
		}
		if s.Probe {
			line += " probe"
		}
		got = append(got, line)
	}
	return got
}

// state waits until the kernel says that a socket is in a state of TCP (tcp_states.h).
func (t net1) state(c *net.TCPConn, state uint8) {
	raw, err := c.SyscallConn()
	require.NoError(t, err)
	for give := time.Now().Add(watchdog); ; runtime.Gosched() {
		var info *unix.TCPInfo
		require.NoError(t, raw.Control(func(fd uintptr) {
			info, err = unix.GetsockoptTCPInfo(int(fd), unix.IPPROTO_TCP, unix.TCP_INFO)
		}))
		require.NoError(t, err)
		if info.State == state {
			return
		}
		require.True(t, time.Now().Before(give), "state %d, not %d", info.State, state)
	}
}

const finWait2 = 5

// One echo. The client closes first and the server at once after it: ten segments.
var echo = half("echo", func(t net1) {
	if len(t.n.Args) > 0 {
		var err error
		t.ln.Close()
		t.ln, err = net.Listen("tcp", t.n.Args[0])
		require.NoError(t, err)
		defer t.ln.Close()
	}
	times := []time.Time{time.Now()}
	now := func() { times = append(times, time.Now()) }
	client, server := t.pair()
	now()
	t.write(client, "hello")
	now()
	t.read(server, "hello")
	t.write(server, "HELLO")
	now()
	t.read(client, "HELLO")
	client.Close()
	t.readEOF(server)
	server.Close()
	now()
	segments := t.segments()
	lines := []string{
		"> SYN 0 0 0", "< SYN ACK 0 1 0", "> ACK 1 1 0",
		"> PSH ACK 1 1 5", "< ACK 1 6 0", "< PSH ACK 1 6 5", "> ACK 6 6 0",
		"> FIN ACK 6 6 0", "< FIN ACK 6 7 0", "> ACK 7 7 0",
	}
	if len(segments) == 11 && !closedAtOnce(segments) {
		lines = slices.Insert(lines, 8, "< ACK 6 7 0")
	}
	t.expect(segments, lines...)
	within := func(i int, begin, end time.Time) {
		require.False(
			t,
			segments[i].Time.Before(begin.Round(0)),
			"segment %d: %v, after %v",
			i,
			segments[i].Time,
			begin,
		)
		require.False(
			t,
			segments[i].Time.After(end.Round(0)),
			"segment %d: %v, before %v",
			i,
			segments[i].Time,
			end,
		)
	}
	for i := range 3 {
		within(i, times[0], times[1])
	}
	within(3, times[1], times[2])
	within(5, times[2], times[3])
	within(7, times[3], times[4])
	within(len(lines)-1, times[3], times[4])
	for i, s := range segments {
		require.Equal(t, "tcp", s.Proto)
		require.Equal(t, 1, s.Conn)
		require.Positive(t, s.At)
		if i > 0 {
			require.Equal(t, s.Time.Sub(segments[0].Time), s.At-segments[0].At)
		}
	}
	text, err := json.Marshal(segments)
	require.NoError(t, err)
	fmt.Printf("%s\n", text)
})

// record plays echo and returns its segments as they come out of the private network.
func record(t *testing.T, addr ...string) []Segment {
	t.Helper()
	var segments []Segment
	inside(t, netns.Options{Func: echo, Args: addr, Line: func(line []byte) {
		require.NoError(t, json.Unmarshal(line, &segments))
	}})
	require.GreaterOrEqual(t, len(segments), 10)
	return segments
}

func TestEcho(t *testing.T) {
	segments := record(t)
	require.Equal(t, server, segments[0].Dst.String())
	require.Equal(t, segments[0].Src, segments[1].Dst)
	require.Equal(t, "hello", string(segments[3].Payload()))
	require.Equal(t, "HELLO", string(segments[5].Payload()))
	require.Empty(t, segments[4].Payload())
	require.Regexp(
		t,
		`^tcp 127.0.0.1:\d+ > 127.0.0.1:8080 PSH ACK seq 1 ack 1 len 5$`,
		segments[3].String(),
	)
}

func TestEchoIPv6(t *testing.T) {
	if _, err := os.Stat("/proc/sys/net/ipv6"); err != nil {
		t.Skip("this kernel has no IPv6")
	}
	require.Equal(t, "[::1]:9000", record(t, "[::1]:9000")[0].Dst.String())
}

// The answer after a half-close still arrives.
var halfClose = half("half-close", func(t net1) {
	client, server := t.pair()
	t.write(client, "hello")
	t.read(server, "hello")
	require.NoError(t, client.CloseWrite())
	t.readEOF(server)
	t.state(client, finWait2) // the FIN has been acknowledged alone
	t.write(server, "HELLO")
	t.read(client, "HELLO")
	server.Close()
	t.readEOF(client)
	client.Close()
	segments := t.segments()
	fin := 0
	for i, s := range segments {
		if s.Flags.Has(FIN) {
			fin++
			require.Equal(t, fin == 1, s.Dst == segments[0].Dst, "the client's FIN comes first")
		}
		if s.Len > 0 && s.Src != segments[0].Src {
			require.Equal(t, 1, fin, "data flows back after the first FIN: %v", segments[:i+1])
		}
	}
	require.Equal(t, 2, fin)
})

func TestHalfClose(t *testing.T) { inside(t, netns.Options{Func: halfClose}) }

// farewell plays a close after one echo. "four": the passive side waits until its kernel has
// acknowledged the FIN; "three": it closes at once, and its FIN carries the acknowledgement.
var farewell = half("farewell", func(t net1) {
	client, server := t.pair()
	t.write(client, "hello")
	t.read(server, "hello")
	t.write(server, "HELLO")
	t.read(client, "HELLO")
	before := len(t.segments())
	require.NoError(t, client.CloseWrite())
	t.readEOF(server)
	if t.n.Args[0] == "four" {
		t.state(client, finWait2)
	}
	server.Close()
	t.readEOF(client)
	client.Close()
	got := t.segments()[before:]
	if t.n.Args[0] == "four" || len(got) == 4 && !closedAtOnce(got) {
		t.expect(got, "> FIN ACK 6 6 0", "< ACK 6 7 0", "< FIN ACK 6 7 0", "> ACK 7 7 0")
		return
	}
	t.expect(got, "> FIN ACK 6 6 0", "< FIN ACK 6 7 0", "> ACK 7 7 0")
})

// closedAtOnce reports whether the second FIN came before the kernel would have acknowledged the
// first one alone, which it does after 40 ms (delayed ACK). A busy machine may keep a program from
// running for longer.
func closedAtOnce(segments []Segment) bool {
	var fins []Segment
	for _, s := range segments {
		if s.Flags.Has(FIN) {
			fins = append(fins, s)
		}
	}
	return len(fins) == 2 && fins[1].Time.Sub(fins[0].Time) < 30*time.Millisecond
}

func TestFourWay(t *testing.T) {
	inside(t, netns.Options{Func: farewell, Args: []string{"four"}})
}

func TestThreeWay(t *testing.T) {
	inside(t, netns.Options{Func: farewell, Args: []string{"three"}})
}

var refused = half("refused", func(t net1) {
	for range 2 { // the second dial may have another port of its own
		_, err := net.Dial("tcp", "127.0.0.1:9")
		require.ErrorIs(t, err, syscall.ECONNREFUSED)
	}
	got := t.segments()
	require.Len(t, got, 4)
	t.expect(got[:2], "> SYN 0 0 0", "< RST ACK 1 1 0")
	t.expect(got[2:], "> SYN 0 0 0", "< RST ACK 1 1 0")
	require.Equal(t, 2, got[3].Conn)
})

func TestRefused(t *testing.T) { inside(t, netns.Options{Func: refused}) }

// The receiver's kernel drops what comes: the same sequence numbers come again, and the programs
// notice nothing.
var resent = half("resent", func(t net1) {
	client, server := t.pair()
	raw, err := server.SyscallConn()
	require.NoError(t, err)
	before := len(t.segments())
	require.NoError(t, t.n.SetDropping(raw, true))
	t.write(client, "hello")
	data := func(s Segment) bool { return s.Len > 0 }
	t.wait(1, "segments with data", data)
	require.NoError(t, t.n.SetDropping(raw, false))
	t.read(server, "hello")
	got := t.wait(2, "segments with data", data)[before:]
	require.Equal(t, []string{"> PSH ACK 1 1 5", "> PSH ACK 1 1 5 again"}, t.lines(got)[:2])
	client.Close()
	server.Close()
})

func TestLostAndResent(t *testing.T) { inside(t, netns.Options{Func: resent}) }

// A queue of two takes three. The fourth SYN is dropped in silence and sent again.
var backlog = half("backlog", func(t net1) {
	for range 3 {
		c, err := net.Dial("tcp", server)
		require.NoError(t, err)
		defer c.Close()
	}
	before := len(t.segments())
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error)
	go func() {
		var d net.Dialer
		_, err := d.DialContext(ctx, "tcp", server)
		ended <- err
	}()
	got := t.wait(2, "SYNs of the fourth", func(s Segment) bool { return s.Conn == 4 })[before:]
	cancel()
	require.ErrorIs(t, <-ended, context.Canceled)
	t.expect(got, "> SYN 0 0 0", "> SYN 0 0 0 again")
})

func TestBacklog(t *testing.T) {
	t.Parallel() // it takes a second
	inside(t, netns.Options{Func: backlog, Sysctls: []string{"net.core.somaxconn=2"}})
}

var keepAlive = half("keep-alive", func(t net1) {
	client, server := t.pair()
	defer client.Close()
	defer server.Close()
	require.NoError(t, client.SetKeepAliveConfig(net.KeepAliveConfig{
		Enable: true, Idle: time.Second, Interval: time.Second, Count: 2,
	}))
	before := len(t.segments())
	got := t.wait(1, "probes", func(s Segment) bool { return s.Probe })[before:]
	require.Equal(t, "> ACK 0 1 0 probe", t.lines(got)[0])
})

func TestKeepAlive(t *testing.T) {
	t.Parallel() // it takes a second
	inside(t, netns.Options{Func: keepAlive})
}

var datagrams = half("datagrams", func(t net1) {
	for i, addr := range []string{"127.0.0.1", "::1"} {
		before := len(t.segments())
		to := net.JoinHostPort(addr, "5353")
		c, err := net.Dial("udp", to)
		require.NoError(t, err)
		t.write(c, "")
		_, err = c.Read(make([]byte, 1))
		require.ErrorIs(t, err, syscall.ECONNREFUSED)
		c.Close()
		got := t.segments()[before:]
		require.Len(t, got, 2)
		require.Equal(t, "udp", got[0].Proto)
		require.Zero(t, got[0].Len)
		require.Equal(t, to, got[0].Dst.String())
		require.Equal(t, "icmp", got[1].Proto)
		require.Equal(t, to, got[1].Unreachable.String())
		require.Equal(t, addr, got[1].Src.Addr().String())
		require.Contains(t, got[1].String(), "port unreachable: "+to)
		if i == 0 {
			require.Zero(t, got[0].Conn)
		}
	}
})

func TestDatagrams(t *testing.T) {
	if _, err := os.Stat("/proc/sys/net/ipv6"); err != nil {
		t.Skip("this kernel has no IPv6")
	}
	inside(t, netns.Options{Func: datagrams})
}

// Ports run out, and come again: a connection between the same two ports is another one, with
// numbers of its own.
var samePorts = half("same ports", func(t net1) {
	for range 2 {
		client, server := t.pair()
		t.write(client, "hello")
		t.read(server, "hello")
		server.Close()
		t.readEOF(client)
		require.NoError(t, client.SetLinger(0)) // no TIME_WAIT keeps the port
		client.Close()
	}
	var opened []Segment
	for _, s := range t.segments() {
		if s.Flags == SYN || s.Len > 0 {
			opened = append(opened, s)
		}
	}
	t.expect(opened, "> SYN 0 0 0", "> PSH ACK 1 1 5", "> SYN 0 0 0", "> PSH ACK 1 1 5")
	require.Equal(t, opened[0].Src, opened[2].Src)
	require.Equal(t, 2, opened[3].Conn)
})

func TestSamePorts(t *testing.T) {
	inside(t, netns.Options{Func: samePorts, Sysctls: []string{"net.ipv4.ip_local_port_range=40000 40000"}})
}

// lo goes down and comes back: the recording goes on.
var upAndDown = half("up and down", func(t net1) {
	require.NoError(t, t.n.Down())
	require.NoError(t, t.n.Up())
	client, server := t.pair()
	t.write(client, "hello")
	t.read(server, "hello")
	segments := t.segments()
	require.GreaterOrEqual(t, len(segments), 4)
	client.Close()
	server.Close()
	t.wait(
		2,
		"segments that close",
		func(s Segment) bool { return s.Flags.Has(FIN) },
	) // by the reading goroutine
})

func TestUpAndDown(t *testing.T) { inside(t, netns.Options{Func: upAndDown}) }

// Much at once: everything is recorded, or the error says that it is not.
var flood = half("flood", func(t net1) {
	const each, size = 200, 60_000 // writes, bytes
	client, server := t.pair()
	go func() {
		for range each {
			client.Write(make([]byte, size))
		}
		client.Close()
	}()
	n, err := io.Copy(io.Discard, server)
	require.NoError(t, err)
	require.EqualValues(t, each*size, n)
	server.Close()
	segments, err := t.c.Segments()
	if err != nil {
		require.ErrorContains(t, err, "segments were not recorded")
		return
	}
	next := uint32(1) // all sequence numbers below it were seen
	for _, s := range segments {
		if s.Src == segments[0].Src && s.Seq <= next {
			next = max(next, s.Seq+uint32(s.Len))
		}
	}
	require.EqualValues(t, each*size+1, next)
})

func TestFlood(t *testing.T) { inside(t, netns.Options{Func: flood}) }

var overflow = half("overflow", func(t net1) {
	t.c.mu.Lock() // nobody reads
	client, server := t.pair()
	require.NoError(t, t.c.raw.Control(func(fd uintptr) {
		require.NoError(t, unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_RCVBUF, 1))
	}))
	for range 100 {
		t.write(client, "hello")
		t.read(server, "hello")
	}
	t.c.mu.Unlock()
	for range 2 {
		_, err := t.c.Segments()
		require.ErrorContains(t, err, "segments were not recorded")
	}
})

func TestOverflow(t *testing.T) { inside(t, netns.Options{Func: overflow}) }

// Opening and closing leaves nothing.
var leaks = half("leaks", func(t net1) {
	count := func() (int, int) {
		files, err := os.ReadDir("/proc/self/fd")
		require.NoError(t, err)
		return len(files), runtime.NumGoroutine()
	}
	files, goroutines := count()
	for range 10 {
		c, err := Open(t.n, time.Now())
		require.NoError(t, err)
		require.NoError(t, c.Close())
		_, err = c.Segments()
		require.ErrorIs(t, err, os.ErrClosed)
		require.ErrorIs(
			t,
			c.Wait(context.Background(), "anything", func([]Segment) bool { return false }),
			os.ErrClosed,
		)
	}
	moreFiles, moreGoroutines := count()
	require.LessOrEqual(t, moreFiles, files)
	require.LessOrEqual(t, moreGoroutines, goroutines) // fewer, if one was just about to end
	ctx, cancel := context.WithCancelCause(context.Background())
	cancel(errors.New("enough"))
	never := func([]Segment) bool { return false }
	require.EqualError(t, t.c.Wait(ctx, "anything", never), "waited for anything: enough")
})

func TestNothingLeaks(t *testing.T) { inside(t, netns.Options{Func: leaks}) }

func TestPcap(t *testing.T) {
	segments := record(t)
	var file bytes.Buffer
	require.NoError(t, WritePcap(&file, segments))
	raw := bytes.Clone(file.Bytes())

	r, err := pcapgo.NewReader(&file)
	require.NoError(t, err)
	require.Equal(t, layers.LinkTypeEthernet, r.LinkType())
	again := newDecoder()
	for _, s := range segments {
		frame, info, err := r.ReadPacketData()
		require.NoError(t, err)
		require.True(t, info.Timestamp.Equal(s.Time), "%v, %v", info.Timestamp, s.Time)
		got := again.decode(frame, info.Timestamp)
		require.Equal(t, s.String(), got.String())
	}
	_, _, err = r.ReadPacketData()
	require.ErrorIs(t, err, io.EOF)

	tshark, err := exec.LookPath("tshark")
	if err != nil {
		t.Skip("what Wireshark's reader says is not compared: tshark is not installed")
	}
	name := filepath.Join(t.TempDir(), "echo.pcap")
	require.NoError(t, os.WriteFile(name, raw, 0o644))
	out, err := exec.Command(tshark, "-r", name, "-T", "fields", "-e", "tcp.srcport", "-e", "tcp.dstport",
		"-e", "tcp.flags", "-e", "tcp.seq", "-e", "tcp.ack", "-e", "tcp.len").Output()
	require.NoError(t, err)
	var want strings.Builder
	for _, s := range segments {
		fmt.Fprintf(
			&want,
			"%d\t%d\t0x%04x\t%d\t%d\t%d\n",
			s.Src.Port(),
			s.Dst.Port(),
			uint8(s.Flags),
			s.Seq,
			s.Ack,
			s.Len,
		)
	}
	require.Equal(t, want.String(), string(out))
}

// A writer that fails is an error, with what was tried.
func TestPcapErrors(t *testing.T) {
	r, w := io.Pipe()
	r.Close()
	require.ErrorContains(t, WritePcap(w, nil), "writing the head of the pcap file")
	for _, what := range []string{"", "short"} {
		s := newDecoder().decode([]byte(what), time.Now())
		require.Regexp(t, regexp.MustCompile(`^ invalid AddrPort > invalid AddrPort len 0$`), s.String())
	}
}
