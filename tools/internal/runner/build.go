package runner

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"hash/fnv"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"time"
)

// buildLimit ends a build that hangs. The first one fetches libraries and compiles all of them.
const buildLimit = 5 * time.Minute

// FindRoot returns the folder of the module socketbook, looking from dir upwards.
func FindRoot(dir string) (string, error) {
	abs, err := filepath.Abs(dir)
	if err != nil {
		return "", err
	}
	for at := abs; ; at = filepath.Dir(at) {
		mod, err := os.ReadFile(filepath.Join(at, "go.mod"))
		if first, _, _ := bytes.Cut(mod, []byte("\n")); err == nil &&
			strings.TrimSpace(string(first)) == "module socketbook" {
			return at, nil
		}
		if at == filepath.Dir(at) {
			return "", fmt.Errorf("%s is not in a clone of socketbook: change to its folder first", abs)
		}
	}
}

// Builder builds programs into a temporary folder. Its methods may be called at the same time.
type Builder struct {
	Root string // the module's folder
	tmp  string

	mu    sync.Mutex
	count int
	built map[string]built // by package
}

type built struct {
	binary string
	sum    uint64 // of all source files' names, sizes and times
}

// NewBuilder returns a builder for the module in root. The caller closes it.
func NewBuilder(root string) (*Builder, error) {
	tmp, err := os.MkdirTemp("", "socketbook-build-")
	if err != nil {
		return nil, fmt.Errorf("making a folder for what is built: %w", err)
	}
	return &Builder{Root: root, tmp: tmp, built: map[string]built{}}, nil
}

// Folder is where it builds.
func (b *Builder) Folder() string { return b.tmp }

// Close removes what was built.
func (b *Builder) Close() error { return os.RemoveAll(b.tmp) }

// BuildError is the compiler's output, as it is.
type BuildError struct{ Output string }

func (e *BuildError) Error() string { return strings.TrimSpace(e.Output) }

// Lesson builds a lesson, such as "04", and returns the program. It is not built again while no Go
// file of lessons/ and tools/ has changed. The error is a *BuildError when the compiler refuses the
// program.
func (b *Builder) Lesson(ctx context.Context, number string) (binary string, err error) {
	pkg := "./lessons/" + number
	sum := b.sum()
	b.mu.Lock()
	last, ok := b.built[pkg]
	b.mu.Unlock()
	if ok && last.sum == sum {
		return last.binary, nil
	}
	binary, err = b.build(ctx, "build", pkg)
	if err != nil {
		return "", err
	}
	b.mu.Lock()
	b.built[pkg] = built{binary, sum}
	b.mu.Unlock()
	return binary, nil
}

// Lab builds a lab's test, and returns the program, which the caller removes.
func (b *Builder) Lab(ctx context.Context, number string) (binary string, err error) {
	return b.build(ctx, "test", "./labs/"+number, "-c", "-ldflags=-s -w")
}

// build calls the go command. Every program gets a file of its own, because the one before may still run.
func (b *Builder) build(ctx context.Context, verb, pkg string, flags ...string) (string, error) {
	b.mu.Lock()
	b.count++
	binary := filepath.Join(b.tmp, fmt.Sprintf("%s-%d.exe", filepath.Base(pkg), b.count))
	b.mu.Unlock()
	goCommand, err := findGo()
	if err != nil {
		return "", err
	}
	args := append([]string{verb, "-o", binary}, append(flags, pkg)...)
	o := Run(ctx, Command{Path: goCommand, Args: args, Dir: b.Root, Limit: buildLimit})
	switch {
	case ctx.Err() != nil:
		return "", ctx.Err()
	case o.Err != nil:
		return "", o.Err
	case o.Late:
		return "", fmt.Errorf("go %s %s did not finish within %v", verb, pkg, buildLimit)
	case o.Status != 0:
		return "", &BuildError{o.Printed}
	}
	if _, err := os.Stat(binary); errors.Is(err, fs.ErrNotExist) {
		return "", &BuildError{o.Printed + "\n" + pkg + " has no tests"}
	}
	return binary, nil
}

// findGo prefers the go command that built this program, as "go run" does.
func findGo() (string, error) {
	for _, dir := range append([]string{filepath.Join(os.Getenv("GOROOT"), "bin")},
		filepath.SplitList(os.Getenv("PATH"))...) {
		name := filepath.Join(dir, "go")
		if runtime.GOOS == "windows" {
			name += ".exe"
		}
		if info, err := os.Stat(name); err == nil && info.Mode().IsRegular() && filepath.IsAbs(name) {
			return name, nil
		}
	}
	return "", errors.New("there is no go command in PATH; https://go.dev/doc/install says how to " +
		"install it")
}

// sum looks at names, sizes and times of all Go files that a lesson can be made of.
func (b *Builder) sum() uint64 {
	h := fnv.New64a()
	for _, dir := range []string{"lessons", "tools", "go.mod", "go.sum"} {
		_ = filepath.WalkDir(filepath.Join(b.Root, dir), func(name string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() && d.Name() == "testdata" {
				return fs.SkipDir
			}
			if info, err := d.Info(); err == nil && !d.IsDir() {
				fmt.Fprintln(h, name, info.Size(), info.ModTime().UnixNano())
			}
			return nil
		})
	}
	return h.Sum64()
}
