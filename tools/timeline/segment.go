package timeline

import (
	"cmp"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"
)

// Header is what a TCP segment has besides its bytes (RFC 9293, section 3.1). The numbers are relative:
// 0 is the SYN's.
type Header struct {
	Flags string `json:"flags"` // "SYN ACK"
	Seq   uint32 `json:"seq"`
	Ack   uint32 `json:"ack"`
	Len   int    `json:"len"` // bytes of payload
	To    string `json:"to"`  // the side that it is sent to

	Again bool `json:"again,omitzero"` // it was sent before
	Lost  bool `json:"lost,omitzero"`  // nobody acknowledged it before it was sent again
}

func (h Header) String() string {
	text := fmt.Sprintf("[%s] seq %d", h.Flags, h.Seq)
	if strings.Contains(h.Flags, "ACK") {
		text += fmt.Sprintf(" ack %d", h.Ack)
	}
	if h.Len > 0 {
		text += fmt.Sprintf(" len %d", h.Len)
	}
	return text
}

// travels reports whether the event is a segment.
func (e Event) travels() bool { return e.Op == Segment && e.Header != nil }

// rank orders events of the same microsecond: what goes out, segments, what comes in.
func (e Event) rank() int {
	switch {
	case e.travels():
		return 1
	case e.atReturn():
		return 2
	}
	return 0
}

// ConnBetween returns the name of the n-th connection, from 1, between two addresses, or "" if this
// recorder has seen none.
func (r *Recorder) ConnBetween(a, b netip.AddrPort, n int) string {
	here, there := a.String(), b.String()
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.conns[fmt.Sprintf("tcp %s %s %d", min(here, there), max(here, there), n)]
}

// Merge puts segments between the events of the programs, in the order of their times, and numbers all
// of them anew.
func Merge(events, segments []Event) []Event {
	all := slices.Concat(events, segments)
	slices.SortStableFunc(all, func(a, b Event) int {
		return cmp.Or(cmp.Compare(a.US, b.US), cmp.Compare(a.rank(), b.rank()), cmp.Compare(a.Seq, b.Seq))
	})
	for i := range all {
		all[i].Seq = i + 1
	}
	return all
}

// segment is the cell of a segment, which has an arrow of its own.
func (l *layout) segment(e Event) Cell {
	c := l.cell(e)
	c.Words, c.Tone, c.Arrow = clean(e.Header.String()), OnTheWire, Travels
	if lane, ok := l.lane[e.Header.To]; ok && lane != c.Lane && c.Lane >= 0 {
		c.Peer = lane
	}
	if e.Header.Again {
		c.add("again")
	}
	if e.Header.Lost {
		c.Arrow = Vanishes
		c.add("lost")
	}
	return c
}

// travels draws the arrow of a segment: a double line from its sender to its receiver.
func (p *painter) travels(g *grid, c Cell) {
	if c.Peer < 0 {
		return
	}
	dash, left, right := p.mark("═", "="), min(c.Lane, c.Peer), max(c.Lane, c.Peer)
	for k := left; k < right; k++ {
		g.gaps[k] = strings.Repeat(dash, gapWidth)
		if k > left {
			g.fill[k] = dash
		}
	}
	if c.Lane < c.Peer {
		tip := p.mark("▶", ">")
		if c.Arrow == Vanishes {
			tip = p.mark("×", "x")
		}
		g.fill[left] = dash
		g.gaps[right-1] = strings.Repeat(dash, gapWidth-2) + tip + " "
		p.apart(g, left)
		return
	}
	g.gaps[right-1] = strings.Repeat(dash, gapWidth-1) + " "
	if c.Arrow == Vanishes {
		g.gaps[left] = " " + p.mark("×", "x") + cutFront(g.gaps[left], 2)
		return
	}
	g.fill[left], g.tip = dash, left
}

// travels draws the arrow of a segment: thick and dashed, unlike those of calls.
func (d *drawing) travels(c *Cell, at point) {
	if c.Peer < 0 {
		return
	}
	side := 1.0
	if c.Peer < c.Lane {
		side = -1
	}
	x1, x2 := at.x+side*6, d.x[c.Peer]-side*6
	class := "wire"
	if c.Arrow == Vanishes {
		class, x2 = "wire lost", x2-side*60
	}
	const path = "<path class=\"%s\" d=\"M%.1f %.1f H%.1f\"/>\n"
	fmt.Fprintf(&d.lines, path, class, x1, at.y, x2-side*9)
	if c.Arrow == Vanishes {
		const cross = "<path class=\"cross\" d=\"M%.1f %.1f l10 10 m0 -10 l-10 10\"/>\n"
		fmt.Fprintf(&d.lines, cross, x2-5, at.y-5)
		return
	}
	const tip = "<path class=\"wiretip\" d=\"M%.1f %.1f l%.0f -5 v10 z\"/>\n"
	fmt.Fprintf(&d.lines, tip, x2, at.y, -side*11)
}

// wireStyle is the style of segments, which pictures without any leave out.
func (d *drawing) wireStyle() string {
	if !d.segments {
		return ""
	}
	return `<style>
:root { --wire: #6639ba }
@media (prefers-color-scheme: dark) { :root { --wire: #c297ff } }
@media print { :root { --wire: #512a97 } }
.wire { stroke: var(--wire); stroke-width: 2.6; stroke-dasharray: 7 3; fill: none }
.wiretip, .onwire { fill: var(--wire) } .lost { opacity: .6 }
</style>
`
}

// Began is the moment from which the recorder's times count.
func (r *Recorder) Began() time.Time { return r.start }
