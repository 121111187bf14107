// Package oneshottest is the suite of lab 01. The task that it tests is in labs/01/README.md; how a
// suite is made, in the documentation of package check.
package oneshottest

import (
	"bytes"
	"fmt"
	"net"
	"testing"

	"socketbook/tools/check"
	"socketbook/tools/fault"
)

// Lab is what a student hands in.
type Lab struct {
	Answer func(conn net.Conn) error
	Ask    func(conn net.Conn, message []byte) ([]byte, error)
}

// Run grades lab.
func Run(t *testing.T, lab Lab) {
	t.Helper()
	check.Run(t, Suite(lab))
}

// The names of the cases.
const (
	Upper   = "a message is answered in upper case"
	Others  = "bytes that are not ASCII letters come back unchanged"
	OneRead = "what one read brings is the message"
	Closes  = "the connection is closed once the answer is out"
	Silent  = "a client that leaves without a word is reported"
	Unsent  = "an answer that cannot be sent is reported"
	Ask     = "a question goes out as it is and its answer is returned"
	Again   = "the connection stays open for the next question"
	Refused = "a question that is not a message is refused"
	Left    = "a server that leaves without an answer is reported"
)

// Suite is the table of cases, applied to lab.
func Suite(lab Lab) check.Lab {
	s := suite{lab}
	return check.Lab{Number: "01", File: "oneshot.go", Answer: lab, Cases: []check.Case{
		{
			Name:   Upper,
			Points: 1,
			Run:    s.upper,
			Scene:  "echo",
			Rule: "Answer sends back the bytes that it has read, a to z in upper case: as many " +
				"as came, in one call of Write, and at once, whatever they say, and whatever type " +
				"conn has.",
			Hint: "Call Read once: not in a loop, and not until a line end or 1024 bytes have " +
				"come. It returns how many came: the message is buf[:n]. Call Write once, and " +
				"Close last.",
		},
		{
			Name:   Others,
			Points: 1,
			Run:    s.others,
			Scene:  "echo",
			Needs:  []string{Upper},
			Rule: "Only the 26 bytes from a to z change. Digits, spaces, line ends, zero bytes " +
				"and all bytes from 128 on are sent back as they are.",
			Hint: "Go through the message byte by byte and change only 'a' <= b && b <= 'z'. " +
				"bytes.ToUpper reads the bytes as UTF-8: it changes other letters too, and what is " +
				"not UTF-8. Send all of buf[:n], spaces and line ends included.",
		},
		{
			Name:   OneRead,
			Points: 1,
			Run:    s.oneRead,
			Scene:  "echo",
			Needs:  []string{Upper},
			Rule: "The message is what one Read into a buffer of 1024 bytes returns. Nothing " +
				"marks its end, so a wait for more may last forever. However long it is, " +
				"its answer goes out in one call of Write.",
			Hint: "Call conn.Read once, with a buffer of exactly 1024 bytes. io.ReadAll, " +
				"io.ReadFull and reading to the end of a line wait for something that need not " +
				"come. Call conn.Write once, too.",
		},
		{
			Name:   Closes,
			Points: 1,
			Run:    s.closes,
			Scene:  "second-message",
			Needs:  []string{OneRead},
			Rule: "Answer closes the connection when it has answered, whether or not the client " +
				"does, and whatever type the connection has; the client meets the end of the stream " +
				"behind the answer.",
			Hint: "Begin Answer with defer conn.Close(): it runs however the function returns.",
		},
		{
			Name:   Silent,
			Points: 1,
			Run:    s.silent,
			Rule: "When no message has come, nothing is answered: the error is io.EOF after an " +
				"orderly end, and otherwise the error of Read, whichever it is: a reset, a deadline " +
				"that has passed. The connection is closed then too.",
			Hint: "Look at the error of Read before you use the bytes, return it (alone or " +
				"wrapped with %w), and close on every way out.",
		},
		{
			Name:   Unsent,
			Points: 1,
			Run:    s.unsent,
			Scene:  "second-message",
			Needs:  []string{Upper},
			Rule: "nil means that the whole answer was handed to the system. When Write fails, " +
				"even in the middle, its error is returned, and the connection is closed.",
			Hint: "Look at the error of Write and return it, alone or wrapped with %w; let a " +
				"deferred Close close the connection.",
		},
		{
			Name:   Ask,
			Points: 1,
			Run:    s.ask,
			Scene:  "echo",
			Rule: "Ask sends the message as it is and nothing else, in one call of Write, and " +
				"leaves the slice unchanged. Its answer is what one Read into a buffer of 1024 " +
				"bytes then returns, whatever it says, however long it is, and however late it comes.",
			Hint: "Write message as it is, then call conn.Read once into a buffer of 1024 bytes, " +
				"and return buf[:n]. The answer may be shorter or longer than the question, and no " +
				"end of the stream follows it.",
		},
		{
			Name:   Again,
			Points: 1,
			Run:    s.again,
			Scene:  "second-message",
			Needs:  []string{Ask},
			Rule: "The connection belongs to the caller, who has dialled: Ask does not close it, " +
				"in whole or " +
				"in half. Each question is asked, and what one Read then brings is its answer. Each " +
				"answer belongs to the caller: neither a later call nor an append to another one changes it.",
			Hint: "Leave out Close and CloseWrite, and make a new buffer in each call.",
		},
		{
			Name:   Refused,
			Points: 1,
			Run:    s.refused,
			Scene:  "both-listen",
			Needs:  []string{Ask},
			Rule: "A message has 1 to 1024 bytes. Ask refuses any other with an error, sends " +
				"nothing and leaves the connection open: 0 bytes put nothing on the wire, so no " +
				"answer would ever come, and more than 1024 would be cut. The error is one of its own.",
			Hint: "Check len(message) before the Write, and return an error of your own.",
		},
		{
			Name:   Left,
			Points: 1,
			Run:    s.left,
			Scene:  "second-message",
			Needs:  []string{Ask},
			Rule: "Without an answer there is an error: io.EOF when the server has closed its " +
				"side, and otherwise the error of Write or Read, whichever it is. The question is " +
				"asked once, and the connection is left as it was.",
			Hint: "Look at both errors. Return that of Write at once, without a Read: there is " +
				"nothing to wait for. Return what the call returned, or wrap it with %w; a new " +
				"error does not say what happened.",
		},
	}}
}

type suite struct{ lab Lab }

// answering is a call of the student's Answer.
type answering struct {
	*check.Call
	err error
}

func (s suite) startAnswer(c *check.C, conn net.Conn) *answering {
	a := &answering{}
	a.Call = c.Start("Answer(conn)", func() { a.err = s.lab.Answer(conn) })
	return a
}

// returns waits for the call and records what it returned. Nothing is there to wait for any more.
func (a *answering) returns(c *check.C, peer *fault.Peer) error {
	c.Prompt("Answer(conn) to return", a.Ended)
	c.Step("Answer(conn) returned %s", check.Err(a.err))
	c.WantPatience("Answer", peer.Conn(), patience)
	return a.err
}

// answer is startAnswer and returns.
func (s suite) answer(c *check.C, conn net.Conn, peer *fault.Peer) error {
	return s.startAnswer(c, conn).returns(c, peer)
}

// question is a call of the student's Ask.
type question struct {
	*check.Call
	what    string
	message []byte // what Ask was given, a copy of the suite's
	answer  []byte
	err     error
}

// behind is what each byte behind a message in its array is.
const behind = 0xaa

// startAsk gives Ask a copy of message with room behind it, so that appending to it would not make another
// one.
func (s suite) startAsk(c *check.C, conn net.Conn, message []byte) *question {
	q := &question{what: fmt.Sprintf("Ask(conn, %s)", text(message))}
	if message != nil { // otherwise Ask is to get nil, too
		room := bytes.Repeat([]byte{behind}, len(message)+4*most)
		q.message = room[:copy(room, message)]
	}
	q.Call = c.Start(q.what, func() { q.answer, q.err = s.lab.Ask(conn, q.message) })
	return q
}

// returns waits for the call, for which nothing is left to wait, and records what it returned.
func (q *question) returns(c *check.C) {
	c.Prompt(q.what+" to return", q.Ended)
	c.Step("%s returned %s, %s", q.what, text(q.answer), check.Err(q.err))
}

// send hands data over as cut says, and returns the first piece.
func send(c *check.C, peer *fault.Peer, cut fault.Cut, data []byte) (first []byte) {
	pieces := cut.Pieces(data)
	c.Say("the suite has sent %s", texts(pieces))
	peer.Send(pieces...)
	return pieces[0]
}

const longest = 60 // bytes of a message that text shows in full

// text writes a message for a step: "hello", the beginning of a long one, (nothing).
func text(b []byte) string {
	switch {
	case len(b) == 0:
		return "(nothing)"
	case len(b) <= longest:
		return fmt.Sprintf("%q", b)
	}
	return fmt.Sprintf("%q … (%d bytes)", b[:longest/3], len(b))
}

// texts writes the pieces of a message with bars between them.
func texts(pieces [][]byte) string {
	all := text(pieces[0])
	for _, p := range pieces[1:] {
		all += " | " + text(p)
	}
	return all
}
