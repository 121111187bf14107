package labrun

import (
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"socketbook/tools/internal/progress"
)

// untouched reports whether a file is a starter: every function of it is nothing but a panic that says so.
func untouched(text []byte) bool {
	file, err := parser.ParseFile(token.NewFileSet(), "", text, parser.SkipObjectResolution)
	if err != nil {
		return false
	}
	functions := 0
	for _, d := range file.Decls {
		f, ok := d.(*ast.FuncDecl)
		if !ok {
			continue
		}
		functions++
		if f.Body == nil || len(f.Body.List) != 1 {
			return false
		}
		stmt, _ := f.Body.List[0].(*ast.ExprStmt)
		if stmt == nil {
			return false
		}
		call, _ := stmt.X.(*ast.CallExpr)
		if call == nil || len(call.Args) != 1 {
			return false
		}
		name, _ := call.Fun.(*ast.Ident)
		said, _ := call.Args[0].(*ast.BasicLit)
		if name == nil || name.Name != "panic" || said == nil || said.Value != `"not started"` {
			return false
		}
	}
	return functions > 0
}

// starterName is where a copy of a lab's starter is kept.
func starterName(store *progress.Store, lab Lab) (string, error) {
	dir, err := store.Dir()
	return filepath.Join(dir, "starters", filepath.FromSlash(lab.File)), err
}

// KeepStarter keeps a copy of the lab's file while it is a starter, for a clone without a history.
// Keeping it may fail.
func KeepStarter(root string, store *progress.Store, lab Lab) {
	text, err := os.ReadFile(filepath.Join(root, filepath.FromSlash(lab.File)))
	if err != nil || !untouched(text) {
		return
	}
	if name, err := starterName(store, lab); err == nil && os.MkdirAll(filepath.Dir(name), 0o755) == nil {
		_ = progress.WriteFile(name, text, 0o644)
	}
}

// mostVersions bounds how far back a starter is looked for.
const mostVersions = 500

// Starter returns the lab's file as it was handed out: the copy that was kept, or the newest
// version in git's history that is a starter.
func Starter(root string, store *progress.Store, lab Lab) ([]byte, error) {
	if name, err := starterName(store, lab); err == nil {
		if text, err := os.ReadFile(name); err == nil && untouched(text) {
			return text, nil
		}
	}
	git := func(args ...string) ([]byte, error) {
		cmd := exec.Command("git", args...)
		cmd.Dir = root
		return cmd.Output()
	}
	commits, err := git("log", "--format=%H", fmt.Sprintf("-%d", mostVersions), "--", lab.File)
	if err != nil {
		return nil, fmt.Errorf("no copy of the starter was kept, and git does not know %s", lab.File)
	}
	for commit := range strings.FieldsSeq(string(commits)) {
		if text, err := git("show", commit+":./"+lab.File); err == nil && untouched(text) {
			return text, nil
		}
	}
	return nil, fmt.Errorf("no copy of the starter was kept, and git's history of %s has none", lab.File)
}

// Reset puts the starter into the place of the lab's file, and returns where the student's version is kept.
func Reset(root string, store *progress.Store, lab Lab) (kept string, err error) {
	starter, err := Starter(root, store, lab)
	if err != nil {
		return "", err
	}
	file := filepath.Join(root, filepath.FromSlash(lab.File))
	text, err := os.ReadFile(file)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return "", fmt.Errorf("reading %s: %w", lab.File, err)
	}
	if err == nil {
		dir, err := store.Dir()
		if err != nil {
			return "", err
		}
		folder := filepath.Join(dir, "kept", lab.Number)
		if err := os.MkdirAll(folder, 0o755); err != nil {
			return "", fmt.Errorf("making a folder for your version: %w", err)
		}
		name := filepath.Join(folder, time.Now().Format("2006-01-02-150405.000-")+filepath.Base(lab.File))
		if err := progress.WriteFile(name, text, 0o644); err != nil {
			return "", err
		}
		kept, _ = filepath.Rel(root, name)
	}
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		return kept, err
	}
	return filepath.ToSlash(kept), progress.WriteFile(file, starter, 0o644)
}
