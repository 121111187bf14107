// Package datagramtest is the suite of lab 07. The task that it tests is in labs/07/README.md; how
// a suite is made, in the documentation of package check.
package datagramtest

import (
	"math"
	"net"
	"testing"
	"time"

	"socketbook/tools/check"
)

// Lab is what a student hands in.
type Lab struct {
	Exchange func(conn net.Conn, request []byte, limit, tries int, wait time.Duration) ([]byte, error)
}

// Run grades lab.
func Run(t *testing.T, lab Lab) {
	t.Helper()
	check.Run(t, Suite(lab))
}

// The names of the cases.
const (
	Answer       = "a request goes out behind an id, and its answer comes back"
	Empty        = "an empty answer is an answer"
	Silence      = "without an answer all tries are made, and then the error is a timeout"
	Lost         = "what is lost is asked for again under the same id"
	Stale        = "late and doubled answers to earlier requests are passed over"
	Forged       = "a datagram that does not begin with the id is ignored"
	Limit        = "an answer over the limit is an error, and none is cut"
	Flood        = "other datagrams do not make the wait longer"
	Broken       = "an error of the connection ends the call"
	Conversation = "many calls on one connection get their own answers and keep them"
)

// Suite is the table of cases, applied to lab.
func Suite(lab Lab) check.Lab {
	s := suite{lab}
	return check.Lab{Number: "07", File: "datagram.go", Answer: lab, Cases: []check.Case{
		{
			Name:   Answer,
			Points: 1,
			Run:    s.answer,
			Scene:  "no-glue",
			Rule: "A request is one datagram, which one Write of conn sends: 8 bytes of id, and then " +
				"the bytes of the request. The answer is what one Read of conn brings. It begins with " +
				"the same 8 bytes, which are not part of what Exchange returns.",
			Hint: "Make the id, put the request behind it, and write both in one Write. Of what " +
				"Read brings, take the 8 bytes off. Rely on the methods of net.Conn only: conn is no " +
				"*net.UDPConn.",
		},
		{
			Name:   Empty,
			Points: 1,
			Run:    s.empty,
			Scene:  "empty",
			Needs:  []string{Answer},
			Rule: "A datagram of the 8 bytes alone is a message too: an empty request is sent, " +
				"and an empty answer is an answer.",
			Hint: "Let nothing depend on how many bytes stand behind the id. No bytes and no " +
				"error is a result.",
		},
		{
			Name:   Silence,
			Points: 1,
			Run:    s.silence,
			Also: []func(*check.C){
				func(c *check.C) { s.unanswered(c, 2, 3*short) },
				func(c *check.C) {
					s.manyTries(c)
					s.letGo(c)
					s.unanswered(c, plenty, short/5)
				},
			},
			Scene: "both-wait",
			Needs: []string{Answer},
			Rule: "The request is sent tries times at most, and each time the wait for an answer " +
				"has its own deadline, wait from then on. After the last one the error is " +
				"os.ErrDeadlineExceeded, and conn has no deadline any more.",
			Hint: "For each try: Write, SetReadDeadline(time.Now().Add(wait)), Read. In the end " +
				"SetReadDeadline(time.Time{}), and an error made with %w.",
		},
		{
			Name:   Lost,
			Points: 1,
			Run: func(c *check.C) {
				s.lost(c, loses{0, 1, ages, 1})
				s.tooLongLater(c)
			},
			Also: []func(*check.C){
				func(c *check.C) { s.lost(c, loses{1, plenty, 3 * short, 1}, loses{1, math.MaxInt, 3 * short, 1}) },
				func(c *check.C) { s.lost(c, loses{2, plenty, 3 * short, 1}) },
				func(c *check.C) {
					s.lost(c, loses{1, plenty, 3 * short, 2})
					s.second(c)
				},
			},
			Scene: "overflow",
			Needs: []string{Silence},
			Rule: "When the wait for an answer is over, the same datagram is sent again, with " +
				"the same id, and a new wait begins. An answer counts whichever try it answers.",
			Hint: "Make the datagram once, before the loop. Set the deadline anew in each try: " +
				"one that has passed ends every Read at once.",
		},
		{
			Name:   Stale,
			Points: 1,
			Run:    s.stale,
			Scene:  "both-wait",
			Needs:  []string{Silence},
			Rule: "An answer may come when nobody waits for it any more, and it may come twice. " +
				"It carries the id of the call that it belongs to; other calls read on.",
			Hint: "Give every call an id of its own. Go on reading, in the same try, when a " +
				"datagram carries another one.",
		},
		{
			Name:   Forged,
			Points: 1,
			Run:    s.forged,
			Also:   []func(*check.C){s.random},
			Scene:  "forged",
			Needs:  []string{Answer},
			Rule: "Whoever does not see the request cannot know its id, because it is random. A " +
				"datagram that does not begin with all of its 8 bytes is not the answer: it is " +
				"ignored, and the try goes on.",
			Hint: "Fill the id with crypto/rand's Read: a counter or the time can be guessed. " +
				"Compare all 8 bytes, and look first whether the datagram has that many; " +
				"bytes.HasPrefix does both.",
		},
		{
			Name:   Limit,
			Points: 1,
			Run:    s.limit,
			Scene:  "truncated",
			Needs:  []string{Answer},
			Rule: "An answer of more than limit bytes is an error, at once: it has come, and " +
				"asking again would bring it again. One of limit bytes is returned whole.",
			Hint: "A Read into a buffer that is too short cuts the datagram, and the rest is " +
				"gone, without an error. Make room for 65507 bytes, or for one byte more than is " +
				"allowed, and look at n.",
		},
		{
			Name:   Flood,
			Points: 1,
			Run:    s.flood,
			Scene:  "forged",
			Needs:  []string{Silence, Forged},
			Rule: "A try ends when wait has passed since its request was sent, however many other datagrams " +
				"come meanwhile.",
			Hint: "Set the deadline once a try, before the loop that reads, and not before each " +
				"Read. A time.After made in the loop begins anew in each round, too.",
		},
		{
			Name:   Broken,
			Points: 1,
			Run:    s.broken,
			Scene:  "nobody",
			Needs:  []string{Silence},
			Rule: "An error of Write, and one of Read that is no timeout, ends the call at once: " +
				"it is returned, alone or wrapped with %w, and nothing more is sent. conn has no " +
				"deadline after any error, that of an answer over the limit included.",
			Hint: "Look at the error of every Write. After Read, errors.Is(err, " +
				"os.ErrDeadlineExceeded) tells whether to try again. A defer takes the deadline " +
				"away on every way out.",
		},
		{
			Name:   Conversation,
			Points: 1,
			Run:    s.conversation,
			Scene:  "overflow",
			Needs:  []string{Lost, Stale},
			Rule: "Calls follow each other on one connection. Each has its own id and returns " +
				"its own answer, in a slice that later calls do not change.",
			Hint: "Keep nothing between calls: not the id, and not the buffer. Do not close the " +
				"connection: the caller does.",
		},
	}}
}

type suite struct{ lab Lab }
