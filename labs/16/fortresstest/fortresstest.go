// Package fortresstest is the suite of lab 16. The task that it tests is in labs/16/README.md; how a
// suite is made, in the documentation of package check.
package fortresstest

import (
	"context"
	"net"
	"testing"
	"time"

	"socketbook/tools/check"
)

// Lab is what a student hands in; Adapt makes it.
type Lab struct {
	Serve func(ln net.Listener, limits Limits, run Command) error
}

// Command is what Serve calls for each request.
type Command = func(ctx context.Context, command []string) ([]byte, error)

// Limits are those of the lab.
type Limits struct {
	MaxClients int
	MaxHeader  int
	MaxCommand int
	MaxOutput  int
	Request    time.Duration
	Run        time.Duration
	Answer     time.Duration
}

// Adapt makes a Lab of a function whose type Limits is L.
func Adapt[L ~struct {
	MaxClients int
	MaxHeader  int
	MaxCommand int
	MaxOutput  int
	Request    time.Duration
	Run        time.Duration
	Answer     time.Duration
}](serve func(ln net.Listener, limits L, run Command) error) Lab {
	return Lab{Serve: func(ln net.Listener, limits Limits, run Command) error {
		return serve(ln, L(limits), run)
	}}
}

// Run grades lab.
func Run(t *testing.T, lab Lab) {
	t.Helper()
	check.Run(t, Suite(lab))
}

// The names of the cases.
const (
	Answers   = "each command is run, and its answer comes back"
	Order     = "requests in any pieces are answered in order"
	Fails     = "an error, a panic and too much output are answered"
	Refused   = "what breaks a rule is refused, and the client is told"
	Announced = "what is announced takes no memory"
	Slow      = "a request has one limit of time, however it comes"
	Context   = "a command ends when its time is up or its connection breaks"
	Unread    = "a client that does not take its answer is given up"
	Full      = "a client too many is told so, and places become free"
	Ends      = "Accept may fail for a moment, and a closed listener ends everything"
)

// Suite is the table of cases, applied to lab.
func Suite(lab Lab) check.Lab {
	s := suite{lab}
	return check.Lab{Number: "16", File: "fortress.go", Answer: lab, Cases: []check.Case{
		{
			Name:   Answers,
			Points: 1,
			Run:    s.answers,
			Also:   []func(*check.C){s.long},
			Lesson: "06",
			Rule: "For each request Serve calls run with the words of the command, and sends the header " +
				"{\"status\":0,\"total_size\":N}, with its length in 4 bytes (little-endian) in front, and the " +
				"output. Clients are served beside each other.",
			Hint: "A goroutine for each client: read a request, call run, write the answer, and again. Read " +
				"4 bytes (binary.LittleEndian), then as many as they say, then as many as total_size says.",
		},
		{
			Name:   Order,
			Points: 1,
			Run:    s.order,
			Also:   []func(*check.C){s.slowly},
			Lesson: "06",
			Needs:  []string{Answers},
			Rule: "A request may come in any pieces, and many before the first one is answered. All are " +
				"answered, one after the other, in order, also when the client has ended its stream behind " +
				"them. Half a request is not run.",
			Hint: "io.ReadFull, and one bufio.Reader for each connection, from the first request to the last. " +
				"Read the next request when the answer before it has been written.",
		},
		{
			Name:   Fails,
			Points: 1,
			Run:    s.fails,
			Scene:  "control-characters",
			Needs:  []string{Answers},
			Rule: "When run fails or panics, or returns too much, its client gets an answer with status 1 and " +
				"goes on. What the server itself says is one line of printable text. The output belongs to run.",
			Hint: "Make an error of a panic in a deferred function around the call of run. strconv.Quote " +
				"makes any text printable. Copy the output before you append to it.",
		},
		{
			Name:   Refused,
			Points: 1,
			Run:    s.refused,
			Scene:  "garbage",
			Needs:  []string{Answers},
			Rule: "A request that breaks a rule is not run. Its client is told at once, with status -1 and a line " +
				"that begins with \"refused: \"; then what still comes is thrown away, and the connection is closed.",
			Hint: "Look at each number, below zero too, and at each character, before you use it. In the end " +
				"set a deadline and io.Copy(io.Discard, conn), so that nothing is unread when you close.",
		},
		{
			Name:   Announced,
			Points: 1,
			Run:    s.announced,
			Scene:  "announced-2gib",
			Needs:  []string{Refused},
			Memory: true,
			Rule: "A number that a client sends takes no memory. What has come may, as long as it is " +
				"within the limits; what is thrown away is not kept.",
			Hint: "Look at a limit before you make a slice. Where the limit itself is large, io.CopyN into a " +
				"bytes.Buffer, which grows with what comes.",
		},
		{
			Name:   Slow,
			Points: 1,
			Run:    s.slow,
			Scene:  "slow-drip",
			Needs:  []string{Refused},
			Rule: "limits.Request is the time for a whole request. It begins when the client has connected, or " +
				"when its last answer was sent, and ends when the last byte has come, however many Reads that takes.",
			Hint: "One conn.SetReadDeadline before the first byte of each request is waited for, and none " +
				"while it comes. Running the command is not part of that time.",
		},
		{
			Name:   Context,
			Points: 1,
			Run:    s.context,
			Lesson: "15",
			Needs:  []string{Order, Fails},
			Rule: "The ctx of a call of run ends when limits.Run has passed since that call, or when the " +
				"connection breaks, and not before. A client that has ended its stream waits for its answer.",
			Hint: "context.WithTimeout for each call. Beside it a goroutine waits in the bufio.Reader's Peek(1), " +
				"and cancels when that fails, unless the error is io.EOF or your own deadline.",
		},
		{
			Name:   Unread,
			Points: 1,
			Run:    s.unread,
			Lesson: "15",
			Needs:  []string{Refused},
			Rule: "A Write waits for a client that does not read. After limits.Answer the client is given up: " +
				"the connection is closed. Nobody else has to wait meanwhile.",
			Hint: "conn.SetWriteDeadline before each answer, and before what a refused client is told.",
		},
		{
			Name:   Full,
			Points: 1,
			Run:    s.full,
			Scene:  "full-queue",
			Needs:  []string{Refused},
			Rule: "At most limits.MaxClients clients are connected. The next one is told that it is refused, and " +
				"closed at once. When a connection has been closed, for whatever reason, its place is free.",
			Hint: "Count a client before its goroutine is started, and count it out in a deferred function. Do " +
				"not allocate as many places as the limit says: it may be the largest int.",
		},
		{
			Name:   Ends,
			Points: 1,
			Run:    s.ends,
			Scene:  "no-descriptors",
			Needs:  []string{Order, Refused},
			Rule: "When Accept fails for good, Serve ends the ctx of every run, closes every connection, waits " +
				"for all that it has started, and returns: nil if the listener was closed, and the error of " +
				"Accept otherwise.",
			Hint: "One context for all, from which those of the calls are made; context.AfterFunc closes a " +
				"connection when it ends. Count the goroutines with a sync.WaitGroup.",
		},
	}}
}

type suite struct{ lab Lab }
