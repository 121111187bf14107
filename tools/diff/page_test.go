package main

import (
	"encoding/xml"
	"errors"
	"io"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"socketbook/tools/internal/rowdiff"
)

// elements are all that a page may be made of, with their attributes. None of them loads or runs anything.
var elements = map[string][]string{
	"html": {"lang"}, "head": nil, "meta": {
		"charset", "http-equiv", "content",
		"name",
	}, "title": nil, "style": nil,
	"body": nil, "header": nil, "main": {"class"}, "nav": {"aria-label"}, "section": {"id"},
	"h1": nil, "h2": nil,
	"p": {"class"}, "a": {"href"}, "b": nil, "ul": nil, "li": nil, "span": {
		"class",
		"data-name",
	}, "div": {"class"}, "code": nil, "ins": nil, "del": nil,
	"details": nil, "summary": nil,
	"table": nil, "thead": nil, "tbody": nil, "tr": nil, "th": {"scope"}, "td": {"class", "data-name"},
}

// readPage parses a page strictly and returns the lines of code in it: removed and kept, added and kept.
func readPage(t *testing.T, page string) (oldText, newText string) {
	t.Helper()
	d := xml.NewDecoder(strings.NewReader(page))
	var stack []string
	equal := 0
	for {
		token, err := d.Token()
		if errors.Is(err, io.EOF) {
			require.Empty(t, stack)
			return oldText, newText
		}
		require.NoError(t, err)
		switch e := token.(type) {
		case xml.StartElement:
			allowed, known := elements[e.Name.Local]
			require.True(t, known, "element %s", e.Name.Local)
			for _, a := range e.Attr {
				require.True(t, slices.Contains(allowed, a.Name.Local), "attribute %s of %s",
					a.Name.Local, e.Name.Local)
				if a.Name.Local == "href" {
					require.Regexp(t, `^(#file\d+|\d\d\.html|index\.html)$`, a.Value)
				}
			}
			stack = append(stack, e.Name.Local)
		case xml.EndElement:
			switch e.Name.Local {
			case "del":
				oldText += "\n"
			case "ins":
				newText += "\n"
			case "code":
				if equal++; equal%2 == 1 {
					oldText += "\n"
				} else {
					newText += "\n"
				}
			}
			stack = stack[:len(stack)-1]
		case xml.CharData:
			switch {
			case slices.Contains(stack, "del"):
				oldText += string(e)
			case slices.Contains(stack, "ins"):
				newText += string(e)
			case slices.Contains(stack, "code") && equal%2 == 0:
				oldText += string(e)
			case slices.Contains(stack, "code"):
				newText += string(e)
			}
		case xml.Comment:
			t.Fatalf("a comment: %s", e)
		}
	}
}

func TestALongLineIsNotCopiedForEachCharacter(t *testing.T) {
	row := rowdiff.Row{Old: rowdiff.Side{
		Number: 1, Text: strings.Repeat("ab ", 50_000) + "\n",
		Kind: rowdiff.Alone,
	}}
	require.Less(t, testing.AllocsPerRun(1, func() { lineRuns(row, false, nil) }), 1000.0)
}

// Moved lines have a colour of their own in both themes, as removed and added ones have.
func TestPageTellsMovedLinesByColour(t *testing.T) {
	page := pageOf(fixture(t, false), 3, nil)
	require.Equal(t, 16, strings.Count(page, `<div class="side moved">`), "listen, on either side")
	require.Contains(t, page,
		`<div class="side moved"><span class="n">15</span><span class="m">&lt;</span><del>}</del></div>`)
	require.Contains(t, pageCSS, ".old { background: var(--old); } .new { background: var(--new); } "+
		".moved { background: var(--moved); }")
	colour := regexp.MustCompile(`--(back|old|old-strong|new|new-strong|moved): (#\w+);`)
	colours := colour.FindAllStringSubmatch(pageCSS, -1)
	require.Len(t, colours, 12, "six in each theme")
	for _, theme := range [][][]string{colours[:6], colours[6:]} {
		names := make(map[string]string)
		for _, c := range theme {
			require.Empty(t, names[c[2]], "%s is as", c[1])
			names[c[2]] = c[1]
		}
	}
}

// cssBlock returns the rules of the style sheet for a medium.
func cssBlock(t *testing.T, medium string) string {
	t.Helper()
	_, rest, found := strings.Cut(pageCSS, "\n@media "+medium+" {\n")
	require.True(t, found, medium)
	block, _, found := strings.Cut(rest, "\n}\n")
	require.True(t, found, medium)
	return block
}

func TestStyleForPhonesAndForPaper(t *testing.T) {
	for medium, rules := range map[string][]string{
		"(max-width: 50rem)": {
			// The two sides below each other; what is empty or the same only once; the table as a list.
			".row { grid-template-columns: minmax(0, 1fr); }",
			".row > .blank, .row.same > .side:first-child { display: none; }",
			"table, tbody, tr, td { display: block; }", "td[data-name]::before { content: attr(data-name) ",
		},
		"print": {
			":root { color-scheme: light; }", "nav { display: none; }", ".row { break-inside: avoid; }",
			// Browsers leave backgrounds out otherwise.
			".side, .side b { print-color-adjust: exact; -webkit-print-color-adjust: exact; }",
		},
	} {
		block := cssBlock(t, medium)
		for _, rule := range rules {
			require.Contains(t, block, rule)
		}
	}
}

var hostile = []string{
	`<script>alert(1)</script>`, `"><img src=x onerror=alert(1)>`, `</code></div></body>`, `<!-- `, `]]>`,
	`&lt;&amp;&#60;`,
	`<style>@import "//x"</style>`, `javascript:alert(1)`, "a\ttab", "客户端 & 'quotes' \"and\" more",
}

func TestHostileTextStaysText(t *testing.T) {
	before := "package p\n" + strings.Join(hostile, "\n") + "\n"
	after := "package p\n// " + strings.Join(hostile, " \n") + "\nfunc f() {}\n"
	for _, name := range []string{"a.go", "a.txt", `<b onclick="x">&.go`} {
		c := &comparison{
			old: tree{label: hostile[0], title: hostile[1]}, new: tree{
				label: hostile[2],
				title: hostile[3],
			}, note: hostile[4],
			files: []*rowdiff.File{rowdiff.CompareFile(name, &before, &after)},
		}
		gotOld, gotNew := readPage(t, pageOf(c, 3, nil))
		require.Equal(t, before, gotOld)
		require.Equal(t, after, gotNew)
	}
}

func TestPagesOfTheCourse(t *testing.T) {
	c := small()
	for _, l := range c.written() {
		cmp, err := c.step(l, true)
		require.NoError(t, err)
		readPage(t, pageOf(cmp, 3, []link{{"index.html", "All"}, {"02.html", "← 02"}}))
	}
	steps, err := c.steps()
	require.NoError(t, err)
	readPage(t, indexOf(steps))
	require.Contains(t, indexOf(steps), "+7 −0 !")
}

// On the page too, white space that nobody could see is drawn; what is copied is what was there.
func TestPageShowsWhiteSpace(t *testing.T) {
	before, after := "\tf()\n\tg()\n", "    f() \n\t\tg()\n"
	c := &comparison{files: []*rowdiff.File{rowdiff.CompareFile("p.txt", &before, &after)}}
	page := pageOf(c, 3, nil)
	gotOld, gotNew := readPage(t, page)
	require.Equal(t, before, gotOld)
	require.Equal(t, after, gotNew)
	require.Contains(t, page, "<del><b><span class=\"w\" data-name=\"→\">\t</span></b>f()</del>")
	require.Equal(t, 5, strings.Count(page, `<span class="w" data-name="·"> </span>`))
	require.Equal(t, 1, strings.Count(page, `data-name="→"`),
		"a line that is indented further is plain to see")
	require.Contains(t, pageCSS, ".w::before { content: attr(data-name);")
}

func FuzzPage(f *testing.F) {
	f.Add("package p\n", "package p // <script>\n", "a.go")
	f.Add("a\x00\x1b\u202e\n", "\xff\r\n", "<&>")
	f.Add("\uffff\n", "\ufdd0\U0010ffff\n", "\ufffe") // no characters at all
	f.Fuzz(func(t *testing.T, before, after, name string) {
		c := &comparison{files: []*rowdiff.File{rowdiff.CompareFile(name, &before, &after)}}
		readPage(t, pageOf(c, 3, nil))
		s := screen{width: 80, context: 3}
		s.draw(c)
		for row := range strings.Lines(s.out.String()) {
			if strings.ContainsRune(row, '\x1b') {
				t.Fatalf("an escape sequence of the file's came through: %q", row)
			}
		}
	})
}
