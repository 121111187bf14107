package main

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"unicode"

	"golang.org/x/term"

	"socketbook/tools/internal/labrun"
	"socketbook/tools/internal/progress"
	"socketbook/tools/timeline"
)

// style is how a result is written: to a terminal or to a file.
type style struct {
	colour, ascii bool
	columns       func() int
}

const (
	plainColumns = 100
	mostColumns  = 100
	leastColumns = 40
)

// styleOf follows what out is and what the environment asks for: https://no-color.org, TERM=dumb, a
// locale that is not UTF-8.
func styleOf(out *os.File, ascii bool) style {
	st := style{ascii: ascii, columns: func() int { return plainColumns }}
	if term.IsTerminal(int(out.Fd())) {
		st.colour = os.Getenv("NO_COLOR") == "" && os.Getenv("TERM") != "dumb"
		st.columns = func() int {
			columns, _, err := term.GetSize(int(out.Fd()))
			if err != nil || columns <= 0 {
				return 80
			}
			return min(max(columns, leastColumns), mostColumns)
		}
	}
	if n, err := strconv.Atoi(os.Getenv("COLUMNS")); err == nil && n > 0 && !term.IsTerminal(int(out.Fd())) {
		st.columns = func() int { return max(n, leastColumns) }
	}
	for _, name := range []string{"LC_ALL", "LC_CTYPE", "LANG"} {
		if value := strings.ToUpper(os.Getenv(name)); value != "" {
			st.ascii = st.ascii || !strings.Contains(value, "UTF-8") && !strings.Contains(value, "UTF8")
			break
		}
	}
	st.ascii = st.ascii || os.Getenv("TERM") == "dumb"
	return st
}

// The colours, of the sixteen that every terminal has for its own background.
const (
	bold  = "1"
	dim   = "2"
	red   = "31"
	green = "32"
)

func (st style) paint(code, s string) string {
	if !st.colour || s == "" {
		return s
	}
	return "\x1b[" + code + "m" + s + "\x1b[0m"
}

func (st style) mark(other, ascii string) string {
	if st.ascii {
		return ascii
	}
	return other
}

// bar draws points: ■■■■■■■□□□ 7/10.
func (st style) bar(points, of int) string {
	if of == 0 {
		return st.mark("□", ".")
	}
	const boxes = 10
	full := points * boxes / of
	return strings.Repeat(st.mark("■", "#"), full) + strings.Repeat(st.mark("□", "."),
		boxes-full) + fmt.Sprintf(" %d/%d", points, of)
}

// list is all labs with what is remembered of them. current is the place of one to be marked, or -1.
func (st style) list(labs []labrun.Lab, state progress.State, current int) string {
	var b strings.Builder
	perfect := 0
	for i, lab := range labs {
		points, known := state.Labs[lab.Number]
		bar := st.bar(points.Points, points.Of)
		if !known {
			bar = strings.Repeat(st.mark("□", "."), 10) + "  -"
		}
		if points.Perfect() {
			perfect++
			bar = st.paint(green, bar)
		}
		here := "  "
		if i == current {
			here = st.mark("▶ ", "> ")
		}
		fmt.Fprintf(&b, "%s%s %s\n", here, pad(st, bar, 18), st.cut(lab.Number+" "+lab.Title, st.columns()-22))
	}
	fmt.Fprintf(&b, "%d of %d labs are perfect\n", perfect, len(labs))
	return b.String()
}

// pad fills up to columns; colours take none.
func pad(st style, s string, columns int) string {
	bare := s
	if st.colour {
		bare = strings.NewReplacer("\x1b["+green+"m", "", "\x1b[0m", "").Replace(s)
	}
	return s + strings.Repeat(" ", max(0, columns-timeline.Width(bare)))
}

func (st style) cut(s string, columns int) string {
	return timeline.Cut(s, max(columns, 10), st.mark("…", "..."))
}

// fold breaks lines that are too long at blanks, and indents what follows by a little more.
func (st style) fold(s string) string {
	var b strings.Builder
	for line := range strings.Lines(s) {
		text := strings.TrimRight(line, "\n")
		if timeline.Width(text) < st.columns() {
			b.WriteString(line)
			continue
		}
		indent := len(text) - len(strings.TrimLeft(text, " "))
		if column := min(indent, st.columns()/4); indent > 0 {
			indent = column + 3
		}
		column := 0
		for i, word := range strings.Split(text, " ") {
			n := timeline.Width(word)
			switch {
			case i == 0:
			case column > indent && column+1+n >= st.columns():
				b.WriteString("\n" + strings.Repeat(" ", indent))
				column = indent
			default:
				b.WriteByte(' ')
				column++
			}
			b.WriteString(word)
			column += n
		}
		b.WriteString(line[len(text):])
	}
	return b.String()
}

// help is the list of keys.
func (st style) help() string {
	var left, right strings.Builder
	for _, keys := range help {
		if st.columns() > 64 {
			fmt.Fprintf(&left, "  %-30s %s\n", keys[0], keys[1])
			continue
		}
		fmt.Fprintf(&left, "  %s\n", keys[0])
		fmt.Fprintf(&right, "  %s\n", keys[1])
	}
	return left.String() + right.String()
}

// head is the line above a result.
func (st style) head(s labrun.State) string {
	dash := st.mark("─", "-")
	left := dash + dash + " " + st.cut(s.Lab.Name(), st.columns()-32) + " "
	right := " " + s.Changed.Format("15:04:05")
	if s.Result != nil && !s.Stale {
		right += fmt.Sprintf(", seed %d", s.Result.Seed)
	}
	fill := max(0, st.columns()-timeline.Width(left)-timeline.Width(right)-1)
	return st.paint(bold, left+strings.Repeat(dash, fill)+right)
}

// score says how many points there are and what has changed.
func (st style) score(b *strings.Builder, s labrun.State) {
	r := s.Result
	if r.Note != "" {
		fmt.Fprintf(b, "%s\n", st.fold(clean(r.Note)))
	}
	if r.Of == 0 {
		if r.Printed != "" {
			fmt.Fprintf(b, "%s\n", clean(r.Printed))
		}
		return
	}
	bar := st.bar(r.Points, r.Of) + " points"
	if r.Perfect() {
		bar = st.paint(green, bar)
	}
	b.WriteString(bar)
	if len(s.Fixed)+len(s.Broke) > 0 {
		fmt.Fprintf(b, "   fixed %d, broke %d", len(s.Fixed), len(s.Broke))
	}
	b.WriteString("\n")
	for _, name := range s.Broke {
		fmt.Fprintf(b, "  %s\n", st.paint(red, st.cut("broke: "+name, st.columns()-3)))
	}
}

// failures writes everything about every case that failed.
func (st style) failures(b *strings.Builder, r labrun.Result) {
	for _, c := range r.Cases {
		if c.Failed() {
			fmt.Fprintf(b, "\n%s\n", clean(c.Report))
		}
	}
	st.others(b, r, nil)
}

// others writes a line for each case that did not pass, except the one that is shown in full. After
// failures, which are all in full, only cases that were not run are left.
func (st style) others(b *strings.Builder, r labrun.Result, shown *labrun.Case) {
	first := true
	for _, c := range r.Cases {
		if c.Passed() || shown == nil && c.Failed() || shown != nil && c.Name == shown.Name ||
			c.Message != "" && strings.HasPrefix(r.Note, c.Message) {
			continue
		}
		if first {
			b.WriteString("\n")
			first = false
		}
		sign := st.mark("✘ ", "x ")
		if !c.Failed() {
			sign = st.mark("· ", "- ")
		}
		fmt.Fprintf(b, "  %s\n", st.paint(dim, st.cut(sign+clean(c.Name+": "+c.Message), st.columns()-3)))
	}
}

// result is what is shown when a run has ended.
func (st style) result(s labrun.State) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s\n", st.head(s))
	st.score(&b, s)
	r := *s.Result
	first := r.First()
	switch {
	case first != nil:
		advice := labrun.Split(first.Report)
		body := advice.Body
		if title, rest, ok := strings.Cut(body, "\n"); ok && strings.HasPrefix(title, first.Name) {
			fmt.Fprintf(&b, "\n%s\n", st.paint(bold, st.fold("Fix this first: "+clean(title))))
			body = rest
		}
		fmt.Fprintf(&b, "%s\n", st.fold(clean(body)))
		st.others(&b, r, first)
	case r.Perfect():
		b.WriteString(st.fold("Everything is right. n goes to the next lab, l lists them all.\n"))
	case r.Of > 0 && r.Points == 0:
		b.WriteString(st.fold(fmt.Sprintf("The task is in labs/%s/README.md; o opens %s. It is run "+
			"at every save.\n", s.Lab.Number, s.Lab.File)))
	}
	return b.String()
}

// refused is what is shown when there is no result: the compiler's words, and the last result,
// marked as stale.
func (st style) refused(s labrun.State) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s\n", st.head(s))
	fmt.Fprintf(&b, "%s\n%s\n", st.paint(red, st.fold(map[labrun.Phase]string{
		labrun.Refused: s.Lab.File + " does not build:",
		labrun.Failed:  "The lab could not be run:",
		labrun.Missing: s.Lab.File + " is not there. It is run as soon as it is; x puts the " +
			"starter in its place.",
	}[s.Phase])), st.fold(clean(s.Trouble)))
	if s.Result != nil && s.Result.Of > 0 {
		fmt.Fprintf(&b, "%s\n", st.paint(dim, fmt.Sprintf("stale, of %s: %s points",
			s.Ended.Format("15:04:05"), st.bar(s.Result.Points, s.Result.Of))))
	}
	return b.String()
}

// clean keeps what a student's code or file has put into a text from controlling the terminal.
func clean(s string) string {
	var b strings.Builder
	for _, r := range s {
		if r == '\n' || r == '\t' || unicode.IsPrint(r) {
			b.WriteRune(r)
			continue
		}
		b.WriteString(strings.Trim(strconv.QuoteRune(r), "'"))
	}
	return b.String()
}
