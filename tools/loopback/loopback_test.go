package loopback

import (
	"errors"
	"io"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"runtime"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestMain(m *testing.M) { os.Exit(Main(m)) }

func pair(t *testing.T) (client, server *net.TCPConn) {
	client, server, err := TCP()
	require.NoError(t, err)
	t.Cleanup(func() { client.Close(); server.Close() })
	return client, server
}

func TestTCP(t *testing.T) {
	client, server := pair(t)
	require.Equal(t, client.LocalAddr().String(), server.RemoteAddr().String())
	require.True(t, server.LocalAddr().(*net.TCPAddr).IP.IsLoopback())
}

func TestUDP(t *testing.T) {
	client, server, err := UDP()
	require.NoError(t, err)
	defer client.Close()
	defer server.Close()
	_, err = client.Write([]byte("hello"))
	require.NoError(t, err)
	require.NoError(t, WaitQueued(server, 5))
	buf := make([]byte, 10)
	n, from, err := server.ReadFrom(buf)
	require.NoError(t, err)
	require.Equal(t, "hello", string(buf[:n]))
	require.Equal(t, client.LocalAddr().String(), from.String())
}

// Waiting ends when enough has come, not before, and takes nothing out.
func TestWaitQueued(t *testing.T) {
	client, server := pair(t)
	waited := make(chan error, 1)
	go func() { waited <- WaitQueued(server, 3000) }()
	for range 3 {
		select {
		case err := <-waited:
			t.Fatalf("it did not wait for all 3000 bytes: %v", err)
		default:
		}
		_, err := client.Write(make([]byte, 1000))
		require.NoError(t, err)
	}
	require.NoError(t, <-waited)
	n, err := Queued(server, 5000)
	require.NoError(t, err)
	require.Equal(t, 3000, n)
	n, err = Queued(client, 5000)
	require.NoError(t, err)
	require.Zero(t, n, "it does not block")
	n, err = io.ReadFull(server, make([]byte, 3000))
	require.NoError(t, err)
	require.Equal(t, 3000, n, "nothing was taken out")
}

func TestWaitQueuedEnds(t *testing.T) {
	client, server := pair(t)
	_, err := client.Write([]byte("abc"))
	require.NoError(t, err)
	require.NoError(t, WaitQueued(server, 3))
	client.Close()
	_, err = io.ReadFull(server, make([]byte, 3))
	require.NoError(t, err)
	require.ErrorIs(t, WaitQueued(server, 1), ErrEnded)

	a, b := net.Pipe()
	defer a.Close()
	defer b.Close()
	require.ErrorIs(t, WaitQueued(a, 1), errors.ErrUnsupported)
	_, err = Queued(a, 1)
	require.ErrorIs(t, err, errors.ErrUnsupported)
	require.ErrorIs(t, Abort(a), errors.ErrUnsupported)
}

func TestWaitQueuedMeetsReset(t *testing.T) {
	client, server := pair(t)
	require.NoError(t, Abort(client))
	reset := WaitQueued(server, 1)
	require.True(t, Is(reset, syscall.ECONNRESET), reset)
}

func TestAbort(t *testing.T) {
	client, server := pair(t)
	require.NoError(t, Abort(client))
	require.NoError(t, WaitDead(server))
	_, err := server.Write([]byte("x"))
	require.True(t, Is(err, syscall.ECONNRESET) || Is(err, syscall.EPIPE), err)
}

func TestWaitDeadIsNotHalfClosed(t *testing.T) {
	client, server := pair(t)
	require.NoError(t, client.CloseWrite())
	require.ErrorIs(t, WaitQueued(server, 1), ErrEnded)
	if runtime.GOOS != "windows" {
		gone, err := dead(server)
		require.NoError(t, err)
		require.False(t, gone, "one half is closed, the other is not")
	}
}

func TestSegments(t *testing.T) {
	client, server := pair(t)
	for i := range 4 { // so that other numbers in struct tcp_info are others
		_, err := server.Write([]byte("x"))
		require.NoError(t, err)
		require.NoError(t, WaitQueued(client, i+1))
	}
	const segments = 23
	for i := range segments {
		_, err := client.Write([]byte("xyz"))
		require.NoError(t, err)
		require.NoError(t, WaitQueued(server, 3*(i+1)))
	}
	n, err := Segments(server)
	if runtime.GOOS != "linux" {
		require.ErrorIs(t, err, errors.ErrUnsupported)
		return
	}
	require.NoError(t, err)
	require.Equal(t, segments, n)
}

func TestFreeAddr(t *testing.T) {
	addr, err := FreeAddr()
	require.NoError(t, err)
	_, err = net.Dial("tcp", addr)
	require.True(t, Is(err, syscall.ECONNREFUSED), err)
}

func TestPoll(t *testing.T) {
	asked := 0
	require.NoError(t, poll("three", func() (bool, error) { asked++; return asked == 3, nil }))
	require.Equal(t, 3, asked)
	broken := errors.New("broken")
	require.ErrorIs(t, poll("never", func() (bool, error) { return false, broken }), broken)
}

// A stranger that was quicker is sent away.
func TestConnectIgnoresStrangers(t *testing.T) {
	ln, err := Listen()
	require.NoError(t, err)
	defer ln.Close()
	stranger, err := net.Dial("tcp", ln.Addr().String())
	require.NoError(t, err)
	defer stranger.Close()
	client, server, err := Connect(ln)
	require.NoError(t, err)
	defer client.Close()
	defer server.Close()
	require.Equal(t, client.LocalAddr().String(), server.RemoteAddr().String())
	_, err = stranger.Read(make([]byte, 1))
	require.Equal(t, io.EOF, err)

	ln.Close()
	_, _, err = Connect(ln)
	require.Error(t, err)
}

// The ports that systems hand out by themselves begin above.
func TestFreePorts(t *testing.T) {
	for range 20 {
		for _, find := range []func() (string, error){FreeAddr, FreePacketAddr} {
			addr, err := find()
			require.NoError(t, err)
			free, err := netip.ParseAddrPort(addr)
			require.NoError(t, err)
			require.True(t, free.Addr().IsLoopback())
			require.GreaterOrEqual(t, free.Port(), uint16(10000))
			require.Less(t, free.Port(), uint16(32768))
		}
	}
}

// withPatience shortens the waits of this package for one test.
func withPatience(t *testing.T, p time.Duration) {
	before := patience
	patience = p
	t.Cleanup(func() { patience = before })
}

func TestWaitQueuedGivesUp(t *testing.T) {
	withPatience(t, 10*time.Millisecond)
	client, server := pair(t)
	for _, n := range []int{0, 1} {
		err := WaitQueued(server, n)
		require.ErrorIs(t, err, os.ErrDeadlineExceeded)
		require.ErrorContains(t, err, "bytes in the receive queue")
	}
	_, err := client.Write([]byte("x"))
	require.NoError(t, err)
	_, err = server.Read(make([]byte, 1))
	require.NoError(t, err, "the deadline is not left behind")
	require.ErrorContains(
		t,
		poll("the end", func() (bool, error) { return false, nil }),
		"waited 10ms for the end",
	)
}

// A datagram of no bytes is not the end of anything.
func TestEmptyDatagram(t *testing.T) {
	client, server, err := UDP()
	require.NoError(t, err)
	defer client.Close()
	defer server.Close()
	_, err = client.Write(nil)
	require.NoError(t, err)
	n, err := Queued(server, 10)
	require.NoError(t, err)
	require.Zero(t, n)
	n, _, err = server.ReadFrom(make([]byte, 10))
	require.NoError(t, err, "it lies in the queue")
	require.Zero(t, n)
}

func TestExtra(t *testing.T) {
	require.Empty(t, extra([]string{"a", "b"}, []string{"b", "a", "c"}))
	require.Equal(
		t,
		[]string{"a", "b"},
		extra([]string{"a", "a", "b"}, []string{"a"}),
		"two of one name are two",
	)
}

// What is left behind is found and named.
func TestLeaked(t *testing.T) {
	before := Snapshot()
	require.NoError(t, before.Leaked())

	stop, started := make(chan struct{}), make(chan struct{})
	go waitForTheEnd(started, stop)
	<-started
	require.Contains(t, before.left(new([]byte)), "waitForTheEnd")
	close(stop)
	require.NoError(t, before.Leaked(), "it looks again for a while")

	if runtime.GOOS != "linux" && runtime.GOOS != "darwin" {
		return
	}
	ln, err := Listen()
	require.NoError(t, err)
	require.Contains(t, before.left(new([]byte)), "1 descriptors more")
	ln.Close()
	require.NoError(t, before.Leaked())

	in, out, err := os.Pipe()
	require.NoError(t, err)
	cmd := exec.Command("cat")
	cmd.Stdin = in
	require.NoError(t, cmd.Start())
	in.Close()
	require.Contains(t, before.left(new([]byte)), "child process")
	out.Close()
	require.NoError(t, cmd.Wait())
	require.NoError(t, before.Leaked())
}

//go:noinline
func drop(t *testing.T) {
	_, _, err := TCP()
	require.NoError(t, err)
}

// The search does not itself make the collector close what it is looking for.
func TestLeakedSeesDroppedConnections(t *testing.T) {
	if runtime.GOOS != "linux" && runtime.GOOS != "darwin" {
		t.Skip("only Linux and macOS tell")
	}
	before := Snapshot()
	defer func(p time.Duration) { leakPatience = p }(leakPatience)
	leakPatience = 500 * time.Millisecond
	runtime.GC() // the next one comes after megabytes
	drop(t)
	require.ErrorContains(t, before.Leaked(), "2 descriptors more")
	leakPatience = 10 * time.Second
	runtime.GC()
	require.NoError(t, before.Leaked(), "the collector closes them: after that there is nothing to be seen")
}

// Looking again costs less than a hundredth of what makes the collector run.
func TestLookingAllocatesLittle(t *testing.T) {
	before := Snapshot()
	var buf []byte
	before.left(&buf)
	var start, end runtime.MemStats
	runtime.ReadMemStats(&start)
	for range 10 {
		before.left(&buf)
	}
	runtime.ReadMemStats(&end)
	require.Less(t, end.TotalAlloc-start.TotalAlloc, uint64(1<<20), "bytes for ten looks")
}

func waitForTheEnd(started chan<- struct{}, stop <-chan struct{}) {
	close(started)
	<-stop
}

type suite struct {
	code int
	run  func()
}

func (s suite) Run() int { s.run(); return s.code }

func TestMainOfTests(t *testing.T) {
	require.Zero(t, Main(suite{0, func() {}}))
	require.Equal(t, 2, Main(suite{2, func() {}}))
	stop := make(chan struct{})
	defer close(stop)
	defer func(before time.Duration) { leakPatience = before }(leakPatience)
	leakPatience = 10 * time.Millisecond
	require.Equal(t, 1, Main(suite{0, func() { go waitForTheEnd(make(chan struct{}), stop) }}))
}

// Whatever a system calls an error of a socket, it is found under Unix' name; and no other is.
func TestIs(t *testing.T) {
	addr, err := FreeAddr()
	require.NoError(t, err)
	_, refused := net.Dial("tcp", addr)
	require.True(t, Is(refused, syscall.ECONNREFUSED), refused)
	require.False(t, Is(refused, syscall.ECONNRESET), refused)

	ln, err := Listen()
	require.NoError(t, err)
	defer ln.Close()
	_, inUse := net.Listen("tcp", ln.Addr().String())
	require.True(t, Is(inUse, syscall.EADDRINUSE), inUse)

	require.False(t, Is(io.EOF, syscall.ECONNRESET))
	require.False(t, Is(nil, syscall.ECONNRESET))
}

func TestIsReset(t *testing.T) {
	client, server := pair(t)
	require.NoError(t, Abort(client))
	_, reset := server.Read(make([]byte, 1))
	require.True(t, Is(reset, syscall.ECONNRESET), reset)
	require.False(t, Is(reset, syscall.ECONNREFUSED), reset)
}

// A look into the queue of a socket for datagrams sees the next one, not all of them.
func TestQueuedDatagram(t *testing.T) {
	client, server, err := UDP()
	require.NoError(t, err)
	defer client.Close()
	defer server.Close()
	for _, message := range []string{"hello", "you"} {
		_, err = client.Write([]byte(message))
		require.NoError(t, err)
	}
	require.NoError(t, WaitQueued(server, 5))
	for _, limit := range []int{3, 10} {
		n, err := Queued(server, limit)
		require.NoError(t, err)
		require.Equal(t, min(limit, 5), n)
	}
}
