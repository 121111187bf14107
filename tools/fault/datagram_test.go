package fault

import (
	"net"
	"os"
	"runtime"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"socketbook/tools/loopback"
)

// datagrams is a joined conversation that ends with the test.
func datagrams(t *testing.T) (*DatagramConn, *DatagramPeer) {
	client, server, err := loopback.UDP()
	require.NoError(t, err)
	conn, peer := JoinDatagrams(client, server, nil)
	t.Cleanup(peer.Close)
	return conn, peer
}

func read(conn net.Conn) (string, error) {
	buf := make([]byte, 100)
	n, err := conn.Read(buf)
	return string(buf[:n]), err
}

func write(t *testing.T, conn net.Conn, datagram string) {
	t.Helper()
	_, err := conn.Write([]byte(datagram))
	require.NoError(t, err)
}

// echo answers the first request with nothing and every later one with itself, twice, and an empty datagram.
func echo(i int, request []byte) [][]byte {
	if i == 0 {
		return nil
	}
	return [][]byte{request, request, {}}
}

func TestDatagramsAreAnsweredOrLost(t *testing.T) {
	conn, peer := datagrams(t)
	peer.Answer(echo)
	for _, wait := range []time.Duration{time.Nanosecond, time.Hour} {
		require.NoError(t, conn.SetReadDeadline(time.Now().Add(wait)))
		write(t, conn, "hello")
		got, err := read(conn)
		if wait == time.Nanosecond {
			require.ErrorIs(t, err, os.ErrDeadlineExceeded)
			require.ErrorContains(t, err, "i/o timeout")
			continue
		}
		for _, want := range []string{"hello", "hello", ""} {
			require.NoError(t, err)
			require.Equal(t, want, got)
			got, err = read(conn)
		}
		require.ErrorIs(t, err, os.ErrDeadlineExceeded, "an hour passes at once")
	}
	require.Equal(t, [][]byte{[]byte("hello"), []byte("hello")}, peer.Requests())
}

// However short the time is, an answer that is under way is not late.
func TestDeadlinesWaitForWhatIsUnderWay(t *testing.T) {
	conn, peer := datagrams(t)
	peer.Answer(func(_ int, request []byte) [][]byte {
		time.Sleep(10 * time.Millisecond)
		return [][]byte{request}
	})
	for range 3 {
		require.NoError(t, conn.SetDeadline(time.Now().Add(time.Microsecond)))
		write(t, conn, "hello")
		got, err := read(conn)
		require.NoError(t, err)
		require.Equal(t, "hello", got)
	}
	require.True(t, conn.Timed())
	require.NoError(t, conn.SetDeadline(time.Time{}))
	require.False(t, conn.Timed())
	require.LessOrEqual(t, conn.Longest(), time.Microsecond)
}

// A deadline that has passed stays so until a later one is set, for Reads as for Writes.
func TestDeadlinesStay(t *testing.T) {
	conn, peer := datagrams(t)
	peer.Answer(echo)
	deadline := time.Now().Add(time.Hour)
	require.NoError(t, conn.SetDeadline(deadline))
	write(t, conn, "lost")
	_, err := read(conn)
	require.ErrorIs(t, err, os.ErrDeadlineExceeded)
	require.NoError(t, conn.SetDeadline(deadline))
	_, err = conn.Write([]byte("hello"))
	require.ErrorIs(t, err, os.ErrDeadlineExceeded)
	require.NoError(t, conn.SetWriteDeadline(time.Time{}))
	write(t, conn, "hello")
	eventually(t, conn.Quiet)
	_, err = read(conn)
	require.ErrorIs(t, err, os.ErrDeadlineExceeded, "though the answer is there")
	require.NoError(t, conn.SetReadDeadline(time.Now().Add(time.Hour)))
	got, err := read(conn)
	require.NoError(t, err)
	require.Equal(t, "hello", got)
}

// A deadline of long ago has passed when it is set, whatever lies in the queue.
func TestDeadlinesOfLongAgo(t *testing.T) {
	start := time.Now()
	conn, peer := datagrams(t)
	peer.Send([]byte("queued"))
	for _, past := range []time.Time{start, time.Unix(1, 0), time.Now().Add(-time.Hour), time.Now().Add(-2 * standstill)} {
		require.NoError(t, conn.SetDeadline(past))
		_, err := conn.Write([]byte("x"))
		require.ErrorIs(t, err, os.ErrDeadlineExceeded)
		_, err = read(conn)
		require.ErrorIs(t, err, os.ErrDeadlineExceeded)
	}
	require.NoError(t, conn.SetDeadline(time.Time{}))
	got, err := read(conn)
	require.NoError(t, err)
	require.Equal(t, "queued", got)
	require.Empty(t, peer.Requests())

	conn.w.look(func() { conn.w.clock = time.Time{} }) // as if conn were very old
	require.NoError(t, conn.SetWriteDeadline(time.Now().Add(-2*standstill)))
	_, err = conn.Write([]byte("x"))
	require.ErrorIs(t, err, os.ErrDeadlineExceeded)
}

// A buffer of no bytes takes no datagram.
func TestEmptyBuffer(t *testing.T) {
	conn, peer := datagrams(t)
	n, err := conn.Read(nil)
	require.NoError(t, err, "it does not wait")
	require.Zero(t, n)
	peer.Send([]byte("hello"))
	n, err = conn.Read(nil)
	require.NoError(t, err)
	require.Zero(t, n)
	got, err := read(conn)
	require.NoError(t, err)
	require.Equal(t, "hello", got)
}

func TestLongestIsTheLongest(t *testing.T) {
	conn, _ := datagrams(t)
	for _, d := range []time.Duration{time.Minute, time.Hour, time.Second} {
		require.NoError(t, conn.SetReadDeadline(time.Now().Add(d)))
	}
	require.InDelta(t, time.Hour, conn.Longest(), float64(30*time.Minute))
}

// Twenty times in a row is what sound code does not do.
func TestExtendedAfterTwenty(t *testing.T) {
	conn, _ := datagrams(t)
	first := time.Now().Add(time.Hour)
	for i := range 20 {
		require.NoError(t, conn.SetReadDeadline(first.Add(time.Duration(i))))
		require.False(t, conn.Extended(), "put off %d times", i)
	}
	require.NoError(t, conn.SetReadDeadline(first.Add(20)))
	require.True(t, conn.Extended())
}

// A deadline set from beside ends a Read, and one that nothing can end is starved.
func TestDatagramReadWithoutDeadline(t *testing.T) {
	conn, peer := datagrams(t)
	timer := time.AfterFunc(10*time.Millisecond, func() { conn.SetReadDeadline(time.Unix(1, 0)) })
	defer timer.Stop()
	_, err := read(conn)
	require.ErrorIs(t, err, os.ErrDeadlineExceeded)
	require.NoError(t, conn.SetReadDeadline(time.Time{}))
	require.False(t, conn.Starved())
	done := make(chan bool)
	go func() {
		defer close(done)
		read(conn)
	}()
	eventually(t, conn.Starved)
	require.True(t, conn.Quiet())
	peer.Send([]byte("hello"))
	<-done
}

func TestFlood(t *testing.T) {
	conn, peer := datagrams(t)
	peer.Flood(func() []byte { return []byte("junk") })
	write(t, conn, "hello")
	deadline := time.Now().Add(time.Hour)
	for n := 0; ; n++ {
		require.NoError(t, conn.SetReadDeadline(deadline))
		got, err := read(conn)
		if err != nil {
			require.ErrorIs(t, err, os.ErrDeadlineExceeded)
			require.Equal(t, downpour, n)
			break
		}
		require.Equal(t, "junk", got)
	}
	require.False(t, conn.Extended())

	write(t, conn, "hello")
	for n := 0; ; n++ {
		require.NoError(t, conn.SetReadDeadline(time.Now().Add(2*time.Hour)))
		if _, err := read(conn); err != nil {
			require.ErrorIs(t, err, os.ErrDeadlineExceeded)
			break
		}
		require.LessOrEqual(t, n, downpour)
	}
	require.True(t, conn.Extended())
}

// A flood has no end for who has no deadline, until one is set from beside.
func TestFloodWithoutDeadline(t *testing.T) {
	conn, peer := datagrams(t)
	peer.Flood(func() []byte { return []byte("junk") })
	write(t, conn, "hello")
	timer := time.AfterFunc(5*time.Millisecond, func() { conn.SetReadDeadline(time.Now()) })
	defer timer.Stop()
	for err := error(nil); err == nil; {
		_, err = read(conn)
	}
	require.False(t, conn.Extended())
}

func TestLeave(t *testing.T) {
	conn, peer := datagrams(t)
	peer.Leave()
	require.NoError(t, conn.SetReadDeadline(time.Now()))
	_, err := read(conn)
	require.ErrorIs(t, err, os.ErrDeadlineExceeded, "nobody has been asked")
	write(t, conn, "hello")
	require.NoError(t, conn.SetReadDeadline(time.Now().Add(time.Hour)))
	_, err = read(conn)
	if runtime.GOOS == "windows" {
		require.ErrorIs(t, err, os.ErrDeadlineExceeded)
	} else {
		require.ErrorIs(t, err, syscall.ECONNREFUSED)
	}
	require.True(t, conn.Quiet())
}

func TestStrangersAreNotHeard(t *testing.T) {
	conn, peer := datagrams(t)
	stranger, err := net.Dial("udp", conn.RemoteAddr().String())
	require.NoError(t, err)
	defer stranger.Close()
	write(t, stranger, "who?")
	write(t, conn, "hello")
	eventually(t, peer.Rested)
	require.Equal(t, [][]byte{[]byte("hello")}, peer.Requests())
}

func TestDatagramCircles(t *testing.T) {
	conn, _ := datagrams(t)
	conn.Close()
	done := make(chan bool)
	go func() {
		defer close(done)
		for {
			read(conn)
		}
	}()
	<-done
	require.Contains(t, string(conn.Spun()), "TestDatagramCircles")
}

func TestStopEndsADatagramRead(t *testing.T) {
	conn, _ := datagrams(t)
	done := make(chan bool)
	go func() {
		defer close(done)
		for {
			read(conn)
		}
	}()
	conn.Stop()
	<-done
}
