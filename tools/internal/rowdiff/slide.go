package rowdiff

import "strings"

// slide moves each hunk that only adds or only removes lines to where a person would have cut. A block
// between equal lines can often be read as beginning a few lines earlier or later:
//
//	 }             }
//	+            +
//	+func g() {  +func g() {
//	+}           +}
//	               (the closing brace above, or this one?)
//
// The text is the same either way; the count of lines is, too.
func slide(hunks []hunk, a, b []string) []hunk {
	for n := range hunks {
		before, after := 0, len(a)-hunks[n].oldEnd
		if n > 0 {
			before = hunks[n-1].oldEnd + 1 // one equal line stays between two hunks
		}
		if n+1 < len(hunks) {
			after = hunks[n+1].oldStart - hunks[n].oldEnd - 1
		}
		h := &hunks[n]
		switch {
		case h.oldStart == h.oldEnd:
			by := bestSlide(b, h.newStart, h.newEnd, h.oldStart-before, after)
			*h = hunk{h.oldStart + by, h.oldEnd + by, h.newStart + by, h.newEnd + by}
		case h.newStart == h.newEnd:
			by := bestSlide(a, h.oldStart, h.oldEnd, h.oldStart-before, after)
			*h = hunk{h.oldStart + by, h.oldEnd + by, h.newStart + by, h.newEnd + by}
		}
	}
	return hunks
}

// maxSlide bounds the search for a better cut, in lines: thousands of equal lines are no better cut
// anywhere.
const maxSlide = 100

// bestSlide returns by how many lines the block lines[start:end] should move: down if positive. It may
// move up by at most up lines and down by at most down.
func bestSlide(lines []string, start, end, up, down int) int {
	best, bestCost := 0, cutCost(lines, start, end)
	try := func(by int) {
		if cost := cutCost(lines, start+by, end+by); cost < bestCost {
			best, bestCost = by, cost
		}
	}
	down, up = min(down, maxSlide, len(lines)-end), min(up, maxSlide, start)
	for by := 1; by <= down && lines[start+by-1] == lines[end+by-1]; by++ {
		try(by)
	}
	for by := 1; by <= up && lines[start-by] == lines[end-by]; by++ {
		try(-by)
	}
	return best
}

// cutCost says how bad it is to begin a block at lines[start] and to end it before lines[end]. Best is
// to begin and end at the left margin, on a line that opens something, with the blank line inside the
// block at its end or, where the text ends with the block, at its beginning.
func cutCost(lines []string, start, end int) int {
	cost := 2 * (indent(lines, start) + indent(lines, end))
	switch first := strings.TrimSpace(lines[start]); {
	case first == "" && end < len(lines):
		cost += 3
	case closes(first):
		cost += 6
	}
	if end < len(lines) && closes(strings.TrimSpace(lines[end])) &&
		start > 0 && !closes(strings.TrimSpace(lines[start])) {
		cost++
	}
	if strings.TrimSpace(lines[end-1]) == "" {
		cost--
	}
	return cost
}

// closes reports whether a line ends what an earlier one began.
func closes(line string) bool {
	return line != "" && strings.ContainsRune("})]", rune(line[0]))
}

// indent counts the white space before lines[i]; a blank line has that of the next line with text.
func indent(lines []string, i int) int {
	for ; i < len(lines); i++ {
		if rest := strings.TrimLeft(lines[i], " \t"); strings.TrimSpace(rest) != "" {
			return len(lines[i]) - len(rest)
		}
	}
	return 0
}
