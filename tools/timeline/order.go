package timeline

import "slices"

// causal puts events into the order in which a picture shows them. Two things that happen at the same time on two
// sides are recorded in whatever order the scheduler chose; drawn in that order, the same conversation would look
// different each time. Here only what must be kept is kept: the order on each side, sends before the reads of
// their bytes, a dial before its accept, a close before the end that the peer meets, and everything before and after
// a State. What is left open is decided in one way: an effect follows its cause at once, and otherwise the side that
// acted last goes on, or else the next lane.
func causal(events []Event) []Event {
	causes := causesOf(events)
	waiting := make([]int, len(events)) // causes not yet placed
	effects := make([][]int, len(events))
	for i, cs := range causes {
		waiting[i] = len(cs)
		for _, c := range cs {
			effects[c] = append(effects[c], i)
		}
	}
	sides := append(lanesOf(events), "")
	next := map[string][]int{} // events of each side not yet placed
	for i, e := range events {
		next[e.Side] = append(next[e.Side], i)
	}
	ready := func(side string) (int, bool) {
		q := next[side]
		return first(q), len(q) > 0 && waiting[q[0]] == 0
	}
	placed := make([]Event, 0, len(events))
	last := -1
	for len(placed) < len(events) {
		choice := -1
		if last >= 0 {
			for _, i := range effects[last] {
				if events[i].Side != events[last].Side && waiting[i] == 0 && first(next[events[i].Side]) == i {
					choice = i
					break
				}
			}
			if i, ok := ready(events[last].Side); choice < 0 && ok {
				choice = i
			}
		}
		for _, side := range sides {
			if i, ok := ready(side); choice < 0 && ok {
				choice = i
			}
		}
		if choice < 0 { // cannot happen: every cause has a lower Seq than its effect
			return events
		}
		placed = append(placed, events[choice])
		next[events[choice].Side] = next[events[choice].Side][1:]
		for _, i := range effects[choice] {
			waiting[i]--
		}
		last = choice
	}
	return placed
}

func first(q []int) int {
	if len(q) == 0 {
		return -1
	}
	return q[0]
}

// causesOf lists for each event the earlier events that it cannot come before.
func causesOf(events []Event) [][]int {
	type half struct{ conn, side string }
	causes := make([][]int, len(events))
	lastOf := map[string]int{}     // side → its last event
	lastScene := -1                // the last event that belongs to the scene itself
	dialled := map[string]int{}    // conn → dial
	sends := map[half][]int{}      // sends, by the sending half
	sentTo := map[half]int{}       // stream offset reached by the sends already taken as causes
	taken := map[half]int{}        // how many of them
	readTo := map[half]int{}       // stream offset reached by the reads, by the reading half
	closed := map[half][]int{}     // closes and half-closes, by the closing half
	other := map[string][]string{} // conn → its sides
	for i, e := range events {
		add := func(c int) {
			if c >= 0 && c < i {
				causes[i] = append(causes[i], c)
			}
		}
		if e.Side == "" {
			for _, l := range lastOf {
				add(l)
			}
		} else if lastScene >= 0 {
			add(lastScene)
		}
		if l, ok := lastOf[e.Side]; ok {
			add(l)
		}
		lastOf[e.Side] = i
		if e.Side == "" {
			lastScene = i
		}
		if e.Conn == "" && e.Op != Dial {
			continue
		}
		me := half{e.Conn, e.Side}
		if !slices.Contains(other[e.Conn], e.Side) {
			other[e.Conn] = append(other[e.Conn], e.Side)
		}
		var peers []half
		for _, s := range other[e.Conn] {
			if s != e.Side {
				peers = append(peers, half{e.Conn, s})
			}
		}
		switch e.Op {
		case Dial:
			dialled[e.Conn] = i
			for l, x := range events[:i] {
				if x.Op == Listen && x.Text == e.Text {
					add(l)
				}
			}
		case Accept:
			if d, ok := dialled[e.Conn]; ok {
				add(d)
			}
		case Send:
			if e.Err == "" || e.N > 0 {
				sends[me] = append(sends[me], i)
			}
		case Close, CloseWrite:
			closed[me] = append(closed[me], i)
		case Recv:
			if e.Err != "" {
				break
			}
			readTo[me] += e.N
			for _, p := range peers {
				for taken[p] < len(sends[p]) && (e.packet() || sentTo[p] < readTo[me]) {
					sent := events[sends[p][taken[p]]]
					add(sends[p][taken[p]])
					sentTo[p] += sent.N
					taken[p]++
					if e.packet() && cameAs(sent, e) { // one datagram a read; those before it were dropped
						break
					}
				}
			}
		case EOF, Reset:
			for _, p := range peers {
				for _, c := range closed[p] {
					add(c)
				}
			}
		}
	}
	return causes
}
