package lessons

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path"
	"path/filepath"
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
			require.True(t, seen[l.BuildsOn], "lesson %s builds on %q, which does not come before it", l.Number, l.BuildsOn)
		}
		seen[l.Number] = true
		_, err := os.Stat(l.Number)
		require.Equal(t, l.Written, err == nil, "lesson %s has a folder when it is written, and only then", l.Number)
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

// Every written lesson has the same files, on disk and embedded.
func TestFiles(t *testing.T) {
	for _, l := range written() {
		entries, err := os.ReadDir(l.Number)
		require.NoError(t, err)
		var names []string
		for _, e := range entries {
			names = append(names, e.Name())
		}
		for _, name := range []string{"main.go", "server.go", "client.go", "scenes.go", "lesson_test.go", "README.md"} {
			require.Contains(t, names, name, "lesson %s", l.Number)
			_, err := fs.Stat(Files, path.Join(l.Number, name))
			require.NoError(t, err, "embedded")
		}
		for _, name := range names {
			require.Contains(t, []string{"main.go", "server.go", "client.go", "naive.go", "scenes.go", "system_unix.go", "system_windows.go", "lesson_test.go", "README.md", "testdata"}, name, "lesson %s", l.Number)
		}
		readme, err := fs.ReadFile(Files, path.Join(l.Number, "README.md"))
		require.NoError(t, err)
		require.Contains(t, string(readme), "# "+l.Number+" ", "the title of lesson %s", l.Number)
		require.Contains(t, string(readme), l.Title)
	}
}

func written() []Lesson {
	return slices.DeleteFunc(slices.Clone(Course), func(l Lesson) bool { return !l.Written })
}

// Every row of the ledger has its scene, its scenario and its tests, and both tests run that scenario.
func TestLedger(t *testing.T) {
	scenarios := functions(t, "internal/scenario/*.go")
	var rows []string
	for _, b := range Ledger {
		require.Regexp(t, `^[a-z0-9]+(-[a-z0-9]+)*$`, b.ID)
		row := b.Shown + " " + b.ID
		require.NotContains(t, rows, row, "twice in the ledger")
		rows = append(rows, row)
		require.Regexp(t, `^[A-Z].*\.$`, b.Sentence, "a sentence")

		shown, ok := Find(b.Shown)
		require.True(t, ok, row)
		fixed, ok := Find(b.Fixed)
		require.True(t, ok || b.Fixed == "", row)
		require.True(t, b.Fixed == "" || shown.Number <= fixed.Number, row)
		require.True(t, shown.Written, row)
		require.Contains(t, scenarios, b.Scenario, row)
		require.Contains(t, scenesOf(t, b.Shown), b.ID, "the scene of bug %s", row)

		tests := functions(t, b.Shown+"/lesson_test.go")
		require.Contains(t, tests, b.TestBug, row)
		require.True(t, runs(tests, b.TestBug, b.Scenario), "%s/%s does not run the scenario %s", b.Shown, b.TestBug, b.Scenario)
		if !fixed.Written {
			require.Empty(t, b.TestFix, "%s: no lesson that is written fixes it", row)
			continue
		}
		tests = functions(t, b.Fixed+"/lesson_test.go")
		require.Contains(t, tests, b.TestFix, row)
		require.True(t, runs(tests, b.TestFix, b.Scenario), "%s/%s does not run the scenario %s", b.Fixed, b.TestFix, b.Scenario)
	}
}

// Every test that claims a bug is in the ledger, and every scene has a test that bears its name.
func TestScenesAndTests(t *testing.T) {
	for _, l := range written() {
		tests := functions(t, l.Number+"/lesson_test.go")
		for name := range tests {
			if strings.HasPrefix(name, "TestBug") {
				require.True(t, slices.ContainsFunc(Ledger, func(b Bug) bool { return b.Shown == l.Number && b.TestBug == name }),
					"%s of lesson %s is not in the ledger", name, l.Number)
			}
		}
		scenes := scenesOf(t, l.Number)
		require.NotEmpty(t, scenes)
		for _, scene := range scenes {
			want := strings.ReplaceAll(scene, "-", "")
			found := false
			for name := range tests {
				name = strings.ToLower(name)
				found = found || name == "test"+want || name == "testbug"+want || name == "testfix"+want
			}
			require.True(t, found, "scene %s of lesson %s has no test with its name", scene, l.Number)
		}
	}
}

// functions returns the functions of the files that match a pattern, by name.
func functions(t *testing.T, pattern string) map[string]*ast.FuncDecl {
	names, err := filepath.Glob(pattern)
	require.NoError(t, err)
	require.NotEmpty(t, names, pattern)
	found := map[string]*ast.FuncDecl{}
	for _, name := range names {
		file, err := parser.ParseFile(token.NewFileSet(), name, nil, 0)
		require.NoError(t, err)
		for _, d := range file.Decls {
			if f, ok := d.(*ast.FuncDecl); ok && f.Recv == nil {
				found[f.Name.Name] = f
			}
		}
	}
	return found
}

// runs reports whether a test calls scenario.NAME, or another test of its file that does.
func runs(tests map[string]*ast.FuncDecl, test, scenario string) bool {
	calls := false
	ast.Inspect(tests[test], func(n ast.Node) bool {
		call, ok := n.(*ast.CallExpr)
		if !ok {
			return true
		}
		switch f := call.Fun.(type) {
		case *ast.SelectorExpr:
			pkg, ok := f.X.(*ast.Ident)
			calls = calls || ok && pkg.Name == "scenario" && f.Sel.Name == scenario
		case *ast.Ident:
			calls = calls || f.Name != test && tests[f.Name] != nil && runs(tests, f.Name, scenario)
		}
		return true
	})
	return calls
}

// scenesOf returns the names of a lesson's scenes, as scenes.go lists them.
func scenesOf(t *testing.T, number string) []string {
	file, err := parser.ParseFile(token.NewFileSet(), filepath.Join(number, "scenes.go"), nil, 0)
	require.NoError(t, err)
	var names []string
	ast.Inspect(file, func(n ast.Node) bool {
		if kv, ok := n.(*ast.KeyValueExpr); ok {
			key, _ := kv.Key.(*ast.Ident)
			value, _ := kv.Value.(*ast.BasicLit)
			if key != nil && key.Name == "Name" && value != nil {
				name, err := strconv.Unquote(value.Value)
				require.NoError(t, err)
				names = append(names, name)
			}
		}
		return true
	})
	return names
}
