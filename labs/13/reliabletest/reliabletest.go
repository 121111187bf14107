// Package reliabletest is the suite of lab 13. The task that it tests is in labs/13/README.md; how a
// suite is made, in the documentation of package check.
package reliabletest

import (
	"net"
	"testing"
	"time"

	"socketbook/tools/check"
)

// Lab is what a student hands in.
type Lab struct {
	Send    func(conn net.Conn, messages [][]byte, wait time.Duration, tries int) error
	Receive func(conn net.Conn, deliver func(message []byte)) error
}

// Run grades lab.
func Run(t *testing.T, lab Lab) {
	t.Helper()
	check.Run(t, Suite(lab))
}

// The names of the cases.
const (
	Sends      = "each message is sent when the one before has been acknowledged"
	Lost       = "what is not acknowledged is sent again, the same to the byte"
	Silence    = "without an acknowledgement all tries are made, and then the error is a timeout"
	Others     = "other datagrams are no acknowledgement, and do not make the wait longer"
	SendFails  = "an error of the connection ends Send"
	Delivers   = "each message is delivered and then acknowledged"
	Copies     = "every copy is acknowledged, and none is delivered again"
	Early      = "what comes too early or is not a message is ignored"
	ReceiveEnd = "Receive ends when the connection is closed, and when it fails"
	Together   = "Send and Receive understand each other over a bad network"
)

// Suite is the table of cases, applied to lab.
func Suite(lab Lab) check.Lab {
	s := suite{lab}
	return check.Lab{Number: "13", File: "reliable.go", Answer: lab, Cases: []check.Case{
		{
			Name:   Sends,
			Points: 1,
			Run:    s.sends,
			Scene:  "numbered",
			Rule: "A message is one datagram: the letter M, 8 bytes of run, 4 bytes of number " +
				"(big-endian, from 0), and the message itself. The next one is sent when the " +
				"acknowledgement of this one has come: A, and the same run and number.",
			Hint: "Choose the run once in each call of Send, with crypto/rand's Read. For each " +
				"message: one Write of all of it, and Read until its acknowledgement is there.",
		},
		{
			Name:   Lost,
			Points: 1,
			Run:    s.lost,
			Also: []func(*check.C){
				func(c *check.C) { s.loses(c, loses{2, plenty, short, samples[:2]}) },
				func(c *check.C) { // more than 34 before the last one
					s.loses(c, loses{12, 34, short / 7, append(hello[:3:3], "again")})
				},
			},
			Scene: "numbered",
			Needs: []string{Sends},
			Rule: "When wait has passed without the acknowledgement, the same datagram is sent " +
				"again, with the same run and number. Each message has its own tries, and each try all of wait.",
			Hint: "Make the datagram once, before the loop over the tries. Set the deadline anew " +
				"in each try: one that has passed ends every Read at once, and SetDeadline's every Write, too. " +
				"Stop a timer of your own with its try.",
		},
		{
			Name:   Silence,
			Points: 1,
			Run:    s.silence,
			Also: []func(*check.C){
				func(c *check.C) { s.unanswered(c, 0, 1, 5*short) },
				func(c *check.C) { s.unanswered(c, 1, 3, 3*short) },
				func(c *check.C) { s.unanswered(c, 2, 2, 5*short) },
				func(c *check.C) { s.unanswered(c, 0, plenty, short/5) },
			},
			Scene: "numbered",
			Needs: []string{Sends},
			Rule: "A message is sent tries times at most, and wait is waited each time, the last " +
				"time too. Then the error is os.ErrDeadlineExceeded, no later message is sent, and " +
				"conn has no deadline.",
			Hint: "For each try: Write, SetReadDeadline(time.Now().Add(wait)), Read. In the end " +
				"SetReadDeadline(time.Time{}), and an error made with %w.",
		},
		{
			Name:   Others,
			Points: 1,
			Run:    s.others,
			Scene:  "one-bit",
			Needs:  []string{Lost, Silence},
			Rule: "The acknowledgement has exactly 13 bytes: A, the run of this call, the number of " +
				"this message. Any other datagram is passed over, and the wait goes on as if it had not come.",
			Hint: "One Read is one datagram: compare all of it, with bytes.Equal. io.ReadFull would put " +
				"several together. Set the deadline once a try, before the loop that reads.",
		},
		{
			Name:   SendFails,
			Points: 1,
			Run:    s.sendFails,
			Scene:  "one-line",
			Needs:  []string{Silence},
			Rule: "An error of Write, and one of Read that is not the timeout of a try, ends Send at once: it is " +
				"returned, alone or wrapped with %w, and nothing more is sent.",
			Hint: "Look at the error of every Write. After Read, errors.Is(err, " +
				"os.ErrDeadlineExceeded) tells whether to try again; Timeout() is true for ETIMEDOUT, too, an error " +
				"of the system. A defer takes the deadline away.",
		},
		{
			Name:   Delivers,
			Points: 1,
			Run:    s.delivers,
			Scene:  "numbered",
			Rule: "The message with the number that is expected, from 0 on, is handed to deliver, one call " +
				"at a time. When deliver has returned, the acknowledgement is sent: A, the run and the number of " +
				"the message, 13 bytes. A message may be empty, and may fill the largest datagram.",
			Hint: "Read into a buffer of 65507 bytes, look at buf[:n], deliver a copy of what is behind the " +
				"first 13 bytes, and then write the acknowledgement.",
		},
		{
			Name:   Copies,
			Points: 1,
			Run:    s.copies,
			Scene:  "doubled",
			Needs:  []string{Delivers},
			Rule: "A message that was delivered before is acknowledged again, however old it is, and " +
				"not delivered. Each run has its own numbers, from 0, and all runs are remembered.",
			Hint: "Keep the number that is expected next in a map, by run. A smaller number is a copy. " +
				"Acknowledge it all the same: the first acknowledgement may be lost.",
		},
		{
			Name:   Early,
			Points: 1,
			Run:    s.early,
			Scene:  "overtaken",
			Needs:  []string{Delivers},
			Rule: "A message whose number is larger than the one that is expected is neither " +
				"delivered nor acknowledged: one before it is missing. Neither is a datagram that does not begin " +
				"with M, or has fewer than 13 bytes.",
			Hint: "One Read is one datagram; io.ReadFull would put several together. Look at the length, " +
				"then at the first byte, then at the number, and go on reading if one of them is wrong.",
		},
		{
			Name:   ReceiveEnd,
			Points: 1,
			Run:    s.receiveEnds,
			Also:   []func(*check.C){s.nothing},
			Scene:  "one-line",
			Needs:  []string{Delivers},
			Rule: "When Read or Write says net.ErrClosed, Receive returns nil. Any other error of " +
				"either is returned, alone or wrapped with %w. Receive sets no deadline.",
			Hint: "After every Read and every Write: errors.Is(err, net.ErrClosed) is the end, and any other " +
				"error is Receive's own. An empty datagram is no end.",
		},
		{
			Name:   Together,
			Points: 1,
			Run:    s.together,
			Scene:  "numbered",
			Needs:  []string{Lost, Others, Copies, Early},
			Rule: "Whatever the network loses, doubles or lets be overtaken, each message is delivered " +
				"once and in order, and Send returns nil; however many there are, and in call after call.",
			Hint: "Use numbers of 32 bits, and keep nothing between calls of Send. Take a run of " +
				"its own for each call.",
		},
	}}
}

type suite struct{ lab Lab }
