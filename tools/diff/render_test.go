package main

import (
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"socketbook/tools/internal/awkward"
	"socketbook/tools/internal/rowdiff"
)

// fixture compares the two folders of testdata.
func fixture(t *testing.T, allFiles bool) *comparison {
	t.Helper()
	before, err := openTree("testdata/before")
	require.NoError(t, err)
	after, err := openTree("testdata/after")
	require.NoError(t, err)
	c, err := compare(before, after, allFiles)
	require.NoError(t, err)
	return c
}

// awkwardFile is a pair of texts that are hard to align, compared.
func awkwardFile(seed uint64) *rowdiff.File {
	before, after := awkward.Pair(seed)
	return rowdiff.CompareFile("awkward.txt", &before, &after)
}

// cut returns the columns of a row from left up to right.
func cut(row string, left, right int) string {
	var out strings.Builder
	column := 0
	for _, c := range cells(row) {
		if left <= column && column < right {
			out.WriteString(c.text)
		}
		column += c.width
	}
	return out.String()
}

// Long lines are wrapped, not cut: without white space, the column holds the file.
func TestNothingIsLost(t *testing.T) {
	squeeze := func(s string) string {
		return strings.Join(strings.Fields(s), "")
	}
	for seed := range uint64(20) {
		f := awkwardFile(seed)
		for _, width := range []int{80, 120} {
			s := screen{width: width, context: rowdiff.All}
			s.file(&comparison{}, f)
			var left, right strings.Builder
			for n, row := range strings.Split(s.out.String(), "\n") {
				if n < 2 {
					continue // an empty line and the summary
				}
				left.WriteString(cut(row, 6, s.half()))
				right.WriteString(cut(row, s.half()+7, s.width))
			}
			wantOld, wantNew := "", ""
			for _, r := range f.Rows {
				for _, c := range lineCells(r, false, nil) {
					wantOld += c.text
				}
				for _, c := range lineCells(r, true, nil) {
					wantNew += c.text
				}
			}
			require.Equal(t, squeeze(wantOld), squeeze(left.String()))
			require.Equal(t, squeeze(wantNew), squeeze(right.String()))
		}
	}
}

func TestCells(t *testing.T) {
	text := func(line string) string {
		var out []string
		for _, c := range cells(line) {
			out = append(out, fmt.Sprintf("%s/%d", c.text, c.width))
		}
		return strings.Join(out, " ")
	}
	for line, want := range map[string]string{
		"":             "",
		"ab":           "a/1 b/1",
		"\ta":          " /1  /1  /1  /1 a/1",
		"客\ta":         "客/2  /1  /1 a/1",
		"e\u0301":      "e\u0301/1",
		"\u0301":       " \u0301/1",
		"👩‍💻!":         "👩‍💻/2 !/1",
		"\x1b[":        "␛/1 [/1",
		"\x7f":         "␡/1",
		"f\xe9":        "f/1 \\/1 x/1 e/1 9/1",
		"a\u202eb":     "a/1 </1 U/1 +/1 2/1 0/1 2/1 E/1 >/1 b/1",
		"a\u200d\xffb": "a\u200d/1 \\/1 x/1 f/1 f/1 b/1",
	} {
		require.Equal(t, want, text(line), "%q", line)
	}
}

func TestWrap(t *testing.T) {
	wrapped := func(line string, width int) []string {
		var out []string
		for _, l := range wrap(cells(line), width) {
			text := ""
			for _, c := range l {
				text += c.text
			}
			out = append(out, text)
		}
		return out
	}
	require.Equal(t, []string{""}, wrapped("", 10))
	require.Equal(t, []string{"0123456789"}, wrapped("0123456789", 10))
	require.Equal(t, []string{"0123456789", "0"}, wrapped("01234567890", 10))
	require.Equal(t, []string{"one two", "three"}, trimmed(wrapped("one two three", 10)),
		"at a space, which the break replaces")
	require.Equal(t, []string{"call(first,", "second)"}, trimmed(wrapped("call(first, second)", 12)))
	require.Equal(t, []string{"  one two", "  three"}, trimmedRight(wrapped("  one two three", 10)),
		"below the text of the first line")
	require.Equal(t, []string{"客户端发", "送，数据"}, wrapped("客户端发送，数据", 9))
	require.Equal(t, []string{"ab"}, wrapped("ab ", 2))
}

func trimmed(lines []string) []string {
	for i := range lines {
		lines[i] = strings.TrimSpace(lines[i])
	}
	return lines
}

func trimmedRight(lines []string) []string {
	for i := range lines {
		lines[i] = strings.TrimRight(lines[i], " ")
	}
	return lines
}

// The whole picture, in two columns, in one, and in ASCII.
func TestGoldenPictures(t *testing.T) {
	for name, s := range map[string]*screen{
		"100.txt":   {width: 100, context: 3},
		"60.txt":    {width: 60, context: 1},
		"ascii.txt": {width: 80, context: 0, ascii: true},
	} {
		t.Run(name, func(t *testing.T) {
			s.draw(fixture(t, true))
			golden := filepath.Join("testdata", "golden", name)
			if *update {
				require.NoError(t, os.WriteFile(golden, []byte(s.out.String()), 0o644))
			}
			want, err := os.ReadFile(golden)
			require.NoError(t, err)
			require.Equal(t, string(want), s.out.String(),
				"if the new picture is right: go test ./tools/diff -update")
		})
	}
}

// styled finds what is drawn in a style.
var styled = regexp.MustCompile("\x1b\\[([0-9;]*)m(.*?)\x1b\\[0m")

// In the terminal colours tell removed, added and moved lines apart, what differs inside a changed
// line, and Go's tokens.
func TestColours(t *testing.T) {
	moved := "func moved() {\n\tone()\n\ttwo()\n\tthree()\n}\n\n"
	kept := "func kept() {\n\ta()\n\tb()\n\tc()\n\td()\n\te()\n}\n\n"
	before := "package p\n\n" + moved + kept + "var changed = call(first)\nvar gone = 1 // why\n"
	after := "package p\n\n" + kept + moved + "var changed = call(second)\ntype fresh string\n"
	c := &comparison{files: []*rowdiff.File{rowdiff.CompareFile("p.go", &before, &after)}}
	rowdiff.MarkMoves(c.files)
	s := screen{width: 120, context: rowdiff.All, theme: theme{colour: true}}
	s.draw(c)
	got := make(map[string][]string)
	for _, m := range styled.FindAllStringSubmatch(s.out.String(), -1) {
		if text := strings.TrimSpace(m[2]); !slices.Contains(got[text], m[1]) {
			got[text] = append(got[text], m[1])
		}
	}
	for text, want := range map[string][]string{
		"package": {"35"},                                   // on an equal line: the terminal's own colour
		"kept":    {"1"},                                    //
		"-":       {"38;5;255;48;5;52"},                     // removed: on red
		"gone =":  {"38;5;255;48;5;52"},                     //
		"// why":  {"38;5;252;48;5;52"},                     //
		"+":       {"38;5;255;48;5;22"},                     // added: on green
		"type":    {"38;5;219;48;5;22"},                     //
		"~":       {"38;5;255;48;5;52", "38;5;255;48;5;22"}, // changed: both
		"first":   {"38;5;255;1;48;5;88"},                   // what differs: brighter and bold
		"second":  {"38;5;255;1;48;5;28"},                   //
		"<":       {"38;5;255;48;5;17"},                     // moved: on blue
		">":       {"38;5;255;48;5;17"},                     //
		"two()":   {"38;5;255;48;5;17"},                     //
		"moved":   {"1;38;5;255;48;5;17"},                   //
	} {
		require.Equal(t, want, got[text], text)
	}
}

func TestASCIIMeansASCII(t *testing.T) {
	before, after := "package p\n\nfunc f() {}\n", "package p\n\nfunc f() { g() }\n\nfunc g() {}\n"
	c := &comparison{files: []*rowdiff.File{rowdiff.CompareFile("p.go", &before, &after)}}
	s := screen{width: 80, ascii: true}
	s.draw(c)
	require.False(t, strings.ContainsFunc(s.out.String(), func(r rune) bool { return r >= 0x80 }),
		s.out.String())
}

// drawnText is the text of cells.
func drawnText(line []cell) string {
	var out strings.Builder
	for _, c := range line {
		out.WriteString(c.text)
	}
	return out.String()
}

// Where nobody could see what differs in a row, it is written out; elsewhere nothing is.
func TestRowsThatLookAlike(t *testing.T) {
	for _, test := range []struct{ name, old, new, drawnOld, drawnNew string }{
		{"tab and spaces", "\tf()\n", "    f()\n", "→   f()", "····f()"},
		{"tab and more spaces", "\tf()\n", "        f()\n", "→   f()", "········f()"},
		{"trailing blanks", "f()\n", "f() \t\n", "f()", "f()·→   "},
		{"blank line", "\n", "\t\n", "", "→   "},
		{"no-break space", "a b c\n", "a\u00a0b c\n", "a·b c", "a<U+00A0>b c"},
		{"wide space", "x  y\n", "x\u3000y\n", "x··y", "x<U+3000>y"},
		{"composed letters", "café 客\n", "cafe\u0301 客\n", "caf<U+00E9> 客", "cafe<U+0301> 客"},
		{"Cyrillic a", "payload\n", "p\u0430yload\n", "payload", "p<U+0430>yload"},
		{"Greek question mark", "f();\n", "f()\u037e\n", "f();", "f()<U+037E>"},
		{"variation selector", "☁ up\n", "☁\ufe0f up\n", "<U+2601> up", "<U+2601><U+FE0F> up"},
		{"hidden tag", "port\n", "port\U000e0041\n", "port", "port<U+E0041>"},
		{"lone accent", "a \u0301b\n", "a\u00a0\u0301b\n", "a·<U+0301>b", "a<U+00A0><U+0301>b"},
		{"line ending", "f()\r\n", "f()\n", "f()␍", "f()"},
		{"end of file", "f()", "f()\n", "f() (no newline at the end)", "f()"},
		{"indented further", "\tf()\n", "\t\tf()\n", "    f()", "        f()"},
		{"a space that can be seen", "f(a,b)\n", "f(a, b)\n", "f(a,b)", "f(a, b)"},
		{"aligned anew", "x int // n\n", "x   int // n\n", "x int // n", "x   int // n"},
		{"another word", "one\ttwo \n", "one  two three\n", "one two ", "one  two three"},
	} {
		t.Run(test.name, func(t *testing.T) {
			f := rowdiff.CompareFile("p.txt", &test.old, &test.new)
			require.Len(t, f.Rows, 1)
			row := f.Rows[0]
			require.Equal(t, rowdiff.Changed, row.Old.Kind)
			require.Equal(t, test.drawnOld, drawnText(lineCells(row, false, nil)))
			require.Equal(t, test.drawnNew, drawnText(lineCells(row, true, nil)))
			for _, width := range []int{20, 60, 100} {
				s := screen{width: width, context: 3}
				s.file(&comparison{}, f)
				flat := strings.Join(strings.Fields(strings.NewReplacer("\n", "", "│", "", "~",
					"").Replace(s.out.String())), "")
				want := strings.Join(strings.Fields(test.drawnNew), "")
				if width > 20 { // where nothing is wrapped
					require.Contains(t, flat, want)
				}
			}
		})
	}
}

func TestWhiteSpaceIsSeenInASCII(t *testing.T) {
	before, after := "\tf()\x1b\n", "    f()\x1b \n"
	s := screen{width: 80, ascii: true, theme: theme{colour: true}}
	s.file(&comparison{}, rowdiff.CompareFile("p.go", &before, &after))
	drawn := withoutColour(s.out.String())
	require.Contains(t, drawn, `  1 ~ \t   f()\x1b  `)
	require.Contains(t, drawn, `  1 ~ \s\s\s\sf()\x1b\s  `)
	require.Contains(t, s.out.String(), "\x1b[7;")
}

// However large the text: a file with spaces for tabs is shown line beside line.
func TestALargeFileIndentedAnew(t *testing.T) {
	var before, after strings.Builder
	after.WriteString("package p\n")
	for n := range 500 {
		fmt.Fprintf(&before, "\tcall(%d)\n", n)
		fmt.Fprintf(&after, "    call(%d)\n", n)
	}
	a, b := before.String(), after.String()
	f := rowdiff.CompareFile("p.go", &a, &b)
	s := screen{width: 100, context: 3}
	s.file(&comparison{}, f)
	require.Contains(t, s.out.String(), "~ →   call(499)")
	require.Equal(t, 500, strings.Count(s.out.String(), "~ ····call("))
}

// No pair of texts has a changed row whose sides are drawn the same.
func TestChangedRowsNeverLookTheSame(t *testing.T) {
	pieces := []string{
		" ", "  ", "\t", "\u00a0", "\u3000", "\u2009", "é", "e\u0301", "a", "\u0430", "word", ";",
		"\u037e", "\r",
		"\ufe0f", "☁", "\u2800", "\u3164", "\U000e0041", "\u200b", "客", "🏴", "\u0301", "\xff",
	}
	random := rand.New(rand.NewPCG(1, 2))
	line := func() string {
		var out strings.Builder
		for range random.IntN(6) {
			out.WriteString(pieces[random.IntN(len(pieces))])
		}
		return out.String()
	}
	alike := 0
	for range 5_000 {
		a, middle, b := line(), line(), line()
		before, after := a+"word"+middle+b+"\n", a+"word"+line()+b+"\n"
		for _, r := range rowdiff.Compare(before, after) {
			if r.Old.Kind != rowdiff.Changed {
				continue
			}
			if lookAlike(r) {
				alike++
			}
			left, right := drawnText(lineCells(r, false, nil)), drawnText(lineCells(r, true, nil))
			same := layout(left) == layout(right) && rowdiff.Skeleton(left) == rowdiff.Skeleton(right)
			require.False(t, same,
				"%q and %q are drawn as %q and %q", before, after, left, right)
		}
	}
	require.Greater(t, alike, 100)
}
