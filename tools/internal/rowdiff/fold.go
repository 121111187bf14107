package rowdiff

// Stretch is a run of rows that are shown, or one that is folded away.
type Stretch struct {
	Rows   []Row
	Folded bool
}

// All is the context that folds nothing.
const All = -1

// Fold cuts rows into stretches. Shown are the rows that differ and, around each, context equal rows;
// the rest is folded, where that hides two rows at least: a fold takes one line itself.
func Fold(rows []Row, context int) []Stretch {
	if len(rows) == 0 {
		return nil
	}
	if context < 0 {
		return []Stretch{{Rows: rows}}
	}
	var out []Stretch
	shown := func(from, to int) {
		if from == to {
			return
		}
		if n := len(out); n > 0 && !out[n-1].Folded {
			out[n-1].Rows = rows[from-len(out[n-1].Rows) : to]
			return
		}
		out = append(out, Stretch{Rows: rows[from:to]})
	}
	for from := 0; from < len(rows); {
		to := from
		for to < len(rows) && rows[to].Same() {
			to++
		}
		first, last := from, to // what to fold
		if from > 0 {
			first = min(from+context, to)
		}
		if to < len(rows) {
			last = max(to-context, first)
		}
		if last-first >= 2 {
			shown(from, first)
			out = append(out, Stretch{rows[first:last], true})
			shown(last, to)
		} else {
			shown(from, to)
		}
		for from = to; to < len(rows) && !rows[to].Same(); to++ {
			continue
		}
		shown(from, to)
		from = to
	}
	return out
}
