package states_test

import (
	"fmt"

	"socketbook/labs/11/statestest"
	states "socketbook/solutions/11"
	"socketbook/tools/check"
)

// wrong are the mistakes that people make, each with exactly the cases that must fail on it. The
// failure text of a case in testdata is the one that the first answer named for it provokes.
var wrong = []check.Answer{
	mistake("a SYN does not count", statestest.Active, statestest.Passive),
	mistake("numbers begin at 0", statestest.Active, statestest.Passive),
	mistake("the other side's SYN does not count", statestest.Active, statestest.Passive),
	mistake("the SYN ACK is not acknowledged", statestest.Active, statestest.Passive),
	mistake("data does not count", statestest.Active, statestest.Passive),
	mistake("data is not acknowledged", statestest.Active, statestest.Passive),
	mistake("what is sent does not count", statestest.Active, statestest.Passive),
	mistake("an ACK for every segment", statestest.Active, statestest.Passive),
	mistake("data has no ACK", statestest.Active, statestest.Passive),
	mistake("one state for all endpoints", statestest.Conversation),
	mistake("who listened last is noted in the package", statestest.Conversation),
	mistake("the SYN carries an ACK", statestest.Active, statestest.Passive),
	mistake("lengths of sixteen bits", statestest.Active),

	mistake("the SYN ACK has the number behind iss", statestest.Passive),
	mistake("LISTEN goes to ESTABLISHED at once", statestest.Passive),
	mistake("the data of the third segment is lost", statestest.Passive),
	mistake("anything wakes LISTEN", statestest.Passive),
	mistake("LISTEN cannot connect", statestest.Passive),

	mistake("the FIN does not count", statestest.First, statestest.Second),
	mistake("the FIN has no ACK", statestest.First, statestest.Second),
	mistake("any ACK acknowledges the FIN", statestest.First, statestest.Second),
	mistake("FIN_WAIT2 without an ACK of the FIN", statestest.First),
	mistake("FIN and ACK in one segment are one too many", statestest.First),
	mistake("TIME_WAIT is left out", statestest.First),
	mistake("no data after the own FIN", statestest.First),
	mistake("a FIN again is passed over in TIME_WAIT", statestest.Unexpected),
	mistake("Expire ends everything", statestest.First, statestest.Second),
	mistake("SYN_RECV cannot be closed", statestest.First),

	mistake("the other side's FIN does not count", statestest.First, statestest.Second),
	mistake("a FIN is not acknowledged", statestest.First, statestest.Second),
	mistake("CLOSE_WAIT closes by itself", statestest.Second),
	mistake("CLOSE_WAIT cannot send", statestest.Second),
	mistake("LAST_ACK is left out", statestest.Second),
	mistake("LAST_ACK goes to TIME_WAIT", statestest.Second),
	mistake("a FIN without its data", statestest.First, statestest.Second),
	mistake("data behind the FIN counts", statestest.First, statestest.Second),

	mistake("two SYNs are none", statestest.AtOnce),
	mistake("two SYNs are ESTABLISHED", statestest.AtOnce),
	mistake("a SYN ACK in SYN_RECV is not expected", statestest.AtOnce),
	mistake("the second SYN has a new number", statestest.AtOnce),
	mistake("CLOSING is FIN_WAIT2", statestest.AtOnce),
	mistake("two FINs are TIME_WAIT", statestest.AtOnce),
	mistake("any ACK ends CLOSING", statestest.AtOnce),

	mistake("a reset is answered", statestest.Reset),
	mistake("a reset with any number ends it", statestest.Reset),
	mistake("no reset ends it", statestest.Reset),
	mistake("a reset without ACK ends SYN_SENT", statestest.Reset),
	mistake("a reset never ends SYN_SENT", statestest.Reset),
	mistake("after a reset the listener is gone", statestest.Reset),
	mistake("every SYN_RECV listens again", statestest.Conversation),
	mistake("what was reset to LISTEN once is so again", statestest.Conversation),
	mistake("Connect counts on from a SYN that was reset", statestest.Reset),
	mistake("a reset ends LISTEN", statestest.Reset),
	mistake("a reset does not end TIME_WAIT", statestest.Reset),
	mistake("a reset with SYN is a SYN", statestest.Reset),

	mistake("CLOSED says nothing", statestest.Nobody),
	mistake("LISTEN passes over an ACK", statestest.Nobody),
	mistake("the reset acknowledges Seq alone", statestest.Nobody),
	mistake("the reset has the endpoint's own number", statestest.Nobody),
	mistake("a reset always acknowledges", statestest.Nobody),
	mistake("any ACK opens SYN_SENT", statestest.Nobody),
	mistake("any ACK opens SYN_RECV", statestest.Nobody),
	mistake("the FIN does not count in a reset", statestest.Nobody),
	mistake("an Ack counts without ACK", statestest.Nobody),
	mistake("a wrong ACK ends SYN_SENT", statestest.Reset, statestest.Nobody),

	mistake("what is not expected is dropped", statestest.Unexpected),
	mistake("what comes too early is taken", statestest.Unexpected),
	mistake("what comes again counts again", statestest.Unexpected),
	mistake("what comes too early is kept", statestest.Unexpected),
	mistake("a SYN resets the connection", statestest.Unexpected),
	mistake("an ACK of what was never sent is believed", statestest.Unexpected),
	mistake("numbers are compared as they are", statestest.Unexpected),
	mistake("a segment without ACK counts", statestest.Unexpected),
	mistake("an old ACK is not believed", statestest.Unexpected),

	mistake("Close in SYN_SENT sends a FIN", statestest.Calls),
	mistake("Close twice sends two FINs", statestest.Calls),
	mistake("Send after Close", statestest.Calls),
	mistake("Listen at any time", statestest.Calls),
	mistake("Connect at any time", statestest.Calls),
	mistake("Send before ESTABLISHED", statestest.Calls),
	mistake("a wrong call resets", statestest.Calls),
	mistake("Close in CLOSED is no error", statestest.Calls),
	mistake("a wrong Connect begins the numbers anew", statestest.Calls),

	mistake("ten segments at most", statestest.Conversation),
	mistake("an iss beyond 2^31 is made smaller", statestest.Unexpected),
	mistake("a SYN has a smaller number than what follows", statestest.Conversation),
	mistake("one slice for all answers", statestest.Conversation),
}

func mistake(name string, fails ...string) check.Answer {
	if name == "one state for all endpoints" {
		return keeping(name, func() statestest.Lab {
			one := newMachine("")(0)
			return statestest.Adapt(func(iss uint32) *machine {
				*one = *newMachine("")(iss)
				return one
			})
		}, fails...)
	}
	if name == "who listened last is noted in the package" {
		return keeping(name, func() statestest.Lab {
			last := new(bool)
			return statestest.Adapt(func(iss uint32) *machine {
				m := newMachine("")(iss)
				m.last = last
				return m
			})
		}, fails...)
	}
	return answer(name, statestest.Adapt(newMachine(name)), fails...)
}

// keeping is answer for mistakes that keep something between calls: each case gets a lab of its own.
func keeping(name string, lab func() statestest.Lab, fails ...string) check.Answer {
	a := answer(name, lab(), fails...)
	for i := range a.Lab.Cases {
		a.Lab.Cases[i].Run = func(c *check.C) { statestest.Suite(lab()).Cases[i].Run(c) }
	}
	return a
}

// machine goes through RFC 9293, section 3.10, step by step, and makes the mistake that it is named for.
type machine struct {
	mistake            string
	state              string
	iss, una, nxt, rcv uint32
	passive            bool
	last               *bool // passive of the endpoint that was opened last, if all share it
	listened           bool  // LISTEN was left by a SYN
	segments           int
	early              map[uint32]segment // by Seq, where they are kept
	answer             [1]segment
}

func newMachine(mistake string) func(iss uint32) *machine {
	return func(iss uint32) *machine {
		m := &machine{
			mistake: mistake, state: states.Closed, iss: iss, nxt: iss, early: map[uint32]segment{},
		}
		switch {
		case m.is("numbers begin at 0"):
			m.iss, m.nxt = 0, 0
		case m.is("an iss beyond 2^31 is made smaller"):
			m.iss, m.nxt = iss&0x7fffffff, iss&0x7fffffff
		}
		return m
	}
}

func (m *machine) is(mistake string) bool { return m.mistake == mistake }

func (m *machine) in(states ...string) bool {
	for _, s := range states {
		if s == m.state {
			return true
		}
	}
	return false
}

// refuses returns the error of a call that the state does not allow.
func (m *machine) refuses(call string) error {
	err := fmt.Errorf("%s is not allowed in %s", call, m.state)
	if m.is("a wrong call resets") {
		m.state = states.Closed
	}
	if m.is("a wrong Connect begins the numbers anew") && call == "Connect" {
		m.nxt = m.iss + 1
	}
	return err
}

func (m *machine) State() string { return m.state }

func (m *machine) Listen() error {
	if !m.in(states.Closed) && !m.is("Listen at any time") {
		return m.refuses("Listen")
	}
	m.state, m.passive = states.Listen, true
	m.share()
	return nil
}

func (m *machine) Connect() ([]segment, error) {
	allowed := m.in(states.Closed) || m.in(states.Listen) && !m.is("LISTEN cannot connect")
	if !allowed && !m.is("Connect at any time") {
		return nil, m.refuses("Connect")
	}
	m.state, m.passive = states.SynSent, false
	m.share()
	if m.is("Connect counts on from a SYN that was reset") {
		m.una, m.nxt = m.nxt, m.nxt+1
	} else {
		m.una, m.nxt = m.iss, m.iss+1
	}
	if m.is("a SYN does not count") {
		m.nxt = m.iss
	}
	return []segment{{SYN: true, ACK: m.is("the SYN carries an ACK"), Seq: m.iss}}, nil
}

func (m *machine) Send(n uint32) ([]segment, error) {
	allowed := m.in(states.Established) || m.in(states.CloseWait) && !m.is("CLOSE_WAIT cannot send") ||
		m.is("Send after Close") && m.in(states.FinWait1, states.FinWait2, states.LastAck) ||
		m.is("Send before ESTABLISHED") && m.in(states.SynRecv, states.SynSent)
	if !allowed {
		return nil, m.refuses("Send")
	}
	s := segment{ACK: !m.is("data has no ACK"), Seq: m.nxt, Ack: m.rcv, Len: n}
	if m.is("lengths of sixteen bits") {
		n &= 0xffff
	}
	if !m.is("what is sent does not count") {
		m.nxt += n
	}
	return []segment{s}, nil
}

func (m *machine) Close() ([]segment, error) {
	switch {
	case m.in(states.Listen), m.in(states.SynSent) && !m.is("Close in SYN_SENT sends a FIN"):
		m.state = states.Closed
		return nil, nil
	case m.in(states.SynRecv) && m.is("SYN_RECV cannot be closed"):
		return nil, m.refuses("Close")
	case m.in(states.SynRecv, states.Established, states.SynSent):
		m.state = states.FinWait1
		if m.is("FIN_WAIT2 without an ACK of the FIN") {
			m.state = states.FinWait2
		}
	case m.in(states.CloseWait):
		m.state = states.LastAck
		if m.is("LAST_ACK is left out") {
			m.state = states.Closed
		}
	case m.is("Close twice sends two FINs") && m.in(states.FinWait1, states.FinWait2, states.LastAck):
	case m.is("Close in CLOSED is no error") && m.in(states.Closed):
		return nil, nil
	default:
		return nil, m.refuses("Close")
	}
	s := segment{FIN: true, ACK: !m.is("the FIN has no ACK"), Seq: m.nxt, Ack: m.rcv}
	if !m.is("the FIN does not count") {
		m.nxt++
	}
	return []segment{s}, nil
}

func (m *machine) Expire() {
	if m.in(states.TimeWait) || m.is("Expire ends everything") {
		m.state = states.Closed
	}
}

func (m *machine) ack() []segment {
	s := segment{ACK: true, Seq: m.nxt, Ack: m.rcv}
	if m.is("one slice for all answers") {
		m.answer[0] = s
		return m.answer[:]
	}
	return []segment{s}
}

func (m *machine) synAck() []segment {
	m.una, m.nxt = m.iss, m.iss+1
	s := segment{SYN: true, ACK: true, Seq: m.iss, Ack: m.rcv}
	if m.is("the SYN ACK has the number behind iss") ||
		m.is("the second SYN has a new number") && m.state == states.SynSent {
		s.Seq = m.nxt
	}
	m.listened = m.listened || m.state == states.Listen
	m.state = states.SynRecv
	return []segment{s}
}

func (m *machine) reset(s segment) []segment {
	if s.RST && !m.is("a reset is answered") {
		return nil
	}
	if s.ACK && !m.is("a reset always acknowledges") {
		if m.is("the reset has the endpoint's own number") {
			return []segment{{RST: true, Seq: m.nxt}}
		}
		return []segment{{RST: true, Seq: s.Ack}}
	}
	end := s.Seq + s.Len
	if s.SYN {
		end++
	}
	if s.FIN && !m.is("the FIN does not count in a reset") {
		end++
	}
	if m.is("the reset acknowledges Seq alone") {
		end = s.Seq
	}
	r := segment{RST: true, ACK: true, Ack: end}
	if m.is("an Ack counts without ACK") {
		r.Seq = s.Ack
	}
	return []segment{r}
}

// synNumber is what a SYN of the other side's counts.
func (m *machine) synNumber() uint32 {
	if m.is("the other side's SYN does not count") {
		return 0
	}
	return 1
}

func (m *machine) Receive(s segment) []segment {
	if m.segments++; m.segments > 10 && m.is("ten segments at most") {
		return nil
	}
	switch m.state {
	case states.Closed:
		if m.is("CLOSED says nothing") {
			return nil
		}
		return m.reset(s)
	case states.Listen:
		return m.listening(s)
	case states.SynSent:
		return m.dialling(s)
	}
	return m.connected(s)
}

func (m *machine) listening(s segment) []segment {
	switch {
	case s.RST && !(s.SYN && m.is("a reset with SYN is a SYN")):
		if m.is("a reset ends LISTEN") {
			m.state = states.Closed
		}
		return nil
	case s.ACK:
		if m.is("LISTEN passes over an ACK") {
			return nil
		}
		return m.reset(s)
	case !s.SYN && !m.is("anything wakes LISTEN"):
		return nil
	}
	m.rcv = s.Seq + m.synNumber()
	out := m.synAck()
	if m.is("LISTEN goes to ESTABLISHED at once") {
		m.state = states.Established
	}
	return out
}

func (m *machine) dialling(s segment) []segment {
	acceptable := s.ACK && s.Ack == m.iss+1 || s.ACK && !s.RST && m.is("any ACK opens SYN_SENT")
	if m.is("a SYN does not count") {
		acceptable = s.ACK && s.Ack == m.iss
	}
	switch {
	case s.ACK && !acceptable:
		if m.is("a wrong ACK ends SYN_SENT") {
			m.state = states.Closed
		}
		return m.reset(s)
	case s.RST && !(s.SYN && m.is("a reset with SYN is a SYN")):
		if (acceptable || m.is("a reset without ACK ends SYN_SENT")) && !m.is("a reset never ends SYN_SENT") {
			m.state = states.Closed
		}
		return nil
	case !s.SYN:
		return nil
	case s.ACK:
		m.state, m.una, m.rcv = states.Established, m.nxt, s.Seq+m.synNumber()
		if m.is("the SYN ACK is not acknowledged") {
			return nil
		}
		return m.ack()
	case m.is("two SYNs are none"):
		return nil
	}
	m.rcv = s.Seq + m.synNumber()
	out := m.synAck()
	if m.is("two SYNs are ESTABLISHED") {
		m.state = states.Established
	}
	return out
}

func (m *machine) connected(s segment) []segment {
	if m.in(states.SynRecv) && s.SYN && s.ACK && s.Seq+1 == m.rcv &&
		!m.is("a SYN ACK in SYN_RECV is not expected") &&
		(s.Seq < m.rcv || !m.is("a SYN has a smaller number than what follows")) {
		s.SYN, s.Seq = false, m.rcv
	}
	if s.RST {
		return m.wasReset(s)
	}
	if m.is("a segment without ACK counts") && !s.ACK {
		s.ACK, s.Ack = true, m.nxt
	}
	if s.Seq != m.rcv {
		switch {
		case m.is("a FIN again is passed over in TIME_WAIT") && m.in(states.TimeWait):
			return nil
		case m.is("what is not expected is dropped"):
			return nil
		case m.is("what comes too early is taken") && int32(s.Seq-m.rcv) > 0 && m.in(states.Established) && !s.SYN:
			m.rcv = s.Seq
		case m.is("what comes too early is kept") && int32(s.Seq-m.rcv) > 0 && s.ACK && !s.SYN:
			m.early[s.Seq] = s
			return m.ack()
		case m.is("what comes again counts again") && m.in(states.Established) && s.Len > 0:
		default:
			return m.ack()
		}
	}
	if s.SYN {
		if m.is("a SYN resets the connection") {
			m.state = states.Closed
			return m.reset(s)
		}
		return m.ack()
	}
	if !s.ACK {
		return nil
	}
	return m.acknowledged(s)
}

func (m *machine) wasReset(s segment) []segment {
	switch {
	case m.is("a reset is answered"):
		return m.reset(s)
	case m.is("no reset ends it"),
		m.is("a reset does not end TIME_WAIT") && m.in(states.TimeWait),
		s.Seq != m.rcv && !m.is("a reset with any number ends it"):
		return nil
	case m.in(states.SynRecv) && m.is("after a reset the listener is gone"):
		m.state = states.Closed
	case m.in(states.SynRecv) && (m.isPassive() || m.is("every SYN_RECV listens again") ||
		m.listened && m.is("what was reset to LISTEN once is so again")):
		m.state = states.Listen
	default:
		m.state = states.Closed
	}
	return nil
}

func (m *machine) share() {
	if m.last != nil {
		*m.last = m.passive
	}
}

func (m *machine) isPassive() bool {
	if m.last != nil {
		return *m.last
	}
	return m.passive
}

// acknowledged takes the ACK of a segment, and goes on with what else is in it.
func (m *machine) acknowledged(s segment) []segment {
	if m.in(states.SynRecv) {
		if s.Ack != m.nxt && !m.is("any ACK opens SYN_RECV") {
			return m.reset(s)
		}
		m.state = states.Established
		if m.is("the data of the third segment is lost") {
			return nil
		}
	}
	ahead := int32(s.Ack-m.nxt) > 0
	if m.is("numbers are compared as they are") {
		ahead = s.Ack > m.nxt
	}
	if m.is("an old ACK is not believed") {
		ahead = s.Ack != m.nxt && m.in(states.Established)
	}
	if ahead && !m.is("an ACK of what was never sent is believed") {
		return m.ack()
	}
	all := s.Ack == m.nxt
	if m.is("any ACK acknowledges the FIN") || m.is("any ACK ends CLOSING") && m.in(states.Closing) {
		all = true
	}
	if all {
		switch m.state {
		case states.FinWait1:
			m.state = states.FinWait2
			if m.is("FIN and ACK in one segment are one too many") {
				s.FIN = false
			}
		case states.Closing:
			m.state = states.TimeWait
			return nil
		case states.LastAck:
			m.state = states.Closed
			if m.is("LAST_ACK goes to TIME_WAIT") {
				m.state = states.TimeWait
			}
			return nil
		}
	}
	return m.heard(s)
}

func (m *machine) heard(s segment) []segment {
	if m.is("data behind the FIN counts") && m.in(states.CloseWait, states.TimeWait) && s.Len > 0 {
		m.rcv += s.Len
		return m.ack()
	}
	if !m.in(states.Established, states.FinWait1, states.FinWait2) ||
		m.is("no data after the own FIN") && !m.in(states.Established) && !s.FIN {
		return nil
	}
	if s.Len == 0 && !s.FIN && !m.is("an ACK for every segment") {
		return nil
	}
	if !m.is("data does not count") && !(m.is("a FIN without its data") && s.FIN) {
		m.rcv += s.Len
	}
	if s.FIN {
		m.finished()
		if m.is("a FIN is not acknowledged") {
			return nil
		}
	} else if m.is("data is not acknowledged") {
		return nil
	}
	if next, ok := m.early[m.rcv]; ok && m.is("what comes too early is kept") {
		return m.connected(next)
	}
	out := m.ack()
	if m.is("CLOSE_WAIT closes by itself") && m.in(states.CloseWait) {
		fin, _ := m.Close()
		out = append(out, fin...)
	}
	return out
}

// finished is what a FIN does.
func (m *machine) finished() {
	if !m.is("the other side's FIN does not count") {
		m.rcv++
	}
	switch m.state {
	case states.Established:
		m.state = states.CloseWait
	case states.FinWait1:
		m.state = states.Closing
		if m.is("CLOSING is FIN_WAIT2") {
			m.state = states.FinWait2
		}
		if m.is("two FINs are TIME_WAIT") {
			m.state = states.TimeWait
		}
	case states.FinWait2:
		m.state = states.TimeWait
		if m.is("TIME_WAIT is left out") {
			m.state = states.Closed
		}
	}
}
