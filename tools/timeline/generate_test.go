package timeline_test

import (
	"cmp"
	"fmt"
	"math/rand/v2"
	"slices"

	"socketbook/tools/timeline"
)

// generated is a recording of which the truth is known.
type generated struct {
	events []timeline.Event
	took   map[int][]run // number of a read → what it took
	left   map[int]int   // number of a send → how many of its last bytes nobody read
	lost   map[int]bool  // datagrams that nobody read
	equal  map[int]bool  // datagrams that have equals: nobody can tell which of them was read
}

// run is bytes from to to of a send.
type run struct{ send, from, to int }

// world plays connections: what is written stands in queues until it is read, and datagrams are lost,
// doubled, overtaken and cut short.
type world struct {
	r      *rand.Rand
	now    int64
	events []*timeline.Event
	truth  map[*timeline.Event][]byteRun
	sent   map[*timeline.Event]*sentTruth
	ends   []*end
	serial int
}

type byteRun struct {
	send     *timeline.Event
	from, to int
}

type sentTruth struct {
	read  int
	came  bool
	equal bool
}

// end is one side of a connection.
type end struct {
	side, conn string
	packet     bool
	peer       *end
	queue      []byteRun // what has arrived and was not read
	writing    *timeline.Event
	put        int    // how many bytes of it are on their way
	payload    []byte // what it was given
	reading    *timeline.Event
	closed     bool
	told       bool // it has met the end of file
}

func (w *world) tick() int64 {
	switch w.r.IntN(12) {
	case 0:
		w.now += 10_000 + w.r.Int64N(40_000)
	case 1:
		w.now += 5_000
	default:
		w.now += 1 + w.r.Int64N(200)
	}
	return w.now
}

func (w *world) begin(e timeline.Event) *timeline.Event {
	e.Seq, e.US, e.Scene = len(w.events)+1, w.tick(), "generated"
	w.events = append(w.events, &e)
	return &e
}

func (w *world) moment(e timeline.Event) {
	p := w.begin(e)
	p.End = p.US
}

var sides = []string{"client 2", "client 10", "client 1", "third"}

// generate makes a recording of up to five connections and up to 120 events.
func generate(r *rand.Rand) generated {
	w := &world{r: r, truth: map[*timeline.Event][]byteRun{}, sent: map[*timeline.Event]*sentTruth{}}
	for i := range 1 + r.IntN(5) {
		w.connect(i + 1)
	}
	for range r.IntN(120) {
		w.step()
	}
	w.finish()
	return w.result()
}

// connect makes a connection, with its dial and accept on record or without.
func (w *world) connect(i int) {
	packet := w.r.IntN(3) == 0
	name := fmt.Sprintf("tcp%d", i)
	if packet {
		name = fmt.Sprintf("udp%d", i)
	}
	a := &end{side: sides[w.r.IntN(len(sides))], conn: name, packet: packet}
	b := &end{side: "server", conn: name, packet: packet, peer: a}
	a.peer = b
	w.ends = append(w.ends, a, b)
	if packet || w.r.IntN(2) == 0 {
		return
	}
	dial := w.begin(timeline.Event{Side: a.side, Op: timeline.Dial, Text: "127.0.0.1:1"})
	accept := w.begin(timeline.Event{Side: b.side, Op: timeline.Accept})
	dial.Conn, dial.End = name, w.tick()
	accept.Conn, accept.Text, accept.End = name, "127.0.0.1:2", w.tick()
}

// step lets one side do something.
func (w *world) step() {
	e := w.ends[w.r.IntN(len(w.ends))]
	switch w.r.IntN(9) {
	case 0, 1, 2:
		if e.writing == nil && !e.closed {
			w.write(e)
		} else {
			w.written(e)
		}
	case 3, 4:
		w.written(e)
	case 5, 6, 7:
		if e.reading == nil {
			e.reading = w.begin(timeline.Event{Side: e.side, Conn: e.conn, Op: timeline.Recv})
		} else {
			w.returns(e)
		}
	case 8:
		w.other(e)
	}
}

// other is what moves no bytes.
func (w *world) other(e *end) {
	switch w.r.IntN(4) {
	case 0:
		w.moment(timeline.Event{Side: e.side, Op: timeline.Note, Text: "a note"})
	case 1:
		w.moment(timeline.Event{Op: timeline.State, N: 3, Text: "a remark"})
	case 2:
		w.moment(timeline.Event{Op: timeline.Verdict, Text: "a verdict"})
	case 3:
		if w.r.IntN(4) == 0 && !e.closed && e.writing == nil && e.reading == nil {
			e.closed = true
			p := w.begin(timeline.Event{Side: e.side, Conn: e.conn, Op: timeline.Close})
			p.End = w.tick()
		}
	}
}

// payload is one of a kind, or one of a few.
func (w *world) payload(packet bool) (data []byte, equal bool) {
	if w.r.IntN(2) == 0 {
		return []byte([]string{"same", "so", "Ж"}[w.r.IntN(3)]), true
	}
	if packet && w.r.IntN(8) == 0 {
		return nil, true
	}
	w.serial++
	n := 1 + w.r.IntN(12)
	if w.r.IntN(5) == 0 {
		n = w.r.IntN(800)
	}
	return fmt.Appendf(nil, "<%d>%0*d", w.serial, n, w.serial), false
}

// write begins a send; some of its bytes are on their way at once.
func (w *world) write(e *end) {
	data, equal := w.payload(e.packet)
	p := timeline.Event{Side: e.side, Conn: e.conn, Op: timeline.Send, Text: timeline.Preview(data)}
	if len(data) > 0 {
		p.Data = data[:min(len(data), 256)]
	}
	e.writing, e.payload, e.put = w.begin(p), data, 0
	w.sent[e.writing] = &sentTruth{equal: equal}
	if w.r.IntN(2) == 0 {
		w.put(e, w.r.IntN(len(data)+1))
	}
}

// put lets n bytes of the send arrive; of a datagram all or nothing.
func (w *world) put(e *end, n int) {
	s := e.writing
	if !e.packet {
		if n > 0 {
			e.peer.queue = append(e.peer.queue, byteRun{s, e.put, e.put + n})
		}
		e.put += n
		return
	}
	if e.put != 0 {
		return
	}
	e.put = -1 // sent
	whole, at := byteRun{s, 0, len(e.payload)}, len(e.peer.queue)
	switch {
	case w.r.IntN(4) == 0: // lost
		return
	case w.r.IntN(4) == 0:
		at = w.r.IntN(at + 1) // overtakes
	}
	e.peer.queue = slices.Insert(e.peer.queue, at, whole)
	if !w.sent[s].equal && w.r.IntN(6) == 0 {
		e.peer.queue = append(e.peer.queue, whole)
	}
}

// written ends a send: all of it is taken, or a part, or nothing.
func (w *world) written(e *end) {
	s := e.writing
	if s == nil {
		return
	}
	switch {
	case e.packet:
		w.put(e, 0)
		s.N = len(e.payload)
	case w.r.IntN(10) == 0:
		s.N, s.Err = e.put, "broken pipe"
	default:
		w.put(e, len(e.payload)-e.put)
		s.N = e.put
	}
	s.End, e.writing = w.tick(), nil
}

// returns ends a read, if there is something for it.
func (w *world) returns(e *end) {
	p := e.reading
	switch {
	case len(e.queue) > 0 && e.packet:
		d := e.queue[0]
		e.queue = e.queue[1:]
		if !w.sent[d.send].equal && d.to > 4 && w.r.IntN(6) == 0 {
			d.to -= 2 // its buffer is too small
		}
		w.took(p, []byteRun{d})
	case len(e.queue) > 0:
		var runs []byteRun
		for len(e.queue) > 0 && (len(runs) == 0 || w.r.IntN(2) == 0) {
			d := e.queue[0]
			e.queue = e.queue[1:]
			if cut := d.from + 1 + w.r.IntN(d.to-d.from); cut < d.to && w.r.IntN(2) == 0 {
				e.queue = append([]byteRun{{d.send, cut, d.to}}, e.queue...)
				d.to = cut
			}
			runs = append(runs, d)
		}
		w.took(p, joined(runs))
	case e.peer.closed && !e.packet && !e.told:
		p.Op, e.told = timeline.EOF, true
	case w.r.IntN(6) == 0:
		p.Op, p.Err = timeline.Timeout, "i/o timeout"
	default:
		return
	}
	p.End, e.reading = w.tick(), nil
}

// joined puts runs of one send together.
func joined(runs []byteRun) []byteRun {
	var out []byteRun
	for _, r := range runs {
		if n := len(out); n > 0 && out[n-1].send == r.send {
			out[n-1].to = r.to
			continue
		}
		out = append(out, r)
	}
	return out
}

func (w *world) took(p *timeline.Event, runs []byteRun) {
	var data []byte
	for _, r := range runs {
		data = append(data, w.bytesOf(r)...)
		s := w.sent[r.send]
		s.read, s.came = max(s.read, r.to), true
	}
	w.truth[p] = runs
	p.N, p.Text = len(data), timeline.Preview(data)
	if len(data) > 0 {
		p.Data = data[:min(len(data), 256)]
	}
}

// bytesOf makes the bytes of a run anew: what is beyond the first 256 of a send are dots.
func (w *world) bytesOf(r byteRun) []byte {
	all := append(slices.Clone(r.send.Data), slices.Repeat([]byte{'.'}, 1000)...)
	return all[r.from:r.to]
}

// finish lets most calls return; some block until the end.
func (w *world) finish() {
	for _, e := range w.ends {
		if w.r.IntN(4) > 0 {
			w.written(e)
		}
		if e.reading != nil && w.r.IntN(4) > 0 {
			w.returns(e)
		}
		if e.packet && e.writing != nil {
			w.written(e)
		}
	}
}

func (w *world) result() generated {
	g := generated{
		took:  map[int][]run{},
		left:  map[int]int{},
		lost:  map[int]bool{},
		equal: map[int]bool{},
	}
	for _, p := range w.events {
		for _, r := range w.truth[p] {
			g.took[p.Seq] = append(g.took[p.Seq], run{r.send.Seq, r.from, r.to})
		}
		if s := w.sent[p]; s != nil {
			g.left[p.Seq], g.lost[p.Seq], g.equal[p.Seq] = p.N-s.read, !s.came, s.equal
		}
		g.events = append(g.events, *p)
	}
	slices.SortFunc(g.events, func(a, b timeline.Event) int { return cmp.Compare(a.At(), b.At()) })
	return g
}
