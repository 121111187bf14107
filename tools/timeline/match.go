package timeline

import (
	"bytes"
	"slices"
	"strings"
)

// Piece is a run of bytes of one send, as one read took it.
type Piece struct {
	// Sends are the numbers (Seq) of the events that the bytes can have come from: one, or several datagrams that are equal.
	// The caller does not change it.
	Sends    []int
	From, To int // bytes From to To of the send, To not included
}

// Use is what one read took of a send.
type Use struct {
	Read     int // number (Seq) of the event
	From, To int // bytes of the send
}

// Matcher says which read took which bytes of which writes, and which datagram is which. It takes events one by one, in the order
// in which their calls return; a call that was added while it blocked is added again when it has returned.
//
// A stream keeps its bytes in order, and the recorder keeps writes, and reads, of one end in the kernel's order, so the
// n-th byte read is the n-th byte written. Where the bytes say otherwise, because somebody wrote or read past the
// recorder, nothing more is said of that direction. Datagrams may vanish, come twice and overtake each other; of equal
// ones all that can be meant are named.
//
// It says nothing of connections of which only one side was recorded.
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
	way          *way // of the sends to the other side; nil for datagrams that have to be matched anew
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
	fate   []fate    // of each datagram
	next   int       // streams: the send in which the next read begins
	broken bool      // streams: the bytes do not fit together
	again  []bool    // of each read of a datagram: it had come before
}

// fate is what became of a datagram.
type fate int

const (
	unread fate = iota
	read
	unsure // one of several equal ones of which some, but not all, were read
)

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
	if e.Conn == "" {
		return
	}
	if !slices.Contains(m.sides[e.Conn], e.Side) {
		m.sides[e.Conn] = append(m.sides[e.Conn], e.Side)
	}
	h := half{e.Conn, e.Side}
	f := m.flows[h]
	if f == nil {
		f = &flow{}
		m.flows[h] = f
	}
	s := span{seq: e.Seq, n: e.N, open: e.blocks(), data: e.Data, us: e.US, end: e.End}
	list := &f.sends
	switch {
	case e.onTheWay():
	case e.Op == Recv && !e.blocks() && (e.N > 0 || e.Err == "" && e.packet()):
		list = &f.reads
	default:
		if n := len(f.sends); e.Op == Send && n > 0 && f.sends[n-1].seq == e.Seq { // it blocked, and nothing went
			f.sends = f.sends[:n-1]
		}
		return
	}
	*list = put(*list, s)
	m.of[e.Seq] = place{h, e.Op == Send, len(*list) - 1}
	if e.packet() {
		for _, side := range m.sides[e.Conn] {
			m.flows[half{e.Conn, side}].way = nil
		}
	}
}

// put appends a span, or replaces the one that was open.
func put(spans []span, s span) []span {
	if n := len(spans); n > 0 && spans[n-1].seq == s.seq {
		spans = spans[:n-1]
	}
	if n := len(spans); n > 0 {
		s.at = spans[n-1].at + spans[n-1].n
	}
	return append(spans, s)
}

// peer names the other side of the connection. There is none if it was not recorded, or if several were.
func (m *Matcher) peer(h half) (half, bool) {
	sides := m.sides[h.conn]
	if len(sides) == 1 && strings.HasSuffix(h.conn, selfMark) {
		return h, true
	}
	if len(sides) != 2 {
		return h, false
	}
	return half{h.conn, sides[0]}.unless(h, sides[1]), true
}

func (h half) unless(me half, other string) half {
	if h == me {
		h.side = other
	}
	return h
}

// wayOf matches, as far as it can be done now, the sends of a half with the reads of its peer.
func (m *Matcher) wayOf(from half) *way {
	to, ok := m.peer(from)
	if !ok {
		return nil
	}
	f, reads := m.flows[from], m.flows[to].reads
	switch {
	case isPacket(from.conn):
		if f.way == nil {
			f.way = matchDatagrams(f.sends, reads)
		}
	case f.way == nil:
		f.way = &way{}
		fallthrough
	default:
		f.way.advance(f.sends, reads)
	}
	return f.way
}

// advance matches the reads of a stream that were not matched yet. It stops at one that took more than is known to have been sent.
func (w *way) advance(sends, reads []span) {
	for len(w.uses) < len(sends) {
		w.uses = append(w.uses, nil)
	}
	for len(w.took) < len(reads) && !w.broken {
		read := reads[len(w.took)]
		pieces, next, ok := w.cut(sends, read)
		if !ok {
			return
		}
		w.took, w.next = append(w.took, pieces), next
	}
}

// cut divides a read into the pieces of the sends whose bytes are at the same place of the stream.
func (w *way) cut(sends []span, read span) (pieces []Piece, next int, ok bool) {
	if read.n == 0 {
		return nil, w.next, true
	}
	end := read.at + read.n
	for next = w.next; next < len(sends); next++ {
		s := sends[next]
		from, to := max(s.at, read.at), end
		if !s.open {
			to = min(end, s.at+s.n)
		}
		if to <= from {
			continue
		}
		if s.us > read.end || !agree(s, read, from, to) {
			w.broken = true
			return nil, next, false
		}
		pieces = append(pieces, Piece{[]int{s.seq}, from - s.at, to - s.at})
		if to == end {
			for i := range pieces {
				k := next - len(pieces) + 1 + i
				w.uses[k] = append(w.uses[k], Use{read.seq, pieces[i].From, pieces[i].To})
			}
			return pieces, next, true
		}
	}
	return nil, next, false
}

// agree compares what is kept of a send and of a read for the bytes from to to of the stream.
func agree(send, read span, from, to int) bool {
	kept := func(s span) []byte {
		return s.data[min(from-s.at, len(s.data)):min(to-s.at, len(s.data))]
	}
	a, b := kept(send), kept(read)
	n := min(len(a), len(b))
	return bytes.Equal(a[:n], b[:n])
}

// matchDatagrams matches reads with sends that are equal, or longer if the read was cut short.
func matchDatagrams(sends, reads []span) *way {
	w := &way{took: make([][]Piece, len(reads)), uses: make([][]Use, len(sends)), fate: make([]fate, len(sends)), again: make([]bool, len(reads))}
	groups := map[string]*group{} // by length and beginning of what was read
	for k, r := range reads {
		key := datagramKey(r.n, r.data)
		g := groups[key]
		if g == nil {
			g = equalTo(r, sends)
			groups[key] = g
		}
		g.take(w, sends, k, r)
	}
	for _, g := range groups {
		g.settle(w)
	}
	return w
}

func datagramKey(n int, data []byte) string {
	return string([]byte{byte(n), byte(n >> 8), byte(n >> 16)}) + string(data)
}

// group is datagrams that cannot be told apart when they are read.
type group struct {
	members []int // places in sends
	seqs    []int // their numbers
	first   int   // members before this one have been read
	read    int   // how many of those from first on have been read, and nobody knows which
}

// equalTo finds the sends that a read can have returned: those of the same bytes, or else those that begin with them.
func equalTo(r span, sends []span) *group {
	g := &group{}
	for _, whole := range []bool{true, false} {
		for i, s := range sends {
			fits := s.open || s.n == r.n || !whole && 0 < r.n && r.n < s.n
			if fits && bytes.HasPrefix(s.data, r.data) {
				g.members, g.seqs = append(g.members, i), append(g.seqs, s.seq)
			}
		}
		if len(g.members) > 0 {
			break
		}
	}
	return g
}

// take finds out which datagram the k-th read returned. Those that have been read are meant again only if no other is left.
func (g *group) take(w *way, sends []span, k int, r span) {
	sent := 0 // members that had been sent when the read returned
	for sent < len(g.members) && sends[g.members[sent]].us <= r.end {
		sent++
	}
	from := g.first
	switch {
	case sent == 0: // nobody is known to have sent it
		return
	case g.first+g.read < sent:
		g.read++
	default:
		from = 0
		w.again[k] = true
	}
	w.took[k] = []Piece{{g.seqs[from:sent], 0, r.n}}
	if from == sent-1 {
		i := g.members[from]
		w.uses[i] = append(w.uses[i], Use{r.seq, 0, r.n})
	}
	if g.first+g.read == sent { // all of them, in whatever order
		g.first, g.read = sent, 0
	}
}

// settle says of each member whether it has been read.
func (g *group) settle(w *way) {
	for k, i := range g.members {
		switch {
		case k < g.first:
			w.fate[i] = read
		case g.read > 0:
			w.fate[i] = unsure
		}
	}
}

// Took returns the pieces that the read with that number took, in the order of its bytes. It returns nil if that is not
// known, or not known yet.
func (m *Matcher) Took(read int) []Piece {
	at, ok := m.of[read]
	if !ok || at.sent {
		return nil
	}
	from, ok := m.peer(at.half)
	if !ok {
		return nil
	}
	if w := m.wayOf(from); w != nil && at.index < len(w.took) {
		return w.took[at.index]
	}
	return nil
}

// Readers returns who took bytes of the send with that number, in the order of its bytes. Reads that may have taken another
// one of several equal datagrams are not among them.
func (m *Matcher) Readers(send int) []Use {
	at, ok := m.of[send]
	if !ok || !at.sent {
		return nil
	}
	if w := m.wayOf(at.half); w != nil && at.index < len(w.uses) {
		return w.uses[at.index]
	}
	return nil
}

// Unread says how many of the last bytes of a send nobody has read so far. It is not known while the call blocks, if the other side
// was not recorded, and of one of several equal datagrams of which some were read.
func (m *Matcher) Unread(send int) (n int, known bool) {
	at, ok := m.of[send]
	if !ok || !at.sent {
		return 0, false
	}
	w := m.wayOf(at.half)
	s := m.flows[at.half].sends[at.index]
	switch {
	case w == nil || s.open || w.broken:
		return 0, false
	case isPacket(at.conn):
		return w.unreadOf(at.index, s.n)
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
	f := m.flows[at.half]
	if isPacket(at.conn) {
		return f.way.fate[at.index] == unread && len(f.way.uses[at.index]) == 0
	}
	return n == f.sends[at.index].n
}

// unreadOf is Unread for the i-th datagram, of n bytes.
func (w *way) unreadOf(i, n int) (int, bool) {
	switch {
	case len(w.uses[i]) > 0:
		return n - w.uses[i][0].To, true
	case w.fate[i] == unread:
		return n, true
	}
	return 0, w.fate[i] == read
}
