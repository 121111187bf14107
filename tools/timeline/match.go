package timeline

import (
	"bytes"
	"slices"
	"strings"
)

// Piece is a run of bytes of one send, as one read took it.
type Piece struct {
	// Sends are the numbers (Seq) of the events that the bytes can have come from: one, or several
	// datagrams that are equal. The caller does not change it.
	Sends    []int
	From, To int // bytes From to To of the send, To not included
}

// Use is what one read took of a send.
type Use struct {
	Read     int // number (Seq) of the event
	From, To int // bytes of the send
}

// Matcher says which read took which bytes of which writes, and which datagram is which. It takes
// events one by one, those of one end in the order in which their calls return; a call that was
// added while it blocked is added again when it has returned.
//
// A stream keeps its bytes in order, and the recorder keeps writes, and reads, of one end in the
// kernel's order, so the n-th byte read is the n-th byte written. Where the bytes say otherwise,
// because somebody wrote or read past the recorder, nothing more is said of that direction.
// Datagrams may vanish, come twice and overtake each other; of equal ones all that can be meant are
// named. One that is asked for between two datagrams has the whole direction matched anew.
//
// It says nothing of connections of which only one side was recorded, or more than two.
type Matcher struct {
	flows map[half]*flow
	sides map[string][]string // conn → the sides seen on it
	of    map[int]place       // number of a send or read → where it is
}

// half is one side of one connection.
type half struct{ conn, side string }

type place struct {
	half
	sent  bool // a send; otherwise a read
	index int
}

// flow is what one side of one connection sent and read.
type flow struct {
	sends, reads []span
	way          *way // of the sends to the other side; nil if they have to be matched anew
}

// span is a send or a read: bytes at to at+n of its stream.
type span struct {
	seq     int
	at, n   int
	open    bool // the call blocks: how many bytes it moves is not known yet
	data    []byte
	us, end int64
}

// way is what became of the sends of a flow.
type way struct {
	took   [][]Piece // by each read of the other side
	uses   [][]Use   // of each send
	broken bool      // what was read is not what was written

	next int // streams: the send in which the next read begins

	read  []bool   // of each datagram: it was read
	came  []int    // how many bytes of it
	doubt []*group // equal ones of which some, but not all, were read, and it is one of them
	again []bool   // by each read of a datagram: it had come before
}

// NewMatcher returns a matcher that knows of no events.
func NewMatcher() *Matcher {
	return &Matcher{flows: map[half]*flow{}, sides: map[string][]string{}, of: map[int]place{}}
}

// Match returns a matcher that knows of the events, in whatever order they are.
func Match(events []Event) *Matcher {
	m := NewMatcher()
	sorted := slices.Clone(events)
	slices.SortStableFunc(sorted, func(a, b Event) int { return a.Seq - b.Seq })
	for _, e := range sorted {
		m.Add(e)
	}
	return m
}

// Add takes one event. Of those that move no bytes it keeps only who is on which connection.
func (m *Matcher) Add(e Event) {
	if e.Conn == "" || e.Side == "" { // a remark has no side that could be somebody's peer
		return
	}
	h := half{e.Conn, e.Side}
	f := m.flows[h]
	if f == nil {
		f = &flow{}
		m.flows[h] = f
		m.sides[e.Conn] = append(m.sides[e.Conn], e.Side)
	}
	switch {
	case e.onTheWay():
		m.put(h, &f.sends, e)
	case e.Op == Recv && !e.blocks() && (e.N > 0 || e.Err == "" && e.packet()):
		m.put(h, &f.reads, e)
	case e.Op == Send: // it may have blocked before, and nothing went
		m.forget(h, &f.sends, e.Seq)
	}
}

// put appends what an event moved to sends or reads.
func (m *Matcher) put(h half, list *[]span, e Event) {
	m.forget(h, list, e.Seq)
	s := span{seq: e.Seq, n: e.N, open: e.blocks(), data: e.Data, us: e.US, end: e.End}
	if s.open && e.packet() {
		s.n = len(e.Data) // a datagram goes as a whole
	}
	*list = appended(*list, s)
	m.of[e.Seq] = place{h, e.Op == Send, len(*list) - 1}
	if e.packet() {
		m.anew(h.conn)
	}
}

// appended gives a span its place in the stream.
func appended(spans []span, s span) []span {
	if n := len(spans); n > 0 {
		s.at = spans[n-1].at + spans[n-1].n
	}
	return append(spans, s)
}

// forget takes the last one back if it has that number: it was added while it blocked.
func (m *Matcher) forget(h half, list *[]span, seq int) {
	if n := len(*list); n > 0 && (*list)[n-1].seq == seq {
		*list = (*list)[:n-1]
		delete(m.of, seq)
		m.anew(h.conn)
	}
}

// anew has the sends of both sides matched again.
func (m *Matcher) anew(conn string) {
	for _, side := range m.sides[conn] {
		m.flows[half{conn, side}].way = nil
	}
}

// peer names the other side of the connection. There is none if it was not recorded, or if several
// were.
func (m *Matcher) peer(h half) (peer half, ok bool) {
	switch sides := m.sides[h.conn]; {
	case len(sides) == 1 && strings.HasSuffix(h.conn, selfMark):
		return h, true
	case len(sides) != 2:
		return half{}, false
	case sides[0] == h.side:
		return half{h.conn, sides[1]}, true
	default:
		return half{h.conn, sides[0]}, true
	}
}

// wayOf matches, as far as it can be done now, the sends of a half with the reads of its peer. It
// returns nil if there is no peer.
func (m *Matcher) wayOf(from half) *way {
	to, ok := m.peer(from)
	if !ok {
		return nil
	}
	f, reads := m.flows[from], m.flows[to].reads
	switch {
	case isPacket(from.conn) && f.way == nil:
		f.way = matchDatagrams(f.sends, reads)
	case isPacket(from.conn):
	case f.way == nil:
		f.way = &way{}
		fallthrough
	default:
		f.way.advance(f.sends, reads)
	}
	return f.way
}

// advance matches the reads of a stream that were not matched yet. It stops at one that took more
// than is known to have been sent.
func (w *way) advance(sends, reads []span) {
	for len(w.uses) < len(sends) {
		w.uses = append(w.uses, nil)
	}
	for len(w.took) < len(reads) && !w.broken {
		r := reads[len(w.took)]
		parts, ok := w.cut(sends, r)
		if !ok {
			return
		}
		var pieces []Piece
		for _, p := range parts {
			pieces = append(pieces, p.Piece)
			w.uses[p.send] = append(w.uses[p.send], Use{r.seq, p.From, p.To})
			w.next = p.send
		}
		w.took = append(w.took, pieces)
	}
}

// part is a piece and the place of its send.
type part struct {
	Piece
	send int
}

// cut divides a read into the pieces of the sends whose bytes are at the same place of the stream.
// It is not ok if not all of these are known.
func (w *way) cut(sends []span, r span) (parts []part, ok bool) {
	at, end := r.at, r.at+r.n
	for i := w.next; i < len(sends) && at < end; i++ {
		s, to := sends[i], end
		if !s.open {
			to = min(end, s.at+s.n)
		}
		if to <= at {
			continue
		}
		if s.us > r.end || !sameBytes(s, r, at, to) {
			w.broken = true
			return nil, false
		}
		parts = append(parts, part{Piece{[]int{s.seq}, at - s.at, to - s.at}, i})
		at = to
	}
	return parts, at == end
}

// sameBytes compares what is kept of a send and of a read for the bytes from to to of the stream.
func sameBytes(send, r span, from, to int) bool {
	kept := func(s span) []byte {
		return s.data[min(from-s.at, len(s.data)):min(to-s.at, len(s.data))]
	}
	a, b := kept(send), kept(r)
	n := min(len(a), len(b))
	return bytes.Equal(a[:n], b[:n])
}

// Took returns the pieces that the read with that number took, in the order of its bytes. It
// returns nil if that is not known, or not known yet.
func (m *Matcher) Took(read int) []Piece {
	at, ok := m.of[read]
	if !ok || at.sent {
		return nil
	}
	from, _ := m.peer(at.half)
	if w := m.wayOf(from); w != nil && at.index < len(w.took) {
		return w.took[at.index]
	}
	return nil
}

// Readers returns who took bytes of the send with that number, in the order of the reads. Reads that
// may have taken another one of several equal datagrams are not among them.
func (m *Matcher) Readers(send int) []Use {
	at, ok := m.of[send]
	if !ok || !at.sent {
		return nil
	}
	if w := m.wayOf(at.half); w != nil {
		return w.uses[at.index]
	}
	return nil
}

// Unread says how many of the last bytes of a send nobody has read so far. It is not known while the
// call blocks, if the other side was not recorded or not all that was read is known, and of one of
// several equal datagrams of which some were read.
func (m *Matcher) Unread(send int) (n int, known bool) {
	at, ok := m.of[send]
	if !ok || !at.sent {
		return 0, false
	}
	w, s := m.wayOf(at.half), m.flows[at.half].sends[at.index]
	switch {
	case w == nil || s.open || w.broken:
		return 0, false
	case isPacket(at.conn) && w.doubt[at.index] != nil:
		return 0, false
	case isPacket(at.conn):
		return s.n - w.came[at.index], true
	}
	to, _ := m.peer(at.half)
	reads := m.flows[to].reads
	if len(w.took) < len(reads) {
		return 0, false
	}
	end := 0
	if k := len(reads); k > 0 {
		end = reads[k-1].at + reads[k-1].n
	}
	return min(s.n, max(0, s.at+s.n-end)), true
}

// Lost reports whether it is certain that nobody has read anything of a send.
func (m *Matcher) Lost(send int) bool {
	n, known := m.Unread(send)
	if !known {
		return false
	}
	at := m.of[send]
	if f := m.flows[at.half]; isPacket(at.conn) {
		return !f.way.read[at.index]
	}
	return n == m.flows[at.half].sends[at.index].n
}

// doubt returns the equal datagrams to which a send belongs if some of them were read and nobody
// knows which ones; otherwise nil.
func (m *Matcher) doubt(send int) *group {
	at, ok := m.of[send]
	if w := m.wayOf(at.half); ok && at.sent && w != nil && isPacket(at.conn) {
		return w.doubt[at.index]
	}
	return nil
}
