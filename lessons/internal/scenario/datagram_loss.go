package scenario

import (
	"errors"
	"net"
	"os"
	"sync"
	"time"

	"socketbook/tools/loopback"
	"socketbook/tools/timeline"
)

// Truncated sends "hello" and "bye" to a reader that allows for messages of 3 bytes, and comes late. It returns the messages
// that the reader was handed, and the error that told it that one did not fit, if it was told.
func Truncated(rec *timeline.Recorder, receive func(pc net.PacketConn, limit int) ([]byte, error)) (got []string, told error, err error) {
	client, server, queue, err := packetPair(rec)
	if err != nil {
		return nil, nil, err
	}
	defer server.Close()
	defer client.Close()
	sent := []string{"hello", "bye"}
	if err := sendBeforeRead(rec, client, queue, sent...); err != nil {
		return nil, nil, err
	}
	server.SetReadDeadline(time.Now().Add(loopback.Patience))
	for range sent {
		message, rerr := receive(server, 3)
		switch {
		case errors.Is(rerr, os.ErrDeadlineExceeded):
			return got, told, rerr
		case rerr != nil:
			told = rerr
			rec.Note("server", nil, "is told: %s", reason(rerr))
		default:
			got = append(got, string(message))
			rec.Note("server", message, "message:")
		}
	}
	if told == nil {
		rec.Verdict("%q was sent, %q was read, and nobody met an error; the next read begins at the next datagram: %q", sent[0], got[0], got[1])
	} else {
		rec.Verdict("%q does not fit, and the reader knows; the next read begins at the next datagram: %q", sent[0], got[0])
	}
	return got, told, nil
}

// overflowing is how many datagrams QueueOverflow sends, and receiveBuffer how many bytes it asks the system to keep for the reader.
const (
	overflowing   = 2000
	receiveBuffer = 4096
)

// QueueOverflow sends 2000 datagrams to a reader that comes when all are sent. It returns how many it then read, and how
// many sends failed.
func QueueOverflow(rec *timeline.Recorder) (read, failed int, err error) {
	client, server, queue, err := packetPair(rec)
	if err != nil {
		return 0, 0, err
	}
	defer server.Close()
	defer client.Close()
	if err := queue.SetReadBuffer(receiveBuffer); err != nil {
		return 0, 0, err
	}
	for range overflowing {
		if _, err := client.Write([]byte("datagram")); err != nil {
			failed++
		}
	}
	errs := "no send"
	if failed > 0 {
		errs = plural(failed, "send")
	}
	rec.State(overflowing, "%d datagrams are sent, %s reported an error, and nobody has read yet", overflowing, errs)
	const last = "that was all"
	buf := make([]byte, 64)
	for { // until the queue is empty; then there is room for the last word
		queued, err := loopback.Queued(queue, 1)
		if err != nil {
			return read, failed, err
		}
		if queued == 0 {
			break
		}
		if _, _, err := server.ReadFrom(buf); err != nil {
			return read, failed, err
		}
		read++
	}
	if _, err := client.Write([]byte(last)); err != nil {
		return read, failed, err
	}
	server.SetReadDeadline(time.Now().Add(loopback.Patience))
	for { // what the kernel had still under way comes before it
		n, _, err := server.ReadFrom(buf)
		if err != nil {
			return read, failed, err
		}
		if string(buf[:n]) == last {
			break
		}
		read++
	}
	rec.Verdict("%d of %d vanished, and %s reported an error", overflowing-read-failed, overflowing, errs)
	return read, failed, nil
}

// BothWait lets the client's datagram be lost on the way: the server waits for a message and the client for an answer. When
// that is certain the scene sees to it that the client's wait ends after Hang, whether the client has set a deadline or not. It
// returns whether it had, and what its talk function returned.
func BothWait(rec *timeline.Recorder, p PacketPrograms) (deadline bool, ended error, err error) {
	pc, err := listenPacket()
	if err != nil {
		return false, nil, err
	}
	l := &loss{rec: rec}
	server := StartPacketOn(rec.PacketConn("server", &lossyConn{pc, l}), p.Serve)
	defer server.Stop()
	conn, err := rec.Dial("client", server.Addr, p.Dial)
	if err != nil {
		return false, nil, err
	}
	defer conn.Close()
	conn.SetReadDeadline(time.Now().Add(loopback.Patience)) // a watchdog, in case that the scene never becomes certain
	_, ended = Talk(rec, "client", p.Talk, &awaitedConn{conn, l}, "hello")
	if l.deadline {
		rec.Note("client", nil, "gives up: %v", ended)
		rec.Verdict("the client has a deadline: %v", ended)
	} else {
		rec.Verdict("the client has no deadline: it would wait for ever")
	}
	return l.deadline, ended, nil
}

// loss knows what both ends of a lossy way do.
type loss struct {
	rec *timeline.Recorder

	mu       sync.Mutex
	lost     bool     // the datagram
	waiting  net.Conn // the client's end, when it sits in Read
	deadline bool     // the client has set one
}

// happens records a change. Once the datagram is lost and the client waits, nothing can come any more.
func (l *loss) happens(change func()) {
	l.mu.Lock()
	defer l.mu.Unlock()
	before := l.lost && l.waiting != nil
	change()
	if !before && l.lost && l.waiting != nil {
		until := "this would go on for ever"
		if l.deadline {
			until = "the client has set a deadline, and the scene brings it forward"
		}
		l.rec.State(0, "the datagram is lost on the way; both sides read, and nothing will come: %s", until)
		l.waiting.SetReadDeadline(time.Now().Add(Hang))
	}
}

// lossyConn is a socket on the way to which the first datagram is lost.
type lossyConn struct {
	net.PacketConn
	loss *loss
}

func (c *lossyConn) ReadFrom(b []byte) (int, net.Addr, error) {
	n, from, err := c.PacketConn.ReadFrom(b)
	if err != nil || c.loss.lost {
		return n, from, err
	}
	c.loss.happens(func() { c.loss.lost = true })
	return c.PacketConn.ReadFrom(b)
}

// awaitedConn is the client's end.
type awaitedConn struct {
	net.Conn
	loss *loss
}

func (c *awaitedConn) SetReadDeadline(t time.Time) error {
	c.loss.happens(func() { c.loss.deadline = !t.IsZero() })
	return c.Conn.SetReadDeadline(t)
}

func (c *awaitedConn) Read(p []byte) (int, error) {
	c.loss.happens(func() { c.loss.waiting = c.Conn })
	return c.Conn.Read(p)
}
