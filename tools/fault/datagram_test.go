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

// echo answers the first request with nothing and every later one with itself, twice, and an empty
// datagram.
func echo(i int, request []byte) [][]byte {
	if i == 0 {
		return nil
	}
	return [][]byte{request, request, {}}
}

func TestDatagramsAreAnsweredOrLost(t *testing.T) {
	conn, peer := datagrams(t)
	peer.Answer(echo)
	const wait = 10 * time.Millisecond
	for i := range 2 {
		begin := time.Now()
		require.NoError(t, conn.SetReadDeadline(begin.Add(wait)))
		write(t, conn, "hello")
		got, err := read(conn)
		for _, want := range []string{"hello", "hello", ""}[:3*i] {
			require.NoError(t, err)
			require.Equal(t, want, got)
			got, err = read(conn)
		}
		require.ErrorIs(t, err, os.ErrDeadlineExceeded)
		require.ErrorContains(t, err, "i/o timeout")
		require.GreaterOrEqual(t, time.Since(begin), wait, "the time is the real one")
	}
	require.Equal(t, [][]byte{[]byte("hello"), []byte("hello")}, peer.Requests())
}

// However short the time is, an answer that is on its way or in the queue is not late.
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
	require.True(t, conn.Did().Timed)
	require.NoError(t, conn.SetDeadline(time.Time{}))
	require.False(t, conn.Did().Timed)
	require.LessOrEqual(t, conn.Did().Longest, time.Microsecond)
}

// A write deadline has passed when a Read has said so, and stays so until a later one is set.
func TestDeadlinesStay(t *testing.T) {
	conn, peer := datagrams(t)
	deadline := time.Now().Add(time.Millisecond)
	require.NoError(t, conn.SetDeadline(deadline))
	time.Sleep(2 * time.Millisecond)
	write(t, conn, "lost") // the machine may have stood still since the deadline was set
	_, err := read(conn)
	require.ErrorIs(t, err, os.ErrDeadlineExceeded)
	require.NoError(t, conn.SetDeadline(deadline))
	_, err = conn.Write([]byte("hello"))
	require.ErrorIs(t, err, os.ErrDeadlineExceeded)
	_, err = read(conn)
	require.ErrorIs(t, err, os.ErrDeadlineExceeded)
	require.NoError(t, conn.SetWriteDeadline(deadline.Add(time.Millisecond)))
	write(t, conn, "hello")
	require.Equal(t, 3, conn.Did().Writes)
	eventually(t, peer.Rested)
	require.Equal(t, [][]byte{[]byte("lost"), []byte("hello")}, peer.Requests())
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
	require.InDelta(t, time.Hour, conn.Did().Longest, float64(30*time.Minute))
}

// A deadline set from beside ends a Read.
func TestDatagramReadWithoutDeadline(t *testing.T) {
	conn, peer := datagrams(t)
	timer := time.AfterFunc(10*time.Millisecond, func() { conn.SetReadDeadline(time.Unix(1, 0)) })
	defer timer.Stop()
	_, err := read(conn)
	require.ErrorIs(t, err, os.ErrDeadlineExceeded)
	require.NoError(t, conn.SetReadDeadline(time.Time{}))
	done := make(chan bool)
	go func() {
		defer close(done)
		read(conn)
	}()
	eventually(t, func() bool { return conn.Did().Reads == 2 })
	require.True(t, conn.Quiet())
	peer.Send([]byte("hello"))
	<-done
}

// An alarm that was about to go off when another deadline was set ends nothing.
func TestAnOldAlarmEndsNothing(t *testing.T) {
	conn, _ := datagrams(t)
	first := time.Now().Add(time.Hour)
	require.NoError(t, conn.SetReadDeadline(first))
	require.NoError(t, conn.SetReadDeadline(first.Add(time.Hour)))
	conn.rung = first
	require.False(t, conn.late())
	conn.rung = first.Add(time.Hour)
	require.True(t, conn.late(), "though the clock was put back meanwhile")
}

// A flood ends with the deadline, and one that no deadline ends is told.
func TestFlood(t *testing.T) {
	conn, peer := datagrams(t)
	peer.Flood(func() []byte { return []byte("junk") })
	flooded := func(deadline func() time.Time) (n int) {
		write(t, conn, "hello")
		for ; ; n++ {
			require.NoError(t, conn.SetReadDeadline(deadline()))
			got, err := read(conn)
			if err != nil {
				require.ErrorIs(t, err, os.ErrDeadlineExceeded)
				return n
			}
			require.Equal(t, "junk", got)
		}
	}
	past := time.Now().Add(-time.Hour) // as when the machine stands still in front of Read
	require.Equal(t, 2, flooded(func() time.Time { return past }))
	require.False(t, conn.Did().Endless)
	require.LessOrEqual(t, flooded(func() time.Time { past = past.Add(time.Second); return past }), maxPostponed)
	require.True(t, conn.Did().Endless)

	conn, peer = datagrams(t)
	peer.Flood(func() []byte { return []byte("junk") })
	at := time.Now().Add(20 * time.Millisecond)
	require.Positive(t, flooded(func() time.Time { return at }))
	require.False(t, conn.Did().Endless)
	at = time.Now().Add(20 * time.Millisecond)
	require.Positive(t, flooded(func() time.Time { // what is left of it, worked out anew each time
		left := time.Until(at)
		return time.Now().Add(left)
	}))
	require.False(t, conn.Did().Endless)
	for range 2 {
		require.LessOrEqual(
			t,
			flooded(func() time.Time { return time.Now().Add(100 * time.Millisecond) }),
			maxPostponed,
		)
		require.True(t, conn.Did().Endless)
	}
}

// A flood goes on without a deadline, until one is set from beside.
func TestFloodWithoutDeadline(t *testing.T) {
	conn, peer := datagrams(t)
	peer.Flood(func() []byte { return []byte("junk") })
	write(t, conn, "hello")
	timer := time.AfterFunc(5*time.Millisecond, func() { conn.SetReadDeadline(time.Now()) })
	defer timer.Stop()
	for err := error(nil); err == nil; {
		_, err = read(conn)
	}
	require.False(t, conn.Did().Endless)
}

func TestLeave(t *testing.T) {
	conn, peer := datagrams(t)
	peer.Leave()
	require.NoError(t, conn.SetReadDeadline(time.Now()))
	_, err := read(conn)
	require.ErrorIs(t, err, os.ErrDeadlineExceeded, "nobody has been asked")
	write(t, conn, "hello")
	require.NoError(t, conn.SetReadDeadline(time.Now().Add(100*time.Millisecond)))
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
