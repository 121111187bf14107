// Package statestest is the suite of lab 11. The task that it tests is in labs/11/README.md; how a
// suite is made, in the documentation of package check.
package statestest

import (
	"slices"
	"testing"

	"socketbook/tools/check"
)

// Lab is what a student hands in; Adapt makes it. New makes an endpoint, and returns its methods, and
// kept: the first slice that they have returned and that is not the same any more, before and now.
type Lab struct {
	New func(iss uint32) (
		state func() string,
		listen func() error,
		connect func() ([]Segment, error),
		send func(n uint32) ([]Segment, error),
		closeIt func() ([]Segment, error),
		expire func(),
		receive func(s Segment) []Segment,
		kept func() (was, is []Segment),
	)
}

// Segment is the lab's type of the same name.
type Segment struct {
	SYN, ACK, FIN, RST bool

	Seq uint32
	Ack uint32
	Len uint32
}

// endpoint is what the lab's Endpoint has, with S for its Segment.
type endpoint[S any] interface {
	State() string
	Listen() error
	Connect() ([]S, error)
	Send(n uint32) ([]S, error)
	Close() ([]S, error)
	Expire()
	Receive(s S) []S
}

// Adapt makes a Lab of the lab's New.
func Adapt[E endpoint[S], S ~struct {
	SYN, ACK, FIN, RST bool

	Seq uint32
	Ack uint32
	Len uint32
}](newEndpoint func(iss uint32) E) Lab {
	ours := func(theirs []S) (all []Segment) {
		for _, s := range theirs {
			all = append(all, Segment(s))
		}
		return all
	}
	return Lab{New: func(iss uint32) (
		state func() string,
		listen func() error,
		connect func() ([]Segment, error),
		send func(n uint32) ([]Segment, error),
		closeIt func() ([]Segment, error),
		expire func(),
		receive func(s Segment) []Segment,
		kept func() (was, is []Segment),
	) {
		e := newEndpoint(iss)
		var returned [][]S
		var copies [][]Segment
		keep := func(out []S) []Segment {
			returned, copies = append(returned, out), append(copies, ours(out))
			return ours(out)
		}
		connect = func() ([]Segment, error) {
			out, err := e.Connect()
			return keep(out), err
		}
		send = func(n uint32) ([]Segment, error) {
			out, err := e.Send(n)
			return keep(out), err
		}
		closeIt = func() ([]Segment, error) {
			out, err := e.Close()
			return keep(out), err
		}
		receive = func(s Segment) []Segment { return keep(e.Receive(S(s))) }
		kept = func() (was, is []Segment) {
			for i, was := range copies {
				if is := ours(returned[i]); !slices.Equal(was, is) {
					return was, is
				}
			}
			return nil, nil
		}
		return e.State, e.Listen, connect, send, closeIt, e.Expire, receive, kept
	}}
}

// Run grades lab.
func Run(t *testing.T, lab Lab) {
	t.Helper()
	check.Run(t, Suite(lab))
}

// The names of the cases.
const (
	Active       = "an active open sends a SYN and ends in ESTABLISHED"
	Passive      = "a passive open waits for a SYN and ends in ESTABLISHED"
	First        = "the side that closes first ends in TIME_WAIT"
	Second       = "the side that closes second waits for the last ACK"
	AtOnce       = "both sides may open at once and close at once"
	Reset        = "a reset ends a connection and is never answered"
	Nobody       = "what belongs to no connection is answered by a reset"
	Unexpected   = "what is not expected next is acknowledged and dropped"
	Calls        = "a call that the state does not allow is an error"
	Conversation = "endpoints understand each other and the kernel"
)

// Suite is the table of cases, applied to lab.
func Suite(lab Lab) check.Lab {
	s := suite{lab}
	return check.Lab{Number: "11", File: "states.go", Answer: lab, Cases: []check.Case{
		{
			Name:   Active,
			Points: 1,
			Run:    s.active,
			Scene:  "three-way",
			Rule: "Connect sends a SYN, whose number is iss, and goes to SYN_SENT. The SYN ACK that " +
				"acknowledges iss+1 leads to ESTABLISHED, and is acknowledged. A SYN counts as one number, and " +
				"each byte that Send sends, however many. An ACK of all that was sent is not answered.",
			Hint: "Keep two numbers: the one that you send next, and the one that you expect next. " +
				"Every segment but the first carries both. Only data, SYN and FIN count.",
		},
		{
			Name:   Passive,
			Points: 1,
			Run:    s.passive,
			Scene:  "three-way",
			Rule: "In LISTEN a SYN is answered by SYN ACK, with number iss, and leads to SYN_RECV. The " +
				"ACK of iss+1 leads to ESTABLISHED; it may bring data. A FIN in LISTEN does nothing, and " +
				"Connect opens as from CLOSED.",
			Hint: "When the ACK has opened the connection, go on with the same segment, as if it had " +
				"come in ESTABLISHED.",
		},
		{
			Name:   First,
			Points: 1,
			Run:    s.first,
			Scene:  "half-close",
			Needs:  []string{Active, Passive},
			Rule: "Close sends a FIN and goes to FIN_WAIT1. The ACK of the FIN leads to FIN_WAIT2, the other " +
				"side's FIN from there to TIME_WAIT, and Expire to CLOSED. Until its FIN comes, the other " +
				"side's data is counted and acknowledged, and then no more. One segment may do several of these.",
			Hint: "Look at the ACK of a segment first, then at its data, then at its FIN, each in the state " +
				"that the step before has led to. An ACK of less than your FIN leads nowhere; it is no " +
				"mistake, and what comes with it counts.",
		},
		{
			Name:   Second,
			Points: 1,
			Run:    s.second,
			Scene:  "close-wait",
			Needs:  []string{Active, Passive},
			Rule: "A FIN is acknowledged and leads to CLOSE_WAIT, where data can still be sent, and none is " +
				"counted any more. Close sends a FIN and goes to LAST_ACK; the ACK of that FIN leads to CLOSED.",
			Hint: "A FIN counts as one number, behind the data of its segment. Compare the Ack with the " +
				"number behind your FIN.",
		},
		{
			Name:   AtOnce,
			Points: 1,
			Run:    s.atOnce,
			Scene:  "four-way",
			Needs:  []string{First},
			Rule: "A SYN without ACK in SYN_SENT is answered by SYN ACK and leads to SYN_RECV; there a SYN ACK " +
				"counts as an ACK. A FIN in FIN_WAIT1 that does not acknowledge the own FIN leads to " +
				"CLOSING, and the ACK of the own FIN from there to TIME_WAIT.",
			Hint: "Draw both sides on paper, with the segments crossing, as in figures 7 and 13 of RFC 9293.",
		},
		{
			Name:   Reset,
			Points: 1,
			Run:    s.reset,
			Scene:  "reset",
			Needs:  []string{First, Second},
			Rule: "A RST with the number that is expected ends a connection: CLOSED, or LISTEN again for a " +
				"SYN_RECV that came from LISTEN. In SYN_SENT it counts if it acknowledges the SYN. Any other " +
				"RST is dropped, and none is answered.",
			Hint: "Ask for RST before you answer anything. Remember whether Listen or Connect has opened.",
		},
		{
			Name:   Nobody,
			Points: 1,
			Run:    s.nobody,
			Scene:  "refused",
			Needs:  []string{Active, Passive},
			Rule: "In CLOSED every segment is answered by a reset; in LISTEN, SYN_SENT and SYN_RECV one that " +
				"acknowledges what was never sent is. A reset has the number that the ACK asks for; in " +
				"answer to a segment without ACK it has number 0, and acknowledges that segment.",
			Hint: "Write one function that makes the reset for a segment. What it acknowledges is Seq, and " +
				"Len, and one for SYN, and one for FIN.",
		},
		{
			Name:   Unexpected,
			Points: 1,
			Run:    s.unexpected,
			Scene:  "lost-and-resent",
			Needs:  []string{First, Second},
			Rule: "Once a connection is there, only a segment with the number that is expected next counts. " +
				"Any other one, one with SYN, and one that acknowledges what was never sent, is answered by an " +
				"ACK, and changes nothing. One without ACK is dropped.",
			Hint: "Look at Seq first, then at RST, SYN and ACK, in this order, before you change anything. Make " +
				"the ACK from your two numbers, and leave both as they are.",
		},
		{
			Name:   Calls,
			Points: 1,
			Run:    s.calls,
			Scene:  "close-wait",
			Needs:  []string{First, Second, AtOnce},
			Rule: "A call is allowed in the states that the README names. Anywhere else it is an error, " +
				"sends nothing, and changes nothing. Close in LISTEN and SYN_SENT sends nothing, too.",
			Hint: "Begin each call with a look at the state. Expire is for TIME_WAIT only.",
		},
		{
			Name:   Conversation,
			Points: 1,
			Run:    s.conversation,
			Scene:  "long-short",
			Needs:  []string{AtOnce, Reset, Nobody, Unexpected, Calls},
			Rule: "Each endpoint has its own state and numbers, and the rules hold in every state and in every " +
				"order of calls and segments.",
			Hint: "Keep everything in fields of Endpoint. Look at the last steps above: the state before " +
				"them, the segment, and what the README says of the two.",
		},
	}}
}

type suite struct{ lab Lab }
