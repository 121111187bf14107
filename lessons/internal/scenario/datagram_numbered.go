package scenario

import (
	"io"
	"net"
	"sync"
	"time"

	"socketbook/tools/loopback"
	"socketbook/tools/timeline"
)

// NumberedPrograms are a client that sends each line until it is acknowledged, and a server that
// prints what arrives.
type NumberedPrograms struct {
	Serve func(pc net.PacketConn, out io.Writer) error
	Dial  func(addr string) (net.Conn, error)
	Talk  TalkFunc
}

// DoubledNumbered is Doubled: the relay passes the first of three lines on twice. Got is what the
// server printed.
func DoubledNumbered(p NumberedPrograms) Play {
	lines := []string{"one", "two", "three"}
	return numbered(p, lines, func(r *relay, _ *patientConn) error { return doubleFirst(len(lines))(r) })
}

// OvertakenNumbered is Overtaken: the relay holds the first datagram until the next one has passed.
// Got is what the server printed.
func OvertakenNumbered(p NumberedPrograms) Play {
	return numbered(p, []string{"first", "second"}, func(r *relay, c *patientConn) error {
		inVain := func() error { return c.waitsInVain("the first datagram is held") }
		return inOrder(
			func() error { return overtake(inVain)(r) },
			func() error { return r.passOn(1) },
		)
	})
}

// Numbered lets a client send five lines through a relay that loses a message, loses an
// acknowledgement, passes a copy on too late, and passes one on twice. Got is what the server
// printed.
func Numbered(p NumberedPrograms) Play {
	lines := []string{"one", "two", "three", "four", "five"}
	return numbered(p, lines, func(r *relay, c *patientConn) error {
		var late []byte
		lose := func(what string) func() error {
			return func() (err error) {
				late, err = r.request()
				if err == nil {
					err = c.waitsInVain(what)
				}
				return err
			}
		}
		pass := func(copies int) func() error { return func() error { return r.passOn(copies) } }
		return inOrder(
			lose("a message is lost"), pass(1),
			func() error {
				message, err := r.request()
				if err != nil {
					return err
				}
				if _, err := r.back.Write(message); err != nil {
					return err
				}
				if _, err := r.back.Read(r.buf); err != nil {
					return err
				}
				return c.waitsInVain("an acknowledgement is lost")
			}, pass(1),
			lose("a message is held"), pass(1),
			func() error {
				message, err := r.request()
				if err != nil {
					return err
				}
				c.rec.State(0, "the message that was held passes, and then the next one, twice")
				return inOrder(
					func() error { return r.ask(late, 1) },
					func() error { return r.ask(message, 2) },
				)
			},
			pass(1),
		)
	})
}

// OneBit lets a client send three lines through a relay that passes a copy of the first one on
// before the third. Got is what the server printed.
func OneBit(p NumberedPrograms) Play {
	return numbered(p, []string{"one", "two", "three"}, func(r *relay, c *patientConn) error {
		first, err := r.request()
		if err != nil {
			return err
		}
		return inOrder(
			func() error { return r.ask(first, 1) },
			func() error { return r.passOn(1) },
			func() error {
				third, err := r.request()
				if err != nil {
					return err
				}
				c.rec.State(0, "a copy of the first message passes, late, and then the third one")
				return inOrder(
					func() error { return r.ask(first, 1) },
					func() error { return r.ask(third, 1) },
				)
			},
		)
	})
}

// passOn takes the client's next message and passes it on.
func (r *relay) passOn(copies int) error {
	message, err := r.request()
	if err != nil {
		return err
	}
	return r.ask(message, copies)
}

// numbered plays lines through a relay that does what pass says. Got is what the server printed,
// Met what talk returned.
func numbered(p NumberedPrograms, lines []string, pass func(r *relay, c *patientConn) error) Play {
	return func(rec *timeline.Recorder) (o Outcome, err error) {
		out := &printed{rec: rec, side: "server"}
		patient := &patientConn{rec: rec}
		programs := PacketPrograms{
			Serve: func(pc net.PacketConn) error { return p.Serve(pc, out) }, Dial: p.Dial,
		}
		err = through(programs, func(r *relay) error { return pass(r, patient) },
			func(rec *timeline.Recorder, conn net.Conn) error {
				patient.open(conn)
				_, o.Met = Talk(rec, "client", p.Talk, patient, lines...)
				return nil
			})(rec)
		o.Got = out.lines()
		o.N = timeline.Count(rec.Events(), "client", timeline.Send)
		rec.Verdict("%d lines typed, %s sent, %q printed", len(lines), plural(o.N, "datagram"), o.Got)
		return o, err
	}
}

// patientConn is a client's socket on which a deadline passes when the scenario says so, and not
// before.
type patientConn struct {
	net.Conn
	rec *timeline.Recorder

	mu     sync.Mutex
	inVain bool // nothing will come for what was sent last
}

func (c *patientConn) open(conn net.Conn) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.Conn = conn
}

// waitsInVain says that for what the client has sent nothing comes in time.
func (c *patientConn) waitsInVain(why string) error {
	c.rec.State(0, "%s; the client's deadline passes, and the scene brings it forward", why)
	c.mu.Lock()
	defer c.mu.Unlock()
	c.inVain = true
	return c.Conn.SetReadDeadline(time.Unix(1, 0))
}

func (c *patientConn) Write(p []byte) (int, error) {
	c.mu.Lock()
	c.inVain = false
	c.mu.Unlock()
	return c.Conn.Write(p)
}

func (c *patientConn) SetReadDeadline(time.Time) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.inVain {
		return c.Conn.SetReadDeadline(time.Unix(1, 0))
	}
	return c.Conn.SetReadDeadline(time.Now().Add(loopback.Patience))
}
