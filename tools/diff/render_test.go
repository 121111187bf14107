package main

import (
	"fmt"
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
				for _, c := range lineCells(r.Old, nil) {
					wantOld += c.text
				}
				for _, c := range lineCells(r.New, nil) {
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
	require.Equal(t, []string{"one two", "three"}, trimmed(wrapped("one two three", 10)), "at a space, which the break replaces")
	require.Equal(t, []string{"call(first,", "second)"}, trimmed(wrapped("call(first, second)", 12)))
	require.Equal(t, []string{"  one two", "  three"}, trimmedRight(wrapped("  one two three", 10)), "below the text of the first line")
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
			require.Equal(t, string(want), s.out.String(), "if the new picture is right: go test ./tools/diff -update")
		})
	}
}

// styled finds what is drawn in a style.
var styled = regexp.MustCompile("\x1b\\[([0-9;]*)m(.*?)\x1b\\[0m")

// In the terminal colours tell removed, added and moved lines apart, what differs inside a changed line, and Go's
// tokens.
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
		"package": {"35"},                                   // on an equal line: a colour of the terminal's own
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
	require.False(t, strings.ContainsFunc(s.out.String(), func(r rune) bool { return r >= 0x80 }), s.out.String())
}
