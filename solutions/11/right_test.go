package states_test

import (
	"errors"
	"fmt"

	"socketbook/labs/11/statestest"
	states "socketbook/solutions/11"
	"socketbook/tools/check"
)

type segment = states.Segment

// right are the reference and correct answers in other styles.
var right = []check.Answer{
	answer("the reference", reference),
	answer("as the standard has it, step by step", statestest.Adapt(newMachine(""))),
	answer("an interface, and a type for each state", statestest.Adapt(newTyped)),
	answer("a table of what leads where", statestest.Adapt(newTabled)),
	answer("a copy for each segment", statestest.Adapt(newCopying)),
	answer("in a goroutine, with something beside each error", statestest.Adapt(newNoisy)),
	answer("an endpoint is opened once", statestest.Adapt(newOnce)),
}

// typed has a value for each state, which does what is to be done in that state.
type typed struct {
	now           condition
	iss, snd, rcv uint32
	byListen      bool
}

// condition takes a segment, and returns the condition that follows it and the answer.
type condition interface {
	name() string
	take(e *typed, s segment) (condition, []segment)
}

type (
	noConnection  struct{}
	listener      struct{}
	dialling      struct{}
	synchronized  struct{ called string }
	transitionMap map[string]string
)

func newTyped(iss uint32) *typed { return &typed{now: noConnection{}, iss: iss, snd: iss} }

func (noConnection) name() string   { return states.Closed }
func (listener) name() string       { return states.Listen }
func (dialling) name() string       { return states.SynSent }
func (s synchronized) name() string { return s.called }

func (e *typed) State() string { return e.now.name() }

func (e *typed) Listen() error {
	if e.now != (noConnection{}) {
		return errors.New("not closed")
	}
	e.now, e.byListen = listener{}, true
	return nil
}

func (e *typed) Connect() ([]segment, error) {
	switch e.now.(type) {
	case noConnection, listener:
		e.now, e.byListen, e.snd = dialling{}, false, e.iss+1
		return []segment{{SYN: true, Seq: e.iss}}, nil
	}
	return nil, errors.New("there is a connection")
}

func (e *typed) Send(n uint32) ([]segment, error) {
	if name := e.State(); name != states.Established && name != states.CloseWait {
		return nil, errors.New("nothing can be sent in " + name)
	}
	defer func() { e.snd += n }()
	return []segment{{ACK: true, Seq: e.snd, Ack: e.rcv, Len: n}}, nil
}

func (e *typed) Close() ([]segment, error) {
	switch e.now.(type) {
	case listener, dialling:
		e.now = noConnection{}
		return nil, nil
	}
	next, ok := transitionMap{
		states.SynRecv: states.FinWait1, states.Established: states.FinWait1, states.CloseWait: states.LastAck,
	}[e.State()]
	if !ok {
		return nil, errors.New("closing already")
	}
	e.now = synchronized{next}
	e.snd++
	return []segment{{FIN: true, ACK: true, Seq: e.snd - 1, Ack: e.rcv}}, nil
}

func (e *typed) Expire() {
	if e.State() == states.TimeWait {
		e.now = noConnection{}
	}
}

func (e *typed) Receive(s segment) (out []segment) {
	e.now, out = e.now.take(e, s)
	return out
}

func refuse(s segment) []segment {
	if s.RST {
		return nil
	}
	if s.ACK {
		return []segment{{RST: true, Seq: s.Ack}}
	}
	end := s.Seq + s.Len
	if s.SYN {
		end++
	}
	if s.FIN {
		end++
	}
	return []segment{{RST: true, ACK: true, Ack: end}}
}

func (c noConnection) take(_ *typed, s segment) (condition, []segment) { return c, refuse(s) }

func (c listener) take(e *typed, s segment) (condition, []segment) {
	if s.ACK || s.RST {
		return c, refuse(s)
	}
	if !s.SYN {
		return c, nil
	}
	e.rcv, e.snd = s.Seq+1, e.iss+1
	return synchronized{states.SynRecv}, []segment{{SYN: true, ACK: true, Seq: e.iss, Ack: e.rcv}}
}

func (c dialling) take(e *typed, s segment) (condition, []segment) {
	good := s.ACK && s.Ack == e.iss+1
	switch {
	case s.ACK && !good:
		return c, refuse(s)
	case s.RST && good:
		return noConnection{}, nil
	case s.RST, !s.SYN:
		return c, nil
	case good:
		e.rcv = s.Seq + 1
		return synchronized{states.Established}, e.answer()
	}
	e.rcv = s.Seq + 1
	return synchronized{states.SynRecv}, []segment{{SYN: true, ACK: true, Seq: e.iss, Ack: e.rcv}}
}

func (e *typed) answer() []segment { return []segment{{ACK: true, Seq: e.snd, Ack: e.rcv}} }

func (c synchronized) take(e *typed, s segment) (condition, []segment) {
	opening := c.called == states.SynRecv
	if opening && s.SYN && s.ACK && s.Seq == e.rcv-1 {
		s = segment{ACK: true, Seq: e.rcv, Ack: s.Ack}
	}
	if s.RST {
		switch {
		case s.Seq != e.rcv:
			return c, nil
		case opening && e.byListen:
			return listener{}, nil
		}
		return noConnection{}, nil
	}
	if s.Seq != e.rcv || s.SYN {
		return c, e.answer()
	}
	if !s.ACK {
		return c, nil
	}
	if opening {
		if s.Ack != e.snd {
			return c, refuse(s)
		}
		c.called = states.Established
	}
	if ahead := s.Ack - e.snd; ahead != 0 && ahead < 1<<31 {
		return c, e.answer()
	} else if ahead == 0 {
		switch c.called {
		case states.LastAck:
			return noConnection{}, nil
		case states.FinWait1:
			c.called = states.FinWait2
		case states.Closing:
			c.called = states.TimeWait
			return c, nil
		}
	}
	next, hearing := transitionMap{
		states.Established: states.CloseWait, states.FinWait1: states.Closing, states.FinWait2: states.TimeWait,
	}[c.called]
	if !hearing {
		return c, nil
	}
	before := e.rcv
	if e.rcv += s.Len; s.FIN {
		e.rcv++
		c.called = next
	}
	if e.rcv == before {
		return c, nil
	}
	return c, e.answer()
}

// tabled looks every change of state up in one map, by the state and what has happened.
type tabled struct {
	state               string
	iss, sent, expected uint32
	passive             bool
}

type event struct{ state, what string }

var table = map[event]string{
	{states.Closed, "listen"}: states.Listen, {states.Closed, "connect"}: states.SynSent,
	{states.Listen, "connect"}: states.SynSent, {states.Listen, "close"}: states.Closed,
	{states.SynSent, "close"}: states.Closed, {states.SynRecv, "close"}: states.FinWait1,
	{states.Established, "close"}: states.FinWait1, {states.CloseWait, "close"}: states.LastAck,
	{states.Established, "send"}: states.Established, {states.CloseWait, "send"}: states.CloseWait,
	{states.TimeWait, "expire"}: states.Closed,

	{states.Listen, "SYN"}: states.SynRecv, {states.SynSent, "SYN"}: states.SynRecv,
	{states.SynSent, "SYN ACK"}: states.Established, {states.SynRecv, "ACK of all"}: states.Established,
	{states.FinWait1, "ACK of all"}: states.FinWait2, {states.Closing, "ACK of all"}: states.TimeWait,
	{states.LastAck, "ACK of all"}: states.Closed, {states.Established, "FIN"}: states.CloseWait,
	{states.FinWait1, "FIN"}: states.Closing, {states.FinWait2, "FIN"}: states.TimeWait,
}

func newTabled(iss uint32) *tabled { return &tabled{state: states.Closed, iss: iss, sent: iss} }

// to reports whether the table knows what to do.
func (e *tabled) to(what string) bool {
	next, ok := table[event{e.state, what}]
	if ok {
		e.state = next
	}
	return ok
}

func (e *tabled) State() string { return e.state }

func (e *tabled) Listen() error {
	if !e.to("listen") {
		return fmt.Errorf("no listen in %s", e.state)
	}
	e.passive = true
	return nil
}

func (e *tabled) Connect() (out []segment, err error) {
	if !e.to("connect") {
		return nil, fmt.Errorf("no connect in %s", e.state)
	}
	e.passive, e.sent = false, e.iss+1
	return append(out, segment{SYN: true, Seq: e.iss}), nil
}

func (e *tabled) Send(n uint32) (out []segment, err error) {
	if !e.to("send") {
		return nil, fmt.Errorf("no send in %s", e.state)
	}
	out = append(out, segment{ACK: true, Seq: e.sent, Ack: e.expected, Len: n})
	e.sent += n
	return out, nil
}

func (e *tabled) Close() (out []segment, err error) {
	if !e.to("close") {
		return nil, fmt.Errorf("no close in %s", e.state)
	}
	if e.state != states.Closed {
		out = append(out, segment{FIN: true, ACK: true, Seq: e.sent, Ack: e.expected})
		e.sent++
	}
	return out, nil
}

func (e *tabled) Expire() { e.to("expire") }

func (e *tabled) Receive(s segment) (out []segment) {
	wrongAck := s.ACK && s.Ack != e.sent
	switch e.state {
	case states.Listen:
		wrongAck = s.ACK
	case states.SynRecv:
		if s.SYN && s.ACK && s.Seq+1 == e.expected {
			s.SYN, s.Seq = false, s.Seq+1
		}
		wrongAck = wrongAck && s.Seq == e.expected && !s.SYN
	case states.Closed:
		return refuse(s)
	case states.SynSent:
	default:
		wrongAck = false
	}
	if wrongAck && !s.RST {
		return refuse(s)
	}
	if e.state == states.Listen || e.state == states.SynSent {
		switch {
		case s.RST && s.ACK && !wrongAck && e.state == states.SynSent:
			e.state = states.Closed
		case s.RST || !s.SYN:
		case s.ACK:
			e.expected = s.Seq + 1
			e.to("SYN ACK")
			return []segment{{ACK: true, Seq: e.sent, Ack: e.expected}}
		default:
			e.expected, e.sent = s.Seq+1, e.iss+1
			e.to("SYN")
			return []segment{{SYN: true, ACK: true, Seq: e.iss, Ack: e.expected}}
		}
		return nil
	}
	if s.RST {
		if s.Seq == e.expected {
			e.state = map[bool]string{true: states.Listen, false: states.Closed}[e.passive &&
				e.state == states.SynRecv]
		}
		return nil
	}
	answer := s.Seq != e.expected || s.SYN || s.ACK && int32(s.Ack-e.sent) > 0
	if !answer && s.ACK {
		if s.Ack == e.sent {
			e.to("ACK of all")
		}
		if _, hears := table[event{e.state, "FIN"}]; hears {
			answer = s.Len > 0 || s.FIN
			e.expected += s.Len
			if s.FIN {
				e.expected++
				e.to("FIN")
			}
		}
	}
	if answer {
		out = append(out, segment{ACK: true, Seq: e.sent, Ack: e.expected})
	}
	return out
}

// copying makes a new machine for each call, and keeps it if there was no error.
type copying struct{ m machine }

func newCopying(iss uint32) *copying { return &copying{*newMachine("")(iss)} }

func (e *copying) State() string { return e.m.state }

func (e *copying) try(f func(m *machine) ([]segment, error)) ([]segment, error) {
	next := e.m
	out, err := f(&next)
	if err == nil {
		e.m = next
	}
	return out, err
}

func (e *copying) Listen() error {
	_, err := e.try(func(m *machine) ([]segment, error) { return nil, m.Listen() })
	return err
}
func (e *copying) Connect() ([]segment, error) { return e.try((*machine).Connect) }
func (e *copying) Close() ([]segment, error)   { return e.try((*machine).Close) }
func (e *copying) Expire()                     { e.m.Expire() }
func (e *copying) Send(n uint32) ([]segment, error) {
	return e.try(func(m *machine) ([]segment, error) { return m.Send(n) })
}

func (e *copying) Receive(s segment) []segment {
	out, _ := e.try(func(m *machine) ([]segment, error) { return m.Receive(s), nil })
	return out
}

// noisy does what the task leaves open: empty slices, segments beside an error, an Ack that does not count.
type noisy struct{ *states.Endpoint }

func newNoisy(iss uint32) *noisy { return &noisy{states.New(iss)} }

func (e *noisy) outside(f func() ([]segment, error)) (out []segment, err error) {
	done := make(chan bool)
	go func() {
		defer close(done)
		out, err = f()
	}()
	<-done
	if err != nil {
		return []segment{{RST: true, SYN: true, FIN: true}}, err
	}
	out = append([]segment{}, out...)
	for i := range out {
		if !out[i].ACK {
			out[i].Ack = 4711
		}
	}
	return out, nil
}

func (e *noisy) Connect() ([]segment, error) { return e.outside(e.Endpoint.Connect) }
func (e *noisy) Close() ([]segment, error)   { return e.outside(e.Endpoint.Close) }
func (e *noisy) Send(n uint32) ([]segment, error) {
	return e.outside(func() ([]segment, error) { return e.Endpoint.Send(n) })
}

func (e *noisy) Receive(s segment) []segment {
	out, _ := e.outside(func() ([]segment, error) { return e.Endpoint.Receive(s), nil })
	return out
}

// once does not open again when it was closed.
type once struct {
	*states.Endpoint
	opened bool
}

func newOnce(iss uint32) *once { return &once{Endpoint: states.New(iss)} }

func (e *once) open() error {
	if e.opened && e.State() == states.Closed {
		return errors.New("it was closed")
	}
	e.opened = true
	return nil
}

func (e *once) Listen() error {
	if err := e.open(); err != nil {
		return err
	}
	return e.Endpoint.Listen()
}

func (e *once) Connect() ([]segment, error) {
	if err := e.open(); err != nil {
		return nil, err
	}
	return e.Endpoint.Connect()
}
