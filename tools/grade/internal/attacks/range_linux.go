package attacks

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"

	"golang.org/x/sys/unix"

	"socketbook/tools/grade/internal/sandbox"
)

// Range is where attacks are tried. It has what they are after: a file, a server on 127.0.0.1 and
// one on an abstract Unix address, and this process.
type Range struct {
	folder  string
	golang  sandbox.Go
	program string // the attacks of the part box
	tcp     net.Listener
	unix    net.Listener
	env     []string
}

const secretText = "nobody inside may read this\n"

// NewRange builds the attacks of the module in root. The caller closes the range.
func NewRange(ctx context.Context, root string) (_ *Range, err error) {
	r := &Range{}
	if r.folder, err = os.MkdirTemp("", "socketbook-attacks-"); err != nil {
		return nil, fmt.Errorf("making a folder for the attacks: %w", err)
	}
	defer func() {
		if err != nil {
			r.Close()
		}
	}()
	if err = os.Chmod(r.folder, 0o755); err != nil { // root becomes somebody else inside
		return nil, err
	}
	if r.golang, err = sandbox.FindGo(ctx, root); err != nil {
		return nil, err
	}
	r.program = filepath.Join(r.folder, "box")
	if err = r.golang.Warm(ctx, root, "build", "-o", r.program, "./"+Folder+"/box"); err != nil {
		return nil, err
	}
	if err = os.Chmod(r.program, 0o755); err != nil {
		return nil, err
	}
	if err = writeFile(r.secret(), secretText); err != nil {
		return nil, err
	}
	if r.tcp, err = net.Listen("tcp", "127.0.0.1:0"); err != nil {
		return nil, err
	}
	if r.unix, err = net.Listen("unix", "@"+filepath.Base(r.folder)); err != nil {
		return nil, err
	}
	r.env = []string{
		"SECRET=" + r.secret(), "SERVER=" + r.tcp.Addr().String(), "ABSTRACT=" + r.unix.Addr().String(),
		"GRADER=" + strconv.Itoa(os.Getpid()), "PROGRAM=" + r.program,
	}
	return r, nil
}

func (r *Range) secret() string { return filepath.Join(r.folder, "another-submission", "framing.go") }

// Close removes everything.
func (r *Range) Close() error {
	for _, ln := range []net.Listener{r.tcp, r.unix} {
		if ln != nil {
			ln.Close()
		}
	}
	return os.RemoveAll(r.folder)
}

// Try runs the attacks of the parts box and build of the module in root that pick picks, jobs at the
// same time, and reports each: nil if it held. Its own error is a [sandbox.Refusal] where the system
// allows no sandbox; then no attack runs.
func Try(ctx context.Context, root string, jobs int, pick func(part, name string) bool,
	report func(part, name string, err error),
) error {
	if err := sandbox.Probe(); err != nil {
		return err
	}
	box, err := Box(root)
	if err != nil {
		return err
	}
	build, err := Build(root)
	if err != nil {
		return err
	}
	r, err := NewRange(ctx, root)
	if err != nil {
		return err
	}
	var mu sync.Mutex
	var all sync.WaitGroup
	slots := make(chan bool, jobs)
	start := func(part string, a Attack, try func(context.Context, Attack) error) {
		if !pick(part, a.Name) {
			return
		}
		slots <- true
		all.Go(func() {
			err := try(ctx, a)
			<-slots
			mu.Lock()
			defer mu.Unlock()
			report(part, a.Name, err)
		})
	}
	for _, a := range box {
		start("box", a, r.TryBox)
	}
	for _, a := range build {
		start("build", a, r.TryBuild)
	}
	all.Wait()
	return errors.Join(r.running(), r.Close())
}

// running looks for processes of attacks, in whatever namespace and under whatever name they go on.
func (r *Range) running() error {
	program, err := os.Stat(r.program)
	if err != nil {
		return err
	}
	executables, err := filepath.Glob("/proc/[0-9]*/exe")
	for _, path := range executables {
		if info, gone := os.Stat(path); gone == nil && os.SameFile(info, program) {
			err = errors.Join(err, fmt.Errorf("a process of an attack still runs: %s", filepath.Dir(path)))
		}
	}
	return err
}

// TryBox runs an attack of the part box, in a box of its own, and says what is wrong; nil if it held.
func (r *Range) TryBox(ctx context.Context, a Attack) (err error) {
	shared := filepath.Join(r.folder, "shared-"+a.Name)
	folders := []sandbox.Folder{{Path: r.program}}
	env := append(slices.Clone(r.env), "FOLDER="+shared)
	if a.Go {
		folders = append(folders, r.golang.Folders()...)
		env = append(r.golang.Env(), env...)
	}
	if a.Writes {
		if err := os.Mkdir(shared, 0o700); err != nil {
			return err
		}
		defer func() { err = errors.Join(err, sandbox.RemoveAll(shared)) }()
		folders = append(folders, sandbox.Folder{Path: shared, Writable: true})
	}
	box, err := sandbox.Open(sandbox.Config{Folders: folders})
	if err != nil {
		return err
	}
	defer box.Close()
	if a.Writes {
		if err := box.Own(shared); err != nil {
			return err
		}
	}
	c := sandbox.Command{Path: r.program, Args: []string{a.Name}, Env: env, Limits: a.Limits}
	if a.Socket {
		fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
		if err != nil {
			return err
		}
		defer unix.Close(fds[0])
		theirs := os.NewFile(uintptr(fds[1]), "socket")
		defer theirs.Close()
		c.Files = []*os.File{theirs}
	}
	if a.Fetch {
		out, err := os.Create(filepath.Join(r.folder, "fetched-"+a.Name))
		if err != nil {
			return err
		}
		defer os.Remove(out.Name())
		defer out.Close()
		c.Fetch = []sandbox.Fetch{{Path: "/tmp/out", To: out}}
	}
	result, err := box.Run(ctx, c)
	if err != nil {
		return err
	}
	if err := a.judge(result); err != nil {
		return err
	}
	if a.Also != "" {
		c.Args, c.Fetch, c.Files = []string{a.Also}, nil, nil
		result, err := box.Run(ctx, c)
		if err != nil {
			return err
		}
		if err := (Attack{Ends: []string{"exited 0"}, Limits: a.Limits}).judge(result); err != nil {
			return fmt.Errorf("%s: %w", a.Also, err)
		}
	}
	if err := box.Close(); err != nil {
		return err
	}
	return r.untouched()
}

// TryBuild runs an attack of the part build: the go command compiles it in a box of its own.
func (r *Range) TryBuild(ctx context.Context, a Attack) error {
	source, err := os.ReadFile(a.path)
	if err != nil {
		return err
	}
	module := filepath.Join(r.folder, "build", a.Name)
	defer os.RemoveAll(module)
	const mark = "/*FILL*/"
	err = errors.Join(
		writeFile(filepath.Join(module, "go.mod"), "module attack\n\ngo 1.26\n"),
		writeFile(filepath.Join(module, "main.go"), strings.Replace(string(source), mark, a.Fill, 1)))
	if err != nil {
		return err
	}
	box, err := sandbox.Open(sandbox.Config{
		Folders: append(r.golang.Folders(), sandbox.Folder{Path: module}),
	})
	if err != nil {
		return err
	}
	defer box.Close()
	result, err := box.Run(ctx, sandbox.Command{
		Path: r.golang.Command(), Args: []string{"build", "-o", "/tmp/out", "."},
		Dir: module, Env: r.golang.Env(), Limits: a.Limits,
	})
	if err != nil {
		return err
	}
	return errors.Join(a.judge(result), box.Close(), r.untouched())
}

// untouched looks at what the attacks were after.
func (r *Range) untouched() error {
	if text, err := os.ReadFile(r.secret()); err != nil || string(text) != secretText {
		return fmt.Errorf("another submission has changed: %q %w", text, err)
	}
	return nil
}
