package gosyntax

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func functionsOf(src []byte) []Func {
	_, funcs := Read(src)
	return funcs
}

func spansOf(src []byte) []Span {
	spans, _ := Read(src)
	return spans
}

const source = `package p

// serve answers.
//
// Twice.
func serve(ln net.Listener) error {
	go func() { close(done) }()
	return nil
}

func (s *Server[T]) Serve() {}

// apart from what follows

func external(a int) (b int)
/* one line */
func last() {
	x := ` + "`raw\nfunc no() {}\n`" + `
	_ = x // }
}

var literal = func() {
}
`

func TestFunctionsAreFoundWithTheirComments(t *testing.T) {
	require.Equal(t, []Func{
		{Name: "serve", First: 3, Line: 6, Last: 9},
		{Name: "Server.Serve", First: 11, Line: 11, Last: 11},
		{Name: "external", First: 15, Line: 15, Last: 15},
		{Name: "last", First: 16, Line: 17, Last: 22},
	}, functionsOf([]byte(source)))
}

func TestCarriageReturnsDoNotMoveTheLines(t *testing.T) {
	require.Equal(t, functionsOf([]byte(source)),
		functionsOf([]byte(strings.ReplaceAll(source, "\n", "\r\n"))))
}

func TestFunctionsOfBrokenSource(t *testing.T) {
	for _, src := range []string{
		"", "func", "func (", "func (s", "func ()", "func f", "func f(",
		"}}} func", "\xff\x00func f() {",
	} {
		functionsOf([]byte(src)) // must come back
	}
	require.Equal(t, []Func{{Name: "open", First: 1, Line: 1, Last: 2}},
		functionsOf([]byte("func open() {\n\tx := 1")))
}

func TestHighlight(t *testing.T) {
	src := "func (s *S) f() error { return fmt.len(\"a\", 'b', 12, 1.5, nil) } // end"
	got := make(map[string]Class)
	for _, s := range spansOf([]byte(src)) {
		got[src[s.Start:s.End]] = s.Class
	}
	require.Equal(t, map[string]Class{
		"func": Keyword, "f": Function, "return": Keyword, "error": Builtin, "nil": Builtin,
		`"a"`: Literal, "'b'": Literal, "12": Number, "1.5": Number, "// end": Comment,
	}, got)
	require.Equal(t, []Span{{0, 4, Keyword}, {5, 6, Function}}, spansOf([]byte("func f()")))
}

func TestSpansStayInTheSource(t *testing.T) {
	for _, src := range []string{
		"/* a\r\nb */ x", "`a\r\nb` 1", "\"open\nx", "'", "`open\r", "/*",
		"\ufeffpackage p", "// a\r\r\n1",
	} {
		end := 0
		for _, s := range spansOf([]byte(src)) {
			require.LessOrEqual(t, end, s.Start, "%q", src)
			require.Less(t, s.Start, s.End, "%q", src)
			end = s.End
		}
		require.LessOrEqual(t, end, len(src), "%q", src)
	}
	require.Equal(t, []Span{{0, 10, Comment}}, spansOf([]byte("/* a\r\nb */ x")))
}

func FuzzSource(f *testing.F) {
	f.Add([]byte(source))
	f.Add([]byte("/* a\r\n*/ func ( x"))
	f.Fuzz(func(t *testing.T, src []byte) {
		lines := strings.Count(string(src), "\n") + 1
		last := 0
		for _, fn := range functionsOf(src) {
			if fn.First <= last-1 || fn.First > fn.Line || fn.Line > fn.Last || fn.Last > lines {
				t.Fatalf("function %+v, the one before ends on line %d of %d", fn, last, lines)
			}
			last = fn.Last
		}
		end := 0
		for _, s := range spansOf(src) {
			if s.Start < end || s.End <= s.Start || s.End > len(src) {
				t.Fatalf("span %+v, the one before ends at %d of %d", s, end, len(src))
			}
			end = s.End
		}
	})
}
