package timeline

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// Picture is a recording laid out. [Text] and [SVG] paint it and decide nothing.
type Picture struct {
	Lanes    []string // sides from left to right
	Rows     []Row    // in the order of their times
	Unread   string   // which bytes nobody read, in a sentence; "" if none are known
	Verdicts []string
}

// Row is one line: what a side did and, if it arrived there next and within 10 ms, what another side
// saw of it. A row of the scene itself, a remark, has one cell, in no lane.
type Row struct {
	US    int64 // its time in microseconds, never smaller than that of the row above
	Cells []Cell

	Again  int   // how often this row, and those above it of the same Period, are left out below it
	Period int   // how many rows were folded
	Until  int64 // the time of the last one that is left out
}

// Cell is one event in a row.
type Cell struct {
	Lane  int // place in Lanes; -1 for a remark
	Event Event
	Words string  // what happened
	Data  string  // a preview of the payload, which a picture may cut; shown in quotes
	Label string  // which bytes these are, which connection, how long it took
	Bytes []Bytes // what was sent or read, in order
	Tone  Tone
	Arrow Arrow
	Peer  int // the lane where the arrow comes from or goes to; -1 if that is not known
}

// Bytes is a run of bytes of one send, or of one of several equal datagrams.
type Bytes struct {
	Send     int      // which send of the picture, from 0; of several that can be meant the first
	Names    []string // its letter, or those of all that can be meant: the first three and the last
	From, To int      // not including To
	Of       int      // bytes of the whole send; 0 while it blocks
	Unread   bool     // in a send: nobody read these
}

// Arrow says how a cell is joined with others.
type Arrow int

// The arrows. A row with two cells has a whole one between them.
const (
	NoArrow  Arrow = iota
	Leaves         // the bytes were read later, in pieces, with others, or nobody knows by which read
	Arrives        // bytes that left further up
	Lost           // nobody ever read them
	Travels        // a segment, to Peer
	Vanishes       // a segment that did not get there
)

// Tone says how a cell is to be read.
type Tone int

// The tones.
const (
	Plain     Tone = iota
	Bad            // a failure: what a reader should notice
	Said           // what a program made of it
	Remark         // a word of the scene, which no program knows of
	Waiting        // a call that blocks
	OnTheWire      // a segment
)

// Lay lays a recording out. Events of calls that block are drawn as what they are.
func Lay(events []Event) Picture {
	l := &layout{
		events: inOrder(slices.Clone(events)), lanes: lanesOf(events), match: Match(events),
		lane: map[string]int{"": -1}, send: map[int]int{}, size: map[int]int{},
		first: map[string]Event{}, crossed: map[half]bool{},
	}
	p := Picture{Lanes: make([]string, len(l.lanes))}
	for i, side := range l.lanes {
		p.Lanes[i], l.lane[side] = clean(side), i
	}
	l.name()
	l.cross()
	p.Rows, p.Unread = fold(join(l.rows())), l.unread()
	for _, e := range l.events {
		if e.Op == Verdict {
			p.Verdicts = append(p.Verdicts, clean(e.Text))
		}
	}
	return p
}

type layout struct {
	events  []Event
	lanes   []string
	lane    map[string]int // side → its lane
	match   *Matcher
	send    map[int]int      // number of an event → which send of the picture
	size    map[int]int      // number of a send → its bytes
	first   map[string]Event // conn → the event that has the first row
	crossed map[half]bool    // connections of a side that has another one at the same time
}

// lanesOf returns the sides from left to right: those that listen stand to the right of the others;
// otherwise by name, client 2 before client 10.
func lanesOf(events []Event) []string {
	right := map[string]bool{}
	var sides []string
	known := map[string]bool{"": true}
	for _, e := range events {
		if !known[e.Side] {
			known[e.Side] = true
			sides = append(sides, e.Side)
		}
		right[e.Side] = right[e.Side] || e.Op == Listen || e.Op == Accept || e.Side == "server"
	}
	slices.SortFunc(sides, func(a, b string) int {
		return cmp.Or(falseFirst(right[a], right[b]), natural(a, b))
	})
	return sides
}

// natural compares names as people order them: client 2 before client 10.
func natural(a, b string) int {
	x, y := a, b
	for x != "" && y != "" {
		i, k := digits(x), digits(y)
		if i == 0 || k == 0 {
			if x[0] != y[0] {
				return cmp.Compare(x[0], y[0])
			}
			x, y = x[1:], y[1:]
			continue
		}
		m, n := strings.TrimLeft(x[:i], "0"), strings.TrimLeft(y[:k], "0")
		if c := cmp.Or(len(m)-len(n), cmp.Compare(m, n)); c != 0 {
			return c
		}
		x, y = x[i:], y[k:]
	}
	return cmp.Or(len(x)-len(y), cmp.Compare(a, b))
}

// digits counts the digits that s begins with.
func digits(s string) int {
	n := 0
	for n < len(s) && '0' <= s[n] && s[n] <= '9' {
		n++
	}
	return n
}

// name gives each send that put something out its place, which is its letter and its colour.
func (l *layout) name() {
	for _, e := range l.events {
		if e.travels() {
			continue
		}
		if first, ok := l.first[e.Conn]; e.Conn != "" && (!ok || e.firstRow() < first.firstRow()) {
			l.first[e.Conn] = e
		}
		if e.onTheWay() {
			l.send[e.Seq], l.size[e.Seq] = len(l.send), e.N
		}
	}
}

// life is how long a side had a connection.
type life struct {
	half
	from, to int64
}

// cross finds out which connections a lane has to tell apart: those that it had at the same time.
func (l *layout) cross() {
	lives := map[half]*life{}
	bySide := make([][]*life, len(l.lanes))
	for _, e := range l.events {
		if e.Conn == "" || e.Side == "" || e.travels() {
			continue
		}
		h, from := half{e.Conn, e.Side}, e.US
		if e.Op == Accept {
			from = e.At()
		}
		if lives[h] == nil {
			lives[h] = &life{h, from, from}
			bySide[l.lane[e.Side]] = append(bySide[l.lane[e.Side]], lives[h])
		}
		lives[h].from, lives[h].to = min(lives[h].from, from), max(lives[h].to, e.US, e.End)
	}
	for _, lives := range bySide {
		slices.SortStableFunc(lives, func(a, b *life) int { return cmp.Compare(a.from, b.from) })
		latest := 0 // the one that lasts longest so far
		for i := 1; i < len(lives); i++ {
			if lives[i].from < lives[latest].to {
				l.crossed[lives[i].half], l.crossed[lives[latest].half] = true, true
			}
			if lives[i].to > lives[latest].to {
				latest = i
			}
		}
	}
}

// letter is the name of the i-th send: A to Z, AA to ZZ, and so on.
func letter(i int) string {
	s := string(rune('A' + i%26))
	for i = i/26 - 1; i >= 0; i = i/26 - 1 {
		s = string(rune('A'+i%26)) + s
	}
	return s
}

// rows gives each event its row, or two: a call that takes 10 ms, and a send or dial that fails, has
// one for its begin and one for its return.
func (l *layout) rows() []Row {
	var rows []Row
	add := func(us int64, c Cell) { rows = append(rows, Row{US: us, Cells: []Cell{c}}) }
	for _, e := range l.events {
		if e.Op == Verdict {
			continue
		}
		if e.travels() {
			add(e.US, l.segment(e))
			continue
		}
		if l.first[e.Conn].Seq == e.Seq && e.Conn != "" && e.Op != Dial && e.Op != Accept {
			add(e.firstRow(), l.opening(e))
		}
		if e.divided() || !e.atReturn() {
			add(e.US, l.atBegin(e))
		}
		if e.divided() && !e.blocks() || e.atReturn() {
			add(e.End, l.atEnd(e))
		}
	}
	slices.SortStableFunc(rows, func(a, b Row) int { return cmp.Compare(a.US, b.US) })
	return rows
}

// divided reports whether a call has a row for its begin and one for its return, if it has returned.
func (e Event) divided() bool {
	return e.blocks() || e.slow() || e.Err != "" && (e.Op == Send || e.Op == Dial)
}

// firstRow is the time of the event's first row.
func (e Event) firstRow() int64 {
	if e.divided() {
		return e.US
	}
	return e.At()
}

// opening is the line that names a connection which begins with neither a dial nor an accept on
// record.
func (l *layout) opening(e Event) Cell {
	what := "a connection"
	if e.packet() {
		what = "datagrams"
	}
	if len(l.first) > 1 {
		what = e.Conn + ": " + what
	}
	sides := slices.Clone(l.match.sides[e.Conn])
	slices.SortFunc(sides, func(a, b string) int { return l.lane[a] - l.lane[b] })
	between := "between " + list(sides)
	if len(sides) == 1 {
		between = "of " + sides[0]
	}
	return Cell{Lane: -1, Words: clean(what + " " + between), Tone: Remark, Peer: -1}
}

// atBegin is the cell of a call that begins.
func (l *layout) atBegin(e Event) Cell {
	c := l.cell(e)
	c.Words = beginning(e)
	switch {
	case e.Side == "":
		c.Tone = Remark
	case e.Op == Note:
		c.Tone, c.Data = Said, noteData(e)
	case e.Op == Send:
		l.sending(&c, e)
	case e.blocks() || e.divided() && e.Op != Dial:
		c.Tone = Waiting
	case e.Err != "" && !e.divided():
		c.Tone = Bad
	}
	return c
}

// atEnd is the cell of a call that returns.
func (l *layout) atEnd(e Event) Cell {
	c := l.cell(e)
	c.Words = ending(e)
	if e.Err != "" || e.Op == Timeout || e.Op == Reset {
		c.Tone = Bad
	}
	if e.Op == Recv {
		l.receiving(&c, e)
	}
	if e.slow() {
		c.add("after " + milliseconds(e.End-e.US))
	}
	return c
}

// cell is what all cells of an event have in common.
func (l *layout) cell(e Event) Cell {
	c := Cell{Lane: l.lane[e.Side], Event: e, Peer: -1}
	begins := e.Op == Dial || e.Op == Accept
	if e.Conn != "" && (begins && len(l.first) > 1 || l.crossed[half{e.Conn, e.Side}]) {
		c.Label = clean(e.Conn)
	}
	return c
}

// add puts a word behind the label, or behind the words if there is neither a label nor a payload.
func (c *Cell) add(word string) {
	switch {
	case c.Label != "":
		c.Label += ", " + word
	case c.Data == "":
		c.Words += ", " + word
	default:
		c.Label = word
	}
}

// front puts a word before the label.
func (c *Cell) front(word string) {
	if word != "" && c.Label != "" {
		word += ", "
	}
	c.Label = word + c.Label
}

// sending names the bytes of a send, and says which of them were never read.
func (l *layout) sending(c *Cell, e Event) {
	if e.onTheWay() || e.Err != "" {
		c.Data = clean(e.Text)
	}
	if !e.onTheWay() {
		return
	}
	b := Bytes{Send: l.send[e.Seq], Names: []string{letter(l.send[e.Seq])}, To: e.N, Of: e.N}
	c.front(b.Names[0])
	c.Peer = l.peerOf(e)
	if c.Peer >= 0 {
		c.Arrow = Leaves
	}
	n, _ := l.match.Unread(e.Seq)
	switch {
	case l.match.Lost(e.Seq):
		c.Arrow, b.Unread = Lost, true
	case n > 0:
		rest := b
		b.To, rest.From, rest.Unread = b.Of-n, b.Of-n, true
		c.Bytes = []Bytes{b, rest}
		return
	}
	c.Bytes = []Bytes{b}
}

// receiving names the bytes of a read.
func (l *layout) receiving(c *Cell, e Event) {
	if e.N > 0 {
		c.Data = clean(e.Text)
	}
	pieces := l.match.Took(e.Seq)
	if pieces == nil {
		return
	}
	if c.Peer = l.peerOf(e); c.Peer >= 0 {
		c.Arrow = Arrives
	}
	for _, p := range pieces {
		first := p.Sends[0]
		b := Bytes{Send: l.send[first], From: p.From, To: p.To, Of: l.size[first]}
		b.Names = l.letters(p.Sends)
		c.Bytes = append(c.Bytes, b)
	}
	c.front(label(c.Bytes))
}

// letters names sends; of many the first three and the last.
func (l *layout) letters(sends []int) []string {
	var names []string
	for _, seq := range sends[:min(len(sends), mostNames)] {
		names = append(names, letter(l.send[seq]))
	}
	if len(sends) > mostNames {
		names = append(names, letter(l.send[sends[len(sends)-1]]))
	}
	return names
}

// oneOf joins the names of datagrams that are equal.
func oneOf(names []string) string {
	if len(names) > mostNames {
		return names[0] + "…" + names[len(names)-1]
	}
	return strings.Join(names, ", ")
}

// peerOf is the lane of the other side of an event's connection; -1 if that was not recorded.
func (l *layout) peerOf(e Event) int {
	if h, ok := l.match.peer(half{e.Conn, e.Side}); ok {
		return l.lane[h.side]
	}
	return -1
}

const (
	mostNames  = 3 // equal datagrams that a label names, before the last one
	mostPieces = 4 // pieces that a label names
)

// label names the bytes of a read: A, A+B, A[1024–2047].
func label(pieces []Bytes) string {
	var words []string
	for _, b := range pieces {
		words = append(words, b.String())
	}
	if len(words) > mostPieces {
		words = []string{words[0], words[1], "…", words[len(words)-1]}
	}
	return strings.Join(words, "+")
}

// String names the bytes: A, A[1024–2047], one of A, B.
func (b Bytes) String() string {
	name := oneOf(b.Names)
	if len(b.Names) > 1 {
		name = "one of " + name
	}
	switch {
	case b.From == 0 && b.To == b.Of:
		return name
	case b.To-b.From == 1:
		return fmt.Sprintf("%s[%d]", name, b.From)
	}
	return fmt.Sprintf("%s[%d–%d]", name, b.From, b.To-1)
}

// join puts an effect that follows its cause at once into the cause's row.
func join(rows []Row) []Row {
	var out []Row
	ended := map[half]bool{} // who has met the end of file or the reset
	for _, r := range rows {
		b := r.Cells[0]
		if n := len(out); n > 0 && r.US-out[n-1].US < slow && causes(out[n-1], b, ended) {
			a := &out[n-1].Cells[0]
			a.Arrow, b.Arrow, a.Peer, b.Peer = NoArrow, NoArrow, b.Lane, a.Lane
			out[n-1].Cells = append(out[n-1].Cells, b)
		} else {
			out = append(out, r)
		}
		if (b.Event.Op == EOF || b.Event.Op == Reset) && b.Tone != Waiting {
			ended[half{b.Event.Conn, b.Event.Side}] = true
		}
	}
	return out
}

// causes reports whether b is the other side's view of what a row shows, whole.
func causes(r Row, b Cell, ended map[half]bool) bool {
	a := r.Cells[0]
	switch conn := a.Event.Conn; {
	case len(r.Cells) > 1, conn == "", conn != b.Event.Conn, a.Lane == b.Lane, a.Lane < 0, b.Lane < 0:
		return false
	case a.Tone == Waiting, a.Event.slow(), a.Event.blocks(), b.Tone == Waiting:
		return false
	}
	switch a.Event.Op {
	case Dial:
		return b.Event.Op == Accept && a.Event.Err == ""
	case Send:
		return b.Event.Op == Recv && a.Event.Err == "" && len(b.Bytes) == 1 &&
			len(a.Bytes) == 1 && b.Bytes[0].is(a.Bytes[0])
	case Close:
		return (b.Event.Op == EOF || b.Event.Op == Reset) && !ended[half{b.Event.Conn, b.Event.Side}]
	case CloseWrite:
		return b.Event.Op == EOF && !ended[half{b.Event.Conn, b.Event.Side}]
	}
	return false
}

// is reports whether these are certainly all bytes of that send.
func (b Bytes) is(send Bytes) bool {
	return len(b.Names) == 1 && b.Send == send.Send && b.From == 0 && b.To == send.Of
}

// fold replaces rows that come again and again by one of each and a count. Rows that are 10 ms or
// more apart, and calls that took that long, stay: a fold hides no wait.
func fold(rows []Row) []Row {
	var out []Row
	for i := 0; i < len(rows); {
		period, times := repetition(rows[i:])
		if times == 0 {
			out = append(out, rows[i])
			i++
			continue
		}
		out = append(out, rows[i:i+period]...)
		last := &out[len(out)-1]
		last.Again, last.Period, last.Until = times-1, period, rows[i+period*times-1].US
		i += period * times
	}
	return out
}

const (
	longestPeriod = 4 // rows
	leastTimes    = 4 // fewer are shown one by one
)

// repetition finds how many of the first rows come again, and how often in all; 0, 0 if they do not.
func repetition(rows []Row) (period, times int) {
	best := 0
	for p := 1; p <= min(longestPeriod, len(rows)/leastTimes); p++ {
		n := p
		for n < len(rows) && rows[n].repeats(rows[n-p]) && rows[n].US-rows[n-1].US < slow {
			n++
		}
		if t := n / p; t >= leastTimes && (t-1)*p > best {
			period, times, best = p, t, (t-1)*p
		}
	}
	return period, times
}

// repeats reports whether two rows differ in nothing but their times and the names of their bytes.
func (r Row) repeats(o Row) bool {
	return slices.EqualFunc(r.Cells, o.Cells, Cell.repeats)
}

func (c Cell) repeats(o Cell) bool {
	return c.Lane == o.Lane && c.Event.Conn == o.Event.Conn && c.Words == o.Words &&
		c.Data == o.Data && c.Tone == o.Tone && c.Arrow == o.Arrow && !c.lasting() && !o.lasting() &&
		slices.EqualFunc(c.Bytes, o.Bytes, func(x, y Bytes) bool {
			return x.From == y.From && x.To == y.To && x.Of == y.Of && x.Unread == y.Unread
		})
}

// lasting reports whether the cell is of a call that takes so long that the wait is shown.
func (c Cell) lasting() bool { return c.Event.slow() || c.Event.blocks() }

// Folded says what was left out below a row; "" if nothing was.
func (r Row) Folded() string {
	switch {
	case r.Again == 0:
		return ""
	case r.Period == 1:
		return fmt.Sprintf("the same %d more times, until %s", r.Again, milliseconds(r.Until))
	}
	return fmt.Sprintf("these %d rows %d more times, until %s", r.Period, r.Again, milliseconds(r.Until))
}

// unread names the bytes that nobody read.
func (l *layout) unread() string {
	const most = 6
	var names []string
	more, told := 0, map[*group]bool{nil: true}
	for _, e := range l.events {
		n, _ := l.match.Unread(e.Seq)
		g := l.match.doubt(e.Seq)
		switch {
		case n == 0 && !l.match.Lost(e.Seq) && told[g]:
		case len(names) == most:
			more++
		case g != nil:
			names = append(names, fmt.Sprintf("%d of %s", g.missing(), oneOf(l.letters(g.seqs[g.first:]))))
		default:
			b := Bytes{Names: l.letters([]int{e.Seq}), From: e.N - n, To: e.N, Of: e.N}
			names = append(names, b.String())
		}
		told[g] = true
	}
	if len(names) == 0 {
		return ""
	}
	if more > 0 {
		names = append(names, fmt.Sprintf("%d more", more))
	}
	return "never read: " + list(names)
}

func milliseconds(us int64) string {
	ms := float64(us) / 1000
	if ms >= 100 {
		return strconv.FormatFloat(ms, 'f', 0, 64) + " ms"
	}
	return strconv.FormatFloat(ms, 'f', 1, 64) + " ms"
}
