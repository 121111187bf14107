package timeline_test

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"socketbook/tools/timeline"
)

// Generated recordings, of which the truth is known, keep the rules of a picture: P1 to P8.
func TestRulesOfPictures(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	r := rand.New(rand.NewPCG(seed, 7))
	for i := range 25 {
		g := generate(r)
		if !t.Run(strconv.Itoa(i), func(t *testing.T) { g.check(t) }) {
			t.Fatalf("seed %d: %s", seed, encode(t, g.events))
		}
	}
}

func (g generated) check(t *testing.T) {
	p := timeline.Lay(g.events)
	g.times(t, p)
	g.bytes(t, p)
	g.unread(t, p)
	g.waits(t, p)
	g.remarks(t, p)
	g.connections(t, p)
	g.lanes(t, p)
	g.text(t, p)
	g.again(t)
}

func (g generated) event(seq int) timeline.Event {
	for _, e := range g.events {
		if e.Seq == seq {
			return e
		}
	}
	return timeline.Event{}
}

// P1: no time is smaller than the one above it, and none is altered; P4 and folds: each event has its
// rows, on show or counted.
func (g generated) times(t *testing.T, p timeline.Picture) {
	cells, last := map[int]int{}, int64(0)
	hidden := 0
	for i, r := range p.Rows {
		require.GreaterOrEqual(t, r.US, last)
		last = max(r.US, r.Until)
		for _, c := range r.Cells {
			cells[c.Event.Seq]++
		}
		if e := r.Cells[0].Event; e.Seq > 0 {
			want := e.At()
			if cells[e.Seq] == 2 {
				want = e.End
			} else if c := r.Cells[0]; c.Tone == timeline.Waiting {
				want = e.US
			}
			require.Equal(t, want, r.US, "%v", e)
		}
		for _, shown := range p.Rows[max(0, i+1-r.Period) : i+1] {
			hidden += r.Again * len(shown.Cells)
		}
	}
	want, shown := 0, 0
	for _, e := range g.events {
		switch {
		case e.Op == timeline.Verdict:
		case e.End == 0:
			want++
		case e.End-e.US >= 10_000, e.Err != "" && (e.Op == timeline.Send || e.Op == timeline.Dial):
			want += 2
		default:
			want++
		}
	}
	for seq, n := range cells {
		if seq > 0 {
			shown += n
		}
	}
	require.Equal(t, want, shown+hidden)
}

// P2 and P8: a read's bytes are those of the sends that they came from, or it says that it may have
// been others; an arrow joins only what belongs together.
func (g generated) bytes(t *testing.T, p timeline.Picture) {
	letters := g.letters()
	for _, r := range p.Rows {
		for _, c := range r.Cells {
			switch {
			case c.Event.Op == timeline.Recv && c.Tone != timeline.Waiting:
				g.oneRead(t, c, letters)
			case c.Event.Op == timeline.Send && len(c.Bytes) > 0:
				require.True(t, strings.HasPrefix(c.Label, letters[c.Event.Seq]), c.Label)
				require.Equal(t, letters[c.Event.Seq], c.Bytes[0].Names[0])
			}
		}
		if len(r.Cells) == 2 && r.Cells[0].Event.Op == timeline.Send {
			a, b := r.Cells[0].Event, r.Cells[1].Event
			require.Equal(t, []run{{a.Seq, 0, a.N}}, g.took[b.Seq], "a whole arrow")
			require.Less(t, b.End-a.US, int64(10_000), "P4")
		}
	}
}

func (g generated) oneRead(t *testing.T, c timeline.Cell, letters map[int]string) {
	truth := g.took[c.Event.Seq]
	require.Len(t, c.Bytes, len(truth), "%v", c.Event)
	for i, b := range c.Bytes {
		of := truth[i]
		require.Equal(t, []int{of.from, of.to}, []int{b.From, b.To})
		if len(b.Names) <= 3 {
			require.Contains(t, b.Names, letters[of.send])
		}
		if len(b.Names) == 1 {
			require.Equal(t, g.event(of.send).N, b.Of)
		}
	}
	require.NotEqual(t, timeline.Leaves, c.Arrow)
	if len(truth) == 1 && truth[0].from == 0 && truth[0].to == g.event(truth[0].send).N &&
		!g.equal[truth[0].send] {
		require.True(t, strings.HasPrefix(c.Label, letters[truth[0].send]), c.Label)
		require.NotContains(t, c.Label, "[")
	}
}

// letters names the sends that put something out, in the order of their begins.
func (g generated) letters() map[int]string {
	names := map[int]string{}
	for _, e := range g.events {
		packet := strings.HasPrefix(e.Conn, "udp")
		if e.Op == timeline.Send && (e.N > 0 || e.End == 0 || packet && e.Err == "") {
			names[e.Seq] = letter(len(names))
		}
	}
	return names
}

func letter(i int) string {
	if i < 26 {
		return string(rune('A' + i))
	}
	return letter(i/26-1) + letter(i%26)
}

// P3: what nobody read is marked, and nothing else is.
func (g generated) unread(t *testing.T, p timeline.Picture) {
	conns := map[string]map[string]bool{}
	for _, e := range g.events {
		if conns[e.Conn] == nil {
			conns[e.Conn] = map[string]bool{}
		}
		conns[e.Conn][e.Side] = true
	}
	any := false
	for _, r := range p.Rows {
		for _, c := range r.Cells {
			e := c.Event
			if e.Op != timeline.Send || len(c.Bytes) == 0 || e.End == 0 {
				continue
			}
			marked := 0
			for _, b := range c.Bytes {
				if b.Unread {
					marked += b.To - b.From
				}
			}
			packet := strings.HasPrefix(e.Conn, "udp")
			switch {
			case len(conns[e.Conn]) != 2:
				require.Zero(t, marked)
			case packet && g.equal[e.Seq]:
				require.True(t, marked == 0 || marked == e.N)
			default:
				require.Equal(t, g.left[e.Seq], marked, "%v", e)
				require.Equal(t, g.lost[e.Seq], c.Arrow == timeline.Lost)
				any = any || marked > 0
			}
		}
	}
	if any {
		require.NotEmpty(t, p.Unread)
	}
	require.True(t, p.Unread == "" || strings.HasPrefix(p.Unread, "never read: "))
}

// P4: a call that takes 10 ms says so where it returns, and has a row where it began.
func (g generated) waits(t *testing.T, p timeline.Picture) {
	rows := map[int]int{}
	for _, r := range p.Rows {
		for _, c := range r.Cells {
			rows[c.Event.Seq]++
			e := c.Event
			if e.End-e.US >= 10_000 && rows[e.Seq] == 2 {
				require.Contains(t, c.Words+c.Label, "after ")
			}
		}
	}
	for _, e := range g.events {
		if e.End-e.US >= 10_000 && e.Op != timeline.Verdict {
			require.Equal(t, 2, rows[e.Seq], "folded: %v", e)
		}
	}
}

// P5: what belongs to no side stands in no lane, and nothing else does.
func (g generated) remarks(t *testing.T, p timeline.Picture) {
	for _, r := range p.Rows {
		for _, c := range r.Cells {
			require.Equal(t, c.Lane < 0, c.Tone == timeline.Remark)
			require.Equal(t, c.Lane < 0, c.Event.Side == "")
			if c.Lane >= 0 {
				require.Equal(t, c.Event.Side, p.Lanes[c.Lane])
			}
		}
	}
}

// P6: a connection's first row is its dial or accept, or the line that names it. Of several, each dial,
// accept and such line says which it is, and so does each row of a side that has others meanwhile.
func (g generated) connections(t *testing.T, p timeline.Picture) {
	lives := map[string]map[string][2]int64{} // side → conn → from and to
	conns := map[string]bool{}
	for _, e := range g.events {
		if e.Conn == "" {
			continue
		}
		conns[e.Conn] = true
		if lives[e.Side] == nil {
			lives[e.Side] = map[string][2]int64{}
		}
		from := e.US
		if e.Op == timeline.Accept {
			from = e.End
		}
		life, ok := lives[e.Side][e.Conn]
		if !ok {
			life = [2]int64{from, from}
		}
		lives[e.Side][e.Conn] = [2]int64{min(life[0], from), max(life[1], e.US, e.End)}
	}
	crossed := func(e timeline.Event) bool {
		mine := lives[e.Side][e.Conn]
		for conn, other := range lives[e.Side] {
			if conn != e.Conn && mine[0] < other[1] && other[0] < mine[1] {
				return true
			}
		}
		return false
	}
	named := map[string]bool{}
	for _, r := range p.Rows {
		for _, c := range r.Cells {
			e := c.Event
			if e.Seq == 0 { // a line that names one
				conn, _, several := strings.Cut(c.Words, ": ")
				require.Equal(t, len(conns) > 1, several, c.Words)
				for _, only := range slices.Sorted(maps.Keys(conns)) {
					if several && only == conn || !several {
						require.False(t, named[only])
						named[only] = true
					}
				}
				continue
			}
			if e.Conn == "" {
				continue
			}
			if e.Op == timeline.Dial || e.Op == timeline.Accept {
				named[e.Conn] = true
				require.Equal(
					t,
					len(conns) > 1,
					strings.Contains(c.Label, e.Conn),
					"%q of %v",
					c.Label,
					e,
				)
			} else {
				require.Equal(t, crossed(e), strings.Contains(c.Label, e.Conn), "%q of %v", c.Label, e)
			}
			require.True(t, named[e.Conn], "%v", e)
		}
	}
}

// P7: the lanes stand in natural order, the server to the right.
func (g generated) lanes(t *testing.T, p timeline.Picture) {
	order := []string{"client 1", "client 2", "client 10", "third", "server"}
	at := -1
	for _, lane := range p.Lanes {
		i := slices.Index(order, lane)
		require.Greater(t, i, at, "%v", p.Lanes)
		at = i
	}
}

// The text says what the rows say: a clock for each row, in order, and lanes that stand still.
func (g generated) text(t *testing.T, p timeline.Picture) {
	out := draw(t, g.events, timeline.Style{Width: 200, Box: true})
	lines := strings.Split(strings.TrimSuffix(out, "\n"), "\n")
	columns := []int{}
	for i := range p.Lanes {
		width := (200 - 8 - 5*(len(p.Lanes)-1)) / len(p.Lanes)
		columns = append(columns, 8+i*(width+5))
		require.True(t, strings.HasPrefix(lines[0][columns[i]:], p.Lanes[i]))
	}
	row, last := 0, 0.0
	for _, line := range lines[1:] {
		require.LessOrEqual(t, timeline.Width(line), 200)
		if len(line) < 8 || strings.TrimSpace(line[:8]) == "" || strings.HasPrefix(line, "⇒") {
			continue
		}
		ms, err := strconv.ParseFloat(strings.TrimSpace(line[:8]), 64)
		require.NoError(t, err, line)
		require.GreaterOrEqual(t, ms, last)
		last = ms
		r := p.Rows[row]
		row++
		require.Equal(t, fmt.Sprintf("%.1f", float64(r.US)/1000), strings.TrimSpace(line[:8]))
		if r.Cells[0].Lane < 0 {
			require.True(t, strings.HasPrefix(line[8:], "· "), line)
			continue
		}
		require.NotContains(t, line, "·")
		for _, c := range r.Cells {
			word, _, _ := strings.Cut(c.Words, " ")
			require.Equal(
				t,
				word,
				atColumn(line, columns[c.Lane], len(word)),
				"%d in %s",
				columns[c.Lane],
				line,
			)
		}
		g.arrows(t, r, line)
	}
	require.Equal(t, len(p.Rows), row)
}

// atColumn cuts n columns out of a line.
func atColumn(line string, column, n int) string {
	at := 0
	for i := range line {
		if at == column {
			return line[i:min(len(line), i+n)]
		}
		at += timeline.Width(string([]rune(line[i:])[:1]))
	}
	return ""
}

// arrows reads back whether a line has a whole arrow, or which end of a broken one.
func (g generated) arrows(t *testing.T, r timeline.Row, line string) {
	whole, ends := strings.ContainsAny(line, "▶◀") &&
		!strings.Contains(line, "┈"), strings.Contains(
		line,
		"┈",
	)
	c := r.Cells[0]
	switch {
	case len(r.Cells) == 2:
		require.True(t, whole, line)
	case c.Arrow == timeline.Lost:
		require.Contains(t, line, "×")
	case c.Arrow == timeline.Arrives:
		require.True(t, ends && strings.ContainsAny(line, "▶◀"), line)
	case c.Arrow == timeline.Leaves:
		require.True(t, ends && !strings.ContainsAny(line, "▶◀"), line)
	default:
		require.False(t, whole || ends || strings.Contains(line, "×"), line)
	}
}

// The lines of JSON, read back, give the same picture, and the same recording.
func (g generated) again(t *testing.T) {
	lines := encode(t, g.events)
	back := decode(t, lines)
	require.Equal(t, g.events, back)
	require.NoError(t, timeline.Agree(g.events, back))
	require.Equal(t, lines, encode(t, back))
	st := timeline.Style{Width: 100, Box: true, Color: true}
	require.Equal(t, draw(t, g.events, st), draw(t, back, st))
	require.Equal(t, svg(t, g.events), svg(t, back))
	shuffled := slices.Clone(g.events)
	slices.Reverse(shuffled)
	require.Equal(t, draw(t, g.events, st), draw(t, shuffled, st))
	require.Equal(t, timeline.Verdicts(g.events), timeline.Verdicts(back))
}

func svg(t *testing.T, es []timeline.Event) string {
	t.Helper()
	var b strings.Builder
	require.NoError(t, timeline.SVG(&b, []timeline.Scene{{Title: "scene", Events: es}}))
	return b.String()
}
