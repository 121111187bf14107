package timeline

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// Flow is one direction of one connection: what was sent and what the other side's reads returned.
type Flow struct {
	Conn     string
	From, To string // sides
	Packet   bool   // datagrams; otherwise a stream
	Sends    []int  // bytes of each send that put something out; for datagrams every send, 0 bytes too
	Reads    []int  // bytes that each read returned
	Empty    int    // sends of 0 bytes on a stream, which put nothing on the wire
	Unknown  bool   // the bytes that were read are not those that were written: no more can be said

	// Streams.
	Lost   []int // offsets of boundaries between sends that are gone: they fell inside a read
	Cut    int   // sends whose bytes came in more than one read
	Unread int   // bytes that were sent and never read

	// Datagrams.
	Dropped   int // sent and never read
	Truncated int // read with fewer bytes than were sent
	Doubled   int // read once more than they were sent
	Overtaken int // read after one that was sent later
}

// Flows compares sends with reads, direction by direction, connection after connection. Only
// connections of which both sides were recorded are compared, and only directions in which something
// was sent.
func Flows(events []Event) []Flow {
	m := Match(events)
	empty := map[half]int{}
	for _, e := range events {
		if e.Op == Send && e.Err == "" && !e.onTheWay() {
			empty[half{e.Conn, e.Side}]++
		}
	}
	var flows []Flow
	for h, f := range m.flows {
		to, ok := m.peer(h)
		if !ok || len(f.sends) == 0 && empty[h] == 0 {
			continue
		}
		flow := Flow{Conn: h.conn, From: h.side, To: to.side, Packet: isPacket(h.conn), Empty: empty[h]}
		flow.fill(f.sends, m.flows[to].reads, m.wayOf(h))
		flows = append(flows, flow)
	}
	lanes := lanesOf(events)
	slices.SortFunc(flows, func(a, b Flow) int {
		return cmp.Or(natural(a.Conn, b.Conn), slices.Index(lanes, a.From)-slices.Index(lanes, b.From))
	})
	return flows
}

func (f *Flow) fill(sends, reads []span, w *way) {
	for _, s := range sends {
		f.Sends = append(f.Sends, s.n)
	}
	for _, r := range reads {
		f.Reads = append(f.Reads, r.n)
	}
	f.Unknown = w.broken || len(w.took) < len(reads)
	switch {
	case f.Unknown:
	case f.Packet:
		f.datagrams(sends, w)
	default:
		f.Unread = max(0, sum(f.Sends)-sum(f.Reads))
		f.Lost = lostBoundaries(sends, w)
		for _, uses := range w.uses {
			if len(uses) > 1 {
				f.Cut++
			}
		}
	}
}

func (f *Flow) datagrams(sends []span, w *way) {
	size := map[int]int{}
	for _, s := range sends {
		size[s.seq] = s.n
	}
	latest, came := 0, 0
	for k, pieces := range w.took {
		if w.again[k] {
			f.Doubled++
			continue
		}
		came++
		seq := pieces[0].Sends[0]
		if pieces[0].To < size[seq] {
			f.Truncated++
		}
		if len(pieces[0].Sends) == 1 {
			if seq < latest {
				f.Overtaken++
			}
			latest = max(latest, seq)
		}
	}
	f.Dropped = max(0, len(sends)-came)
}

// Whole reports whether each send arrived as one read, in order.
func (f Flow) Whole() bool {
	return !f.Unknown && slices.Equal(f.Sends, f.Reads) &&
		len(f.Lost)+f.Cut+f.Truncated+f.Doubled+f.Overtaken+f.Dropped == 0
}

// String says in one sentence what became of the sends.
func (f Flow) String() string {
	what := "send"
	if f.Packet {
		what = "datagram"
	}
	sent := plural(len(f.Sends), what)
	switch {
	case f.Unknown:
		return sent + "; what was read is not what was recorded of them"
	case len(f.Sends) == 0:
		return fmt.Sprintf("%s of 0 bytes put nothing on the wire", plural(f.Empty, "send"))
	case len(f.Reads) == 0 && f.Packet:
		return fmt.Sprintf("%s of %s sent, none read", sent, sizes(f.Sends))
	case len(f.Reads) == 0:
		return fmt.Sprintf("%s of %s, never read", sent, sizes(f.Sends))
	}
	parts := []string{fmt.Sprintf("%s arrived as %s", sent, plural(len(f.Reads), "read"))}
	switch {
	case f.Whole() && len(f.Sends) > 1:
		parts[0] += ", boundary by boundary"
	case !f.Packet && (len(f.Reads) > 1 || f.Unread > 0) && !f.Whole():
		parts[0] += " of " + sizes(f.Reads)
	}
	return strings.Join(append(parts, f.losses()...), "; ")
}

// losses says what went wrong, one thing at a time.
func (f Flow) losses() []string {
	var parts []string
	say := func(n int, format string, args ...any) {
		if n > 0 {
			parts = append(parts, fmt.Sprintf(format, args...))
		}
	}
	say(len(f.Lost), "%s", boundaries(f.Lost))
	say(f.Unread, "%d of %d bytes were never read", f.Unread, sum(f.Sends))
	say(f.Truncated, "%d of them cut short, the rest of it thrown away", f.Truncated)
	say(f.Doubled, "%d of the reads returned one that had come before", f.Doubled)
	say(f.Overtaken, "%d of them overtaken by a later one", f.Overtaken)
	say(f.Dropped, "%d of %d vanished", f.Dropped, len(f.Sends))
	return parts
}

// Verdicts computes from the events what is worth saying about them: directions in which boundaries
// were lost, waits that ended only at a deadline, resets, refused calls, reads that went on after the
// end. When there is nothing of that kind it says that each send arrived as one read.
func Verdicts(events []Event) []string {
	var said, plain []string
	for _, f := range Flows(events) {
		s := fmt.Sprintf("%s to %s: %s", f.From, f.To, f)
		if f.Whole() && f.Empty == 0 {
			plain = append(plain, s)
		} else {
			said = append(said, s)
		}
	}
	said = append(said, waits(events)...)
	said = append(said, failures(events)...)
	if len(said) == 0 {
		return plain
	}
	return said
}

// waits says who was blocked in a read until its deadline.
func waits(events []Event) []string {
	var who []string
	for _, e := range events {
		if e.Op == Timeout && !slices.Contains(who, e.Side) {
			who = append(who, e.Side)
		}
	}
	slices.SortFunc(who, natural)
	switch len(who) {
	case 0:
		return nil
	case 1:
		return []string{who[0] + " waited until its deadline, and nothing came"}
	}
	return []string{list(who) + " waited until their deadlines, and nothing came"}
}

// failures says which calls failed, and who went on reading after the end.
func failures(events []Event) []string {
	var said []string
	ends, known := map[half]int{}, map[string]bool{"": true}
	for _, e := range events {
		if e.Op == EOF {
			ends[half{e.Conn, e.Side}]++
		}
	}
	for _, e := range events {
		s := e.failure()
		if n := ends[half{e.Conn, e.Side}]; e.Op == EOF && n > 1 {
			s = fmt.Sprintf("%s read end of file %d times: 0 bytes, forever", e.Side, n)
		}
		if !known[s] {
			known[s] = true
			said = append(said, s)
		}
	}
	return said
}

// failure says what failed, for those failures that are worth a verdict.
func (e Event) failure() string {
	switch {
	case e.Op == Reset:
		return fmt.Sprintf("%s met a dead connection: %s", e.Side, e.Err)
	case e.Err == "":
	case e.Op == Dial:
		return fmt.Sprintf("%s could not connect: %s", e.Side, e.Err)
	case e.Op == Send && e.N > 0:
		return fmt.Sprintf("%s had %s taken, and no more: %s", e.Side, plural(e.N, "byte"), e.Err)
	case e.Op == Send:
		return fmt.Sprintf("%s could not send: %s", e.Side, e.Err)
	case e.Op == Recv && e.packet():
		return fmt.Sprintf("%s could not read: %s", e.Side, e.Err)
	}
	return ""
}
