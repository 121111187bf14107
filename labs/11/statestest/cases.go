package statestest

import (
	"embed"
	"fmt"
	"math/rand/v2"
	"strings"

	"socketbook/tools/check"
	"socketbook/tools/timeline"
)

// Scripts that others begin with.
const (
	opened   = "connect; < SYN ACK 300 101"
	served   = "listen; < SYN 300; < ACK 301 101"
	closes   = opened + "; close"             // FIN_WAIT1; the FIN is number 101
	half     = closes + "; < ACK 301 102"     // FIN_WAIT2
	over     = half + "; < FIN ACK 301 102"   // TIME_WAIT
	met      = served + "; < FIN ACK 301 101" // CLOSE_WAIT
	last     = met + "; close"                // LAST_ACK
	crossing = closes + "; < FIN ACK 301 101" // CLOSING
	both     = "connect; < SYN 300"           // SYN_RECV, from SYN_SENT
	waiting  = "listen; < SYN 300"            // SYN_RECV, from LISTEN
)

// with appends the same ends to each beginning.
func with(begins []string, ends ...string) (all []string) {
	for _, b := range begins {
		for _, e := range ends {
			all = append(all, b+"; "+e)
		}
	}
	return all
}

func (s suite) active(c *check.C) {
	s.scripts(c, shifts[:1],
		opened,
		opened+"; send 5; < ACK 301 106",
		opened+"; < ACK 301 101 7; send 3; send 4",
		opened+"; send 70000; < ACK 301 70101 100000; < ACK 100301 70101 1; send 1",
	)
}

func (s suite) passive(c *check.C) {
	s.scripts(c, shifts[:1],
		served,
		served+"; send 5; < ACK 301 106",
		served+"; < ACK 301 101 7; send 3",
		waiting+"; < ACK 301 101 9; send 1",
		"listen; connect; < SYN ACK 300 101",
		"listen; < FIN 300",
		"listen; < FIN 300 6; < SYN 300; < ACK 301 101",
	)
}

func (s suite) first(c *check.C)  { s.scripts(c, shifts[:1], closesFirst...) }
func (s suite) second(c *check.C) { s.scripts(c, shifts[:1], closesSecond...) }
func (s suite) atOnce(c *check.C) { s.scripts(c, shifts[:1], crosses...) }

var closesFirst = []string{
	closes,
	half,
	over,
	over + "; expire",
	closes + "; < FIN ACK 301 102; expire", // one segment for two
	half + "; < ACK 301 102 10; < ACK 311 102 1; < FIN ACK 312 102",
	half + "; < FIN ACK 301 102 8; expire",
	closes + "; < ACK 301 101; < ACK 301 102", // an ACK of what was before the FIN
	closes + "; < ACK 301 101 5; < ACK 306 102; < FIN ACK 306 102",
	closes + "; < FIN ACK 301 102 5",
	opened + "; send 5; close; < ACK 301 101; < ACK 301 106; < ACK 301 107; < FIN ACK 301 107",
	waiting + "; close; < ACK 301 101; < ACK 301 102; < FIN ACK 301 102",
	waiting + "; close; < ACK 301 102",
	served + "; send 1; send 2; close; < ACK 301 104; < ACK 301 105; < FIN ACK 301 105; expire",
	over + "; < ACK 302 102",
	over + "; < ACK 302 102 7", // data behind the FIN
	half + "; expire; < FIN ACK 301 102",
}

var closesSecond = []string{
	met,
	met + "; send 5; send 6; < ACK 302 106; < ACK 302 112",
	last,
	last + "; < ACK 302 102",
	met + "; send 5; close; < ACK 302 101; < ACK 302 106; < ACK 302 107",
	served + "; < FIN ACK 301 101 9; close; < ACK 311 102",
	served + "; < ACK 301 101 9; < FIN ACK 310 101; close; < ACK 311 102",
	opened + "; < FIN ACK 301 101; close; < ACK 302 102",
	met + "; < ACK 302 101",
	met + "; < ACK 302 101 5; close", // data behind the FIN
	last + "; < ACK 302 101 5; < ACK 302 102",
	met + "; expire; close; expire; < ACK 302 102",
	last + "; < ACK 302 101",
	waiting + "; < FIN ACK 301 101",
	waiting + "; < FIN ACK 301 101 4",
}

var crosses = []string{
	both,
	both + "; < SYN ACK 300 101", // RFC 9293, figure 7
	both + "; < ACK 301 101",
	both + "; < SYN ACK 300 101; send 5; < ACK 301 106 3",
	both + "; < ACK 301 101 6; close; < ACK 307 102",
	crossing, // RFC 9293, figure 13
	crossing + "; < ACK 302 102; expire",
	crossing + "; < ACK 302 101; < ACK 302 102",
	crossing + "; < ACK 302 101 5; < ACK 302 102",
	closes + "; < FIN ACK 301 101 7; < ACK 309 102",
	opened + "; send 5; close; < FIN ACK 301 106; < ACK 302 107; expire",
	both + "; close; < ACK 301 102; < FIN ACK 301 102",
	"connect; < ack SYN 300 77", // an Ack, and no ACK
}

// resetAny are resets in a connection that expects number 301.
var resetAny = []string{
	"< RST 301", "< RST ACK 301 101", "< RST 300", "< RST 302", "< RST ACK 305 101", "< RST 301; < RST 301",
}

func (s suite) reset(c *check.C) {
	s.scripts(c, shifts[:1], with([]string{opened, served, closes, half, waiting + "; close"}, resetAny...)...)
	s.scripts(c, shifts[:1], with([]string{opened, closes}, "< RST 301 5", "< RST ACK 301 101 5")...)
	s.scripts(c, shifts[:1], with([]string{over, met, last}, "< RST 302", "< RST 301", "< RST ACK 302 102")...)
	s.scripts(c, shifts[:1], with([]string{waiting}, "< RST 301", "< RST 302",
		"< RST 301; < SYN 300; < ACK 301 101; close", "< RST ACK 301 101; < SYN 500; < ACK 501 101",
		"< RST 300; < ACK 301 101", "< RST 301; < SYN 500; < RST 501; < SYN 700")...)
	s.ruled(c, shifts[:1], "Connect in LISTEN begins with the number iss, also when a connection was "+
		"reset before.",
		"Do not count on from the number of the SYN that was reset.",
		waiting+"; < RST 301; connect; < SYN ACK 300 101; send 1")
	s.scripts(c, shifts[:1],
		"connect; < RST ACK 0 101",
		"connect; < RST ACK 300 101",
		"connect; < RST ACK 0 100; < SYN ACK 300 101",
		"connect; < RST ACK 0 102; < SYN ACK 300 101",
		"connect; < RST 0; < RST 301; < SYN ACK 300 101",
		"listen; < RST 0; < RST ACK 0 101; < SYN 300",
		"listen; < SYN RST 300; < SYN RST ACK 300 101; < SYN 300",
		"connect; < SYN RST 300; < SYN RST ACK 300 100; < SYN ACK 300 101",
		"connect; < SYN RST ACK 300 101",
		opened+"; < SYN RST 301",
		opened+"; < SYN RST ACK 5000 101",
		"< RST 0",
		"< RST ACK 300 101",
		"connect; < RST ACK 0 101; < RST ACK 0 101",
	)
}

// strays are segments for which there is no connection.
var strays = []string{
	"< SYN 300", "< SYN 300 5", "< ACK 301 101", "< SYN ACK 300 101", "< FIN ACK 301 101 9", "< FIN 301 9",
	"< FIN 300", "< SYN FIN 300", "< ACK 301 4000 7",
}

func (s suite) nobody(c *check.C) {
	s.scripts(c, shifts[:1], strays...)
	s.scripts(c, shifts[:1],
		"listen; < ACK 301 101; < SYN 300; < ACK 301 101",
		"listen; < SYN ACK 300 101; < FIN ACK 300 7 7",
		"connect; < ACK 301 100; < ACK 301 102; < ACK 301 0; < SYN ACK 300 101",
		"connect; < SYN ACK 300 100; < SYN ACK 300 102; < SYN ACK 300 101",
		"connect; < ACK 300 101; < SYN ACK 300 101", // right, but no SYN: nothing happens
		"connect; < FIN 300; < FIN ACK 300 101",
		waiting+"; < ACK 301 100; < ACK 301 102; < ACK 301 101",
		waiting+"; < ACK 301 99; < FIN ACK 301 4000 5; < ACK 301 101",
		"< ack SYN 300 77", "< ack FIN 301 77 9", "listen; < ack SYN 300 77", // no ACK
	)
}

func (s suite) unexpected(c *check.C) {
	connected := []string{opened, served, closes, half, opened + "; send 9"}
	s.scripts(c, shifts[:1], with(connected,
		"< ACK 300 101", "< ACK 302 101", "< ACK 302 101 5", "< ACK 300 101 5", "< ACK 299 101 1; < ACK 301 101 1",
		"< FIN ACK 300 101", "< FIN ACK 302 101", "< FIN ACK 310 101 3",
		"< SYN 301", "< SYN 300", "< SYN ACK 300 101", "< SYN ACK 301 101", "< SYN 5000",
		"< FIN 300", "< FIN 302 4", "< ACK 302 102", "< ACK 300 102",
		"< ACK 301 4000", "< ACK 301 4000 5; < ACK 301 101 5", "< FIN ACK 301 4000",
		"< FIN 301", "< FIN 301 6", "< SYN 301 3", "< ACK 301 101", "< ACK 301 90", "< ACK 301 90 4",
	)...)
	s.ruled(c, shifts[:1], "A segment that comes too early is acknowledged and forgotten. It counts "+
		"when it comes "+
		"again, behind what was missing.", "Keep nothing of a segment that is dropped.",
		with([]string{opened, served},
			"< ACK 306 101 5; < ACK 301 101 5; < ACK 306 101 5",
			"< FIN ACK 306 101; < ACK 301 101 5; < FIN ACK 306 101",
			"< ACK 311 101 5; < ACK 306 101 5; < ACK 301 101 5; < ACK 306 101 4")...)
	s.scripts(c, shifts[:1], with([]string{met, last, over},
		"< ACK 301 101", "< FIN ACK 301 101; < FIN ACK 301 101", "< ACK 303 101", "< SYN 302", "< SYN 300",
		"< ACK 302 4000", "< FIN 302", "< ACK 300 101 5", "< ACK 303 102", "< ACK 301 102", "< FIN 301",
	)...)
	s.scripts(c, shifts[:1], with([]string{waiting},
		"< SYN 300", "< ACK 300 101", "< ACK 302 101", "< FIN 301", "< FIN ACK 305 101", "< SYN 301",
		"< SYN ACK 301 101", "< FIN 302",
	)...)
	s.scripts(c, shifts[:1],
		opened+"; send 4; < FIN ACK 301 101; < ACK 302 105; close; < ACK 302 106", // their FIN crosses our data
		over+"; < FIN ACK 301 102; < FIN ACK 301 102; expire",                     // our last ACK was lost
	)
	s.scripts(c, shifts[1:], opened+"; send 9; < ACK 301 101; < ACK 301 110 9; < ACK 301 110 9; < ACK 311 110")
	s.scripts(c, shifts[1:], closesFirst...)
	s.scripts(c, shifts[1:], closesSecond...)
}

func (s suite) calls(c *check.C) {
	for _, call := range []string{"listen", "connect", "send 5", "close", "expire"} {
		begins := []string{
			opened, served, waiting, both, closes, half, over, met, last, crossing, "listen", "connect",
		}
		s.scripts(c, shifts[:1], with(begins, call)...)
		talked := []string{opened + "; send 9", served + "; send 9", met + "; send 9"}
		if call != "close" { // the numbers are as they were
			s.scripts(c, shifts[:1], with(talked, call+"; send 1; close; "+call)...)
		}
	}
	s.scripts(c, shifts[:1],
		"close; expire; send 1",
		over+"; expire; send 1; close", // whether CLOSED opens again is left open
		last+"; < ACK 302 102; close; expire",
		"connect; close; close; send 1",
		"listen; close; close; send 1",
		opened+"; listen; connect; send 5; listen; close; close; send 1; < ACK 301 107; close; < FIN ACK 301 107",
		"close; expire; send 1; listen; listen; close; close",
	)
}

// rest are scripts that need everything.
func (s suite) rest(c *check.C) {
	gone := []string{
		"connect; close",
		"listen; close",
		"connect; < RST ACK 0 101",
		over + "; expire",
		last + "; < ACK 302 102",
	}
	s.ruled(c, shifts, "In CLOSED every segment is answered by a reset, however the connection has ended.",
		"Look at the state only, and not at what has been.", with(gone, strays...)...)
	s.ruled(c, shifts, "A RST leads from SYN_RECV to LISTEN if that was entered from LISTEN, and "+
		"else to CLOSED; from any other state to CLOSED.", "Note where SYN_RECV comes from, whenever it "+
		"is entered.",
		append(with([]string{both, both + "; < ACK 301 101", both + "; close"}, resetAny...),
			"listen; connect; < SYN 300; < RST 301", // it was opened by Connect in the end
			waiting+"; < RST 301; connect; < SYN 300; < RST 301")...)
	s.scripts(c, shifts, with([]string{crossing}, "< RST 302", "< RST 301", "< ACK 301 101", "< FIN ACK 301 101",
		"< SYN 302", "< ACK 302 4000", "< ACK 302 102 7")...)
	s.scripts(c, shifts, with([]string{both}, "< SYN 300", "< ACK 300 101", "< FIN 301", "< SYN 301",
		"< SYN ACK 301 101", "< ACK 301 100; < ACK 301 102; < ACK 301 101", "< SYN ACK 300 102; < SYN ACK 300 101",
		"< SYN ACK 300 101; < SYN ACK 300 101")...)
	s.scripts(c, shifts[1:], crosses...)
	long := opened // a connection may last
	for i := range 300 {
		long += fmt.Sprintf("; send 10; < ACK %d %d 5", 301+5*i, 101+10*(i+1))
	}
	s.scripts(c, shifts[:1], long+"; close")
}

// separate plays two endpoints, step by step: neither knows of the other.
func (s suite) separate(c *check.C) {
	c.Variation("two endpoints, New(1) and New(1000), that talk to others")
	s.play(c, func(t *trace) {
		t.lasting = true
		a, b := t.player("the first one: ", 1), t.player("the second one: ", 1000)
		a.does("connect", 0)
		b.does("listen", 0)
		b.gets(Segment{SYN: true, Seq: 77})
		a.gets(Segment{SYN: true, ACK: true, Seq: 5, Ack: 2})
		b.gets(Segment{ACK: true, Seq: 78, Ack: 1001})
		a.does("send", 9)
		b.does("send", 8)
		a.gets(Segment{ACK: true, Seq: 6, Ack: 11, Len: 4})
		b.gets(Segment{ACK: true, Seq: 78, Ack: 1009, Len: 6})
	})
}

// apart plays two scripts on two endpoints, in turn, a step of each.
func (s suite) apart(c *check.C, one, other string) {
	c.Variation("two endpoints, both New(%d), that talk to others", myISS)
	c.Rule("Several endpoints know nothing of each other: what happens to one has no effect on another one.",
		"Keep what an endpoint has to remember in its own fields, and nothing in the package.")
	s.play(c, func(t *trace) {
		a, b := t.player("the first one: ", myISS), t.player("the second one: ", myISS)
		first, second := strings.Split(one, "; "), strings.Split(other, "; ")
		for i := range max(len(first), len(second)) {
			if i < len(first) {
				a.plays(first[i], shifts[0])
			}
			if i < len(second) {
				b.plays(second[i], shifts[0])
			}
		}
	})
}

//go:embed testdata
var recordings embed.FS

func (s suite) conversation(c *check.C) {
	s.rest(c) // before two endpoints are played: what one alone does wrong has a rule of its own there
	s.separate(c)
	s.apart(c, both+"; < RST 301", waiting+"; < RST 301")
	s.apart(c, waiting+"; < RST 301", both+"; < RST 301")
	s.apart(c, opened+"; send 9; close; < ACK 301 111; < FIN ACK 301 111 4; expire",
		served+"; < FIN ACK 301 101 7; send 5; close; < ACK 309 107")
	for _, name := range []string{"three-way", "half-close", "four-way", "time-wait", "refused", "ack"} {
		s.recorded(c, name)
	}
	rng := rand.New(rand.NewPCG(c.Seed(), 11))
	for range 12 {
		s.talk(c, rng)
	}
}

// calls are what talk chooses from.
var calls = []string{"listen", "connect", "connect", "send", "send", "send", "close", "expire"}

// talk has two endpoints of the student's talk to each other: calls at random, and segments that
// take their time.
func (s suite) talk(c *check.C, rng *rand.Rand) {
	issA, issB := rng.Uint32(), rng.Uint32()
	c.Variation("two endpoints talk to each other: A is New(%d), B is New(%d)", issA, issB)
	s.play(c, func(t *trace) {
		t.lasting = true
		ends := [2]*player{t.player("A: ", issA), t.player("B: ", issB)}
		var way [2][]Segment // to A, and to B
		for range 60 {
			i := rng.IntN(2)
			if len(way[i]) > 0 && rng.IntN(4) > 0 {
				next := way[i][0]
				way[i] = way[i][1:]
				way[1-i] = append(way[1-i], ends[i].gets(next)...)
				continue
			}
			call := calls[rng.IntN(len(calls))]
			again := ends[i].want.state == closed && ends[i].want.sndNxt != ends[i].want.iss
			leaves := ends[i].want.state == listening // and whether it opens then is left open
			if again || call == "close" && (leaves || rng.IntN(3) > 0) {
				continue
			}
			way[1-i] = append(way[1-i], ends[i].does(call, 1+rng.Uint32N(2000))...)
		}
	})
}

// recorded plays both sides of the connections in a recording of lesson 11: what a program called
// and what the kernel received goes into the student's endpoint, and what it sends is compared with
// what the kernel sent, as far as SYN, FIN and RST go. When a kernel sends an ACK is its own
// affair.
func (s suite) recorded(c *check.C, name string) {
	data, err := recordings.Open("testdata/" + name + ".jsonl")
	if err != nil {
		panic(err)
	}
	events, err := timeline.ReadJSON(data)
	if err != nil {
		panic(err)
	}
	for _, side := range []string{"client", "server"} {
		c.Variation("the %s of lesson 11's recording %s, numbers relative", side, name)
		s.play(c, func(t *trace) {
			var p *player
			var sent, recorded []Segment
			for _, e := range events {
				if p == nil || e.Op == timeline.Dial { // a connection of its own
					p = t.player("", 0)
					sent, recorded = nil, nil
					if side == "server" && name != "refused" {
						p.does("listen", 0)
					}
				}
				ours := e.Side == side && (e.Conn != "" || e.Op == timeline.Dial || e.Op == timeline.Segment)
				fin := p.want.state == established || p.want.state == closeWait // else it is out already
				switch {
				case e.Op == timeline.State:
					t.states(p, side, e.Text)
				case e.Op == timeline.Segment && e.Header.To == side:
					sent = append(sent, p.gets(segment(e.Header))...)
				case !ours:
				case e.Op == timeline.Dial:
					sent = append(sent, p.does("connect", 0)...)
				case e.Op == timeline.Send:
					sent = append(sent, p.does("send", uint32(e.N))...)
				case fin && (e.Op == timeline.Close || e.Op == timeline.CloseWrite):
					sent = append(sent, p.does("close", 0)...)
				case e.Op == timeline.Segment:
					recorded = append(recorded, segment(e.Header))
					t.wantLike(sent, recorded)
				}
			}
		})
	}
}

// states compares a state with one that was recorded: "states: client TIME_WAIT, server gone".
func (t *trace) states(p *player, side, text string) {
	for part := range strings.SplitSeq(strings.TrimPrefix(text, "states: "), ", ") {
		if state, ok := strings.CutPrefix(part, side+" "); ok {
			if state == "gone" {
				state = closed
			}
			t.step("the kernel's socket was in %s", state)
			if p.want.state != state { // a mistake of the model's
				t.fail("the suite expects %s here, and the kernel was in %s", p.want.state, state)
			}
		}
	}
}

func segment(h *timeline.Header) (s Segment) {
	for flag := range strings.FieldsSeq(h.Flags) {
		switch flag {
		case "SYN":
			s.SYN = true
		case "ACK":
			s.ACK = true
		case "FIN":
			s.FIN = true
		case "RST":
			s.RST = true
		}
	}
	s.Seq, s.Len = h.Seq, uint32(h.Len)
	if s.ACK {
		s.Ack = h.Ack
	}
	return s
}

// wantLike notes a mistake unless what was sent is what was recorded, as far as SYN, FIN and RST go.
func (t *trace) wantLike(sent, recorded []Segment) {
	marked := func(all []Segment) (some []Segment) {
		for _, s := range all {
			if s.SYN || s.FIN || s.RST {
				s.Len = 0
				if !s.ACK {
					s.Ack = 0 // does not count
				}
				if s.RST {
					s.Seq = 0 // relative numbers say nothing of a reset
				}
				some = append(some, s)
			}
		}
		return some
	}
	if got, want := list(marked(sent)), list(marked(recorded)); got != want {
		t.fail("of the segments with SYN, FIN or RST the endpoint sent %s, and the kernel %s", got, want)
	}
}
