package timeline

import (
	"encoding/xml"
	"fmt"
	"io"
	"slices"
	"strings"
)

// Scene is one recorded scene, as SVG draws it.
type Scene struct {
	Title  string
	Events []Event
}

// SVG draws the scenes one below the other as one standalone image: no scripts, no network. It follows
// the viewer's light or dark theme. Time runs downwards, in equal steps where things happened close
// together and in proportion where they did not. Each send has a bar as high as its bytes, and a
// letter; ribbons lead from it to the reads that took its bytes. Two lanes take 992 pixels, more lanes
// more.
func SVG(w io.Writer, scenes []Scene) error {
	var body strings.Builder
	var names, verdicts []string
	width, top := svgLeast, svgPadding
	for _, s := range scenes {
		d := newDrawing(s, top)
		d.draw()
		width = max(width, d.width)
		top = d.y + svgPadding
		body.WriteString(d.String())
		names, verdicts = append(names, d.title), append(verdicts, d.Verdicts...)
	}
	_, err := fmt.Fprintf(w, svgHead+"%s</svg>\n", width, top, width, top,
		escape(strings.Join(names, "; ")), escape(strings.Join(verdicts, "; ")), body.String())
	return err
}

// SVGBegin is how every picture begins: who replaces a file knows by it that it is one.
const SVGBegin = `<svg xmlns="http://www.w3.org/2000/svg" data-drawn-by="socketbook"`

const svgHead = SVGBegin + ` width="%.0f" height="%.0f" viewBox="0 0 %.0f %.0f" role="img">
<title>%s</title><desc>%s</desc>
<style>
:root { color-scheme: light dark; --bg: #ffffff; --ink: #1f2328; --dim: #59636e; --lane: #d0d7de;
  --bad: #b3261e; --verdict: #7a3e00; --ribbon: .3 }
@media (prefers-color-scheme: dark) { :root { --bg: #0d1117; --ink: #e6edf3; --dim: #9198a1;
  --lane: #3d444d; --bad: #ff8b82; --verdict: #e3b341; --ribbon: .42 } }
@media print { :root { --bg: #ffffff; --ink: #000000; --dim: #444444; --lane: #999999;
  --bad: #9b1c14; --verdict: #5c2e00; --ribbon: .3 } * { print-color-adjust: exact;
  -webkit-print-color-adjust: exact } }
.bg { fill: var(--bg) }
text { font: 12px ui-monospace, Menlo, Consolas, "DejaVu Sans Mono", "Noto Sans Mono CJK SC", monospace;
  fill: var(--ink); white-space: pre; paint-order: stroke; stroke: var(--bg); stroke-width: 3px;
  stroke-linejoin: round }
.title { font-weight: bold; font-size: 15px } .side, .label { font-weight: bold }
.dim { fill: var(--dim) } .said { fill: var(--dim); font-style: italic }
.bad { fill: var(--bad) } .verdict { fill: var(--verdict); font-weight: bold }
.end { text-anchor: end }
.lane { stroke: var(--lane); stroke-width: 2 }
.rule { stroke: var(--lane); stroke-dasharray: 1 4 } .wait { fill: var(--lane) }
.arrow { stroke: var(--dim); stroke-width: 1.4; fill: none } .tip { fill: var(--dim) }
.cross { stroke: var(--bad); stroke-width: 1.8 }
.ribbon { opacity: var(--ribbon) } .gap { fill: var(--bg) }
.tick { stroke: var(--ink); stroke-width: 2 }
.letter { font-size: 10px; font-weight: bold; text-anchor: middle; stroke: none; fill: #ffffff }
.dark { fill: #1f2328 }
.c0 { fill: #0072b2 } .c1 { fill: #e69f00 } .c2 { fill: #009e73 } .c3 { fill: #cc79a7 }
.c4 { fill: #56b4e9 } .c5 { fill: #d55e00 } .unsure { fill: #8a8f98 }
@media (forced-colors: active) { .c0, .c1, .c2, .c3, .c4, .c5, .unsure { forced-color-adjust: none } }
</style>
<defs>
<pattern id="never" width="6" height="6" patternUnits="userSpaceOnUse" patternTransform="rotate(45)">
<line y2="6" stroke="#8a8f98" stroke-width="2.4"/></pattern></defs>
<rect class="bg" width="100%%" height="100%%"/>
`

// Sizes in pixels.
const (
	svgLeast   = 960.0
	svgPadding = 24.0
	svgColumn  = 7.25 // what one terminal column takes in the chosen font, about
	svgTitle   = 9.1  // the same in a title
	svgClock   = 66.0 // room for the clock, on the left
	svgLine    = 16.0 // from one line of text to the next
	svgStep    = 24.0 // from one row to the next, at least
	svgBar     = 16.0 // width of a bar
	svgMargin  = 8.0  // between a bar and its text
	svgRibbons = 180.0
	svgRemarks = 190.0
	svgWait    = 110.0 // height of the longest wait
	svgPiece   = 12.0  // height of a run of bytes, at least
	svgSend    = 104.0 // height of the longest send
	svgPerByte = 3.0   // pixels, at most
	svgColours = 6
)

// drawing is one scene on its way to being an image. What is drawn later lies on top.
type drawing struct {
	Picture
	title   string
	x       []float64 // middle of each lane
	room    float64   // width of a lane's texts
	width   float64
	y       float64 // where the next row can begin
	free    []float64
	perByte float64

	segments bool // their arrows say what caused what, and control draws none

	sends  map[int]*bar         // by number of the send
	begun  map[int]float64      // calls that take long: number of the event → y
	dials  map[string]point     // conn → its dial
	closes map[string][]closing // conn → its closes and half-closes

	lines, ribbons, bars, texts strings.Builder
}

type point struct{ x, y float64 }

type closing struct {
	point
	side string
}

// bar is a send: its bytes, cut where reads cut them.
type bar struct {
	at   point
	cuts []int     // from 0 to the number of bytes
	tops []float64 // of each cut, below the top of the bar
}

func newDrawing(s Scene, top float64) *drawing {
	d := &drawing{
		Picture: Lay(s.Events), title: clean(s.Title), y: top, room: 250, sends: map[int]*bar{},
		begun: map[int]float64{}, dials: map[string]point{}, closes: map[string][]closing{},
	}
	n := len(d.Lanes)
	if n > 2 {
		d.room = 215
	}
	x := svgClock
	for lane := range n {
		switch {
		case lane < n-1:
			x += d.room + svgMargin + svgBar/2
			if lane > 0 {
				x += svgRibbons / 2
			}
		case n > 1:
			x += svgRibbons
		}
		d.x = append(d.x, x)
	}
	d.width = x + svgBar/2 + svgMargin + d.room + svgRemarks + svgPadding
	d.free = make([]float64, n)
	d.measure()
	return d
}

// measure finds out how high a byte is, and where the reads cut the sends.
func (d *drawing) measure() {
	most := 1
	for _, c := range d.cells() {
		d.segments = d.segments || c.Tone == OnTheWire
		if len(c.Bytes) > 0 {
			most = max(most, c.Event.N)
		}
	}
	d.perByte = min(svgPerByte, svgSend/float64(most))
	for _, c := range d.cells() {
		if c.Event.Op == Send && len(c.Bytes) > 0 {
			d.sends[c.Bytes[0].Send] = &bar{cuts: []int{0, c.Bytes[0].Of}}
		}
	}
	for _, c := range d.cells() {
		for _, b := range c.Bytes {
			if s := d.sends[b.Send]; s != nil && len(b.Names) == 1 {
				s.cuts = append(s.cuts, b.From, b.To)
			}
		}
	}
	for _, s := range d.sends {
		slices.Sort(s.cuts)
		s.cuts = slices.Compact(s.cuts)
		s.tops = []float64{0}
		for i := 1; i < len(s.cuts); i++ {
			s.tops = append(s.tops, s.tops[i-1]+d.high(s.cuts[i]-s.cuts[i-1]))
		}
	}
}

func (d *drawing) high(bytes int) float64 { return max(svgPiece, float64(bytes)*d.perByte) }

// cells are those of all rows.
func (d *drawing) cells() []*Cell {
	var cells []*Cell
	for _, r := range d.Rows {
		for k := range r.Cells {
			cells = append(cells, &r.Cells[k])
		}
	}
	return cells
}

// between returns where bytes from to to of a send begin, in pixels below its top, and how high they
// are. An empty datagram has a little height.
func (b *bar) between(from, to int) (top, height float64) {
	if len(b.cuts) == 1 {
		return 0, svgPiece / 2
	}
	i, _ := slices.BinarySearch(b.cuts, from)
	k, _ := slices.BinarySearch(b.cuts, to)
	return b.tops[i], b.tops[k] - b.tops[i]
}

func (d *drawing) draw() {
	for i, line := range wrap(d.title, int((d.width-2*svgPadding)/svgTitle)) {
		if i > 0 {
			d.y += 20
		}
		d.text(svgPadding, d.y+14, "title", line)
	}
	d.y += 42
	for i, side := range d.Lanes {
		x, class := d.outside(i)
		d.text(x, d.y, class+"side", Cut(side, int(d.room/svgColumn), "…"))
	}
	top := d.y + 8
	d.y += 28
	for i := range d.free {
		d.free[i] = d.y
	}
	scale, last := d.scale(), int64(0)
	for i, r := range d.Rows {
		if i > 0 {
			d.y += max(svgStep, float64(r.US-last)*scale)
		}
		last = r.US
		d.row(r)
	}
	bottom := slices.Max(append(slices.Clone(d.free), d.y))
	for _, x := range d.x {
		stroke(&d.lines, "lane", point{x, top}, point{x, bottom})
	}
	d.y = bottom + svgStep
	if d.Unread != "" {
		d.paragraph(svgPadding, "dim", "× "+d.Unread, d.width-2*svgPadding)
	}
	for _, v := range d.Verdicts {
		d.paragraph(svgPadding, "verdict", "⇒ "+v, d.width-2*svgPadding)
	}
}

// scale is how many pixels a microsecond takes where it takes more than a step.
func (d *drawing) scale() float64 {
	longest := int64(0)
	for i := 1; i < len(d.Rows); i++ {
		longest = max(longest, d.Rows[i].US-d.Rows[i-1].US)
	}
	if longest < slow {
		return 0
	}
	return svgWait / float64(longest)
}

func (d *drawing) paragraph(x float64, class, s string, room float64) {
	for _, line := range wrap(s, int(room/svgColumn)) {
		d.text(x, d.y, class, line)
		d.y += svgLine
	}
}

// outside is where a lane's texts are: left of it, and right of the last one.
func (d *drawing) outside(lane int) (x float64, class string) {
	if lane == len(d.x)-1 {
		return d.x[lane] + svgBar/2 + svgMargin, ""
	}
	return d.x[lane] - svgBar/2 - svgMargin, "end "
}

// row draws a row at y, or below what is in the way, and leaves y at its top.
func (d *drawing) row(r Row) {
	if r.Cells[0].Lane < 0 {
		d.text(svgClock-10, d.y+4, "end dim", fmt.Sprintf("%.1f", float64(r.US)/1000))
		d.remark("· "+r.Cells[0].Words, true)
		return
	}
	for _, c := range r.Cells {
		d.y = max(d.y, d.free[c.Lane])
	}
	d.text(svgClock-10, d.y+4, "end dim", fmt.Sprintf("%.1f", float64(r.US)/1000))
	for i := range r.Cells {
		d.cell(&r.Cells[i])
	}
	if len(r.Cells) == 2 && len(r.Cells[0].Bytes) == 0 {
		d.arrow(point{d.x[r.Cells[0].Lane], d.y}, point{d.x[r.Cells[1].Lane], d.y})
	}
	if r.Again > 0 {
		d.y += svgStep
		for _, c := range r.Cells {
			d.y = max(d.y, d.free[c.Lane])
			d.free[c.Lane] = d.y + svgStep
		}
		d.remark("⋮ "+r.Folded(), false)
	}
}

// remark puts a word of the scene into a column of its own, with a thin rule to the time at which it
// belongs.
func (d *drawing) remark(s string, rule bool) {
	x := d.width - svgRemarks - svgPadding + 10
	if rule {
		stroke(&d.lines, "rule", point{svgClock, d.y}, point{x - 6, d.y})
	}
	y := d.y
	d.y += 4
	d.paragraph(x, "dim", s, svgRemarks)
	d.y = max(y, d.y-svgStep)
}

// cell draws what one side did: a bar on its lane, and words beside it.
func (d *drawing) cell(c *Cell) {
	lines := wrap(cellText(c), int(d.room/svgColumn))
	if c.Data != "" || c.empty() {
		p := painter{Style: Style{Width: svgWide, Box: true}}
		lines = p.fit(*c, int(d.room/svgColumn))
	}
	x, class := d.outside(c.Lane)
	for i, line := range lines {
		d.text(x, d.y+4+float64(i)*svgLine, class+toneClass(c), line)
	}
	height := float64(len(lines)) * svgLine
	at := point{d.x[c.Lane], d.y}
	if c.Event.slow() {
		d.wait(c.Event.Seq, at)
	}
	switch {
	case c.Tone == OnTheWire:
		d.travels(c, at)
	case len(c.Bytes) > 0 && c.Event.Op == Send:
		height = max(d.sendBar(c, at), d.rest(c, at.y+height), height)
	case len(c.Bytes) > 0:
		height = max(height, d.readBar(c, at))
	case c.Tone != Waiting:
		d.control(c.Event, at)
	}
	d.free[c.Lane] = d.y + max(height, svgStep-6) + 6
}

// wait draws how long a call took, when it is met the second time.
func (d *drawing) wait(seq int, at point) {
	from, ok := d.begun[seq]
	if !ok {
		d.begun[seq] = at.y
		return
	}
	rect(&d.lines, `class="wait"`, point{at.x - 3.5, from}, 7, at.y-from)
}

const svgWide = 200 // columns; the texts of a picture are cut by their room, not by a terminal

func cellText(c *Cell) string { return strings.TrimRight(c.Words+"  "+c.Label, " ") }

func toneClass(c *Cell) string {
	switch c.Tone {
	case Bad:
		return "bad"
	case Said:
		return "said"
	case OnTheWire:
		return "onwire"
	case Waiting, Remark:
		return "dim"
	}
	return "plain"
}

// control joins a dial with its accept, and a close with the end that the other side meets, where a
// row does not.
func (d *drawing) control(e Event, at point) {
	if d.segments {
		return
	}
	switch e.Op {
	case Dial:
		if _, ok := d.dials[e.Conn]; !ok && e.Conn != "" && e.Err == "" {
			d.dials[e.Conn] = at
		}
	case Accept:
		if from, ok := d.dials[e.Conn]; ok && from.y != at.y {
			d.arrow(from, at)
		}
	case Close, CloseWrite:
		if e.Conn != "" {
			d.closes[e.Conn] = append(d.closes[e.Conn], closing{at, e.Side})
		}
	case EOF, Reset:
		d.ending(e, at)
	}
}

// ending draws the arrow from the close that the other side met, once.
func (d *drawing) ending(e Event, at point) {
	mine := func(c closing) bool { return c.side == e.Side }
	theirs := slices.DeleteFunc(slices.Clone(d.closes[e.Conn]), mine)
	if len(theirs) == 0 {
		return
	}
	from := theirs[0]
	if e.Op == Reset {
		from = theirs[len(theirs)-1]
	}
	if !slices.ContainsFunc(theirs, func(c closing) bool { return c.y == at.y }) { // in the same row
		d.arrow(from.point, at)
	}
	d.closes[e.Conn] = slices.DeleteFunc(d.closes[e.Conn], func(c closing) bool { return !mine(c) })
}

// arrow is a thin one, for what carries no bytes.
func (d *drawing) arrow(from, to point) {
	side := 1.0
	if to.x < from.x {
		side = -1
	}
	x1, x2 := from.x+side*6, to.x-side*6
	const path = "<path class=\"arrow\" d=\"M%.1f %.1f L%.1f %.1f\"/>\n"
	fmt.Fprintf(&d.lines, path, x1, from.y, x2, to.y)
	fmt.Fprintf(&d.lines, "<path class=\"tip\" d=\"M%.1f %.1f l%.0f -4 v8 z\"/>\n", x2, to.y, -side*8)
}

// sendBar draws the bytes of a send, and returns how high they are.
func (d *drawing) sendBar(c *Cell, at point) float64 {
	s := d.sends[c.Bytes[0].Send]
	at.y -= 8
	s.at = at
	_, total := s.between(0, s.cuts[len(s.cuts)-1])
	d.bytes(at, total, fmt.Sprintf("c%d", c.Bytes[0].Send%svgColours))
	_, read := s.between(c.Bytes[0].From, c.Bytes[0].To)
	d.letter(at, read, c.Bytes[0])
	for _, b := range c.Bytes {
		if b.Unread {
			top, h := s.between(b.From, b.To)
			d.never(c, point{at.x, at.y + top}, h, b)
		}
	}
	return total
}

// never hatches bytes that nobody read.
func (d *drawing) never(c *Cell, at point, height float64, b Bytes) {
	side, class := 1.0, ""
	if c.Peer >= 0 && c.Peer < c.Lane {
		side, class = -1, "end "
	}
	x := at.x + side*svgBar/2
	left := min(x, x+side*40)
	rect(&d.ribbons, `fill="url(#never)"`, point{left, at.y}, 40, height)
	if b.From > 0 {
		rect(&d.bars, `class="gap" opacity=".75"`, point{at.x - svgBar/2, at.y}, svgBar, height)
	}
	end := point{x + side*48, at.y + height/2}
	const cross = "<path class=\"cross\" d=\"M%.1f %.1f l8 8 m0 -8 l-8 8\"/>\n"
	fmt.Fprintf(&d.ribbons, cross, end.x-4, end.y-4)
	if b.From == 0 {
		d.text(end.x+side*9, end.y+4, class+"dim", "never read")
	}
}

// rest says how many of the last bytes of a send nobody read, where the bar is hatched, off the
// ribbons: beside the bar, at below or further down. It returns how far down the words reach.
func (d *drawing) rest(c *Cell, below float64) float64 {
	b := c.Bytes[len(c.Bytes)-1]
	if !b.Unread || b.From == 0 {
		return 0
	}
	s := d.sends[b.Send]
	top, height := s.between(b.From, b.To)
	x, class := d.outside(c.Lane)
	y := max(below, s.at.y+top+height/2)
	d.text(x, y+4, class+"dim", fmt.Sprintf("%d never read", b.To-b.From))
	return y + svgLine - d.y
}

// readBar draws the bytes of a read in the colours of their sends, with ribbons to these, a gap where a
// boundary was lost and a tick where one was kept.
func (d *drawing) readBar(c *Cell, at point) float64 {
	at.y -= 8
	top := at.y
	for i, b := range c.Bytes {
		h, class := d.high(b.To-b.From), fmt.Sprintf("c%d", b.Send%svgColours)
		s := d.sends[b.Send]
		if len(b.Names) > 1 {
			class, s = "unsure", nil
		}
		if s != nil {
			var below float64
			below, h = s.between(b.From, b.To)
			d.ribbon(point{s.at.x, s.at.y + below}, at, h, class)
		}
		d.bytes(at, h, class)
		d.letter(at, h, b)
		if i > 0 {
			rect(&d.bars, `class="gap"`, point{at.x - svgBar/2, at.y - 1.5}, svgBar, 3)
		} else if b.From == 0 {
			d.tick(at)
		}
		at.y += h
		if i == len(c.Bytes)-1 && b.To == b.Of {
			d.tick(at)
		}
	}
	return at.y - top
}

// tick marks a boundary that the reader can see.
func (d *drawing) tick(at point) {
	const out = svgBar/2 + 4
	stroke(&d.bars, "tick", point{at.x - out, at.y}, point{at.x + out, at.y})
}

// bytes draws a piece of a bar.
func (d *drawing) bytes(at point, height float64, class string) {
	rect(&d.bars, `class="`+class+`"`, point{at.x - svgBar/2, at.y}, svgBar, max(height, 2))
}

// letter names a piece of a bar, if there is room.
func (d *drawing) letter(at point, height float64, b Bytes) {
	if len(b.Names) == 1 && len(b.Names[0]) < 3 && height >= svgPiece {
		shade := "letter"
		if n := b.Send % svgColours; n == 1 || n == 3 || n == 4 {
			shade += " dark"
		}
		d.text(at.x, at.y+height/2+3.5, shade, b.Names[0])
	}
}

// ribbon leads from the bytes of a send to the read that took them.
func (d *drawing) ribbon(from, to point, height float64, class string) {
	side := 1.0
	if to.x < from.x {
		side = -1
	}
	x1, x2 := from.x+side*svgBar/2, to.x-side*svgBar/2
	m, fromEnd, toEnd := d.bend(from.x, to.x), from.y+height, to.y+height
	const path = "<path class=\"ribbon %s\" d=\"M%.1f %.1f " +
		"C%.1f %.1f %.1f %.1f %.1f %.1f v%.1f C%.1f %.1f %.1f %.1f %.1f %.1f z\"/>\n"
	fmt.Fprintf(&d.ribbons, path, class, x1, from.y,
		m, from.y, m, to.y, x2, to.y, height, m, toEnd, m, fromEnd, x1, fromEnd)
}

// bend is where a ribbon between two lanes changes its height: halfway to the next lane, or to that
// lane's texts, so that it crosses only the text that speaks of it.
func (d *drawing) bend(from, to float64) float64 {
	left, right := min(from, to), max(from, to)
	next := slices.IndexFunc(d.x, func(x float64) bool { return x > left })
	if left < right && next < len(d.x)-1 {
		right = d.x[next] - svgMargin - d.room
	}
	return (left + right) / 2
}

func (d *drawing) text(x, y float64, class, s string) {
	const form = "<text x=\"%.1f\" y=\"%.1f\" class=\"%s\">%s</text>\n"
	fmt.Fprintf(&d.texts, form, x, y, class, escape(s))
}

func stroke(b *strings.Builder, class string, from, to point) {
	const form = "<line class=\"%s\" x1=\"%.1f\" y1=\"%.1f\" x2=\"%.1f\" y2=\"%.1f\"/>\n"
	fmt.Fprintf(b, form, class, from.x, from.y, to.x, to.y)
}

func rect(b *strings.Builder, look string, at point, width, height float64) {
	const form = "<rect %s x=\"%.1f\" y=\"%.1f\" width=\"%.1f\" height=\"%.1f\"/>\n"
	fmt.Fprintf(b, form, look, at.x, at.y, width, height)
}

// String puts the layers on top of each other.
func (d *drawing) String() string {
	return d.wireStyle() + d.lines.String() + d.ribbons.String() + d.bars.String() + d.texts.String()
}

// escape makes text safe inside SVG; bytes that XML cannot carry are replaced.
func escape(s string) string {
	var b strings.Builder
	_ = xml.EscapeText(&b, []byte(s)) // a Builder does not fail
	return b.String()
}
