package gosyntax

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

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
	}, Functions([]byte(source)))
}

func TestCarriageReturnsDoNotMoveTheLines(t *testing.T) {
	require.Equal(t, Functions([]byte(source)), Functions([]byte(strings.ReplaceAll(source, "\n", "\r\n"))))
}

func TestFunctionsOfBrokenSource(t *testing.T) {
	for _, src := range []string{"", "func", "func (", "func (s", "func ()", "func f", "func f(", "}}} func", "\xff\x00func f() {"} {
		Functions([]byte(src)) // must come back
	}
	require.Equal(t, []Func{{Name: "open", First: 1, Line: 1, Last: 2}}, Functions([]byte("func open() {\n\tx := 1")))
}

func TestHighlight(t *testing.T) {
	src := "func (s *S) f() error { return fmt.len(\"a\", 'b', 12, 1.5, nil) } // end"
	got := make(map[string]Class)
	for _, s := range Highlight([]byte(src)) {
		got[src[s.Start:s.End]] = s.Class
	}
	require.Equal(t, map[string]Class{
		"func": Keyword, "f": Function, "return": Keyword, "error": Builtin, "nil": Builtin,
		`"a"`: Literal, "'b'": Literal, "12": Number, "1.5": Number, "// end": Comment,
	}, got)
	require.Equal(t, []Span{{0, 4, Keyword}, {5, 6, Function}}, Highlight([]byte("func f()")))
}

func TestSpansStayInTheSource(t *testing.T) {
	for _, src := range []string{"/* a\r\nb */ x", "`a\r\nb` 1", "\"open\nx", "'", "`open\r", "/*", "\ufeffpackage p", "// a\r\r\n1"} {
		end := 0
		for _, s := range Highlight([]byte(src)) {
			require.LessOrEqual(t, end, s.Start, "%q", src)
			require.Less(t, s.Start, s.End, "%q", src)
			end = s.End
		}
		require.LessOrEqual(t, end, len(src), "%q", src)
	}
	require.Equal(t, []Span{{0, 10, Comment}}, Highlight([]byte("/* a\r\nb */ x")))
}

func FuzzSource(f *testing.F) {
	f.Add([]byte(source))
	f.Add([]byte("/* a\r\n*/ func ( x"))
	f.Fuzz(func(t *testing.T, src []byte) {
		lines := strings.Count(string(src), "\n") + 1
		last := 0
		for _, fn := range Functions(src) {
			if fn.First <= last-1 || fn.First > fn.Line || fn.Line > fn.Last || fn.Last > lines {
				t.Fatalf("function %+v, the one before ends on line %d of %d", fn, last, lines)
			}
			last = fn.Last
		}
		end := 0
		for _, s := range Highlight(src) {
			if s.Start < end || s.End <= s.Start || s.End > len(src) {
				t.Fatalf("span %+v, the one before ends at %d of %d", s, end, len(src))
			}
			end = s.End
		}
	})
}
