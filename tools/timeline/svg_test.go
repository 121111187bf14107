package timeline_test

import (
	"encoding/xml"
	"errors"
	"flag"
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"unicode"

	"github.com/stretchr/testify/require"

	"socketbook/tools/timeline"
)

// shape is an element of an image.
type shape struct {
	name, class, text string
	x, y, w, h        float64 // of a rect or a text; of a line its begin, and its end relative to it
	path              []float64
	attr              map[string]string
}

// image is what an SVG holds.
type image struct {
	shapes        []shape
	width, height float64
}

func parse(t *testing.T, s string) image {
	t.Helper()
	var img image
	open := []int{}
	dec := xml.NewDecoder(strings.NewReader(s))
	for {
		token, err := dec.Token()
		if errors.Is(err, io.EOF) {
			break
		}
		require.NoError(t, err)
		switch token := token.(type) {
		case xml.StartElement:
			open = append(open, len(img.shapes))
			img.shapes = append(img.shapes, shapeOf(t, token))
		case xml.CharData:
			if n := len(open); n > 0 {
				img.shapes[open[n-1]].text += string(token)
			}
		case xml.EndElement:
			open = open[:len(open)-1]
		}
	}
	require.Empty(t, open)
	require.Empty(t, strings.TrimSpace(img.shapes[0].text), "between the elements")
	img.width, img.height = img.shapes[0].w, img.shapes[0].h
	return img
}

func shapeOf(t *testing.T, e xml.StartElement) shape {
	sh := shape{name: e.Name.Local, attr: map[string]string{}}
	for _, a := range e.Attr {
		sh.attr[a.Name.Local] = a.Value
	}
	number := func(name string) float64 {
		f, _ := strconv.ParseFloat(sh.attr[name], 64)
		return f
	}
	sh.class = sh.attr["class"]
	sh.x, sh.y, sh.w, sh.h = number("x"), number("y"), number("width"), number("height")
	if sh.name == "line" {
		sh.x, sh.y = number("x1"), number("y1")
		sh.w, sh.h = number("x2")-sh.x, number("y2")-sh.y
	}
	letters := func(r rune) bool { return unicode.IsLetter(r) || r == ' ' }
	for _, word := range strings.FieldsFunc(sh.attr["d"], letters) {
		f, err := strconv.ParseFloat(word, 64)
		require.NoError(t, err)
		sh.path = append(sh.path, f)
	}
	return sh
}

// with returns the shapes of a class; "c" is any colour.
func (img image) with(name, class string) []shape {
	var found []shape
	for _, s := range img.shapes {
		classes := strings.Fields(s.class)
		colour := len(classes) > 0 && len(classes[len(classes)-1]) == 2 &&
			classes[len(classes)-1][0] == 'c'
		if s.name == name && (slices.Contains(classes, class) || class == "c" && colour) {
			found = append(found, s)
		}
	}
	return found
}

func (img image) texts() []string {
	var texts []string
	for _, s := range img.shapes {
		if s.name == "text" {
			texts = append(texts, s.text)
		}
	}
	return texts
}

// near compares pixels, which are rounded to tenths.
func near(a, b float64) bool { return math.Abs(a-b) < 0.25 }

// ends reads a ribbon back: the middles of the two lanes, where it begins and ends, and its height.
func (s shape) ends() (x1, y1, x2, y2, h float64) {
	p := s.path
	side := 8.0
	if p[6] < p[0] {
		side = -8
	}
	return p[0] - side, p[1], p[6] + side, p[7], p[8]
}

// The picture is XML of its own, with nothing in it that a peer could have smuggled in.
func TestSVGDocument(t *testing.T) {
	var b strings.Builder
	scenes := []timeline.Scene{{Title: evil[0], Events: hostile(t)}, {Title: "two", Events: story()}}
	require.NoError(t, timeline.SVG(&b, scenes))
	require.True(t, strings.HasPrefix(b.String(), timeline.SVGBegin))
	require.True(t, strings.HasSuffix(b.String(), "</svg>\n"))
	img := parse(t, b.String())
	for _, s := range img.shapes {
		allowed := []string{
			"svg",
			"title",
			"desc",
			"style",
			"defs",
			"pattern",
			"rect",
			"text",
			"line",
			"path",
		}
		require.Contains(t, allowed, s.name)
		for name := range s.attr {
			require.False(t, strings.HasPrefix(name, "on") || name == "href" || name == "src", name)
		}
		require.NotContains(t, s.text, "\ufffd\ufffd\ufffd")
		if s.name != "style" && s.name != "svg" && s.name != "defs" {
			require.False(
				t,
				strings.ContainsFunc(s.text, func(r rune) bool { return r < ' ' && r != '\n' }),
				"%q",
				s.text,
			)
		}
	}
	require.Equal(
		t,
		1,
		strings.Count(b.String(), "http"),
		"the name of the format, and no address to fetch",
	)
	require.NotContains(t, b.String(), "%!")
	svg := img.shapes[0].attr
	require.Equal(t, fmt.Sprintf("0 0 %s %s", svg["width"], svg["height"]), svg["viewBox"])
	require.Equal(t, "img", svg["role"])
	require.ErrorIs(t, timeline.SVG(full{}, scenes), syscall.ENOSPC)

	small := parse(t, svgOf(t, "the title", story()))
	require.Equal(t, "the title", small.shapes[1].text)
	verdict := "a verdict that is longer than the line of the picture in which it stands at the end"
	require.Equal(t, verdict, small.shapes[2].text)
	require.Equal(t, "the title", small.with("text", "title")[0].text)
	require.Equal(t, "⇒ "+verdict, small.with("text", "verdict")[0].text)
	require.Contains(t, small.texts(), "× never read: B[1–4], D[2–3] and E")
	two := parse(t, svgOf(t, "", story(), story()))
	require.Len(t, two.with("text", "title"), 2)
	require.Greater(t, two.with("text", "title")[1].y, small.height-40)
	require.Equal(t, 992.0, small.width)
	empty := parse(t, svgOf(t, ""))
	require.Equal(t, 960.0, empty.width)
}

func svgOf(t *testing.T, title string, recordings ...[]timeline.Event) string {
	t.Helper()
	var scenes []timeline.Scene
	for _, es := range recordings {
		scenes = append(scenes, timeline.Scene{Title: title, Events: es})
	}
	var b strings.Builder
	require.NoError(t, timeline.SVG(&b, scenes))
	return b.String()
}

var update = flag.Bool("update", false, "write testdata anew")

// The image of a recording with every kind of row, to the byte: look at it before you write it anew.
func TestSVGGolden(t *testing.T) {
	long := strings.Repeat("x", 2000)
	datagrams := talk("udp1", ">a >a <a >_ <_ >"+long+" <"+long[:500]+" }b {b >c >c >c >c >c")
	slow := play(
		at(100, 60_000, timeline.Event{Side: "client 10", Conn: "tcp1", Op: timeline.Dial, Text: "127.0.0.1:1"}),
		at(200, 50_000, timeline.Event{Side: "server", Conn: "tcp1", Op: timeline.Accept}),
		at(61_000, 90_000, send("client 10", "hi")), at(61_500, 95_000, recv("server", "hi")),
		at(95_100, 95_100, note("client 2", "looks on")), at(95_200, 0, does("server", timeline.Recv)),
		at(95_300, 95_400, fails("client 10", timeline.Send, "broken pipe")),
	)
	got := svgOf(t, "story", story(), datagrams, slow)
	if *update {
		require.NoError(t, os.WriteFile("testdata/story.svg", []byte(got), 0o644))
	}
	want, err := os.ReadFile("testdata/story.svg")
	require.NoError(t, err)
	require.Equal(t, string(want), got)
}

// bars are the coloured pieces of a lane, from top to bottom.
func (img image) bars(lane int) []shape {
	lanes := img.with("line", "lane")
	bars := slices.DeleteFunc(
		slices.Concat(img.with("rect", "c"), img.with("rect", "unsure")),
		func(s shape) bool {
			return !near(s.x+8, lanes[lane].x)
		},
	)
	slices.SortStableFunc(bars, func(a, b shape) int { return int(math.Round(a.y - b.y)) })
	return bars
}

func classes(shapes []shape) string {
	var words []string
	for _, s := range shapes {
		words = append(words, strings.TrimPrefix(s.class, "ribbon "))
	}
	return strings.Join(words, " ")
}

// A send is a bar as high as its bytes; a read is made of the colours of what it took, with a gap where
// a boundary was lost and a tick where one was kept.
func TestSVGBars(t *testing.T) {
	draw := func(conn, script string) image { return parse(t, svgOf(t, "", talk(conn, script))) }
	glued := draw("tcp1", ">hello >worldworld <helloworldworld")
	require.Equal(t, "c0 c1", classes(glued.bars(0)))
	require.Equal(t, "c0 c1", classes(glued.bars(1)))
	a, b := glued.bars(0)[0], glued.bars(0)[1]
	require.Equal(t, []float64{15, 30}, []float64{a.h, b.h}, "3 pixels a byte")
	a, b = glued.bars(1)[0], glued.bars(1)[1]
	require.Equal(t, []float64{15, 30, a.y + 15}, []float64{a.h, b.h, b.y})
	gaps, ticks := glued.with("rect", "gap"), glued.with("line", "tick")
	require.Len(t, gaps, 1)
	require.True(t, near(gaps[0].y+1.5, b.y) && near(gaps[0].x, b.x) && gaps[0].w == b.w)
	require.Len(t, ticks, 2)
	require.True(t, near(ticks[0].y, a.y) && near(ticks[1].y, b.y+b.h))
	require.True(t, ticks[0].x < a.x && ticks[0].x+ticks[0].w > a.x+a.w, "it sticks out")
	require.Equal(t, "c0 c1", classes(glued.with("path", "ribbon")))

	cut := draw("tcp1", ">hello <he <llo")
	require.Equal(t, "c0", classes(cut.bars(0)))
	require.Equal(t, 24.0, cut.bars(0)[0].h, "a piece has 12 pixels at least")
	require.Equal(t, "c0 c0", classes(cut.bars(1)))
	require.Empty(t, cut.with("rect", "gap"))
	ticks = cut.with("line", "tick")
	require.Len(t, ticks, 2)
	first, second := cut.bars(1)[0], cut.bars(1)[1]
	require.True(
		t,
		near(ticks[0].y, first.y) && near(ticks[1].y, second.y+second.h),
		"not where it was cut",
	)

	whole := draw("tcp1", ">a <a >b <b")
	require.Len(t, whole.with("line", "tick"), 4)
	letters := []string{}
	for _, s := range whole.with("text", "letter") {
		letters = append(letters, s.text)
	}
	require.Equal(t, []string{"A", "A", "B", "B"}, letters)

	long := draw("tcp1", ">"+strings.Repeat("x", 3000)+" >y <"+strings.Repeat("x", 1024))
	require.InDelta(t, 104, long.bars(0)[0].h, 0.2, "the longest")
	require.Equal(t, 12.0, long.bars(0)[1].h)
	require.InDelta(t, 104*1024/3000.0, long.bars(1)[0].h, 0.2)

	long = draw("tcp1", ">"+strings.Repeat("x", 3000)+" <"+strings.Repeat("x", 3000))
	require.InDelta(t, 104, long.bars(0)[0].h, 0.2)

	sure := draw("udp1", ">x >x >y <x <y")
	require.Equal(t, "c0 c1 c2", classes(sure.bars(0)))
	require.Equal(t, "unsure c2", classes(sure.bars(1)))
	require.Equal(t, "c2", classes(sure.with("path", "ribbon")))
	empty := draw("udp1", ">_ <_ >_")
	require.Equal(t, []float64{6, 6}, []float64{empty.bars(0)[0].h, empty.bars(1)[0].h})
	colours := draw("tcp1", ">1 <1 >2 <2 >3 <3 >4 <4 >5 <5 >6 <6 >7 <7")
	require.Equal(t, "c0 c1 c2 c3 c4 c5 c0", classes(colours.bars(0)))
	require.Len(t, colours.with("text", "dark"), 6, "letters on bright colours")
}

// Bytes that nobody read are hatched, and say so.
func TestSVGNeverRead(t *testing.T) {
	img := parse(t, svgOf(t, "", talk("tcp1", ">hello >x <he }abc")))
	hatched := slices.DeleteFunc(
		slices.Clone(img.shapes),
		func(s shape) bool { return s.attr["fill"] != "url(#never)" },
	)
	require.Len(t, hatched, 3)
	a, x := img.bars(0)[0], img.bars(0)[1]
	require.True(
		t,
		near(hatched[0].y, a.y+12) && near(hatched[0].h, 12) && near(hatched[0].x, a.x+16),
		"the last 3 bytes",
	)
	require.True(t, near(hatched[1].y, x.y) && near(hatched[1].h, x.h))
	back := img.bars(1)[1]
	require.True(t, near(hatched[2].x+40, back.x), "to the left")
	require.Len(t, img.with("path", "cross"), 3)
	faded := img.with("rect", "gap")
	require.Len(t, faded, 1)
	require.True(t, near(faded[0].y, a.y+12) && near(faded[0].h, 12))
	texts := img.texts()
	require.Contains(t, texts, "3 never read")
	require.Equal(t, 2, count(texts, "never read"))
	require.Contains(t, parse(t, svgOf(t, "", talk("tcp1", ">ab <a"))).texts(), "1 never read")
	require.Empty(t, parse(t, svgOf(t, "", talk("tcp1", ">hello <hello"))).with("path", "cross"))
}

// A title that is too long for one line goes on in the next, and what follows stands lower.
func TestSVGLongTitle(t *testing.T) {
	one := parse(t, svgOf(t, "short", talk("tcp1", ">x <x")))
	words := strings.TrimSpace(strings.Repeat("nineteen characters ", 10))
	long := parse(t, svgOf(t, words, talk("tcp1", ">x <x")))
	titles := long.with("text", "title")
	require.Len(t, titles, 2)
	require.Equal(t, words, titles[0].text+" "+titles[1].text)
	for _, line := range titles {
		require.LessOrEqual(t, line.x+9.05*float64(len(line.text)), long.width-24)
	}
	require.InDelta(t, titles[0].y+20, titles[1].y, 0.1)
	require.InDelta(t, one.bars(0)[0].y+20, long.bars(0)[0].y, 0.1)
	require.InDelta(t, one.height+20, long.height, 0.1)
}

// How many bytes of a send nobody read stands beside its bar, where they are, below its own words and
// above those of the next row; no ribbon runs there.
func TestSVGNeverReadBeside(t *testing.T) {
	for _, sent := range []int{5, 3000} {
		script := ">" + strings.Repeat("x", sent) + " <xx >y <" + strings.Repeat("x", sent-4)
		img := parse(t, svgOf(t, "", talk("tcp1", script)))
		a, next := img.bars(0)[0], img.bars(0)[1]
		texts := img.with("text", "plain")
		words := texts[slices.IndexFunc(texts, func(s shape) bool { return strings.HasPrefix(s.text, "send") })]
		i := slices.IndexFunc(img.shapes, func(s shape) bool { return s.text == "2 never read" })
		never := img.shapes[i]
		letter := img.with("text", "letter")[0]
		require.Less(t, letter.y, a.y+a.h-12, "the letter stands on what was read")
		require.InDelta(t, words.x, never.x, 0.1)
		require.Contains(t, never.class, "end")
		require.GreaterOrEqual(t, never.y, words.y+16)
		require.Greater(t, never.y, a.y+a.h-12, "where the last bytes are")
		require.Greater(t, next.y, never.y)
		require.Less(t, never.y, a.y+a.h+30)
	}
}

// Between the first lanes a ribbon has most of its change of height behind it where the texts of the
// lane in the middle stand, whichever way it goes; between the last two there are no texts.
func TestSVGRibbonsPassTexts(t *testing.T) {
	es := play(
		at(1, 2, on("tcp1", send("a", "12"))[0]), at(3, 4, on("tcp2", send("b", "34"))[0]),
		at(5, 6, note("a", "later")), at(7, 8, note("a", "still later")),
		at(9, 10, on("tcp1", recv("b", "12"))[0]), at(11, 12, on("tcp2", recv("server", "34"))[0]),
		at(13, 14, on("tcp1", send("b", "56"))[0]), at(15, 16, note("b", "waits")),
		at(17, 18, on("tcp1", recv("a", "56"))[0]),
	)
	img := parse(t, svgOf(t, "", es))
	lanes, ribbons := img.with("line", "lane"), img.with("path", "ribbon")
	require.Len(t, lanes, 3)
	require.Len(t, ribbons, 3)
	for _, r := range ribbons {
		from, _, to, _, _ := r.ends()
		left, right := min(from, to), max(from, to)
		if bend := r.path[2]; near(left, lanes[1].x) {
			require.InDelta(t, (left+right)/2, bend, 0.1)
		} else {
			require.InDelta(t, left+45, bend, 5)
		}
	}
}

func count(texts []string, text string) int {
	n := 0
	for _, s := range texts {
		if s == text {
			n++
		}
	}
	return n
}

// Time runs downwards: in equal steps, and in proportion where it is long.
func TestSVGTime(t *testing.T) {
	clocks := func(es ...timeline.Event) []float64 {
		var ys []float64
		for _, s := range parse(t, svgOf(t, "", play(es...))).with("text", "dim") {
			if _, err := strconv.ParseFloat(s.text, 64); err == nil {
				ys = append(ys, s.y)
			}
		}
		return ys
	}
	n := func(us int64) timeline.Event { return at(us, us, note("c", fmt.Sprint(us))) }
	short := clocks(n(100), n(200), n(9_000))
	require.InDeltaSlice(t, []float64{24, 24}, []float64{short[1] - short[0], short[2] - short[1]}, 0.2)
	long := clocks(n(100), n(200), n(40_200), n(60_200))
	require.InDeltaSlice(
		t,
		[]float64{24, 110, 55},
		[]float64{long[1] - long[0], long[2] - long[1], long[3] - long[2]},
		0.2,
	)
	require.Contains(t, parse(t, svgOf(t, "", play(n(60_280)))).texts(), "60.3")
	edge := clocks(n(100), n(10_100), n(10_200))
	require.InDeltaSlice(t, []float64{110, 24}, []float64{edge[1] - edge[0], edge[2] - edge[1]}, 0.2)
}

// Calls that take long have a mark from begin to return.
func TestSVGWaits(t *testing.T) {
	img := parse(t, svgOf(t, "", play(
		at(100, 60_000, timeline.Event{Side: "c", Conn: "tcp1", Op: timeline.Dial, Text: "x"}),
		at(200, 50_000, timeline.Event{Side: "s", Conn: "tcp1", Op: timeline.Accept}),
		at(61_000, 90_000, send("c", "hi")), at(61_500, 95_000, recv("s", "hi")),
		at(96_000, 0, does("s", timeline.Recv)), at(97_000, 120_000, fails("c", timeline.Send, "no")),
	)))
	waits := img.with("rect", "wait")
	require.Len(t, waits, 5)
	for _, w := range waits {
		require.Greater(t, w.h, 20.0)
		require.Equal(t, 7.0, w.w)
	}
	lanes := img.with("line", "lane")
	require.True(t, near(waits[0].x+3.5, lanes[1].x), "the accept")
	require.True(t, near(waits[1].x+3.5, lanes[0].x), "the dial")
}

// Dials and accepts, closes and ends are joined by thin arrows: at once within a row, later from
// row to row.
func TestSVGArrows(t *testing.T) {
	arrows := func(es ...timeline.Event) [][]float64 {
		var paths [][]float64
		img := parse(t, svgOf(t, "", play(es...)))
		require.Len(t, img.with("path", "tip"), len(img.with("path", "arrow")))
		for _, s := range img.with("path", "arrow") {
			paths = append(paths, s.path)
		}
		return paths
	}
	dial, accept := does("c", timeline.Dial), does("s", timeline.Accept)
	level := func(p []float64) bool { return p[1] == p[3] }
	down := func(p []float64) bool { return p[1] < p[3] }
	got := arrows(dial, accept)
	require.Len(t, got, 1)
	require.True(t, level(got[0]) && got[0][0] < got[0][2])
	got = arrows(dial, note("c", "x"), accept)
	require.Len(t, got, 1)
	require.True(t, down(got[0]))
	require.Empty(t, arrows(accept), "nobody dialled")
	require.Empty(t, arrows(fails("c", timeline.Dial, "x"), accept))
	got = arrows(at(1, 5, dial), at(6, 90_000, accept))
	require.Len(t, got, 1, "from the dial to the return of the accept")
	require.Greater(t, got[0][3]-got[0][1], 100.0)

	got = arrows(does("s", timeline.Close), does("c", timeline.EOF))
	require.Len(t, got, 1)
	require.True(t, level(got[0]) && got[0][0] > got[0][2], "leftwards")
	got = arrows(
		does("s", timeline.Close),
		note("c", "x"),
		does("c", timeline.EOF),
		does("c", timeline.EOF),
	)
	require.Len(t, got, 1, "once")
	require.True(t, down(got[0]))
	require.Len(t, arrows(does("s", timeline.CloseWrite), note("c", "x"), does("c", timeline.EOF)), 1)
	half := arrows(does("s", timeline.CloseWrite), does("s", timeline.Close), does("c", timeline.EOF))
	reset := arrows(
		does("s", timeline.CloseWrite),
		does("s", timeline.Close),
		does("c", timeline.Reset),
	)
	require.Len(t, half, 1)
	require.Len(t, reset, 1)
	require.True(t, level(half[0]) && level(reset[0]), "side by side")
	half = arrows(
		does("s", timeline.CloseWrite),
		does("s", timeline.Close),
		note("c", "x"),
		does("c", timeline.EOF),
	)
	reset = arrows(
		does("s", timeline.CloseWrite),
		does("s", timeline.Close),
		note("c", "x"),
		does("c", timeline.Reset),
	)
	require.InDelta(t, 24, reset[0][1]-half[0][1], 0.2, "the close resets, the half-close ends")
	require.Empty(t, arrows(does("c", timeline.Close), does("c", timeline.EOF)), "its own close")
	require.Empty(
		t,
		arrows(does("s", timeline.Close), on("tcp2", does("c", timeline.EOF))[0]),
		"another connection",
	)
	require.Empty(
		t,
		arrows(
			timeline.Event{Side: "s", Op: timeline.Close},
			timeline.Event{Side: "c", Op: timeline.EOF},
		),
	)
	got = arrows(at(1, 2, does("s", timeline.Close)), at(3, 90_000, does("c", timeline.EOF)))
	require.Len(t, got, 1)
	require.Greater(t, got[0][3]-got[0][1], 100.0, "to the return of the read, not to its begin")
	require.Empty(t, arrows(send("c", "x"), recv("s", "x")), "bytes have ribbons")
}

// Remarks have a column of their own, with a rule to their time; what was folded has none.
func TestSVGRemarks(t *testing.T) {
	long := strings.Repeat("words ", 20)
	es := []timeline.Event{send("client", "x"), {Op: timeline.State, Text: long}, recv("server", "x")}
	img := parse(
		t,
		svgOf(
			t,
			"",
			play(append(es, slices.Repeat([]timeline.Event{note("client", "again")}, 9)...)...),
		),
	)
	rules := img.with("line", "rule")
	require.Len(t, rules, 2, "the connection, and the remark")
	right := img.with("line", "lane")[1].x + 8 + 8 + 250
	lines := 0
	for _, s := range img.with("text", "dim") {
		if strings.HasPrefix(s.text, "·") || strings.HasPrefix(s.text, "words") ||
			strings.HasPrefix(s.text, "⋮") {
			require.GreaterOrEqual(t, s.x, right, "beside the texts of the lanes")
			require.LessOrEqual(t, s.x+7.25*float64(timeline.Width(s.text)), img.width)
			lines++
		}
	}
	require.Greater(t, lines, 6, "wrapped")
	require.Contains(t, strings.Join(img.texts(), " "), "⋮ the same 8 more times,")
}

// Texts stand outside the lanes, in the tone of their cells.
func TestSVGTexts(t *testing.T) {
	img := parse(t, svgOf(t, "", play(
		send(
			"client",
			"x",
		),
		recv("server", "x"),
		note("client", "says"),
		fails("server", timeline.Recv, "bad"),
		at(5_000, 0, does("client", timeline.Recv)),
		does("server", timeline.Close),
	)))
	lanes := img.with("line", "lane")
	for text, class := range map[string]string{
		"client": "end side", "server": "side", `send 1 "x"  A`: "end plain", `recv 1 "x"  A`: "plain",
		"says":      "end said",
		"recv: bad": "bad", "recv: waiting": "end dim", "close": "plain",
	} {
		i := slices.IndexFunc(
			img.shapes,
			func(s shape) bool { return s.name == "text" && s.text == text },
		)
		require.GreaterOrEqual(t, i, 0, text)
		s := img.shapes[i]
		require.Equal(t, class, s.class, text)
		if strings.HasPrefix(class, "end ") {
			require.InDelta(t, lanes[0].x-16, s.x, 0.2)
		} else {
			require.InDelta(t, lanes[1].x+16, s.x, 0.2)
		}
	}
	empty := note("client", "has")
	empty.Data = []byte{}
	require.Contains(t, parse(t, svgOf(t, "", play(empty))).texts(), `has ""`)
	one := parse(t, svgOf(t, "", play(note("only", "x"))))
	require.Equal(t, "side", one.with("text", "side")[0].class)
}

// With many lanes a picture gets wider, and every lane can still be read.
func TestSVGManyLanes(t *testing.T) {
	for _, lanes := range []int{1, 2, 3, 4, 15, 40} {
		es := crowd(lanes - 1)
		if lanes == 1 {
			es = play(note("server", "x"))
		}
		img := parse(t, svgOf(t, "crowd", es))
		lines, names := img.with("line", "lane"), img.with("text", "side")
		require.Len(t, lines, lanes)
		require.Len(t, names, lanes)
		for i := 1; i < lanes; i++ {
			require.Greater(t, lines[i].x, lines[i-1].x+150)
		}
		require.Less(t, lines[lanes-1].x+215, img.width, "the last lane is in the picture")
		require.Equal(t, lanes > 2, img.width > 992)
	}
}

// On generated recordings: ribbons join the bytes of a send with the same bytes of a read and nothing
// else, no row stands above the one before, and nothing leaves the picture.
func TestSVGGenerated(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	r := rand.New(rand.NewPCG(seed, 3))
	for range 12 {
		g := generate(r)
		img := parse(t, svg(t, g.events))
		g.ribbons(t, img)
		last := 0.0
		for _, s := range img.with("text", "dim") {
			if _, err := strconv.ParseFloat(s.text, 64); err == nil && s.x == 56 {
				require.Greater(t, s.y, last)
				last = s.y
			}
		}
		for _, s := range img.shapes {
			require.GreaterOrEqual(t, s.h, 0.0)
			if s.name == "rect" || s.name == "text" {
				require.LessOrEqual(t, s.y+s.h, img.height+0.1, "%v", s)
				require.True(t, s.x >= 0 && s.x <= img.width, "%v", s)
			}
		}
	}
}

func (g generated) ribbons(t *testing.T, img image) {
	p := timeline.Lay(g.events)
	sends, want := map[int]bool{}, 0
	for _, row := range p.Rows {
		for _, c := range row.Cells {
			for _, b := range c.Bytes {
				switch {
				case c.Event.Op == timeline.Send:
					sends[b.Send] = true
				case len(b.Names) == 1 && sends[b.Send]:
					want++
				}
			}
		}
	}
	ribbons := img.with("path", "ribbon")
	require.Len(t, ribbons, want)
	bars := img.with("rect", "c")
	for _, r := range ribbons {
		x1, y1, x2, y2, h := r.ends()
		class := strings.TrimPrefix(r.class, "ribbon ")
		require.True(t, slices.ContainsFunc(bars, func(s shape) bool {
			return s.class == class && near(s.x+8, x1) && s.y <= y1+0.3 && s.y+s.h >= y1+h-0.3
		}), "no send at %v", r)
		require.True(t, slices.ContainsFunc(bars, func(s shape) bool {
			return s.class == class && near(s.x+8, x2) && near(s.y, y2) && near(s.h, max(h, 2))
		}), "no read at %v", r)
		require.NotEqual(t, x1, x2)
		require.GreaterOrEqual(t, y2, y1-0.2, "upwards")
	}
}
