package timeline

import (
	"encoding/xml"
	"fmt"
	"io"
	"strings"
)

// Scene is one recorded scene, as SVG draws it.
type Scene struct {
	Title  string
	Events []Event
}

const (
	svgWidth   = 960 // pixels; more where there are many lanes
	svgRow     = 26  // pixels from one row to the next
	svgColumn  = 7.2 // pixels that one terminal column takes in the chosen font, about
	svgTop     = 64  // from a scene's top to its first row
	svgMargin  = 84  // room for the clock
	svgPadding = 24
	svgColumns = 126 // terminal columns that fit the whole width
	svgArrows  = 8   // terminal columns between the texts of two lanes
)

// SVG draws the scenes one below the other as one standalone image: no scripts, no network. It follows the viewer's
// light or dark theme. It is 960 pixels wide, and wider from 6 lanes on.
func SVG(w io.Writer, scenes []Scene) error {
	var body strings.Builder
	width, y := svgWidth, svgPadding
	for _, s := range scenes {
		width = max(width, svgMargin+int(svgLane(s))*len(lanesOf(s.Events))+svgPadding)
		y = svgScene(&body, s, y) + svgPadding
	}
	_, err := fmt.Fprintf(w, svgHead+"%s</svg>\n", width, y, width, y, escape(svgName(scenes)), body.String())
	return err
}

const svgHead = `<svg xmlns="http://www.w3.org/2000/svg" width="%d" height="%d" viewBox="0 0 %d %d" role="img">
<title>%s</title>
<style>
:root { color-scheme: light dark }
.bg { fill: #ffffff } text { font: 12px ui-monospace, Menlo, Consolas, "DejaVu Sans Mono", monospace; fill: #1f2328; white-space: pre; paint-order: stroke; stroke: #ffffff; stroke-width: 3px }
.title { font-weight: bold; font-size: 15px } .side { font-weight: bold } .dim { fill: #656d76 } .verdict { fill: #8a4600; font-weight: bold }
.send { fill: #1a7f37 } .recv { fill: #0550ae } .bad { fill: #b3261e } .note { fill: #8250df }
.lane { stroke: #d0d7de } .arrow { stroke: #57606a; stroke-width: 1.4 } .late { stroke-dasharray: 2 4 } .tip { fill: #57606a }
@media (prefers-color-scheme: dark) {
.bg { fill: #0d1117 } text { fill: #e6edf3; stroke: #0d1117 } .dim { fill: #8d96a0 } .verdict { fill: #e3b341 }
.send { fill: #56d364 } .recv { fill: #79c0ff } .bad { fill: #ff8b82 } .note { fill: #d2a8ff }
.lane { stroke: #3d444d } .arrow { stroke: #9198a1 } .tip { fill: #9198a1 }
}
</style>
<rect class="bg" width="100%%" height="100%%"/>
`

func svgName(scenes []Scene) string {
	var names []string
	for _, s := range scenes {
		names = append(names, s.Title)
	}
	return strings.Join(names, "; ")
}

// svgLane is the width of a lane in pixels.
func svgLane(s Scene) float64 {
	n := max(1, len(lanesOf(s.Events)))
	return max(svgColumn*(leastLane+svgArrows), float64(svgWidth-svgMargin-svgPadding)/float64(n))
}

func svgScene(b *strings.Builder, s Scene, top int) int {
	lanes := lanesOf(s.Events)
	laneWidth := svgLane(s)
	left := func(lane int) float64 { return svgMargin + float64(lane)*laneWidth }
	columns := int(laneWidth/svgColumn) - svgArrows
	text := func(x float64, y int, class, s string) {
		fmt.Fprintf(b, "<text x=\"%.0f\" y=\"%d\" class=\"%s\">%s</text>\n", x, y, class, escape(s))
	}
	text(svgPadding, top+16, "title", s.Title)
	for i, side := range lanes {
		text(left(i), top+42, "side", side)
	}
	y := top + svgTop
	var rows strings.Builder
	lanesTop := y - 14
	body := b
	b = &rows
	for _, r := range rowsOf(s.Events, lanes) {
		text(svgPadding-10, y, "dim", fmt.Sprintf("%7.1f", float64(r.us)/1000))
		if r.lane < 0 {
			for _, part := range wrap(r.text, svgColumns-12) {
				text(svgMargin, y, "dim", part)
				y += svgRow - 8
			}
			y += 8
			continue
		}
		lines := svgFit(r.event, r.text, columns)
		to := []string{""}
		if r.toLane >= 0 {
			to = svgFit(r.toEvent, r.toText, columns)
		}
		svgArrow(b, r, left, y, lines[0], to[0], len(lanes))
		for i := range max(len(lines), len(to)) {
			if i < len(lines) {
				text(left(r.lane), y, svgClass(r.event), lines[i])
			}
			if i < len(to) && r.toLane >= 0 {
				text(left(r.toLane), y, svgClass(r.toEvent), to[i])
			}
			y += svgRow - 8
		}
		y += 8
		if r.repeated > 0 {
			text(left(r.lane), y, "dim", "⋮ "+r.again())
			y += svgRow
		}
	}
	b = body
	for i := range lanes {
		fmt.Fprintf(b, "<line class=\"lane\" x1=\"%.0f\" y1=\"%d\" x2=\"%.0f\" y2=\"%d\"/>\n", left(i)-8, lanesTop, left(i)-8, y-14)
	}
	b.WriteString(rows.String())
	for _, e := range s.Events {
		if e.Op != Verdict {
			continue
		}
		for i, part := range wrap(e.Text, svgColumns-10) {
			if i == 0 {
				part = "⇒ " + part
			}
			text(svgPadding, y, "verdict", part)
			y += svgRow - 8
		}
	}
	return y
}

func svgFit(e Event, text string, columns int) []string {
	if e.cuttable() {
		return []string{cutPreview(text, columns, "…")}
	}
	return wrap(text, columns)
}

// svgArrow draws from the end of the sender's text to the receiver's lane; dashed where the bytes wait in between.
func svgArrow(b *strings.Builder, r row, left func(int) float64, y int, text, toText string, lanes int) {
	y -= 4
	end := func(lane int, s string) float64 { return left(lane) + float64(Width(s)+1)*svgColumn }
	line := func(class string, x1, x2 float64, tip bool) {
		fmt.Fprintf(b, "<line class=\"%s\" x1=\"%.0f\" y1=\"%d\" x2=\"%.0f\" y2=\"%d\"/>\n", class, x1, y, x2, y)
		if !tip {
			return
		}
		back := -7.0
		if x2 < x1 {
			back = 7
		}
		fmt.Fprintf(b, "<path class=\"tip\" d=\"M%.0f %d l%.0f -4 v8 z\"/>\n", x2, y, back)
	}
	switch {
	case r.toLane > r.lane:
		line("arrow", end(r.lane, text), left(r.toLane)-12, true)
	case r.toLane >= 0 && r.toLane < r.lane:
		line("arrow", left(r.lane)-12, end(r.toLane, toText), true)
	case r.event.Op == Send && r.event.onTheWay() && r.lane < lanes-1:
		line("arrow late", end(r.lane, text), left(r.lane+1)-60, false)
	case r.event.Op == Send && r.event.onTheWay() && r.lane > 0:
		line("arrow late", left(r.lane)-12, left(r.lane)-60, false)
	case r.event.Op == Recv && r.event.Err == "" && r.lane > 0:
		line("arrow late", left(r.lane)-60, left(r.lane)-12, true)
	case r.event.Op == Recv && r.event.Err == "" && lanes > 1:
		line("arrow late", left(1)-12, end(r.lane, text), true)
	}
}

func svgClass(e Event) string {
	switch {
	case e.bad():
		return "bad"
	case e.Op == Send:
		return "send"
	case e.Op == Recv:
		return "recv"
	case e.Op == Note:
		return "note"
	}
	return "plain"
}

// escape makes text safe inside SVG; bytes that XML cannot carry are replaced.
func escape(s string) string {
	var b strings.Builder
	_ = xml.EscapeText(&b, []byte(s)) // a Builder does not fail
	return b.String()
}
