// Package source looks at what a student hands in before it is built: the bytes of one Go file, and
// nothing else. It refuses what has no place in an answer and is useful for an attack on the build or
// on the verdict. It is one wall of several: the verdict is made where none of this code runs, and what
// passes here still runs in a sandbox.
//
// The rules are about what a program can do before its functions are called, and about what it can reach:
//
//   - at most MaxSize bytes of UTF-8;
//   - imports from a list (see allowed.go), by no dot; of a few packages, some names only;
//   - no directive to the compiler or the go command, and no cgo;
//   - no init function, and no call in a package-level variable but of functions that only compute a value,
//     such as errors.New and regexp.MustCompile (see allowed.go), and of what is part of the language (make,
//     len, conversions);
//   - another package's variable is not assigned to, and its address is not taken;
//   - no method or function of reflect or sync/atomic that has to do with an unsafe.Pointer.
package source

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/scanner"
	"go/token"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
)

// MaxSize is the most that a file may have, in bytes.
const MaxSize = 256 << 10

// Refusal is one reason why a file is not built.
type Refusal struct {
	Line int    // in the file; 0 if it is about all of it
	Rule string // what is not allowed, as a sentence that names it
}

func (r Refusal) String() string {
	if r.Line == 0 {
		return r.Rule
	}
	return fmt.Sprintf("line %d: %s", r.Line, r.Rule)
}

const mostRefusals = 10

// Check looks at the text of a lab's file ("framing.go" of lab "05"). It returns nothing for a file that
// may be built, and of one that is no valid Go it looks at what can be read: the compiler says better what
// is wrong with the rest, and builds nothing. Refusals are in the order of their lines, ten at most.
func Check(lab, file string, text []byte) []Refusal {
	switch {
	case len(text) > MaxSize:
		return []Refusal{{Rule: fmt.Sprintf("the file has %d bytes, and %d are allowed", len(text), MaxSize)}}
	case !utf8.Valid(text):
		return []Refusal{{Line: badLine(text), Rule: "the file is not UTF-8"}}
	}
	c := &checker{
		files: token.NewFileSet(), packages: map[string]string{}, types: map[string]bool{},
		others: map[string]bool{},
	}
	c.directives(file, text)
	// not the positions that //line comments pretend
	f, err := parser.ParseFile(c.files, file, text, parser.SkipObjectResolution)
	if err != nil && strings.Contains(err.Error(), "nesting depth") {
		return []Refusal{{Rule: "the code is nested too deep"}}
	}
	if f != nil {
		c.imports(lab, f)
		c.declarations(f, err == nil)
		ast.Inspect(f, c.visit)
	}
	slices.SortStableFunc(c.found, func(a, b Refusal) int { return a.Line - b.Line })
	c.found = slices.Compact(c.found)
	return c.found[:min(len(c.found), mostRefusals)]
}

// Package returns the name in the package clause of a file; "" if it has none.
func Package(text []byte) string {
	f, _ := parser.ParseFile(token.NewFileSet(), "", text, parser.PackageClauseOnly)
	if f == nil || f.Name == nil {
		return ""
	}
	return f.Name.Name
}

// badLine is the first line that is not UTF-8.
func badLine(text []byte) int {
	n := 0
	for line := range strings.Lines(string(text)) {
		if n++; !utf8.ValidString(line) {
			break
		}
	}
	return n
}

type checker struct {
	files    *token.FileSet
	packages map[string]string // name in the file → path
	types    map[string]bool   // declared in the file
	others   map[string]bool   // functions and variables declared in the file, which may hide a builtin
	found    []Refusal
}

func (c *checker) refuse(at token.Pos, format string, args ...any) {
	line := c.files.PositionFor(at, false).Line
	c.found = append(c.found, Refusal{line, fmt.Sprintf(format, args...)})
}

// directives looks at the comments, wherever they are.
func (c *checker) directives(name string, text []byte) {
	file := c.files.AddFile(name, -1, len(text))
	var s scanner.Scanner
	s.Init(file, text, func(token.Position, string) {}, scanner.ScanComments)
	for {
		at, tok, lit := s.Scan()
		if tok == token.EOF {
			return
		}
		if tok != token.COMMENT {
			continue
		}
		plain := lit
		if text, ok := strings.CutPrefix(lit, "//"); ok && strings.HasPrefix(strings.TrimSpace(text), "+build") {
			plain = "//" + strings.TrimSpace(text) // a build tag of old may stand behind spaces
		}
		for _, begin := range []string{
			"//go:", "//line ", "/*line ", "//export ", "//extern ", "//+build", "//cgo_",
		} {
			if strings.HasPrefix(plain, begin) {
				c.refuse(at, "the comment %q is a directive to the compiler or the go command",
					lit[:min(len(lit), 40)])
			}
		}
	}
}

func (c *checker) imports(lab string, f *ast.File) {
	for _, spec := range f.Imports {
		path, err := strconv.Unquote(spec.Path.Value)
		name := path[strings.LastIndexByte(path, '/')+1:]
		if name == "v2" { // math/rand/v2
			name = "rand"
		}
		if spec.Name != nil {
			name = spec.Name.Name
		}
		switch {
		case err != nil:
			continue
		case !Allowed(lab, path):
			c.refuse(spec.Pos(), "the import of %s: a lab needs none of what that is for", strconv.Quote(path))
		case name == ".":
			c.refuse(spec.Pos(), "the import of %s with a dot, which hides where names come from",
				strconv.Quote(path))
		default:
			c.packages[name] = path
		}
	}
}

// declarations looks at what runs before any function is called, and, where the syntax is right, for
// functions without a body: else the compiler has the better words.
func (c *checker) declarations(f *ast.File, parsed bool) {
	for _, decl := range f.Decls {
		switch d := decl.(type) {
		case *ast.FuncDecl:
			if d.Recv == nil {
				c.others[d.Name.Name] = true
			}
			if d.Recv == nil && d.Name.Name == "init" {
				c.refuse(d.Pos(), "a function named init, which runs before anything is called")
			}
			if d.Body == nil && parsed {
				c.refuse(d.Pos(), "the function %s has no body", d.Name.Name)
			}
		case *ast.GenDecl:
			for _, spec := range d.Specs {
				switch s := spec.(type) {
				case *ast.TypeSpec:
					c.types[s.Name.Name] = true
				case *ast.ValueSpec:
					for _, name := range s.Names {
						c.others[name.Name] = true
					}
				}
			}
		}
	}
	for _, decl := range f.Decls {
		d, ok := decl.(*ast.GenDecl)
		if !ok || d.Tok != token.VAR {
			continue
		}
		for _, spec := range d.Specs {
			v, ok := spec.(*ast.ValueSpec)
			if !ok {
				continue
			}
			for _, value := range v.Values {
				ast.Inspect(value, c.initial)
			}
		}
	}
}

// initial looks at a part of the value of a package-level variable.
func (c *checker) initial(n ast.Node) bool {
	switch n := n.(type) {
	case *ast.FuncLit:
		return false // it is called by nobody yet: a call has been looked at before
	case *ast.UnaryExpr:
		if n.Op == token.ARROW {
			c.refuse(n.Pos(), "a package-level variable waits for a channel")
		}
	case *ast.CallExpr:
		if !c.harmless(n.Fun) {
			c.refuse(n.Pos(), "a package-level variable calls a function that is none of those that only compute "+
				"a value, such as errors.New and regexp.MustCompile: move the call into a function")
			return false
		}
	}
	return true
}

// builtins are functions and types of the language that a package-level variable may use.
var builtins = []string{
	"make", "new", "len", "cap", "append", "min", "max", "complex", "real", "imag",
	"bool", "byte", "complex64", "complex128", "error", "float32", "float64", "int", "int8", "int16", "int32",
	"int64", "rune", "string", "uint", "uint8", "uint16", "uint32", "uint64", "uintptr", "any",
}

// harmless reports whether a package-level variable may call this: it runs no code but what is known.
func (c *checker) harmless(f ast.Expr) bool {
	switch f := f.(type) {
	case *ast.ParenExpr:
		return c.harmless(f.X)
	case *ast.ArrayType, *ast.MapType, *ast.ChanType, *ast.FuncType, *ast.InterfaceType, *ast.StructType:
		return true
	case *ast.StarExpr:
		_, ofPackage := f.X.(*ast.SelectorExpr)
		return ofPackage || c.harmless(f.X)
	case *ast.Ident:
		return !c.others[f.Name] && (slices.Contains(builtins, f.Name) || c.types[f.Name])
	case *ast.IndexExpr:
		return c.harmless(f.X)
	case *ast.SelectorExpr:
		pkg, ok := f.X.(*ast.Ident)
		if !ok {
			return false
		}
		return slices.Contains(values, c.packages[pkg.Name]+"."+f.Sel.Name)
	}
	return false
}

// visit looks at one node of the file.
func (c *checker) visit(n ast.Node) bool {
	switch n := n.(type) {
	case *ast.AssignStmt:
		if n.Tok != token.DEFINE {
			for _, to := range n.Lhs {
				c.assigned(to)
			}
		}
	case *ast.IncDecStmt:
		c.assigned(n.X)
	case *ast.RangeStmt:
		if n.Tok == token.ASSIGN {
			c.assigned(n.Key)
			c.assigned(n.Value)
		}
	case *ast.UnaryExpr:
		if n.Op == token.AND {
			if name := c.foreign(n.X); name != "" {
				c.refuse(n.Pos(), "the address of %s, a variable of another package, is taken", name)
			}
		}
	case *ast.SelectorExpr:
		c.selected(n)
	case *ast.Ident:
		if slices.Contains(pointers, n.Name) {
			c.refuse(n.Pos(), "the name %s: by that of reflect or sync/atomic a pointer to one type becomes one to "+
				"another", n.Name)
		}
	}
	return true
}

func (c *checker) assigned(to ast.Expr) {
	if name := c.foreign(to); name != "" {
		c.refuse(to.Pos(), "%s, a variable of another package, is assigned to", name)
	}
}

// foreign returns the variable of another package to which an expression belongs; "" if there is none.
func (c *checker) foreign(x ast.Expr) string {
	for {
		switch e := x.(type) {
		case *ast.ParenExpr:
			x = e.X
		case *ast.StarExpr:
			x = e.X
		case *ast.IndexExpr:
			x = e.X
		case *ast.SliceExpr:
			x = e.X
		case *ast.SelectorExpr:
			if pkg, ok := e.X.(*ast.Ident); ok {
				if _, imported := c.packages[pkg.Name]; imported {
					return pkg.Name + "." + e.Sel.Name
				}
				return ""
			}
			x = e.X
		default:
			return ""
		}
	}
}

// selected looks at a name of a package of which only some are allowed.
func (c *checker) selected(n *ast.SelectorExpr) {
	pkg, ok := n.X.(*ast.Ident)
	if !ok {
		return
	}
	if path := c.packages[pkg.Name]; path != "" && !allowedName(path, n.Sel.Name) {
		c.refuse(n.Pos(), "the use of %s.%s: a lab needs none of what that is for", pkg.Name, n.Sel.Name)
	}
}
