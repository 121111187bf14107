package timeline_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net"
	"os"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"socketbook/tools/loopback"
	"socketbook/tools/timeline"
)

func TestMain(m *testing.M) { os.Exit(loopback.Main(m)) }

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

func ops(events []timeline.Event) string {
	var words []string
	for _, e := range events {
		words = append(words, e.Side+" "+string(e.Op))
	}
	return strings.Join(words, ", ")
}

func TestConversation(t *testing.T) {
	rec := timeline.NewRecorder("scene")
	ln, err := loopback.Listen()
	require.NoError(t, err)
	ln = rec.Listener("server", ln)
	client, err := rec.Dial("client", ln.Addr().String(), func(addr string) (net.Conn, error) { return net.Dial("tcp", addr) })
	require.NoError(t, err)
	server, err := ln.Accept()
	require.NoError(t, err)
	_, err = client.Write([]byte("你好"))
	require.NoError(t, err)
	require.Equal(t, "你好", read(t, server, 100))
	require.NoError(t, client.(interface{ CloseWrite() error }).CloseWrite())
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
	require.Equal(t, "server listen, client dial, server accept, client send, server recv, client close-write, server eof, server close, client close, server close", ops(events))
	for i, e := range events {
		require.Equal(t, i+1, e.Seq)
		require.Equal(t, "scene", e.Scene)
		if i > 0 {
			require.GreaterOrEqual(t, e.US, events[i-1].US)
		}
	}
	require.Equal(t, events[1].Conn, events[2].Conn, "both ends of a connection have one name")
	require.Equal(t, "tcp1", events[1].Conn)
	require.Equal(t, 6, events[3].N)
	require.Equal(t, "你好", events[3].Text)
	require.Equal(t, []byte("你好"), events[4].Data)
}

// The clock counts microseconds since the recorder was made.
func TestClock(t *testing.T) {
	before := time.Now()
	rec := timeline.NewRecorder("scene")
	rec.Note("client", nil, "first")
	<-time.After(2 * time.Millisecond)
	rec.Note("client", nil, "second")
	most := time.Since(before).Microseconds()
	events := rec.Events()
	require.GreaterOrEqual(t, events[0].US, int64(0))
	require.GreaterOrEqual(t, events[1].US-events[0].US, int64(2000))
	require.LessOrEqual(t, events[1].US, most)
}

// A stub is a connection whose calls are functions.
type stub struct {
	net.Conn
	write      func() (int, error)
	closeWrite func() error
}

func (s stub) Write([]byte) (int, error) { return s.write() }
func (s stub) CloseWrite() error         { return s.closeWrite() }

// A half-close is on record before the peer can see it, and so is a close.
func TestCloseWriteComesFirst(t *testing.T) {
	a, b := net.Pipe()
	defer a.Close()
	defer b.Close()
	rec := timeline.NewRecorder("scene")
	seen := ""
	conn := rec.Conn("client", stub{Conn: a, closeWrite: func() error {
		seen = ops(rec.Events())
		return nil
	}})
	require.NoError(t, conn.(interface{ CloseWrite() error }).CloseWrite())
	require.Equal(t, "client close-write", seen)
}

// All that systems say of a connection which the peer has left is a reset.
func TestResets(t *testing.T) {
	for _, errno := range []syscall.Errno{syscall.ECONNRESET, syscall.EPIPE, 10053, 10054} {
		a, b := net.Pipe()
		rec := timeline.NewRecorder("scene")
		conn := rec.Conn("client", stub{Conn: a, write: func() (int, error) {
			return 0, &net.OpError{Op: "write", Net: "tcp", Err: os.NewSyscallError("write", errno)}
		}})
		_, err := conn.Write([]byte("x"))
		require.ErrorIs(t, err, errno)
		require.Equal(t, "client reset", ops(rec.Events()))
		require.Equal(t, errno.Error(), rec.Events()[0].Err)
		a.Close()
		b.Close()
	}
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
	require.ErrorIs(t, err, syscall.ECONNRESET)
	addr, err := loopback.FreeAddr()
	require.NoError(t, err)
	_, err = rec.Dial("client", addr, func(addr string) (net.Conn, error) { return net.Dial("tcp", addr) })
	require.ErrorIs(t, err, syscall.ECONNREFUSED)

	events := rec.Events()
	require.Equal(t, "server timeout, client close, server reset, client dial", ops(events))
	require.Equal(t, "connection reset by peer", events[2].Err, "the cause, without addresses")
	require.Equal(t, "connection with a reset", events[1].Text)
	require.Equal(t, []string{
		"server waited until its deadline, and nothing came",
		"server met a dead connection: connection reset by peer",
		"client could not connect: connection refused",
	}, timeline.Verdicts(events))
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
	conn := timeline.NewRecorder("scene").Conn("client", below)
	defer conn.Close()
	out := []byte("hello")
	n, err := conn.Write(out)
	require.NoError(t, err)
	require.Equal(t, 5, n)
	n, err = conn.Write(nil)
	require.NoError(t, err)
	require.Zero(t, n)
	_, err = s.Write([]byte("abc"))
	require.NoError(t, err)
	in := make([]byte, 2)
	n, err = conn.Read(in)
	require.NoError(t, err)
	require.Equal(t, "ab", string(in[:n]))
	queued, err := loopback.Queued(conn, 10)
	require.Equal(t, err, errors.ErrUnsupported, "a spy shows no socket, and the recorder does not invent one")
	require.Zero(t, queued)
	require.Equal(t, 1, below.reads)
	require.Equal(t, 2, below.writes)
	require.Same(t, &out[0], &below.buffers[0][0])
	require.Same(t, &in[0], &below.buffers[2][0])
	require.Equal(t, c.LocalAddr(), conn.LocalAddr())
	require.Equal(t, c.RemoteAddr(), conn.RemoteAddr())
}

// What a connection cannot do, its wrapper cannot do either.
func TestUnsupported(t *testing.T) {
	a, b := net.Pipe()
	defer b.Close()
	conn := timeline.NewRecorder("scene").Conn("client", a)
	defer conn.Close()
	require.ErrorIs(t, conn.(interface{ CloseWrite() error }).CloseWrite(), errors.ErrUnsupported)
	require.ErrorIs(t, conn.(interface{ SetNoDelay(bool) error }).SetNoDelay(true), errors.ErrUnsupported)
	require.ErrorIs(t, conn.(interface{ SetLinger(int) error }).SetLinger(0), errors.ErrUnsupported)
	_, err := conn.(syscall.Conn).SyscallConn()
	require.ErrorIs(t, err, errors.ErrUnsupported)
}

// Causes come before their effects in Seq, however many goroutines there are.
func TestConcurrent(t *testing.T) {
	rec := timeline.NewRecorder("crowd")
	var all sync.WaitGroup
	for range 20 {
		client, server := pair(t, rec)
		all.Add(2)
		go func() {
			defer all.Done()
			for range 50 {
				client.Write([]byte("ping"))
			}
			client.Close()
		}()
		go func() {
			defer all.Done()
			io.Copy(io.Discard, server)
		}()
	}
	all.Wait()
	events := rec.Events()
	sent, got := map[string]int{}, map[string]int{}
	for i, e := range events {
		require.Equal(t, i+1, e.Seq)
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
	require.NoError(t, timeline.Text(io.Discard, events, timeline.Style{Width: 80}))
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
}

// A call that still blocks is not an event yet.
func TestPending(t *testing.T) {
	rec := timeline.NewRecorder("scene")
	client, server := pair(t, rec)
	require.NoError(t, server.(interface{ SetLinger(int) error }).SetLinger(0))
	written := make(chan error, 1)
	go func() {
		_, err := client.Write(make([]byte, 256<<20)) // more than all queues hold
		written <- err
	}()
	require.NoError(t, loopback.WaitQueued(server, 1))
	require.Empty(t, rec.Events(), "it is under way")
	server.Close()
	require.Error(t, <-written)
	events := rec.Events()
	require.Equal(t, "client reset, server close", ops(events[len(events)-2:]), "in the order in which they began")
	require.Less(t, events[len(events)-2].N, 256<<20, "what went before it failed")
}

func TestJSON(t *testing.T) {
	rec := timeline.NewRecorder("scene")
	client, server := pair(t, rec)
	_, err := client.Write(bytes.Repeat([]byte{0xff, '<'}, 200))
	require.NoError(t, err)
	read(t, server, 400)
	rec.Note("server", []byte("x"), "message %d:", 1)
	rec.State(3, "state")
	rec.Verdict("verdict")
	var out bytes.Buffer
	require.NoError(t, timeline.WriteJSON(&out, rec.Events()))
	var back []timeline.Event
	for line := range strings.Lines(out.String()) {
		var e timeline.Event
		require.NoError(t, json.Unmarshal([]byte(line), &e))
		back = append(back, e)
	}
	require.Equal(t, rec.Events(), back)
	require.Equal(t, 400, back[0].N)
	require.Len(t, back[0].Data, 256, "the first 256 bytes")
	require.Contains(t, out.String(), `"op":"send"`)
	require.Contains(t, out.String(), `"text":"\\xff<\\xff<`, "as it is, not as HTML wants it")
	require.Error(t, timeline.WriteJSON(full{}, back))
}

type full struct{}

func (full) Write([]byte) (int, error) { return 0, syscall.ENOSPC }
