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
	p := plot{
		title: title, heading: "memory of the server (PSS) and its clients",
		note: "measured in one run, each server in a process of its own",
		x:    powers("clients connected", 0, "1", "10", "100", "1000", "10000"),
		y:    powers("", 1, "10 kB", "100 kB", "1 MB", "10 MB", "100 MB", "1 GB"),
		word: func(name string, x, y float64) string {
			return fmt.Sprintf("%s: %.0f kB for %.0f clients", name, y, x)
		},
	}
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
	title, heading, note string

	x, y  axis
	lines []plotLine
	word  func(name string, x, y float64) string // a point in words
}

type plotLine struct {
	name   string
	points [][2]float64 // x, y
}

// axis is one of the two. at says where a value is, from 0 to 1, if the largest of all is most.
type axis struct {
	label string
	at    func(v, most float64) float64
	ticks func(most float64) (values []float64, words []string)
}

// powers is an axis of powers of ten, the first of which is given, each with its words.
func powers(label string, first int, words ...string) axis {
	return axis{
		label,
		func(v, _ float64) float64 { return (math.Log10(v) - float64(first)) / float64(len(words)-1) },
		func(float64) (values []float64, _ []string) {
			for i := range words {
				values = append(values, math.Pow10(first+i))
			}
			return values, words
		},
	}
}

// linear is an axis from 0 on.
func linear(label string) axis {
	step := func(most float64) float64 { // 1, 2 or 5 times a power of ten; at most ten steps
		power := math.Pow10(int(math.Floor(math.Log10(most))) - 1)
		for _, times := range []float64{1, 2, 5, 10} {
			if most/(times*power) <= 10 {
				return times * power
			}
		}
		return 20 * power
	}
	return axis{
		label,
		func(v, most float64) float64 { return v / most },
		func(most float64) (values []float64, words []string) {
			for v := 0.0; v <= most; v += step(most) {
				values, words = append(values, v), append(words, fmt.Sprint(v))
			}
			return values, words
		},
	}
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
	plotWidth, plotHeight = 640.0, 430.0
	plotLeft, plotRight   = 80.0, 540.0
	plotTop, plotBottom   = 60.0, 370.0
	lineHeight            = 14.0
)

func (p *plot) most(of int) float64 {
	most := 1.0
	for _, l := range p.lines {
		for _, point := range l.points {
			most = max(most, point[of])
		}
	}
	return most
}

func (p *plot) atX(v float64) float64 {
	return plotLeft + (plotRight-plotLeft)*p.x.at(v, p.most(0))
}

func (p *plot) atY(v float64) float64 {
	return plotBottom - (plotBottom-plotTop)*p.y.at(v, p.most(1))
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
	var names []float64 // where the names of the lines stand: not on top of each other
	for i, l := range p.lines {
		var at []string
		for _, point := range l.points {
			x, y := p.atX(point[0]), p.atY(point[1])
			at = append(at, fmt.Sprintf("%.1f,%.1f", x, y))
			say(`<circle class="d%d" cx="%.1f" cy="%.1f" r="4"/>`, i%3, x, y)
		}
		say(`<polyline class="line l%d" points="%s"/>`, i%3, strings.Join(at, " "))
		last := l.points[len(l.points)-1]
		name := p.atY(last[1]) + 4
		for slices.ContainsFunc(names, func(y float64) bool { return math.Abs(y-name) < lineHeight }) {
			name -= lineHeight
		}
		names = append(names, name)
		say(`<text class="d%d" x="%.1f" y="%.1f">%s</text>`,
			i%3, p.atX(last[0])+10, name, escapeXML(l.name))
	}
	say("</svg>")
	return b.String()
}

func (p *plot) axes(say func(format string, args ...any)) {
	short, _, _ := strings.Cut(p.title, ":")
	say(`<text class="title" x="%.0f" y="24">%s: %s</text>`, plotLeft, escapeXML(short), escapeXML(p.heading))
	say(`<text x="%.0f" y="44">%s</text>`, plotLeft, escapeXML(p.note))
	const grid = `<line class="grid" x1="%.1f" y1="%.1f" x2="%.1f" y2="%.1f"/>`
	values, words := p.x.ticks(p.most(0))
	for i, v := range values {
		say(grid, p.atX(v), plotTop, p.atX(v), plotBottom)
		say(`<text class="middle" x="%.1f" y="%.0f">%s</text>`, p.atX(v), plotBottom+20, words[i])
	}
	say(`<text class="middle" x="%.0f" y="%.0f">%s</text>`, (plotLeft+plotRight)/2, plotBottom+44, p.x.label)
	values, words = p.y.ticks(p.most(1))
	for i, v := range values {
		say(grid, plotLeft, p.atY(v), plotRight, p.atY(v))
		say(`<text class="end" x="%.0f" y="%.1f">%s</text>`, plotLeft-8, p.atY(v)+4, words[i])
	}
	if p.y.label != "" {
		say(`<text class="end" x="%.0f" y="%.0f">%s</text>`, plotLeft-8, plotTop-10, p.y.label)
	}
}

// words say what the picture shows.
func (p *plot) words() string {
	var list []string
	for _, l := range p.lines {
		for _, point := range l.points {
			list = append(list, p.word(l.name, point[0], point[1]))
		}
	}
	return strings.Join(list, "; ")
}

func escapeXML(s string) string {
	var b strings.Builder
	xml.EscapeText(&b, []byte(s))
	return b.String()
}
