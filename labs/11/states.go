// Package states is lab 11: one end of a TCP connection, as a machine of eleven states. The task is
// in README.md.
package states

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

// Endpoint is one end of a connection. Its fields are up to you.
type Endpoint struct{}

// New returns an endpoint in CLOSED, whose SYN will have the number iss.
func New(iss uint32) *Endpoint {
	panic("not started")
}

// State returns the state, one of the constants.
func (e *Endpoint) State() string {
	panic("not started")
}

// Listen waits for the other side: the passive open.
func (e *Endpoint) Listen() error {
	panic("not started")
}

// Connect is the active open. Like Send and Close it returns the segments to send.
func (e *Endpoint) Connect() ([]Segment, error) {
	panic("not started")
}

// Send sends n bytes.
func (e *Endpoint) Send(n uint32) ([]Segment, error) {
	panic("not started")
}

// Close says that no more bytes will be sent.
func (e *Endpoint) Close() ([]Segment, error) {
	panic("not started")
}

// Expire says that the time of TIME_WAIT is over.
func (e *Endpoint) Expire() {
	panic("not started")
}

// Receive takes a segment of the other side's, and returns the segments to send in answer.
func (e *Endpoint) Receive(s Segment) []Segment {
	panic("not started")
}
