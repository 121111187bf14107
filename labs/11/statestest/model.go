package statestest

// model is the suite's own endpoint. The names are those of RFC 9293, section 3.3.1, and the order
// in receive is that of section 3.10.7. The recordings in testdata are what a kernel does.
type model struct {
	state   string
	iss     uint32
	sndNxt  uint32
	rcvNxt  uint32
	passive bool // opened by listen
}

func newModel(iss uint32) *model { return &model{state: closed, iss: iss, sndNxt: iss} }

// call makes a call. It reports whether the state allows it.
func (m *model) call(name string, n uint32) (out []Segment, ok bool) {
	switch name {
	case "listen":
		if m.state != closed {
			return nil, false
		}
		m.state, m.passive = listening, true
	case "connect":
		if m.state != closed && m.state != listening {
			return nil, false
		}
		m.state, m.passive, m.sndNxt = synSent, false, m.iss+1
		out = append(out, Segment{SYN: true, Seq: m.iss})
	case "send":
		if m.state != established && m.state != closeWait {
			return nil, false
		}
		out = append(out, m.segment(Segment{Len: n}))
		m.sndNxt += n
	case "close":
		switch m.state {
		case listening, synSent:
			m.state = closed
			return nil, true
		case synRecv, established:
			m.state = finWait1
		case closeWait:
			m.state = lastAck
		default:
			return nil, false
		}
		out = append(out, m.segment(Segment{FIN: true}))
		m.sndNxt++
	case "expire":
		if m.state == timeWait {
			m.state = closed
		}
	}
	return out, true
}

// segment fills in what every segment of a connection has.
func (m *model) segment(s Segment) Segment {
	s.ACK, s.Seq, s.Ack = true, m.sndNxt, m.rcvNxt
	return s
}

// receive takes a segment and returns the answer, if there is one.
func (m *model) receive(s Segment) *Segment {
	reset := func() *Segment {
		length := s.Len
		if s.SYN {
			length++
		}
		if s.FIN {
			length++
		}
		switch {
		case s.RST:
			return nil
		case s.ACK:
			return &Segment{RST: true, Seq: s.Ack}
		}
		return &Segment{RST: true, ACK: true, Ack: s.Seq + length}
	}
	acknowledge := func() *Segment {
		a := m.segment(Segment{})
		return &a
	}
	synAck := func() *Segment {
		m.state, m.sndNxt, m.rcvNxt = synRecv, m.iss+1, s.Seq+1
		return &Segment{SYN: true, ACK: true, Seq: m.iss, Ack: m.rcvNxt}
	}
	switch m.state {
	case closed:
		return reset()
	case listening:
		switch {
		case s.RST:
			return nil
		case s.ACK:
			return reset()
		case s.SYN:
			return synAck()
		}
		return nil
	case synSent:
		switch {
		case s.ACK && s.Ack != m.sndNxt:
			return reset()
		case s.RST:
			if s.ACK {
				m.state = closed
			}
			return nil
		case s.SYN && s.ACK:
			m.state, m.rcvNxt = established, s.Seq+1
			return acknowledge()
		case s.SYN:
			return synAck()
		}
		return nil
	case synRecv:
		if s.SYN && s.ACK && s.Seq == m.rcvNxt-1 { // figure 7, line 6
			s.SYN = false
			s.Seq++
		}
	}
	// first, the sequence number; second, RST; fourth, SYN
	if s.Seq != m.rcvNxt {
		if s.RST {
			return nil
		}
		return acknowledge()
	}
	if s.RST {
		if m.state == synRecv && m.passive {
			m.state = listening
		} else {
			m.state = closed
		}
		return nil
	}
	if s.SYN {
		return acknowledge()
	}
	// fifth, ACK
	if !s.ACK {
		return nil
	}
	if m.state == synRecv {
		if s.Ack != m.sndNxt {
			return reset()
		}
		m.state = established
	}
	if int32(s.Ack-m.sndNxt) > 0 {
		return acknowledge()
	}
	if s.Ack == m.sndNxt {
		switch m.state {
		case finWait1:
			m.state = finWait2
		case closing:
			m.state = timeWait
			return nil
		case lastAck:
			m.state = closed
			return nil
		}
	}
	// seventh, the data; eighth, FIN
	if m.state != established && m.state != finWait1 && m.state != finWait2 || s.Len == 0 && !s.FIN {
		return nil
	}
	m.rcvNxt += s.Len
	if s.FIN {
		m.rcvNxt++
		switch m.state {
		case established:
			m.state = closeWait
		case finWait1:
			m.state = closing
		case finWait2:
			m.state = timeWait
		}
	}
	return acknowledge()
}
