package scenario

import (
	"encoding/xml"
	"fmt"
	"io"
	"math"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"socketbook/tools/timeline"
)

var crowdRow = regexp.MustCompile(`^(.+?) +(\d+) +(\d+\.\d) kB each +\d+\.\d+ ms +\d+\.\d+ ms$`)

// CrowdPlot draws what Crowd has measured as an SVG: the memory of each server, in kB, against the
// number of its clients, both on logarithmic scales, from the rows of its table.
func CrowdPlot(w io.Writer, title string, events []timeline.Event) error {
	p := plot{title: title, note: "measured in one run, each server in a process of its own"}
	for _, e := range events {
		if m := crowdRow.FindStringSubmatch(e.Text); m != nil && e.Op == timeline.Verdict {
			clients, _ := strconv.Atoi(m[2])
			each, _ := strconv.ParseFloat(m[3], 64)
			p.add(m[1], float64(clients), max(1, each*float64(clients)))
		}
		if e.Op == timeline.State && strings.HasPrefix(e.Text, "a recording") {
			p.note, _, _ = strings.Cut(e.Text, ", because")
		}
	}
	_, err := io.WriteString(w, p.svg())
	return err
}

// plot is a diagram of lines.
type plot struct {
	title, note string
	lines       []plotLine
}

type plotLine struct {
	name   string
	points [][2]float64 // clients, kB
}

func (p *plot) add(name string, x, y float64) {
	i := slices.IndexFunc(p.lines, func(l plotLine) bool { return l.name == name })
	if i < 0 {
		i = len(p.lines)
		p.lines = append(p.lines, plotLine{name: name})
	}
	p.lines[i].points = append(p.lines[i].points, [2]float64{x, y})
}

// The picture is plotWidth pixels wide; the axes leave room for words around them.
const (
	plotWidth, plotHeight   = 620.0, 430.0
	plotLeft, plotRight     = 80.0, 560.0
	plotTop, plotBottom     = 60.0, 370.0
	mostClients             = 4.0 // powers of ten
	leastMemory, mostMemory = 1.0, 6.0
)

func plotX(clients float64) float64 {
	return plotLeft + (plotRight-plotLeft)*math.Log10(clients)/mostClients
}

func plotY(kB float64) float64 {
	return plotBottom - (plotBottom-plotTop)*(math.Log10(kB)-leastMemory)/(mostMemory-leastMemory)
}

const plotStyle = `<style>
:root { color-scheme: light dark; --bg: #ffffff; --ink: #1f2328; --grid: #d0d7de; --a: #0072b2;
  --b: #b3261e; --c: #007a5a }
@media (prefers-color-scheme: dark) { :root { --bg: #0d1117; --ink: #e6edf3; --grid: #3d444d;
  --a: #56b4e9; --b: #ff8b82; --c: #4fd1a5 } }
.bg { fill: var(--bg) } .grid { stroke: var(--grid) }
text { font: 12px ui-monospace, Menlo, Consolas, "DejaVu Sans Mono", monospace; fill: var(--ink) }
.title { font-size: 14px; font-weight: bold } .end { text-anchor: end } .middle { text-anchor: middle }
.line { fill: none; stroke-width: 2.5 } .l0 { stroke: var(--a) }
.l1 { stroke: var(--b); stroke-dasharray: 8 4 } .l2 { stroke: var(--c); stroke-dasharray: 2 4 }
.d0 { fill: var(--a) } .d1 { fill: var(--b) } .d2 { fill: var(--c) }
</style>
`

func (p *plot) svg() string {
	var b strings.Builder
	say := func(format string, args ...any) { fmt.Fprintf(&b, format+"\n", args...) }
	say(timeline.SVGBegin+` width="%.0f" height="%.0f" viewBox="0 0 %.0f %.0f" role="img">`,
		plotWidth, plotHeight, plotWidth, plotHeight)
	say("<title>%s</title><desc>%s</desc>", escapeXML(p.title), escapeXML(p.words()))
	say(`%s<rect class="bg" width="100%%" height="100%%"/>`, plotStyle)
	p.axes(say)
	for i, l := range p.lines {
		var at []string
		for _, point := range l.points {
			x, y := plotX(point[0]), plotY(point[1])
			at = append(at, fmt.Sprintf("%.1f,%.1f", x, y))
			say(`<circle class="d%d" cx="%.1f" cy="%.1f" r="4"/>`, i%3, x, y)
		}
		say(`<polyline class="line l%d" points="%s"/>`, i%3, strings.Join(at, " "))
		last := l.points[len(l.points)-1]
		say(`<text class="d%d" x="%.1f" y="%.1f">%s</text>`,
			i%3, plotX(last[0])+10, plotY(last[1])+4, escapeXML(l.name))
	}
	say("</svg>")
	return b.String()
}

func (p *plot) axes(say func(format string, args ...any)) {
	short, _, _ := strings.Cut(p.title, ":")
	say(`<text class="title" x="%.0f" y="24">%s: memory of the server (PSS) and its clients</text>`,
		plotLeft, escapeXML(short))
	say(`<text x="%.0f" y="44">%s</text>`, plotLeft, escapeXML(p.note))
	const grid = `<line class="grid" x1="%.1f" y1="%.1f" x2="%.1f" y2="%.1f"/>`
	for power := range int(mostClients) + 1 {
		clients := math.Pow(10, float64(power))
		x := plotX(clients)
		say(grid, x, plotTop, x, plotBottom)
		say(`<text class="middle" x="%.1f" y="%.0f">%.0f</text>`, x, plotBottom+20, clients)
	}
	say(`<text class="middle" x="%.0f" y="%.0f">clients connected</text>`,
		(plotLeft+plotRight)/2, plotBottom+44)
	for i, unit := range []string{"10 kB", "100 kB", "1 MB", "10 MB", "100 MB", "1 GB"} {
		y := plotY(math.Pow(10, leastMemory+float64(i)))
		say(grid, plotLeft, y, plotRight, y)
		say(`<text class="end" x="%.0f" y="%.1f">%s</text>`, plotLeft-8, y+4, unit)
	}
}

// words say what the picture shows.
func (p *plot) words() string {
	var list []string
	for _, l := range p.lines {
		for _, point := range l.points {
			list = append(list, fmt.Sprintf("%s: %.0f kB for %.0f clients", l.name, point[1], point[0]))
		}
	}
	return strings.Join(list, "; ")
}

func escapeXML(s string) string {
	var b strings.Builder
	xml.EscapeText(&b, []byte(s))
	return b.String()
}
