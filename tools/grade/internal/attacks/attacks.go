// Package attacks runs the attack suite of tools/grade/testdata/attacks, which has three parts:
//
//   - box: attacks on the sandbox, from inside. All files make one program, which is harmless to
//     build; it runs in a box only, because some of it ends every process that it can reach;
//   - build: source that attacks whoever compiles it;
//   - submissions: what a student hands in, see [Submission].
//
// What must come out stands above the package clause of each, or in the head of a submission.
package attacks

import (
	"bufio"
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"socketbook/tools/grade/internal/sandbox"
)

// Folder is where the attacks are, below the module's folder.
const Folder = "tools/grade/testdata/attacks"

// Attack is an attack of the parts box and build, with what must come out.
type Attack struct {
	Name   string
	What   string         // what it does, in a sentence or two
	Ends   []string       // one of these: "exited 0", "timed out"
	Says   string         // what standard output or error must contain
	Limits sandbox.Limits // under which it runs
	Left   int            // processes that it leaves behind, and which are ended, at least
	Writes bool           // it has a writable folder
	Fetch  bool           // /tmp/out is fetched, which must be refused
	Socket bool           // descriptor 3 is a socket
	Go     bool           // the Go installation and its caches are to be seen
	Fill   string         // source that takes the place of the mark in a file of the part build
	Also   string         // another attack that follows in the same box
	path   string
}

// Time is for attacks that get through. One that only its time ends has a short one of its own; no other may
// depend on how busy the machine is.
var (
	boxLimits = sandbox.Limits{
		Time: 2 * time.Minute, Memory: 64 << 20, Tmp: 4 << 20, Processes: 128, OpenFiles: 256,
		FileSize: 16 << 20, Output: 1 << 10,
	}
	buildLimits = sandbox.Limits{
		Time: 5 * time.Minute, Memory: 1 << 30, Tmp: 256 << 20, Processes: 512, OpenFiles: 512,
		FileSize: 64 << 20, Output: 16 << 10,
	}
)

// Box returns the attacks of the part box of the module in root, by name.
func Box(root string) ([]Attack, error) { return read(root, "box", boxLimits) }

// Build returns those of the part build.
func Build(root string) ([]Attack, error) { return read(root, "build", buildLimits) }

func read(root, part string, limits sandbox.Limits) ([]Attack, error) {
	paths, err := filepath.Glob(filepath.Join(root, Folder, part, "*.go"))
	if err != nil || len(paths) == 0 {
		where := filepath.Join(root, Folder, part)
		return nil, errors.Join(err, fmt.Errorf("there are no attacks in %s", where))
	}
	var all []Attack
	for _, path := range paths {
		name := strings.TrimSuffix(filepath.Base(path), ".go")
		if name == "main" {
			continue
		}
		a := Attack{Name: name, Limits: limits, path: path}
		if err := a.readHead(); err != nil {
			return nil, fmt.Errorf("%s: %w", path, err)
		}
		all = append(all, a)
	}
	return all, nil
}

func (a *Attack) readHead() error {
	file, err := parser.ParseFile(token.NewFileSet(), a.path, nil,
		parser.ParseComments|parser.PackageClauseOnly)
	if err != nil {
		return err
	}
	head := file.Doc
	if head == nil { // it is followed by a line such as import "C"
		head = &ast.CommentGroup{}
	}
	var what []string
	for s := bufio.NewScanner(strings.NewReader(head.Text())); s.Scan(); {
		key, value, isKey := strings.Cut(s.Text(), ":")
		if !isKey || !strings.HasPrefix(s.Text(), "\t") {
			what = append(what, strings.Fields(s.Text())...)
			continue
		}
		if err := a.set(strings.TrimSpace(key), strings.TrimSpace(value)); err != nil {
			return err
		}
	}
	a.What = strings.Join(what, " ")
	if a.What == "" || len(a.Ends) == 0 {
		return errors.New("an attack says what it does, and what it expects")
	}
	return nil
}

func (a *Attack) set(key, value string) (err error) {
	switch key {
	case "expect":
		for end := range strings.SplitSeq(value, ",") {
			a.Ends = append(a.Ends, strings.TrimSpace(end))
		}
	case "says":
		a.Says = value
	case "limits":
		err = setLimits(&a.Limits, value)
	case "left":
		a.Left, err = strconv.Atoi(value)
	case "folder":
		a.Writes = value == "yes"
	case "fetch":
		a.Fetch = value == "yes"
	case "files":
		a.Socket = value == "yes"
	case "go":
		a.Go = value == "yes"
	case "fill":
		times, text, _ := strings.Cut(value, " ")
		var n int
		n, err = strconv.Atoi(times)
		a.Fill = strings.Repeat(text, n)
	case "also":
		a.Also = value
	default:
		err = fmt.Errorf("%q is not known", key)
	}
	return err
}

func setLimits(l *sandbox.Limits, text string) (err error) {
	for field := range strings.FieldsSeq(text) {
		name, value, _ := strings.Cut(field, "=")
		if name == "time" {
			if l.Time, err = time.ParseDuration(value); err != nil {
				return err
			}
			continue
		}
		number, mega := strings.CutSuffix(value, "M")
		n, err := strconv.Atoi(number)
		if err != nil {
			return err
		}
		if mega {
			n <<= 20
		}
		switch name {
		case "memory":
			l.Memory = int64(n)
		case "processes":
			l.Processes = n
		case "files":
			l.OpenFiles = n
		default:
			return fmt.Errorf("the limit %q is not known", name)
		}
	}
	return nil
}

// judge says what is wrong with the way in which an attack ended; nil if it held.
func (a Attack) judge(r sandbox.Result) error {
	end := string(r.End)
	if r.End == sandbox.Exited {
		end = fmt.Sprint(end, " ", r.Status)
	}
	wrong := func(format string, args ...any) error {
		return fmt.Errorf(format+"\nit ended: %s\n%s\n%s",
			append(args, end, short(r.Stdout), short(r.Stderr))...)
	}
	switch {
	case strings.Contains(string(r.Stdout), "broke: "):
		return wrong("the attack got through")
	case !slices.Contains(a.Ends, end):
		return wrong("it must end with %s", strings.Join(a.Ends, " or "))
	case a.Says != "" && !strings.Contains(string(r.Stdout)+string(r.Stderr), a.Says):
		return wrong("it must say %q", a.Says)
	case r.Left < a.Left:
		return wrong("%d processes must be left behind and ended, %d were", a.Left, r.Left)
	case a.Fetch && r.Fetched == nil:
		return wrong("what it left was fetched")
	case len(r.Stdout) > 2*a.Limits.Output || len(r.Stderr) > 2*a.Limits.Output:
		return wrong("%d and %d bytes of output were kept", len(r.Stdout), len(r.Stderr))
	}
	return nil
}

func short(output []byte) string {
	const limit = 2000
	return string(output[:min(len(output), limit)])
}

func writeFile(path, text string) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	return os.WriteFile(path, []byte(text), 0o644)
}
