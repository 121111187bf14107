package scenario

import (
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"slices"
	"strings"
	"syscall"
	"time"

	"socketbook/tools/loopback"
	"socketbook/tools/netns"
	"socketbook/tools/timeline"
)

// SegmentPlay is a play in a private network whose segments are recorded. seen returns those so far.
type SegmentPlay func(
	n *netns.Network, rec *timeline.Recorder, seen func() ([]timeline.Event, error),
) (Outcome, error)

// ErrAgain is the error of a segment play that has shown nothing: the programs were kept from running
// for so long that the kernel sent what it had waited with.
var ErrAgain = errors.New("the machine was too busy")

const (
	// delayedACK is less than a kernel waits for data that an ACK can ride on: 40 ms on Linux.
	delayedACK = 30 * time.Millisecond
	// idle is less than the silence after which Linux acknowledges at once again: the time to a
	// retransmission, at least 200 ms.
	idle = 150 * time.Millisecond
)

// wired is what the plays of this file work with.
type wired struct {
	n      *netns.Network
	rec    *timeline.Recorder
	seen   func() ([]timeline.Event, error)
	ln     net.Listener
	dial   func(addr string) (net.Conn, error)
	opened []net.Conn
}

// onWire returns a play with a listener, at which nobody accepts yet. It closes what is left open.
func onWire(
	listen func(addr string) (net.Listener, error), dial func(addr string) (net.Conn, error),
	play func(w *wired) (Outcome, error),
) SegmentPlay {
	return func(
		n *netns.Network, rec *timeline.Recorder, seen func() ([]timeline.Event, error),
	) (o Outcome, err error) {
		ln, err := listen("127.0.0.1:" + serverPort)
		if err != nil {
			return o, err
		}
		w := &wired{n: n, rec: rec, seen: seen, ln: rec.Listener("server", ln), dial: dial}
		defer func() {
			for _, conn := range w.opened {
				conn.Close()
			}
			w.ln.Close()
		}()
		return play(w)
	}
}

// connect returns both ends of a new connection.
func (w *wired) connect() (client, server net.Conn, err error) {
	if client, err = w.rec.Dial("client", "127.0.0.1:"+serverPort, w.dial); err != nil {
		return nil, nil, err
	}
	w.opened = append(w.opened, client)
	if server, err = w.ln.Accept(); err != nil {
		return nil, nil, err
	}
	w.opened = append(w.opened, server)
	watchdog := time.Now().Add(loopback.Patience)
	return client, server, errors.Join(client.SetDeadline(watchdog), server.SetDeadline(watchdog))
}

// say lets one side send a message, and the other read it.
func say(from, to net.Conn, message string) error {
	if _, err := from.Write([]byte(message)); err != nil {
		return err
	}
	_, err := io.ReadFull(to, make([]byte, len(message)))
	return err
}

// end reads until the end of the stream.
func end(conn net.Conn) error {
	_, err := conn.Read(make([]byte, 1))
	if err == io.EOF {
		return nil
	}
	return errors.Join(err, errors.New("this read was to meet the end of the stream"))
}

// segments returns those of the connection, from the from-th on.
func (w *wired) segments(from int) ([]timeline.Event, error) {
	all, err := w.seen()
	return all[min(from, len(all)):], err
}

// inTime returns ErrAgain if the programs were so slow that the kernel has acknowledged for them, or in
// another way than it would have.
func (w *wired) inTime() error {
	all, err := w.seen()
	last := int64(0)
	for _, e := range timeline.Merge(w.rec.Events(), all) {
		if last > 0 && e.US-last > idle.Microseconds() {
			return ErrAgain
		}
		last = e.US
	}
	came := map[string]int64{} // connection and side → when the last segment came that asks for an ACK
	for _, e := range all {
		at, asked := came[e.Conn+e.Side]
		if e.Header.Flags == "ACK" && e.N == 0 && asked && e.US-at > delayedACK.Microseconds() {
			return ErrAgain
		}
		if e.N > 0 || strings.Contains(e.Header.Flags, "FIN") {
			came[e.Conn+e.Header.To] = e.US
		}
	}
	return err
}

// flagsOf lists the flags of segments.
func flagsOf(segments []timeline.Event) []string {
	var list []string
	for _, s := range segments {
		list = append(list, s.Header.Flags)
	}
	return list
}

// farewell returns the segments from the first FIN on.
func farewell(segments []timeline.Event) []timeline.Event {
	i := slices.IndexFunc(segments, func(s timeline.Event) bool {
		return strings.Contains(s.Header.Flags, "FIN")
	})
	return segments[max(i, 0):]
}

// The states of a connection (RFC 9293, section 3.3.2), as /proc/net/tcp numbers them.
var tcpStates = map[string]string{
	"01": "ESTABLISHED", "02": "SYN_SENT", "03": "SYN_RECV", "04": "FIN_WAIT1", "05": "FIN_WAIT2",
	"06": "TIME_WAIT", "07": "CLOSED", "08": "CLOSE_WAIT", "09": "LAST_ACK", "0B": "CLOSING",
}

// gone is the state of an end that the kernel knows nothing of any more.
const gone = "gone"

// states returns how the two ends of the connection from a client's address are (proc_net_tcp(5)).
func states(client string) (clients, servers string) {
	server := "127.0.0.1:" + serverPort
	clients, servers = gone, gone
	table, _ := os.ReadFile("/proc/self/net/tcp")
	for row := range strings.Lines(string(table)) {
		f := strings.Fields(row)
		switch {
		case len(f) < 4:
		case f[1] == tableAddr(client) && f[2] == tableAddr(server):
			clients = tcpStates[f[3]]
		case f[2] == tableAddr(client) && f[1] == tableAddr(server):
			servers = tcpStates[f[3]]
		}
	}
	return clients, servers
}

// reach waits until both ends are in these states, and records them.
func (w *wired) reach(client net.Conn, clients, servers string) error {
	addr := client.LocalAddr().String()
	err := pollFor(loopback.Patience, "states "+clients+" and "+servers, func() bool {
		c, s := states(addr)
		return c == clients && s == servers
	})
	if err == nil {
		w.rec.State(0, "states: client %s, server %s", clients, servers)
	}
	return err
}

// ThreeWay lets a client dial and both sides say a word. Got are the flags of the handshake, N is how
// many segments went before the first byte.
func ThreeWay(
	listen func(addr string) (net.Listener, error), dial func(addr string) (net.Conn, error),
) SegmentPlay {
	return onWire(listen, dial, func(w *wired) (o Outcome, err error) {
		c, s, err := w.connect()
		if err != nil {
			return o, err
		}
		err = errors.Join(w.reach(c, "ESTABLISHED", "ESTABLISHED"), say(c, s, "hello"), say(s, c, "HELLO"),
			c.Close(), end(s), s.Close(), w.reach(c, "TIME_WAIT", gone), w.inTime())
		segments, serr := w.segments(0)
		if err = errors.Join(err, serr); err != nil {
			return o, err
		}
		o.N = slices.IndexFunc(segments, func(e timeline.Event) bool { return e.N > 0 })
		o.Got = flagsOf(segments[:max(o.N, 0)])
		w.rec.Verdict("before the first byte, %d segments: %s; all segments: %d", o.N,
			strings.Join(o.Got, ", "), len(segments))
		return o, nil
	})
}

// Ack lets a client send two messages, each answered at once. Got is, for each, how it was
// acknowledged.
func Ack(
	listen func(addr string) (net.Listener, error), dial func(addr string) (net.Conn, error),
) SegmentPlay {
	return onWire(listen, dial, func(w *wired) (o Outcome, err error) {
		c, s, err := w.connect()
		if err != nil {
			return o, err
		}
		err = errors.Join(say(c, s, "hello"), say(s, c, "HELLO"), say(c, s, "again"), say(s, c, "AGAIN"),
			c.Close(), end(s), s.Close(), w.inTime())
		segments, serr := w.segments(0)
		if err = errors.Join(err, serr); err != nil {
			return o, err
		}
		for i, e := range segments {
			if e.Side != "client" || e.N == 0 {
				continue
			}
			for _, next := range segments[i+1:] {
				if next.Side == "server" && next.Header.Ack >= e.Header.Seq+uint32(e.N) {
					how := "alone"
					if next.N > 0 {
						how = "with the answer"
					}
					o.Got = append(o.Got, how)
					break
				}
			}
		}
		for i, how := range o.Got {
			w.rec.Verdict("message %d was acknowledged %s", i+1, how)
		}
		return o, nil
	})
}

// HalfClose lets a client close its writing half, and the server send on. Got are the states of
// client and server when the client has closed, and at the end; N is how many bytes came after.
func HalfClose(
	listen func(addr string) (net.Listener, error), dial func(addr string) (net.Conn, error),
) SegmentPlay {
	return onWire(listen, dial, func(w *wired) (o Outcome, err error) {
		c, s, err := w.connect()
		if err != nil {
			return o, err
		}
		const late = "still here"
		err = errors.Join(say(c, s, "that was all"), closeWrite(c), end(s),
			w.reach(c, "FIN_WAIT2", "CLOSE_WAIT"), say(s, c, late), s.Close(), end(c),
			w.reach(c, "TIME_WAIT", gone))
		if err != nil {
			return o, err
		}
		o.Got, o.N = []string{"FIN_WAIT2", "CLOSE_WAIT", "TIME_WAIT", gone}, len(late)
		w.rec.Verdict("%d bytes reached the client after its FIN: it was in FIN_WAIT2, the server in CLOSE_WAIT",
			o.N)
		return o, nil
	})
}

// FourWay closes two connections: the server of the first closes as soon as it has met the end, that of
// the second when the client is in FIN_WAIT2. Got are the flags of each farewell.
func FourWay(
	listen func(addr string) (net.Listener, error), dial func(addr string) (net.Conn, error),
) SegmentPlay {
	return onWire(listen, dial, func(w *wired) (o Outcome, err error) {
		for _, waits := range []bool{false, true} {
			before, err := w.segments(0)
			if err != nil {
				return o, err
			}
			c, s, err := w.connect()
			if err != nil {
				return o, err
			}
			err = errors.Join(say(c, s, "hello"), c.Close(), end(s))
			if err == nil && waits {
				err = w.reach(c, "FIN_WAIT2", "CLOSE_WAIT")
			}
			err = errors.Join(err, s.Close(), w.reach(c, "TIME_WAIT", gone))
			if err == nil && !waits {
				err = w.inTime()
			}
			segments, serr := w.segments(len(before))
			if err = errors.Join(err, serr); err != nil {
				return o, err
			}
			o.Got = append(o.Got, strings.Join(flagsOf(farewell(segments)), ", "))
		}
		w.rec.Verdict("the server closed at once: %d segments: %s", 1+strings.Count(o.Got[0], ","), o.Got[0])
		w.rec.Verdict("the server closed later: %d segments: %s", 1+strings.Count(o.Got[1], ","), o.Got[1])
		return o, nil
	})
}

// TimeWait closes two connections, the first one by the client, the second one by the server. Got is
// who is in TIME_WAIT afterwards.
func TimeWait(
	listen func(addr string) (net.Listener, error), dial func(addr string) (net.Conn, error),
) SegmentPlay {
	return onWire(listen, dial, func(w *wired) (o Outcome, err error) {
		for _, first := range []string{"client", "server"} {
			c, s, err := w.connect()
			if err != nil {
				return o, err
			}
			a, b, clients, servers := c, s, "TIME_WAIT", gone
			if first == "server" {
				a, b, clients, servers = s, c, gone, "TIME_WAIT"
			}
			err = errors.Join(say(c, s, "hello"), say(s, c, "HELLO"), a.Close(), end(b), b.Close(),
				w.reach(c, clients, servers))
			if err == nil {
				err = w.inTime()
			}
			if err != nil {
				return o, err
			}
			o.Got = append(o.Got, first)
			w.rec.Verdict("the %s closed first: the %s is in TIME_WAIT, the other side is gone", first, first)
		}
		return o, nil
	})
}

// RefusedOnWire dials a port where nobody listens. Got are the flags of the segments, Met what the
// dial met.
func RefusedOnWire(dial func(addr string) (net.Conn, error)) SegmentPlay {
	return func(
		_ *netns.Network, rec *timeline.Recorder, seen func() ([]timeline.Event, error),
	) (o Outcome, err error) {
		conn, err := rec.Dial("client", "127.0.0.1:"+serverPort, dial)
		if err == nil {
			conn.Close()
			return o, errors.New("somebody listens on port " + serverPort)
		}
		o.Met = err
		segments, err := seen()
		o.Got = flagsOf(segments)
		rec.Verdict("the SYN was answered by %s: %s", strings.Join(o.Got[min(1, len(o.Got)):], ", "), reason(o.Met))
		return o, err
	}
}

// Resets ends three connections with a reset: a close with bytes unread, SO_LINGER 0, and a write to a
// side that has closed. Got is what came of each.
func Resets(
	listen func(addr string) (net.Listener, error), dial func(addr string) (net.Conn, error),
) SegmentPlay {
	return onWire(listen, dial, func(w *wired) (o Outcome, err error) {
		for _, cause := range []struct {
			what, meets string
			make        func(c, s net.Conn) error // returns what the program that meets it met
		}{
			{"the server closes with bytes unread", "client", func(c, s net.Conn) error {
				_, err := c.Write([]byte("hello"))
				if err = errors.Join(err, loopback.WaitQueued(s, 5), s.Close()); err != nil {
					return err
				}
				_, err = c.Read(make([]byte, 1))
				return err
			}},
			{"the client closes with SO_LINGER 0", "server", func(c, s net.Conn) error {
				if err := loopback.Abort(c); err != nil {
					return err
				}
				_, err := s.Read(make([]byte, 1))
				return err
			}},
			{"the client writes twice after the server has closed", "client", func(c, s net.Conn) error {
				err := errors.Join(say(c, s, "hello"), say(s, c, "HELLO"), s.Close())
				_, werr := c.Write([]byte("one"))
				if err = errors.Join(err, werr, loopback.WaitDead(c)); err != nil {
					return err
				}
				_, err = c.Write([]byte("two"))
				return err
			}},
		} {
			w.rec.State(0, "%s", cause.what)
			before, err := w.segments(0)
			if err != nil {
				return o, err
			}
			c, s, err := w.connect()
			if err != nil {
				return o, err
			}
			met := cause.make(c, s)
			if met == nil {
				return o, fmt.Errorf("%s, and nothing went wrong", cause.what)
			}
			c.Close()
			s.Close()
			segments, err := w.segments(len(before))
			if err != nil {
				return o, err
			}
			resets := 0
			for _, e := range segments {
				if strings.Contains(e.Header.Flags, "RST") {
					resets++
				}
			}
			o.N += resets
			o.Got = append(o.Got, reason(met))
			w.rec.Verdict("%s: %d RST; the %s met %q", cause.what, resets, cause.meets, reason(met))
		}
		return o, w.inTime()
	})
}

// LostAndResent loses what arrives for the server until its client's kernel has sent it again. Got is
// what the server read, N how many copies of the segment went out, and Took the times between them.
func LostAndResent(
	listen func(addr string) (net.Listener, error), dial func(addr string) (net.Conn, error),
) SegmentPlay {
	return onWire(listen, dial, func(w *wired) (o Outcome, err error) {
		c, s, err := w.connect()
		if err != nil {
			return o, err
		}
		raw, err := s.(syscall.Conn).SyscallConn()
		if err != nil {
			return o, err
		}
		if err := w.n.SetDropping(raw, true); err != nil {
			return o, err
		}
		w.rec.State(0, "from now on, what arrives for the server is lost")
		if _, err := c.Write([]byte("hello")); err != nil {
			return o, err
		}
		copies := func() (list []timeline.Event) {
			segments, _ := w.seen()
			for _, e := range segments {
				if e.Side == "client" && e.N > 0 {
					list = append(list, e)
				}
			}
			return list
		}
		err = pollFor(loopback.Patience, "a segment to be sent again", func() bool { return len(copies()) > 1 })
		if err = errors.Join(err, w.n.SetDropping(raw, false)); err != nil {
			return o, err
		}
		w.rec.State(0, "from now on, nothing is lost any more")
		buf := make([]byte, 100)
		got, err := s.Read(buf)
		if err = errors.Join(err, say(s, c, "HELLO"), c.Close(), end(s), s.Close()); err != nil {
			return o, err
		}
		list := copies()
		o.Got, o.N = []string{string(buf[:got])}, len(list)
		if o.N > 3 { // one more was sent, and lost, before the filter was off
			return o, ErrAgain
		}
		if o.N < 3 {
			return o, fmt.Errorf("the first two of %d copies were to be lost, and were not", o.N)
		}
		same := true
		for i, e := range list[1:] {
			same = same && e.Header.Seq == list[0].Header.Seq && e.N == list[0].N
			o.Took = append(o.Took, time.Duration(e.US-list[i].US)*time.Microsecond)
		}
		if !same {
			return o, errors.New("what was sent again had other sequence numbers")
		}
		w.rec.Verdict("sequence number %d, %d bytes, was sent %d times: again after %s, and after %s more",
			list[0].Header.Seq, list[0].N, o.N, ms(o.Took[0]), ms(o.Took[1]))
		w.rec.Verdict("the programs noticed nothing: %q was read once, and answered", o.Got[0])
		return o, nil
	})
}

// pile is how many clients CloseWait lets come and go.
const pile = 5

// CloseWait lets clients come, say a word and leave. N is how many connections are in CLOSE_WAIT then.
func CloseWait(
	listen func(addr string) (net.Listener, error), serve func(net.Listener) error,
	dial func(addr string) (net.Conn, error), talk TalkFunc,
) SegmentPlay {
	return func(
		_ *netns.Network, rec *timeline.Recorder, seen func() ([]timeline.Event, error),
	) (o Outcome, err error) {
		ln, err := listen("127.0.0.1:" + serverPort)
		if err != nil {
			return o, err
		}
		server := StartOn(rec, ln, serve)
		var addrs []string
		for range pile {
			conn, err := rec.Dial("client", server.Addr, dial)
			if err != nil {
				return o, errors.Join(err, server.Stop())
			}
			addrs = append(addrs, conn.LocalAddr().String())
			_, err = Talk(rec, "client", talk, conn, "hello")
			if err = errors.Join(err, conn.Close()); err != nil {
				return o, errors.Join(err, server.Stop())
			}
			server.Idle(len(addrs) + 1)
		}
		w := &wired{rec: rec, seen: seen}
		if err := w.inTime(); err != nil {
			return o, errors.Join(err, server.Stop())
		}
		for _, addr := range addrs {
			err := pollFor(loopback.Patience, "an acknowledgement of each FIN", func() bool {
				c, _ := states(addr)
				return c == "FIN_WAIT2" || c == "TIME_WAIT"
			})
			if err != nil {
				return o, errors.Join(err, server.Stop())
			}
		}
		for _, addr := range addrs {
			if _, s := states(addr); s == "CLOSE_WAIT" {
				o.N++
			}
		}
		rec.State(o.N, "on the server's side %s in CLOSE_WAIT", plural(o.N, "connection"))
		segments, err := seen()
		for _, e := range segments {
			if e.Side == "server" && strings.Contains(e.Header.Flags, "FIN") {
				o.Got = append(o.Got, e.Header.Flags)
			}
		}
		rec.Verdict("%d clients have left; the server has sent %s; %s in CLOSE_WAIT",
			pile, plural(len(o.Got), "FIN"), plural(o.N, "connection"))
		return o, errors.Join(err, server.Stop())
	}
}

// LongShort sends messages over one connection, and then each over its own. Got is how many segments
// either took.
func LongShort(
	listen func(addr string) (net.Listener, error), serve func(net.Listener) error,
	dial func(addr string) (net.Conn, error), talk TalkFunc,
) SegmentPlay {
	return func(
		_ *netns.Network, rec *timeline.Recorder, seen func() ([]timeline.Event, error),
	) (o Outcome, err error) {
		ln, err := listen("127.0.0.1:" + serverPort)
		if err != nil {
			return o, err
		}
		server := StartOn(rec, ln, serve)
		defer func() { err = errors.Join(err, server.Stop()) }()
		w := &wired{rec: rec, seen: seen}
		clients, before := 0, 0
		converse := func(lines ...string) error {
			conn, err := rec.Dial("client", server.Addr, dial)
			if err != nil {
				return err
			}
			_, err = Talk(rec, "client", talk, conn, lines...)
			err = errors.Join(err, conn.Close())
			clients++
			server.Idle(clients + 1)
			return err
		}
		count := func() error {
			all, err := seen()
			o.Got = append(o.Got, fmt.Sprint(len(all)-before))
			before = len(all)
			return err
		}
		lines := []string{"one", "two", "three", "four", "five"}
		rec.State(0, "%d messages over one connection", len(lines))
		if err := errors.Join(converse(lines...), count()); err != nil {
			return o, err
		}
		rec.State(0, "%d messages, each over its own connection", len(lines))
		for _, line := range lines {
			if err := converse(line); err != nil {
				return o, err
			}
		}
		if err := errors.Join(count(), w.inTime()); err != nil {
			return o, err
		}
		rec.Verdict("%d messages over one connection: %s segments; over %d connections: %s",
			len(lines), o.Got[0], len(lines), o.Got[1])
		return o, nil
	}
}
