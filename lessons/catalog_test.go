package lessons

import (
	"flag"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestCourse(t *testing.T) {
	seen := map[string]bool{}
	for i, l := range Course {
		require.Equal(t, i+1, atoi(t, l.Number), "the numbers follow each other")
		require.NotEmpty(t, l.Title)
		require.NotEmpty(t, l.Idea)
		if i == 0 {
			require.Empty(t, l.BuildsOn)
		} else {
			require.True(t, seen[l.BuildsOn],
				"lesson %s builds on %q, which does not come before it", l.Number, l.BuildsOn)
		}
		usual := l.MaxAdded == 60 && l.MaxRemoved == 30
		require.Equal(t, usual, l.Reason == "",
			"lesson %s has another budget, and a reason, or neither", l.Number)
		seen[l.Number] = true
		_, err := os.Stat(l.Number)
		require.Equal(t, l.Written, err == nil,
			"lesson %s has a folder when it is written, and only then", l.Number)
	}
	folders, err := filepath.Glob("[0-9][0-9]")
	require.NoError(t, err)
	for _, folder := range folders {
		require.True(t, seen[folder], "folder %s is no lesson of the course", folder)
	}
	for _, number := range []string{"04", "4", "16"} {
		l, ok := Find(number)
		require.True(t, ok)
		require.Equal(t, atoi(t, number), atoi(t, l.Number))
	}
	for _, number := range []string{"", "0", "00", "17", "004", "x"} {
		_, ok := Find(number)
		require.False(t, ok, number)
	}
}

func atoi(t *testing.T, s string) int {
	n, err := strconv.Atoi(s)
	require.NoError(t, err)
	return n
}

func written() []Lesson {
	return slices.DeleteFunc(slices.Clone(Course), func(l Lesson) bool { return !l.Written })
}

// fileNames are those that a lesson's folder may have; _unix and _windows stand for any system.
var fileNames = regexp.MustCompile(
	`^((main|server|client|naive|scenes|lesson|system)(_[a-z]+)?(_test)?\.go|README\.md|testdata)$`)

// Every written lesson has the same files, on disk and embedded.
func TestFiles(t *testing.T) {
	for _, l := range written() {
		entries, err := os.ReadDir(l.Number)
		require.NoError(t, err)
		var names []string
		for _, e := range entries {
			names = append(names, e.Name())
			require.Regexp(t, fileNames, e.Name(), "lesson %s", l.Number)
		}
		for _, name := range []string{
			"main.go", "server.go", "client.go", "scenes.go", "lesson_test.go", "README.md",
		} {
			require.Contains(t, names, name, "lesson %s", l.Number)
			_, err := fs.Stat(Files, path.Join(l.Number, name))
			require.NoError(t, err, "embedded")
		}
		readme, err := fs.ReadFile(Files, path.Join(l.Number, "README.md"))
		require.NoError(t, err)
		require.Contains(t, string(readme), "# "+l.Number+" ", "the title of lesson %s", l.Number)
		require.Contains(t, string(readme), l.Title)
		main := source(t, path.Join(l.Number, "main.go"))
		require.Regexp(t, `Number: +"`+l.Number+`"`, main, "lesson %s names itself", l.Number)
	}
}

func source(t *testing.T, name string) string {
	text, err := fs.ReadFile(Files, name)
	require.NoError(t, err)
	return string(text)
}

// Every row of the ledger has its scenes and its tests, and the tests play the scenes: that of the
// bug the take with the bug, that of the fix the other one.
func TestLedger(t *testing.T) {
	var rows []string
	for _, b := range Ledger {
		require.Regexp(t, `^[a-z0-9]+(-[a-z0-9]+)*$`, b.ID)
		row := b.Shown + " " + b.ID
		require.NotContains(t, rows, row, "twice in the ledger")
		rows = append(rows, row)
		require.Regexp(t, `^[A-Z].*\.$`, b.Sentence, "a sentence")

		shown, ok := Find(b.Shown)
		require.True(t, ok && shown.Written, row)
		fixed, ok := Find(b.Fixed)
		require.True(t, ok && shown.Number <= fixed.Number || b.Fixed == "", row)

		scenes := scenesOf(t, b.Shown)
		require.Contains(t, scenes, b.ID, "the scene of bug %s", row)
		bugTake := "Play"
		if scenes[b.ID].naive {
			bugTake = "PlayNaive"
		}
		require.Equal(t, scenes[b.ID].naive && scenes[b.ID].run, b.Shown == b.Fixed,
			"%s: a scene with two takes shows both the bug and the fix", row)
		requirePlays(t, b.Shown, b.TestBug(), bugTake, b.ID)
		if b.TestFix() != "" {
			require.Contains(t, scenesOf(t, b.Fixed), b.ID,
				"lesson %s plays %s again, and fixes it", b.Fixed, row)
			requirePlays(t, b.Fixed, b.TestFix(), "Play", b.ID)
		}
	}
	require.Equal(t, "TestBugTwoPipes", Bug{ID: "two-pipes"}.TestBug())
	require.Equal(t, "TestFixGlue", Bug{ID: "glue", Fixed: "05"}.TestFix())
}

// requirePlays looks for a call such as stagetest.Play(t, lesson, "glue") in a test.
func requirePlays(t *testing.T, lesson, test, take, scene string) {
	t.Helper()
	tests := functions(t, lesson+"/lesson_test.go")
	require.Contains(t, tests, test, "lesson %s has no such test", lesson)
	require.Contains(t, played(tests[test]), take+" "+scene, "%s of lesson %s plays this", test, lesson)
}

// played lists the takes that a function plays: "Play glue", "PlayNaive spin", and "helper
// bad-json" if a function of the same file is given the name.
func played(f *ast.FuncDecl) []string {
	var takes []string
	ast.Inspect(f, func(n ast.Node) bool {
		call, ok := n.(*ast.CallExpr)
		if !ok {
			return true
		}
		name := ""
		switch fun := call.Fun.(type) {
		case *ast.SelectorExpr:
			name = fun.Sel.Name
		case *ast.Ident: // a helper of the lesson's tests, which plays the scene that it is given
			name = "helper"
		}
		for _, arg := range call.Args {
			if scene, ok := arg.(*ast.BasicLit); ok && scene.Kind == token.STRING {
				text, _ := strconv.Unquote(scene.Value)
				takes = append(takes, name+" "+text)
			}
		}
		return true
	})
	return takes
}

// Every test that claims a bug is in the ledger, and every scene has a test that bears its name and
// plays it.
func TestScenesAndTests(t *testing.T) {
	for _, l := range written() {
		tests := functions(t, l.Number+"/lesson_test.go")
		for name := range tests {
			if strings.HasPrefix(name, "TestBug") {
				inLedger := func(b Bug) bool { return b.Shown == l.Number && b.TestBug() == name }
				require.True(t, slices.ContainsFunc(Ledger, inLedger),
					"%s of lesson %s is not in the ledger", name, l.Number)
			}
		}
		scenes := scenesOf(t, l.Number)
		require.NotEmpty(t, scenes)
		for scene := range scenes {
			found := false
			for _, prefix := range []string{"Test", "TestBug", "TestFix"} {
				if test, ok := tests[prefix+camel(scene)]; ok {
					for _, take := range []string{"Play ", "PlayNaive ", "helper "} {
						found = found || slices.Contains(played(test), take+scene)
					}
				}
			}
			require.True(t, found, "scene %s of lesson %s has no test with its name that plays it",
				scene, l.Number)
		}
	}
}

var update = flag.Bool("update", false, "write the tables of the lessons in the READMEs anew")

// The tables of the lessons in the READMEs are written from the catalogue.
func TestTables(t *testing.T) {
	var all, here, planned []string
	for _, l := range Course {
		if l.Written {
			all = append(all, fmt.Sprintf("| [%s](%[1]s/README.md) | %s | %s | %s |",
				l.Number, l.Title, l.BuildsOn, l.Idea))
			here = append(here, fmt.Sprintf("| [%s](lessons/%[1]s/README.md) | %s | %s | %s |",
				l.Number, l.Title, l.BuildsOn, l.Idea))
		} else {
			all = append(all, fmt.Sprintf("| %s | %s (planned) | %s | %s |",
				l.Number, l.Title, l.BuildsOn, l.Idea))
			planned = append(planned, l.Number+" "+l.Title)
		}
	}
	if len(planned) > 0 {
		here = append(here, "| | planned | | "+strings.Join(planned, " · ")+" |")
	}
	requireTable(t, "README.md", all)
	requireTable(t, "../README.md", here)
}

// requireTable compares the rows of the table of lessons, or writes them.
func requireTable(t *testing.T, name string, rows []string) {
	const heading = "| | title | builds on | what is new |"
	text, err := os.ReadFile(name)
	require.NoError(t, err)
	before, rest, ok := strings.Cut(string(text), heading+"\n")
	require.True(t, ok, "%s has no table with the heading %s", name, heading)
	rule, rest, _ := strings.Cut(rest, "\n")
	_, after, _ := strings.Cut(rest, "\n\n")
	for i, row := range rows {
		rows[i] = strings.ReplaceAll(row, "|  |", "| |")
	}
	want := before + heading + "\n" + rule + "\n" + strings.Join(rows, "\n") + "\n\n" + after
	if *update {
		require.NoError(t, os.WriteFile(name, []byte(want), 0o644))
		return
	}
	require.Equal(t, want, string(text), "%s; go test ./lessons -update writes it anew", name)
}

var testName = regexp.MustCompile(`\b(Test|Fuzz|Benchmark)[A-Z]\w+`)

// A lesson's README names only tests that there are, and has a row for each bug that it shows.
func TestREADMEsNameTests(t *testing.T) {
	tests := map[string]bool{}
	for _, l := range written() {
		files, err := filepath.Glob(l.Number + "/*_test.go")
		require.NoError(t, err)
		for _, file := range files {
			for name := range functions(t, file) {
				tests[name] = true
			}
		}
	}
	for _, l := range written() {
		readme := source(t, l.Number+"/README.md")
		for _, name := range testName.FindAllString(readme, -1) {
			require.True(t, tests[name], "lesson %s: README.md names %s, which no lesson has",
				l.Number, name)
		}
		for _, b := range Ledger {
			if b.Shown != l.Number {
				continue
			}
			row := regexp.MustCompile(`(?m)^\| \x60` + b.ID + `\x60 .*$`).FindString(readme)
			require.Contains(t, row, "`"+b.TestBug()+"`", "lesson %s: the row of %s in README.md",
				l.Number, b.ID)
			require.Contains(t, row, b.TestFix(), "lesson %s: the row of %s in README.md", l.Number,
				b.ID)
		}
	}
}

// functions returns the functions of a file by name; methods are "client.talk".
func functions(t *testing.T, name string) map[string]*ast.FuncDecl {
	t.Helper()
	file, err := parser.ParseFile(token.NewFileSet(), name, nil, 0)
	require.NoError(t, err)
	found := map[string]*ast.FuncDecl{}
	for _, d := range file.Decls {
		if f, ok := d.(*ast.FuncDecl); ok {
			found[receiver(f)+f.Name.Name] = f
		}
	}
	return found
}

func receiver(f *ast.FuncDecl) string {
	if f.Recv == nil {
		return ""
	}
	typ := f.Recv.List[0].Type
	if star, ok := typ.(*ast.StarExpr); ok {
		typ = star.X
	}
	return typ.(*ast.Ident).Name + "."
}

// takes says which takes a scene has.
type takes struct{ naive, run bool }

// scenesOf returns a lesson's scenes, as scenes.go lists them.
func scenesOf(t *testing.T, number string) map[string]takes {
	file, err := parser.ParseFile(token.NewFileSet(), filepath.Join(number, "scenes.go"), nil, 0)
	require.NoError(t, err)
	scenes := map[string]takes{}
	ast.Inspect(file, func(n ast.Node) bool {
		literal, ok := n.(*ast.CompositeLit)
		if !ok {
			return true
		}
		fields := map[string]ast.Expr{}
		for _, e := range literal.Elts {
			if kv, ok := e.(*ast.KeyValueExpr); ok {
				if key, ok := kv.Key.(*ast.Ident); ok {
					fields[key.Name] = kv.Value
				}
			}
		}
		if name, ok := fields["Name"].(*ast.BasicLit); ok && fields["Line"] != nil {
			text, err := strconv.Unquote(name.Value)
			require.NoError(t, err)
			require.NotContains(t, scenes, text, "lesson %s has two scenes of this name", number)
			scenes[text] = takes{naive: fields["Naive"] != nil, run: fields["Run"] != nil}
		}
		return true
	})
	return scenes
}
