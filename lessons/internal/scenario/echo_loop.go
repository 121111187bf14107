package scenario

import (
	"bytes"
	"errors"
	"net"
	"sync/atomic"

	"socketbook/tools/timeline"
)

// loopAnswers is how many answers a server may give in EchoLoop and EchoPair.
const loopAnswers = 20

// boundedPacketConn is a server's socket that counts writes, and closes after the given one.
type boundedPacketConn struct {
	net.PacketConn
	limit int64 // 0: none
	sent  atomic.Int64
}

func (b *boundedPacketConn) WriteTo(p []byte, to net.Addr) (int, error) {
	n, err := b.PacketConn.WriteTo(p, to)
	if b.sent.Add(1) == b.limit {
		b.Close()
	}
	return n, err
}

// EchoLoop sends one datagram to a server that has the server's own address as its sender. Anybody
// can write such a source; here the server's own socket does it, which makes the same datagram. N is
// how many answers the server gave, to itself.
func EchoLoop(serve func(net.PacketConn) error) Play {
	return func(rec *timeline.Recorder) (o Outcome, err error) {
		pc, err := listenPacket()
		if err != nil {
			return o, err
		}
		socket := &boundedPacketConn{PacketConn: rec.PacketConn("server", pc), limit: 1 + loopAnswers}
		rec.State(0, "somebody sends the server a datagram in its own name")
		if _, err := socket.WriteTo([]byte("hello"), pc.LocalAddr()); err != nil {
			return o, errors.Join(err, socket.Close())
		}
		server := StartPacketOn(socket, serve)
		for sent := int64(-1); sent != socket.sent.Load(); { // until all is read, and no answer comes
			sent = socket.sent.Load()
			server.Idle(int(sent) + 1)
		}
		err = server.Stop()
		o.N = int(socket.sent.Load()) - 1
		loopVerdict(rec, "the server answered itself", o.N)
		return o, err
	}
}

func loopVerdict(rec *timeline.Recorder, what string, answers int) {
	switch answers {
	case 0:
		rec.Verdict("the server sent no answer")
	case loopAnswers:
		rec.Verdict("%s %s; only the scene stopped it", what, times(answers))
	default:
		rec.Verdict("%s %s", what, times(answers))
	}
}

// EchoPair lets the second of two servers be made to send one datagram to the first. N is how many
// answers the first one gave.
func EchoPair(serve func(net.PacketConn) error, message string) Play {
	return func(rec *timeline.Recorder) (o Outcome, err error) {
		var sockets [2]*boundedPacketConn
		for i, side := range []string{"server", "server 2"} {
			pc, err := listenPacket()
			if err != nil {
				return o, err
			}
			defer pc.Close()
			sockets[i] = &boundedPacketConn{PacketConn: rec.PacketConn(side, pc)}
		}
		first, second := sockets[0], sockets[1]
		first.limit = loopAnswers
		rec.State(0, "somebody sends the first server a datagram in the name of the second")
		if _, err := second.WriteTo([]byte(message), first.LocalAddr()); err != nil {
			return o, err
		}
		one, two := StartPacketOn(first, serve), StartPacketOn(second, serve)
		a, b := int64(-1), int64(-1)
		for a != first.sent.Load() || b != second.sent.Load() { // as in EchoLoop
			a, b = first.sent.Load(), second.sent.Load()
			one.Idle(int(b) + 1)
			two.Idle(int(a) + 1)
		}
		err = errors.Join(one.Stop(), two.Stop())
		o.N = int(first.sent.Load())
		loopVerdict(rec, "the first server answered the second", o.N)
		return o, err
	}
}

// The scene's own format: the first byte says what a datagram is.
const (
	question = 'q'
	reply    = 'a'
)

// Question is a message that ServeTyped answers.
const Question = string(question) + "hello"

// ServeTyped answers questions in upper case, and nothing else. It ends as a lesson's servePacket
// does.
func ServeTyped(pc net.PacketConn) error {
	buf := make([]byte, 1024)
	for {
		n, from, err := pc.ReadFrom(buf)
		if errors.Is(err, net.ErrClosed) {
			return nil
		}
		if err != nil {
			return err
		}
		if n == 0 || buf[0] != question {
			continue
		}
		answer := append([]byte{reply}, bytes.ToUpper(buf[1:n])...)
		if _, err := pc.WriteTo(answer, from); err != nil {
			return err
		}
	}
}
