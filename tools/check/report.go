package check

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// report is what a student reads about a failed case. again is the command that replays it.
func report(lab Lab, cs Case, o outcome, again string) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s: 0 of %s\n", cs.Name, count(cs.Points, "point"))
	b.WriteString(numbered(o.Steps))
	fmt.Fprintf(&b, "%s\n", o.Message)
	if o.Detail != "" {
		b.WriteString(indent(o.Detail, "  ") + "\n")
	}
	if o.Prints != "" {
		b.WriteString(printed(o.Prints))
	}
	if o.Timeline != "" {
		b.WriteString(indent(strings.TrimRight(o.Timeline, "\n"), "  ") + "\n")
	}
	fmt.Fprintf(&b, "rule       %s\n", wrap(cmp.Or(o.Rule, cs.Rule)))
	fmt.Fprintf(&b, "next       %s\n", wrap(cmp.Or(o.Hint, cs.Hint)))
	lesson := cs.lesson(lab)
	where := "lessons/" + lesson + "/README.md"
	if cs.Scene != "" {
		where = "go run ./lessons/" + lesson + " -scene " + cs.Scene
	}
	fmt.Fprintf(&b, "see        lesson %s: %s\n", lesson, where)
	fmt.Fprintf(&b, "run again  %s\n\n", again)
	return b.String()
}

const (
	firstSteps = 6 // of a long list
	lastSteps  = 10
)

// numbered writes the steps. Steps that repeat are folded, alone or a few together, and the middle
// of a long list is left out.
func numbered(steps []string) string {
	var lines []string
	for i := 0; i < len(steps); {
		size, times := repeats(steps[i:])
		for k := range size {
			lines = append(lines, fmt.Sprintf("  %2d. %s", i+k+1, visible(steps[i+k])))
		}
		if times > 1 {
			lines[len(lines)-1] += fmt.Sprintf("  (%s, %d times)", count(size, "step"), times)
		}
		i += size * times
	}
	return strings.Join(append(ends(lines, firstSteps, lastSteps), ""), "\n")
}

// ends leaves out the middle of many lines.
func ends(lines []string, first, last int) []string {
	n := len(lines) - first - last
	if n <= 1 {
		return lines
	}
	left := fmt.Sprintf("      … (%d lines left out)", n)
	return slices.Concat(lines[:first], []string{left}, lines[len(lines)-last:])
}

// repeats returns how many steps, one to five, the list begins with that come several times in a
// row, and how often.
func repeats(steps []string) (size, times int) {
	for size = 1; size <= 5; size++ {
		times = 1
		for len(steps) >= (times+1)*size && slices.Equal(steps[:size], steps[times*size:(times+1)*size]) {
			times++
		}
		if times > 1 {
			return size, times
		}
	}
	return 1, 1
}

// wrap breaks a text into lines of about a hundred columns, the second and later ones under the first.
func wrap(s string) string {
	var b strings.Builder
	column := 0
	for word := range strings.FieldsSeq(s) {
		switch {
		case column == 0:
		case column+1+len(word) > 88:
			b.WriteString("\n           ")
			column = 0
		default:
			b.WriteByte(' ')
			column++
		}
		b.WriteString(word)
		column += len(word)
	}
	return b.String()
}

const (
	shownLines  = 20  // of the beginning and of the end of what an answer has printed
	shownPrints = 200 // bytes of each
)

func printed(s string) string {
	lines := strings.Split(strings.TrimRight(s, "\n"), "\n")
	for i, line := range lines {
		if len(line) > shownPrints {
			lines[i] = line[:shownPrints] + " …"
		}
	}
	return "your code printed:\n" + indent(strings.Join(ends(lines, shownLines, shownLines), "\n"),
		"  | ") + "\n"
}

// indent puts prefix before every line. Control characters that would colour or move the terminal
// are made visible.
func indent(s, prefix string) string {
	lines := strings.Split(s, "\n")
	for i, line := range lines {
		lines[i] = prefix + visible(line)
	}
	return strings.Join(lines, "\n")
}
