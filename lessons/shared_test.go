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

// changed lists what a lesson has under the same name as the lesson that it builds on, and not the same
// to the byte, with the reason. Everything else in server.go and client.go is a copy: a correction of it
// belongs into all of them.
var changed = map[string]map[string]string{
	"02": {
		"serve":  "its comment: the client is answered until it leaves",
		"answer": "the loop, and the ways in which it ends",
		"talk":   "the loop, and the empty line",
	},
	"03": {
		"serve": "the loop around accept",
	},
	"04": {
		"answer": "runs commands",
		"talk":   "has its user's encoding, and reads through readMessage",
	},
	"05": {
		"answer":      "sends through writeMessage",
		"readMessage": "reads the header, and all of the payload",
	},
	"06": {
		"answer":       "gives the answer a name",
		"writeMessage": "fills in the header's fields",
		"encodeHeader": "the header is JSON",
		"decodeHeader": "the header is JSON",
		"client":       "has a folder to save to",
		"talk":         "readMessage is a method, which knows the folder",
		"readMessage":  "saves, and compares the checksum",
	},
	"07": {
		"listen": "a socket for datagrams, and no queue of clients",
		"dial":   "sends nothing",
		"talk":   "has a deadline; an empty line is a message, and a line can be too long",
	},
}

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
				if changed[l.Number][name] == "" {
					require.Equal(t, before[name], now[name],
						"lesson %s has another %s in %s than lesson %s: carry the change over, or list it with its reason",
						l.Number, name, file, l.BuildsOn)
				}
			}
		}
		for name := range changed[l.Number] {
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
