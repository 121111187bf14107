// Package portstest is the suite of lab 10. The task that it tests is in labs/10/README.md; how a
// suite is made, in the documentation of package check.
package portstest

import (
	"io"
	"net/netip"
	"testing"

	"socketbook/tools/check"
)

// Lab is what a student hands in; Adapt makes it. Addresses are text in it, so that calls can be carried to
// another process.
type Lab struct {
	Parse func(table io.Reader) ([]Socket, error)
	// The last of the sockets is not handed to the student: it lies behind the slice, in its array.
	Blocks func(sockets []Socket, want string, reuse bool) (Socket, bool)
}

// Socket is the lab's type of the same name, with addresses as netip.AddrPort.String writes them.
type Socket struct {
	Local, Remote string
	State         string
	UID           uint32
	Inode         uint64
}

// handed is the lab's type Socket.
type handed struct {
	Local  netip.AddrPort
	Remote netip.AddrPort
	State  string
	UID    uint32
	Inode  uint64
}

// Adapt makes a Lab of the two functions, whose type Socket is S.
func Adapt[S ~struct {
	Local  netip.AddrPort
	Remote netip.AddrPort
	State  string
	UID    uint32
	Inode  uint64
}](parse func(io.Reader) ([]S, error), blocks func([]S, netip.AddrPort, bool) (S, bool)) Lab {
	text := func(s S) Socket {
		h := handed(s)
		return Socket{h.Local.String(), h.Remote.String(), h.State, h.UID, h.Inode}
	}
	return Lab{
		Parse: func(table io.Reader) (sockets []Socket, err error) {
			all, err := parse(table)
			for _, s := range all {
				sockets = append(sockets, text(s))
			}
			return sockets, err
		},
		Blocks: func(sockets []Socket, want string, reuse bool) (Socket, bool) {
			var all []S
			for _, s := range sockets {
				local, remote := netip.MustParseAddrPort(s.Local), netip.MustParseAddrPort(s.Remote)
				all = append(all, S(handed{local, remote, s.State, s.UID, s.Inode}))
			}
			found, blocked := blocks(all[:len(all)-1], netip.MustParseAddrPort(want), reuse)
			for i, s := range all { // the caller sees what has become of its slice
				sockets[i] = text(s)
			}
			return text(found), blocked
		},
	}
}

// Run grades lab.
func Run(t *testing.T, lab Lab) {
	t.Helper()
	check.Run(t, Suite(lab))
}

// The names of the cases.
const (
	Rows      = "a row of the table is a socket"
	IPv6      = "an IPv6 address is four groups of four bytes"
	States    = "every state has its name"
	Long      = "a table of any length comes through, in any pieces"
	Malformed = "what is not a row is an error, and so is a read that fails"
	Same      = "a socket with the same address and port is in the way"
	Wildcards = "a wildcard is in the way of every address, and every address in its way"
	Families  = "IPv4 and IPv6 meet in the dual-stack wildcard only"
	Reuse     = "with SO_REUSEADDR only a listener is in the way"
	Which     = "of several sockets in the way a listener is named first"
)

// Suite is the table of cases, applied to lab.
func Suite(lab Lab) check.Lab {
	s := suite{lab}
	return check.Lab{Number: "10", File: "ports.go", Answer: lab, Cases: []check.Case{
		{
			Name:   Rows,
			Points: 1,
			Run:    s.rows,
			Scene:  "who-has-it",
			Rule: "A row has its columns in a fixed order: number, local address, remote address, " +
				"state, two queues, a timer, retransmissions, uid, timeout, inode, with spaces between and " +
				"around them. An IPv4 address is four bytes in hexadecimal, the last one first; a port and a state are " +
				"hexadecimal numbers. uid and inode are decimal, without a sign, of up to 32 and up to 64 bits.",
			Hint: "Split the row with strings.Fields: fields 1, 2, 3, 7 and 9, counted from 0, are " +
				"the five. Turn the four bytes of the address round, and leave the port as it is.",
		},
		{
			Name:   IPv6,
			Points: 1,
			Run:    s.ipv6,
			Scene:  "wildcard",
			Needs:  []string{Rows},
			Rule: "An IPv6 address is four groups of eight digits. The groups come in order; the four " +
				"bytes inside each come last one first. ::ffff:127.0.0.1 is the IPv4 address 127.0.0.1; no " +
				"other address is changed.",
			Hint: "Turn round four bytes at a time, four times, make the address with " +
				"netip.AddrFrom16, and call Unmap on it.",
		},
		{
			Name:   States,
			Points: 1,
			Run:    s.states,
			Scene:  "restart",
			Needs:  []string{Rows},
			Rule:   "The fourth column is the number of the state, in hexadecimal: 01 to 0B.",
			Hint:   "Keep the eleven names in a map or an array, with the number as the key.",
		},
		{
			Name:   Long,
			Points: 1,
			Run:    s.long,
			Scene:  "who-has-it",
			Needs:  []string{Rows, IPv6},
			Rule: "All rows are read, in order, however many there are and however the Reads cut " +
				"them. Only the five columns count: the others, whatever is behind the inode, and the number of " +
				"spaces may be anything. A line is a header if its first column is sl, and only then.",
			Hint: "Read to the end before you judge, or line by line with a bufio.Scanner. One Read " +
				"brings what it likes. Look at the first ten columns only.",
		},
		{
			Name:   Malformed,
			Points: 1,
			Run:    s.malformed,
			Scene:  "who-has-it",
			Needs:  []string{Rows},
			Rule: "A line that is neither a header nor a row is an error: nobody may take half a " +
				"table for the whole. When Read fails, the error is the one that it returned.",
			Hint: "Count the fields and the digits before you convert them, and look at the error " +
				"of every conversion, and of the scanner at the end.",
		},
		{
			Name:   Same,
			Points: 1,
			Run:    s.same,
			Scene:  "still-listening",
			Rule: "A listener keeps everybody else from its own address and port. Another port, or " +
				"another address, is free, whatever the remote end is.",
			Hint: "Compare the port and then the address of Local, and leave Remote alone.",
		},
		{
			Name:   Wildcards,
			Points: 1,
			Run:    s.wildcards,
			Scene:  "wildcard",
			Needs:  []string{Same},
			Rule: "0.0.0.0 is every IPv4 address, and [::] every address: both the socket and the " +
				"one that is wanted may be such a wildcard.",
			Hint: "Addr.IsUnspecified says whether an address is a wildcard. Ask it of both sides.",
		},
		{
			Name:   Families,
			Points: 1,
			Run:    s.families,
			Scene:  "wildcard",
			Needs:  []string{Wildcards},
			Rule: "127.0.0.1 and ::1 are different addresses, and 0.0.0.0 stands for IPv4 only. " +
				"[::] is dual-stack: it stands for the addresses of both families. A want such as " +
				"::ffff:127.0.0.1 is the IPv4 address.",
			Hint: "Unmap want first. Then: two addresses are in each other's way if one is [::], or " +
				"if they are of one family and are equal or one of them is a wildcard.",
		},
		{
			Name:   Reuse,
			Points: 1,
			Run:    s.reuse,
			Scene:  "restart",
			Needs:  []string{Same},
			Rule: "If all have SO_REUSEADDR, only a socket in LISTEN is in the way. If none has it, " +
				"every socket is, connections and TIME_WAIT included, except one in SYN_RECV: that " +
				"one belongs to its listener. The remote end of a connection never matters.",
			Hint: "Decide by the state before you compare addresses, and leave Remote alone.",
		},
		{
			Name:   Which,
			Points: 1,
			Run:    s.which,
			Scene:  "port-zero",
			Needs:  []string{Wildcards, Families, Reuse},
			Rule: "Of several sockets in the way, the first listener is named, or, if none of them " +
				"listens, the first. Port 0 asks the system for a free port, so nothing is in the way. " +
				"The slice stays as it was.",
			Hint: "Go through the slice once: return a listener at once, and remember the first of " +
				"the others until the end. Do not sort the caller's slice.",
		},
	}}
}

type suite struct{ lab Lab }
