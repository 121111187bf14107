package sandbox

import (
	"bufio"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// self is the running program, even when its file has been removed or replaced (proc(5)).
const self = "/proc/self/exe"

// The first argument tells the program started again which part it has; ps(1) shows it.
const (
	keeperArg   = "sandbox-keeper"
	launcherArg = "sandbox-launcher"
)

const (
	oneThread = "GOMAXPROCS=1"

	nobody  = 65534 // who root becomes
	inside  = 1000  // who everybody is inside
	tmpPath = "/tmp"
	none    = -1 // no descriptor

	grace = 5 * time.Second // for the keeper to end what runs when it is told to
)

// Main turns the process into one of the two that a box needs, when it is one that [Open] or
// [Box.Start] has started, and then does not return. Otherwise it returns at once. Call it first in
// main and in TestMain, before flags are parsed.
func Main() {
	hooked = true
	if len(os.Args) != 2 {
		return
	}
	switch os.Args[0] {
	case keeperArg:
		keep(os.Args[1])
	case launcherArg:
		launch(os.Args[1])
	}
}

var hooked bool // Main has been called: the program may start itself again

// Probe says whether the system allows a box: it opens one, runs this program in it, which does
// nothing, and closes it. It returns nil or a [*Refusal], or another error if the machine has no
// room for a process. It takes some 30 ms.
func Probe() error {
	b, err := Open(Config{})
	if err != nil {
		return err
	}
	defer b.Close()
	p, err := b.start(Command{Limits: BuildLimits}) // the larger ones; without Path: the launcher ends by itself
	if err != nil {
		return err
	}
	if r := p.Wait(); r.End != Exited || r.Status != 0 {
		return fmt.Errorf("the sandbox was tried, and a program in it ended with %s %d: %s",
			r.End, r.Status, r.Stderr)
	}
	return nil
}

// Own makes a folder of the caller's writable for commands: root gives it to the user that they run
// as.
func (b *Box) Own(path string) error {
	if b.kind != Namespaces || os.Geteuid() != 0 {
		return nil
	}
	return os.Lchown(path, nobody, nobody)
}

// nsBox is the caller's end of a box.
type nsBox struct {
	keeper *exec.Cmd
	socket int // SOCK_SEQPACKET, to the keeper; none when it is closed
	says   *ends

	mu      sync.Mutex // held by who starts a command
	answers chan answer
	gone    chan struct{} // closed when the keeper and everything inside have ended
	closed  sync.Once

	state sync.Mutex
	last  *Process
}

// openNamespaces starts the keeper and waits until it has set up the box.
func openNamespaces(c Config) (box, error) {
	if !hooked && c.Program == "" {
		return nil, errors.New("sandbox: the program must call sandbox.Main first in main or TestMain")
	}
	if !filtered() {
		return nil, &Refusal{
			Step: "seccomp", Err: errors.ErrUnsupported,
			Hint: "for this processor there is no list of system calls; " +
				"amd64, arm64, riscv64 and loong64 have one",
		}
	}
	arg, err := json.Marshal(c)
	if err != nil {
		return nil, err
	}
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_SEQPACKET|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("sandbox: socketpair: %w", err)
	}
	theirs := os.NewFile(uintptr(fds[1]), "keeper's socket")
	cmd := exec.Command(cmp.Or(c.Program, self))
	cmd.Args = []string{keeperArg, string(arg)}
	cmd.ExtraFiles = []*os.File{theirs}
	// A program built with -race waits a second at its exit, unless it is told not to. One thread at a time is
	// enough for both parts, and more have to be woken, which takes longer than what they do.
	cmd.Env = []string{"GORACE=" + os.Getenv("GORACE") + " atexit_sleep_ms=0", oneThread}
	cmd.SysProcAttr = keeperAttributes()
	says := newEnds(4<<10, nil) // a keeper that has something to say was attacked
	cmd.Dir, cmd.Stderr = "/", says
	err = cmd.Start()
	theirs.Close()
	if err != nil {
		unix.Close(fds[0])
		return nil, failedStep("clone", err)
	}
	b := &nsBox{
		keeper: cmd, socket: fds[0], says: says, answers: make(chan answer), gone: make(chan struct{}),
	}
	go b.receive()
	a, ok := <-b.answers
	switch {
	case !ok:
		<-b.gone
		err = fmt.Errorf("sandbox: its first process ended at once: %s", says.bytes())
	case a.Step != "":
		err = failedStep(a.Step, cmp.Or[error](errno(a.Errno), errors.New(a.Error)))
	}
	if err != nil {
		b.close()
		return nil, err
	}
	return b, nil
}

func errno(e syscall.Errno) error {
	if e == 0 {
		return nil
	}
	return e
}

// keeperAttributes: as an ordinary user the keeper gets its power, which counts in the box only,
// from a user namespace; root has it already. There the capabilities that survive the execve are
// the ambient ones (capabilities(7)).
func keeperAttributes() *syscall.SysProcAttr {
	a := &syscall.SysProcAttr{
		Setsid: true,
		Cloneflags: unix.CLONE_NEWNET | unix.CLONE_NEWPID | unix.CLONE_NEWNS | unix.CLONE_NEWIPC |
			unix.CLONE_NEWUTS | unix.CLONE_NEWCGROUP,
	}
	if os.Geteuid() != 0 {
		uid, gid := os.Geteuid(), os.Getegid()
		a.Cloneflags |= unix.CLONE_NEWUSER
		a.UidMappings = []syscall.SysProcIDMap{{ContainerID: inside, HostID: uid, Size: 1}}
		a.GidMappings = []syscall.SysProcIDMap{{ContainerID: inside, HostID: gid, Size: 1}}
		if !withoutCapabilities {
			a.AmbientCaps = []uintptr{
				unix.CAP_SYS_ADMIN, unix.CAP_NET_ADMIN, unix.CAP_SYS_PTRACE, unix.CAP_KILL,
				unix.CAP_SETUID, unix.CAP_SETGID, unix.CAP_DAC_READ_SEARCH,
			}
		}
	}
	return a
}

// withoutCapabilities is set by a test to get what AppArmor's rule on Ubuntu does: namespaces, but
// nothing that is allowed in them.
var withoutCapabilities bool

// receive hands on what the keeper says until it has ended.
func (b *nsBox) receive() {
	for {
		var a answer
		fds, err := receive(b.socket, &a)
		if err != nil {
			break
		}
		a.fd = none
		for i, fd := range fds {
			if i == 0 {
				a.fd = fd
			} else {
				unix.Close(fd)
			}
		}
		b.answers <- a
	}
	close(b.answers)
	_ = b.keeper.Process.Kill()
	_ = b.keeper.Wait() // returns when the kernel has ended everything in its pid namespace
	close(b.gone)
}

func (b *nsBox) tmp() string { return tmpPath }

func (b *nsBox) close() error {
	b.state.Lock()
	last := b.last
	b.state.Unlock()
	if last != nil {
		last.Kill()
		<-last.done
	}
	b.closed.Do(func() {
		_ = b.keeper.Process.Kill()
		for a := range b.answers { // until it is closed
			unix.Close(a.fd)
		}
		<-b.gone
		b.mu.Lock()
		defer b.mu.Unlock()
		unix.Close(b.socket)
		b.socket = none
	})
	return nil
}

// start asks the keeper for a command. b.mu is held until it has ended: one command at a time.
func (b *nsBox) start(c Command) (p *Process, err error) {
	b.mu.Lock()
	defer func() {
		if err != nil {
			b.mu.Unlock()
		}
	}()
	if b.socket == none {
		return nil, fmt.Errorf("starting %s: the sandbox has ended", c.Path)
	}
	ended := make(chan End, 3)
	out, err := newPrinted(c.Limits.Output, ended)
	if err != nil {
		return nil, err
	}
	fds := []int{int(out[0].theirs.Fd()), int(out[1].theirs.Fd())}
	r := request{Command: c, Files: len(c.Files), Fetch: len(c.Fetch)}
	for _, f := range c.Files {
		fds = append(fds, int(f.Fd()))
	}
	for _, f := range c.Fetch {
		fds = append(fds, int(f.To.Fd()))
	}
	began := time.Now()
	err = send(b.socket, r, fds...)
	out.close()
	if err != nil {
		out.wait()
		return nil, fmt.Errorf("starting %s: telling the sandbox: %w", c.Path, err)
	}
	a, ok := <-b.answers
	if !ok || a.Step != "" {
		out.wait()
		if !ok {
			return nil, fmt.Errorf("starting %s: the sandbox has ended", c.Path)
		}
		return nil, failedStep(a.Step, cmp.Or[error](errno(a.Errno), errors.New(a.Error)))
	}
	p = &Process{pid: pidOf(a.fd), done: make(chan struct{})}
	unix.Close(a.fd)
	p.kill = func() { tell(ended, Stopped) }
	b.state.Lock()
	b.last = p
	b.state.Unlock()
	go func() {
		defer b.mu.Unlock()
		p.result = b.follow(c.Limits, ended)
		out.wait()
		p.result.Wall = time.Since(began)
		p.result.Stdout, p.result.Stderr = out[0].bytes(), out[1].bytes()
		close(p.done)
	}()
	return p, nil
}

// follow waits for the end of a command, or brings it about.
func (b *nsBox) follow(l Limits, ended <-chan End) Result {
	limit := time.NewTimer(l.Time)
	defer limit.Stop()
	var why End
	var late <-chan time.Time
	stop := func(end End) {
		if why == "" {
			why = end
			if send(b.socket, request{Kill: true}) != nil {
				_ = b.keeper.Process.Kill()
			}
			late = time.After(grace)
		}
	}
	for {
		select {
		case a, ok := <-b.answers:
			if !ok {
				<-b.gone
				return Result{End: cmp.Or(why, Broken)}
			}
			a.Result.End = cmp.Or(why, a.Result.End)
			if a.Error != "" {
				a.Result.Fetched = errors.New(a.Error)
			}
			return a.Result
		case <-limit.C:
			stop(TimedOut)
		case end := <-ended:
			stop(end)
		case <-late:
			_ = b.keeper.Process.Kill()
		}
	}
}

// pidOf reads from a pidfd which process it is, as this process sees it (pidfd_open(2)).
func pidOf(pidfd int) int {
	f, err := os.Open(fmt.Sprintf("/proc/self/fdinfo/%d", pidfd))
	if err != nil {
		return 0
	}
	defer f.Close()
	for s := bufio.NewScanner(f); s.Scan(); {
		if text, ok := strings.CutPrefix(s.Text(), "Pid:"); ok {
			pid, _ := strconv.Atoi(strings.TrimSpace(text))
			return pid
		}
	}
	return 0
}

// printed are the two pipes into which a command prints.
type printed [2]struct {
	*ends
	ours, theirs *os.File
	read         chan struct{}
}

func newPrinted(limit int, ended chan<- End) (*printed, error) {
	var p printed
	for i := range p {
		ours, theirs, err := os.Pipe()
		if err != nil {
			p.close()
			p.wait()
			return nil, fmt.Errorf("sandbox: pipe: %w", err)
		}
		o := &p[i]
		o.ends, o.ours, o.theirs, o.read = newEnds(limit, ended), ours, theirs, make(chan struct{})
		go func() {
			defer close(o.read)
			_, _ = o.ours.WriteTo(o.ends)
		}()
	}
	return &p, nil
}

// close closes the ends that the command has.
func (p *printed) close() {
	for _, o := range p {
		if o.theirs != nil {
			o.theirs.Close()
		}
	}
}

// wait waits until all that was printed is read. The command has ended, and so the pipes hold
// whatever is still to come. Their end is not waited for: somebody may have put the other end into a
// queue of descriptors.
func (p *printed) wait() {
	for _, o := range p {
		if o.ours == nil {
			continue
		}
		_ = o.ours.SetReadDeadline(time.Now())
		<-o.read
		_ = o.ours.SetReadDeadline(time.Time{})
		if raw, err := o.ours.SyscallConn(); err == nil {
			rest := make([]byte, 64<<10)
			_ = raw.Read(func(fd uintptr) bool {
				for {
					n, err := unix.Read(int(fd), rest)
					if n <= 0 && err != unix.EINTR {
						return true
					}
					_, _ = o.Write(rest[:max(n, 0)])
				}
			})
		}
		o.ours.Close()
	}
}
