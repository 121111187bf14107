package main

import (
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"socketbook/tools/check"
	"socketbook/tools/grade/internal/intake"
	"socketbook/tools/grade/internal/score"
	"socketbook/tools/grade/internal/suites"
	"socketbook/tools/internal/labrun"
)

// lab is one that is graded.
type lab struct {
	intake.Lab
	title string
	suite check.Lab // the names of the cases, and their points
	sum   string    // of everything that makes the verdict: another sum, another suite
}

// findLabs returns the labs of the project in root that the list names, or all.
func findLabs(root, list string) ([]lab, error) {
	onDisk, err := labrun.Labs(root)
	if err != nil {
		return nil, err
	}
	var wanted []labrun.Lab
	for name := range strings.SplitSeq(list, ",") {
		if strings.TrimSpace(name) == "" {
			continue
		}
		i, err := labrun.Find(onDisk, strings.TrimSpace(name))
		if err != nil {
			return nil, wrongUse("-labs %s: %w", list, err)
		}
		if !slices.Contains(wanted, onDisk[i]) {
			wanted = append(wanted, onDisk[i])
		}
	}
	switch {
	case list == "":
		wanted = onDisk
	case len(wanted) == 0:
		return nil, wrongUse("-labs %q names no lab", list)
	}
	engine, err := sumOf(
		root,
		"go.mod",
		"go.sum",
		"tools/check",
		"tools/fault",
		"tools/loopback",
		"tools/timeline",
	)
	if err != nil {
		return nil, err
	}
	var labs []lab
	for _, one := range wanted {
		suite, ok := suites.Find(one.Number)
		if !ok {
			return nil, fmt.Errorf("lab %s is not built into this program: build it again in %s", one.Number, root)
		}
		// The student's own file is not part of the suite.
		sum, err := sumOf(root, "labs/"+one.Number)
		if err != nil {
			return nil, err
		}
		labs = append(labs, lab{
			Lab: intake.Lab{Number: one.Number, File: one.File}, title: one.Title, suite: suite.Table(),
			sum: score.Hash([]byte(engine + sum))[:12],
		})
	}
	slices.SortFunc(labs, func(a, b lab) int { return strings.Compare(a.Number, b.Number) })
	return labs, nil
}

// sumOf is a hash of the source files below some folders that decide about points. Tests do not, except
// those that call a lab's suite, nor does a lab's starter.
func sumOf(root string, names ...string) (string, error) {
	var all strings.Builder
	for _, name := range names {
		err := filepath.WalkDir(filepath.Join(root, filepath.FromSlash(name)),
			func(file string, d fs.DirEntry, err error) error {
				if err != nil {
					return err
				}
				rel, err := filepath.Rel(root, file)
				if err != nil {
					return err
				}
				rel = filepath.ToSlash(rel)
				inLab := path.Dir(path.Dir(rel)) == "labs"
				test := strings.HasSuffix(rel, "_test.go")
				switch {
				case inSuite(rel) && !d.IsDir(): // what it embeds, too
				case d.IsDir() && d.Name() == "testdata" && !inSuite(rel):
					return fs.SkipDir
				case d.IsDir():
					return nil
				case d.Name() != "go.mod" && d.Name() != "go.sum" && (path.Ext(rel) != ".go" || inLab != test):
					return nil
				}
				text, err := os.ReadFile(file)
				if err != nil {
					return err
				}
				fmt.Fprintln(&all, rel, score.Hash([]byte(strings.ReplaceAll(string(text), "\r\n", "\n"))))
				return nil
			})
		if err != nil {
			return "", fmt.Errorf("reading the suites: %w", err)
		}
	}
	return score.Hash([]byte(all.String())), nil
}

// intakeLabs are the labs as the intake knows them.
func intakeLabs(labs []lab) []intake.Lab {
	var all []intake.Lab
	for _, l := range labs {
		all = append(all, l.Lab)
	}
	return all
}
