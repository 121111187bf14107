// Package talklooptest is the suite of lab 02. The task that it tests is in labs/02/README.md; how
// a suite is made, in the documentation of package check.
package talklooptest

import (
	"fmt"
	"io"
	"net"
	"testing"

	"socketbook/tools/check"
)

// Lab is what a student hands in.
type Lab struct {
	Answer   func(conn net.Conn) error
	Converse func(conn net.Conn, in io.Reader, out io.Writer) error
}

// Run grades lab.
func Run(t *testing.T, lab Lab) {
	t.Helper()
	check.Run(t, Suite(lab))
}

// The names of the cases.
const (
	End        = "a client that closes ends the loop without an error"
	Talk       = "every message is answered as it comes"
	Reset      = "a client that resets the connection also counts as having left"
	BrokenPipe = "a client that disconnects before its answer is sent also counts as having left"
	Failure    = "any other error is returned"
	Closed     = "the connection is closed however the loop ends"
	Lines      = "each line is sent and its answer printed"
	Empty      = "an empty line is never sent"
	Quit       = "quit ends the conversation, and so does the end of the input"
	Broken     = "a conversation that breaks off is an error"
)

// Suite is the table of cases, applied to lab.
func Suite(lab Lab) check.Lab {
	s := suite{lab}
	return check.Lab{Number: "02", File: "talkloop.go", Answer: lab, Cases: []check.Case{
		{
			Name:   End,
			Points: 1,
			Run:    s.end,
			Scene:  "spin",
			Rule: "A client that closes its side has finished: Read returns io.EOF, then and " +
				"every time after it. Answer stops, and returns nil.",
			Hint: "Look at the error of Read in every round, and return nil when it is io.EOF. A " +
				"loop that ignores it reads 0 bytes forever.",
		},
		{
			Name:   Talk,
			Points: 1,
			Run:    s.talk,
			Scene:  "talk",
			Rule: "What a Read brings is answered before the next Read: the same bytes, a to z " +
				"in upper case, in one call of Write. This goes on until the client leaves.",
			Hint: "Inside the loop, read once, write buf[:n] in upper case (only the 26 bytes " +
				"from a to z change: strings.ToUpper changes letters such as é too), and neither " +
				"close nor return, whatever the message says. Nothing marks the end of a message, " +
				"so there is nothing to wait for.",
		},
		{
			Name:   Reset,
			Points: 1,
			Run:    s.reset,
			Scene:  "reset",
			Rule: "A client that aborts instead of closing has left as well: Read returns an " +
				"error that is syscall.ECONNRESET, and Answer returns nil.",
			Hint: "Ask errors.Is(err, syscall.ECONNRESET): the error of Read wraps it, so == " +
				"does not find it.",
		},
		{
			Name:   BrokenPipe,
			Points: 1,
			Run:    s.brokenPipe,
			Scene:  "unread-answer",
			Rule: "A client may be gone when its answer is written: then it is Write that fails, " +
				"with syscall.EPIPE or syscall.ECONNRESET. Answer returns nil.",
			Hint: "Ask the error of Write the same question as that of Read, and let " +
				"syscall.EPIPE count too.",
		},
		{
			Name:   Failure,
			Points: 1,
			Run:    s.failure,
			Rule: "Every other error is returned, alone or wrapped: one of Read, and one of " +
				"Write. Examples are a deadline that passes, which is os.ErrDeadlineExceeded, and a " +
				"connection that was closed on your side, which is net.ErrClosed.",
			Hint: "Look at the error of Write as well as at that of Read. Return nil for the " +
				"three ways of leaving only, and err for everything else. That Read brought 0 " +
				"bytes does not tell why.",
		},
		{
			Name:   Closed,
			Points: 1,
			Run:    s.closed,
			Scene:  "unread-answer",
			Rule: "Answer closes the connection when it is done, whatever has ended it: an " +
				"orderly end, a reset, a Write that failed, a deadline, or any other error.",
			Hint: "Begin Answer with defer conn.Close(), before the loop. If it is there, look " +
				"for a loop that does not end: every error of Read and Write has to end it.",
		},
		{
			Name:   Lines,
			Points: 1,
			Run:    s.lines,
			Scene:  "talk",
			Rule: "Each line is one message, without its line end. Its answer, what one Read " +
				"brings, is printed as a line at once; only then comes the next line. Nothing is " +
				"skipped but empty lines, and nothing ends the conversation but quit.",
			Hint: "In a loop: one line (bufio.Scanner takes line ends off), one Write of it, one " +
				"Read, one fmt.Fprintf(out, \"%s\\n\", buf[:n]). Print the answer as it is: it is " +
				"no format, and need not be UTF-8. Take nothing but the line end off.",
		},
		{
			Name:   Empty,
			Points: 1,
			Run:    s.empty,
			Scene:  "empty-line",
			Needs:  []string{Lines},
			Rule: "An empty line puts 0 bytes on the wire, which is nothing: the server does not " +
				"see it, and no answer comes. So it is skipped, and the conversation goes on.",
			Hint: "If the line is empty, continue with the next one before you write or read.",
		},
		{
			Name:   Quit,
			Points: 1,
			Run:    s.quit,
			Scene:  "talk",
			Needs:  []string{Lines},
			Rule: "A line that is exactly quit ends the conversation, and is not sent. The end " +
				"of the input ends it too, after the last line, which may lack its line end. Both " +
				"return nil and leave the connection open.",
			Hint: "Compare the line with \"quit\" before you send it, return nil at the end of " +
				"the input, and leave Close to the caller. bufio.Reader.ReadString returns " +
				"the last line together with io.EOF; bufio.Scanner as any other.",
		},
		{
			Name:   Broken,
			Points: 1,
			Run:    s.broken,
			Needs:  []string{Lines},
			Rule: "nil means that every line was sent, answered and printed. A server that " +
				"closes instead of answering is io.EOF; when the connection, the input or the " +
				"output fails in any other way, the error is the one that the call has returned. " +
				"Nothing is sent after it, and the connection is left as it was.",
			Hint: "Look at the error of every call: Write, Read, Fprintf, and Scanner.Err() " +
				"after the loop. Return the first one at once, as it is or wrapped with %w.",
		},
	}}
}

type suite struct{ lab Lab }

const longest = 60 // bytes of a message that text shows in full

// text writes a message for a step: "hello", the beginning of a long one, (nothing).
func text(s string) string {
	switch {
	case s == "":
		return "(nothing)"
	case len(s) <= longest:
		return fmt.Sprintf("%q", s)
	}
	return fmt.Sprintf("%q … (%d bytes)", s[:longest/3], len(s))
}
