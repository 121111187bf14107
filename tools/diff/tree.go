package main

import (
	"bytes"
	"cmp"
	"crypto/sha256"
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
	maxFile   = 2 << 20  // bytes; a lesson's file has thousands, and each character takes a cell
	maxLines  = 200_000  // of one file; with repeated lines the search takes the square of it: a second
	maxDigest = 64 << 20 // bytes of a file that is only asked whether it differs: a tenth of a second
	maxFiles  = 1000     // of one folder
	maxFolder = 32 << 20 // bytes of all its files, or four times as many lines as in one file
)

// tree is one side of a comparison: a folder, or one file.
type tree struct {
	label  string      // as a person would name it: "lessons/05", "../mine/server.go"
	title  string      // of a lesson; "" elsewhere
	fsys   fs.FS       // nil: there is nothing on this side
	only   string      // the one file to read; "" for a folder
	stream fs.FileInfo // of standard input, a pipe or a device, which has no name and is read once; or nil
}

// rootFS is a folder that no link leads out of: somebody may have handed it in. Root.FS refuses names
// that are not UTF-8, which archives packed on Chinese Windows are full of.
type rootFS struct{ *os.Root }

func (r rootFS) Open(name string) (fs.File, error) { return r.Root.Open(name) }

// fileFS is the one file that the user named, whatever it is and wherever it leads.
type fileFS func() (*os.File, error)

func (open fileFS) Open(string) (fs.File, error) { return open() }

// openTree opens what the user named: a folder, a file, or a stream ("-" is standard input).
func openTree(name string) (tree, error) {
	if name == "-" || name == "/dev/stdin" {
		info, err := os.Stdin.Stat()
		if err != nil {
			return tree{}, fmt.Errorf("standard input: %w", cause(err))
		}
		stdin := fileFS(func() (*os.File, error) { return os.Stdin, nil })
		return tree{label: "standard input", fsys: stdin, only: "stream", stream: info}, nil
	}
	info, err := os.Stat(name)
	if err != nil {
		return tree{}, fmt.Errorf("%s: %w", shown(name), cause(err))
	}
	t := tree{label: shown(filepath.ToSlash(filepath.Clean(name)))}
	if info.IsDir() {
		root, err := os.OpenRoot(name)
		if err != nil {
			return tree{}, fmt.Errorf("%s: %w", shown(name), cause(err))
		}
		t.fsys = rootFS{root}
		return t, nil
	}
	t.fsys, t.only = fileFS(func() (*os.File, error) { return os.Open(name) }), filepath.Base(name)
	if !info.Mode().IsRegular() {
		t.only, t.stream = "stream", info
	}
	return t, nil
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
	skipped string            // why it is not compared line by line; "" when it is
	digest  [sha256.Size]byte // of a file that is skipped: do the bytes differ?
	unread  bool              // the bytes are not known either
}

// read returns the tree's files by name: of a folder, those that are shown.
func (t tree) read(allFiles bool) (map[string]content, error) {
	files := make(map[string]content)
	if t.fsys == nil {
		return files, nil
	}
	if t.only != "" {
		read := readRegular
		if _, named := t.fsys.(fileFS); named {
			read = readFile
		}
		c, err := read(t.fsys, t.only)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", t.label, cause(err))
		}
		files[t.only] = c
		return files, nil
	}
	anyGo, size, lines := false, 0, 0
	err := fs.WalkDir(t.fsys, ".", func(name string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return fmt.Errorf("%s/%s: %w", t.label, shown(name), cause(err))
		case name != "." && (strings.HasPrefix(d.Name(), ".") || d.IsDir() && !allFiles):
			if d.IsDir() {
				return fs.SkipDir
			}
			return nil
		case d.IsDir():
			return nil
		}
		anyGo = anyGo || strings.HasSuffix(name, ".go")
		if !allFiles && !shownByDefault(name) {
			return nil
		}
		c, err := readRegular(t.fsys, name)
		if err != nil {
			c = content{skipped: fmt.Sprintf("cannot be read in %s: %v", t.label, cause(err)), unread: true}
		}
		files[name] = c
		size, lines = size+len(c.text), lines+strings.Count(c.text, "\n")
		switch {
		case len(files) > maxFiles:
			return fmt.Errorf("%s has more than %d files; name a smaller folder", t.label, maxFiles)
		case size > maxFolder || lines > 4*maxLines:
			return fmt.Errorf("%s has more than %d MiB or %d lines of text; name a smaller folder",
				t.label, maxFolder>>20, 4*maxLines)
		}
		return nil
	})
	if err == nil && !anyGo && !allFiles {
		err = fmt.Errorf("%s has no Go files; -all-files compares whatever is there", t.label)
	}
	return files, err
}

// readRegular reads a file of a folder. Reading a pipe or a device that nobody named may never end.
func readRegular(fsys fs.FS, name string) (content, error) {
	info, err := fs.Stat(fsys, name)
	switch {
	case err != nil:
		return content{}, err
	case info.IsDir():
		return content{}, errors.New("it is a link to a folder")
	case !info.Mode().IsRegular():
		return content{}, errors.New("it is a pipe, a socket or a device")
	}
	return readFile(fsys, name)
}

// readFile reads a file, or as much of it as says whether two of them differ.
func readFile(fsys fs.FS, name string) (content, error) {
	f, err := fsys.Open(name)
	if err != nil {
		return content{}, err
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, maxFile+1))
	if err != nil {
		return content{}, err
	}
	c := content{}
	switch {
	case bytes.IndexByte(data, 0) >= 0:
		c.skipped = "is binary"
	case len(data) > maxFile:
		c.skipped = fmt.Sprintf("is larger than %d MiB, too large to compare line by line", maxFile>>20)
	case bytes.Count(data, []byte("\n")) > maxLines:
		c.skipped = fmt.Sprintf("has more than %d lines, too many to compare", maxLines)
	default:
		c.text = string(data)
		return c, nil
	}
	sum := sha256.New()
	sum.Write(data)
	switch _, err := io.CopyN(sum, f, maxDigest); {
	case err == nil:
		return content{}, fmt.Errorf("more than %d MiB, too large to compare", maxDigest>>20)
	case !errors.Is(err, io.EOF):
		return content{}, err
	}
	sum.Sum(c.digest[:0])
	return c, nil
}

// shownByDefault reports whether a file is what a reader of the step wants to see. A lesson's main.go is
// the same everywhere, and its README and tests have readers of their own.
func shownByDefault(name string) bool {
	return strings.HasSuffix(name, ".go") && !strings.HasSuffix(name, "_test.go") && name != "main.go"
}

// readingOrder compares two file names: the server first, then who talks to it, then how not to do it.
func readingOrder(a, b string) int {
	return cmp.Or(cmp.Compare(rank(a), rank(b)), strings.Compare(a, b))
}

func rank(name string) int {
	if i := slices.Index([]string{"server.go", "client.go", "naive.go"}, name); i >= 0 {
		return i
	}
	switch {
	case shownByDefault(name) && !strings.Contains(name, "/"):
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

// errHidden is the error of two folders without a file that is shown by default.
var errHidden = errors.New("only main.go, tests and READMEs")

// compare reads two trees and compares them file by file.
func compare(old, new tree, allFiles bool) (*comparison, error) {
	if old.stream != nil && new.stream != nil && os.SameFile(old.stream, new.stream) {
		return nil, usageError(fmt.Sprintf("%s and %s are the same stream, which is read only once",
			old.label, new.label))
	}
	oldFiles, err := old.read(allFiles)
	if err != nil {
		return nil, err
	}
	newFiles, err := new.read(allFiles)
	if err != nil {
		return nil, err
	}
	if old.only != "" && new.only != "" { // two files, whatever their names
		// Under the old name, which is the one that a patch looks for; a stream has none.
		name := old.only
		if old.stream != nil {
			name = new.only
		}
		oldFiles = map[string]content{name: oldFiles[old.only]}
		newFiles = map[string]content{name: newFiles[new.only]}
	}
	c := &comparison{old: old, new: new}
	for name := range oldFiles {
		c.files = append(c.files, compareFile(name, oldFiles, newFiles))
	}
	for name := range newFiles {
		if _, both := oldFiles[name]; !both {
			c.files = append(c.files, compareFile(name, oldFiles, newFiles))
		}
	}
	switch {
	case len(c.files) == 0 && allFiles:
		return nil, fmt.Errorf("%s and %s have no files", old.name(), new.name())
	case len(c.files) == 0:
		return c, fmt.Errorf("%s and %s have %w: -all-files compares those", old.name(), new.name(),
			errHidden)
	}
	slices.SortFunc(c.files, func(a, b *rowdiff.File) int { return readingOrder(a.Name, b.Name) })
	rowdiff.MarkMoves(c.files)
	return c, nil
}

func compareFile(name string, oldFiles, newFiles map[string]content) *rowdiff.File {
	was, inOld := oldFiles[name]
	is, inNew := newFiles[name]
	f := &rowdiff.File{Name: name, InOld: inOld, InNew: inNew, Differs: true}
	switch {
	case was.unread && is.unread:
		f.Unread, f.Skipped = true, was.skipped+"; "+is.skipped
	case was.unread:
		f.Unread, f.Skipped = true, was.skipped
	case is.unread:
		f.Unread, f.Skipped = true, is.skipped
	case was.skipped == "" && is.skipped == "":
		var before, after *string
		if inOld {
			before = &was.text
		}
		if inNew {
			after = &is.text
		}
		return rowdiff.CompareFile(name, before, after)
	default:
		f.Skipped = cmp.Or(is.skipped, was.skipped)
		f.Differs = inOld != inNew || was.digest != is.digest
	}
	return f
}

// unread is the error of the files that could not be read, a line for each; nil when all were.
func (c *comparison) unread() error {
	var errs []error
	for _, f := range c.files {
		if f.Unread {
			errs = append(errs, errors.New(shown(f.Name)+" "+f.Skipped))
		}
	}
	return errors.Join(errs...)
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

// count sums the lines over the files that pick accepts.
func (c *comparison) count(pick func(name string) bool) lineCount {
	var sum lineCount
	for _, f := range c.files {
		if pick(f.Name) {
			added, removed := rowdiff.Count(f.Rows)
			sum = sum.plus(lineCount{added, removed})
		}
	}
	return sum
}
