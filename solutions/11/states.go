// Package states is the reference answer to lab 11: one end of a TCP connection, as a machine of
// eleven states.
package states

import "fmt"

// The states of RFC 9293, section 3.3.2, as Linux names them, but for CLOSED, its CLOSE.
const (
	Closed      = "CLOSED"
	Listen      = "LISTEN"
	SynSent     = "SYN_SENT"
	SynRecv     = "SYN_RECV"
	Established = "ESTABLISHED"
	FinWait1    = "FIN_WAIT1"
	FinWait2    = "FIN_WAIT2"
	Closing     = "CLOSING"
	TimeWait    = "TIME_WAIT"
	CloseWait   = "CLOSE_WAIT"
	LastAck     = "LAST_ACK"
)

// Segment is a segment without its data, of which only the length matters.
type Segment struct {
	SYN, ACK, FIN, RST bool

	Seq uint32 // the number of its first byte, or of its SYN
	Ack uint32 // the number that is expected next; it counts only if ACK is set
	Len uint32 // bytes of data
}

// Endpoint is one end of a connection. The names are those of RFC 9293, section 3.3.1.
type Endpoint struct {
	state   string
	iss     uint32 // ISS
	next    uint32 // SND.NXT: the number that is sent next
	expect  uint32 // RCV.NXT: the number that is expected next
	passive bool   // it was opened by Listen
}

// New returns an endpoint in CLOSED, whose SYN will have the number iss.
func New(iss uint32) *Endpoint { return &Endpoint{state: Closed, iss: iss, next: iss} }

// State returns the state, one of the constants.
func (e *Endpoint) State() string { return e.state }

// Listen waits for the other side: the passive open.
func (e *Endpoint) Listen() error {
	if e.state != Closed {
		return fmt.Errorf("listen in state %s", e.state)
	}
	e.state, e.passive = Listen, true
	return nil
}

// Connect is the active open. Like Send and Close it returns the segments to send.
func (e *Endpoint) Connect() ([]Segment, error) {
	if e.state != Closed && e.state != Listen {
		return nil, fmt.Errorf("connect in state %s", e.state)
	}
	e.state, e.passive, e.next = SynSent, false, e.iss+1
	return []Segment{{SYN: true, Seq: e.iss}}, nil
}

// Send sends n bytes.
func (e *Endpoint) Send(n uint32) ([]Segment, error) {
	if e.state != Established && e.state != CloseWait {
		return nil, fmt.Errorf("send in state %s", e.state)
	}
	s := e.ack()
	s.Len = n
	e.next += n
	return []Segment{s}, nil
}

// Close says that no more bytes will be sent.
func (e *Endpoint) Close() ([]Segment, error) {
	switch e.state {
	case Listen, SynSent:
		e.state = Closed
		return nil, nil
	case SynRecv, Established:
		e.state = FinWait1
	case CloseWait:
		e.state = LastAck
	default:
		return nil, fmt.Errorf("close in state %s", e.state)
	}
	s := e.ack()
	s.FIN = true
	e.next++
	return []Segment{s}, nil
}

// Expire says that the time of TIME_WAIT is over.
func (e *Endpoint) Expire() {
	if e.state == TimeWait {
		e.state = Closed
	}
}

// ack returns the segment that says what is expected next.
func (e *Endpoint) ack() Segment { return Segment{ACK: true, Seq: e.next, Ack: e.expect} }

// reset returns the answer to a segment that belongs to no connection; none if it is a reset itself.
func reset(s Segment) []Segment {
	switch {
	case s.RST:
		return nil
	case s.ACK:
		return []Segment{{RST: true, Seq: s.Ack}}
	}
	length := s.Len
	for _, flag := range []bool{s.SYN, s.FIN} { // both have a number
		if flag {
			length++
		}
	}
	return []Segment{{RST: true, ACK: true, Ack: s.Seq + length}}
}

// Receive takes a segment of the other side's, and returns the segments to send in answer: RFC 9293,
// section 3.10.7.
func (e *Endpoint) Receive(s Segment) []Segment {
	switch e.state {
	case Closed:
		return reset(s)
	case Listen:
		return e.receiveListening(s)
	case SynSent:
		return e.receiveSynSent(s)
	}
	if e.state == SynRecv && s.SYN && s.ACK && s.Seq+1 == e.expect { // both have opened at once
		s.SYN, s.Seq = false, e.expect
	}
	switch {
	case s.RST && s.Seq != e.expect:
		return nil
	case s.RST && e.state == SynRecv && e.passive:
		e.state = Listen
		return nil
	case s.RST:
		e.state = Closed
		return nil
	case s.Seq != e.expect || s.SYN:
		return []Segment{e.ack()}
	case !s.ACK:
		return nil
	}
	return e.receiveExpected(s)
}

func (e *Endpoint) receiveListening(s Segment) []Segment {
	switch {
	case s.RST:
		return nil
	case s.ACK:
		return reset(s)
	case !s.SYN:
		return nil
	}
	e.state, e.next, e.expect = SynRecv, e.iss+1, s.Seq+1
	return []Segment{{SYN: true, ACK: true, Seq: e.iss, Ack: e.expect}}
}

func (e *Endpoint) receiveSynSent(s Segment) []Segment {
	switch {
	case s.ACK && s.Ack != e.next:
		return reset(s)
	case s.RST && s.ACK:
		e.state = Closed
		return nil
	case s.RST || !s.SYN:
		return nil
	}
	e.expect = s.Seq + 1
	if s.ACK {
		e.state = Established
		return []Segment{e.ack()}
	}
	e.state = SynRecv
	return []Segment{{SYN: true, ACK: true, Seq: e.iss, Ack: e.expect}}
}

// receiveExpected takes a segment with ACK whose number is the one that is expected.
func (e *Endpoint) receiveExpected(s Segment) []Segment {
	if e.state == SynRecv {
		if s.Ack != e.next {
			return reset(s)
		}
		e.state = Established
	}
	if int32(s.Ack-e.next) > 0 { // of what was never sent
		return []Segment{e.ack()}
	}
	if s.Ack == e.next { // everything that was sent, the FIN too
		after := map[string]string{FinWait1: FinWait2, Closing: TimeWait, LastAck: Closed}
		if state, ok := after[e.state]; ok {
			e.state = state
		}
	}
	afterFIN := map[string]string{Established: CloseWait, FinWait1: Closing, FinWait2: TimeWait}
	state, hears := afterFIN[e.state]
	if !hears || s.Len == 0 && !s.FIN {
		return nil
	}
	e.expect += s.Len
	if s.FIN {
		e.expect++
		e.state = state
	}
	return []Segment{e.ack()}
}
