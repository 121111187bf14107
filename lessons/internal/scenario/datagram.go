package scenario

import (
	"net"
	"strconv"
	"strings"
	"sync"
	"time"

	"socketbook/tools/loopback"
	"socketbook/tools/timeline"
)

// PacketPrograms are the two sides of a UDP lesson, as its server.go and client.go have them.
type PacketPrograms struct {
	Serve func(pc net.PacketConn) error
	Dial  func(addr string) (net.Conn, error)
	Talk  TalkFunc
}

// Open makes the client's socket for the server at addr, recorded.
type Open func(rec *timeline.Recorder, addr string) (net.Conn, error)

// Connected opens the client's socket with a lesson's dial function.
func Connected(dial func(addr string) (net.Conn, error)) Open {
	return func(rec *timeline.Recorder, addr string) (net.Conn, error) {
		return rec.Dial("client", addr, roomy(dial))
	}
}

// Unconnected opens a socket that may hear from anybody, and lets wrap make a net.Conn of it.
func Unconnected(wrap func(pc net.PacketConn, server net.Addr) net.Conn) Open {
	return func(rec *timeline.Recorder, addr string) (net.Conn, error) {
		server, err := net.ResolveUDPAddr("udp", addr)
		if err != nil {
			return nil, err
		}
		pc, err := listenPacket()
		if err != nil {
			return nil, err
		}
		return wrap(rec.Unconnected("client", pc), server), nil
	}
}

// sendBuffer is room for the largest datagram: by default macOS sends no more than 9216 bytes at
// once.
const sendBuffer = 128 << 10

func roomy(dial func(addr string) (net.Conn, error)) func(addr string) (net.Conn, error) {
	return func(addr string) (net.Conn, error) {
		conn, err := dial(addr)
		if udp, ok := conn.(*net.UDPConn); ok {
			udp.SetWriteBuffer(sendBuffer)
		}
		return conn, err
	}
}

func listenPacket() (net.PacketConn, error) {
	pc, err := net.ListenPacket("udp", "127.0.0.1:0")
	if udp, ok := pc.(*net.UDPConn); ok {
		udp.SetWriteBuffer(sendBuffer)
	}
	return pc, err
}

// StartPacket is Start for a server of datagrams.
func StartPacket(rec *timeline.Recorder, serve func(net.PacketConn) error) (*Server, error) {
	pc, err := listenPacket()
	if err != nil {
		return nil, err
	}
	return StartPacketOn(rec.PacketConn("server", pc), serve), nil
}

// StartPacketOn is StartPacket with a socket that the caller made and has recorded. Idle counts
// reads there, and Stop waits for a read: every datagram must have been answered.
func StartPacketOn(pc net.PacketConn, serve func(net.PacketConn) error) *Server {
	s := &Server{Addr: pc.LocalAddr().String(), ln: pc}
	s.changed = sync.NewCond(&s.mu)
	go func() {
		err := serve(&watchedPacketConn{pc, s})
		pc.Close()
		s.update(func() { s.returned, s.err = true, err })
	}()
	return s
}

type watchedPacketConn struct {
	net.PacketConn
	s *Server
}

func (p *watchedPacketConn) ReadFrom(b []byte) (int, net.Addr, error) {
	p.s.update(func() { p.s.accepts, p.s.waiting = p.s.accepts+1, true })
	n, from, err := p.PacketConn.ReadFrom(b)
	p.s.update(func() { p.s.waiting = false })
	return n, from, err
}

// Converse lets the client talk to the server, line by line. Got is what the client printed.
func Converse(p PacketPrograms, lines ...string) Play {
	return func(rec *timeline.Recorder) (o Outcome, err error) {
		server, err := StartPacket(rec, p.Serve)
		if err != nil {
			return o, err
		}
		defer server.Stop()
		conn, err := rec.Dial("client", server.Addr, roomy(p.Dial))
		if err != nil {
			return o, err
		}
		defer conn.Close()
		o.Got, err = Talk(rec, "client", p.Talk, conn, lines...)
		return o, err
	}
}

// Sizes is Converse with a verdict on the sizes of the messages and of the answers.
func Sizes(p PacketPrograms, lines ...string) Play {
	return func(rec *timeline.Recorder) (Outcome, error) {
		o, err := Converse(p, lines...)(rec)
		rec.Verdict("messages of %s bytes; answers of %s bytes", sizes(lines), sizes(o.Got))
		return o, err
	}
}

// sizes lists lengths as "3, 4 and 5".
func sizes(texts []string) string {
	var list strings.Builder
	for i, text := range texts {
		switch {
		case i == 0:
		case i == len(texts)-1:
			list.WriteString(" and ")
		default:
			list.WriteString(", ")
		}
		list.WriteString(strconv.Itoa(len(text)))
	}
	return list.String()
}

// packetPair returns a recorded socket of a server, the same one not recorded, for looking into its
// queue, and a recorded client that is connected to it. The caller closes server and client.
func packetPair(
	rec *timeline.Recorder,
) (client net.Conn, server net.PacketConn, queue *net.UDPConn, err error) {
	c, s, err := loopback.UDP()
	if err != nil {
		return nil, nil, nil, err
	}
	server = rec.PacketConn("server", s)
	client, err = rec.Dial("client", s.LocalAddr().String(),
		func(string) (net.Conn, error) { return c, nil })
	return client, server, s, err
}

// sendBeforeRead sends the messages, and returns when nobody has read them yet.
func sendBeforeRead(rec *timeline.Recorder, client net.Conn, queue *net.UDPConn, messages ...string) error {
	for _, message := range messages {
		if _, err := client.Write([]byte(message)); err != nil {
			return err
		}
		if err := loopback.WaitQueued(queue, 1); err != nil { // the first is there before the second goes
			return err
		}
	}
	rec.State(len(messages), "both datagrams are sent, and nobody has read yet")
	return nil
}

// DatagramGlue is Glue for datagrams: "world" and "hello" are sent back to back, and the server
// comes late. Then they are sent again while the server keeps pace. Got are the answers, one for
// each message if nothing stuck.
func DatagramGlue(serve func(net.PacketConn) error) Play {
	return func(rec *timeline.Recorder) (o Outcome, err error) {
		client, pc, queue, err := packetPair(rec)
		if err != nil {
			return o, err
		}
		defer client.Close()
		messages := []string{"world", "hello"}
		if err := sendBeforeRead(rec, client, queue, messages...); err != nil {
			pc.Close()
			return o, err
		}
		server := StartPacketOn(pc, serve)
		defer server.Stop()
		client.SetReadDeadline(time.Now().Add(loopback.Patience))
		buf := make([]byte, 1024)
		for range messages {
			n, err := client.Read(buf)
			if err != nil {
				return o, err
			}
			o.Got = append(o.Got, string(buf[:n]))
		}
		server.Idle(len(messages) + 1)
		rec.State(0, "now a server that keeps pace")
		for _, message := range messages {
			answer, err := exchange(client, message)
			if err != nil {
				return o, err
			}
			o.Got = append(o.Got, answer)
		}
		return o, nil
	}
}

// AnyOrderStart lets the client open its socket before there is a server. Got is what the client
// printed.
func AnyOrderStart(p PacketPrograms, listen func(addr string) (net.PacketConn, error)) Play {
	return func(rec *timeline.Recorder) (o Outcome, err error) {
		addr, err := loopback.FreePacketAddr()
		if err != nil {
			return o, err
		}
		conn, err := rec.Dial("client", addr, p.Dial)
		if err != nil {
			return o, err
		}
		defer conn.Close()
		rec.State(0, "dialling reported no error, and nobody is there: nothing was sent")
		pc, err := listen(addr)
		if err != nil {
			return o, err
		}
		server := StartPacketOn(rec.PacketConn("server", pc), p.Serve)
		defer server.Stop()
		defer conn.Close()
		o.Got, err = Talk(rec, "client", p.Talk, conn, "hello")
		if err == nil {
			rec.Verdict("the client started first, and %s", answered(len(o.Got)))
		}
		return o, err
	}
}

func answered(n int) string {
	if n == 0 {
		return "was not answered"
	}
	return "was answered all the same"
}
