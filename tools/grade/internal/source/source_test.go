package source_test

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/require"

	"socketbook/tools/grade/internal/source"
)

// TestStartersAndReferences: what students begin with, and what solves the labs, is allowed.
func TestStartersAndReferences(t *testing.T) {
	for _, pattern := range []string{"labs/*/*.go", "solutions/*/*.go"} {
		names, err := filepath.Glob(filepath.Join("../../../..", pattern))
		require.NoError(t, err)
		require.NotEmpty(t, names)
		for _, name := range names {
			if strings.HasSuffix(name, "_test.go") {
				continue
			}
			text, err := os.ReadFile(name)
			require.NoError(t, err)
			require.Empty(t, source.Check(filepath.Base(filepath.Dir(name)), filepath.Base(name), text), name)
		}
	}
}

// TestAnswersInOtherStyles: of the right answers in the solutions' tests, and the wrong ones, only
// the imports of the suites are refused, and package-level variables that are tables of answers.
func TestAnswersInOtherStyles(t *testing.T) {
	names, err := filepath.Glob("../../../../solutions/*/right_test.go")
	require.NoError(t, err)
	suites := regexp.MustCompile(`(?m)^\s+(\w+ )?"(socketbook/.*|testing|github.com/.*)"$`)
	tables := regexp.MustCompile(`(?s)\nvar (right|wrong) = .*?\n\}?\)?\n`)
	for _, name := range names {
		text, err := os.ReadFile(name)
		require.NoError(t, err)
		text = tables.ReplaceAll(suites.ReplaceAll(text, nil), nil)
		require.Empty(t, source.Check(filepath.Base(filepath.Dir(name)), "x.go", text), name)
	}
}

// file puts declarations into a file; imports are those that they need.
func file(decls string, imports ...string) string {
	text := "package framing\n\n"
	for _, one := range imports {
		text += "import " + one + "\n"
	}
	return text + "\n" + decls + "\n"
}

func TestRefused(t *testing.T) {
	for _, x := range []struct {
		name, text string
		line       int
		rule       string
	}{
		{"os/exec", file("", `"os/exec"`), 3, `the import of "os/exec"`},
		{"net/http", file("", `"net/http"`), 3, `the import of "net/http"`},
		{"unsafe", file("", `"unsafe"`), 3, `the import of "unsafe"`},
		{"cgo", file("", `"C"`), 3, `the import of "C"`},
		{"plugin", file("", `"plugin"`), 3, `the import of "plugin"`},
		{"runtime/debug", file("", `"runtime/debug"`), 3, `the import of "runtime/debug"`},
		{"testing", file("", `"testing"`), 3, `the import of "testing"`},
		{"the solution", file("", `"socketbook/solutions/05"`), 3, `the import of "socketbook/solutions/05"`},
		{"the suite", file("", `"socketbook/labs/05/framingtest"`), 3, "the import of"},
		{"the engine", file("", `"socketbook/tools/grade/internal/remote"`), 3, "the import of"},
		{"a relative path", file("", `"../../solutions/05"`), 3, "the import of"},
		{"an absolute path", file("", `"/etc/passwd"`), 3, "the import of"},
		{"a raw string", file("", "`os/exec`"), 3, "the import of"},
		{"an escaped path", file("", `"os\u002fexec"`), 3, `the import of "os/exec"`},
		{"a blank import", file("", `_ "os/exec"`), 3, "the import of"},
		{"somebody else's module", file("", `"github.com/stretchr/testify/require"`), 3, "the import of"},
		{"x/text's neighbour", file("", `"golang.org/x/textual"`), 3, "the import of"},
		{"a dot", file("", `. "os"`), 3, "with a dot"},
		{"linkname", "package framing\n\n//go:linkname x os.runtime_args\nfunc x() []string\n", 3, "//go:linkname"},
		{"noescape inside a function", file("func f() {\n\t//go:noescape\n}"), 5, "//go:noescape"},
		{"build tag", "//go:build ignore\n\npackage framing\n", 1, "//go:build"},
		{"old build tag", "// +build ignore\n\npackage framing\n", 1, "+build"},
		{"old build tag behind a tab", "//\t+build ignore\n\npackage framing\n", 1, "+build"},
		{"embed", file("//go:embed framing.go\nvar text string", `_ "embed"`), 3, `the import of "embed"`},
		{"line", file("//line other.go:1\nfunc f() {}"), 4, "//line"},
		{"line in a block", file("func f() { /*line other.go:1:1*/ }"), 4, "/*line"},
		{"lines hidden by a line", file("//line other.go:9\nfunc init() {}"), 4, "//line"},
		{"export", file("//export f\nfunc f() {}"), 4, "//export"},
		{"init", file("func init() {}"), 4, "a function named init"},
		{"no body", file("func f()"), 4, "has no body"},
		{"a call in a variable", file("var x = f()\n\nfunc f() int { return 1 }"), 4, "calls a function"},
		{"a call inside", file("var x = []int{1, f()}\nfunc f() int { return 1 }"), 4, "calls a function"},
		{"a function called at once", file("var _ = func() int { return 1 }()"), 4, "calls a function"},
		{"a method", file(`var x = t{}.f()` + "\ntype t struct{}\nfunc (t) f() int { return 1 }"), 4, "calls"},
		{
			"a call in an argument", file(`var x = errors.New(f())`+"\nfunc f() string { return \"\" }",
				`"errors"`), 5,
			"calls a function",
		},
		{
			"another errors", file("var x = errors.New(`a`)\ntype e struct{}\nvar errors e\nfunc (e) New(string) int { return 1 }"),
			4, "calls a function",
		},
		{"a builtin that is none", file("var x = len(nil)\nfunc len(any) int { return 1 }"), 4, "calls a function"},
		{"a type that is none", file("var string = func(int) int { return 1 }\nvar x = string(1)"), 5, "calls"},
		{"a channel", file("var x = <-make(chan int)"), 4, "waits for a channel"},
		{"os.Exit in a variable", file("var x = os.Getenv(`A`)", `"os"`), 5, "calls a function"},
		{"assigned", file("func f() { io.EOF = nil }", `"io"`), 5, "io.EOF, a variable"},
		{"assigned among others", file("func f() { _, io.EOF = 1, nil }", `"io"`), 5, "io.EOF, a variable"},
		{"assigned in brackets", file("func f() { (io.EOF) = nil }", `"io"`), 5, "io.EOF, a variable"},
		{
			"a field of it", file("func f() { net.DefaultResolver.PreferGo = true }", `"net"`), 5,
			"net.DefaultResolver",
		},
		{"what it points at", file("func f() { *os.Stdout = *os.Stderr }", `"os"`), 5, "os.Stdout, a variable"},
		{"an element of it", file("func f() { os.Args[0] = `` }", `"os"`), 5, "os.Args, a variable"},
		{"under another name", file("func f() { x.EOF = nil }", `x "io"`), 5, "x.EOF, a variable"},
		{"by range", file("func f() { for _, io.EOF = range []error{nil} {} }", `"io"`), 5, "io.EOF, a variable"},
		{"its address", file("func f() { p := &io.EOF; *p = nil }", `"io"`), 5, "the address of io.EOF"},
		{"counted", file("func f() { x.Y++ }", `x "math/rand"`), 5, "x.Y, a variable"},
		{"kill", file("func f() { syscall.Kill(1, 9) }", `"syscall"`), 5, "syscall.Kill"},
		{
			"a system call", file("func f() { syscall.RawSyscall(1, 2, 3, 4) }", `"syscall"`), 5,
			"syscall.RawSyscall",
		},
		{"exec", file("func f() { s.Exec(``, nil, nil) }", `s "syscall"`), 5, "s.Exec"},
		{"a process", file("func f() { os.StartProcess(``, nil, nil) }", `"os"`), 5, "os.StartProcess"},
		{"a descriptor", file("func f() { os.NewFile(3, ``) }", `"os"`), 5, "os.NewFile"},
		{"as a value", file("var f = syscall.Kill", `"syscall"`), 5, "syscall.Kill"},
		{"a thread", file("func f() { runtime.LockOSThread() }", `"runtime"`), 5, "runtime.LockOSThread"},
		{
			"a pointer of reflect's", file("func f(x *int) { g(reflect.ValueOf(x).UnsafePointer()) }", `"reflect"`),
			5, "UnsafePointer",
		},
		{
			"its type inferred", file("func f[P any](interface{ UnsafePointer() P }) (p P) { return p }"), 4,
			"UnsafePointer",
		},
		{"its type of a function", file("var x = atomic.StorePointer", `"sync/atomic"`), 5, "StorePointer"},
		{"not UTF-8", "package framing\n\n// \xff\n", 3, "not UTF-8"},
		{"too long", "package framing\n//" + strings.Repeat("x", source.MaxSize), 0, "bytes, and"},
		{
			"nested", file("var x = " + strings.Repeat("(", 110_000) + "1" + strings.Repeat(")", 110_000)), 0,
			"nested",
		},
		{"a broken file that imports", "package framing\n\nimport \"os/exec\"\n\nfunc (", 3, "the import of"},
	} {
		t.Run(x.name, func(t *testing.T) {
			found := source.Check("05", "framing.go", []byte(x.text))
			require.NotEmpty(t, found)
			require.Equal(t, x.line, found[0].Line, "%v", found)
			require.Contains(t, found[0].Rule, x.rule)
		})
	}
}

func TestNotRefused(t *testing.T) {
	for _, text := range []string{
		file("var (\n\ta = errors.New(`a`)\n\tb = fmt.Errorf(`b: %w`, a)\n)", `"errors"`, `"fmt"`),
		file("var x = []byte(`abc`)\nvar y = make(map[string]int)\nvar z = time.Duration(3) * time.Second",
			`"time"`),
		file("type kind int\nvar k = kind(3)\nvar f = func() int { return len(`a`) }"),
		file("type t struct{ Err error }\nfunc f(x *t) { x.Err = nil; p := &net.OpError{}; p.Err = nil }", `"net"`),
		file("func f(err error) bool { return errors.Is(err, syscall.ECONNRESET) }", `"errors"`, `"syscall"`),
		file("// a comment about go:embed and //line\nfunc f() { _ = \"//go:linkname\" }"),
		file("func f() { x := 1; x++; y := &x; *y = 2; var a []int; a[0] = 1 }"),
		file("type t struct{}\nfunc (t) init() {}"),
		file("var b strings.Builder\nvar mu = &sync.Mutex{}", `"strings"`, `"sync"`),
		file("var p atomic.Pointer[int]\nfunc f() { p.Store(p.Load()); p.Swap(nil) }", `"sync/atomic"`),
		file("func broken( {\n\treturn\n}"), // the compiler says what is wrong
		"this is no Go",
		"",
		file("var _ io.Reader = (*bytes.Buffer)(nil)\nvar _ io.Writer = (*t)(nil)\ntype t struct{ io.Writer }", `"io"`, `"bytes"`),
	} {
		require.Empty(t, source.Check("05", "framing.go", []byte(text)), text)
	}
}

func TestAtMostTen(t *testing.T) {
	found := source.Check("05", "framing.go", []byte(file(strings.Repeat("func init() {}\n", 100))))
	require.Len(t, found, 10)
	require.Equal(t, 4, found[0].Line)
	require.Equal(t, 13, found[9].Line)
	require.Equal(t, "line 4: a function named init, which runs before anything is called", fmt.Sprint(found[0]))
}

func FuzzCheck(f *testing.F) {
	f.Add([]byte(file("var x = f()", `"os"`)))
	f.Add([]byte("package a\n/*line :1*/ func init() { io.EOF = <-x }"))
	f.Fuzz(func(t *testing.T, text []byte) {
		for _, r := range source.Check("05", "framing.go", text) {
			if lines := strings.Count(string(text), "\n") + 1; r.Line < 0 || r.Line > lines {
				t.Errorf("line %d of %d", r.Line, lines)
			}
			if !utf8.ValidString(r.Rule) {
				t.Errorf("%q", r.Rule)
			}
		}
	})
}
