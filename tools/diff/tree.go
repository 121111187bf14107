package main

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"socketbook/tools/internal/rowdiff"
)

const (
	maxFile  = 2 << 20 // bytes; a lesson's file has thousands, and a line is held in memory a cell a character
	maxLines = 200_000 // of one file; where lines repeat, the search takes the square of it: about a second at this size
	maxFiles = 1000    // of one folder
)

// tree is one side of a comparison: a folder, or one file of it.
type tree struct {
	label string // as a person would name it: "lessons/05", "../mine/server.go"
	title string // of a lesson; "" elsewhere
	fsys  fs.FS  // nil: there is nothing on this side
	only  string // the one file to read; "" for a folder
	as    string // what to call that file: where it was named by a link, the link's name
}

// openTree opens a folder or a file that the user named.
func openTree(name string) (tree, error) {
	info, err := os.Stat(name)
	if err != nil {
		return tree{}, fmt.Errorf("%s: %w", shown(name), cause(err))
	}
	dir, only := name, ""
	if !info.IsDir() {
		file, err := filepath.EvalSymlinks(name)
		if err != nil {
			return tree{}, fmt.Errorf("%s: %w", shown(name), cause(err))
		}
		dir, only = filepath.Dir(file), filepath.Base(file)
	}
	// A root keeps a link inside a folder that somebody handed in from leading to a file outside.
	root, err := os.OpenRoot(dir)
	if err != nil {
		return tree{}, fmt.Errorf("%s: %w", shown(name), cause(err))
	}
	return tree{label: shown(filepath.ToSlash(filepath.Clean(name))), fsys: root.FS(), only: only, as: filepath.Base(name)}, nil
}

// cause is the error without the operation and the path, which the caller has named.
func cause(err error) error {
	var pathErr *fs.PathError
	if errors.As(err, &pathErr) {
		return pathErr.Err
	}
	return err
}

// content is a file as it was read.
type content struct {
	text    string
	skipped string // why it cannot be compared line by line; "" when it can
}

// read returns the tree's files by name: of a folder, what belong() picks.
func (t tree) read(allFiles bool) (map[string]content, error) {
	files := make(map[string]content)
	if t.fsys == nil {
		return files, nil
	}
	if t.only != "" {
		c := readFile(t.fsys, t.only)
		if c.skipped != "" && c.text == "" {
			return nil, fmt.Errorf("%s: %s", t.label, c.skipped)
		}
		files[t.as] = c
		return files, nil
	}
	anyGo := false
	err := fs.WalkDir(t.fsys, ".", func(name string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return fmt.Errorf("%s/%s: %w", t.label, shown(name), cause(err))
		case name != "." && strings.HasPrefix(d.Name(), "."), d.IsDir() && name != "." && !allFiles:
			if d.IsDir() {
				return fs.SkipDir
			}
			return nil
		case d.IsDir():
			return nil
		}
		anyGo = anyGo || strings.HasSuffix(name, ".go")
		if !allFiles && !ofTheStory(name) {
			return nil
		}
		if len(files) == maxFiles {
			return fmt.Errorf("%s has more than %d files; name a smaller folder", t.label, maxFiles)
		}
		files[name] = readFile(t.fsys, name)
		return nil
	})
	if err == nil && !anyGo && !allFiles {
		err = fmt.Errorf("%s has no Go files; -all-files compares whatever is there", t.label)
	}
	return files, err
}

// readFile reads a file, or says why it does not.
func readFile(fsys fs.FS, name string) content {
	info, err := fs.Stat(fsys, name)
	switch {
	case err != nil:
		return content{skipped: "cannot be read: " + cause(err).Error()}
	case !info.Mode().IsRegular():
		return content{skipped: "is no regular file"} // reading a pipe or a device may never end
	}
	f, err := fsys.Open(name)
	if err != nil {
		return content{skipped: "cannot be read: " + cause(err).Error()}
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, maxFile+1))
	switch {
	case err != nil:
		return content{skipped: "cannot be read: " + cause(err).Error()}
	case len(data) > maxFile:
		return content{skipped: fmt.Sprintf("is larger than %d MiB, too large to compare line by line", maxFile>>20)}
	case bytes.IndexByte(data, 0) >= 0:
		return content{string(data), "is binary"}
	case bytes.Count(data, []byte("\n")) > maxLines:
		return content{string(data), fmt.Sprintf("has more than %d lines, too many to compare", maxLines)}
	}
	return content{text: string(data)}
}

// ofTheStory reports whether a file is what a reader of the step wants to see. A lesson's main.go is the same
// everywhere, and its README and tests are another story.
func ofTheStory(name string) bool {
	return strings.HasSuffix(name, ".go") && !strings.HasSuffix(name, "_test.go") && name != "main.go"
}

// readingOrder compares two file names: the server first, then who talks to it, then how not to do it.
func readingOrder(a, b string) int {
	return cmp.Or(cmp.Compare(place(a), place(b)), strings.Compare(a, b))
}

func place(name string) int {
	if i := slices.Index([]string{"server.go", "client.go", "naive.go"}, name); i >= 0 {
		return i
	}
	switch {
	case ofTheStory(name) && !strings.Contains(name, "/"):
		return 3
	case name == "main.go":
		return 4
	case strings.HasSuffix(name, "_test.go"):
		return 5
	case strings.HasPrefix(name, "README"):
		return 6
	}
	return 7
}

// comparison is two trees, file by file.
type comparison struct {
	old, new tree
	files    []*rowdiff.File // in reading order
	note     string          // a sentence to put above it; ""
}

// errNoStory is the error of two folders without a file that belongs to the story.
var errNoStory = errors.New("only main.go, tests and READMEs")

// compare reads two trees and compares them file by file.
func compare(old, new tree, allFiles bool) (*comparison, error) {
	oldFiles, err := old.read(allFiles)
	if err != nil {
		return nil, err
	}
	newFiles, err := new.read(allFiles)
	if err != nil {
		return nil, err
	}
	if old.only != "" && new.only != "" { // two files, whatever their names
		// Under the old name, which is the one that a patch looks for.
		newFiles = map[string]content{old.as: newFiles[new.as]}
	}
	names := make(map[string]bool)
	for name := range oldFiles {
		names[name] = true
	}
	for name := range newFiles {
		names[name] = true
	}
	c := &comparison{old: old, new: new}
	for name := range names {
		c.files = append(c.files, compareFile(name, oldFiles, newFiles))
	}
	switch {
	case len(c.files) == 0 && allFiles:
		return nil, fmt.Errorf("%s and %s have no files", old.name(), new.name())
	case len(c.files) == 0:
		return c, fmt.Errorf("%s and %s have %w: -all-files compares those", old.name(), new.name(), errNoStory)
	}
	slices.SortFunc(c.files, func(a, b *rowdiff.File) int { return readingOrder(a.Name, b.Name) })
	rowdiff.MarkMoves(c.files)
	return c, nil
}

func compareFile(name string, oldFiles, newFiles map[string]content) *rowdiff.File {
	was, inOld := oldFiles[name]
	is, inNew := newFiles[name]
	if skipped := cmp.Or(is.skipped, was.skipped); skipped != "" {
		known := (!inOld || was.text != "" || was.skipped == "") && (!inNew || is.text != "" || is.skipped == "")
		f := &rowdiff.File{Name: name, InOld: inOld, InNew: inNew, Skipped: skipped, Differs: true}
		if known {
			f.Differs = was.text != is.text || inOld != inNew
		}
		return f
	}
	var before, after *string
	if inOld {
		before = &was.text
	}
	if inNew {
		after = &is.text
	}
	return rowdiff.CompareFile(name, before, after)
}

// name is what to call the tree in a sentence.
func (t tree) name() string {
	if t.fsys == nil {
		return "nothing"
	}
	return t.label
}

// differs reports whether any file does.
func (c *comparison) differs() bool {
	return slices.ContainsFunc(c.files, func(f *rowdiff.File) bool { return f.Differs })
}

// count sums the lines added and removed over the files that pick accepts.
func (c *comparison) count(pick func(name string) bool) (added, removed int) {
	for _, f := range c.files {
		if pick(f.Name) {
			a, r := rowdiff.Count(f.Rows)
			added, removed = added+a, removed+r
		}
	}
	return added, removed
}
