// Package sandbox runs a command whose code nobody has read: the build of a submission, and the
// submission.
//
// A [Box] is a view of the machine in which commands run one after the other. It is made of Linux
// namespaces (namespaces(7)), as an ordinary user or as root, without a daemon and without a file
// that root must own. Inside there is
//
//   - the folders that [Open] was given, read-only unless they are [Folder.Writable], at their own
//     paths; below /dev: null, full, random, urandom, and fd; a /proc of the box's own
//     processes, read-only; an /etc with a hosts file; and a /tmp in memory, of bounded size, that every
//     command finds empty;
//   - a loopback interface of its own, with every port free, and no other network;
//   - an ordinary user, 1000, without capabilities, without a way to get any (no_new_privs, a
//     bounding set that is empty), without further namespaces, and without the system calls that
//     the Go toolchain and a program of the course never need (seccomp(2)); landlock(7) where the
//     kernel has it. Root becomes user 65534 outside first.
//
// A command has a limit for everything that it could take: [Limits]. When it ends, or exceeds one
// of them, the kernel ends everything that it has started. When the program that opened the box
// ends, in whatever way, the box ends with it. Nothing is left behind: neither a process, nor a
// mount, nor a file.
//
// A program that opens boxes calls [Main] first thing in main, and in TestMain:
//
//	func main() {
//		sandbox.Main()
//		…
//		if err := sandbox.Probe(); err != nil {
//			… the error names the reason, and the command that would allow it
//		}
//		box, err := sandbox.Open(sandbox.Config{Folders: …})
//		defer box.Close()
//		result, err := box.Run(ctx, sandbox.Command{Path: …, Limits: sandbox.RunLimits})
//	}
package sandbox

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"
)

// Kind is what holds a command. It stands in each row of the results.
type Kind string

const (
	Namespaces Kind = "namespaces" // what the package comment says; Linux only
	None       Kind = "none"       // a process like any other, but for the limits of time and output
)

// Config says what a box has.
type Config struct {
	Kind    Kind // "" is Namespaces
	Folders []Folder

	// Program is the path of a program that calls [Main]: it is started for the box itself, and again for
	// each command, so it should be a small one. "" is the running program.
	Program string `json:"-"`
}

// Folder is a folder or a file of the machine that is seen inside, with all below it, at the same
// path. What is mounted below it is seen, too. A later Folder covers an earlier one. With [None]
// commands see every file of the user.
type Folder struct {
	Path string // absolute; links in it are followed

	// Writable folders belong to the caller, who makes them, chooses their permissions (see
	// [Box.Own]) and removes them ([RemoveAll]). Whatever is found in one afterwards was put there
	// by a stranger: open it with O_NOFOLLOW and expect a fifo. [Limits.Tmp] bounds its size, and
	// it may not be deeper than 100 folders.
	Writable bool
}

// Limits bound one command with everything that it starts. In a box of kind [None] only Time and
// Output hold.
type Limits struct {
	Time      time.Duration // from the start to the end of its last process
	Memory    int64         // bytes of all processes, /tmp included; looked at every 20 ms
	Tmp       int64         // bytes in /tmp, and the same in all Writable folders
	Processes int           // threads of all processes
	OpenFiles int           // descriptors of one process
	FileSize  int64         // bytes of one file
	Output    int           // bytes kept of standard output, and of standard error
}

// Flood is how often its Output limit a command may print before it is ended.
const Flood = 256

// BuildLimits are for the go command, RunLimits for a submission.
var (
	BuildLimits = Limits{
		Time: 2 * time.Minute, Memory: 3 << 30, Tmp: 1 << 30,
		Processes: 1024, OpenFiles: 1024, FileSize: 256 << 20, Output: 64 << 10,
	}
	RunLimits = Limits{
		Time: 30 * time.Second, Memory: 512 << 20, Tmp: 64 << 20,
		Processes: 256, OpenFiles: 256, FileSize: 64 << 20, Output: 64 << 10,
	}
)

// Command is what runs in a box. It has no terminal, and reads nothing from standard input.
type Command struct {
	Path string   // absolute, inside the box
	Args []string // without the name of the program
	Dir  string   // "" is [Box.Tmp]
	Env  []string // all of it; HOME, TMPDIR and PATH are added where missing

	// Complete says that the program loads no libraries, makes no code and starts no programs: no memory becomes
	// executable, no file in /tmp is, no file is mapped and no process started, so that code which gets at its
	// own memory cannot change what the program does, or become another program.
	Complete bool

	// Files are open in the command as descriptors 3, 4 and so on: one end of a socket pair,
	// say. No other descriptor is. The caller closes its own; a Start makes them blocking.
	Files []*os.File

	// Fetch copies files out of the box when the command has ended with status 0.
	Fetch []Fetch

	Limits Limits
}

// Fetch is a file that a command is to leave, and where it goes. It must be a regular file of at
// most Limits.FileSize bytes, and no link; otherwise, or if it is missing, [Result.Fetched] says
// so. To is written from where it stands; the caller closes it.
type Fetch struct {
	Path string // absolute, inside the box
	To   *os.File
}

// End is how a command ended.
type End string

const (
	Exited    End = "exited"     // by itself, with Result.Status
	Signalled End = "signalled"  // by a signal: Result.Signal
	TimedOut  End = "timed out"  // Limits.Time
	OutOfRoom End = "memory"     // Limits.Memory, or Limits.Tmp in a Writable folder
	TooLoud   End = "output"     // Flood times Limits.Output
	Stopped   End = "stopped"    // Process.Kill, ctx, or Box.Close
	Broken    End = "box broken" // it ended its box: only code that tries to can
)

// Result is how a command ended. The command alone answers for it: what failed for our own reasons
// is an error beside it.
type Result struct {
	End     End
	Status  int    // if Exited
	Signal  string // if Signalled: "killed", "segmentation fault" …
	Stdout  []byte // its beginning and its end, Limits.Output bytes at most
	Stderr  []byte // the same
	Wall    time.Duration
	CPU     time.Duration // of all its processes that have ended and were waited for
	Memory  int64         // bytes, the most that was seen at once
	Left    int           // processes that still ran when the command ended, or were ended with it
	Fetched error         // nil if all of Fetch was copied
}

// Sentence is a result in words for the person whose command it was: "it ran longer than 30s and was
// ended". It is "" if the command ended with status 0.
func (r Result) Sentence(l Limits) string {
	switch r.End {
	case Exited:
		if r.Status == 0 {
			return ""
		}
		return fmt.Sprintf("it ended with status %d", r.Status)
	case Signalled:
		return "it ended with the signal: " + r.Signal
	case TimedOut:
		return fmt.Sprintf("it ran longer than %v and was ended", l.Time)
	case OutOfRoom:
		if r.Memory <= l.Memory {
			return fmt.Sprintf("it had more than %d MiB of files, or folders too deep, and was ended", l.Tmp>>20)
		}
		return fmt.Sprintf("it took more than %d MiB of memory and was ended", l.Memory>>20)
	case TooLoud:
		return fmt.Sprintf("it printed more than %d MiB and was ended", int64(l.Output)*Flood>>20)
	case Stopped:
		return "it was ended from outside"
	}
	return "it ended the process that watches it"
}

// Refusal is the error of a system that does not allow a box.
type Refusal struct {
	Step string // what was tried: "clone", "mount /proc" …
	Err  error  // why it failed; a syscall.Errno on Linux
	Hint string // who forbids it, and the one command that would allow it; "" if that is unknown
}

func (r *Refusal) Error() string {
	text := fmt.Sprintf("no sandbox here: %s: %v", r.Step, r.Err)
	if r.Hint != "" {
		text += " (" + r.Hint + ")"
	}
	return text
}

func (r *Refusal) Unwrap() error { return r.Err }

// Is makes every refusal errors.ErrUnsupported.
func (r *Refusal) Is(target error) bool { return target == errors.ErrUnsupported }

// Box is where commands run, one at a time. Its methods may be called from several goroutines.
type Box struct {
	box
	kind Kind
}

// box is what the kinds have each in their own way.
type box interface {
	start(Command) (*Process, error)
	tmp() string
	close() error
}

// Open makes a box. The error is a [*Refusal] where the system does not allow one. It takes some
// milliseconds, and so does each command in it.
func Open(c Config) (*Box, error) {
	var (
		b   box
		err error
	)
	switch c.Kind {
	case Namespaces, "":
		c.Kind = Namespaces
		b, err = openNamespaces(c)
	case None:
		b, err = openNone()
	default:
		err = fmt.Errorf("there is no sandbox %q: %q and %q are known", c.Kind, Namespaces, None)
	}
	if err != nil {
		return nil, err
	}
	return &Box{box: b, kind: c.Kind}, nil
}

// Kind is what holds the commands.
func (b *Box) Kind() Kind { return b.kind }

// Tmp is the path of the private temporary folder, as commands see it: "/tmp", or a folder of the
// box's own with [None].
func (b *Box) Tmp() string { return b.tmp() }

// Start starts a command and returns when its program has been executed. An error says why that was
// not possible: a program that is not there, a machine without room, a box that has ended. The end
// of ctx ends the command. The caller waits for it: [Process.Wait].
func (b *Box) Start(ctx context.Context, c Command) (*Process, error) {
	if err := context.Cause(ctx); err != nil {
		return nil, fmt.Errorf("%s is not started: %w", c.Path, err)
	}
	if err := c.check(); err != nil {
		return nil, err
	}
	p, err := b.start(c)
	if err != nil {
		return nil, err
	}
	stop := context.AfterFunc(ctx, p.Kill)
	go func() { <-p.done; stop() }()
	return p, nil
}

// Run starts a command and waits for its end.
func (b *Box) Run(ctx context.Context, c Command) (Result, error) {
	p, err := b.Start(ctx, c)
	if err != nil {
		return Result{}, err
	}
	return p.Wait(), nil
}

// Close ends what still runs in the box, and the box. It may be called twice.
func (b *Box) Close() error { return b.close() }

// Process is a command that was started.
type Process struct {
	pid    int
	kill   func()
	done   chan struct{} // closed when result is there
	result Result
}

// Pid is the number of the command's first process outside the box, for /proc. It may have been
// given to another process once Wait has returned.
func (p *Process) Pid() int { return p.pid }

// Kill ends the command and everything that it has started. It does not wait: Wait does.
func (p *Process) Kill() { p.kill() }

// Done is closed when the command has ended, and nothing of it runs any more.
func (p *Process) Done() <-chan struct{} { return p.done }

// Wait waits for that and returns how it ended. It may be called more than once.
func (p *Process) Wait() Result {
	<-p.done
	return p.result
}

// RemoveAll removes a folder that was Writable, or that holds one. os.RemoveAll does not enter folders that
// their owner has closed.
func RemoveAll(path string) error {
	if err := os.RemoveAll(path); err == nil {
		return nil
	}
	path = filepath.Clean(path)
	if root, err := os.OpenRoot(filepath.Dir(path)); err == nil {
		unlock(root, filepath.Base(path))
		root.Close()
	}
	return os.RemoveAll(path)
}

// unlock opens a folder and all below it for their owner. fs.WalkDir would not do: it passes over names that
// are not UTF-8. What fails here fails again when the folder is removed.
func unlock(root *os.Root, name string) {
	if info, err := root.Lstat(name); err != nil || !info.IsDir() {
		return
	}
	_ = root.Chmod(name, 0o700)
	f, err := root.Open(name)
	if err != nil {
		return
	}
	entries, _ := f.ReadDir(-1)
	f.Close()
	for _, e := range entries {
		if e.IsDir() {
			unlock(root, name+string(filepath.Separator)+e.Name())
		}
	}
}

func (c Command) check() error {
	l := c.Limits
	if l.Time <= 0 || l.Memory <= 0 || l.Tmp <= 0 || l.Processes <= 0 || l.OpenFiles <= 0 ||
		l.FileSize <= 0 || l.Output <= 0 {
		return fmt.Errorf("sandbox: %s has no limits: begin with BuildLimits or RunLimits", c.Path)
	}
	return nil
}
