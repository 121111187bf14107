package timeline

import (
	"fmt"
	"slices"
	"strconv"
)

// row is one line of a picture: what one side did, and, when it arrived at once and in one piece, what the other side saw of it.
type row struct {
	us       int64
	lane     int // of the event; -1 for the scene itself
	event    Event
	text     string
	toLane   int // where it arrived; -1 if the arrow ends between the lanes
	toEvent  Event
	toText   string
	repeated int // how often this row, and those since the last repeated one, came again
	period   int
}

// lanesOf returns the sides from left to right: those that listen stand to the right of the others; otherwise by name.
func lanesOf(events []Event) []string {
	var left, right []string
	for _, e := range events {
		if e.Side == "" || slices.Contains(left, e.Side) || slices.Contains(right, e.Side) {
			continue
		}
		listens := slices.ContainsFunc(events, func(x Event) bool {
			return x.Side == e.Side && (x.Op == Listen || x.Op == Accept)
		})
		if listens || e.Side == "server" {
			right = append(right, e.Side)
		} else {
			left = append(left, e.Side)
		}
	}
	slices.Sort(left)
	slices.Sort(right)
	return append(left, right...)
}

// atOnce is how far apart, in microseconds, two things may lie that a reader may take for simultaneous.
const atOnce = 1000

// rowsOf lays the events out in the order of cause and effect. Where that is not the order in which they happened, because
// neither of two had to do with the other, a row keeps its own time, which is then earlier than that of the row
// above. Only what happened at once gets the same time, so that the clock does not tremble.
func rowsOf(events []Event, lanes []string) []row {
	ordered := causal(events)
	var rows []row
	var clock int64
	for i := 0; i < len(ordered); i++ {
		e := ordered[i]
		if e.Op == Verdict {
			continue
		}
		r := row{us: e.US, lane: slices.Index(lanes, e.Side), event: e, text: describe(e), toLane: -1}
		if i+1 < len(ordered) && arrives(e, ordered[i+1]) {
			i++
			r.toEvent, r.toLane, r.toText = ordered[i], slices.Index(lanes, ordered[i].Side), describe(ordered[i])
		}
		clock = max(clock, r.us)
		if clock-r.us <= atOnce {
			r.us = clock
		}
		rows = append(rows, r)
	}
	return fold(rows)
}

// arrives reports whether b is the other side's view of a, whole.
func arrives(a, b Event) bool {
	if a.Conn == "" || a.Conn != b.Conn || a.Side == b.Side {
		return false
	}
	switch {
	case a.Op == Dial && b.Op == Accept:
		return a.Err == ""
	case a.Op == Send && b.Op == Recv:
		return a.Err == "" && a.N == b.N && a.Text == b.Text
	case a.Op == Close || a.Op == CloseWrite:
		return b.Op == EOF || b.Op == Reset && a.Op == Close
	}
	return false
}

// fold replaces rows that come again and again by one of each and a count.
func fold(rows []row) []row {
	same := func(a, b row) bool {
		return a.lane == b.lane && a.text == b.text && a.toLane == b.toLane && a.toText == b.toText
	}
	var out []row
	for i := 0; i < len(rows); {
		bestPeriod, bestTimes := 0, 0
		for period := 1; period <= 4; period++ {
			times := 1
			for i+(times+1)*period <= len(rows) {
				again := true
				for k := range period {
					again = again && same(rows[i+k], rows[i+times*period+k])
				}
				if !again {
					break
				}
				times++
			}
			if times >= 4 && (times-1)*period > (bestTimes-1)*bestPeriod {
				bestPeriod, bestTimes = period, times
			}
		}
		if bestTimes == 0 {
			out = append(out, rows[i])
			i++
			continue
		}
		out = append(out, rows[i:i+bestPeriod]...)
		out[len(out)-1].repeated, out[len(out)-1].period = bestTimes-1, bestPeriod
		i += bestPeriod * bestTimes
	}
	return out
}

// again is the line below rows that were folded.
func (r row) again() string {
	if r.period == 1 {
		return fmt.Sprintf("the same %d more times", r.repeated)
	}
	return fmt.Sprintf("these %d, %d more times", r.period, r.repeated)
}

// describe puts an event into a few words.
func describe(e Event) string {
	failed := func(what string) string { return what + ": " + e.Err }
	switch e.Op {
	case Listen, Dial, Accept:
		s := string(e.Op)
		if e.Op != Accept {
			s += " " + e.Text
		}
		if e.Err != "" {
			return failed(s)
		}
		return s
	case Send, Recv:
		if e.Err != "" && e.N == 0 {
			return failed(string(e.Op))
		}
		if e.Err != "" {
			return failed(fmt.Sprintf("%s %d", e.Op, e.N))
		}
		if e.N == 0 {
			return string(e.Op) + " 0 bytes"
		}
		return string(e.Op) + " " + strconv.Itoa(e.N) + ` "` + e.Text + `"`
	case EOF:
		return "end of file"
	case Reset:
		if e.brokenSend() {
			return failed("send")
		}
		return failed("recv")
	case Timeout:
		if e.brokenSend() {
			return fmt.Sprintf("send: %d bytes went, then the deadline passed", e.N)
		}
		return "recv: nothing until the deadline"
	case Close:
		if e.Text != "" {
			return "close the " + e.Text
		}
		return "close"
	case CloseWrite:
		return "close the writing half"
	case Note:
		if e.N > 40 {
			return fmt.Sprintf(`%s %d bytes "%s"`, e.Text, e.N, Preview(e.Data))
		}
		if e.Data != nil {
			return e.Text + ` "` + Preview(e.Data) + `"`
		}
	}
	return e.Text
}

// cuttable reports whether a picture may shorten the event's text: it ends with a preview of a payload.
func (e Event) cuttable() bool {
	return e.Err == "" && len(e.Data) > 0 && (e.Op == Send || e.Op == Recv || e.Op == Note)
}

// bad reports whether the event is one that a reader should notice.
func (e Event) bad() bool {
	return e.Err != "" || e.Op == Timeout || e.Op == Reset
}
