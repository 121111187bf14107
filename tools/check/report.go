package check

import (
	"cmp"
	"fmt"
	"strconv"
	"strings"
	"unicode"

	"socketbook/tools/timeline"
)

// report is what a student reads about a failed case. again is the command that replays it.
func report(lab Lab, cs Case, o outcome, again string) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s: 0 of %s\n", cs.Name, count(cs.Points, "point"))
	for i, s := range o.Steps {
		fmt.Fprintf(&b, "  %2d. %s\n", i+1, s)
	}
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
	fmt.Fprintf(&b, "rule    %s\n", wrap(cmp.Or(o.Rule, cs.Rule)))
	fmt.Fprintf(&b, "next    %s\n", wrap(cmp.Or(o.Hint, cs.Hint)))
	if cs.Scene != "" {
		fmt.Fprintf(&b, "reread  lesson %s: go run ./lessons/%s -scene %s\n", cs.lesson(lab), cs.lesson(lab), cs.Scene)
	} else {
		fmt.Fprintf(&b, "reread  lesson %s: lessons/%s/README.md\n", cs.lesson(lab), cs.lesson(lab))
	}
	fmt.Fprintf(&b, "again   %s\n\n", again)
	return b.String()
}

// wrap breaks a text into lines of about a hundred columns, the second and later ones under the first.
func wrap(s string) string {
	var b strings.Builder
	column := 0
	for word := range strings.FieldsSeq(s) {
		switch {
		case column == 0:
		case column+1+len(word) > 90:
			b.WriteString("\n        ")
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
	shownLines  = 20   // of the beginning and of the end of what an answer has printed
	shownPrints = 2000 // bytes of each of the two
)

func printed(s string) string {
	const left = "\n… a part is left out …\n"
	s = strings.TrimRight(s, "\n")
	if lines := strings.Split(s, "\n"); len(lines) > 2*shownLines {
		first, last := strings.Join(lines[:shownLines], "\n"), strings.Join(lines[len(lines)-shownLines:], "\n")
		s = first[:min(len(first), shownPrints)] + left + last[max(0, len(last)-shownPrints):]
	} else if len(s) > 2*shownPrints {
		s = s[:shownPrints] + left + s[len(s)-shownPrints:]
	}
	return "your code printed:\n" + indent(s, "  | ") + "\n"
}

// indent puts prefix before every line. Control characters that would colour or move the terminal are made visible.
func indent(s, prefix string) string {
	lines := strings.Split(s, "\n")
	for i, line := range lines {
		lines[i] = prefix + visible(line)
	}
	return strings.Join(lines, "\n")
}

// visible writes what would colour or move the terminal, or begin a new line, as Go does in quotes: \x1b, \n.
func visible(s string) string {
	var b strings.Builder
	for _, r := range s {
		if r == '\t' || unicode.IsPrint(r) {
			b.WriteRune(r)
			continue
		}
		quoted := strconv.QuoteRune(r)
		b.WriteString(quoted[1 : len(quoted)-1])
	}
	return b.String()
}

func drawTimeline(events []timeline.Event) string {
	var b strings.Builder
	if err := timeline.Text(&b, events, timeline.Style{Width: 100, ASCII: true}); err != nil {
		return err.Error()
	}
	return b.String()
}
