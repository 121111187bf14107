package main

import (
	"cmp"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"regexp"
	"strconv"
)

// scene is one that a lesson can play.
type scene struct {
	Name, Line string
	Both       bool // the naive code and the right one: two timelines
}

var sceneName = regexp.MustCompile(`^[a-z0-9]+(-[a-z0-9]+)*$`)

// scenesOf reads the list of a lesson's scenes from its source: every literal with a Name and a
// Line. The lesson itself need not be built for that, and a name that is not in this list is never
// handed to it.
func scenesOf(files fs.FS, number string) ([]scene, error) {
	src, err := fs.ReadFile(files, number+"/scenes.go")
	if err != nil {
		return nil, err
	}
	file, err := parser.ParseFile(token.NewFileSet(), "scenes.go", src, parser.SkipObjectResolution)
	if err != nil {
		return nil, err
	}
	var scenes []scene
	ast.Inspect(file, func(n ast.Node) bool {
		lit, ok := n.(*ast.CompositeLit)
		if !ok {
			return true
		}
		text, has := map[string]string{}, map[string]bool{}
		for _, elt := range lit.Elts {
			kv, ok := elt.(*ast.KeyValueExpr)
			if !ok {
				continue
			}
			key, ok := kv.Key.(*ast.Ident)
			if !ok {
				continue
			}
			has[key.Name] = true
			text[key.Name] = constant(kv.Value)
		}
		if sceneName.MatchString(text["Name"]) && text["Line"] != "" {
			line := cmp.Or(text["NaiveLine"], text["Line"]) // as -list has it
			scenes = append(scenes, scene{text["Name"], line, has["Naive"] && has["Run"]})
		}
		return true
	})
	return scenes, nil
}

// constant returns the text of a string, which may be put together with plus signs; "" for anything else.
func constant(e ast.Expr) string {
	switch e := e.(type) {
	case *ast.BasicLit:
		if e.Kind == token.STRING {
			text, _ := strconv.Unquote(e.Value)
			return text
		}
	case *ast.BinaryExpr:
		return constant(e.X) + constant(e.Y)
	}
	return ""
}
