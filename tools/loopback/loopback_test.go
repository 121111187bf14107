package loopback

import (
	"errors"
	"io"
	"net"
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
	if runtime.GOOS != "windows" {
		n, err := Queued(server, 5000)
		require.NoError(t, err)
		require.Equal(t, 3000, n)
		n, err = Queued(client, 5000)
		require.NoError(t, err)
		require.Zero(t, n, "it does not block")
	}
	n, err := io.ReadFull(server, make([]byte, 3000))
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

	client, server = pair(t)
	require.NoError(t, Abort(client))
	require.ErrorIs(t, WaitQueued(server, 1), syscall.ECONNRESET)

	a, b := net.Pipe()
	defer a.Close()
	defer b.Close()
	require.ErrorIs(t, WaitQueued(a, 1), errors.ErrUnsupported)
	_, err = Queued(a, 1)
	require.ErrorIs(t, err, errors.ErrUnsupported)
	require.ErrorIs(t, Abort(a), errors.ErrUnsupported)
}

func TestAbort(t *testing.T) {
	client, server := pair(t)
	require.NoError(t, Abort(client))
	require.NoError(t, WaitDead(server))
	_, err := server.Write([]byte("x"))
	require.ErrorIs(t, err, syscall.ECONNRESET)
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
	for range 3 {
		_, err := client.Write([]byte("x"))
		require.NoError(t, err)
	}
	require.NoError(t, WaitQueued(server, 3))
	n, err := Segments(server)
	if runtime.GOOS != "linux" {
		require.ErrorIs(t, err, errors.ErrUnsupported)
		return
	}
	require.NoError(t, err)
	require.Equal(t, 3, n)
}

func TestFreeAddr(t *testing.T) {
	addr, err := FreeAddr()
	require.NoError(t, err)
	_, err = net.Dial("tcp", addr)
	require.ErrorIs(t, err, syscall.ECONNREFUSED)
}

func TestPoll(t *testing.T) {
	asked := 0
	require.NoError(t, poll("three", func() (bool, error) { asked++; return asked == 3, nil }))
	require.Equal(t, 3, asked)
	broken := errors.New("broken")
	require.ErrorIs(t, poll("never", func() (bool, error) { return false, broken }), broken)
}

// What is left behind is found and named.
func TestLeaked(t *testing.T) {
	before := Snapshot()
	require.NoError(t, before.Leaked())

	stop, started := make(chan struct{}), make(chan struct{})
	go waitForTheEnd(started, stop)
	<-started
	require.Contains(t, before.left(), "waitForTheEnd")
	close(stop)
	require.NoError(t, before.Leaked(), "it looks again for a while")

	if runtime.GOOS != "linux" && runtime.GOOS != "darwin" {
		return
	}
	ln, err := Listen()
	require.NoError(t, err)
	require.Contains(t, before.left(), "1 descriptors more")
	ln.Close()
	require.NoError(t, before.Leaked())

	in, out, err := os.Pipe()
	require.NoError(t, err)
	cmd := exec.Command("cat")
	cmd.Stdin = in
	require.NoError(t, cmd.Start())
	in.Close()
	require.Contains(t, before.left(), "child process")
	out.Close()
	require.NoError(t, cmd.Wait())
	require.NoError(t, before.Leaked())
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
