// Package roomtest is the suite of lab 12. The task that it tests is in labs/12/README.md; how a suite
// is made, in the documentation of package check.
package roomtest

import (
	"net"
	"testing"

	"socketbook/tools/check"
)

// Lab is what a student hands in.
type Lab struct {
	Serve func(ln net.Listener) error
}

// Run grades lab.
func Run(t *testing.T, lab Lab) {
	t.Helper()
	check.Run(t, Suite(lab))
}

// The names of the cases.
const (
	Name     = "a client with a name is a member, and everybody is told"
	Says     = "what a member says comes to all others"
	Names    = "a name that is bad or taken is asked for again"
	Nameless = "nothing is sent to or about a client without a name"
	Whole    = "a line is whole when its end has come, and not before"
	Long     = "a line that is too long ends the visit"
	Leaves   = "a leaving is told to the others once, however it happens"
	Slow     = "a member that does not read holds up nobody"
	Dropped  = "a member that does not read is dropped in the end"
	Ends     = "a closed listener closes the room"
)

// Suite is the table of cases, applied to lab.
func Suite(lab Lab) check.Lab {
	s := suite{lab}
	return check.Lab{Number: "12", File: "room.go", Answer: lab, Cases: []check.Case{
		{
			Name:   Name,
			Points: 1,
			Run:    s.name,
			Also:   []func(*check.C){s.takesTime},
			Scene:  "room",
			Rule: "The first line that a client gets is \"your name?\". When it has sent a good name it is " +
				"a member, and every member, itself included, gets the line \"* NAME is here\".",
			Hint: "A goroutine for each client: write the question, read a line, of which a Read may " +
				"bring a part, enter the name in a map of members, under a lock, and tell all that are in the " +
				"map. Each " +
				"call of Serve has a map of its own. No deadline for Read.",
		},
		{
			Name:   Says,
			Points: 1,
			Run:    s.says,
			Scene:  "room",
			Needs:  []string{Name},
			Rule: "A line that a member sends comes as \"NAME: LINE\" to every other member of the same " +
				"room, unchanged, in the order in which it was said, and not to the member itself.",
			Hint: "Write NAME, \": \", the bytes of the line and \"\\n\" with one call; do not use the line as " +
				"a format. The members belong to one call of Serve, not to the package. Only the line \"exit\", to the " +
				"byte, ends the visit.",
		},
		{
			Name:   Names,
			Points: 1,
			Run:    s.names,
			Scene:  "room",
			Needs:  []string{Says},
			Rule: "A name has 1 to 20 letters and digits, of any alphabet, and only one member has it. " +
				"Otherwise the client is told why and asked again, as often as it takes, in the words of " +
				"the README.",
			Hint: "A loop around the question. Count characters with utf8.RuneCountInString, and look at " +
				"them with unicode.IsLetter and unicode.IsDigit. Look and enter under the same lock.",
		},
		{
			Name:   Nameless,
			Points: 1,
			Run:    s.nameless,
			Scene:  "room",
			Needs:  []string{Names},
			Rule: "A client without a name gets nothing but questions, and nobody hears of it, not even " +
				"when it leaves.",
			Hint: "Enter a client into the room when its name is good, and not before; announce the " +
				"leaving of members only.",
		},
		{
			Name:   Whole,
			Points: 1,
			Run:    s.whole,
			Scene:  "half-a-line",
			Needs:  []string{Says},
			Rule: "A line ends with \"\\n\", and a \"\\r\" before that is not part of it. A Read may bring " +
				"half a line or several. What the end of the stream has cut off is not a line.",
			Hint: "One bufio.Reader for each connection, from the first name to the last line. bufio.Scanner " +
				"also returns the half of a line that the end has cut off.",
		},
		{
			Name:   Long,
			Points: 1,
			Run:    s.long,
			Scene:  "line-too-long",
			Needs:  []string{Says},
			Rule: "A line has at most 1024 bytes before its \"\\n\", a \"\\r\" included. When more have come " +
				"without an end, the client has left, and nothing of the line is passed on.",
			Hint: "bufio.NewReaderSize(conn, 1025) and ReadSlice('\\n') return bufio.ErrBufferFull then.",
		},
		{
			Name:   Leaves,
			Points: 1,
			Run:    s.leaves,
			Also:   []func(*check.C){s.allLeave},
			Scene:  "leave",
			Needs:  []string{Says},
			Rule: "When a member has left, by the line \"exit\", behind which nothing counts, the end of its " +
				"stream, or a Read or Write that fails, its connection is closed, the others get \"* NAME has " +
				"left\" once, and the name is free.",
			Hint: "One place where a member is taken out of the map, closed and announced, and only if it " +
				"is still there.",
		},
		{
			Name:   Slow,
			Points: 1,
			Run:    s.slow,
			Scene:  "slow-reader",
			Needs:  []string{Says, Leaves},
			Rule: "A Write to a client that does not read waits, whether it has a name or not. Meanwhile the " +
				"others talk, come and go as ever. At least 16 lines are kept for such a member.",
			Hint: "A channel of lines for each member, and a goroutine that writes what is in it, without a " +
				"deadline. Never call Write with the lock of the room held, nor where you call Accept.",
		},
		{
			Name:   Dropped,
			Points: 1,
			Run:    s.dropped,
			Scene:  "slow-reader",
			Needs:  []string{Whole, Slow},
			Rule: "When more than 1000 lines wait for a member, it has left: its connection is closed, and the " +
				"others are told.",
			Hint: "Send to the channel in a select with a default case: there the channel is full, and the " +
				"member has to go.",
		},
		{
			Name:   Ends,
			Points: 1,
			Run:    s.ends,
			Scene:  "leave",
			Needs:  []string{Slow},
			Rule: "When Accept fails, Serve closes every connection, waits for all that it has started, and " +
				"returns: nil if the listener was closed, and the error of Accept otherwise.",
			Hint: "Keep all connections, also those without a name, so that they can be closed; that wakes " +
				"their goroutines. Count these with a sync.WaitGroup.",
		},
	}}
}

type suite struct{ lab Lab }
