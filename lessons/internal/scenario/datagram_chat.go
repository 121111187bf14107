package scenario

import (
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"sync"
	"time"

	"socketbook/tools/loopback"
	"socketbook/tools/timeline"
)

// OpenFrom makes a recorded socket of one side of a chat: own is its address, peer where it sends.
type OpenFrom func(rec *timeline.Recorder, side, own, peer string) (net.Conn, error)

// ConnectedFrom opens it with a lesson's function.
func ConnectedFrom(dial func(own, addr string) (net.Conn, error)) OpenFrom {
	return func(rec *timeline.Recorder, side, own, peer string) (net.Conn, error) {
		return rec.Dial(side, peer, func(addr string) (net.Conn, error) { return dial(own, addr) })
	}
}

// UnconnectedFrom opens one that hears from anybody, and lets wrap make a net.Conn of it.
func UnconnectedFrom(wrap func(pc net.PacketConn, peer net.Addr) net.Conn) OpenFrom {
	return func(rec *timeline.Recorder, side, own, peer string) (net.Conn, error) {
		to, err := net.ResolveUDPAddr("udp", peer)
		if err != nil {
			return nil, err
		}
		pc, err := net.ListenPacket("udp", own)
		if err != nil {
			return nil, err
		}
		return wrap(rec.PacketConn(side, pc), to), nil
	}
}

// chatter is somebody in a chat of datagrams.
type chatter struct {
	side     string
	conn     net.Conn
	out      *printed
	keyboard *io.PipeWriter
	deaf     bool         // talk has stopped reading
	done     func() error // waits until talk has returned and conn is closed; what it returned
}

// sitDown lets a talk function work on conn, with a keyboard that the scenario types on.
func sitDown(rec *timeline.Recorder, side string, conn net.Conn, talk TalkFunc) *chatter {
	in, keyboard := io.Pipe()
	watched := &endedConn{Conn: conn, ended: make(chan struct{})}
	c := &chatter{side: side, conn: watched, out: &printed{rec: rec, side: side}, keyboard: keyboard}
	done := inBackground(func() error {
		err := talk(watched, in, c.out)
		in.Close()
		conn.Close()
		return err
	})
	c.done = sync.OnceValue(func() error {
		err := <-done
		if !c.deaf {
			select {
			case <-watched.ended:
			case <-time.After(loopback.Patience):
			}
		}
		return err
	})
	return c
}

// types types a line. Nobody reads it if talk has returned.
func (c *chatter) types(line string) { io.WriteString(c.keyboard, line+"\n") }

// leave ends the input, waits until conn is closed and nobody reads it any more, and returns what
// talk returned.
func (c *chatter) leave() error {
	c.keyboard.Close()
	return c.done()
}

// endedConn tells when its reader has met the end: it is closed, or its deadline has passed.
type endedConn struct {
	net.Conn
	once  sync.Once
	ended chan struct{}
}

func (c *endedConn) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	if errors.Is(err, net.ErrClosed) || errors.Is(err, os.ErrDeadlineExceeded) {
		c.once.Do(func() { close(c.ended) })
	}
	return n, err
}

// twoChatters returns anna and ben, each of whom sends to the other.
func twoChatters(rec *timeline.Recorder, open OpenFrom, anna, ben TalkFunc) (a, b *chatter, err error) {
	addrs, err := freeAddrs(2)
	if err != nil {
		return nil, nil, err
	}
	annas, err := open(rec, "anna", addrs[0], addrs[1])
	if err != nil {
		return nil, nil, err
	}
	bens, err := open(rec, "ben", addrs[1], addrs[0])
	if err != nil {
		annas.Close()
		return nil, nil, err
	}
	return sitDown(rec, "anna", annas, anna), sitDown(rec, "ben", bens, ben), nil
}

// freeAddrs returns different addresses to which no socket is bound.
func freeAddrs(n int) (addrs []string, err error) {
	for len(addrs) < n {
		addr, err := loopback.FreePacketAddr()
		if err != nil {
			return nil, err
		}
		known := false
		for _, other := range addrs {
			known = known || other == addr
		}
		if !known {
			addrs = append(addrs, addr)
		}
	}
	return addrs, nil
}

// DatagramTalk lets anna speak twice and ben once, each when the one before was read. Got is what
// ben printed, and then what anna did.
func DatagramTalk(open OpenFrom, talk TalkFunc) Play {
	return func(rec *timeline.Recorder) (o Outcome, err error) {
		anna, ben, err := twoChatters(rec, open, talk, talk)
		if err != nil {
			return o, err
		}
		defer ben.leave()
		defer anna.leave()
		anna.types("你好")
		err = wait(rec, "the first line", prints("ben", 1))
		anna.types("在吗？")
		err = errors.Join(err, wait(rec, "the second line", prints("ben", 2)))
		ben.types("hello")
		err = errors.Join(err, wait(rec, "the answer", prints("anna", 1)), anna.leave(), ben.leave())
		o.Got = append(ben.out.lines(), anna.out.lines()...)
		rec.Verdict("ben reads %q, anna reads %q; each character of GB2312 took two bytes",
			ben.out.lines(), anna.out.lines())
		return o, err
	}
}

// OneLine lets a user type one line to an address where nobody is. Met is what say returned.
func OneLine(dial func(addr string) (net.Conn, error), say TalkFunc) Play {
	return func(rec *timeline.Recorder) (o Outcome, err error) {
		addr, err := loopback.FreePacketAddr()
		if err != nil {
			return o, err
		}
		conn, err := rec.Dial("client", addr, dial)
		if err != nil {
			return o, err
		}
		defer conn.Close()
		o.Got, o.Met = Talk(rec, "client", say, conn, "你好")
		o.N = timeline.Count(rec.Events(), "client", timeline.Send)
		rec.State(0, "nobody was there")
		told := "and the program met no error"
		if o.Met != nil {
			told = fmt.Sprintf("and the program met an error: %v", o.Met)
		}
		rec.Verdict("%s sent to nobody, %s", plural(o.N, "datagram"), told)
		return o, nil
	}
}

// Unencodable lets anna type four lines, of which two have characters that their encoding lacks.
// Got is what ben printed, Met what anna's talk function returned.
func Unencodable(open OpenFrom, talk TalkFunc) Play {
	return func(rec *timeline.Recorder) (o Outcome, err error) {
		anna, ben, err := twoChatters(rec, open, talk, talk)
		if err != nil {
			return o, err
		}
		defer ben.leave()
		defer anna.leave()
		typed := []string{"你好", "我叫镕基", "😀", "再见"}
		for i, line := range typed {
			anna.types(line)
			err := wait(rec, "something to come of "+line, func(events []timeline.Event) bool {
				return printedBy(events, "ben", "anna") > i ||
					timeline.Count(events, "anna", timeline.Close) > 0
			})
			if err != nil {
				return o, err
			}
		}
		o.Met = anna.leave()
		err = ben.leave()
		o.Got = ben.out.lines()
		told := "and anna's chat went on to the end"
		if o.Met != nil {
			told = fmt.Sprintf("and anna's chat ended: %v", o.Met)
		}
		rec.Verdict("anna typed %d lines, ben read %q, %s", len(typed), o.Got, told)
		return o, err
	}
}

// printedBy counts the lines that some sides have printed.
func printedBy(events []timeline.Event, sides ...string) (n int) {
	for _, side := range sides {
		n += timeline.Count(events, side, timeline.Note)
	}
	return n
}

// Undecodable lets a program in another encoding speak to somebody, and then others. Got is what
// that one's talk function printed, each line within watch. Stuck is whether one was missing.
func Undecodable(talk TalkFunc, watch time.Duration, messages ...string) Play {
	return func(rec *timeline.Recorder) (o Outcome, err error) {
		pc, err := listenPacket()
		if err != nil {
			return o, err
		}
		anna := rec.PacketConn("anna", pc)
		defer anna.Close()
		conn, err := rec.Dial("ben", pc.LocalAddr().String(), func(addr string) (net.Conn, error) {
			return net.Dial("udp", addr)
		})
		if err != nil {
			return o, err
		}
		ben := sitDown(rec, "ben", conn, talk)
		defer ben.leave()
		for i, message := range messages {
			if _, err := anna.WriteTo([]byte(message), conn.LocalAddr()); err != nil {
				return o, err
			}
			if i == 0 {
				err = wait(rec, "the message to be read", timeline.Happened("ben", timeline.Recv, 1))
			}
			if err != nil {
				return o, err
			}
			o.Stuck = o.Stuck || !happensWithin(rec, watch, prints("ben", i+1))
		}
		ben.deaf = o.Stuck
		err = ben.leave()
		o.Got = ben.out.lines()
		rec.Verdict("%d messages sent; ben's program printed %q", len(messages), o.Got)
		return o, err
	}
}

// NotGBK lets anna say lines with characters that GBK has and GB2312 lacks, with one talk function,
// to ben, who has another one. Got is what ben printed, and then what anna's own program told her.
func NotGBK(open OpenFrom, anna, ben TalkFunc, lines ...string) Play {
	return func(rec *timeline.Recorder) (o Outcome, err error) {
		a, b, err := twoChatters(rec, open, anna, ben)
		if err != nil {
			return o, err
		}
		for i, line := range lines {
			a.types(line)
			err = errors.Join(err, wait(rec, "something to come of "+line, func(events []timeline.Event) bool {
				return printedBy(events, "ben", "anna") > i
			}))
		}
		err = errors.Join(err, a.leave(), b.leave())
		o.Got = append(b.out.lines(), a.out.lines()...)
		sent := timeline.Count(rec.Events(), "anna", timeline.Send)
		rec.Verdict("anna typed %q; %s sent", lines, plural(sent, "datagram"))
		return o, err
	}
}

// CrossedPorts starts a chat program twice. Each listens at an address of its own and sends to the
// one that ends chooses, given its own address, the other one's, and one where nobody is. Both say
// a line. Got is what the two printed, within watch. Stuck is whether a line was missing.
func CrossedPorts(
	open OpenFrom, talk TalkFunc, ends func(other, nobody string) string, watch time.Duration,
) Play {
	return func(rec *timeline.Recorder) (o Outcome, err error) {
		addrs, err := freeAddrs(4)
		if err != nil {
			return o, err
		}
		var two []*chatter
		for i, side := range []string{"anna", "ben"} {
			conn, err := open(rec, side, addrs[i], ends(addrs[1-i], addrs[2+i]))
			if err != nil {
				return o, err
			}
			two = append(two, sitDown(rec, side, conn, talk))
			defer two[i].leave()
		}
		for i, other := range []string{"ben", "anna"} {
			two[i].types("hello")
			err := wait(rec, "the line to be sent", timeline.Happened(two[i].side, timeline.Send, 1))
			if err != nil {
				return o, err
			}
			o.Stuck = !happensWithin(rec, watch, prints(other, 1)) || o.Stuck
		}
		if o.Stuck {
			rec.State(0, "nobody listens at the two ports that they send to")
		}
		err = errors.Join(two[0].leave(), two[1].leave())
		o.Got = append(two[0].out.lines(), two[1].out.lines()...)
		rec.Verdict("2 programs said hello to each other, and %s arrived", plural(len(o.Got), "line"))
		return o, err
	}
}
