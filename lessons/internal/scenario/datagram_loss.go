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

// ReceiveFunc reads one message of at most limit bytes, as a stage's server does.
type ReceiveFunc func(pc net.PacketConn, limit int) ([]byte, error)

// Truncated sends "hello" and "bye" to a reader that allows for messages of 3 bytes, and comes
// late. Got are the messages that the reader was handed, Met is the error that told it that one did
// not fit.
func Truncated(receive ReceiveFunc) Play {
	return func(rec *timeline.Recorder) (o Outcome, err error) {
		client, server, queue, err := packetPair(rec)
		if err != nil {
			return o, err
		}
		defer server.Close()
		defer client.Close()
		sent := []string{"hello", "bye"}
		if err := sendBeforeRead(rec, client, queue, sent...); err != nil {
			return o, err
		}
		server.SetReadDeadline(time.Now().Add(loopback.Patience))
		for range sent {
			message, rerr := receive(server, 3)
			switch {
			case errors.Is(rerr, os.ErrDeadlineExceeded):
				return o, rerr
			case rerr != nil:
				o.Met = rerr
				rec.Note("server", nil, "is told: %s", reason(rerr))
			default:
				o.Got = append(o.Got, string(message))
				rec.Note("server", message, "message:")
			}
		}
		if o.Met == nil {
			rec.Verdict("%q was sent, %q was read, and nobody met an error; "+
				"the next read begins at the next datagram: %q", sent[0], o.Got[0], o.Got[1])
		} else {
			rec.Verdict("%q does not fit, and the reader knows; "+
				"the next read begins at the next datagram: %q", sent[0], o.Got[0])
		}
		return o, nil
	}
}

// QueueOverflow sends Overflowing datagrams to a reader that comes when all are sent, and asks the
// system to keep no more than receiveBuffer bytes for it. N is how many it then read; sends that
// failed are in the events.
func QueueOverflow() Play {
	return func(rec *timeline.Recorder) (o Outcome, err error) {
		client, server, queue, err := packetPair(rec)
		if err != nil {
			return o, err
		}
		defer server.Close()
		defer client.Close()
		if err := queue.SetReadBuffer(receiveBuffer); err != nil {
			return o, err
		}
		failed := 0
		for range Overflowing {
			if _, err := client.Write([]byte("datagram")); err != nil {
				failed++
			}
		}
		errs := "no send"
		if failed > 0 {
			errs = plural(failed, "send")
		}
		rec.State(Overflowing, "%d datagrams are sent, %s reported an error, and nobody has read yet",
			Overflowing, errs)
		if o.N, err = drain(client, server, queue); err != nil {
			return o, err
		}
		vanished := Overflowing - o.N - failed
		rec.Verdict("%d of %d vanished, and %s reported an error", vanished, Overflowing, errs)
		return o, nil
	}
}

// Overflowing is how many datagrams QueueOverflow sends, and receiveBuffer how many bytes it asks the
// system to keep for the reader.
const (
	Overflowing   = 2000
	receiveBuffer = 4096
)

// drain reads what is in the server's queue, and what the kernel has still under way, and counts it.
func drain(client net.Conn, server net.PacketConn, queue *net.UDPConn) (read int, err error) {
	const last = "that was all"
	buf := make([]byte, 64)
	for { // until the queue is empty; then there is room for the last word
		queued, err := loopback.Queued(queue, 1)
		if err != nil {
			return read, err
		}
		if queued == 0 {
			break
		}
		if _, _, err := server.ReadFrom(buf); err != nil {
			return read, err
		}
		read++
	}
	if _, err := client.Write([]byte(last)); err != nil {
		return read, err
	}
	server.SetReadDeadline(time.Now().Add(loopback.Patience))
	for { // what the kernel had still under way comes before it
		n, _, err := server.ReadFrom(buf)
		if err != nil {
			return read, err
		}
		if string(buf[:n]) == last {
			return read, nil
		}
		read++
	}
}

// BothWait lets the client's datagram be lost on the way: the server waits for a message and the
// client for an answer. When that is certain the scene sees to it that the client's wait ends after
// Hang, whether the client has set a deadline or not. Stuck is whether it had not, Met what its
// talk function returned, and Took the time from the deadline that it set back to when it did.
func BothWait(p PacketPrograms) Play {
	return func(rec *timeline.Recorder) (o Outcome, err error) {
		pc, err := listenPacket()
		if err != nil {
			return o, err
		}
		l := &loss{rec: rec}
		server := StartPacketOn(rec.PacketConn("server", &lossyConn{pc, l}), p.Serve)
		defer server.Stop()
		conn, err := rec.Dial("client", server.Addr, p.Dial)
		if err != nil {
			return o, err
		}
		defer conn.Close()
		conn.SetReadDeadline(time.Now().Add(loopback.Patience)) // a watchdog: it may never become certain
		_, o.Met = Talk(rec, "client", p.Talk, &awaitedConn{conn, l}, "hello")
		o.Stuck = !l.deadline
		if o.Stuck {
			rec.Verdict("the client has no deadline: it would wait forever")
			return o, nil
		}
		o.Took = []time.Duration{l.patience}
		rec.Note("client", nil, "gives up: %v", o.Met)
		rec.Verdict("the client has a deadline: %v", o.Met)
		return o, nil
	}
}

// loss knows what both ends of a lossy way do.
type loss struct {
	rec *timeline.Recorder

	mu       sync.Mutex
	lost     bool          // the datagram
	waiting  net.Conn      // the client's end, when it is in Read
	deadline bool          // the client has set one
	patience time.Duration // how far in the future it was then
}

// happens records a change. Once the datagram is lost and the client waits, nothing can come any
// more.
func (l *loss) happens(change func()) {
	l.mu.Lock()
	defer l.mu.Unlock()
	before := l.lost && l.waiting != nil
	change()
	if !before && l.lost && l.waiting != nil {
		until := "this would go on forever"
		if l.deadline {
			until = "the client has set a deadline, and the scene brings it forward"
		}
		l.rec.State(0,
			"the datagram is lost on the way; both sides read, and nothing will come: %s", until)
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
	c.loss.happens(func() { c.loss.deadline, c.loss.patience = !t.IsZero(), time.Until(t) })
	return c.Conn.SetReadDeadline(t)
}

func (c *awaitedConn) Read(p []byte) (int, error) {
	c.loss.happens(func() { c.loss.waiting = c.Conn })
	return c.Conn.Read(p)
}
