package fault

import (
	"bytes"
	"errors"
	"io"
	"net"
	"os"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"socketbook/tools/loopback"
)

func TestMain(m *testing.M) { os.Exit(loopback.Main(m)) }

func TestCuts(t *testing.T) {
	for _, tt := range []struct {
		cut  Cut
		want string
	}{
		{Whole, "abcdef"},
		{Bytes, "a b c d e f"},
		{After(2), "ab cdef"},
		{After(1, 4), "a bcd ef"},
		{After(0, 6, 9), "abcdef"},
	} {
		require.Equal(
			t,
			tt.want,
			string(bytes.Join(tt.cut.Pieces([]byte("abcdef")), []byte(" "))),
			tt.cut.Name,
		)
		require.Empty(t, tt.cut.Pieces(nil))
	}
	require.Equal(t, "a pause after byte 1 and 4", After(1, 4).Name)
}

func TestRandomCutReplays(t *testing.T) {
	data := bytes.Repeat([]byte("0123456789"), 50)
	first := Random(7, 20).Pieces(data)
	require.Equal(t, first, Random(7, 20).Pieces(data))
	require.NotEqual(t, first, Random(8, 20).Pieces(data))
	require.Equal(t, data, bytes.Join(first, nil))
	for _, p := range first {
		require.True(t, len(p) >= 1 && len(p) <= 20)
	}
}

// pair is a joined connection that ends with the test.
func pair(t *testing.T) (*Conn, *Peer) {
	client, server, err := loopback.TCP()
	require.NoError(t, err)
	conn, peer := Join(server, client, nil)
	t.Cleanup(peer.Close)
	return conn, peer
}

// reads reads until an error, and returns what each Read returned.
func reads(conn net.Conn) (got []string, err error) {
	buf := make([]byte, 100)
	for {
		n, err := conn.Read(buf)
		if n > 0 {
			got = append(got, string(buf[:n]))
		}
		if err != nil {
			return got, err
		}
	}
}

// eventually waits for what is already under way.
func eventually(t *testing.T, cond func() bool) {
	t.Helper()
	require.Eventually(t, cond, 10*time.Second, time.Millisecond)
}

func TestAReadReturnsOnePiece(t *testing.T) {
	conn, peer := pair(t)
	peer.Send(After(2).Pieces([]byte("hello"))...)
	peer.Send([]byte("world"))
	peer.CloseWrite()
	got, err := reads(conn)
	require.Equal(t, []string{"he", "llo", "world"}, got)
	require.Equal(t, io.EOF, err)
	require.Equal(t, 10, conn.Did().Taken)
	_, offers := any(conn).(syscall.Conn)
	require.False(t, offers, "nobody gets past the witness, as io.Copy to a file would")
}

func TestWholeSticks(t *testing.T) {
	conn, peer := pair(t)
	peer.Send([]byte("helloworld"))
	buf := make([]byte, 4)
	n, err := conn.Read(buf)
	require.NoError(t, err)
	require.Equal(t, "hell", string(buf[:n]))
	buf = make([]byte, 100)
	n, err = conn.Read(buf)
	require.NoError(t, err)
	require.Equal(t, "oworld", string(buf[:n]))
}

// A Read of no bytes returns at once, whatever is there.
func TestReadOfNoBytes(t *testing.T) {
	conn, peer := pair(t)
	for range 2 {
		n, err := conn.Read(nil)
		require.NoError(t, err)
		require.Zero(t, n)
		peer.Send([]byte("hello"))
	}
	require.Zero(t, conn.Did().Reads)
}

// Reads and Writes fail when they are told to: before anything has happened, together with bytes, or
// when some of the bytes were taken.
func TestFailures(t *testing.T) {
	conn, peer := pair(t)
	for _, broken := range Failures("read") {
		peer.Conn().Before("Read", func() error { return broken })
		n, err := conn.Read(make([]byte, 9))
		require.Zero(t, n)
		require.Equal(t, broken, err)
	}
	require.Equal(t, Failures("read"), conn.Did().Errs)
	require.Equal(t, len(Failures("read")), conn.Did().Reads)
	peer.Conn().Before("Read", nil)

	peer.Conn().AfterRead(func(n int) error {
		require.Equal(t, 5, n)
		return io.EOF
	})
	peer.Send([]byte("hello"))
	n, err := conn.Read(make([]byte, 9))
	require.Equal(t, 5, n)
	require.Equal(t, io.EOF, err)

	broken := Failures("write")[0]
	for _, tt := range []struct{ room, taken int }{{0, 0}, {2, 2}, {5, 5}} {
		peer.Conn().Break(tt.room, broken)
		n, err := conn.Write([]byte("hello"))
		require.Equal(t, tt.taken, n)
		require.Equal(t, broken, err)
		n, err = conn.Write([]byte("more"))
		require.Zero(t, n)
		require.Equal(t, broken, err)
	}
	peer.Conn().Break(6, broken)
	n, err = conn.Write([]byte("hello"))
	require.Equal(t, 5, n)
	require.NoError(t, err)
}

// What the code under test has done is all told.
func TestDid(t *testing.T) {
	conn, peer := pair(t)
	peer.Conn().Before("Write", func() error { return io.ErrNoProgress })
	_, err := conn.Write([]byte("x"))
	require.Equal(t, io.ErrNoProgress, err)
	peer.Conn().Before("Write", nil)
	conn.Write(nil)
	conn.Write([]byte("two"))
	peer.Send([]byte("hi"))
	peer.CloseWrite()
	reads(conn)
	conn.SetWriteDeadline(time.Now().Add(time.Hour))
	require.NoError(t, conn.CloseWrite())
	did := conn.Did()
	require.InDelta(t, time.Hour, did.Patience, float64(time.Minute))
	did.Patience = 0
	require.Equal(t, Did{
		Reads: 2, Brought: 1, Taken: 2, Writes: 2, Written: 3, Errs: []error{io.ErrNoProgress},
		Deadline: "SetWriteDeadline", Timed: true, Closed: "CloseWrite",
	}, did)
	conn.SetDeadline(time.Time{})
	require.False(t, conn.Did().Timed)
	require.Equal(t, "SetDeadline", conn.Did().Deadline)
	require.NoError(t, conn.Close())
	require.Equal(t, "Close", conn.Did().Closed)
}

// A write to a connection that has died meanwhile comes too late.
func TestBeforeWrite(t *testing.T) {
	conn, peer := pair(t)
	peer.Conn().Before("Write", peer.Dead)
	peer.Reset()
	_, err := conn.Write([]byte("x"))
	require.Error(t, err)
}

// A call that is held up goes on as it would have, when it is released.
func TestHold(t *testing.T) {
	for _, method := range []string{"Read", "Write"} {
		conn, peer := pair(t)
		peer.Send([]byte("hello"))
		held, release := peer.Conn().Hold(method)
		done := make(chan error, 1)
		go func() {
			var err error
			if method == "Read" {
				_, err = conn.Read(make([]byte, 9))
			} else {
				_, err = conn.Write([]byte("hello"))
			}
			done <- err
		}()
		eventually(t, held)
		require.Empty(t, done, method)
		require.Empty(t, peer.Received(), method)
		release()
		require.NoError(t, <-done, method)
	}
}

func TestLongPiecesComeThrough(t *testing.T) {
	conn, peer := pair(t)
	data := bytes.Repeat([]byte("socket "), 1<<20)
	peer.Send(data)
	peer.CloseWrite()
	got, err := io.ReadAll(conn)
	require.NoError(t, err)
	require.True(t, bytes.Equal(data, got))
}

func TestResetComesAfterWhatWasSent(t *testing.T) {
	conn, peer := pair(t)
	peer.Send([]byte("ab"), []byte("c"))
	peer.Reset()
	got, err := reads(conn)
	require.Equal(t, []string{"ab", "c"}, got)
	require.Error(t, err)
	require.NotErrorIs(t, err, io.EOF)
	_, err = conn.Write([]byte("x"))
	require.Error(t, err)
}

// However long the reader takes, what was sent is still there.
func TestResetWaitsForTheReader(t *testing.T) {
	client, server, err := loopback.TCP()
	require.NoError(t, err)
	conn, peer := Join(server, client, nil)
	t.Cleanup(peer.Close)
	peer.Send([]byte("ab"))
	peer.Reset()
	eventually(t, func() (last bool) {
		conn.look(func() { last = len(conn.pieces) == 1 && len(conn.queue) == 0 && conn.busy })
		return last
	})
	reset := make(chan error, 1)
	go func() { reset <- loopback.WaitDead(server) }()
	select {
	case <-reset:
		t.Fatal("the connection was reset before everything was read")
	case <-time.After(20 * time.Millisecond): // in which a reset would come
	}
	got, err := reads(conn)
	require.Equal(t, []string{"ab"}, got)
	require.Error(t, err)
	require.NoError(t, <-reset)
}

func TestThePeerHears(t *testing.T) {
	conn, peer := pair(t)
	_, err := conn.Write([]byte("hi"))
	require.NoError(t, err)
	eventually(t, func() bool { return string(peer.Received()) == "hi" })
	require.NoError(t, peer.Over())
	require.NoError(t, conn.CloseWrite())
	eventually(t, func() bool { return peer.Over() == io.EOF && conn.Quiet() })
}

func TestStarved(t *testing.T) {
	conn, peer := pair(t)
	require.False(t, conn.Starved(), "nobody reads")
	ended := make(chan bool)
	go func() {
		defer close(ended)
		io.ReadFull(conn, make([]byte, 4))
		t.Error("Stop did not end the goroutine")
	}()
	eventually(t, conn.Starved)
	peer.Send([]byte("abc"))
	eventually(t, func() bool { return conn.Starved() && conn.Did().Taken == 3 })
	conn.Stop()
	<-ended
}

func TestADeadlineIsNoStarvation(t *testing.T) {
	conn, _ := pair(t)
	require.NoError(t, conn.SetReadDeadline(time.Now().Add(farAhead)))
	waits := make(chan error)
	go func() {
		_, err := conn.Read(make([]byte, 1))
		waits <- err
	}()
	eventually(t, func() bool { return !conn.Quiet() })
	require.NoError(t, conn.SetReadDeadline(time.Now().Add(time.Hour))) // which is as good as none
	require.True(t, conn.Quiet())
	require.False(t, conn.Starved())
	require.NoError(t, conn.SetDeadline(time.Now().Add(-time.Second)))
	require.ErrorIs(t, <-waits, os.ErrDeadlineExceeded)

	require.NoError(t, conn.SetReadDeadline(time.Now().Add(10*time.Millisecond)))
	_, err := conn.Read(make([]byte, 1))
	require.ErrorIs(t, err, os.ErrDeadlineExceeded)
	require.NoError(t, conn.SetReadDeadline(time.Time{}))
	go func() {
		_, err := conn.Read(make([]byte, 1))
		waits <- err
	}()
	eventually(t, conn.Starved)
	require.NoError(t, conn.Close())
	require.ErrorIs(t, <-waits, net.ErrClosed)
}

// A timer that was about to fire when another deadline was set ends nothing.
func TestAnOldTimerEndsNothing(t *testing.T) {
	conn, _ := pair(t)
	require.NoError(t, conn.SetReadDeadline(time.Now().Add(time.Hour)))
	late := func() (late bool) {
		conn.look(func() { late = conn.late() })
		return late
	}
	old := conn.alarm
	require.NoError(t, conn.SetReadDeadline(time.Now().Add(2*time.Hour)))
	old.Reset(0)
	time.Sleep(10 * time.Millisecond) // in which it goes off
	require.False(t, late())
	conn.alarm.Reset(0)
	eventually(t, late)
}

func TestCirclesAreEnded(t *testing.T) {
	var changes atomic.Int64
	client, server, err := loopback.TCP()
	require.NoError(t, err)
	conn, peer := Join(server, client, func() { changes.Add(1) })
	t.Cleanup(peer.Close)
	peer.CloseWrite()
	ended := make(chan bool)
	go func() {
		defer close(ended)
		for {
			conn.Read(make([]byte, 1))
		}
	}()
	<-ended
	require.Contains(t, string(conn.Spun()), "TestCirclesAreEnded")
	require.Positive(t, changes.Load())
}

// TestTimeoutsAndCircles: code may try as often as it likes if it sets a deadline each time.
func TestTimeoutsAndCircles(t *testing.T) {
	conn, _ := pair(t)
	for range 2 * maxFailed {
		require.NoError(t, conn.SetReadDeadline(time.Now().Add(-time.Second)))
		_, err := conn.Read(make([]byte, 1))
		require.ErrorIs(t, err, os.ErrDeadlineExceeded)
		require.Contains(t, conn.Did().Errs, err)
	}
	require.Nil(t, conn.Spun())
	ended, calls := make(chan bool), 0
	go func() {
		defer close(ended)
		for ; calls < 2*maxFailed; calls++ {
			conn.Read(make([]byte, 1))
		}
	}()
	<-ended
	require.Contains(t, string(conn.Spun()), "TestTimeoutsAndCircles")
	require.Equal(t, maxFailed-1, calls)
}

func TestConnRemembersErrorsAndClose(t *testing.T) {
	conn, peer := pair(t)
	peer.CloseWrite()
	_, err := conn.Read(make([]byte, 1))
	require.Equal(t, io.EOF, err)
	require.Empty(t, conn.Did().Errs)
	require.Empty(t, conn.Did().Closed)
	require.NoError(t, conn.Close())
	require.Equal(t, "Close", conn.Did().Closed)
	_, err = conn.Write([]byte("x"))
	require.Error(t, err)
	require.Contains(t, conn.Did().Errs, err)
}

func TestPeerCloseEndsEverything(t *testing.T) {
	conn, peer := pair(t)
	peer.Send(make([]byte, 64<<20)) // more than the buffers hold: the sender is blocked
	ended := make(chan bool)
	go func() {
		defer close(ended)
		conn.Write(make([]byte, 1<<20))
		io.Copy(io.Discard, conn)
	}()
	eventually(t, func() bool { return conn.Did().Taken > 0 })
	peer.Close()
	<-ended
}

func TestReleaseEndsNoGoroutine(t *testing.T) {
	conn, peer := pair(t)
	require.NoError(t, conn.Close())
	eventually(t, func() bool { return peer.Over() != nil })
	peer.Release()
	_, err := conn.Write([]byte("x")) // would end this goroutine after Close
	require.ErrorIs(t, err, net.ErrClosed)
}

func TestListener(t *testing.T) {
	ln, err := Listen(nil, nil)
	require.NoError(t, err)
	t.Cleanup(ln.Stop)
	one, err := ln.Dial()
	require.NoError(t, err)
	t.Cleanup(one.Close)
	temporary := errors.New("temporary")
	ln.Fail(temporary)
	_, err = ln.Accept()
	require.Equal(t, temporary, err)
	conn, err := ln.Accept()
	require.NoError(t, err)
	one.Send([]byte("hi"))
	one.CloseWrite()
	got, err := io.ReadAll(conn)
	require.NoError(t, err)
	require.Equal(t, "hi", string(got))

	const many = maxFailed + 50 // goroutines that wait are no loop
	waits := make(chan error)
	for range many {
		go func() {
			_, err := ln.Accept()
			waits <- err
		}()
	}
	eventually(t, func() (all bool) {
		ln.look(func() { all = ln.waiting == many })
		return all
	})
	require.True(t, ln.Starved())
	require.NoError(t, ln.Close())
	for range many {
		require.ErrorIs(t, <-waits, net.ErrClosed)
	}
	require.False(t, ln.Starved())
	require.Nil(t, ln.Spun())

	ended := make(chan bool)
	go func() {
		defer close(ended)
		for {
			ln.Accept()
		}
	}()
	<-ended
	require.Contains(t, string(ln.Spun()), "TestListener")
}

// Each Dial gets the connection that it has made, whoever else connects.
func TestListenerConcurrentDials(t *testing.T) {
	ln, err := Listen(nil, nil)
	require.NoError(t, err)
	t.Cleanup(ln.Stop)
	stranger, err := net.Dial("tcp", ln.Addr().String())
	require.NoError(t, err)
	defer stranger.Close()
	const dials = 50
	peers := make(chan *Peer, dials)
	for range dials {
		go func() {
			peer, err := ln.Dial()
			if err != nil {
				t.Error(err)
			}
			peers <- peer
		}()
	}
	for range dials {
		peer := <-peers
		require.NotNil(t, peer)
		defer peer.Close()
		require.Equal(t, peer.conn.LocalAddr().String(), peer.Conn().RemoteAddr().String())
	}
	require.Len(t, ln.ready, dials)
}

func TestListenerIsStarved(t *testing.T) {
	require.True(t, (&Listener{watch: watch{waiting: 1}}).Starved())
	require.False(t, (&Listener{}).Starved(), "nobody waits")
	require.False(
		t,
		(&Listener{watch: watch{waiting: 1}, ready: make([]net.Conn, 1)}).Starved(),
		"a connection is there",
	)
	require.False(
		t,
		(&Listener{watch: watch{waiting: 1}, errs: make([]error, 1)}).Starved(),
		"an error is there",
	)
	require.False(t, (&Listener{watch: watch{waiting: 1}, closed: true}).Starved(), "it is closed")
}

func TestListenerStopEndsAccept(t *testing.T) {
	ln, err := Listen(nil, nil)
	require.NoError(t, err)
	ended := make(chan bool)
	go func() {
		defer close(ended)
		ln.Accept()
		t.Error("Stop did not end the goroutine")
	}()
	eventually(t, ln.Starved)
	ln.Stop()
	<-ended
}

func TestWriter(t *testing.T) {
	broken := errors.New("broken")
	for _, tt := range []struct {
		name   string
		writer *Writer
		ns     []int // of writes of "abc" and "defgh"
		errs   []error
		taken  string
		tried  int
	}{
		{"takes all", &Writer{}, []int{3, 5}, []error{nil, nil}, "abcdefgh", 0},
		{"short", &Writer{Most: 2}, []int{2, 2}, []error{nil, nil}, "abde", 0},
		{"fails in the second", &Writer{Room: 4, Err: broken}, []int{3, 1}, []error{nil, broken}, "abcd", 0},
		{"fails in the first", &Writer{Err: broken}, []int{0, 0}, []error{broken, broken}, "", 5},
		{
			"short, and fails in the second", &Writer{Most: 3, Room: 4, Err: broken},
			[]int{3, 1},
			[]error{nil, broken},
			"abcd", 0,
		},
		{
			"full, and fails with it", &Writer{Room: 8, Err: broken, Full: true},
			[]int{3, 5},
			[]error{nil, broken},
			"abcdefgh", 0,
		},
		{"just fits", &Writer{Room: 8, Err: broken}, []int{3, 5}, []error{nil, nil}, "abcdefgh", 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			for i, s := range []string{"abc", "defgh"} {
				n, err := tt.writer.Write([]byte(s))
				require.Equal(t, tt.ns[i], n)
				require.Equal(t, tt.errs[i], err)
			}
			require.Equal(t, tt.taken, string(tt.writer.Taken()))
			require.Equal(t, tt.tried, tt.writer.Tried())
			require.Equal(t, 2, tt.writer.Calls())
		})
	}
}

// Most counts first: what a call would not have taken anyway is no reason to fail. After a failure
// everything fails.
func TestWriterShortUntilItFails(t *testing.T) {
	w := &Writer{Most: 3, Room: 10, Err: io.ErrClosedPipe}
	for _, want := range []int{3, 3, 3} {
		n, err := w.Write(make([]byte, 20))
		require.NoError(t, err)
		require.Equal(t, want, n)
	}
	for _, want := range []int{1, 0} {
		n, err := w.Write(make([]byte, 20))
		require.Equal(t, io.ErrClosedPipe, err)
		require.Equal(t, want, n)
	}
	_, err := w.Write(nil)
	require.Equal(t, io.ErrClosedPipe, err, "every later call")
}

// A hundred calls may fail, and the next one is ended.
func TestHowManyMayFail(t *testing.T) {
	conn, _ := pair(t)
	require.NoError(t, conn.Close())
	datagramConn, _ := datagrams(t)
	require.NoError(t, datagramConn.Close())
	ln, err := Listen(nil, nil)
	require.NoError(t, err)
	t.Cleanup(ln.Stop)
	require.NoError(t, ln.Close())
	w := &Writer{Err: io.ErrClosedPipe}
	for name, call := range map[string]func(){
		"Read":             func() { conn.Read(make([]byte, 1)) },
		"Read of datagram": func() { datagramConn.Read(make([]byte, 1)) },
		"Accept":           func() { ln.Accept() },
		"Write":            func() { w.Write([]byte("x")) },
	} {
		calls, ended := 0, make(chan bool)
		go func() {
			defer close(ended)
			for {
				call()
				calls++
			}
		}()
		<-ended
		require.Equal(t, 100, calls, name)
	}
}

func TestWriterEndsCircles(t *testing.T) {
	for name, stop := range map[string]bool{"after a hundred failures": false, "when it is stopped": true} {
		w := &Writer{Err: io.ErrClosedPipe}
		if stop {
			w.Stop()
		}
		ended := make(chan bool)
		go func() {
			defer close(ended)
			for {
				w.Write([]byte("x"))
			}
		}()
		<-ended
		require.Equal(t, !stop, strings.Contains(string(w.Spun()), "TestWriterEndsCircles"), name)
		require.True(t, w.Quiet())
	}
}
