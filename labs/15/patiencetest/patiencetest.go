// Package patiencetest is the suite of lab 15. The task that it tests is in labs/15/README.md; how a
// suite is made, in the documentation of package check.
package patiencetest

import (
	"context"
	"io"
	"net"
	"testing"
	"time"

	"socketbook/tools/check"
)

// Lab is what a student hands in.
type Lab struct {
	Call     func(ctx context.Context, conn net.Conn, request []byte, idle, total time.Duration) ([]byte, error)
	WriteAll func(w io.Writer, data []byte) (int, error)
	Dial     func(
		ctx context.Context, dial func(ctx context.Context) (net.Conn, error), tries int, pause, most time.Duration,
	) (net.Conn, error)
}

// Run grades lab.
func Run(t *testing.T, lab Lab) {
	t.Helper()
	check.Run(t, Suite(lab))
}

// The names of the cases.
const (
	Exchange = "a request goes out and its response comes back"
	Silence  = "a silent peer is given up after idle or total, and the error says which"
	Drip     = "each byte begins idle anew, and none puts total off"
	Cancel   = "a context that ends, ends the call at once"
	Lost     = "a context that ends between two reads is noticed, too"
	After    = "the connection is free after the call, however it has ended"
	Ends     = "an end, a bad length or an error ends the call"
	Written  = "WriteAll writes all of it, or says how much went out"
	Tries    = "Dial tries again with pauses that grow up to a bound"
	Gone     = "a context that ends, ends Dial, and no connection is lost"
)

// Suite is the table of cases, applied to lab.
func Suite(lab Lab) check.Lab {
	s := suite{lab}
	return check.Lab{Number: "15", File: "patience.go", Answer: lab, Cases: []check.Case{
		{
			Name:   Exchange,
			Points: 1,
			Run:    s.exchange,
			Rule: "A request and a response are four bytes of length (int32, little-endian) and that many " +
				"bytes. Call sends one, and reads the other and nothing after it.",
			Hint: "binary.LittleEndian.AppendUint32 and WriteAll for the request; io.ReadFull for the " +
				"four bytes and again for the rest.",
		},
		{
			Name:   Silence,
			Points: 1,
			Run:    func(c *check.C) { s.silence(c, silence{short, ages, 0}, silence{ages, short, 0}) },
			Also: []func(*check.C){
				func(c *check.C) { s.silence(c, silence{short, none, 3}, silence{short, none, 7}) },
				func(c *check.C) { s.silence(c, silence{none, short, 7}) },
				s.notAtOnce,
			},
			Scene: "idle",
			Needs: []string{Exchange},
			Rule: "When no byte comes for idle, the error is os.ErrDeadlineExceeded. When total has passed " +
				"since the call began, it is context.DeadlineExceeded. It is one of them, and not both. 0 is no limit.",
			Hint: "SetReadDeadline(time.Now().Add(idle)) before each Read. For total, a context made by " +
				"context.WithTimeout; when a call on conn fails, look at its Err first.",
		},
		{
			Name:   Drip,
			Points: 1,
			Run:    s.drip,
			Scene:  "slow-drip",
			Needs:  []string{Silence},
			Rule: "idle begins when the request is written, and anew with each byte of the response. " +
				"total begins with the call, counts for writing, too, and never begins anew.",
			Hint: "Set the deadline of idle before each single Read, for example in a type of your own " +
				"with a Read method, and give that to io.ReadFull. For total, set no deadline anew.",
		},
		{
			Name:   Cancel,
			Points: 1,
			Run:    s.cancel,
			Scene:  "cancelled",
			Needs:  []string{Exchange},
			Rule: "When ctx ends, the Read or Write that waits is ended at once, and the error is ctx.Err(). " +
				"If ctx has ended before the call, nothing is read or written.",
			Hint: "context.AfterFunc(ctx, f) calls f when ctx ends; let f set a deadline in the past, for " +
				"both directions. When a call on conn fails then, return ctx.Err().",
		},
		{
			Name:   Lost,
			Points: 1,
			Run:    s.lost,
			Scene:  "cancelled",
			Needs:  []string{Cancel, Drip},
			Rule: "A deadline in the past ends the call only as long as nobody sets a later one. ctx and " +
				"total may end " +
				"at any moment: also between two reads.",
			Hint: "Look at ctx.Err() after each SetReadDeadline, before the Read: then no end is " +
				"missed, whichever of the two deadlines comes last.",
		},
		{
			Name:   After,
			Points: 1,
			Run:    s.after,
			Scene:  "cancelled",
			Needs:  []string{Silence, Cancel},
			Rule: "When Call has returned, conn is open, has no deadline, and none is set by what Call has " +
				"started, whenever ctx ends.",
			Hint: "stop := context.AfterFunc(…). In the end: if !stop(), wait until f has returned (it can " +
				"close a channel); then SetDeadline(time.Time{}).",
		},
		{
			Name:   Ends,
			Points: 1,
			Run:    s.ends,
			Needs:  []string{Exchange},
			Rule: "An end before the last byte of the response is io.ErrUnexpectedEOF; a length below 0 or over " +
				"4194304 is an error of yours, at once; any other error of Read or Write is passed on as it is.",
			Hint: "Turn io.EOF into io.ErrUnexpectedEOF, and wrap every other error with %w. Only " +
				"os.ErrDeadlineExceeded is a deadline of yours: not everything whose Timeout() is true.",
		},
		{
			Name:   Written,
			Points: 1,
			Run:    s.written,
			Scene:  "partial-send",
			Rule: "WriteAll calls Write until w has taken all of data, and adds up what it takes, beside an " +
				"error, too. An error ends it, and so does a Write that takes nothing: io.ErrShortWrite.",
			Hint: "In a loop: n += k first, then look at the error, then at k == 0; go on with data[n:].",
		},
		{
			Name:   Tries,
			Points: 1,
			Run:    s.tries,
			Also:   []func(*check.C){s.grow},
			Scene:  "dial-timeout",
			Rule: "dial is called up to tries times, whatever its error is. Between two calls there is a pause: " +
				"pause, then twice as long each time, and never longer than most.",
			Hint: "Before each pause: pause = min(pause, most). After it: pause *= 2. Count from when " +
				"dial has returned, and do not pause after the last try.",
		},
		{
			Name:   Gone,
			Points: 1,
			Run:    s.gone,
			Scene:  "dial-timeout",
			Needs:  []string{Tries},
			Rule: "When ctx ends, Dial returns ctx.Err() at once, also in a pause, and dial is not called any " +
				"more. A connection that dial returns all the same is returned or closed.",
			Hint: "Look at ctx.Err() before each call of dial, and again when dial has failed. Give ctx to dial. " +
				"Pause in a select with ctx.Done() and time.After.",
		},
	}}
}

type suite struct{ lab Lab }
