package timeline

import (
	"bytes"
	"cmp"
	"fmt"
	"regexp"
	"slices"
	"strings"
)

// Agree compares two recordings of one scene. They agree if, side by side and connection by connection, the operations and
// their bytes are the same in the same order. Left out are times and ports, the reasons of failures, how many
// bytes of a failed write were taken, verdicts, and how reads divided bytes between them as long as their side did
// nothing else in between. Of equal datagrams that were read in a row it does not matter how many there were.
//
// The error names the first step that differs.
func Agree(want, got []Event) error {
	a, b := stepsOf(want), stepsOf(got)
	for _, key := range slices.Sorted(mapsKeys(a, b)) {
		for i := range max(len(a[key]), len(b[key])) {
			x, y := at(a[key], i), at(b[key], i)
			if !x.same(y) {
				return fmt.Errorf("%s, step %d: %s before, %s now", key, i+1, x, y)
			}
		}
	}
	return nil
}

func mapsKeys(maps ...map[string][]step) func(func(string) bool) {
	keys := map[string]bool{}
	for _, m := range maps {
		for k := range m {
			keys[k] = true
		}
	}
	return func(yield func(string) bool) {
		for k := range keys {
			if !yield(k) {
				return
			}
		}
	}
}

// step is an event without what may differ from play to play.
type step struct {
	op      Op
	failed  bool
	n       int
	data    []byte
	text    string
	conn    string
	packet  bool
	missing bool
}

func at(steps []step, i int) step {
	if i < len(steps) {
		return steps[i]
	}
	return step{missing: true}
}

func (s step) same(o step) bool {
	common := min(len(s.data), len(o.data))
	return s.op == o.op && s.failed == o.failed && s.n == o.n && s.text == o.text && s.conn == o.conn &&
		s.missing == o.missing && bytes.Equal(s.data[:common], o.data[:common])
}

func (s step) String() string {
	switch {
	case s.missing:
		return "nothing more"
	case s.failed:
		return fmt.Sprintf("%s that failed", s.op)
	case s.op == Send || s.op == Recv:
		return fmt.Sprintf("%s %d %q", s.op, s.n, Preview(s.data))
	case s.text != "":
		return fmt.Sprintf("%s %q", s.op, s.text)
	}
	return string(s.op)
}

// stepsOf sorts events by side and, where a side has several connections, by connection: what one of them does does not
// wait for another.
func stepsOf(events []Event) map[string][]step {
	events = inOrder(slices.Clone(events))
	names := connNames(events)
	several := map[string]map[string]bool{}
	for _, e := range events {
		if several[e.Side] == nil {
			several[e.Side] = map[string]bool{}
		}
		if e.Conn != "" {
			several[e.Side][e.Conn] = true
		}
	}
	steps := map[string][]step{}
	for _, e := range events {
		if e.Op == Verdict {
			continue
		}
		key := cmp.Or(e.Side, "the scene")
		if len(several[e.Side]) > 1 && e.Conn != "" {
			key += " on " + names[e.Conn]
		}
		steps[key] = appendStep(steps[key], e, names[e.Conn])
	}
	return steps
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

func appendStep(steps []step, e Event, conn string) []step {
	s := step{op: e.Op, failed: e.Err != "" && e.Op != EOF && e.Op != Reset && e.Op != Timeout, conn: conn, packet: e.packet()}
	switch e.Op {
	case Listen, Dial, Accept, EOF, Reset, Timeout:
	case Send, Recv:
		if !s.failed {
			s.n, s.data = e.N, e.Data
		}
	default:
		s.n, s.data = e.N, e.Data
		s.text = durations.ReplaceAllString(ports.ReplaceAllString(e.Text, "$1:port"), "some $2")
	}
	if s.op == Recv && !s.failed && len(steps) > 0 {
		if last := &steps[len(steps)-1]; last.op == Recv && !last.failed && last.conn == s.conn {
			if s.packet && last.same(s) {
				return steps
			}
			if !s.packet {
				if last.n == len(last.data) { // all of it is kept
					last.data = append(slices.Clip(last.data), s.data...)
				}
				last.n += s.n
				return steps
			}
		}
	}
	return append(steps, s)
}
