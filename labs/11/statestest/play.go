package statestest

import (
	"fmt"
	"strconv"
	"strings"
	"sync"

	"socketbook/tools/check"
)

// The states, as the lab's constants name them.
const (
	closed      = "CLOSED"
	listening   = "LISTEN"
	synSent     = "SYN_SENT"
	synRecv     = "SYN_RECV"
	established = "ESTABLISHED"
	finWait1    = "FIN_WAIT1"
	finWait2    = "FIN_WAIT2"
	closing     = "CLOSING"
	timeWait    = "TIME_WAIT"
	closeWait   = "CLOSE_WAIT"
	lastAck     = "LAST_ACK"
)

// String is a segment as it stands in a step: "SYN ACK seq 300 ack 101".
func (s Segment) String() string {
	var words []string
	for _, flag := range []struct {
		set  bool
		name string
	}{{s.SYN, "SYN"}, {s.FIN, "FIN"}, {s.RST, "RST"}, {s.ACK, "ACK"}} {
		if flag.set {
			words = append(words, flag.name)
		}
	}
	words = append(words, fmt.Sprintf("seq %d", s.Seq))
	if s.ACK {
		words = append(words, fmt.Sprintf("ack %d", s.Ack))
	} else if s.Ack != 0 {
		words = append(words, fmt.Sprintf("(Ack %d, without ACK)", s.Ack))
	}
	if s.Len > 0 {
		words = append(words, fmt.Sprintf("len %d", s.Len))
	}
	return strings.Join(words, " ")
}

func list(segments []Segment) string {
	if len(segments) == 0 {
		return "nothing"
	}
	var parts []string
	for _, s := range segments[:min(len(segments), 4)] {
		parts = append(parts, "["+s.String()+"]")
	}
	if len(segments) > 4 {
		parts = append(parts, fmt.Sprintf("… (%d segments)", len(segments)))
	}
	return strings.Join(parts, " and ")
}

// play has f call the student's endpoints, all in one call of the suite's, and then ends the case
// unless they did what they should.
func (s suite) play(c *check.C, f func(t *trace)) {
	t := &trace{suite: s}
	told := false
	defer func() { // also if a method has panicked, or hangs
		if !told {
			t.tell(c)
		}
	}()
	c.Do("Endpoint", func() { f(t) })
	told = true
	t.tell(c)
}

// trace is what was done with endpoints, up to the first mistake.
type trace struct {
	suite   suite
	players []*player
	lasting bool // what the methods have returned is looked at again

	mu      sync.Mutex
	steps   []string
	now     string // the call that has not returned
	mistake string
	changed bool // the mistake is that what was returned has changed
}

func (t *trace) step(format string, args ...any) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.steps = append(t.steps, fmt.Sprintf(format, args...))
}

// fail notes the first mistake.
func (t *trace) fail(format string, args ...any) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.mistake == "" {
		t.mistake = fmt.Sprintf(format, args...)
	}
}

func (t *trace) failed() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.mistake != ""
}

func (t *trace) tell(c *check.C) {
	t.mu.Lock()
	steps, now, mistake, changed := t.steps, t.now, t.mistake, t.changed
	t.mu.Unlock()
	for _, s := range steps {
		c.Step("%s", s)
	}
	if strings.HasSuffix(now, ")") || strings.HasSuffix(now, "]") {
		c.Step("%s has not returned", now)
	}
	if changed {
		c.Rule("A method has no other effect than what the README says: the segments that it has returned belong "+
			"to the caller, and no later call changes them.",
			"Return a new slice from each call. Keep none in the endpoint or in the package to fill it again.")
	}
	if mistake != "" {
		c.Fail("%s", mistake)
	}
}

// player is an endpoint of the student's, and the suite's model of it, to which the same happens.
type player struct {
	*trace
	name string // in front of steps: "A: ", or nothing
	want *model

	state   func() string
	listen  func() error
	connect func() ([]Segment, error)
	send    func(n uint32) ([]Segment, error)
	closeIt func() ([]Segment, error)
	expire  func()
	receive func(s Segment) []Segment
	kept    func() (was, is []Segment)
}

func (t *trace) player(name string, iss uint32) *player {
	p := &player{trace: t, name: name, want: newModel(iss)}
	p.state, p.listen, p.connect, p.send, p.closeIt, p.expire, p.receive, p.kept = t.suite.lab.New(iss)
	t.players = append(t.players, p)
	p.compare(fmt.Sprintf("New(%d)", iss), nil, nil)
	return p
}

// does makes a call on both, and returns what was sent.
func (p *player) does(name string, n uint32) (out []Segment) {
	if p.failed() {
		return nil
	}
	what := strings.ToUpper(name[:1]) + name[1:] + "()"
	if name == "send" {
		what = fmt.Sprintf("Send(%d)", n)
	}
	before := p.want.state
	want, allowed := p.want.call(name, n)
	p.begin(what)
	var err error
	switch name {
	case "listen":
		err = p.listen()
	case "connect":
		out, err = p.connect()
	case "send":
		out, err = p.send(n)
	case "close":
		out, err = p.closeIt()
	case "expire":
		p.expire()
	}
	if err != nil {
		out = nil // other results beside an error do not matter
		p.step("%s%s in %s returned the error %s", p.name, what, before, check.Err(err))
	}
	if allowed && err != nil {
		p.fail("%s%s is allowed in %s, and returned the error %s", p.name, what, before, check.Err(err))
	}
	if !allowed && err == nil {
		p.fail("%s%s is not allowed in %s, and returned no error", p.name, what, before)
	}
	p.compare(what, out, want)
	return out
}

// gets gives both a segment, and returns what was sent.
func (p *player) gets(s Segment) (out []Segment) {
	if p.failed() {
		return nil
	}
	var want []Segment
	if answer := p.want.receive(s); answer != nil {
		want = append(want, *answer)
	}
	what := "Receive [" + s.String() + "]"
	p.begin(what)
	out = p.receive(s)
	p.compare(what, out, want)
	return out
}

// begin notes a call that has not returned yet.
func (p *player) begin(what string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.now = p.name + what
}

// compare notes a mistake unless the endpoint has sent what it should, and is in the state in which
// it should be.
func (p *player) compare(what string, got, want []Segment) {
	state := p.state()
	p.begin("")
	if state != closed || !strings.HasPrefix(what, "New") {
		p.step("%s%s: sent %s; the state is %s", p.name, what, list(got), state)
	}
	if len(got) != len(want) {
		p.fail("%s%s: sent %s, and should have sent %s", p.name, what, list(got), list(want))
	}
	for i := range min(len(got), len(want)) {
		g, w := got[i], want[i]
		if !w.ACK {
			g.Ack = 0 // does not count
		}
		if g != w {
			p.fail("%s%s: sent [%s], and should have sent [%s]", p.name, what, got[i], w)
		}
	}
	if state != p.want.state {
		p.fail("%s%s: the state is %q, and should be %q", p.name, what, state, p.want.state)
	}
	if p.lasting {
		p.compareOld(what)
	}
}

// compareOld notes a mistake if a call has changed the segments that one before has returned.
func (p *player) compareOld(what string) {
	if p.failed() {
		return
	}
	for _, other := range p.players {
		if was, is := other.kept(); was != nil {
			p.fail("%s%s: a call before has returned a slice with %s, and now %s is in it", p.name, what,
				list(was), list(is))
			p.changed = true
			return
		}
	}
}

// The numbers of a script: the student's endpoint has ISS 100, the other side 300.
const (
	myISS    = 100
	peersISS = 300
)

type shift struct{ mine, peers uint32 }

// shifts are added to the numbers of a script, modulo 2^32: with all but the first, the numbers of
// both sides begin again at 0, or pass 2^31, in the middle of the script.
var shifts = []shift{
	{0, 0},
	{1<<32 - 3 - myISS, 1<<32 - 3 - peersISS},
	{1<<32 - 1 - myISS, 1<<31 - 2 - peersISS},
	{1<<31 - 2 - myISS, 1<<32 - 1 - peersISS}, // the number behind the other side's SYN is 0
}

// scripts plays each script on an endpoint of its own. A script is a list of calls, and of segments
// of the other side, with their flags, their number, their Ack if they have one, and their length
// if they have data: "connect; < SYN ACK 300 101; < ACK 301 101 5; close". With "ack" for ACK there is
// an Ack that does not count.
func (s suite) scripts(c *check.C, shifts []shift, all ...string) { s.ruled(c, shifts, "", "", all...) }

// ruled is scripts for what has a rule and a hint of its own.
func (s suite) ruled(c *check.C, shifts []shift, rule, hint string, all ...string) {
	for _, script := range all {
		for _, shift := range shifts {
			c.Variation("a new endpoint: New(%d)", myISS+shift.mine)
			switch {
			case rule != "":
				c.Rule(rule, hint)
			case shift.mine > 0:
				c.Rule(
					"Numbers have 32 bits, and begin again at 0 behind 4294967295: a number is after another one if "+
						"it is less than 2^31 ahead.",
					"Keep numbers as uint32, add to them without a thought, and compare them as int32(a-b) > 0.",
				)
			}
			s.play(c, func(t *trace) {
				p := t.player("", myISS+shift.mine)
				for step := range strings.SplitSeq(script, "; ") {
					p.plays(step, shift)
				}
			})
		}
	}
}

// plays makes one step of a script.
func (p *player) plays(step string, shift shift) {
	words := strings.Fields(step)
	switch {
	case words[0] == "<":
		p.gets(parse(words[1:], shift.mine, shift.peers))
	case len(words) == 2:
		p.does(words[0], number(words[1]))
	default:
		p.does(words[0], 0)
	}
}

// parse makes a segment of a script's words.
func parse(words []string, mine, peers uint32) (s Segment) {
	var idle bool // an Ack without ACK
	for len(words) > 0 && words[0] >= "A" {
		switch words[0] {
		case "SYN":
			s.SYN = true
		case "ACK":
			s.ACK = true
		case "FIN":
			s.FIN = true
		case "RST":
			s.RST = true
		case "ack":
			idle = true
		default:
			panic("a flag in a script: " + words[0])
		}
		words = words[1:]
	}
	s.Seq = number(words[0]) + peers
	if words = words[1:]; s.ACK || idle {
		s.Ack = number(words[0]) + mine
		words = words[1:]
	}
	if len(words) > 0 {
		s.Len = number(words[0])
	}
	return s
}

func number(word string) uint32 {
	n, err := strconv.ParseUint(word, 10, 32)
	if err != nil {
		panic("a number in a script: " + word)
	}
	return uint32(n)
}
