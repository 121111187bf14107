package rowdiff

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func file(name, oldText, newText string) *File { return CompareFile(name, &oldText, &newText) }

const (
	listenFunc = "// listen binds.\nfunc listen() {\n\tone()\n\ttwo()\n\tthree()\n}\n"
	serveFunc  = "// serve answers.\nfunc serve() {\n\taccept()\n\tread()\n\tfor {\n\t\twrite()\n\t}\n}\n"
	talkFunc   = "// talk asks.\nfunc talk() {\n\tdial()\n\task()\n\thear()\n\tclose()\n\tleave()\n}\n"
)

func TestMovedFunction(t *testing.T) {
	f := file("server.go", "package p\n\n"+listenFunc+"\n"+serveFunc+"\n"+talkFunc,
		"package p\n\n"+serveFunc+"\n"+talkFunc+"\n"+listenFunc)
	MarkMoves([]*File{f})
	require.Equal(t, []FuncChange{{"listen", Relocated}}, f.Funcs())
	checkRows(t, f.OldText, f.NewText, f.Rows)

	var moved, notes []string
	for _, r := range f.Rows {
		for _, s := range []Side{r.Old, r.New} {
			if s.Kind == Moved {
				moved = append(moved, s.Text)
			}
			if s.Note != "" {
				notes = append(notes, s.Note)
			}
		}
	}
	require.Len(t, moved, 12, "six lines, once on each side")
	require.Equal(t, []string{
		"listen moved to line 22, unchanged",
		"listen moved here from line 4, unchanged",
	}, notes)
}

func TestFunctionMovedToAnotherFileAndEdited(t *testing.T) {
	edited := "// listen binds.\nfunc listen() {\n\tone()\n\ttwo()\n\tthree(3)\n\tfour()\n}\n"
	server := file("server.go", "package p\n\n"+serveFunc+"\n"+listenFunc, "package p\n\n"+serveFunc)
	client := file("client.go", "package p\n\n"+talkFunc, "package p\n\n"+talkFunc+"\n"+edited)
	MarkMoves([]*File{server, client})
	require.Equal(t, []FuncChange{{"listen", Relocated}}, server.Funcs())
	require.Equal(t, []FuncChange{{"listen", Relocated}}, client.Funcs())

	added, removed := Count(server.Rows)
	require.Equal(t, []int{0, 7}, []int{added, removed}, "a moved line counts as removed here …")
	added, removed = Count(client.Rows)
	require.Equal(t, []int{8, 0}, []int{added, removed}, "… and as added there")

	notes := make(map[string]bool)
	for _, f := range []*File{server, client} {
		for _, r := range f.Rows {
			notes[r.Old.Note+r.New.Note] = true
		}
	}
	require.True(t, notes["listen moved to client.go, line 13, and edited"], notes)
	require.True(t, notes["listen moved here from server.go, line 13, and edited"], notes)
}

func TestNotMoved(t *testing.T) {
	for name, f := range map[string]*File{
		"edited in place": file("a.go", listenFunc+serveFunc,
			listenFunc+"// serve answers.\nfunc serve() {\n"+
				"\taccept()\n\tread(1)\n\tfor range 3 {\n\t\twrite(2)\n\t}\n}\n"),
		"pushed down": file("a.go", listenFunc, talkFunc+listenFunc),
		"another of that name": file("a.go", listenFunc+serveFunc+talkFunc,
			serveFunc+talkFunc+"func listen() {\n\tsomething()\n\telse_()\n\tentirely()\n}\n"),
		"two of that name": file("a.go",
			"func init() {\n\ta()\n\tb()\n}\n"+serveFunc+"func init() {\n\tc()\n}\n",
			serveFunc+"func init() {\n\ta()\n\tb()\n}\n"),
	} {
		MarkMoves([]*File{f})
		for _, r := range f.Rows {
			require.False(t, r.Old.Kind == Moved || r.New.Kind == Moved, "%s: %q", name,
				r.Old.Text+r.New.Text)
		}
	}
}

// A line that moved is not what the line beside it was changed from.
func TestAMovedLinePartsFromTheOneBesideIt(t *testing.T) {
	changed := Side{Kind: Changed, Spans: []Span{{0, 1}}}
	for _, test := range []struct{ side, other, wantSide, wantOther Side }{
		{changed, changed, Side{Kind: Moved}, Side{Kind: Alone}},
		{Side{Kind: Alone}, Side{Kind: Alone}, Side{Kind: Moved}, Side{Kind: Alone}},
		{Side{Kind: Equal}, Side{Kind: Equal}, Side{Kind: Equal}, Side{Kind: Equal}},
	} {
		side, other := test.side, test.other
		require.Equal(t, side.Kind != Equal, setMoved(&side, &other))
		require.Equal(t, test.wantSide, side)
		require.Equal(t, test.wantOther, other)
	}
}

func TestFuncs(t *testing.T) {
	f := file("server.go", listenFunc+"\n"+serveFunc+"\nfunc gone() {}\n",
		listenFunc+"\n// serve answers.\nfunc serve() {\n\taccept()\n\tfor {\n\t\twrite()\n\t}\n}\n\n"+
			"func fresh() {\n\t_ = 1\n}\n")
	MarkMoves([]*File{f})
	require.Equal(t, []FuncChange{{"serve", Edited}, {"fresh", New}, {"gone", Gone}}, f.Funcs())
	require.Empty(t, file("a.go", listenFunc, listenFunc).Funcs())
	require.Empty(t, file("a.go", "package a\n\n"+listenFunc, "package b\n\n"+listenFunc).Funcs(),
		"outside of every function")
}

func TestUnifiedNamesTheFunction(t *testing.T) {
	f := file("server.go", listenFunc+"\n"+serveFunc,
		listenFunc+"\n// serve answers.\nfunc serve() {\n"+
			"\taccept()\n\tread()\n\tfor {\n\t\twrite(1)\n\t}\n}\n")
	require.Equal(t, "@@ -12,3 +12,3 @@ func serve\n \tfor {\n-\t\twrite()\n+\t\twrite(1)\n \t}\n",
		f.Unified(1))
}

func TestUnifiedExtents(t *testing.T) {
	require.Equal(t, "", Unified(Compare("a\n", "a\n"), 3, nil))
	require.Equal(t, "@@ -1,4 +1,4 @@\n-a\n+x\n b\n c\n-d\n+y\n",
		Unified(Compare("a\nb\nc\nd\n", "x\nb\nc\ny\n"), 1, nil), "hunks that touch are one")
	require.Equal(t, "@@ -0,0 +1 @@\n+a\n", Unified(Compare("", "a\n"), 3, nil))
	require.Equal(t, "@@ -1,2 +0,0 @@\n-a\n-b\n\\ No newline at end of file\n",
		Unified(Compare("a\nb", ""), 3, nil))
	require.Equal(t, "@@ -2,0 +3 @@\n+c\n", Unified(Compare("a\nb\nd\n", "a\nb\nc\nd\n"), 0, nil))
	require.Equal(t, "@@ -1 +1 @@\n-a\n\\ No newline at end of file\n+a\n",
		Unified(Compare("a", "a\n"), 3, nil))
}
