package main

import (
	"fmt"
	"html"
	"html/template"
	"io/fs"
	"slices"
	"strings"
	"unicode"

	"socketbook/lessons"
	"socketbook/tools/internal/gosyntax"
	"socketbook/tools/internal/rowdiff"
)

// classes are the style sheet's names for classes of tokens.
var classes = map[gosyntax.Class]string{
	gosyntax.Keyword: "k", gosyntax.Literal: "l", gosyntax.Number: "d", gosyntax.Comment: "c",
	gosyntax.Builtin: "d", gosyntax.Function: "f",
}

// highlight writes a text as HTML, with its tokens in their classes, and in bold what differs from
// the line beside it.
func highlight(text string, syntax []gosyntax.Span, strong []rowdiff.Span) string {
	var b strings.Builder
	open := ""
	set := func(tags, end string) {
		if open != end {
			b.WriteString(open)
			b.WriteString(tags)
			open = end
		}
	}
	last, from := "", 0
	flush := func(to int) {
		b.WriteString(html.EscapeString(visible(text[from:to])))
		from = to
	}
	for at := range text {
		for len(syntax) > 0 && syntax[0].End <= at {
			syntax = syntax[1:]
		}
		for len(strong) > 0 && strong[0].End <= at {
			strong = strong[1:]
		}
		class := ""
		if len(syntax) > 0 && syntax[0].Start <= at {
			class = classes[syntax[0].Class]
		}
		if len(strong) > 0 && strong[0].Start <= at {
			class += " s"
		}
		if class != last {
			flush(at)
			if class == "" {
				set("", "")
			} else {
				set("", "")
				set(`<span class="`+strings.TrimSpace(class)+`">`, "</span>")
			}
			last = class
		}
	}
	flush(len(text))
	set("", "")
	return b.String()
}

// visible writes out what would reorder a line or not be seen.
func visible(s string) string {
	var b strings.Builder
	for _, r := range s {
		if unicode.In(r, unicode.Cf, unicode.Zl, unicode.Zp,
			unicode.Co) || unicode.IsControl(r) && r != '\n' && r != '\t' && r != '\r' {
			fmt.Fprintf(&b, "<U+%04X>", r)
			continue
		}
		b.WriteRune(r)
	}
	return b.String()
}

// diffFile is a file of a lesson beside the one of the lesson that it builds on.
type diffFile struct {
	Name           string
	Added, Removed int
	Two            bool // it is in both stages
	HTML           template.HTML
}

// sources compares a lesson with the one that it builds on, file by file.
func (b *book) sources(l *lessonPage) ([]diffFile, error) {
	names := map[string]bool{}
	for _, number := range []string{l.BuildsOn, l.Number} {
		if number == "" {
			continue
		}
		files, err := fs.Glob(lessons.Files, number+"/*.go")
		if err != nil {
			return nil, err
		}
		for _, name := range files {
			if !strings.HasSuffix(name, "_test.go") {
				names[strings.TrimPrefix(name, number+"/")] = true
			}
		}
	}
	read := func(number, name string) *string {
		text, err := fs.ReadFile(lessons.Files, number+"/"+name)
		if number == "" || err != nil {
			return nil
		}
		s := strings.ReplaceAll(string(text), "\r\n", "\n")
		return &s
	}
	var files []*rowdiff.File
	for name := range names {
		files = append(files, rowdiff.CompareFile(name, read(l.BuildsOn, name), read(l.Number, name)))
	}
	order := []string{"server.go", "client.go", "naive.go", "scenes.go"}
	slices.SortFunc(files, func(a, b *rowdiff.File) int {
		i, j := slices.Index(order, a.Name), slices.Index(order, b.Name)
		if i < 0 {
			i = len(order)
		}
		if j < 0 {
			j = len(order)
		}
		if i != j {
			return i - j
		}
		return strings.Compare(a.Name, b.Name)
	})
	rowdiff.MarkMoves(files)
	var out []diffFile
	for _, f := range files {
		added, removed := rowdiff.Count(f.Rows)
		out = append(out, diffFile{f.Name, added, removed, f.InOld && f.InNew, diffHTML(f)})
	}
	return out, nil
}

// diffContext is how many equal lines are shown around what differs.
const diffContext = 3

func diffHTML(f *rowdiff.File) template.HTML {
	var b strings.Builder
	oldSyntax, newSyntax := byLine(f.OldSyntax, f.OldText), byLine(f.NewSyntax, f.NewText)
	for _, st := range rowdiff.Fold(f.Rows, diffContext) {
		if st.Folded {
			fmt.Fprintf(&b, "<details><summary>%d equal lines</summary>\n", len(st.Rows))
		}
		for _, r := range st.Rows {
			class := "row"
			if r.Same() {
				class += " same"
			}
			fmt.Fprintf(&b, `<div class="%s">`, class)
			if f.InOld {
				side(&b, r.Old, oldSyntax, false)
			}
			if f.InNew {
				side(&b, r.New, newSyntax, true)
			}
			b.WriteString("</div>\n")
		}
		if st.Folded {
			b.WriteString("</details>\n")
		}
	}
	return template.HTML(b.String())
}

// side writes half a row. What happened to the line stands in its margin, and not in its colour alone.
func side(b *strings.Builder, s rowdiff.Side, syntax [][]gosyntax.Span, isNew bool) {
	if s.Kind == rowdiff.Blank {
		b.WriteString(`<div class="side blank"></div>`)
		return
	}
	element, class, mark := "code", "", " "
	switch {
	case s.Kind == rowdiff.Equal:
	case isNew:
		element, class, mark = "ins", " new", "+"
	default:
		element, class, mark = "del", " old", "-"
	}
	switch {
	case s.Kind == rowdiff.Changed:
		mark = "~"
	case s.Kind == rowdiff.Moved && isNew:
		class, mark = " moved", "&gt;"
	case s.Kind == rowdiff.Moved:
		class, mark = " moved", "&lt;"
	}
	fmt.Fprintf(b, `<div class="side%s">`, class)
	if s.Note != "" {
		fmt.Fprintf(b, `<span class="note">%s</span>`, html.EscapeString(s.Note))
	}
	text := strings.TrimSuffix(s.Text, "\n")
	fmt.Fprintf(b, `<span class="n">%d</span><span class="m">%s</span><%s>%s</%s></div>`, s.Number,
		mark, element, highlight(text, syntax[s.Number-1], s.Spans), element)
}

// byLine cuts spans at the ends of lines.
func byLine(spans []gosyntax.Span, text string) [][]gosyntax.Span {
	var lines [][]gosyntax.Span
	start := 0
	for line := range strings.Lines(text) {
		end := start + len(line)
		var in []gosyntax.Span
		for _, s := range spans {
			if s.Start < end && s.End > start {
				in = append(in, gosyntax.Span{
					Start: max(s.Start, start) - start, End: min(s.End, end) - start,
					Class: s.Class,
				})
			}
		}
		for len(spans) > 0 && spans[0].End <= end {
			spans = spans[1:]
		}
		lines = append(lines, in)
		start = end
	}
	return lines
}
