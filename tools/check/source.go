package check

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// refused reads the Go files in dir, if the one that the student edits is there, and says what in them a lab may not do; ""
// for nothing. A test runs in its package's folder, so dir is "." but where a test binary was carried elsewhere.
func (lab Lab) refused(dir string) string {
	if _, err := os.Stat(filepath.Join(dir, lab.File)); err != nil {
		return ""
	}
	names, _ := filepath.Glob(filepath.Join(dir, "*.go")) // fails for a bad pattern only
	for _, name := range names {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		file, err := parser.ParseFile(token.NewFileSet(), name, nil, parser.SkipObjectResolution)
		if err != nil {
			return err.Error() // another file than the one that was compiled
		}
		for _, spec := range file.Imports {
			if path, _ := strconv.Unquote(spec.Path.Value); !allowed(path) {
				return fmt.Sprintf("%s imports %s; the standard library and golang.org/x/text are all that a lab may use", filepath.Base(name), path)
			}
		}
		for _, decl := range file.Decls {
			if f, ok := decl.(*ast.FuncDecl); ok && f.Recv == nil && f.Name.Name == "init" {
				return fmt.Sprintf("%s has an init function; a lab needs none, because nothing is to happen before its functions are called", filepath.Base(name))
			}
		}
	}
	return ""
}

// allowed reports whether a lab may import the package: paths of the standard library have no dot in their first element.
func allowed(path string) bool {
	first, _, _ := strings.Cut(path, "/")
	return path == "golang.org/x/text" || strings.HasPrefix(path, "golang.org/x/text/") ||
		!strings.Contains(first, ".") && first != "socketbook" && path != "C"
}
