package timeline

import (
	"fmt"
	"io"
	"strconv"
	"strings"
)

// Style says how a picture may be drawn.
type Style struct {
	Width int  // terminal columns; below 60 counts as 60, and what the lanes need at least is taken
	Color bool // ANSI colours
	Box   bool // box-drawing characters for lines and arrows; otherwise ASCII
	ASCII bool // nothing but ASCII, previews of payloads included
}

const (
	timeWidth = 8  // columns for the milliseconds
	gapWidth  = 5  // columns between two lanes
	leastLane = 12 // columns that a lane takes at least: send 12 "…"
)

// Text draws the events as lanes, one for each side, effects below their causes, and below them the verdicts.
// The first column gives milliseconds since the recorder was made. What happened on two sides independently of each
// other is drawn in an order that is the same each time; then a row may be earlier than the one above it.
//
// A lane has at least 12 columns, and there are 5 between two of them: n lanes take 17n + 3 columns, 258 for 15 lanes,
// where Width is less.
func Text(w io.Writer, events []Event, st Style) error {
	lanes := lanesOf(events)
	p := painter{Style: st, lanes: lanes}
	p.Width = max(p.Width, 60, timeWidth+len(lanes)*(leastLane+gapWidth)-gapWidth)
	p.laneWidth = p.Width - timeWidth
	if n := len(lanes); n > 0 {
		p.laneWidth = max(leastLane, (p.Width-timeWidth-gapWidth*(n-1))/n)
	}
	p.heads()
	for _, r := range rowsOf(events, lanes) {
		p.row(r)
	}
	for _, e := range events {
		if e.Op == Verdict {
			p.verdict(e.Text)
		}
	}
	_, err := io.WriteString(w, p.out.String())
	return err
}

type painter struct {
	Style
	lanes     []string
	laneWidth int
	out       strings.Builder
}

func (p *painter) heads() {
	var b strings.Builder
	b.WriteString(pad("     ms", timeWidth))
	for i, lane := range p.lanes {
		b.WriteString(pad(lane, p.laneWidth))
		if i < len(p.lanes)-1 {
			b.WriteString(strings.Repeat(" ", gapWidth))
		}
	}
	p.line(p.paint("1", strings.TrimRight(b.String(), " ")))
}

func (p *painter) row(r row) {
	clock := pad(fmt.Sprintf("%7.1f", float64(r.us)/1000), timeWidth)
	if r.lane < 0 {
		for i, s := range wrap(p.plain(r.text), p.Width-timeWidth-2) {
			if i == 0 {
				p.line(p.paint("2", clock) + p.paint("2", p.mark("· ", "- ")+s))
			} else {
				p.line(strings.Repeat(" ", timeWidth+2) + p.paint("2", s))
			}
		}
	} else {
		p.cells(r, clock)
	}
	if r.repeated > 0 {
		p.line(strings.Repeat(" ", timeWidth) + p.paint("2", p.mark("⋮ ", ": ")+r.again()))
	}
}

// cells draws what one side did, an arrow, and what the other side saw.
func (p *painter) cells(r row, clock string) {
	from, to := p.fit(r.event, r.text), []string{""}
	if r.toLane >= 0 {
		to = p.fit(r.toEvent, r.toText)
	}
	for i := range max(len(from), len(to)) {
		line := make([]string, len(p.lanes))
		gaps := make([]string, len(p.lanes))
		for k := range line {
			line[k], gaps[k] = strings.Repeat(" ", p.laneWidth), strings.Repeat(" ", gapWidth)
		}
		if i < len(from) {
			line[r.lane] = p.colour(r.event, from[i])
		}
		if r.toLane >= 0 && i < len(to) {
			line[r.toLane] = p.colour(r.toEvent, to[i])
		}
		if i == 0 {
			p.arrow(r, line, gaps)
		}
		var b strings.Builder
		if i == 0 {
			b.WriteString(p.paint("2", clock))
		} else {
			b.WriteString(strings.Repeat(" ", timeWidth))
		}
		for k := range line {
			b.WriteString(line[k])
			if k < len(line)-1 {
				b.WriteString(gaps[k])
			}
		}
		p.line(trimRight(b.String()))
	}
}

// arrow fills the blanks between the two lanes of a row, or the first gap if nothing arrived yet.
func (p *painter) arrow(r row, line, gaps []string) {
	dash, right, left := p.mark("─", "-"), p.mark("▶", ">"), p.mark("◀", "<")
	switch {
	case r.toLane > r.lane:
		full := !strings.HasSuffix(line[r.lane], "  ")
		line[r.lane] = p.extend(line[r.lane], dash)
		for k := r.lane + 1; k < r.toLane; k++ {
			line[k] = strings.Repeat(dash, p.laneWidth)
		}
		for k := r.lane; k < r.toLane; k++ {
			gaps[k] = strings.Repeat(dash, gapWidth)
		}
		gaps[r.toLane-1] = strings.Repeat(dash, gapWidth-2) + right + " "
		if full { // the text reaches the gap: keep one blank before the arrow
			gaps[r.lane] = " " + strings.TrimPrefix(gaps[r.lane], dash)
		}
	case r.toLane >= 0 && r.toLane < r.lane:
		for k := r.toLane + 1; k < r.lane; k++ {
			line[k] = strings.Repeat(dash, p.laneWidth)
		}
		for k := r.toLane; k < r.lane; k++ {
			gaps[k] = strings.Repeat(dash, gapWidth)
		}
		gaps[r.lane-1] = strings.Repeat(dash, gapWidth-1) + " "
		text := strings.TrimRight(line[r.toLane], " ")
		if blanks := len(line[r.toLane]) - len(text); blanks > 2 {
			line[r.toLane] = text + " " + left + strings.Repeat(dash, blanks-2)
		} else if r.toLane == r.lane-1 {
			gaps[r.toLane] = " " + left + strings.Repeat(dash, gapWidth-3) + " "
		} else {
			gaps[r.toLane] = " " + left + strings.Repeat(dash, gapWidth-2)
		}
	case r.event.Op == Send && r.event.onTheWay():
		if r.lane < len(line)-1 {
			line[r.lane] = p.extend(line[r.lane], dash)
			gaps[r.lane] = strings.Repeat(dash, 2) + p.mark("┈", ".") + "  "
		} else if r.lane > 0 {
			gaps[r.lane-1] = "  " + p.mark("┈", ".") + strings.Repeat(dash, 1) + " "
		}
	case r.event.Op == Recv && r.event.Err == "":
		if r.lane > 0 {
			gaps[r.lane-1] = " " + p.mark("┈", ".") + dash + right + " "
		} else if len(gaps) > 1 {
			gaps[0] = " " + left + dash + p.mark("┈", ".") + " "
		}
	}
}

// extend replaces the blanks that end a cell by dashes, one blank left after the text.
func (p *painter) extend(cell, dash string) string {
	text := strings.TrimRight(cell, " ")
	blanks := len(cell) - len(text)
	if blanks < 2 {
		return cell
	}
	return text + " " + strings.Repeat(dash, blanks-1)
}

// fit makes a cell's lines as wide as the lane. Previews of payloads are cut, all else is wrapped.
func (p *painter) fit(e Event, text string) []string {
	text = p.plain(text)
	var lines []string
	if e.cuttable() {
		lines = []string{cutPreview(text, p.laneWidth, p.ellipsis())}
	} else {
		lines = wrap(text, p.laneWidth)
	}
	for i := range lines {
		lines[i] = pad(lines[i], p.laneWidth)
	}
	return lines
}

// cutPreview shortens `send 12 "some text"` inside the quotes.
func cutPreview(s string, columns int, ellipsis string) string {
	if Width(s) <= columns {
		return s
	}
	s = strings.TrimSuffix(s, `"`)
	s = strings.TrimSuffix(s, ellipsis)
	return Cut(s+strings.Repeat(" ", columns), columns-1, ellipsis) + `"`
}

func (p *painter) verdict(text string) {
	for i, s := range wrap(p.plain(text), p.Width-3) {
		lead := "   "
		if i == 0 {
			lead = p.mark("⇒  ", "=> ")
		}
		p.line(p.paint("1;33", lead+s))
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
	q := strconv.QuoteToASCII(strings.ReplaceAll(s, "…", "..."))
	q = strings.ReplaceAll(q[1:len(q)-1], `\"`, `"`)
	return strings.ReplaceAll(q, `\\`, `\`)
}

func (p *painter) colour(e Event, s string) string {
	switch {
	case e.bad():
		return p.paintText("31", s)
	case e.Op == Send:
		return p.paintText("32", s)
	case e.Op == Recv:
		return p.paintText("36", s)
	case e.Op == Note:
		return p.paintText("35", s)
	}
	return s
}

// paintText colours the text of a cell and leaves the blanks after it for the arrow.
func (p *painter) paintText(code, cell string) string {
	text := strings.TrimRight(cell, " ")
	return p.paint(code, text) + cell[len(text):]
}

func (p *painter) paint(code, s string) string {
	if !p.Color || s == "" {
		return s
	}
	return "\x1b[" + code + "m" + s + "\x1b[0m"
}

func trimRight(s string) string { return strings.TrimRight(s, " ") }

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
