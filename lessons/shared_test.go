package lessons

import (
	"go/ast"
	"go/parser"
	"go/token"
	"maps"
	"path"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// What a lesson has under the same name as the lesson that it builds on is the same to the byte, unless
// its entry in package course lists it with a reason. A correction belongs into all of them.
func TestCopiesAreEqual(t *testing.T) {
	for _, l := range written() {
		if l.BuildsOn == "" {
			continue
		}
		differ := map[string]bool{}
		for _, file := range []string{"server.go", "client.go"} {
			before, now := declarations(t, l.BuildsOn, file), declarations(t, l.Number, file)
			for _, name := range slices.Sorted(maps.Keys(now)) {
				if before[name] == "" || before[name] == now[name] {
					continue
				}
				differ[name] = true
				if l.Changes[name] == "" {
					require.Equal(t, before[name], now[name],
						"lesson %s has another %s in %s than lesson %s: "+
							"carry the change over, or list it in package course with its reason",
						l.Number, name, file, l.BuildsOn)
				}
			}
		}
		for name := range l.Changes {
			require.True(t, differ[name], "lesson %s is listed with another %s, and has the same", l.Number, name)
		}
	}
}

// declarations returns the functions, types and constants of a file, each with its comment, by name. A
// function that became a method keeps its name.
func declarations(t *testing.T, lesson, file string) map[string]string {
	text := source(t, path.Join(lesson, file))
	fset := token.NewFileSet()
	parsed, err := parser.ParseFile(fset, file, text, parser.ParseComments)
	require.NoError(t, err)
	found := map[string]string{}
	for _, d := range parsed.Decls {
		name, begin := "", d.Pos()
		switch d := d.(type) {
		case *ast.FuncDecl:
			name = d.Name.Name
			if d.Doc != nil {
				begin = d.Doc.Pos()
			}
		case *ast.GenDecl:
			if d.Doc != nil {
				begin = d.Doc.Pos()
			}
			switch spec := d.Specs[0].(type) {
			case *ast.TypeSpec:
				name = spec.Name.Name
			case *ast.ValueSpec:
				name = spec.Names[0].Name
			}
		}
		if name != "" {
			declaration := text[fset.Position(begin).Offset:]
			length := fset.Position(d.End()).Offset - fset.Position(begin).Offset
			line, _, _ := strings.Cut(declaration[length:], "\n") // the comment at the end of the line
			found[name] = declaration[:length] + line
		}
	}
	return found
}
