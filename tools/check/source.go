package check

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
)

// compiledIn returns the folder of the test that has called Run, as it was when it was compiled; ""
// if that is not to be found any more, as for a test binary that was carried elsewhere or built
// with -trimpath.
func compiledIn() string {
	pcs := make([]uintptr, 20)
	frames := runtime.CallersFrames(pcs[:runtime.Callers(1, pcs)])
	for more := true; more; {
		var f runtime.Frame
		f, more = frames.Next()
		if strings.HasSuffix(f.File, "_test.go") && filepath.IsAbs(f.File) {
			return filepath.Dir(f.File)
		}
	}
	return ""
}

// refused reads the Go files in the folder of the one that the student edits, and says what in them
// a lab may not do; "" for nothing, and where the file is not there.
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
			continue // it was another text when it was compiled
		}
		for _, spec := range file.Imports {
			if path, _ := strconv.Unquote(spec.Path.Value); !allowed(path) {
				return fmt.Sprintf(
					"%s imports %s; the standard library and golang.org/x/text are all that a lab may use",
					filepath.Base(name),
					path,
				)
			}
		}
		for _, decl := range file.Decls {
			if f, ok := decl.(*ast.FuncDecl); ok && f.Recv == nil && f.Name.Name == "init" {
				return fmt.Sprintf(
					"%s has an init function; a lab needs none, because nothing is to happen "+
						"before its functions are called",
					filepath.Base(name),
				)
			}
		}
	}
	return ""
}

// allowed reports whether a lab may import the package: paths of the standard library have no dot
// in their first element.
func allowed(path string) bool {
	first, _, _ := strings.Cut(path, "/")
	return path == "golang.org/x/text" || strings.HasPrefix(path, "golang.org/x/text/") ||
		!strings.Contains(first, ".") && first != "socketbook" && path != "C"
}
