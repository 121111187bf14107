package timeline

import (
	"bytes"
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

	// Streams.
	Lost   []int // offsets of boundaries between sends that fell inside a read: nobody can tell any more where they were
	Cut    int   // sends whose bytes came in more than one read
	Unread int   // bytes that were sent and never read

	// Datagrams.
	Dropped   int // sent and never read
	Truncated int // read with fewer bytes than were sent
}

// Flows compares sends with reads, direction by direction, connection after connection. Only connections of which both sides were
// recorded are compared.
func Flows(events []Event) []Flow {
	type key struct{ conn, from string }
	var order []key
	sides := map[string][]string{} // conn → sides seen on it
	sent, read := map[key][]Event{}, map[key][]Event{}
	for _, e := range events {
		if e.Conn == "" {
			continue
		}
		if !slices.Contains(sides[e.Conn], e.Side) {
			sides[e.Conn] = append(sides[e.Conn], e.Side)
		}
		k := key{e.Conn, e.Side}
		switch {
		case e.Op == Send && e.Err == "", e.brokenSend() && e.N > 0:
			if len(sent[k]) == 0 {
				order = append(order, k)
			}
			sent[k] = append(sent[k], e)
		case e.Op == Recv && e.Err == "":
			read[k] = append(read[k], e)
		}
	}
	lanes := lanesOf(events)
	slices.SortFunc(order, func(a, b key) int { // not by time, which differs from run to run
		return cmp.Or(cmp.Compare(a.conn, b.conn), slices.Index(lanes, a.from)-slices.Index(lanes, b.from))
	})
	var flows []Flow
	for _, k := range order {
		both := sides[k.conn]
		if len(both) != 2 {
			continue
		}
		to := both[0]
		if to == k.from {
			to = both[1]
		}
		f := Flow{Conn: k.conn, From: k.from, To: to, Packet: sent[k][0].packet()}
		if f.Packet {
			f.datagrams(sent[k], read[key{k.conn, to}])
		} else {
			f.stream(sent[k], read[key{k.conn, to}])
		}
		flows = append(flows, f)
	}
	return flows
}

func (f *Flow) stream(sent, read []Event) {
	for _, e := range sent {
		if e.N == 0 {
			f.Empty++
		} else {
			f.Sends = append(f.Sends, e.N)
		}
	}
	for _, e := range read {
		f.Reads = append(f.Reads, e.N)
	}
	ends := offsets(f.Reads)
	got := sum(f.Reads)
	f.Unread = max(0, sum(f.Sends)-got)
	start := 0
	for i, n := range f.Sends {
		end := start + n
		if i < len(f.Sends)-1 && end < got && !slices.Contains(ends, end) {
			f.Lost = append(f.Lost, end)
		}
		if slices.ContainsFunc(ends, func(o int) bool { return start < o && o < end && o < got }) {
			f.Cut++
		}
		start = end
	}
}

func (f *Flow) datagrams(sent, read []Event) {
	for _, e := range sent {
		f.Sends = append(f.Sends, e.N)
	}
	next := 0
	for _, r := range read {
		f.Reads = append(f.Reads, r.N)
		for i := next; i < len(sent); i++ { // datagrams between two sockets on one machine keep their order
			if cameAs(sent[i], r) {
				if r.N < sent[i].N {
					f.Truncated++
				}
				next = i + 1
				break
			}
		}
	}
	f.Dropped = max(0, len(sent)-len(read))
}

// cameAs reports whether a read can have returned the datagram that was sent, or the beginning of it.
func cameAs(sent, read Event) bool {
	return read.N <= sent.N && bytes.HasPrefix(sent.Data, read.Data) && (read.N == sent.N || read.N > 0)
}

// Whole reports whether each send arrived as one read.
func (f Flow) Whole() bool {
	return slices.Equal(f.Sends, f.Reads) && f.Truncated == 0
}

// String says in one sentence what became of the sends.
func (f Flow) String() string {
	what, as := "send", "read"
	if f.Packet {
		what = "datagram"
	}
	var parts []string
	switch {
	case len(f.Sends) == 0:
		return fmt.Sprintf("%s of 0 bytes put nothing on the wire", plural(f.Empty, "send"))
	case len(f.Reads) == 0 && f.Packet:
		return fmt.Sprintf("%s of %s sent, none read", plural(len(f.Sends), what), sizes(f.Sends))
	case len(f.Reads) == 0:
		return fmt.Sprintf("%s of %s, never read", plural(len(f.Sends), what), sizes(f.Sends))
	case f.Whole():
		s := fmt.Sprintf("%s arrived as %s", plural(len(f.Sends), what), plural(len(f.Reads), as))
		if len(f.Sends) > 1 {
			s += ", boundary by boundary"
		}
		parts = append(parts, s)
	case f.Packet:
		parts = append(parts, fmt.Sprintf("%s arrived as %s", plural(len(f.Sends), what), plural(len(f.Reads), as)))
	default:
		s := fmt.Sprintf("%s arrived as %s", plural(len(f.Sends), what), plural(len(f.Reads), as))
		if len(f.Reads) > 1 || f.Unread > 0 {
			s += " of " + sizes(f.Reads)
		}
		parts = append(parts, s)
	}
	if len(f.Lost) > 0 {
		parts = append(parts, boundaries(f.Lost))
	}
	if f.Unread > 0 {
		parts = append(parts, fmt.Sprintf("%d of %d bytes were never read", f.Unread, sum(f.Sends)))
	}
	if f.Truncated > 0 {
		parts = append(parts, fmt.Sprintf("%d of them cut short, the rest of it thrown away", f.Truncated))
	}
	if f.Packet && f.Dropped > 0 {
		parts = append(parts, fmt.Sprintf("%d of %d vanished", f.Dropped, len(f.Sends)))
	}
	return strings.Join(parts, "; ")
}

// Verdicts computes from the events what is worth saying about them: directions in which boundaries were lost, waits
// that ended only at a deadline, resets, refused calls, reads that went on after the end. When there is nothing of
// that kind it says that each send arrived as one read.
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

// waits says who sat in a call until its deadline.
func waits(events []Event) []string {
	var who []string
	for _, e := range events {
		if e.Op == Timeout && !e.brokenSend() && !slices.Contains(who, e.Side) {
			who = append(who, e.Side)
		}
	}
	slices.Sort(who)
	switch len(who) {
	case 0:
		return nil
	case 1:
		return []string{who[0] + " waited until its deadline, and nothing came"}
	}
	return []string{strings.Join(who, " and ") + " both waited until their deadlines, and nothing came"}
}

// failures says which calls failed, and who went on reading after the end.
func failures(events []Event) []string {
	var said []string
	ends := map[string]int{}
	var order []string
	for _, e := range events {
		var s string
		switch {
		case e.Op == EOF:
			if ends[e.Side+e.Conn]++; ends[e.Side+e.Conn] == 2 {
				order = append(order, e.Side+e.Conn)
			}
		case e.Op == Dial && e.Err != "":
			s = fmt.Sprintf("%s could not connect: %s", e.Side, e.Err)
		case e.Op == Timeout && e.brokenSend():
			s = fmt.Sprintf("%s had %s taken before its deadline, and no more", e.Side, plural(e.N, "byte"))
		case e.Op == Reset:
			s = fmt.Sprintf("%s met a dead connection: %s", e.Side, e.Err)
		case e.Op == Send && e.Err != "":
			s = fmt.Sprintf("%s could not send: %s", e.Side, e.Err)
		case e.Op == Recv && e.Err != "" && e.packet():
			s = fmt.Sprintf("%s could not read: %s", e.Side, e.Err)
		}
		if s != "" && !slices.Contains(said, s) {
			said = append(said, s)
		}
	}
	for _, e := range events {
		if i := slices.Index(order, e.Side+e.Conn); e.Op == EOF && i >= 0 {
			order[i] = ""
			said = append(said, fmt.Sprintf("%s read end of file %d times: 0 bytes, for ever", e.Side, ends[e.Side+e.Conn]))
		}
	}
	return said
}

// Fate is what became of one message.
type Fate struct {
	Whole bool // came as exactly one received message
	Glued bool // at least one received message holds bytes of it and of another
	Cut   bool // its bytes came in more than one received message
	Lost  bool // not all of its bytes came
}

// Comparison says what became of messages, in the terms of the programs that sent and received them.
type Comparison struct {
	Sent, Received [][]byte
	Fates          []Fate // one for each sent message
	Lost           []int  // offsets of message boundaries that nobody can find any more
	Same           bool   // the same messages, one by one
	Changed        bool   // the received bytes are not a beginning of the sent ones
}

// Compare sets the messages that one program sent beside those that the other program was handed.
func Compare(sent, received [][]byte) Comparison {
	c := Comparison{Sent: sent, Received: received, Same: slices.EqualFunc(sent, received, bytes.Equal)}
	c.Changed = !bytes.HasPrefix(bytes.Join(sent, nil), bytes.Join(received, nil))
	reads := lengths(received)
	got := sum(reads)
	start := 0
	for i, m := range sent {
		end := start + len(m)
		fate := Fate{Lost: end > got, Whole: c.Same}
		from := 0
		pieces := 0
		for _, n := range reads {
			to := from + n
			if from < end && start < to && n > 0 {
				pieces++
				if from < start || to > end {
					fate.Glued = true
				}
				if from == start && to == end {
					fate.Whole = true
				}
			}
			from = to
		}
		fate.Cut = pieces > 1
		if i < len(sent)-1 && end < got && !slices.Contains(offsets(reads), end) {
			c.Lost = append(c.Lost, end)
		}
		c.Fates = append(c.Fates, fate)
		start = end
	}
	return c
}

// String says it in one sentence.
func (c Comparison) String() string {
	head := fmt.Sprintf("%s sent, %d received", plural(len(c.Sent), "message"), len(c.Received))
	if slices.ContainsFunc(c.Fates, func(f Fate) bool { return f.Cut }) {
		head += ", of " + sizes(lengths(c.Received))
	}
	if c.Same {
		return head + ", each whole"
	}
	if c.Changed {
		return head + ", and not the same bytes"
	}
	var parts []string
	glued, cut, lost := 0, 0, 0
	for _, f := range c.Fates {
		if f.Glued {
			glued++
		}
		if f.Cut {
			cut++
		}
		if f.Lost {
			lost++
		}
	}
	if glued > 0 {
		parts = append(parts, fmt.Sprintf("%d glued to a neighbour", glued))
	}
	if cut > 0 {
		parts = append(parts, fmt.Sprintf("%d cut", cut))
	}
	if lost > 0 {
		parts = append(parts, fmt.Sprintf("%d not all there", lost))
	}
	s := head
	if len(parts) > 0 {
		s += ": " + strings.Join(parts, ", ")
	}
	if len(c.Lost) > 0 {
		s += "; " + boundaries(c.Lost)
	}
	return s
}

func lengths(messages [][]byte) []int {
	var ns []int
	for _, m := range messages {
		ns = append(ns, len(m))
	}
	return ns
}

func boundaries(at []int) string {
	if len(at) == 1 {
		return fmt.Sprintf("the boundary after byte %d is gone", at[0])
	}
	return fmt.Sprintf("the boundaries after bytes %s are gone", list(at))
}

func sizes(ns []int) string {
	if len(ns) == 1 {
		return plural(ns[0], "byte")
	}
	return list(ns) + " bytes"
}

// list writes numbers as people do: "1024, 1024 and 952"; of many equal or many different ones only the first few.
func list(ns []int) string {
	if len(ns) > 2 && slices.Min(ns) == slices.Max(ns) {
		return fmt.Sprintf("%d each", ns[0])
	}
	const most = 6
	var words []string
	for _, n := range ns[:min(len(ns), most)] {
		words = append(words, fmt.Sprint(n))
	}
	if len(ns) > most {
		return strings.Join(words, ", ") + fmt.Sprintf(" … (%d more)", len(ns)-most)
	}
	if len(words) == 1 {
		return words[0]
	}
	return strings.Join(words[:len(words)-1], ", ") + " and " + words[len(words)-1]
}

func plural(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}

func sum(ns []int) int {
	total := 0
	for _, n := range ns {
		total += n
	}
	return total
}

// offsets returns where each piece ends in the stream.
func offsets(ns []int) []int {
	at := 0
	var ends []int
	for _, n := range ns {
		at += n
		ends = append(ends, at)
	}
	return ends
}
