package timeline

import (
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
)

// Style says how a picture may be drawn.
type Style struct {
	Width int  // terminal columns; below 20 counts as 20
	Color bool // ANSI colours
	Box   bool // box-drawing characters for lines and arrows; otherwise ASCII
	ASCII bool // nothing but ASCII, previews of payloads included
}

const (
	timeWidth = 8  // columns for the milliseconds
	gapWidth  = 5  // columns between two lanes
	leastLane = 14 // columns that a lane takes at least: send 12 "…"  A
	narrowest = 20 // columns of a picture
)

// Text draws a recording as lanes, one for each side, in the order of the rows' times, and below them
// the verdicts. The first column gives milliseconds since the recorder was made.
//
// A lane has at least 14 columns, and there are 5 between two of them. Where Width is less than that,
// the events are listed below each other, each with its side.
func Text(w io.Writer, events []Event, st Style) error {
	st.Width = max(st.Width, narrowest)
	p := painter{Style: st, Picture: Lay(events)}
	p.paintAll()
	_, err := io.WriteString(w, p.out.String())
	return err
}

type painter struct {
	Style
	Picture
	laneWidth int
	out       strings.Builder
}

func (p *painter) paintAll() {
	row := p.row
	if n := max(1, len(p.Lanes)); timeWidth+n*(leastLane+gapWidth)-gapWidth <= p.Width {
		p.laneWidth = (p.Width - timeWidth - gapWidth*(n-1)) / n
		p.heads()
	} else {
		row = p.listed
	}
	for _, r := range p.Rows {
		row(r)
		if r.Again > 0 {
			p.remark(strings.Repeat(" ", timeWidth), p.mark("⋮ ", ": "), r.Folded())
		}
	}
	if p.Unread != "" {
		p.remark(strings.Repeat(" ", timeWidth), p.mark("× ", "x "), p.Unread)
	}
	for _, v := range p.Verdicts {
		mark := p.mark("⇒  ", "=> ")
		for _, s := range wrapRow(p.plain(v), p.Width-Width(mark)) {
			p.line(p.paint("1", mark+s))
			mark = "   "
		}
	}
}

func (p *painter) heads() {
	var b strings.Builder
	b.WriteString(pad("     ms", timeWidth))
	for i, lane := range p.Lanes {
		if i > 0 {
			b.WriteString(strings.Repeat(" ", gapWidth))
		}
		b.WriteString(pad(Cut(p.plain(lane), p.laneWidth, p.ellipsis()), p.laneWidth))
	}
	p.line(p.paint("1", trimRight(b.String())))
}

// clock writes milliseconds into the column for them, however many there are.
func clock(us int64) string {
	s := ""
	for _, format := range []string{"%7.1f", "%7.0f", "%7.1e"} {
		if s = fmt.Sprintf(format, float64(us)/1000); len(s) < timeWidth {
			break
		}
	}
	return pad(s, timeWidth)
}

// row draws what one side did, an arrow, and what the other side saw.
func (p *painter) row(r Row) {
	from := r.Cells[0]
	if from.Lane < 0 {
		p.remark(clock(r.US), p.mark("· ", "- "), from.Words)
		return
	}
	texts := make([][]string, len(r.Cells))
	height := 0
	for i, c := range r.Cells {
		texts[i] = p.fit(c, p.laneWidth)
		height = max(height, len(texts[i]))
	}
	for k := range height {
		g := p.grid()
		for i, c := range r.Cells {
			if k < len(texts[i]) {
				g.cells[c.Lane] = texts[i][k]
			}
		}
		lead := strings.Repeat(" ", timeWidth)
		if k == 0 {
			p.arrow(g, r)
			lead = clock(r.US)
		}
		p.line(trimRight(p.paint("2", lead) + p.joined(g, r)))
	}
}

// grid is a line of text: a cell for each lane, and the gaps behind them. Cells are filled up by
// blanks, or by an arrow.
type grid struct {
	cells, fill, gaps []string
	tip               int // the cell that an arrow from the right points at; -1 if there is none
}

func (p *painter) grid() *grid {
	n := len(p.Lanes)
	g := &grid{make([]string, n), make([]string, n), make([]string, n), -1}
	for i := range n {
		g.fill[i], g.gaps[i] = " ", strings.Repeat(" ", gapWidth)
	}
	return g
}

// joined puts a line together. Colours do not count as columns: room is measured before painting.
func (p *painter) joined(g *grid, r Row) string {
	var b strings.Builder
	for i, text := range g.cells {
		blanks := p.laneWidth - Width(text)
		for _, c := range r.Cells {
			if c.Lane == i {
				text = p.colour(c, text)
			}
		}
		b.WriteString(text)
		if g.fill[i] != " " && text != "" && blanks > 0 {
			b.WriteString(" ")
			blanks--
		}
		if g.tip == i {
			b.WriteString(p.mark("◀", "<"))
			blanks--
		}
		b.WriteString(strings.Repeat(g.fill[i], max(0, blanks)))
		b.WriteString(g.gaps[i])
	}
	return b.String()
}

// arrow draws a whole arrow between the two cells of a row, or the beginning or the end of a broken
// one.
func (p *painter) arrow(g *grid, r Row) {
	c := r.Cells[0]
	rightwards := c.Peer > c.Lane
	switch {
	case c.Tone == OnTheWire:
		p.travels(g, c)
	case len(r.Cells) == 2 && rightwards:
		p.toRight(g, c.Lane, c.Peer)
	case len(r.Cells) == 2:
		p.toLeft(g, c.Lane, c.Peer)
	case c.Arrow == NoArrow || c.Peer == c.Lane:
	case c.Arrow == Arrives && rightwards:
		g.gaps[c.Lane] = " " + p.mark("◀─┈", "<-.") + " "
	case c.Arrow == Arrives:
		g.gaps[c.Lane-1] = " " + p.mark("┈─▶", ".->") + " "
	case rightwards:
		g.fill[c.Lane] = p.mark("─", "-")
		g.gaps[c.Lane] = g.fill[c.Lane] + p.end(c.Arrow) + "   "
		p.apart(g, c.Lane)
	default:
		g.gaps[c.Lane-1] = "  " + p.end(c.Arrow) + p.mark("─", "-") + " "
	}
}

// end is the end of an arrow whose bytes were read later, or never.
func (p *painter) end(a Arrow) string {
	if a == Lost {
		return p.mark("×", "x")
	}
	return p.mark("┈", ".")
}

// toRight draws an arrow from a lane to one that stands to the right of it.
func (p *painter) toRight(g *grid, from, to int) {
	p.over(g, from, to)
	g.gaps[to-1] = strings.Repeat(p.mark("─", "-"), gapWidth-2) + p.mark("▶", ">") + " "
	p.apart(g, from)
}

// toLeft draws an arrow from a lane to one that stands to the left of it: its tip is behind the text
// there, or in the gap if the text leaves no room.
func (p *painter) toLeft(g *grid, from, to int) {
	p.over(g, to, from)
	g.gaps[from-1] = strings.Repeat(p.mark("─", "-"), gapWidth-1) + " "
	if p.laneWidth-Width(g.cells[to]) > 2 {
		g.tip = to
		return
	}
	g.gaps[to] = " " + p.mark("◀", "<") + cutFront(g.gaps[to], 2)
}

// over draws a line behind the text of a lane and up to another one.
func (p *painter) over(g *grid, left, right int) {
	dash := p.mark("─", "-")
	for k := left; k < right; k++ {
		g.gaps[k], g.fill[k] = strings.Repeat(dash, gapWidth), dash
	}
}

// apart leaves a blank between a text that reaches the gap and a line that begins there.
func (p *painter) apart(g *grid, lane int) {
	if Width(g.cells[lane]) == p.laneWidth {
		g.gaps[lane] = " " + cutFront(g.gaps[lane], 1)
	}
}

// cutFront takes the first n characters off.
func cutFront(s string, n int) string { return string([]rune(s)[n:]) }

// fit makes the lines of a cell, as wide as a lane at most. Previews of payloads are cut, all else is
// wrapped.
func (p *painter) fit(c Cell, columns int) []string {
	words, data, label := p.plain(c.Words), p.plain(c.Data), p.plain(c.Label)
	if label != "" {
		label = "  " + label
	}
	if c.Data == "" && !c.empty() {
		return wrap(words+label, columns)
	}
	const quotes = 3 // a blank and two
	room := columns - Width(words) - Width(label) - quotes
	switch {
	case room >= min(Width(data), leastPreview):
		return []string{words + ` "` + Cut(data, room, p.ellipsis()) + `"` + label}
	case label != "":
		rest := wrap(label, columns)
		c.Label = ""
		return append(p.fit(c, columns), rest...)
	}
	return append(wrap(words, columns), `"`+Cut(data, columns-2, p.ellipsis())+`"`)
}

// leastPreview is what must be seen of a payload, in columns, before a label is put below it.
const leastPreview = 6

// empty reports whether the cell shows a payload of no bytes.
func (c Cell) empty() bool { return c.Event.Op == Note && c.Event.Data != nil }

// listed draws a row where there is no room for lanes.
func (p *painter) listed(r Row) {
	lead := fmt.Sprintf("%.1f ", float64(r.US)/1000)
	for i, c := range r.Cells {
		if c.Lane < 0 {
			p.remark(lead, p.mark("· ", "- "), c.Words)
			return
		}
		side := Cut(p.plain(p.Lanes[c.Lane]), p.Width/2, p.ellipsis()) + ": "
		if i > 0 {
			side = p.mark("└▶ ", "-> ") + side
		}
		for k, s := range p.fit(c, max(8, p.Width-2)) {
			if k == 0 && Width(lead+side+s) <= p.Width {
				p.line(p.paint("2", lead+side) + p.colour(c, s))
				continue
			}
			if k == 0 {
				for _, part := range wrap(lead+side, p.Width) {
					p.line(p.paint("2", part))
				}
			}
			p.line("  " + p.colour(c, s))
		}
		lead = ""
	}
}

// remark draws a line that belongs to no side.
func (p *painter) remark(lead, mark, text string) {
	for i, s := range wrap(p.plain(text), max(8, p.Width-Width(lead)-2)) {
		if i == 0 {
			p.line(p.paint("2", lead+mark+s))
		} else {
			p.line(p.paint("2", strings.Repeat(" ", Width(lead)+2)+s))
		}
	}
}

func (p *painter) line(s string) {
	p.out.WriteString(s)
	p.out.WriteByte('\n')
}

func (p *painter) mark(box, ascii string) string {
	if p.Box && !p.ASCII {
		return box
	}
	return ascii
}

func (p *painter) ellipsis() string {
	if p.ASCII {
		return "..."
	}
	return "…"
}

// plain takes everything but ASCII out of a text when nothing else may be shown.
func (p *painter) plain(s string) string {
	if !p.ASCII {
		return s
	}
	q := strconv.QuoteToASCII(strings.NewReplacer("…", "...", "–", "-").Replace(s))
	q = strings.ReplaceAll(q[1:len(q)-1], `\"`, `"`)
	return strings.ReplaceAll(q, `\\`, `\`)
}

// letterColours are what the bytes of the sends are painted in, one after the other: cyan, magenta,
// green, blue, yellow.
var letterColours = []string{"36", "35", "32", "34", "33"}

// colour paints a line of a cell: a failure red, and bytes in the colour of the send that they come
// from.
func (p *painter) colour(c Cell, s string) string {
	switch {
	case !p.Color:
		return s
	case c.Tone == Bad:
		return p.paint("31", s)
	case c.Tone == Said:
		return p.paint("3", s)
	case c.Tone == Waiting:
		return p.paint("2", s)
	case c.Tone == OnTheWire:
		return p.paint("35", s)
	case len(c.Bytes) == 0:
		return s
	}
	return p.bytesOf(c, s)
}

// bytesOf paints the preview and the letters of a line in the colours of the bytes.
func (p *painter) bytesOf(c Cell, s string) string {
	before, rest, ok := strings.Cut(s, `"`)
	end := strings.LastIndex(rest, `"`)
	if !ok || end < 0 {
		return p.names(c, s)
	}
	return before + `"` + p.payload(c, rest[:end]) + `"` + p.names(c, rest[end+1:])
}

// payload paints a preview piece by piece, as far as it can be told where the pieces end.
func (p *painter) payload(c Cell, shown string) string {
	var b strings.Builder
	data := c.Event.Data
	for _, part := range c.Bytes {
		n := min(part.To-part.From, len(data))
		piece := p.plain(escaped(data[:n]))
		data = data[n:]
		switch {
		case strings.HasPrefix(shown, piece):
		case strings.HasPrefix(piece, strings.TrimSuffix(shown, p.ellipsis())):
			piece = shown // the rest of it is cut
		default:
			return b.String() + shown
		}
		b.WriteString(p.paint(colourOf(part), piece))
		shown = shown[len(piece):]
	}
	return b.String() + shown
}

// names paints the letters in a label, from right to left.
func (p *painter) names(c Cell, s string) string {
	end := len(s)
	for _, part := range slices.Backward(c.Bytes) {
		name := p.plain(part.String())
		if at := strings.LastIndex(s[:end], name); at >= 0 {
			s = s[:at] + p.paint(colourOf(part), name) + s[at+len(name):]
			end = at
		}
	}
	return s
}

func colourOf(b Bytes) string { return letterColours[b.Send%len(letterColours)] }

func (p *painter) paint(code, s string) string {
	if !p.Color || s == "" {
		return s
	}
	return "\x1b[" + code + "m" + s + "\x1b[0m"
}

func trimRight(s string) string { return strings.TrimRight(s, " ") }

// wrapRow is wrap for what may be a row of a table: if it fits it keeps all its blanks.
func wrapRow(s string, columns int) []string {
	if s != "" && Width(s) <= columns {
		return []string{s}
	}
	return wrap(s, columns)
}

// wrap breaks a text at blanks into lines of at most columns; a word that is longer is cut into pieces.
func wrap(s string, columns int) []string {
	var lines []string
	line := ""
	for _, word := range strings.Fields(s) {
		for Width(word) > columns {
			if line != "" {
				lines, line = append(lines, line), ""
			}
			piece := Cut(word, columns, "")
			if piece == "" {
				break
			}
			lines, word = append(lines, piece), word[len(piece):]
		}
		switch {
		case line == "":
			line = word
		case Width(line)+1+Width(word) <= columns:
			line += " " + word
		default:
			lines, line = append(lines, line), word
		}
	}
	return append(lines, line)
}
