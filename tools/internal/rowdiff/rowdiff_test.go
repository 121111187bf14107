package rowdiff

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// layout writes rows as a reader sees them: old | new, a mark before each line that is not equal.
func layout(rows []Row) string {
	var out strings.Builder
	side := func(s Side) string {
		text := strings.TrimRight(s.Text, "\r\n")
		marked := ""
		last := 0
		for _, span := range s.Spans {
			marked += text[last:min(span.Start, len(text))] + "[" + text[min(span.Start,
				len(text)):min(span.End, len(text))] + "]"
			last = min(span.End, len(text))
		}
		text = marked + text[last:]
		return strings.TrimRight(string(" =~!m"[s.Kind])+" "+text, " ")
	}
	for _, r := range rows {
		out.WriteString(strings.TrimRight(side(r.Old)+" | "+side(r.New), " ") + "\n")
	}
	return out.String()
}

func lines(s ...string) string { return strings.Join(s, "\n") + "\n" }

func TestLayout(t *testing.T) {
	for _, test := range []struct{ name, old, new, want string }{
		{"nothing", "", "", ""},
		{"the same", "a\nb\n", "a\nb\n", "= a | = a\n= b | = b\n"},
		{"all new", "", "a\nb\n", " | ! a\n | ! b\n"},
		{"all gone", "a\n", "", "! a |\n"},
		{
			"a changed line stands beside the one it was, and the token that changed is marked",
			"x\nn, err := conn.Read(buf)\ny\n", "x\nn, err := conn.Read(header)\ny\n",
			"= x | = x\n~ n, err := conn.Read([buf]) | ~ n, err := conn.Read([header])\n= y | = y\n",
		},
		{
			"unlike lines are not compared by token",
			"return nil\n", "for i := range 10 {\n",
			"! return nil | ! for i := range 10 {\n",
		},
		{
			"nor are lines that share a word or two",
			"if err := serve(conn); err != nil {\n", "n, err := conn.Read(buf)\n",
			"! if err := serve(conn); err != nil { | ! n, err := conn.Read(buf)\n",
		},
		{
			"marks with more than two characters between them are two",
			"add(one, ((-two)))\n", "add(uno, ((-dos)))\n",
			"~ add([one], ((-[two]))) | ~ add([uno], ((-[dos])))\n",
		},
		{
			"the line that resembles it is found among new ones",
			"conn.Close()\n",
			"// Nobody needs it now.\nif err := conn.Close(); err != nil {\n\tlog(err)\n}\n",
			" | ! // Nobody needs it now.\n" +
				"~ conn.Close() | ~ [if err := ]conn.Close()[; err != nil {]\n | ! \tlog(err)\n | ! }\n",
		},
		{
			"marks with a comma between them are one",
			"answer(first, second) // of the request\n", "answer(one, two) // of the request\n",
			"~ answer([first, second]) // of the request | ~ answer([one, two]) // of the request\n",
		},
		{
			"white space alone",
			"a b\n", "\ta b\n",
			"~ a b | ~ [\t]a b\n",
		},
		{
			"Chinese by the character",
			"// 客户端发送数据\n", "// 客户端接收数据\n",
			"~ // 客户端[发送]数据 | ~ // 客户端[接收]数据\n",
		},
		{
			"a combining mark belongs to its letter",
			"cafe bar baz\n", "cafe\u0301 bar baz\n",
			"~ [cafe] bar baz | ~ [cafe\u0301] bar baz\n",
		},
		{
			"a block begins with its comment and ends with its blank line",
			lines("// a does.", "func a() {", "}", "", "// c does.", "func c() {", "}"),
			lines("// a does.", "func a() {", "}", "", "// b does.", "func b() {", "}", "",
				"// c does.", "func c() {", "}"),
			lines("= // a does. | = // a does.", "= func a() { | = func a() {", "= } | = }", "= | =",
				" | ! // b does.", " | ! func b() {", " | ! }", " | !",
				"= // c does. | = // c does.", "= func c() { | = func c() {", "= } | = }"),
		},
		{
			"a block at the end begins with the blank line before it",
			lines("func a() {", "}"),
			lines("func a() {", "}", "", "func b() {", "}"),
			lines("= func a() { | = func a() {", "= } | = }", " | !", " | ! func b() {", " | ! }"),
		},
		{
			"an if in front of an if",
			lines("func f() {", "\tif a {", "\t\treturn", "\t}", "}"),
			lines("func f() {", "\tif b {", "\t\treturn", "\t}", "\tif a {", "\t\treturn", "\t}", "}"),
			lines("= func f() { | = func f() {", " | ! \tif b {", " | ! \t\treturn", " | ! \t}",
				"= \tif a { | = \tif a {", "= \t\treturn | = \t\treturn", "= \t} | = \t}", "= } | = }"),
		},
	} {
		t.Run(test.name, func(t *testing.T) {
			require.Equal(t, test.want, layout(Compare(test.old, test.new)))
		})
	}
}

func TestTokens(t *testing.T) {
	for line, want := range map[string][]string{
		"n, err":     {"n", ",", " ", "err"},
		"a_1\t \r\n": {"a_1", "\t ", "\r\n"},
		"客户端":        {"客", "户", "端"},
		"e\u0301te":  {"e\u0301te"},
		"x👩\u200d💻":  {"x", "👩\u200d", "💻"}, // the joiner stays with the character before it
	} {
		require.Equal(t, want, tokens(line), "%q", line)
	}
}

func TestLineEndingsAreContent(t *testing.T) {
	rows := Compare("a b\r\n", "a b\n")
	require.Equal(t, []Row{{
		Side{1, "a b\r\n", Changed, []Span{{3, 5}}, ""},
		Side{1, "a b\n", Changed, []Span{{3, 4}}, ""},
	}}, rows)
	require.False(t, Compare("a", "a\n")[0].Same(), "a missing newline at the end is a difference")
}

func TestCount(t *testing.T) {
	added, removed := Count(Compare(lines("a", "b", "c d e f"), lines("x", "a", "c d e g", "h")))
	require.Equal(t, []int{3, 2}, []int{added, removed})
}

// generated returns the n-th pair of texts: Go-like lines, edited the way that people and machines edit.
func generated(n int) (oldText, newText string) {
	r := rand.New(rand.NewPCG(uint64(n), 4))
	words := strings.Fields(
		"conn err nil return if func for read write " +
			"客户端 服务器 é 👩‍💻 { } ( ) := == , listener")
	line := func() string {
		switch r.IntN(6) {
		case 0:
			return ""
		case 1:
			return "}"
		case 2:
			return "\treturn err"
		}
		var b strings.Builder
		b.WriteString(strings.Repeat("\t", r.IntN(3)))
		for range r.IntN(7) {
			b.WriteString(words[r.IntN(len(words))] + " ")
		}
		return b.String()
	}
	var a []string
	for range r.IntN(1 + n) {
		a = append(a, line())
	}
	b := append([]string(nil), a...)
	for range r.IntN(1 + n/4) {
		at := r.IntN(len(b) + 1)
		to := min(at+r.IntN(8), len(b))
		switch r.IntN(4) {
		case 0:
			b = append(b[:at:at], b[to:]...)
		case 1:
			b = append(b[:at:at], append([]string{line(), line(), line()}, b[at:]...)...)
		case 2:
			if at < len(b) {
				b[at] += " " + words[r.IntN(len(words))]
			}
		case 3: // move
			block := append([]string(nil), b[at:to]...)
			b = append(b[:at:at], b[to:]...)
			at = r.IntN(len(b) + 1)
			b = append(b[:at:at], append(block, b[at:]...)...)
		}
	}
	end := func(s []string) string {
		text := strings.Join(s, "\n")
		if len(s) > 0 && r.IntN(4) != 0 {
			text += "\n"
		}
		if r.IntN(9) == 0 {
			text = strings.ReplaceAll(text, "\n", "\r\n")
		}
		if r.IntN(9) == 0 {
			text += "\xff\xfe \x01"
		}
		return text
	}
	return end(a), end(b)
}

// checkRows holds what is promised of rows, whatever the two texts are.
func checkRows(t *testing.T, oldText, newText string, rows []Row) {
	t.Helper()
	gotOld, gotNew := Texts(rows)
	require.Equal(t, oldText, gotOld)
	require.Equal(t, newText, gotNew)
	oldLine, newLine := 0, 0
	for i, r := range rows {
		require.False(t, r.Old.Kind == Blank && r.New.Kind == Blank, "row %d is empty", i)
		for _, s := range []struct {
			Side
			last *int
		}{{r.Old, &oldLine}, {r.New, &newLine}} {
			if s.Kind == Blank {
				require.Equal(t, Side{}, s.Side)
				continue
			}
			*s.last++
			require.Equal(t, *s.last, s.Number)
			end := 0
			for _, span := range s.Spans {
				require.True(t, end <= span.Start && span.Start < span.End && span.End <= len(s.Text),
					"spans %v of %q", s.Spans, s.Text)
				end = span.End
			}
		}
		require.Equal(t, r.Old.Kind == Equal, r.New.Kind == Equal)
		require.Equal(t, r.Old.Kind == Changed, r.New.Kind == Changed)
		if r.Same() {
			require.Equal(t, r.Old.Text, r.New.Text)
		}
	}
	for _, context := range []int{0, 3, All} {
		var unfolded []Row
		for _, s := range Fold(rows, context) {
			unfolded = append(unfolded, s.Rows...)
			for _, r := range s.Rows {
				require.False(t, s.Folded && !r.Same(), "a row that differs is folded")
			}
		}
		require.Equal(t, rows, append(make([]Row, 0, len(rows)), unfolded...))
	}
}

func TestGeneratedPairsReadBack(t *testing.T) {
	for n := range 300 {
		oldText, newText := generated(n)
		checkRows(t, oldText, newText, Compare(oldText, newText))
	}
}

func FuzzCompare(f *testing.F) {
	for n := range 40 {
		oldText, newText := generated(n)
		f.Add(oldText, newText)
	}
	f.Add("a\r\nb", "a\nb\n")
	f.Fuzz(func(t *testing.T, oldText, newText string) {
		checkRows(t, oldText, newText, Compare(oldText, newText))
		file := CompareFile("a.go", &oldText, &newText)
		MarkMoves([]*File{file})
		checkRows(t, oldText, newText, file.Rows)
		got, err := applyUnified(oldText, file.Unified(3))
		require.NoError(t, err)
		require.Equal(t, newText, got)
	})
}

func TestFold(t *testing.T) {
	var a []string
	for n := range 20 {
		a = append(a, fmt.Sprint("line ", n+1))
	}
	b := append([]string(nil), a...)
	b[9] = "other"
	rows := Compare(lines(a...), lines(b...))
	shape := func(context int) (shape []int) {
		for _, s := range Fold(rows, context) {
			if s.Folded {
				shape = append(shape, -len(s.Rows))
			} else {
				shape = append(shape, len(s.Rows))
			}
		}
		return shape
	}
	require.Equal(t, []int{-6, 7, -7}, shape(3))
	require.Equal(t, []int{-9, 1, -10}, shape(0))
	require.Equal(t, []int{18, -2}, shape(8), "a fold of one line takes as much room as the line")
	require.Equal(t, []int{20}, shape(9))
	require.Equal(t, []int{20}, shape(All))
	require.Equal(t, []Stretch{{Compare("a\nb\n", "a\nb\n"), true}}, Fold(Compare("a\nb\n", "a\nb\n"), 3))
}

// applyUnified applies a unified diff the way patch does, and complains where patch would.
func applyUnified(text, diff string) (string, error) {
	var out strings.Builder
	in := splitLines(text)
	at := 0
	dl := splitLines(diff)
	for i := 0; i < len(dl); {
		var o, on, n, nn int
		header := strings.NewReplacer("-", "", "+", "").Replace(strings.Split(dl[i], "@@")[1])
		oldExtent, newExtent, _ := strings.Cut(strings.TrimSpace(header), " ")
		parse := func(extent string) (start, count int) {
			if _, err := fmt.Sscanf(extent, "%d,%d", &start, &count); err != nil {
				count = 1
			}
			return start, count
		}
		o, on = parse(oldExtent)
		n, nn = parse(newExtent)
		if on == 0 {
			o++
		}
		if nn == 0 {
			n++
		}
		for ; at < o-1; at++ {
			out.WriteString(in[at])
		}
		if got := len(splitLines(out.String())); got != n-1 {
			return "", fmt.Errorf("hunk %q: %d lines of the new text stand before it", dl[i], got)
		}
		for i++; i < len(dl) && !strings.HasPrefix(dl[i], "@@"); i++ {
			body := dl[i][1:]
			if i+1 < len(dl) && strings.HasPrefix(dl[i+1], `\`) {
				body = strings.TrimSuffix(body, "\n")
			}
			switch dl[i][0] {
			case '\\':
				continue
			case '+':
				out.WriteString(body)
				nn--
				continue
			case ' ':
				out.WriteString(body)
				nn--
			}
			if at >= len(in) || in[at] != body {
				return "", fmt.Errorf("line %d of the old text is not %q", at+1, body)
			}
			at++
			on--
		}
		if on != 0 || nn != 0 {
			return "", fmt.Errorf("hunk counts are off by %d and %d", on, nn)
		}
	}
	out.WriteString(strings.Join(in[at:], ""))
	return out.String(), nil
}

// Two lines with the same skeleton look the same, or differ in white space only.
func TestSkeleton(t *testing.T) {
	for _, lines := range [][]string{
		{"\tf( a, b )\r\n", "f(a,b)\n", "f(a,\u00a0b)", "f(a,\u200bb)", "f(\u0430, b)\u3000"},
		{"café", "cafe\u0301", "ca\u00adfé", "\ufeffcafé"},
		{"☁", "☁\ufe0f", "☁\U000e0041", "\u3164☁"},
		{"HOST;", "\u041d\u041e\u0405\u0422\u037e"},
		{"客 户", "客户"},
		{"caf\xe9", "caf\xe9 "},
	} {
		for _, line := range lines {
			require.Equal(t, Skeleton(lines[0]), Skeleton(line), "%q", line)
		}
	}
	require.NotEqual(t, Skeleton("cafe"), Skeleton("café"))
	require.NotEqual(t, Skeleton("客"), Skeleton("户"))
}

// However many lines: those that only white space tells apart stand beside each other.
func TestLargeHunksArePairedByTheirSkeletons(t *testing.T) {
	const n = 1000
	var before, after strings.Builder
	for i := range n {
		fmt.Fprintf(&before, "\tcall(%d)\n", i)
		if i == n/2 {
			after.WriteString("one more\n")
		}
		fmt.Fprintf(&after, "    call(%d)\n", i)
	}
	rows := Compare(before.String(), after.String())
	require.Len(t, rows, n+1)
	for _, r := range rows {
		if r.Old.Kind != Changed {
			require.Equal(t, "one more\n", r.New.Text)
			continue
		}
		require.Equal(t, Skeleton(r.Old.Text), Skeleton(r.New.Text))
		require.Equal(t, []Span{{0, 1}}, r.Old.Spans)
		require.Equal(t, []Span{{0, 4}}, r.New.Spans)
	}
}
