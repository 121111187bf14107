// Package timeline records what really crosses a connection and draws it.
//
// A [Recorder] wraps listeners, connections and packet connections from outside: the program under
// observation is plain net code and does not know. Every call that the program makes is passed on
// as it is, once, with the same buffer, and its result is handed back as it came; the recorder only
// writes down when the call began, when it returned and what it moved.
//
// A [Matcher] says which read took which bytes of which writes. [Flows], [Verdicts] and [Lay] ask
// it; [Text] and [SVG] paint what Lay has laid out. [Compare] sets messages beside messages,
// [Agree] one recording beside another. [WriteJSON], [ReadJSON] and [Recorder.Stream] keep
// recordings as JSON lines.
package timeline

import (
	"cmp"
	"slices"
	"strings"
)

// Op says what happened.
type Op string

// The operations. Send and Recv carry bytes; a Recv of 0 bytes without an error is an empty
// datagram. A Send that failed is still a Send, with its error and the number of bytes that were
// taken; a read that failed is an EOF, a Reset, a Timeout or a Recv with an error.
const (
	Listen     Op = "listen"
	Accept     Op = "accept"
	Dial       Op = "dial"
	Send       Op = "send"
	Recv       Op = "recv"
	EOF        Op = "eof"         // a read met the end: the peer closed, or closed its writing half
	Reset      Op = "reset"       // a read met a connection that the peer's side gave up (RST)
	Timeout    Op = "timeout"     // a read or an accept met its deadline
	Close      Op = "close"       // this side closed the connection, the listener or the socket
	CloseWrite Op = "close-write" // this side closed its writing half
	Segment    Op = "segment"     // a TCP segment on the wire: sent by Side, with a Header
	State      Op = "state"       // something measured or set: bytes in a queue, a socket option
	Note       Op = "note"        // what a program made of the bytes, in its own terms
	Verdict    Op = "verdict"     // a sentence computed from the events before it
)

// previewBytes is how much of a payload an event keeps. Pictures and verdicts need no more.
const previewBytes = 256

// slow is how long, in microseconds, a call may take before a picture shows the wait.
const slow = 10_000

// Event is one call on one side of one connection, or one remark.
//
// US and End are the begin and the return of the call. The recorder never gives the same
// microsecond twice, so times order everything that it saw: a send begins before the read of its
// bytes returns, a dial before its accept, a close before the end of file that it causes.
type Event struct {
	Seq   int    // from 1, in the order in which the calls began; per end that is the kernel's order
	US    int64  // microseconds since the recorder was made: the call began
	End   int64  // the call returned; 0 while it still blocks
	Scene string // name of the scene
	Side  string // "client", "server", "client 2" …; "" for the scene itself
	Conn  string // "tcp1", "udp1" …: the same on both sides of one connection
	Op    Op
	N     int    // bytes
	Data  []byte // the first 256 bytes; nil if there are none, except in a note of an empty message
	Text  string // readable preview of Data, an address, or a sentence
	Err   string // why it failed, without addresses

	Header *Header // of a segment; nil in everything else
}

// closedHere is the error of a read or an accept that its own side's close ended. The close itself
// is on record, so that call is no event of its own.
const closedHere = "closed by its own side"

// blocks reports whether the call has not returned.
func (e Event) blocks() bool { return e.End == 0 }

// slow reports whether the call took so long that a picture shows both its begin and its return.
func (e Event) slow() bool { return !e.blocks() && e.End-e.US >= slow }

// atReturn reports whether the event's row stands where the call returned: what came in is known
// only then. What goes out may have its effect on the other side before the call returns, so that
// its row stands where it began.
func (e Event) atReturn() bool {
	switch e.Op {
	case Accept, Recv, EOF, Reset, Timeout:
		return !e.blocks()
	}
	return false
}

// At is the time of the event's row in a picture, in microseconds: the begin of a dial, send, close
// or remark, the return of an accept or a read. In the order of At a cause never comes after its
// effect.
func (e Event) At() int64 {
	if e.atReturn() {
		return e.End
	}
	return e.US
}

// inOrder sorts events by At. Where times are equal, which no recorder writes, what goes out stands
// before what comes in.
func inOrder(events []Event) []Event {
	slices.SortStableFunc(events, func(a, b Event) int {
		return cmp.Or(cmp.Compare(a.At(), b.At()), cmp.Compare(a.rank(), b.rank()))
	})
	return events
}

// falseFirst compares two conditions.
func falseFirst(a, b bool) int {
	switch {
	case a == b:
		return 0
	case a:
		return 1
	}
	return -1
}

// packet reports whether the event belongs to datagrams, which keep their boundaries.
func (e Event) packet() bool { return isPacket(e.Conn) }

func isPacket(conn string) bool { return strings.HasPrefix(conn, "udp") }

// onTheWay reports whether a send put something out: bytes, or a datagram, which may be empty.
func (e Event) onTheWay() bool {
	return e.Op == Send && (e.N > 0 || e.blocks() || e.packet() && e.Err == "")
}

// Happened is a condition for [Recorder.Wait]: side has done op at least n times.
func Happened(side string, op Op, n int) func([]Event) bool {
	return func(events []Event) bool { return Count(events, side, op) >= n }
}

// Count says how often side did op. An empty side or op counts for any.
func Count(events []Event, side string, op Op) int {
	n := 0
	for _, e := range events {
		if (side == "" || e.Side == side) && (op == "" || e.Op == op) {
			n++
		}
	}
	return n
}
