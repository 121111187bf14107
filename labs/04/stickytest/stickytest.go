// Package stickytest is the suite of lab 04. The task that it tests is in labs/04/README.md; how a
// suite is made, in the documentation of package check.
package stickytest

import (
	"net"
	"testing"

	"socketbook/tools/check"
)

// Lab is what a student hands in.
type Lab struct {
	Diagnose func(sent, received [][]byte) Report
	Provoke  func(client, server net.Conn, queued func(n int) error, first, second []byte) ([]byte, error)
}

// Report is the lab's type of the same name.
type Report struct {
	Fates   []string
	Lost    int
	Foreign int
}

// The fates of a message, as the lab's constants name them.
const (
	Whole       = "whole"
	Glued       = "glued"
	Cut         = "cut"
	GluedAndCut = "glued and cut"
	Missing     = "missing"
)

// Run grades lab.
func Run(t *testing.T, lab Lab) {
	t.Helper()
	check.Run(t, Suite(lab))
}

// The names of the cases.
const (
	SeesWhole   = "messages that came as they were sent are whole"
	SeesGlued   = "messages that share a received one are glued"
	SeesCut     = "messages that no received one holds as a whole are cut"
	SeesBoth    = "a message may be glued and cut"
	SeesMissing = "messages that never arrived are missing, and lost bytes are counted"
	SeesForeign = "bytes that nobody sent are counted, and end the comparison"
	SeesAll     = "any messages, cut anyhow, are diagnosed"
	Sticks      = "two messages stick"
	SticksSlow  = "they stick on a slow network too"
	Refuses     = "what cannot stick is an error"
)

// Suite is the table of cases, applied to lab.
func Suite(lab Lab) check.Lab {
	s := suite{lab}
	return check.Lab{Number: "04", File: "sticky.go", Answer: lab, Cases: []check.Case{
		{
			Name:   SeesWhole,
			Points: 1,
			Run:    s.whole,
			Scene:  "prompt-reader",
			Rule: "A message is whole when one received message holds exactly its bytes. Fates " +
				"has an entry for each sent message, in order.",
			Hint: "Lay both lists end to end and give each message the range of bytes that it " +
				"covers, such as 5 to 10. Whole means: a received message covers the same range.",
		},
		{
			Name:   SeesGlued,
			Points: 1,
			Run:    s.glued,
			Scene:  "glue",
			Needs:  []string{SeesWhole},
			Rule: "A message is glued when a received message holds bytes of it and also bytes " +
				"that are not its own.",
			Hint: "Compare ranges of bytes, not contents: two messages may be equal. Look at " +
				"both ends of the message: a neighbour may stick before it or behind it.",
		},
		{
			Name:   SeesCut,
			Points: 1,
			Run:    s.cut,
			Scene:  "split",
			Needs:  []string{SeesWhole},
			Rule: "A message is cut when some of its bytes have arrived, but no received message " +
				"holds all of them.",
			Hint: "Count the received messages that hold at least one byte of it. An empty " +
				"received message holds none.",
		},
		{
			Name:   SeesBoth,
			Points: 1,
			Run:    s.both,
			Scene:  "residue",
			Needs:  []string{SeesGlued, SeesCut},
			Rule:   "Glued and cut are two questions, each with its own answer; a message may be both.",
			Hint: "Work the two out apart from each other, for every piece of the message, and " +
				"put the word together at the end.",
		},
		{
			Name:   SeesMissing,
			Points: 1,
			Run:    s.missing,
			Scene:  "silent-command",
			Needs:  []string{SeesWhole, SeesCut},
			Rule: "A message of which no byte has arrived is missing; an empty one always is, " +
				"because it puts nothing on the connection. One whose end has not arrived is cut. " +
				"Lost counts the sent bytes that have not arrived.",
			Hint: "Find out first how many bytes have arrived, and look only at these.",
		},
		{
			Name:   SeesForeign,
			Points: 1,
			Run:    s.foreign,
			Scene:  "residue",
			Needs:  []string{SeesBoth, SeesMissing},
			Rule: "The bytes up to the first difference between the two streams have arrived. " +
				"Every received byte from there on is foreign, and every sent byte from there on " +
				"is lost.",
			Hint: "Count how many bytes both streams have in common at their beginning. Lost and " +
				"Foreign are what each of them has beyond that. A received message that holds " +
				"foreign bytes behind those of a message glues it, too; one that holds nothing but " +
				"foreign bytes touches no message.",
		},
		{
			Name:   SeesAll,
			Points: 1,
			Run:    s.all,
			Scene:  "glue",
			Needs:  []string{SeesForeign},
			Rule: "The diagnosis follows from the bytes alone, however many messages there are " +
				"and however they are cut.",
			Hint: "Draw the message that is named above and what was received around it, byte by " +
				"byte, on paper.",
		},
		{
			Name:   Sticks,
			Points: 1,
			Run:    s.sticks,
			Scene:  "glue",
			Rule: "client sends each message with a Write of its own, first and then second, and one " +
				"Read of server returns both; Provoke returns what it returned, in a slice that " +
				"belongs to the caller. The connection stays open, with no deadline left on it, and " +
				"Provoke works again and again.",
			Hint: "Write, Write, and only then one Read, into a buffer that has room for both messages. " +
				"Rely on the methods of net.Conn only: the two ends are no *net.TCPConn.",
		},
		{
			Name:   SticksSlow,
			Points: 1,
			Run:    s.sticksSlow,
			Scene:  "prompt-reader",
			Needs:  []string{Sticks},
			Rule: "A Write has returned when the bytes are on their way, not when they have " +
				"arrived. Two messages stick for sure only when the last byte of the second lies " +
				"in the receive queue before the Read.",
			Hint: "Between the second Write and the Read, let queued wait for " +
				"len(first)+len(second) bytes. A pause is not enough, however long.",
		},
		{
			Name:   Refuses,
			Points: 1,
			Run:    s.refuses,
			Scene:  "silent-command",
			Needs:  []string{Sticks},
			Rule: "An empty message cannot stick: an error, and nothing is sent. An error of " +
				"Write, queued or Read is returned, alone or wrapped with %w, and nothing more is " +
				"done. The connection stays open all the same.",
			Hint: "Look at the lengths before the first Write, and at the error of every call.",
		},
	}}
}

type suite struct{ lab Lab }
