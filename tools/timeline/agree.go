package timeline

import (
	"bytes"
	"cmp"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
)

// Agree compares two recordings of one scene. They agree if, side by side and connection by
// connection, the operations and their bytes are the same in the same order. Left out are times and
// ports, the reasons of failures, how many bytes of a failed write were taken, verdicts, and how
// reads divided bytes between them as long as their side did nothing else in between. Of equal
// datagrams that were read in a row it does not matter how many there were. Nor does it matter whether data is
// acknowledged by a segment of its own in front of the data that acknowledges it as well: which of the two the
// kernel does depends on whether the program reads at that moment.
//
// The error names the first step that differs.
func Agree(want, got []Event) error {
	a, b := stepsOf(want), stepsOf(got)
	keys := slices.Sorted(maps.Keys(a))
	for _, key := range slices.Sorted(maps.Keys(b)) {
		if _, ok := a[key]; !ok {
			keys = append(keys, key)
		}
	}
	for _, key := range keys {
		for i := range max(len(a[key]), len(b[key])) {
			x, y := stepAt(a[key], i), stepAt(b[key], i)
			if !x.same(y) {
				before, now := describe(x, y)
				return fmt.Errorf("%s, step %d: %s before, %s now", clean(key), i+1, before, now)
			}
		}
	}
	return nil
}

// step is an event without what may differ from play to play.
type step struct {
	op     Op     // "" for a step that is missing
	state  string // of the call: it failed, it still blocks, or ""
	n      int
	data   []byte
	text   string
	conn   string
	packet bool
	header *Header // of a segment
}

func stepAt(steps []step, i int) step {
	if i < len(steps) {
		return steps[i]
	}
	return step{}
}

func (s step) same(o step) bool {
	common := min(len(s.data), len(o.data))
	return s.op == o.op && s.state == o.state && s.n == o.n && s.text == o.text && s.conn == o.conn &&
		bytes.Equal(s.data[:common], o.data[:common])
}

// describe says what two steps are, so that one sees how they differ.
func describe(x, y step) (string, string) {
	a, b := x.String(), y.String()
	if a != b {
		return a, b
	}
	rest := func(s step) string {
		if s.conn == "" {
			return fmt.Sprintf(" (%d)", s.n)
		}
		return fmt.Sprintf(" (%d, %s)", s.n, clean(s.conn))
	}
	return a + rest(x), b + rest(y)
}

func (s step) String() string {
	switch {
	case s.op == "":
		return "nothing more"
	case s.state != "":
		return string(s.op) + " that " + s.state
	case s.op == Send || s.op == Recv:
		kept := s.data[:min(len(s.data), previewBytes)]
		return fmt.Sprintf(`%s %d "%s"`, s.op, s.n, preview(kept, s.n > len(kept)))
	case s.text != "":
		return fmt.Sprintf("%s %q", s.op, clean(s.text))
	}
	return string(s.op)
}

// stepsOf sorts events by side and, where a side has several connections, by connection: what one of
// them does does not wait for another.
func stepsOf(events []Event) map[string][]step {
	events = inOrder(slices.Clone(events))
	names := connNames(events)
	conns := map[string]map[string]bool{} // side → its connections
	for _, e := range events {
		if conns[e.Side] == nil {
			conns[e.Side] = map[string]bool{}
		}
		if e.Conn != "" {
			conns[e.Side][e.Conn] = true
		}
	}
	steps := map[string][]step{}
	for _, e := range events {
		if e.Op == Verdict {
			continue
		}
		key := cmp.Or(e.Side, "the scene")
		if e.travels() { // a program's call and a segment may overtake each other
			key = "segments of " + key
		}
		if len(conns[e.Side]) > 1 && e.Conn != "" {
			key += " on " + names[e.Conn]
		}
		s, all := stepOf(e, names[e.Conn]), steps[key]
		if n := len(all); n > 0 && s.header.alsoSays(all[n-1].header) && all[n-1].conn == s.conn {
			all[n-1] = s
			continue
		}
		steps[key] = appendStep(all, s)
	}
	return steps
}

// alsoSays reports whether h has data and acknowledges the same data as before, which has none.
func (h *Header) alsoSays(before *Header) bool {
	return h != nil && before != nil && before.Flags == "ACK" && before.Len == 0 && before.Ack > 1 &&
		h.Len > 0 && h.Seq == before.Seq && h.Ack == before.Ack
}

// connNames calls each connection by its sides, and by its number among those of the same sides.
func connNames(events []Event) map[string]string {
	sides := map[string][]string{}
	var order []string
	for _, e := range events {
		if e.Conn == "" {
			continue
		}
		if sides[e.Conn] == nil {
			order = append(order, e.Conn)
		}
		if !slices.Contains(sides[e.Conn], e.Side) {
			sides[e.Conn] = append(sides[e.Conn], e.Side)
		}
	}
	count, names := map[string]int{}, map[string]string{}
	for _, conn := range order {
		slices.Sort(sides[conn])
		who := strings.Join(sides[conn], " and ")
		count[who]++
		names[conn] = fmt.Sprintf("connection %d of %s", count[who], who)
	}
	return names
}

var (
	ports     = regexp.MustCompile(`(127\.0\.0\.1|\[::1\]):\d+`)
	durations = regexp.MustCompile(`\d+(\.\d+)? ?(ns|µs|us|ms|s)\b`)
)

func stepOf(e Event, conn string) step {
	s := step{op: e.Op, conn: conn, packet: e.packet()}
	switch e.Op {
	case Listen, Accept, Dial, EOF, Reset, Timeout:
	case Send, Recv:
		if e.Err == "" {
			s.n, s.data = e.N, slices.Clone(e.Data)
		}
	case Segment:
		s.text, s.header = e.Header.String(), e.Header
	default:
		s.n, s.data = e.N, e.Data
		s.text = durations.ReplaceAllString(ports.ReplaceAllString(e.Text, "$1:port"), "some $2")
	}
	switch {
	case e.blocks():
		s.state, s.n, s.data = "blocks", 0, nil
	case e.Err != "" && e.Op != EOF && e.Op != Reset && e.Op != Timeout:
		s.state = "failed"
	}
	return s
}

// appendStep appends a step, or adds a read to the one before it.
func appendStep(steps []step, s step) []step {
	if len(steps) == 0 {
		return append(steps, s)
	}
	last := &steps[len(steps)-1]
	switch {
	case s.op != Recv || last.op != Recv || s.state != "" || last.state != "" || last.conn != s.conn:
	case s.packet && last.same(s):
		return steps
	case !s.packet:
		if last.n == len(last.data) { // all of it is kept
			last.data = append(last.data, s.data...)
		}
		last.n += s.n
		return steps
	}
	return append(steps, s)
}
