// Package labrun runs the labs for tools/watch and tools/workbook: once, or at every change of the
// file that the student edits.
package labrun

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
)

// Lab is a lab on disk.
type Lab struct {
	Number string // "05"
	Title  string // "message framing"
	File   string // what the student edits, from the module's folder: "labs/05/framing.go"
}

// Name is how the lab is called in a sentence.
func (l Lab) Name() string { return strings.TrimSpace("lab " + l.Number + " " + l.Title) }

var heading = regexp.MustCompile(`(?m)^# Lab \d+:? *(.*)$`)

// Labs lists the labs in the module's folder, in order.
func Labs(root string) ([]Lab, error) {
	folders, err := filepath.Glob(filepath.Join(root, "labs", "[0-9][0-9]")) // sorted
	if err != nil || len(folders) == 0 {
		return nil, fmt.Errorf("%s has no labs", filepath.Join(root, "labs"))
	}
	var labs []Lab
	for _, folder := range folders {
		lab := Lab{Number: filepath.Base(folder)}
		readme, _ := os.ReadFile(filepath.Join(folder, "README.md")) // a lab without one has no title
		if m := heading.FindSubmatch(bytes.ReplaceAll(readme, []byte("\r"), nil)); m != nil {
			lab.Title = string(m[1])
		}
		named := regexp.MustCompile("labs/" + lab.Number + `/[a-z0-9_]+\.go`)
		lab.File = string(named.Find(readme))
		sources, _ := filepath.Glob(filepath.Join(folder, "*.go"))
		for _, name := range sources {
			if lab.File == "" && !strings.HasSuffix(name, "_test.go") {
				lab.File = "labs/" + lab.Number + "/" + filepath.Base(name)
			}
		}
		if lab.File != "" {
			labs = append(labs, lab)
		}
	}
	if len(labs) == 0 {
		return nil, fmt.Errorf("no folder of %s has a file to edit", filepath.Join(root, "labs"))
	}
	return labs, nil
}

var number = regexp.MustCompile(`^(?:(?:\./)?labs/)?([0-9]{1,2})/?$`)

// Find returns the place in labs of the one that arg names: 5, 05, labs/05, ./labs/05/.
func Find(labs []Lab, arg string) (int, error) {
	var numbers []string
	m := number.FindStringSubmatch(filepath.ToSlash(arg))
	for i, l := range labs {
		if m != nil && (m[1] == l.Number || "0"+m[1] == l.Number) {
			return i, nil
		}
		numbers = append(numbers, l.Number)
	}
	return 0, fmt.Errorf("there is no lab %q; there are %s", arg, strings.Join(numbers, ", "))
}
