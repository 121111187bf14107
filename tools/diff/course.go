package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"

	"socketbook/lessons"
)

// course finds the lessons: on disk, so that what a student edited is what is shown, or else as they
// were when the command was built.
type course struct {
	lessons []lessons.Lesson
	root    string // the module's folder; "" outside of it
}

// openCourse looks for the module from dir upwards.
func openCourse(dir string) course {
	if abs, err := filepath.Abs(dir); err == nil {
		dir = abs
	}
	for {
		mod, err := os.ReadFile(filepath.Join(dir, "go.mod"))
		if err == nil {
			first, _, _ := strings.Cut(string(mod), "\n")
			if strings.TrimSuffix(first, "\r") != "module socketbook" {
				break // somebody else's module
			}
			return course{lessons.Course, dir}
		}
		parent := filepath.Dir(dir)
		if parent == dir {
			break
		}
		dir = parent
	}
	return course{lessons.Course, ""}
}

// written returns the lessons that there are.
func (c course) written() []lessons.Lesson {
	var out []lessons.Lesson
	for _, l := range c.lessons {
		if l.Written {
			out = append(out, l)
		}
	}
	return out
}

// list names the lessons that there are, for an error.
func (c course) list() string {
	var names []string
	for _, l := range c.written() {
		names = append(names, l.Number+" "+l.Title)
	}
	return strings.Join(names, ", ")
}

// tree opens a lesson's folder.
func (c course) tree(l lessons.Lesson) (tree, error) {
	if c.root != "" {
		t, err := openTree(filepath.Join(c.root, "lessons", l.Number))
		if err != nil {
			return tree{}, fmt.Errorf("lesson %s: %w", l.Number, err)
		}
		t.label, t.title = "lessons/"+l.Number, l.Title
		return t, nil
	}
	sub, err := fs.Sub(lessons.Files, l.Number)
	return tree{label: "lessons/" + l.Number, title: l.Title, fsys: sub}, err
}

// lessonName is how a lesson is named on the command line: 5, 05, lessons/05, ./lessons/05/. A folder
// called 05 is ./05.
var lessonName = regexp.MustCompile(`^(?:(?:\./)?lessons/)?([0-9]{1,2})/?$`)

// find returns the lesson that an argument names. ok is false for an argument of another kind: a path.
func (c course) find(arg string) (l lessons.Lesson, ok bool, err error) {
	m := lessonName.FindStringSubmatch(filepath.ToSlash(arg))
	if m == nil {
		return lessons.Lesson{}, false, nil
	}
	number := m[1]
	if len(number) == 1 {
		number = "0" + number
	}
	for _, l := range c.lessons {
		switch {
		case l.Number != number:
		case !l.Written:
			return l, true, usageError(fmt.Sprintf(
				"lesson %s, %s, is planned and not written yet; there are %s", l.Number, l.Title, c.list()))
		default:
			return l, true, nil
		}
	}
	return l, true, usageError(fmt.Sprintf("there is no lesson %s; there are %s", number, c.list()))
}

// step compares a lesson with the one that it builds on.
func (c course) step(l lessons.Lesson, allFiles bool) (*comparison, error) {
	after, err := c.tree(l)
	if err != nil {
		return nil, err
	}
	if l.BuildsOn == "" {
		cmp, err := compare(tree{}, after, allFiles)
		if err == nil {
			cmp.note = fmt.Sprintf("Lesson %s builds on no other: all of it is new.", l.Number)
		}
		return cmp, err
	}
	base, _, err := c.find(l.BuildsOn)
	if err != nil {
		return nil, err
	}
	before, err := c.tree(base)
	if err != nil {
		return nil, err
	}
	return compare(before, after, allFiles)
}

// resolve turns the arguments of the command into a comparison.
func (c course) resolve(args []string, allFiles bool) (*comparison, error) {
	switch len(args) {
	case 1:
		l, ok, err := c.find(args[0])
		switch {
		case err != nil:
			return nil, err
		case !ok:
			return nil, usageError(fmt.Sprintf("%s is not a lesson; one argument is a lesson (%s), "+
				"two are lessons, folders or files", shown(args[0]), c.list()))
		}
		return c.step(l, allFiles)
	case 2:
		old, err := c.side(args[0])
		if err != nil {
			return nil, err
		}
		new, err := c.side(args[1])
		if err != nil {
			return nil, err
		}
		if old, new, err = sameShape(old, new); err != nil {
			return nil, err
		}
		return compare(old, new, allFiles)
	}
	return nil, usageError(fmt.Sprintf(
		"%d arguments; give none, a lesson, or two lessons, folders or files", len(args)))
}

// side opens what one argument names: a lesson, a folder or a file.
func (c course) side(arg string) (tree, error) {
	l, ok, err := c.find(arg)
	switch {
	case err != nil:
		return tree{}, err
	case ok:
		return c.tree(l)
	}
	return openTree(arg)
}

// sameShape makes two files or two folders of what was named: a file is compared with its namesake in a
// folder.
func sameShape(old, new tree) (tree, tree, error) {
	pick := func(folder, file tree) (tree, error) {
		if file.stream != nil {
			return tree{}, usageError(fmt.Sprintf(
				"%s is a stream and %s a folder; name the file in it to compare with",
				file.label, folder.label))
		}
		if _, err := fs.Stat(folder.fsys, file.only); errors.Is(err, fs.ErrNotExist) {
			return tree{}, fmt.Errorf("%s is a file, and the folder %s has no file called %s",
				file.label, folder.label, shown(file.only))
		}
		folder.only = file.only
		folder.label += "/" + shown(file.only)
		return folder, nil
	}
	var err error
	switch {
	case old.only == "" && new.only != "":
		old, err = pick(old, new)
	case old.only != "" && new.only == "":
		new, err = pick(new, old)
	}
	return old, new, err
}
