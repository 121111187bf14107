package sandbox

import (
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// stragglers is how long output is waited for when the command has ended: a process that left the
// group may hold it open.
const stragglers = time.Second

var exe = map[bool]string{true: ".exe"}[runtime.GOOS == "windows"]

// noneBox runs commands like any other process, in a process group of their own.
type noneBox struct {
	folder string

	mu sync.Mutex // held by who starts a command

	state  sync.Mutex
	last   *Process
	closed bool
}

func openNone() (box, error) {
	folder, err := os.MkdirTemp("", "socketbook-grade-")
	if err != nil {
		return nil, fmt.Errorf("making a folder for temporary files: %w", err)
	}
	return &noneBox{folder: folder}, nil
}

func (b *noneBox) tmp() string { return b.folder }

func (b *noneBox) close() error {
	b.state.Lock()
	b.closed = true
	b.state.Unlock()
	b.end() // so that a start that waits for this command goes on, and finds the box closed
	b.mu.Lock()
	defer b.mu.Unlock()
	b.end()
	return RemoveAll(b.folder)
}

// end ends the last command.
func (b *noneBox) end() {
	if p, _ := b.current(); p != nil {
		p.Kill()
		<-p.done
	}
}

func (b *noneBox) current() (last *Process, closed bool) {
	b.state.Lock()
	defer b.state.Unlock()
	return b.last, b.closed
}

func (b *noneBox) start(c Command) (*Process, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if p, _ := b.current(); p != nil {
		<-p.done
	}
	if _, closed := b.current(); closed {
		return nil, fmt.Errorf("starting %s: the box is closed", c.Path)
	}
	if err := empty(b.folder); err != nil {
		return nil, fmt.Errorf("emptying the folder for temporary files: %w", err)
	}
	cmd := exec.Command(c.Path, c.Args...)
	cmd.Dir, cmd.Env = c.Dir, environment(c.Env, b.folder)
	if cmd.Dir == "" {
		cmd.Dir = b.folder
	}
	cmd.ExtraFiles, cmd.SysProcAttr, cmd.WaitDelay = c.Files, group(), stragglers
	ended := make(chan End, 3)
	stdout, stderr := newEnds(c.Limits.Output, ended), newEnds(c.Limits.Output, ended)
	cmd.Stdout, cmd.Stderr = stdout, stderr
	began := time.Now()
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("starting %s: %w", c.Path, err)
	}
	p := &Process{pid: cmd.Process.Pid, done: make(chan struct{})}
	p.kill = func() { tell(ended, Stopped) }
	waited := make(chan error, 1)
	go func() { waited <- cmd.Wait() }()
	go func() {
		defer close(p.done)
		timer := time.NewTimer(c.Limits.Time)
		defer timer.Stop()
		var err error
		select {
		case err = <-waited:
			killGroup(cmd.Process) // what it has left behind
			p.result = howEnded(cmd, err)
		case end := <-ended:
			killGroup(cmd.Process)
			<-waited
			p.result.End = end
		case <-timer.C:
			killGroup(cmd.Process)
			<-waited
			p.result.End = TimedOut
		}
		p.result.Wall = time.Since(began)
		p.result.CPU = cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()
		p.result.Stdout, p.result.Stderr = stdout.bytes(), stderr.bytes()
		if p.result.End == Exited && p.result.Status == 0 {
			p.result.Fetched = b.fetch(c)
		}
	}()
	b.state.Lock()
	b.last = p
	b.state.Unlock()
	return p, nil
}

func howEnded(cmd *exec.Cmd, err error) Result {
	var exit *exec.ExitError
	if !errors.As(err, &exit) {
		return Result{End: Exited}
	}
	if name := signalName(cmd.ProcessState); name != "" {
		return Result{End: Signalled, Signal: name}
	}
	return Result{End: Exited, Status: exit.ExitCode()}
}

func (b *noneBox) fetch(c Command) error {
	for _, f := range c.Fetch {
		from, err := openRegular(f.Path)
		if err == nil {
			err = copyAtMost(f.To, from, c.Limits.FileSize)
			from.Close()
		}
		if err != nil {
			return fmt.Errorf("fetching %s: %w", f.Path, err)
		}
	}
	return nil
}

// openRegular opens a file that a stranger has made.
func openRegular(path string) (*os.File, error) {
	before, err := os.Lstat(path)
	if err != nil {
		return nil, err
	}
	if !before.Mode().IsRegular() {
		return nil, errors.New("it is not a regular file")
	}
	f, err := os.OpenFile(path, os.O_RDONLY|noFollow, 0)
	if err != nil {
		return nil, err
	}
	if opened, err := f.Stat(); err != nil || !os.SameFile(before, opened) {
		f.Close()
		return nil, errors.New("it was replaced meanwhile")
	}
	return f, nil
}

func copyAtMost(to io.Writer, from io.Reader, limit int64) error {
	n, err := io.Copy(to, io.LimitReader(from, limit+1))
	if err == nil && n > limit {
		return fmt.Errorf("it has more than %d bytes", limit)
	}
	return err
}

func empty(folder string) error {
	entries, err := os.ReadDir(folder)
	for _, e := range entries {
		err = errors.Join(err, RemoveAll(filepath.Join(folder, e.Name())))
	}
	return err
}

// environment adds what programs expect.
func environment(env []string, tmp string) []string {
	env = slices.Clone(env)
	for _, add := range []string{
		"HOME=" + tmp, "TMPDIR=" + tmp, "TMP=" + tmp, "TEMP=" + tmp, "PATH=/usr/bin:/bin",
	} {
		name, _, _ := strings.Cut(add, "=")
		if !slices.ContainsFunc(env, func(have string) bool { return strings.HasPrefix(have, name+"=") }) {
			env = append(env, add)
		}
	}
	if root := os.Getenv("SystemRoot"); root != "" {
		env = append(env, "SystemRoot="+root) // without it Windows has no sockets
	}
	return env
}

func tell(ended chan<- End, end End) {
	select {
	case ended <- end:
	default: // it has been told to end already
	}
}

// ends keeps the beginning and the end of what is written to it.
type ends struct {
	first, last []byte
	half        int
	left        int64 // bytes between the two
	seen        atomic.Int64
	flood       int64
	ended       chan<- End
}

func newEnds(limit int, ended chan<- End) *ends {
	return &ends{half: limit / 2, flood: int64(limit) * Flood, ended: ended}
}

func (e *ends) Write(p []byte) (int, error) {
	n := len(p)
	if e.seen.Add(int64(n)) > e.flood {
		tell(e.ended, TooLoud)
	}
	room := min(e.half-len(e.first), n)
	e.first = append(e.first, p[:room]...)
	p = p[room:]
	if over := len(p) - e.half; over > 0 {
		e.left += int64(over) + int64(len(e.last))
		e.last, p = e.last[:0], p[over:]
	}
	e.last = append(e.last, p...)
	if over := len(e.last) - e.half; over > e.half {
		e.cut(over)
	}
	return n, nil
}

func (e *ends) cut(over int) {
	e.left += int64(over)
	e.last = append(e.last[:0], e.last[over:]...)
}

func (e *ends) bytes() []byte {
	if over := len(e.last) - e.half; over > 0 {
		e.cut(over)
	}
	if e.left == 0 {
		return append(e.first, e.last...)
	}
	return fmt.Appendf(nil, "%s\n… %d bytes are left out …\n%s", e.first, e.left, e.last)
}
