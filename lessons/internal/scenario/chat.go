package scenario

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"runtime"
	"strings"
	"sync"
	"time"

	"socketbook/tools/loopback"
	"socketbook/tools/timeline"
)

// InTurn lets a client's user type two lines, while the server's user says nothing. Got is what the
// server's user reads within watch, once both sides have nothing else to do. Stuck is whether the second
// line was missing.
func InTurn(client, server TalkFunc, watch time.Duration) Play {
	return onPair(func(rec *timeline.Recorder, c, s net.Conn) (o Outcome, err error) {
		user := newQuietUser()
		out := &printed{rec: rec, side: "server"}
		served := inBackground(func() error {
			defer s.Close()
			return server(s, user, out)
		})
		second := &laterUser{when: make(chan struct{}), says: strings.NewReader("two\n")}
		asked := inBackground(func() error {
			defer c.Close()
			in := io.MultiReader(strings.NewReader("one\n"), second)
			return client(c, in, &printed{rec: rec, side: "client"})
		})
		err = wait(rec, "the first line", prints("server", 1))
		<-user.asked
		close(second.when)
		rec.State(0, "the server's user is asked for a line, and types nothing")
		o.Stuck = !happensWithin(rec, watch, prints("server", 2))
		user.release()
		err = errors.Join(err, <-served, <-asked, writesReturned(rec))
		o.Got = out.lines()
		rec.Verdict("2 lines typed by the client's user; the server's user, who says nothing, reads %d",
			len(o.Got))
		return o, err
	})
}

// prints is a condition: a side has printed so many lines.
func prints(side string, lines int) func([]timeline.Event) bool {
	return timeline.Happened(side, timeline.Note, lines)
}

// inBackground runs f, which may end its goroutine, and returns what hands its error over.
func inBackground(f func() error) <-chan error {
	done := make(chan error, 1)
	go func() {
		var err error
		defer func() { done <- err }()
		err = f()
	}()
	return done
}

// quietUser types nothing. Once released, a read ends the goroutine that waits in it.
type quietUser struct {
	asked, released chan struct{}
	once            sync.Once
}

func newQuietUser() *quietUser {
	return &quietUser{asked: make(chan struct{}), released: make(chan struct{})}
}

func (u *quietUser) release() { close(u.released) }

func (u *quietUser) Read([]byte) (int, error) {
	u.once.Do(func() { close(u.asked) })
	<-u.released
	runtime.Goexit()
	return 0, io.EOF
}

// HearFunc prints what a peer says until it leaves. It does not close conn.
type HearFunc func(conn net.Conn, out io.Writer) error

// heard lets somebody hear what a peer sends, piece by piece, each once the one before was read, and
// then the end of the stream. Got are the lines that it printed, Met is what hear returned.
func heard(hear HearFunc, pieces ...string) Play {
	return onPair(func(rec *timeline.Recorder, c, s net.Conn) (o Outcome, err error) {
		out := &printed{rec: rec, side: "client"}
		sent := 0
		done := inBackground(func() error {
			defer c.Close()
			return hear(c, out)
		})
		for _, piece := range pieces {
			_, werr := io.WriteString(s, piece)
			sent += len(piece)
			left := false
			err := wait(rec, "a read of the piece", func(events []timeline.Event) bool {
				left = timeline.Count(events, "client", timeline.Close) > 0
				return left || received(events, "client") >= sent
			})
			if left { // it heard enough
				break
			}
			if err := errors.Join(werr, err); err != nil {
				return o, err
			}
		}
		s.Close()
		o.Met = <-done
		o.Got = out.lines()
		return o, nil
	})
}

// received counts the bytes that a side has read.
func received(events []timeline.Event, side string) (n int) {
	for _, e := range events {
		if e.Side == side && e.Op == timeline.Recv {
			n += e.N
		}
	}
	return n
}

// LineTooLong lets a peer send a line that ends late: 70,000 bytes. Got are the lines that the hearer
// printed, Met what it returned.
func LineTooLong(hear HearFunc) Play {
	return func(rec *timeline.Recorder) (Outcome, error) {
		o, err := heard(hear, "hello\n", strings.Repeat("x", 70_000)+"\n")(rec)
		told := "the peer has left, as far as anybody can tell"
		if o.Met != nil {
			told = o.Met.Error()
		}
		rec.Verdict("2 lines sent, %d printed; then: %s", len(o.Got), told)
		return o, err
	}
}

// CutLine lets a peer send two lines with a cut inside a character of three bytes. Got are the lines that
// the hearer printed.
func CutLine(hear HearFunc) Play {
	return func(rec *timeline.Recorder) (Outcome, error) {
		const text = "你好\n再见\n"
		cut := len("你") + 1
		o, err := heard(hear, text[:cut], text[cut:])(rec)
		rec.Verdict("你好 and 再见 were sent; %q was printed", o.Got)
		return o, err
	}
}

// HalfALine lets a peer leave in the middle of a line. Got are the lines that the hearer printed, Met what
// it returned.
func HalfALine(hear HearFunc) Play {
	return func(rec *timeline.Recorder) (Outcome, error) {
		o, err := heard(hear, "how much is it?\n", "10", "0")(rec)
		told := "and nobody is told that there was to be more"
		if o.Met != nil {
			told = "and then: " + o.Met.Error()
		}
		rec.Verdict("1 line was sent, and the beginning of one; %d printed, %s", len(o.Got), told)
		return o, err
	}
}

// ChatLeave lets two people chat four times: the client's user leaves, the server's user leaves, one of the
// two programs is ended at once (the connection is aborted), each time after a line each way. N is how
// many of the programs that stayed ended without an error.
func ChatLeave(talk TalkFunc) Play {
	return func(rec *timeline.Recorder) (o Outcome, err error) {
		ways := []struct {
			who    string
			client bool
			last   string // what the user who leaves types at last; "" ends the program
		}{
			{"the client's user says exit", true, "exit\n"},
			{"the server's user says exit", false, "exit\n"},
			{"the client's program is ended", true, ""},
			{"the server's program is ended", false, ""},
		}
		for _, way := range ways {
			rec.State(0, "a new chat, in which %s", way.who)
			stayed, err := leaving(rec, talk, way.client, way.last)
			if err != nil {
				return o, err
			}
			if stayed == nil {
				o.N++
			} else if o.Met == nil {
				o.Met = stayed
			}
		}
		rec.Verdict("%d ways to leave; in %d of them the other side ended without an error", len(ways), o.N)
		return o, nil
	}
}

// leaving plays one way to leave. It returns what the side that stays returned.
func leaving(rec *timeline.Recorder, talk TalkFunc, client bool, last string) (stayed, err error) {
	c, s, err := Pair(rec)
	if err != nil {
		return nil, err
	}
	defer c.Close()
	defer s.Close()
	leaver, stayer, side, other := c, s, "client", "server"
	if !client {
		leaver, stayer, side, other = s, c, "server", "client"
	}
	user := newQuietUser()
	defer user.release()
	parting := &laterUser{when: make(chan struct{}), says: strings.NewReader(last)}
	hears := func(side string) func([]timeline.Event) bool {
		return prints(side, 1+timeline.Count(rec.Events(), side, timeline.Note))
	}
	leaverHears, stayerHears := hears(side), hears(other)
	chat := func(conn net.Conn, side, line string, then io.Reader) <-chan error {
		return inBackground(func() error {
			defer conn.Close()
			return talk(conn, io.MultiReader(strings.NewReader(line), then), &printed{rec: rec, side: side})
		})
	}
	var parts io.Reader = parting
	if last == "" {
		parts = user
	}
	left := chat(leaver, side, "hello\n", parts)
	reply := &laterUser{when: make(chan struct{}), says: strings.NewReader("hi\n")}
	remains := chat(stayer, other, "", io.MultiReader(reply, user))
	err = wait(rec, "the first line", stayerHears)
	close(reply.when)
	err = errors.Join(err, wait(rec, "the other line", leaverHears))
	if last == "" {
		err = errors.Join(err, loopback.Abort(leaver))
	}
	close(parting.when)
	stayed = <-remains
	<-left
	return stayed, errors.Join(err, writesReturned(rec))
}

// writesReturned waits until every call that sends or closes has returned.
func writesReturned(rec *timeline.Recorder) error {
	ctx, cancel := context.WithTimeout(context.Background(), loopback.Patience)
	defer cancel()
	return rec.WaitWrites(ctx)
}

// laterUser types something when it is time.
type laterUser struct {
	when chan struct{}
	says io.Reader
}

func (u *laterUser) Read(p []byte) (int, error) {
	<-u.when
	return u.says.Read(p)
}

// guest is somebody in a chat room, whose lines are written by the scenario.
type guest struct {
	name  string
	conn  net.Conn
	lines *bufio.Reader
	heard []string
}

// enter lets a guest come in. name is told when it is asked for; "" says nothing.
func enter(rec *timeline.Recorder, side, name string, dial func() (net.Conn, error)) (*guest, error) {
	conn, err := rec.Dial(side, "", func(string) (net.Conn, error) { return dial() })
	if err != nil {
		return nil, err
	}
	g := &guest{name: side, conn: conn, lines: bufio.NewReader(conn)}
	err = errors.Join(conn.SetDeadline(time.Now().Add(loopback.Patience)), g.hear(1))
	if name != "" {
		err = errors.Join(err, g.say(name), g.hear(1))
	}
	return g, err
}

func (g *guest) say(line string) error {
	_, err := fmt.Fprintf(g.conn, "%s\n", line)
	return err
}

// hear reads so many lines.
func (g *guest) hear(lines int) error {
	for range lines {
		line, err := g.lines.ReadString('\n')
		if err != nil {
			return fmt.Errorf("%s: %w", g.name, err)
		}
		g.heard = append(g.heard, strings.TrimSuffix(line, "\n"))
	}
	return nil
}

// end reads the end of the stream.
func (g *guest) end() error {
	if line, err := g.lines.ReadString('\n'); !errors.Is(err, io.EOF) {
		return fmt.Errorf("%s was to meet the end, and read %q: %w", g.name, line, err)
	}
	return g.conn.Close()
}

// inOrder runs steps until one fails.
func inOrder(steps ...func() error) error {
	for _, step := range steps {
		if err := step(); err != nil {
			return err
		}
	}
	return nil
}

// Room lets anna and ben meet in a chat room, beside a client that says no name that is free. Ben leaves,
// and carl comes. Got are the lines that each was sent, behind its name; N is how many of them went to or
// were about the one without a name, the questions for it left out.
func Room(p Programs) Play {
	return func(rec *timeline.Recorder) (o Outcome, err error) {
		server, err := Start(rec, p.Serve)
		if err != nil {
			return o, err
		}
		var guests []*guest
		come := func(side, name string) func() error {
			return func() error {
				g, err := enter(rec, side, name, func() (net.Conn, error) { return p.Dial(server.Addr) })
				if g != nil {
					guests = append(guests, g)
				}
				return err
			}
		}
		say := func(i int, line string) func() error {
			return func() error { return guests[i].say(line) }
		}
		hear := func(i int) func() error { return func() error { return guests[i].hear(1) } }
		end := func(i int) func() error { return func() error { return guests[i].end() } }
		const anna, ben, nobody, carl = 0, 1, 2, 3
		err = inOrder(
			come("anna", "anna"), come("ben", "ben"), hear(anna), come("nobody", ""),
			say(anna, "hello, ben"), hear(ben), say(ben, "你好, anna"), hear(anna),
			say(nobody, "anna"), hear(nobody), // the name is taken
			func() error { return guests[nobody].conn.Close() },
			say(ben, "exit"), hear(anna), end(ben),
			come("carl", "carl"), hear(anna),
			func() error { return loopback.Abort(guests[anna].conn) }, hear(carl),
			say(carl, "exit"), end(carl),
		)
		told := 0
		for _, g := range guests {
			g.conn.Close()
			for _, line := range g.heard {
				if strings.HasSuffix(line, "name?") {
					continue
				}
				o.Got = append(o.Got, g.name+" reads "+line)
				if g.name == "nobody" || strings.Contains(line, "nobody") {
					o.N++
				}
				if g.name == "anna" && line == "* ben has left" {
					told++
				}
			}
		}
		err = errors.Join(err, server.Stop())
		rec.Verdict("anna reads %s that ben has left, and %s to or about the client without a name",
			times(told), plural(o.N, "line"))
		return o, err
	}
}

// What somebody says while another one does not read is more than small buffers hold.
const (
	slowLines   = 800
	slowLine    = 20      // bytes, with the name and the end
	smallBuffer = 4 << 10 // bytes; the kernel doubles it
)

// SlowReader lets anna speak to a room in which ben does not read and carl does. The buffers between the
// room and ben are small, so that they are full soon. N is how many of anna's lines carl has read while
// ben did not; Stuck is whether he got no more, because a write to ben blocked the room for as long as
// watch says. Then ben reads again, and Met is why carl's next line still does not come. Got are the other
// lines that carl was sent meanwhile.
func SlowReader(p Programs, watch time.Duration) Play {
	return func(rec *timeline.Recorder) (o Outcome, err error) {
		ln, err := loopback.Listen()
		if err != nil {
			return o, err
		}
		server := StartOn(rec, smallWrites{ln}, p.Serve)
		small := func() (net.Conn, error) {
			return loopback.DialOptions(server.Addr, loopback.Options{ReceiveBuffer: smallBuffer})
		}
		usual := func() (net.Conn, error) { return p.Dial(server.Addr) }
		var guests []*guest
		for _, name := range []string{"anna", "ben", "carl"} {
			dial := usual
			if name == "ben" {
				dial = small
			}
			var g *guest
			if g, err = enter(rec, name, name, dial); g != nil {
				guests = append(guests, g)
				defer g.conn.Close()
			}
			if err != nil {
				return o, err
			}
		}
		anna, ben, carl := guests[0], guests[1], guests[2]
		rec.State(0, "ben reads no more")
		heldUp := blockedSend(rec, "server", "ben", watch)
		for o.N < slowLines && !o.Stuck {
			if err := anna.say(strings.Repeat("x", slowLine-len("anna: \n"))); err != nil {
				return o, err
			}
			for {
				if o.Stuck, err = carl.hearUnless(heldUp); o.Stuck || err != nil {
					break
				}
				if line := carl.heard[len(carl.heard)-1]; !strings.HasPrefix(line, "anna: ") {
					o.Got = append(o.Got, line)
					continue
				}
				o.N++
				break
			}
			if err != nil {
				return o, err
			}
		}
		var reading sync.WaitGroup
		defer reading.Wait() // ended by the close of ben's connection
		if o.Stuck {
			rec.State(0, "ben reads again")
			reading.Go(func() { io.Copy(io.Discard, ben.conn) })
			carl.conn.SetReadDeadline(time.Now().Add(loopback.Patience))
			o.Met = carl.hear(1)
		}
		for _, g := range guests {
			g.conn.Close()
		}
		err = server.Stop()
		if o.Stuck {
			comes := "comes"
			if o.Met != nil {
				comes = "does not come: " + o.Met.Error()
			}
			rec.Verdict("ben reads nothing, and carl has read only some of anna's lines; "+
				"when ben reads again, the next one %s", comes)
		} else {
			rec.Verdict("ben reads nothing; carl has read all of anna's %d lines, and %q", o.N, o.Got)
		}
		return o, err
	}
}

// blockedSend returns a condition: a send of side to a peer has been seen blocked for so long.
func blockedSend(rec *timeline.Recorder, side, peer string, watch time.Duration) func() bool {
	var since time.Time
	return func() bool {
		conn, blocked := "", false
		for _, e := range rec.Snapshot() {
			if e.Side == peer && e.Conn != "" {
				conn = e.Conn
			}
			blocked = blocked || e.Side == side && e.Op == timeline.Send && e.Conn == conn && e.End == 0
		}
		if !blocked || since.IsZero() {
			since = time.Now()
		}
		return blocked && time.Since(since) >= watch
	}
}

// hearUnless reads a line, unless held holds first.
func (g *guest) hearUnless(held func() bool) (isHeld bool, err error) {
	heard := make(chan error, 1)
	go func() { heard <- g.hear(1) }()
	for {
		select {
		case err := <-heard:
			return false, err
		case <-time.After(5 * time.Millisecond):
			if held() {
				g.conn.SetReadDeadline(time.Now())
				if err := <-heard; err != nil {
					return true, nil
				}
				return false, g.conn.SetReadDeadline(time.Now().Add(loopback.Patience)) // a line came after all
			}
		}
	}
}

// smallWrites makes the send buffers of what it accepts small.
type smallWrites struct{ net.Listener }

func (l smallWrites) Accept() (net.Conn, error) {
	conn, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return conn, conn.(*net.TCPConn).SetWriteBuffer(smallBuffer)
}
