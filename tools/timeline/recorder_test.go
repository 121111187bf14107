package timeline_test

import (
	"context"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"os"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"socketbook/tools/loopback"
	"socketbook/tools/timeline"
)

func pair(t *testing.T, rec *timeline.Recorder) (client, server net.Conn) {
	c, s, err := loopback.TCP()
	require.NoError(t, err)
	client, server = rec.Conn("client", c), rec.Conn("server", s)
	t.Cleanup(func() { client.Close(); server.Close() })
	return client, server
}

func read(t *testing.T, conn net.Conn, max int) string {
	buf := make([]byte, max)
	n, err := conn.Read(buf)
	require.NoError(t, err)
	return string(buf[:n])
}

func write(t *testing.T, conn net.Conn, data string) {
	n, err := conn.Write([]byte(data))
	require.NoError(t, err)
	require.Equal(t, len(data), n)
}

func tcpDial(addr string) (net.Conn, error) { return net.Dial("tcp", addr) }

func ops(events []timeline.Event) string {
	var words []string
	for _, e := range events {
		words = append(words, e.Side+" "+string(e.Op))
	}
	return strings.Join(words, ", ")
}

// checkClock holds what the clock of a recorder promises: no microsecond twice, numbers in the order
// of begins, events in the order of their rows.
func checkClock(t *testing.T, events []timeline.Event) {
	times := map[int64]bool{}
	bySeq := slices.Clone(events)
	slices.SortFunc(bySeq, func(a, b timeline.Event) int { return a.Seq - b.Seq })
	for i, e := range bySeq {
		require.False(t, times[e.US] || times[e.End], "a time was given out twice: %v", e)
		times[e.US], times[e.End] = true, true
		require.Greater(t, e.US, int64(0))
		require.True(t, e.End == 0 || e.End >= e.US)
		require.True(t, i == 0 || bySeq[i-1].Seq < e.Seq && bySeq[i-1].US < e.US)
		require.True(t, i == 0 || events[i-1].At() < events[i].At(), "not in the order of the rows")
	}
}

func TestConversation(t *testing.T) {
	rec := timeline.NewRecorder("scene")
	ln, err := loopback.Listen()
	require.NoError(t, err)
	ln = rec.Listener("server", ln)
	client, err := rec.Dial("client", ln.Addr().String(), tcpDial)
	require.NoError(t, err)
	server, err := ln.Accept()
	require.NoError(t, err)
	write(t, client, "你好")
	require.Equal(t, "你好", read(t, server, 100))
	require.NoError(t, client.(interface{ CloseWrite() error }).CloseWrite())
	require.NoError(t, client.(interface{ CloseWrite() error }).CloseWrite(), "twice, recorded once")
	_, err = server.Read(make([]byte, 1))
	require.Equal(t, io.EOF, err, "handed on as it is, not wrapped")
	server.Close()
	client.Close()
	client.Close() // twice, recorded once
	_, err = client.Read(make([]byte, 1))
	require.ErrorIs(t, err, net.ErrClosed, "handed on, and not recorded beside the close")
	ln.Close()
	ln.Close()
	_, err = ln.Accept()
	require.ErrorIs(t, err, net.ErrClosed)

	events := rec.Events()
	require.Equal(
		t,
		"server listen, client dial, server accept, client send, server recv, client close-write, "+
			"server eof, server close, client close, server close",
		ops(events),
	)
	for _, e := range events {
		require.Equal(t, "scene", e.Scene)
	}
	checkTimes := slices.Clone(events)
	checkTimes = slices.DeleteFunc(checkTimes, func(e timeline.Event) bool { return e.US == e.End })
	require.Len(t, checkTimes, 9, "listening takes no time, calls do")
	require.Equal(t, "tcp1", events[1].Conn)
	require.Equal(t, "tcp1", events[2].Conn, "both ends of a connection have one name")
	require.Equal(t, client.LocalAddr().String(), events[2].Text)
	require.Equal(t, ln.Addr().String(), events[0].Text)
	require.Equal(t, ln.Addr().String(), events[1].Text)
	require.Equal(t, 6, events[3].N)
	require.Equal(t, "你好", events[3].Text)
	require.Equal(t, []byte("你好"), events[4].Data)
	require.Equal(t, "你好", events[4].Text)
	require.Equal(t, "listener", events[9].Text)
	checkClock(t, events)
}

// The clock counts microseconds since the recorder was made, and never gives one twice.
func TestClock(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		rec := timeline.NewRecorder("scene")
		time.Sleep(2 * time.Millisecond)
		for range 100 {
			rec.Note("client", nil, "at once")
		}
		time.Sleep(time.Millisecond)
		rec.Note("client", nil, "later")
		events := rec.Events()
		for i := range 100 {
			require.Equal(t, int64(2000+i), events[i].US)
			require.Equal(t, events[i].US, events[i].End)
		}
		require.Equal(t, int64(3000), events[100].US)
		checkClock(t, events)
	})
}

// A stub is a connection whose calls are functions.
type stub struct {
	net.Conn
	read, write func([]byte) (int, error)
	closes      func() error
}

func (s stub) Read(p []byte) (int, error)  { return s.read(p) }
func (s stub) Write(p []byte) (int, error) { return s.write(p) }
func (s stub) CloseWrite() error           { return s.closes() }
func (s stub) Close() error                { return s.closes() }
func (s stub) SetNoDelay(bool) error       { return nil }

func stubOf(t *testing.T, s stub) stub {
	a, b := net.Pipe()
	t.Cleanup(func() { a.Close(); b.Close() })
	s.Conn = a
	return s
}

// A send, a close and a half-close have begun before the peer can see them.
func TestCausesBeginFirst(t *testing.T) {
	rec := timeline.NewRecorder("scene")
	peer := func() { rec.Note("server", nil, "sees it") }
	conn := rec.Conn("client", stubOf(t, stub{
		write:  func(p []byte) (int, error) { peer(); return len(p), nil },
		closes: func() error { peer(); return nil },
	}))
	write(t, conn, "x")
	require.NoError(t, conn.(interface{ CloseWrite() error }).CloseWrite())
	require.NoError(t, conn.Close())
	require.Equal(
		t,
		"client send, server note, client close-write, server note, client close, server note",
		ops(rec.Events()),
	)
	checkClock(t, rec.Events())
}

// What a read returned is on record at its return.
func TestEffectsReturnLast(t *testing.T) {
	rec := timeline.NewRecorder("scene")
	conn := rec.Conn("client", stubOf(t, stub{read: func(p []byte) (int, error) {
		rec.Note("server", nil, "sends it")
		return copy(p, "abc"), nil
	}}))
	require.Equal(t, "abc", read(t, conn, 9))
	events := rec.Events()
	require.Equal(t, "server note, client recv", ops(events))
	require.Less(t, events[1].US, events[0].US, "it had begun before")
}

// A read's error says which operation it is; bytes that come with an error come first.
func TestKindsOfReads(t *testing.T) {
	wrap := func(err error) error {
		return &net.OpError{Op: "read", Net: "tcp", Err: os.NewSyscallError("read", err)}
	}
	for _, test := range []struct {
		n    int
		err  error
		op   timeline.Op
		text string
	}{
		{0, io.EOF, timeline.EOF, ""},
		{0, wrap(syscall.ECONNRESET), timeline.Reset, syscall.ECONNRESET.Error()},
		{0, wrap(syscall.EPIPE), timeline.Reset, syscall.EPIPE.Error()},
		{0, wrap(syscall.Errno(10053)), timeline.Reset, syscall.Errno(10053).Error()},
		{0, wrap(syscall.Errno(10054)), timeline.Reset, syscall.Errno(10054).Error()},
		{0, wrap(syscall.EACCES), timeline.Recv, syscall.EACCES.Error()},
		{0, &net.OpError{Op: "read", Err: os.ErrDeadlineExceeded}, timeline.Timeout, "i/o timeout"},
		{0, errors.New("something else"), timeline.Recv, "something else"},
		{0, &net.OpError{Op: "read", Err: errors.New("inner")}, timeline.Recv, "inner"},
		{2, io.EOF, timeline.Recv, ""},
		{2, wrap(syscall.ECONNRESET), timeline.Recv, ""},
		{2, net.ErrClosed, timeline.Recv, ""},
		{2, errors.New("message too long"), timeline.Recv, "message too long"},
	} {
		rec := timeline.NewRecorder("scene")
		conn := rec.Conn(
			"client",
			stubOf(t, stub{read: func(p []byte) (int, error) { return test.n, test.err }}),
		)
		n, err := conn.Read(make([]byte, 5))
		require.Equal(t, test.n, n)
		require.Equal(t, test.err, err)
		events := rec.Events()
		require.Len(t, events, 1, "%v", test.err)
		require.Equal(t, test.op, events[0].Op, "%v", test.err)
		require.Equal(t, test.n, events[0].N)
		require.Equal(t, test.text, events[0].Err)
	}
}

// A write that failed is a send with its error and the bytes that were taken.
func TestFailedWrites(t *testing.T) {
	rec := timeline.NewRecorder("scene")
	conn := rec.Conn(
		"client",
		stubOf(t, stub{write: func([]byte) (int, error) { return 2, net.ErrClosed }}),
	)
	_, err := conn.Write([]byte("hello"))
	require.ErrorIs(t, err, net.ErrClosed)
	e := rec.Events()[0]
	require.Equal(t, timeline.Send, e.Op)
	require.Equal(t, 2, e.N)
	require.Equal(t, "hello", e.Text, "what it was given")
	require.Equal(
		t,
		"use of closed network connection",
		e.Err,
		"even if its own side closed: some may have gone",
	)
}

func TestErrors(t *testing.T) {
	rec := timeline.NewRecorder("scene")
	client, server := pair(t, rec)
	require.NoError(t, server.SetReadDeadline(time.Unix(1, 0)))
	_, err := server.Read(make([]byte, 1))
	require.ErrorIs(t, err, os.ErrDeadlineExceeded)
	require.NoError(t, server.SetReadDeadline(time.Time{}))
	require.NoError(t, loopback.Abort(client))
	_, err = server.Read(make([]byte, 1))
	require.Error(t, err)
	require.NotErrorIs(t, err, io.EOF)
	addr, err := loopback.FreeAddr()
	require.NoError(t, err)
	conn, err := rec.Dial("client", addr, tcpDial)
	require.Error(t, err)
	require.Nil(t, conn)

	events := rec.Events()
	require.Equal(t, "server timeout, client close, server reset, client dial", ops(events))
	require.NotContains(t, events[2].Err, "127.0.0.1", "the cause, without addresses")
	require.Equal(t, "connection with a reset", events[1].Text)
	require.Equal(t, addr, events[3].Text)
	require.Empty(t, events[3].Conn)
	require.Equal(t, []string{
		"server waited until its deadline, and nothing came",
		"server met a dead connection: " + events[2].Err,
		"client could not connect: " + events[3].Err,
	}, timeline.Verdicts(events))
}

// A deadline of an accept is a timeout, and says of what; other errors stay an accept's.
func TestAcceptFails(t *testing.T) {
	rec := timeline.NewRecorder("scene")
	ln, err := loopback.Listen()
	require.NoError(t, err)
	defer ln.Close()
	require.NoError(t, ln.(*net.TCPListener).SetDeadline(time.Unix(1, 0)))
	wrapped := rec.Listener("server", ln)
	conn, err := wrapped.Accept()
	require.ErrorIs(t, err, os.ErrDeadlineExceeded)
	require.Nil(t, conn)
	_, err = rec.Listener("server", failing{ln}).Accept()
	require.ErrorIs(t, err, syscall.EMFILE)
	events := rec.Events()
	require.Equal(t, "server listen, server timeout, server listen, server accept", ops(events))
	require.Equal(t, "accept", events[1].Text)
	require.Equal(t, syscall.EMFILE.Error(), events[3].Err)
	raw, err := wrapped.(syscall.Conn).SyscallConn()
	require.NoError(t, err)
	require.NotNil(t, raw)
}

type failing struct{ net.Listener }

func (failing) Accept() (net.Conn, error) { return nil, syscall.EMFILE }

// A read or an accept that its own side's close ended is no event: the close is on record.
func TestClosedHere(t *testing.T) {
	rec := timeline.NewRecorder("scene")
	client, _ := pair(t, rec)
	ln, err := loopback.Listen()
	require.NoError(t, err)
	ln = rec.Listener("server", ln)
	pc, err := net.ListenPacket("udp", "127.0.0.1:0")
	require.NoError(t, err)
	pc = rec.PacketConn("server", pc)
	var ended sync.WaitGroup
	ended.Go(func() { client.Read(make([]byte, 1)) })
	ended.Go(func() { ln.Accept() })
	ended.Go(func() { pc.ReadFrom(make([]byte, 1)) })
	require.NoError(t, client.Close())
	require.NoError(t, ln.Close())
	require.NoError(t, pc.Close())
	ended.Wait()
	require.Equal(
		t,
		"server listen, server listen, client close, server close, server close",
		ops(rec.Events()),
	)
	require.Equal(t, "socket", rec.Events()[4].Text)
	require.Equal(t, rec.Events(), rec.Snapshot())
}

// A spy is a connection that counts what reaches it.
type spy struct {
	net.Conn
	reads, writes int
	buffers       [][]byte
}

func (s *spy) Read(p []byte) (int, error) {
	s.reads++
	s.buffers = append(s.buffers, p)
	return s.Conn.Read(p)
}

func (s *spy) Write(p []byte) (int, error) {
	s.writes++
	s.buffers = append(s.buffers, p)
	return s.Conn.Write(p)
}

// Each call reaches the connection once, with the program's own buffer.
func TestTransparent(t *testing.T) {
	c, s, err := loopback.TCP()
	require.NoError(t, err)
	defer s.Close()
	below := &spy{Conn: c}
	rec := timeline.NewRecorder("scene")
	conn := rec.Conn("client", below)
	defer conn.Close()
	out := []byte("hello")
	n, err := conn.Write(out)
	require.NoError(t, err)
	require.Equal(t, 5, n)
	copy(out, "HELLO")
	n, err = conn.Write(nil)
	require.NoError(t, err)
	require.Zero(t, n)
	_, err = s.Write([]byte("abc"))
	require.NoError(t, err)
	in := make([]byte, 2)
	n, err = conn.Read(in)
	require.NoError(t, err)
	require.Equal(t, "ab", string(in[:n]))
	copy(in, "XY")
	queued, err := loopback.Queued(conn, 10)
	require.Equal(
		t,
		err,
		errors.ErrUnsupported,
		"a spy shows no socket, and the recorder does not invent one",
	)
	require.Zero(t, queued)
	require.Equal(t, 1, below.reads)
	require.Equal(t, 2, below.writes)
	require.Same(t, &out[0], &below.buffers[0][0])
	require.Same(t, &in[0], &below.buffers[2][0])
	require.Equal(t, c.LocalAddr(), conn.LocalAddr())
	require.Equal(t, c.RemoteAddr(), conn.RemoteAddr())
	events := rec.Events()
	require.Equal(t, "hello", string(events[0].Data), "as it was when it was written")
	require.Equal(t, "ab", string(events[2].Data))
}

// What a connection cannot do, its wrapper cannot do either.
func TestUnsupported(t *testing.T) {
	a, b := net.Pipe()
	defer b.Close()
	rec := timeline.NewRecorder("scene")
	conn := rec.Conn("client", a)
	defer conn.Close()
	require.ErrorIs(t, conn.(interface{ CloseWrite() error }).CloseWrite(), errors.ErrUnsupported)
	require.ErrorIs(
		t,
		conn.(interface{ SetNoDelay(bool) error }).SetNoDelay(true),
		errors.ErrUnsupported,
	)
	require.ErrorIs(t, conn.(interface{ SetLinger(int) error }).SetLinger(0), errors.ErrUnsupported)
	_, err := conn.(syscall.Conn).SyscallConn()
	require.ErrorIs(t, err, errors.ErrUnsupported)
	require.Empty(t, rec.Events())
}

func TestOptions(t *testing.T) {
	rec := timeline.NewRecorder("scene")
	client, server := pair(t, rec)
	require.NoError(t, client.(interface{ SetNoDelay(bool) error }).SetNoDelay(true))
	require.NoError(t, client.(interface{ SetNoDelay(bool) error }).SetNoDelay(false))
	require.NoError(t, client.(interface{ SetLinger(int) error }).SetLinger(0))
	require.NoError(t, client.(interface{ SetLinger(int) error }).SetLinger(1), "the last one counts")
	raw, err := client.(syscall.Conn).SyscallConn()
	require.NoError(t, err)
	require.NotNil(t, raw)
	require.NoError(t, client.Close())
	require.NoError(t, server.Close())
	events := rec.Events()
	require.Equal(t, "client state, client state, client close, server close", ops(events))
	require.Equal(t, "sets TCP_NODELAY on", events[0].Text)
	require.Equal(t, "sets TCP_NODELAY off", events[1].Text)
	require.Equal(t, "tcp1", events[0].Conn)
	require.Empty(t, events[2].Text)
}

// Previews of payloads that are not kept as a whole say so, and those that are do not.
func TestPreviewsOfEvents(t *testing.T) {
	rec := timeline.NewRecorder("scene")
	client, server := pair(t, rec)
	for _, n := range []int{257, 256, 1} {
		write(t, client, strings.Repeat("x", n))
		require.NoError(t, loopback.WaitQueued(server, n))
		require.Len(t, read(t, server, n), n)
	}
	for i := range 2 { // the second time they are there
		events := rec.Events()
		for k, e := range events {
			want := []string{strings.Repeat("x", 256) + "…", strings.Repeat("x", 256), "x"}[k/2]
			require.Equal(t, want, e.Text, "look %d", i)
		}
	}
	part := rec.Conn("client", stubOf(t, stub{write: func([]byte) (int, error) { return 2, io.ErrShortWrite }}))
	part.Write(make([]byte, 300))
	require.True(t, strings.HasSuffix(rec.Events()[6].Text, "…"), "what it was given")
}

// A close that fails says why.
func TestCloseFails(t *testing.T) {
	rec := timeline.NewRecorder("scene")
	conn := rec.Conn("client", stubOf(t, stub{closes: func() error { return syscall.EIO }}))
	require.ErrorIs(t, conn.Close(), syscall.EIO)
	require.Equal(t, syscall.EIO.Error(), rec.Events()[0].Err)
}

// Writes of one end are on record in the order in which the kernel took them, whoever they came from,
// and so are reads.
func TestOrderOfOneEnd(t *testing.T) {
	const writers, each = 4, 50
	rec := timeline.NewRecorder("scene")
	client, server := pair(t, rec)
	var writing, reading sync.WaitGroup
	for w := range writers {
		writing.Go(func() {
			for i := range each {
				client.Write(binary.BigEndian.AppendUint32(nil, uint32(w*each+i)))
			}
		})
	}
	var order struct {
		sync.Mutex
		got [][]byte
	}
	for range 3 {
		reading.Go(func() {
			for {
				buf := make([]byte, 6)
				n, err := server.Read(buf)
				if err != nil {
					return
				}
				order.Lock()
				order.got = append(order.got, buf[:n])
				order.Unlock()
			}
		})
	}
	writing.Wait()
	require.NoError(t, client.Close())
	reading.Wait()

	var sent, came []byte
	events := rec.Events()
	for _, e := range events {
		switch e.Op {
		case timeline.Send:
			sent = append(sent, e.Data...)
		case timeline.Recv:
			came = append(came, e.Data...)
		}
	}
	require.Len(t, sent, 4*writers*each)
	require.Equal(t, sent, came, "the bytes that were read, in the order of the reads")
	require.Equal(t, len(order.got), timeline.Count(events, "server", timeline.Recv))
	flow := timeline.Flows(events)[0]
	require.False(t, flow.Unknown)
	require.Zero(t, flow.Unread)
	checkClock(t, events)
}

// Causes come before their effects, however many goroutines there are.
func TestConcurrent(t *testing.T) {
	rec := timeline.NewRecorder("crowd")
	var all sync.WaitGroup
	for range 20 {
		client, server := pair(t, rec)
		all.Go(func() {
			for range 50 {
				client.Write([]byte("ping"))
			}
			client.Close()
		})
		all.Go(func() { io.Copy(io.Discard, server) })
	}
	all.Wait()
	events := rec.Events()
	checkClock(t, events)
	sent, got := map[string]int{}, map[string]int{}
	for _, e := range events {
		switch e.Op {
		case timeline.Send:
			sent[e.Conn] += e.N
		case timeline.Recv:
			got[e.Conn] += e.N
			require.LessOrEqual(t, got[e.Conn], sent[e.Conn], "read before it was sent")
		case timeline.EOF:
			require.Equal(t, 200, got[e.Conn])
		}
	}
	require.Len(t, sent, 20)
	require.Equal(t, 20, timeline.Count(events, "server", timeline.EOF))
	require.Equal(t, 20, timeline.Count(events, "", timeline.EOF))
	require.Equal(t, len(events), timeline.Count(events, "", ""))
}

func TestWait(t *testing.T) {
	rec := timeline.NewRecorder("scene")
	client, server := pair(t, rec)
	go client.Write([]byte("hello"))
	read(t, server, 5)
	require.NoError(t, rec.Wait(t.Context(), "the send", timeline.Happened("client", timeline.Send, 1)))
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(errors.New("enough"))
	err := rec.Wait(ctx, "a second send", timeline.Happened("client", timeline.Send, 2))
	require.EqualError(t, err, "waited for a second send: enough")
	require.NoError(t, rec.Wait(ctx, "what is there", timeline.Happened("client", timeline.Send, 1)))
}

// Each return is looked at by whoever waits: none is missed, and none sleeps.
func TestWaitSeesAll(t *testing.T) {
	rec := timeline.NewRecorder("scene")
	for i := range 100 {
		waited := make(chan error, 1)
		go func() {
			waited <- rec.Wait(t.Context(), "a note", timeline.Happened("client", timeline.Note, i+1))
		}()
		rec.Note("client", []byte("x"), "note")
		require.NoError(t, <-waited)
	}
}

// A call that still blocks is no event yet. A snapshot has it, once it has blocked for 10 ms.
func TestPending(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := net.Pipe()
		rec := timeline.NewRecorder("scene")
		client, server := rec.Conn("client", a), rec.Conn("server", b)
		var ended sync.WaitGroup
		ended.Go(func() { client.Write([]byte("hello")) })
		synctest.Wait()
		time.Sleep(10 * time.Millisecond) // it began in the first microsecond
		require.Empty(t, rec.Events())
		require.Empty(t, rec.Snapshot())
		time.Sleep(time.Microsecond)
		require.Empty(t, rec.Events())
		e := rec.Snapshot()[0]
		require.Equal(t, timeline.Event{
			Seq: 1, US: 1, Scene: "scene", Side: "client", Conn: e.Conn, Op: timeline.Send,
			Data: []byte("hello"), Text: "hello",
		}, e)
		require.Equal(t, "hello", read(t, server, 9))
		ended.Wait()
		require.Equal(t, "client send, server recv", ops(rec.Events()))
		require.Equal(t, rec.Events(), rec.Snapshot())
		require.Equal(t, 5, rec.Events()[0].N)
		require.GreaterOrEqual(t, rec.Events()[0].End, int64(10_000))
		client.Close()
		server.Close()
	})
}

// addressed is an end of a connection between two addresses.
type addressed struct {
	stub
	local, remote net.Addr
}

func (a addressed) LocalAddr() net.Addr  { return a.local }
func (a addressed) RemoteAddr() net.Addr { return a.remote }

// Addresses that a later connection has again do not make it the same connection; datagrams between two
// addresses stay together.
func TestAddressesAgain(t *testing.T) {
	rec := timeline.NewRecorder("scene")
	pipe, other := net.Pipe()
	defer pipe.Close()
	defer other.Close()
	name := func(conn net.Conn) string {
		conn.(interface{ SetNoDelay(bool) error }).SetNoDelay(true)
		events := rec.Events()
		return events[len(events)-1].Conn
	}
	noDelay := stub{Conn: pipe}
	ends := func(a, b net.Addr) (string, string) {
		c, err := rec.Dial(
			"client",
			b.String(),
			func(string) (net.Conn, error) { return addressed{noDelay, a, b}, nil },
		)
		require.NoError(t, err)
		return name(c), name(rec.Conn("server", addressed{noDelay, b, a}))
	}
	one, two := &net.TCPAddr{
		IP:   net.IPv4(127, 0, 0, 1),
		Port: 1,
	}, &net.TCPAddr{
		IP:   net.IPv4(127, 0, 0, 1),
		Port: 2,
	}
	for _, want := range []string{"tcp1", "tcp2"} {
		a, b := ends(one, two)
		require.Equal(t, []string{want, want}, []string{a, b})
	}
	a, b := ends(two, &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 3})
	require.Equal(t, []string{"tcp3", "tcp3"}, []string{a, b})
	for range 2 {
		a, b := ends((*net.UDPAddr)(one), (*net.UDPAddr)(two))
		require.Equal(t, []string{"udp1", "udp1"}, []string{a, b})
	}
	require.Equal(t, "tcp4 to itself", name(rec.Conn("client", addressed{noDelay, one, one})))
	require.Equal(t, "tcp5", name(rec.Conn("client", noDelay)), "a pipe has no addresses")
	require.Equal(t, "tcp5", name(rec.Conn("server", noDelay)))
	require.Empty(t, name(rec.Conn("client", addressed{noDelay, nil, one})))
}

func packetConn(t *testing.T) net.PacketConn {
	pc, err := net.ListenPacket("udp", "127.0.0.1:0")
	require.NoError(t, err)
	t.Cleanup(func() { pc.Close() })
	return pc
}

func TestUnconnectedSockets(t *testing.T) {
	rec := timeline.NewRecorder("scene")
	server := rec.PacketConn("server", packetConn(t))
	client, third := rec.Unconnected("client", packetConn(t)), rec.Unconnected("third", packetConn(t))
	_, err := client.WriteTo(nil, server.LocalAddr())
	require.NoError(t, err)
	_, err = third.WriteTo([]byte("me"), client.LocalAddr())
	require.NoError(t, err)
	n, from, err := server.ReadFrom(make([]byte, 10))
	require.NoError(t, err)
	require.Zero(t, n)
	require.Equal(t, client.LocalAddr().String(), from.String())
	buf := make([]byte, 10)
	n, from, err = client.ReadFrom(buf)
	require.NoError(t, err)
	require.Equal(t, "me", string(buf[:n]))
	require.Equal(t, third.LocalAddr().String(), from.String())
	_, err = client.WriteTo([]byte("self"), client.LocalAddr())
	require.NoError(t, err)
	_, _, err = client.ReadFrom(buf)
	require.NoError(t, err)
	n, err = client.WriteTo(make([]byte, 65508), server.LocalAddr())
	require.Error(t, err)
	require.Zero(t, n)
	raw, err := client.(syscall.Conn).SyscallConn()
	require.NoError(t, err)
	require.NotNil(t, raw)

	events := rec.Events()
	require.Equal(
		t,
		"server listen, client send, third send, server recv, client recv, client send, client recv, "+
			"client send",
		ops(events),
	)
	require.Equal(t, server.LocalAddr().String(), events[0].Text)
	failed := events[7]
	require.Zero(t, failed.N, "nothing was sent")
	require.NotEmpty(t, failed.Err)
	require.Equal(t, "udp3 to itself", events[5].Conn)
	require.Equal(t, events[5].Conn, events[6].Conn)
	require.Equal(t, events[1].Conn, events[3].Conn)
	var flows []string
	for _, f := range timeline.Flows(events) {
		flows = append(flows, f.From+" to "+f.To+": "+f.String())
	}
	require.Equal(t, []string{
		"client to server: 1 datagram arrived as 1 read", "third to client: 1 datagram arrived as 1 read",
		"client to client: 1 datagram arrived as 1 read",
	}, flows)
	require.Equal(
		t,
		[]string{"client", "third", "server"},
		timeline.Lay(events).Lanes,
		"who listens stands right",
	)
}

// A datagram's read that fails belongs to no connection.
func TestPacketReadFails(t *testing.T) {
	rec := timeline.NewRecorder("scene")
	pc := rec.Unconnected("client", packetConn(t))
	require.NoError(t, pc.SetReadDeadline(time.Unix(1, 0)))
	_, _, err := pc.ReadFrom(make([]byte, 1))
	require.ErrorIs(t, err, os.ErrDeadlineExceeded)
	require.Equal(t, "client timeout", ops(rec.Events()))
	require.Empty(t, rec.Events()[0].Conn)
	require.NoError(t, pc.Close())
	require.Error(t, pc.Close(), "handed on")
	require.Equal(t, "client timeout, client close", ops(rec.Events()))
}

func TestNotes(t *testing.T) {
	rec := timeline.NewRecorder("scene")
	rec.Note("client", make([]byte, 300), "message %d:", 1)
	rec.Note("client", []byte{}, "an empty one:")
	rec.Note("client", nil, "none")
	rec.State(3, "%d in the queue", 3)
	rec.Verdict("all %s", "well")
	events := rec.Events()
	require.Equal(t, "client note, client note, client note,  state,  verdict", ops(events))
	require.Equal(t, "message 1:", events[0].Text)
	require.Equal(t, 300, events[0].N)
	require.Len(t, events[0].Data, 256)
	require.NotNil(t, events[1].Data)
	require.Nil(t, events[2].Data)
	require.Equal(t, 3, events[3].N)
	require.Equal(t, "3 in the queue", events[3].Text)
	require.Equal(t, "all well", events[4].Text)
}

// Whoever blocks, nobody else waits: not the other side, not the same end's other half, not a close, not
// those who look at the events.
func TestNobodyWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		rec := timeline.NewRecorder("scene")
		stop := rec.Stream(io.Discard)
		a, b := net.Pipe()
		client := rec.Conn("client", a)
		var blocked sync.WaitGroup
		blocked.Go(func() { client.Read(make([]byte, 1)) })
		blocked.Go(func() { client.Write([]byte("x")) })
		answer := make(chan struct{})
		blocked.Go(func() {
			rec.Dial("third", "nowhere", func(string) (net.Conn, error) {
				<-answer
				return nil, errors.New("ended")
			})
		})
		synctest.Wait()
		for range 100 {
			other, peer := net.Pipe()
			one, two := rec.Conn("one", other), rec.Conn("two", peer)
			go one.Write([]byte("x"))
			require.Equal(t, "x", read(t, two, 1))
			one.Close()
			two.Close()
		}
		require.Equal(t, 100, timeline.Count(rec.Events(), "two", timeline.Recv))
		require.NoError(
			t,
			rec.Wait(t.Context(), "a read", timeline.Happened("two", timeline.Recv, 100)),
		)
		require.NoError(t, client.Close())
		close(answer)
		blocked.Wait()
		require.NoError(t, stop())
		b.Close()
	})
}
