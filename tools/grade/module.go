package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"go/ast"
	"go/format"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strings"

	"socketbook/tools/grade/internal/intake"
	"socketbook/tools/grade/internal/sandbox"
	"socketbook/tools/grade/internal/suites"
)

// module is a copy of the part of the project that a child is built from: the functions of a lab, called from
// outside. It has the starters in it; a student's file takes the place of one with -overlay.
type module struct {
	dir    string
	golang sandbox.Go
	labs   []lab
	judge  string // its program
	box    string // the program that package sandbox starts
}

// buildFlags are the same for everybody, so that what is compiled once serves all.
var buildFlags = []string{"-trimpath", "-ldflags=-s -w"}

// childFolder is where the main package of the children is, in the module: one program for all labs of a
// student, because to link one is much faster than to link seven. Each lab has a file in it.
const childFolder = "tools/grade/child"

func childFile(number string) string { return childFolder + "/lab" + number + ".go" }

const childMain = `package main

import "os"

// labs serve the functions of a lab to the judge.
var labs = map[string]func(){}

func main() { labs[os.Args[1]]() }
`

// newModule copies the project in root to dir, and compiles what all children have in common.
func newModule(ctx context.Context, root, dir string, labs []lab) (*module, error) {
	golang, err := sandbox.FindGo(ctx, root)
	if err != nil {
		return nil, &failure{misuse, err}
	}
	m := &module{
		dir: dir, golang: golang, labs: labs,
		judge: filepath.Join(dir, "judge"+exe), box: filepath.Join(dir, "box"+exe),
	}
	names := []string{
		"go.mod", "go.sum", "tools/check", "tools/fault", "tools/loopback", "tools/timeline",
		"tools/grade/internal/remote", "tools/grade/internal/judge", "tools/grade/internal/box",
		"tools/grade/internal/suites", "tools/grade/internal/verdict", "tools/grade/internal/sandbox",
		"tools/grade/internal/score", "tools/internal/runner",
	}
	for _, s := range suites.All { // the judge has all of them
		names = append(names, "labs/"+s.Table().Number)
	}
	if err := copyProject(root, dir, names); err != nil {
		return nil, fmt.Errorf("copying the project: %w", err)
	}
	if err := os.MkdirAll(filepath.Join(dir, filepath.FromSlash(childFolder)), 0o755); err != nil {
		return nil, err
	}
	if err := os.WriteFile(filepath.Join(dir, childFolder, "main.go"), []byte(childMain), 0o644); err != nil {
		return nil, err
	}
	for _, l := range labs {
		text, err := childOf(root, l.Number)
		if err != nil {
			return nil, err
		}
		name := filepath.Join(dir, filepath.FromSlash(childFile(l.Number)))
		if err := os.WriteFile(name, text, 0o644); err != nil {
			return nil, err
		}
	}
	// The children are compiled with the flags of every student's, but not linked.
	if err := golang.Warm(ctx, dir, "build", append(slices.Clone(buildFlags), "./labs/...",
		"./tools/...")...); err != nil {
		return nil, m.explain(err)
	}
	vet := slices.Clone(vetFlags)
	for _, l := range labs {
		vet = append(vet, "./labs/"+l.Number)
	}
	if err := golang.Warm(ctx, dir, "vet", vet...); err != nil {
		return nil, m.explain(err)
	}
	for program, from := range map[string]string{m.judge: "judge", m.box: "box"} {
		args := append(slices.Clone(buildFlags), "-o", program, "./tools/grade/internal/"+from)
		err := golang.Warm(ctx, dir, "build", args...)
		if err == nil {
			err = os.Chmod(program, 0o755)
		}
		if err != nil {
			return nil, m.explain(err)
		}
	}
	return m, nil
}

// explain says what to do when the untouched project does not build.
func (m *module) explain(err error) error {
	text := err.Error()
	if strings.Contains(text, "module lookup disabled") || strings.Contains(text, "GOPROXY=off") ||
		strings.Contains(text, "no required module") || strings.Contains(text, "missing go.sum") {
		return &failure{misuse, errors.New("the libraries that the labs need are not on this machine: type " +
			"go mod download in the project's folder while there is a network")}
	}
	return &failure{misuse, fmt.Errorf("the untouched labs do not build here: %w", err)}
}

// inSuite reports whether a path of the project is in the folder of a lab's suite, labs/NN/subjecttest.
func inSuite(rel string) bool {
	names := strings.Split(filepath.ToSlash(rel), "/")
	return len(names) > 3 && names[0] == "labs" && strings.HasSuffix(names[2], "test")
}

// copyProject copies the packages of some folders, without tests. Everybody may read the copy: in a box the
// compiler runs as somebody else.
func copyProject(root, to string, names []string) error {
	for _, name := range names {
		err := filepath.WalkDir(filepath.Join(root, name), func(file string, d fs.DirEntry, err error) error {
			if err != nil {
				return err
			}
			rel, err := filepath.Rel(root, file)
			if err != nil {
				return err
			}
			ext := filepath.Ext(file)
			switch {
			case inSuite(rel) && !d.IsDir(): // what it embeds, too
			case d.IsDir() && d.Name() == "testdata" && !inSuite(rel):
				return fs.SkipDir
			case d.IsDir(), strings.HasSuffix(file, "_test.go"):
				return nil
			case ext != ".go" && ext != ".mod" && ext != ".sum":
				return nil
			}
			text, err := os.ReadFile(file)
			if err == nil {
				err = os.MkdirAll(filepath.Dir(filepath.Join(to, rel)), 0o755)
			}
			if err == nil {
				err = os.WriteFile(filepath.Join(to, rel), text, 0o644)
			}
			return err
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// childOf is the text of a lab's file in the children's program: what labs/NN hands to its suite is served to
// the judge.
func childOf(root, number string) ([]byte, error) {
	tests, err := filepath.Glob(filepath.Join(root, "labs", number, "*_test.go"))
	if err != nil || len(tests) != 1 {
		return nil, fmt.Errorf("lab %s has %d tests, not one", number, len(tests))
	}
	fset := token.NewFileSet()
	file, err := parser.ParseFile(fset, tests[0], nil, parser.SkipObjectResolution)
	if err != nil {
		return nil, err
	}
	var lab ast.Expr
	ast.Inspect(file, func(n ast.Node) bool {
		if call, ok := n.(*ast.CallExpr); ok && len(call.Args) == 2 {
			if sel, ok := call.Fun.(*ast.SelectorExpr); ok && sel.Sel.Name == "Run" && lab == nil {
				lab = call.Args[1]
			}
		}
		return true
	})
	if lab == nil {
		return nil, fmt.Errorf("%s does not run a suite", tests[0])
	}
	var b bytes.Buffer
	b.WriteString("package main\n\nimport (\n")
	for _, spec := range file.Imports {
		if spec.Path.Value == `"testing"` {
			continue
		}
		if spec.Name != nil {
			b.WriteString(spec.Name.Name + " ")
		}
		b.WriteString(spec.Path.Value + "\n")
	}
	fmt.Fprintf(
		&b,
		"\"socketbook/tools/grade/internal/remote\"\n)\n\nfunc init() { labs[%q] = func() { remote.Serve(",
		number,
	)
	if err := format.Node(&b, fset, lab); err != nil {
		return nil, err
	}
	b.WriteString(") } }\n")
	return format.Source(b.Bytes())
}

// overlay writes what puts a student's files into the place of the starters, and leaves out the labs that are
// not built, into a folder of theirs.
func (m *module) overlay(
	dir string,
	all, built []lab,
	files map[string]intake.File,
) (name string, err error) {
	replace := map[string]string{}
	for _, l := range all {
		replace[filepath.Join(m.dir, filepath.FromSlash(childFile(l.Number)))] = "" // no file
	}
	for _, l := range built {
		file := filepath.Join(dir, l.Number+".go")
		if err := os.WriteFile(file, files[l.Number].Text, 0o644); err != nil {
			return "", err
		}
		replace[filepath.Join(m.dir, filepath.FromSlash(l.File))] = file
		delete(replace, filepath.Join(m.dir, filepath.FromSlash(childFile(l.Number))))
	}
	return overlayFile(filepath.Join(dir, "overlay.json"), replace)
}

// overlayFile writes what the go command's flag -overlay takes.
func overlayFile(name string, replace map[string]string) (string, error) {
	text, err := json.Marshal(map[string]any{"Replace": replace})
	if err != nil {
		return "", err
	}
	return name, os.WriteFile(name, text, 0o644)
}

// complaint is what the go command says of one package: its heading and what follows.
var complaint = regexp.MustCompile(`(?m)^# (socketbook/\S+)`)

// position is the beginning of a line about a file, where there is no heading: the file has no package.
var position = regexp.MustCompile(`(?m)^labs[/\\](\d\d)[/\\]\w+\.go:.*\n?`)

// complaints cuts the go command's output by lab. The rest is what belongs to none.
func complaints(output string) (byLab map[string]string, rest string) {
	byLab = map[string]string{}
	heads := complaint.FindAllStringSubmatchIndex(output, -1)
	first := len(output)
	if len(heads) > 0 {
		first = heads[0][0]
	}
	rest = position.ReplaceAllStringFunc(output[:first], func(line string) string {
		byLab[position.FindStringSubmatch(line)[1]] += line
		return ""
	})
	number := regexp.MustCompile(`^socketbook/labs/(\d\d)$`)
	for i, h := range heads {
		end := len(output)
		if i+1 < len(heads) {
			end = heads[i+1][0]
		}
		if m := number.FindStringSubmatch(output[h[2]:h[3]]); m != nil {
			byLab[m[1]] += output[h[0]:end]
		} else {
			rest += output[h[0]:end]
		}
	}
	return byLab, rest
}

// exe is how the names of programs end.
var exe = map[bool]string{true: ".exe"}[runtime.GOOS == "windows"]
