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

// after is the machine: the state that follows each state after a call, after an ACK of everything that
// was sent, and after a FIN. What depends on more, such as the handshake, is below.
var after = map[string]map[string]string{
	"listen":  {Closed: Listen},
	"connect": {Closed: SynSent, Listen: SynSent},
	"send":    {Established: Established, CloseWait: CloseWait},
	"close":   {Listen: Closed, SynSent: Closed, SynRecv: FinWait1, Established: FinWait1, CloseWait: LastAck},
	"expire":  {TimeWait: Closed},
	"ACK":     {SynRecv: Established, FinWait1: FinWait2, Closing: TimeWait, LastAck: Closed},
	"FIN":     {Established: CloseWait, FinWait1: Closing, FinWait2: TimeWait},
}

// Endpoint is one end of a connection. The names in capitals are those of RFC 9293, section 3.3.1.
type Endpoint struct {
	state    string
	iss      uint32 // ISS
	next     uint32 // SND.NXT: the number that it sends next
	expected uint32 // RCV.NXT: the number that it expects next
	passive  bool   // in SYN_RECV: it came from LISTEN
}

// New returns an endpoint in CLOSED, whose SYN will have the number iss.
func New(iss uint32) *Endpoint { return &Endpoint{state: Closed, iss: iss} }

// State returns the state, one of the constants.
func (e *Endpoint) State() string { return e.state }

// Listen waits for the other side: the passive open.
func (e *Endpoint) Listen() error { return e.change("listen") }

// Connect is the active open. Like Send and Close it returns the segments to send.
func (e *Endpoint) Connect() ([]Segment, error) {
	if err := e.change("connect"); err != nil {
		return nil, err
	}
	e.next = e.iss + 1
	return []Segment{{SYN: true, Seq: e.iss}}, nil
}

// Send sends n bytes.
func (e *Endpoint) Send(n uint32) ([]Segment, error) {
	if err := e.change("send"); err != nil {
		return nil, err
	}
	return e.send(Segment{Len: n}), nil
}

// Close says that no more bytes will be sent.
func (e *Endpoint) Close() ([]Segment, error) {
	if err := e.change("close"); err != nil {
		return nil, err
	}
	if e.state == Closed { // there was no connection yet that could end
		return nil, nil
	}
	return e.send(Segment{FIN: true}), nil
}

// Expire says that the time of TIME_WAIT is over.
func (e *Endpoint) Expire() { e.change("expire") }

// change enters the state that follows. If there is none, that is an error, and nothing changes.
func (e *Endpoint) change(event string) error {
	state, ok := after[event][e.state]
	if !ok {
		return fmt.Errorf("%s in state %s", event, e.state)
	}
	e.state = state
	return nil
}

// send returns the ACK with what s carries, and counts that.
func (e *Endpoint) send(s Segment) []Segment {
	s.ACK, s.Seq, s.Ack = true, e.next, e.expected
	e.next = behind(s)
	return []Segment{s}
}

// ack returns the ACK: it says what is expected next.
func (e *Endpoint) ack() []Segment { return e.send(Segment{}) }

// behind returns the number behind a segment.
func behind(s Segment) uint32 {
	number := s.Seq + s.Len
	if s.SYN {
		number++
	}
	if s.FIN {
		number++
	}
	return number
}

// reset returns the answer to a segment that belongs to no connection; none if it is a reset itself.
func reset(s Segment) []Segment {
	switch {
	case s.RST:
		return nil
	case s.ACK:
		return []Segment{{RST: true, Seq: s.Ack}}
	}
	return []Segment{{RST: true, ACK: true, Ack: behind(s)}}
}

// Receive takes a segment of the other side's, and returns the segments to send in answer: RFC 9293,
// section 3.10.7.
func (e *Endpoint) Receive(s Segment) []Segment {
	switch e.state {
	case Closed:
		return reset(s)
	case Listen, SynSent:
		return e.receiveFirst(s)
	}
	return e.receiveNext(s)
}

// receiveFirst takes a segment in LISTEN and SYN_SENT, where a SYN is expected.
func (e *Endpoint) receiveFirst(s Segment) []Segment {
	switch {
	case s.ACK && (e.state == Listen || s.Ack != e.next): // of what was never sent
		return reset(s)
	case s.RST && s.ACK:
		e.state = Closed
		return nil
	case s.RST || !s.SYN:
		return nil
	}
	e.expected = s.Seq + 1
	if s.ACK {
		e.state = Established
		return e.ack()
	}
	e.state, e.passive, e.next = SynRecv, e.state == Listen, e.iss
	return e.send(Segment{SYN: true})
}

// receiveNext takes a segment in the states after those, where the other side's numbers are known.
func (e *Endpoint) receiveNext(s Segment) []Segment {
	if e.state == SynRecv && s.SYN && s.ACK && s.Seq+1 == e.expected { // both have opened at once
		s.SYN, s.Seq = false, e.expected
	}
	switch {
	case s.RST && s.Seq != e.expected:
		return nil
	case s.RST && e.state == SynRecv && e.passive:
		e.state = Listen
		return nil
	case s.RST:
		e.state = Closed
		return nil
	case s.Seq != e.expected || s.SYN:
		return e.ack()
	case !s.ACK:
		return nil
	case e.state == SynRecv && s.Ack != e.next:
		return reset(s)
	case int32(s.Ack-e.next) > 0: // of what was never sent
		return e.ack()
	}
	if s.Ack == e.next { // everything has arrived, a FIN too; most states stay as they are
		e.change("ACK")
	}
	_, open := after["FIN"][e.state] // the other side may still send
	if !open || behind(s) == s.Seq {
		return nil
	}
	e.expected = behind(s)
	if s.FIN {
		e.change("FIN")
	}
	return e.ack()
}
