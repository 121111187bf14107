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

// Row is one line: what a side did and, if it arrived there next and within 10 ms, what another side saw of it. A row of the
// scene itself, a remark, has one cell, in no lane.
type Row struct {
	US    int64 // its time in microseconds, never smaller than that of the row above
	Cells []Cell

	Again  int   // how often this row, and those above it of the same Period, came again and are left out
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
	Names    []string // its letter, or those of all that can be meant
	From, To int      // not including To
	Of       int      // bytes of the whole send
	Unread   bool     // in a send: nobody read these
}

// Arrow says how a cell is joined with others.
type Arrow int

// The arrows. A row with two cells has a whole one between them.
const (
	NoArrow Arrow = iota
	Leaves        // the bytes were read later, in pieces, together with others, or it is not known by which read
	Arrives       // bytes that left further up
	Lost          // nobody ever read them
)

// Tone says how a cell is to be read.
type Tone int

// The tones.
const (
	Plain   Tone = iota
	Bad          // a failure: what a reader should notice
	Said         // what a program made of it
	Remark       // a word of the scene, which no program knows of
	Waiting      // a call that blocks
)

// Lay lays a recording out. Events of calls that block are drawn as what they are.
func Lay(events []Event) Picture {
	l := &layout{
		events: inOrder(slices.Clone(events)), lanes: lanesOf(events), match: Match(events),
		send: map[int]int{}, size: map[int]int{}, conns: map[string]bool{}, crossed: map[half]bool{}, begun: map[string]bool{},
	}
	l.name()
	l.cross()
	rows := l.rows()
	p := Picture{Lanes: make([]string, len(l.lanes)), Rows: fold(l.join(rows)), Unread: l.unread()}
	for i, lane := range l.lanes {
		p.Lanes[i] = clean(lane)
	}
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
	match   *Matcher
	send    map[int]int     // number of an event → which send of the picture
	size    map[int]int     // number of a send → its bytes
	conns   map[string]bool // all that there are
	crossed map[half]bool   // connections of a side that has another one at the same time
	begun   map[string]bool // conns that have a row
}

// lanesOf returns the sides from left to right: those that listen stand to the right of the others; otherwise by name,
// client 2 before client 10.
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
		return cmp.Or(compareBool(right[a], right[b]), natural(a, b))
	})
	return sides
}

func compareBool(a, b bool) int {
	switch {
	case a == b:
		return 0
	case a:
		return 1
	}
	return -1
}

// natural compares names as people order them: client 2 before client 10.
func natural(a, b string) int {
	for a != "" && b != "" {
		x, y := digits(a), digits(b)
		if x > 0 && y > 0 {
			m, n := strings.TrimLeft(a[:x], "0"), strings.TrimLeft(b[:y], "0")
			if c := cmp.Or(len(m)-len(n), cmp.Compare(m, n)); c != 0 {
				return c
			}
			a, b = a[x:], b[y:]
			continue
		}
		if a[0] != b[0] {
			return cmp.Compare(a[0], b[0])
		}
		a, b = a[1:], b[1:]
	}
	return cmp.Compare(a, b)
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
		if e.onTheWay() {
			l.send[e.Seq] = len(l.send)
			l.size[e.Seq] = e.N
		}
		if e.Conn != "" {
			l.conns[e.Conn] = true
		}
	}
}

// cross finds out which connections a lane has to tell apart: those that it had at the same time.
func (l *layout) cross() {
	type life struct{ from, to int64 }
	lives := map[half]life{}
	for _, e := range l.events {
		if e.Conn == "" {
			continue
		}
		h := half{e.Conn, e.Side}
		if _, ok := lives[h]; !ok {
			lives[h] = life{e.At(), e.At()}
		}
		lives[h] = life{lives[h].from, max(e.US, e.End)}
	}
	ofSide := map[string][]half{}
	for h := range lives {
		ofSide[h.side] = append(ofSide[h.side], h)
	}
	for _, hs := range ofSide {
		slices.SortFunc(hs, func(a, b half) int { return cmp.Compare(lives[a].from, lives[b].from) })
		latest := 0 // the one that lasts longest so far
		for i := 1; i < len(hs); i++ {
			if lives[hs[i]].from < lives[hs[latest]].to {
				l.crossed[hs[i]], l.crossed[hs[latest]] = true, true
			}
			if lives[hs[i]].to > lives[hs[latest]].to {
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

// rows gives each event its row, or two: a call that takes 10 ms, and a send or dial that fails, has one for its begin and one for its return.
func (l *layout) rows() []Row {
	var rows []Row
	add := func(us int64, c Cell) { rows = append(rows, Row{US: us, Cells: []Cell{c}}) }
	for _, e := range l.events {
		if e.Op == Verdict {
			continue
		}
		if c, ok := l.opening(e); ok {
			add(e.At(), c)
		}
		twice := e.blocks() || e.slow() || e.Err != "" && (e.Op == Send || e.Op == Dial)
		if twice || !e.atReturn() {
			add(e.US, l.atBegin(e, twice))
		}
		if twice && !e.blocks() || e.atReturn() {
			add(e.End, l.atEnd(e))
		}
	}
	slices.SortStableFunc(rows, func(a, b Row) int { return cmp.Compare(a.US, b.US) })
	return rows
}

// opening is the line that names a connection which begins with neither a dial nor an accept on record.
func (l *layout) opening(e Event) (Cell, bool) {
	if e.Conn == "" || l.begun[e.Conn] {
		return Cell{}, false
	}
	l.begun[e.Conn] = true
	if e.Op == Dial || e.Op == Accept {
		return Cell{}, false
	}
	what := "a connection"
	if e.packet() {
		what = "datagrams"
	}
	if len(l.conns) > 1 {
		what = e.Conn + ": " + what
	}
	sides := slices.SortedFunc(slices.Values(l.match.sides[e.Conn]), func(a, b string) int {
		return slices.Index(l.lanes, a) - slices.Index(l.lanes, b)
	})
	between := "between " + list(sides)
	if len(sides) == 1 {
		between = "of " + sides[0]
	}
	return Cell{Lane: -1, Words: clean(what + " " + between), Tone: Remark, Peer: -1}, true
}

// atBegin is the cell of a call that begins. divided says that its return has a row too, or is still to come.
func (l *layout) atBegin(e Event, divided bool) Cell {
	c := l.cell(e)
	c.Words = beginning(e, divided)
	switch {
	case e.Side == "":
		c.Tone = Remark
	case e.Op == Note:
		c.Tone, c.Data = Said, noteData(e)
	case e.Op == Send:
		l.sending(&c, e)
	case e.blocks() || divided && e.Op != Dial:
		c.Tone = Waiting
	case e.Err != "" && !divided:
		c.Tone = Bad
	}
	return c
}

// atEnd is the cell of a call that returns.
func (l *layout) atEnd(e Event) Cell {
	c := l.cell(e)
	c.Words = ending(e)
	switch {
	case e.Err != "" || e.Op == Timeout || e.Op == Reset:
		c.Tone = Bad
	case e.Op == Recv:
		l.receiving(&c, e)
	}
	if e.slow() {
		c.add("after " + milliseconds(e.End-e.US))
	}
	return c
}

// cell is what all cells of an event have in common.
func (l *layout) cell(e Event) Cell {
	c := Cell{Lane: slices.Index(l.lanes, e.Side), Event: e, Peer: -1}
	begins := e.Op == Dial || e.Op == Accept
	if e.Conn != "" && (begins && len(l.conns) > 1 || l.crossed[half{e.Conn, e.Side}]) {
		c.Label = e.Conn
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
	if !e.onTheWay() {
		if e.Err != "" {
			c.Data = clean(e.Text)
		}
		return
	}
	c.Data = clean(e.Text)
	name := letter(l.send[e.Seq])
	c.front(name)
	b := Bytes{Send: l.send[e.Seq], Names: []string{name}, To: e.N, Of: e.N}
	c.Arrow, c.Peer = Leaves, l.peerOf(e)
	switch {
	case c.Peer < 0:
		c.Arrow = NoArrow
	case l.match.Lost(e.Seq):
		c.Arrow, b.Unread = Lost, true
	}
	c.Bytes = []Bytes{b}
	if n, _ := l.match.Unread(e.Seq); 0 < n && n < e.N {
		c.Bytes[0].To = e.N - n
		c.Bytes = append(c.Bytes, Bytes{b.Send, b.Names, e.N - n, e.N, e.N, true})
	}
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
	c.Arrow, c.Peer = Arrives, l.peerOf(e)
	for _, p := range pieces {
		b := Bytes{Send: l.send[p.Sends[0]], From: p.From, To: p.To, Of: l.size[p.Sends[0]]}
		for _, seq := range p.Sends[:min(len(p.Sends), mostNames)] {
			b.Names = append(b.Names, letter(l.send[seq]))
		}
		if more := len(p.Sends) - mostNames; more > 0 {
			b.Names = append(b.Names, letter(l.send[p.Sends[len(p.Sends)-1]]))
		}
		c.Bytes = append(c.Bytes, b)
	}
	c.front(label(c.Bytes))
}

// peerOf is the lane of the other side of an event's connection; -1 if that was not recorded.
func (l *layout) peerOf(e Event) int {
	h, ok := l.match.peer(half{e.Conn, e.Side})
	if !ok {
		return -1
	}
	return slices.Index(l.lanes, h.side)
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
	name := strings.Join(b.Names, ", ")
	switch {
	case len(b.Names) > mostNames:
		name = "one of " + b.Names[0] + "…" + b.Names[len(b.Names)-1]
	case len(b.Names) > 1:
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
func (l *layout) join(rows []Row) []Row {
	var out []Row
	ended := map[half]bool{} // whose end of file or reset has been shown beside its cause
	for _, r := range rows {
		if n := len(out); n > 0 && len(out[n-1].Cells) == 1 && r.US-out[n-1].US < slow && l.causes(out[n-1].Cells[0], r.Cells[0], ended) {
			a, b := &out[n-1].Cells[0], r.Cells[0]
			a.Arrow, b.Arrow, a.Peer, b.Peer = NoArrow, NoArrow, b.Lane, a.Lane
			out[n-1].Cells = append(out[n-1].Cells, b)
			continue
		}
		out = append(out, r)
	}
	return out
}

// causes reports whether b is the other side's view of a, whole.
func (l *layout) causes(a, b Cell, ended map[half]bool) bool {
	if a.Event.Conn == "" || a.Event.Conn != b.Event.Conn || a.Lane < 0 || b.Lane < 0 || a.Lane == b.Lane {
		return false
	}
	switch {
	case a.Tone == Waiting || a.Event.slow() || a.Event.blocks():
		return false
	case a.Event.Op == Dial:
		return b.Event.Op == Accept && a.Event.Err == ""
	case a.Event.Op == Send:
		return b.Event.Op == Recv && a.Event.Err == "" && len(b.Bytes) == 1 && len(b.Bytes[0].Names) == 1 && len(a.Bytes) == 1 &&
			a.Bytes[0].Send == b.Bytes[0].Send && b.Bytes[0].From == 0 && b.Bytes[0].To == a.Event.N
	case a.Event.Op == Close, a.Event.Op == CloseWrite:
		first := !ended[half{b.Event.Conn, b.Event.Side}]
		if b.Event.Op == EOF || b.Event.Op == Reset && a.Event.Op == Close {
			ended[half{b.Event.Conn, b.Event.Side}] = true
			return first
		}
	}
	return false
}

// fold replaces rows that come again and again by one of each and a count. Rows that are 10 ms or more apart, and calls that
// took that long, stay: a fold hides no wait.
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
	return slices.EqualFunc(r.Cells, o.Cells, func(a, b Cell) bool {
		return a.Lane == b.Lane && a.Words == b.Words && a.Data == b.Data && a.Tone == b.Tone && a.Arrow == b.Arrow &&
			a.Event.Conn == b.Event.Conn && !a.Event.slow() && !b.Event.slow() && !a.Event.blocks() && !b.Event.blocks() &&
			slices.EqualFunc(a.Bytes, b.Bytes, func(x, y Bytes) bool {
				return x.From == y.From && x.To == y.To && x.Of == y.Of && x.Unread == y.Unread
			})
	})
}

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
	var names []string
	for _, e := range l.events {
		n, _ := l.match.Unread(e.Seq)
		if n == 0 && !l.match.Lost(e.Seq) {
			continue
		}
		b := Bytes{Names: []string{letter(l.send[e.Seq])}, From: e.N - n, To: e.N, Of: e.N}
		names = append(names, b.String())
	}
	const most = 6
	if more := len(names) - most; more > 0 {
		names = append(names[:most], fmt.Sprintf("%d more", more))
	}
	if len(names) == 0 {
		return ""
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
