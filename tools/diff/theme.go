package main

import (
	"strings"

	"socketbook/tools/internal/gosyntax"
	"socketbook/tools/internal/rowdiff"
)

// theme turns what a cell is into SGR sequences (ECMA-48, 8.3.117). Nothing is said by colour alone:
// the mark in the margin says it too.
type theme struct{ colour bool }

// On an equal line the terminal's own sixteen colours are used, which suit its background whatever that
// is. A line that differs brings its own background, so its colours are fixed ones, of the 256.
var (
	plainClass = map[gosyntax.Class]string{
		gosyntax.Keyword: "35", gosyntax.Literal: "32", gosyntax.Number: "36", gosyntax.Comment: "90",
		gosyntax.Builtin: "36", gosyntax.Function: "1",
	}
	darkClass = map[gosyntax.Class]string{
		gosyntax.Plain: "38;5;255", gosyntax.Keyword: "38;5;219", gosyntax.Literal: "38;5;222",
		gosyntax.Number: "38;5;159", gosyntax.Comment: "38;5;252", gosyntax.Builtin: "38;5;159",
		gosyntax.Function: "1;38;5;255",
	}
)

const (
	red, strongRed     = "48;5;52", "1;48;5;88"
	green, strongGreen = "48;5;22", "1;48;5;28"
	blue               = "48;5;17"
	faint              = "90"
	bold               = "1"
)

// mark is the character in the margin of a line, on the old or the new side.
func mark(kind rowdiff.Kind, isNew bool) string {
	switch {
	case kind == rowdiff.Changed:
		return "~"
	case kind == rowdiff.Alone && isNew:
		return "+"
	case kind == rowdiff.Alone:
		return "-"
	case kind == rowdiff.Moved && isNew:
		return ">"
	case kind == rowdiff.Moved:
		return "<"
	}
	return " "
}

// background is the colour behind a line; "" for none.
func background(kind rowdiff.Kind, isNew, strong bool) string {
	switch {
	case kind == rowdiff.Moved:
		return blue
	case kind != rowdiff.Alone && kind != rowdiff.Changed:
		return ""
	case isNew && strong:
		return strongGreen
	case isNew:
		return green
	case strong:
		return strongRed
	}
	return red
}

// margin is the style of the mark before a line.
func margin(kind rowdiff.Kind, isNew bool) string {
	back := background(kind, isNew, false)
	if back == "" {
		return ""
	}
	return darkClass[gosyntax.Plain] + ";" + back
}

// style writes text in a style; as it is where the style is "" or there is no colour.
func (th theme) style(out *strings.Builder, style, text string) {
	if !th.colour || style == "" || text == "" {
		out.WriteString(text)
		return
	}
	out.WriteString("\x1b[" + style + "m" + text + "\x1b[0m")
}

// line writes cells in their styles and fills up to width columns.
func (th theme) line(out *strings.Builder, line []cell, kind rowdiff.Kind, isNew bool, width int) {
	var run strings.Builder
	last := ""
	flush := func() {
		th.style(out, last, run.String())
		run.Reset()
	}
	for _, c := range line {
		if style := th.of(c, kind, isNew); style != last {
			if run.Len() > 0 {
				flush()
			}
			last = style
		}
		run.WriteString(c.text)
		width -= c.width
	}
	if run.Len() > 0 {
		flush()
	}
	th.style(out, background(kind, isNew, false), strings.Repeat(" ", max(width, 0)))
}

func (th theme) of(c cell, kind rowdiff.Kind, isNew bool) string {
	if !th.colour {
		return ""
	}
	back := background(kind, isNew, c.strong)
	if back == "" {
		if c.escape {
			return "7"
		}
		return plainClass[c.class]
	}
	if c.escape {
		return "7;" + darkClass[gosyntax.Plain] + ";" + back
	}
	return darkClass[c.class] + ";" + back
}
