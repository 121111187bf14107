package roomtest

import (
	"cmp"
	"errors"
	"net"
	"os"
	"slices"
	"strings"
	"sync"
	"time"

	"socketbook/tools/check"
	"socketbook/tools/fault"
)

// patience is how long nothing moves until the suite gives up: much longer than code may pause that looks
// around from time to time.
const patience = 300 * time.Millisecond

// room is one call of Serve, and who is there.
type room struct {
	c       *check.C
	ln      *fault.Listener
	call    *check.Call
	err     error // what Serve returned
	clients []*client
	members []*client // in the order in which they came
	opening bool      // what happens is in no step: a variation has said who is there
}

// nameless is what steps call a client without a name.
const nameless = "a client"

// client is a client of the suite's.
type client struct {
	*fault.Peer
	r     *room
	name  string // nameless, or the name that it has in the room
	heard int    // bytes that were looked at
	once  chan struct{}
}

// open calls Serve, and lets members with these names come.
func (s suite) open(c *check.C, names ...string) (*room, []*client) {
	r := &room{c: c, ln: c.Listen()}
	r.call = c.Start("Serve(ln)", func() { r.err = s.lab.Serve(r.ln) })
	r.opening = true
	for _, name := range names {
		r.enters(name)
	}
	r.opening = false
	return r, r.members
}

func (r *room) step(format string, args ...any) {
	if !r.opening {
		r.c.Say(format, args...)
	}
}

// dial connects a client, which is asked for its name.
func (r *room) dial() *client {
	p := r.silent()
	p.hears("your name?")
	return p
}

// silent connects a client, and does not look what it gets.
func (r *room) silent() *client {
	peer, err := r.ln.Dial()
	if err != nil && r.call.Ended() {
		r.c.Fail("Serve has returned (%s), and the listener was not closed", check.Err(r.err))
	} else if err != nil {
		r.c.NotGraded("no connection on 127.0.0.1 could be made: %v", err)
	}
	p := &client{Peer: peer, r: r, name: nameless}
	r.clients = append(r.clients, p)
	r.step("a client connected")
	return p
}

// enters lets a member come, of whom all are told.
func (r *room) enters(name string) *client {
	p := r.dial()
	p.sends(name)
	p.isHere(name)
	return p
}

// isHere makes p, which has sent a good name, a member.
func (p *client) isHere(name string) {
	p.name = name
	p.r.members = append(p.r.members, p)
	p.r.tells("* " + name + " is here")
}

// tells waits until every member has got a line.
func (r *room) tells(line string, but ...*client) {
	for _, p := range r.members {
		if len(but) == 0 || p != but[0] {
			p.hears(line)
		}
	}
}

func (p *client) sends(lines ...string) { p.sendsIn(fault.Whole, lines...) }

// sendsIn sends lines, each with its end, in pieces.
func (p *client) sendsIn(cut fault.Cut, lines ...string) {
	p.sendsBytes(cut, strings.Join(lines, "\n")+"\n")
}

func (p *client) sendsBytes(cut fault.Cut, data string) {
	p.r.step("%s has sent %s", p.name, quoted(data))
	p.Send(cut.Pieces([]byte(data))...)
}

// says sends a line and waits until all others have got it.
func (p *client) says(line string) {
	p.sends(line)
	p.r.tells(p.name+": "+line, p)
}

// hears waits for lines, which must come next.
func (p *client) hears(lines ...string) {
	want := strings.Join(lines, "\n") + "\n"
	got := func() string { return string(p.Received()[p.heard:]) }
	came := p.r.await(
		"what "+p.name+" is to get",
		func() bool { return len(got()) >= len(want) || p.Over() != nil },
	)
	text := got()
	if ended := p.Over(); len(text) < len(want) && strings.HasPrefix(want, text) {
		p.r.restless()
		switch {
		case p.r.call.Ended():
			p.r.c.Fail(
				"Serve has returned (%s), and %s waits for %s",
				check.Err(p.r.err),
				p.name,
				quoted(want),
			)
		case ended != nil && p.Conn().Did().Closed == "Close" && slices.Contains(p.r.members, p):
			p.r.c.Rule("A member leaves by the line exit, the end of its stream, an error, or a line that is too "+
				"long, and when too many lines wait for it: 16 at least are kept.",
				"Give the channel of lines room for 16, or for some more: a member who reads is a little late, too.")
			p.r.c.Fail(
				"the server has closed the connection of %s, which has not left, before it got %s",
				p.name,
				quoted(want),
			)
		case ended != nil:
			p.r.c.Fail(
				"the connection of %s has ended (%v), before it got %s",
				p.name,
				ended,
				quoted(want),
			)
		case !came:
			p.r.c.Fail(
				"%s waits for %s, has got %s, and nothing happens",
				p.name,
				quoted(want),
				quoted(text),
			)
		}
	}
	if !strings.HasPrefix(text, want) { // as many lines of it
		got := strings.SplitAfterN(text, "\n", len(lines)+1)
		text = strings.Join(got[:min(len(got), len(lines))], "")
		p.r.c.WantText("what "+p.name+" got", text, want)
	}
	p.heard += len(want)
	p.r.step("%s got %s", p.name, quoted(want))
}

// quiet ends the case if a client has got something that was not looked at.
func (r *room) quiet(clients ...*client) {
	polls, timed := "", ""
	r.c.Await("the room to be quiet", func() bool {
		polls, timed = r.deadlines()
		return polls != "" || r.call.Ended() || r.c.Resting()
	})
	if name := cmp.Or(polls, timed); name != "" {
		r.c.Fail("Serve called %s on the connection of a member, which may be silent for as long as it likes", name)
	}
	for _, p := range clients {
		more := string(p.Received()[p.heard:])
		if more != "" && p.Conn().Did().Closed == "Close" {
			r.c.Rule("When a client has left, the server writes nothing more to it: no goodbye, and not that it "+
				"has left.", "Take it out of the map first, then tell those who are in the map.")
			r.c.Fail("%s, who has left, got %s", p.name, quoted(more))
		}
		if more != "" {
			r.c.Fail("%s got %s, which is not for it", p.name, quoted(more))
		}
	}
}

// deadlines returns the methods that have set a deadline for Read, for members: one that has passed
// before, and was set again, and one that has not passed yet.
func (r *room) deadlines() (polls, timed string) {
	for _, p := range r.members {
		d := p.Conn().Did()
		if !d.Timed || d.Deadline == "SetWriteDeadline" {
			continue
		}
		timed = d.Deadline
		for _, err := range d.Errs {
			if errors.Is(err, os.ErrDeadlineExceeded) {
				polls = d.Deadline
			}
		}
	}
	return polls, timed
}

// restless ends the case if a deadline for Read has passed for a client that has not left. Only a case that
// has failed looks: a right answer may use deadlines to end what it does.
func (r *room) restless() {
	for _, p := range r.clients {
		d := p.Conn().Did()
		there := p.name == nameless || slices.Contains(r.members, p)
		if !there || d.Deadline == "" || d.Deadline == "SetWriteDeadline" {
			continue
		}
		for _, err := range d.Errs {
			if errors.Is(err, os.ErrDeadlineExceeded) {
				r.c.Rule("A client may be silent for as long as it likes, with a name and without one.",
					"Set no deadline for Read. A client that never says a name is in nobody's way.")
				r.c.Fail("a deadline for Read has passed on the connection of %s, which said nothing for a while",
					p.name)
			}
		}
	}
}

// line waits for a line, and returns it.
func (p *client) line() string {
	whole := func() (string, bool) {
		line, _, ok := strings.Cut(string(p.Received()[p.heard:]), "\n")
		return line, ok
	}
	p.r.await("what "+p.name+" is to get", func() bool {
		_, ok := whole()
		return ok || p.Over() != nil
	})
	line, ok := whole()
	if !ok {
		p.r.c.Fail("%s waits for a line, has got %s, and nothing happens", p.name, quoted(line))
	}
	p.heard += len(line + "\n")
	p.r.step("%s got %s", p.name, quoted(line+"\n"))
	return line
}

// left waits until a member is out: its connection is closed, and the others are told, but for one that
// was told before.
func (p *client) left(told ...*client) {
	r := p.r
	for i, m := range r.members {
		if m == p {
			r.members = append(r.members[:i:i], r.members[i+1:]...)
			break
		}
	}
	r.tells("* "+p.name+" has left", told...)
	p.isClosed()
}

// isClosed waits until the server has closed a connection.
func (p *client) isClosed() {
	closed := func() bool { return p.Conn().Did().Closed == "Close" }
	if !p.r.await("the end of the connection of "+p.name, closed) {
		p.r.c.Fail("%s has left, and the server has not called Close on its connection", p.name)
	}
	p.r.step("the connection of %s is closed", p.name)
}

// await waits for cond. It gives up, and returns false, when Serve has returned, or when nothing moves
// any more: code that looks around from time to time may send one line each time.
func (r *room) await(what string, cond func() bool) bool {
	still, got := r.c.Still(patience), 0
	r.c.Await(what, func() bool {
		if n := r.got(); n > got {
			still, got = r.c.Still(patience), n
		}
		return cond() || r.call.Ended() || still()
	})
	if r.call.Ended() {
		r.c.Settle()
	}
	return cond()
}

// got is how many bytes the clients have received, all together.
func (r *room) got() (n int) {
	for _, p := range r.clients {
		n += p.Conn().Held()
	}
	return n
}

// stopsReading makes every Write to p wait, as it does when the buffers are full: until it reads again,
// the server closes the connection, or a deadline for the Write has passed.
func (p *client) stopsReading() (reads func()) {
	p.r.step("%s does not read any more", p.name)
	again := make(chan struct{})
	p.once = make(chan struct{}, 1)
	reads = sync.OnceFunc(func() { close(again) })
	p.r.c.Cleanup(reads)
	p.Conn().Before("Write", func() error {
		clock := time.NewTicker(5 * time.Millisecond)
		defer clock.Stop()
		for {
			d := p.Conn().Did()
			if d.Closed == "Close" {
				return nil // and the Write itself fails
			}
			if d.Timed && d.Deadline != "SetReadDeadline" { // it passes before p reads again, however late it is
				return &net.OpError{Op: "write", Net: "tcp", Err: os.ErrDeadlineExceeded}
			}
			select {
			case <-again:
				return nil
			case <-p.once:
				return nil
			case <-clock.C:
			}
		}
	})
	return reads
}

// readsOnce lets the Write that waits, or the next one, through.
func (p *client) readsOnce() {
	p.r.step("%s reads what one Write brings, and no more", p.name)
	p.once <- struct{}{}
}

// close ends Serve at the end of a variation that is not about how it ends.
func (r *room) close() {
	r.ln.Close()
	for _, p := range r.clients {
		p.CloseWrite()
	}
	r.c.Await("Serve to return", func() bool { return r.call.Ended() || r.c.Resting() })
}

// quoted is text in quotes, shortened.
func quoted(text string) string {
	const most = 60
	if text == "" {
		return "nothing"
	}
	if len(text) <= most {
		return quote(text)
	}
	return quote(text[:most/2]) + " … " + quote(text[len(text)-most/4:])
}
