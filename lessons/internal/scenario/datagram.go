package scenario

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"runtime"
	"sync"
	"time"

	"socketbook/tools/loopback"
	"socketbook/tools/timeline"
)

// PacketPrograms are the two sides of a UDP lesson, as its server.go and client.go have them.
type PacketPrograms struct {
	Serve func(pc net.PacketConn) error
	Dial  func(addr string) (net.Conn, error)
	Talk  func(conn net.Conn, in io.Reader, out io.Writer) error
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

// sendBuffer is room for the largest datagram: by default macOS sends no more than 9216 bytes at once.
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

// StartPacketOn is StartPacket with a socket that the caller made and has recorded. Idle counts reads there, and Stop
// waits for a read: every datagram must have been answered.
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

// Converse lets the client talk to the server, line by line. It returns what the client printed.
func Converse(rec *timeline.Recorder, p PacketPrograms, lines ...string) (printed []string, err error) {
	server, err := StartPacket(rec, p.Serve)
	if err != nil {
		return nil, err
	}
	defer server.Stop()
	conn, err := rec.Dial("client", server.Addr, roomy(p.Dial))
	if err != nil {
		return nil, err
	}
	defer conn.Close()
	return Talk(rec, "client", p.Talk, conn, lines...)
}

// packetPair returns a recorded socket of a server, the same one not recorded, for looking into its queue, and a recorded client that is
// connected to it. The caller closes server and client.
func packetPair(rec *timeline.Recorder) (client net.Conn, server net.PacketConn, queue *net.UDPConn, err error) {
	c, s, err := loopback.UDP()
	if err != nil {
		return nil, nil, nil, err
	}
	server = rec.PacketConn("server", s)
	client, err = rec.Dial("client", s.LocalAddr().String(), func(string) (net.Conn, error) { return c, nil })
	return client, server, s, err
}

// sendBeforeRead sends the messages, and returns when nobody has read them yet.
func sendBeforeRead(rec *timeline.Recorder, client net.Conn, queue *net.UDPConn, messages ...string) error {
	for _, message := range messages {
		if _, err := client.Write([]byte(message)); err != nil {
			return err
		}
		if err := loopback.WaitQueued(queue, 1); err != nil { // the first one lies there before the second one goes
			return err
		}
	}
	rec.State(len(messages), "both datagrams are sent, and nobody has read yet")
	return nil
}

// DatagramGlue is Glue for datagrams: "world" and "hello" are sent back to back, and the server comes late. Then they
// are sent again while the server keeps pace. It returns the answers, one for each message if nothing stuck.
func DatagramGlue(rec *timeline.Recorder, serve func(net.PacketConn) error) (answers []string, err error) {
	client, pc, queue, err := packetPair(rec)
	if err != nil {
		return nil, err
	}
	defer client.Close()
	messages := []string{"world", "hello"}
	if err := sendBeforeRead(rec, client, queue, messages...); err != nil {
		pc.Close()
		return nil, err
	}
	server := StartPacketOn(pc, serve)
	defer server.Stop()
	client.SetReadDeadline(time.Now().Add(loopback.Patience))
	buf := make([]byte, 1024)
	for range messages {
		n, err := client.Read(buf)
		if err != nil {
			return answers, err
		}
		answers = append(answers, string(buf[:n]))
	}
	server.Idle(len(messages) + 1)
	rec.State(0, "now a server that keeps pace")
	for _, message := range messages {
		answer, err := exchange(client, message)
		if err != nil {
			return answers, err
		}
		answers = append(answers, answer)
	}
	return answers, nil
}

// AnyOrderStart lets the client open its socket before there is a server. It returns what the client printed.
func AnyOrderStart(rec *timeline.Recorder, p PacketPrograms, listen func(addr string) (net.PacketConn, error)) (printed []string, err error) {
	addr, err := loopback.FreePacketAddr()
	if err != nil {
		return nil, err
	}
	conn, err := rec.Dial("client", addr, p.Dial)
	if err != nil {
		return nil, err
	}
	defer conn.Close()
	rec.State(0, "dialling reported no error, and nobody is there: nothing was sent")
	pc, err := listen(addr)
	if err != nil {
		return nil, err
	}
	server := StartPacketOn(rec.PacketConn("server", pc), p.Serve)
	defer server.Stop()
	defer conn.Close()
	printed, err = Talk(rec, "client", p.Talk, conn, "hello")
	if err == nil {
		rec.Verdict("the client started first, and %s", answered(len(printed)))
	}
	return printed, err
}

func answered(n int) string {
	if n == 0 {
		return "was not answered"
	}
	return "was answered all the same"
}

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

// Nobody lets a client send to a port where nobody is, and wait for an answer. It returns the error that it met:
// os.ErrDeadlineExceeded when nothing came, after Hang.
func Nobody(rec *timeline.Recorder, open Open) (met error, err error) {
	addr, err := loopback.FreePacketAddr()
	if err != nil {
		return nil, err
	}
	conn, err := open(rec, addr)
	if err != nil {
		return nil, err
	}
	defer conn.Close()
	sayWhoIsHeard(rec, conn)
	if _, err := conn.Write([]byte("anybody?")); err != nil {
		return nil, err
	}
	rec.State(0, "the send reported no error")
	wait := refusalTime()
	if hearsAnybody(conn) { // and is told nothing
		wait = Hang
	}
	conn.SetReadDeadline(time.Now().Add(wait))
	_, met = conn.Read(make([]byte, 1024))
	if errors.Is(met, os.ErrDeadlineExceeded) {
		rec.Verdict("the send reported no error, and the read would wait for ever")
	} else {
		rec.Verdict("the send reported no error, the next call does: %s", reason(met))
	}
	return met, nil
}

// hearsAnybody tells the sockets of Unconnected from those of Connected.
func hearsAnybody(conn net.Conn) bool {
	_, ok := conn.(net.PacketConn)
	return ok
}

func sayWhoIsHeard(rec *timeline.Recorder, conn net.Conn) {
	if hearsAnybody(conn) {
		rec.State(0, "the client's socket is not connected: it hears from anybody")
	} else {
		rec.State(0, "the client's socket is connected: it hears from that address alone")
	}
}

// refusalTime bounds the wait for the word that nobody took a datagram. It comes at once, and the bound is a watchdog;
// on Windows Go switches it off, and it never comes.
func refusalTime() time.Duration {
	if runtime.GOOS == "windows" {
		return Hang
	}
	return loopback.Patience
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

// Forged lets a third socket answer the client before the server does. It returns what the client printed.
func Forged(rec *timeline.Recorder, serve func(net.PacketConn) error, open Open, talk func(net.Conn, io.Reader, io.Writer) error) (printed []string, err error) {
	pc, err := listenPacket()
	if err != nil {
		return nil, err
	}
	may := make(chan struct{}) // closed when the server may answer
	answer := sync.OnceFunc(func() { close(may) })
	server := StartPacketOn(&slowConn{rec.PacketConn("server", pc), may}, serve)
	defer server.Stop()
	defer answer()
	conn, err := open(rec, server.Addr)
	if err != nil {
		return nil, err
	}
	defer conn.Close()
	sayWhoIsHeard(rec, conn)
	terr, ferr := both(func() (err error) {
		printed, err = Talk(rec, "client", talk, conn, "hello")
		return err
	}, func() error {
		defer answer()
		return forge(rec, conn.LocalAddr().String())
	})
	if err := errors.Join(terr, ferr); err != nil {
		return printed, err
	}
	server.Idle(2)
	rec.Verdict("the client asked the server, and printed %q", printed)
	return printed, nil
}

// forge waits until the server has the client's message, sends an answer in its place, and waits until the client has
// printed it or the attacker is told that nobody took it.
func forge(rec *timeline.Recorder, client string) error {
	ctx, cancel := context.WithTimeout(context.Background(), loopback.Patience)
	defer cancel()
	if err := rec.Wait(ctx, "the message to reach the server", timeline.Happened("server", timeline.Recv, 1)); err != nil {
		return err
	}
	rec.State(0, "the server takes its time; a third socket does not")
	var raw net.Conn
	attacker, err := rec.Dial("attacker", client, func(addr string) (conn net.Conn, err error) {
		raw, err = net.Dial("udp", addr)
		return raw, err
	})
	if err != nil {
		return err
	}
	defer attacker.Close()
	if _, err := attacker.Write([]byte("FORGED")); err != nil {
		return err
	}
	refused := make(chan error, 1)
	raw.SetReadDeadline(time.Now().Add(refusalTime()))
	go func() {
		_, err := raw.Read(make([]byte, 1))
		refused <- err
		cancel()
	}()
	if rec.Wait(ctx, "the forged answer to be printed", timeline.Happened("client", timeline.Note, 1)) == nil {
		raw.SetReadDeadline(time.Now())
		<-refused
	} else if err := <-refused; !errors.Is(err, os.ErrDeadlineExceeded) {
		rec.Note("attacker", nil, "is told: %s", reason(err))
	} else if runtime.GOOS != "windows" {
		return fmt.Errorf("the forged answer was neither printed nor refused: %w", err)
	}
	rec.State(0, "now the server answers")
	return nil
}

// slowConn is a server's socket on which the answers wait until may is closed.
type slowConn struct {
	net.PacketConn
	may chan struct{}
}

func (c *slowConn) WriteTo(b []byte, to net.Addr) (int, error) {
	<-c.may
	return c.PacketConn.WriteTo(b, to)
}
