package netns

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// self is the running program, even when its file has been removed or replaced (proc(5)).
const self = "/proc/self/exe"

// The first argument tells the program started again which part it has; ps(1) shows it.
const (
	keeperArg   = "netns-keeper"
	functionArg = "netns-function"
)

const nobody = 65534 // the user and group that root becomes inside

// config is what the processes inside are told, as their second argument.
type config struct {
	Func, Setup   string
	Args, Sysctls []string
	Files         int
	Hosts         string
	Proc, Sealed  bool
}

func (c config) mounts() bool { return c.Hosts != "" || c.Proc || c.Setup != "" || c.Sealed }

// report is what the keeper tells whoever started it, once: a step of the set-up that failed, or
// how the function ended.
type report struct {
	Step  string        `json:",omitempty"`
	Errno syscall.Errno `json:",omitempty"` // of Step
	Error string        `json:",omitempty"` // of the function, or how its process ended
	Done  bool          `json:",omitempty"` // the function returned nil
}

var hooked bool // Main has been called: the program may start itself again

// Main turns the process into the keeper or the function when it is one that [Run] has started, and
// then does not return. Otherwise it returns at once. Call it first in main and in TestMain, before
// flags are parsed.
func Main() {
	hooked = true
	if len(os.Args) != 2 {
		return
	}
	role := os.Args[0]
	if role != keeperArg && role != functionArg {
		return
	}
	var c config
	if err := json.Unmarshal([]byte(os.Args[1]), &c); err != nil {
		fmt.Fprintln(os.Stderr, "netns: only Run starts this:", err)
		os.Exit(2)
	}
	if role == keeperArg {
		keep(c)
	}
	play(c)
}

// Probe says whether the system allows a private network: it makes one, brings lo up, opens a packet
// socket, sets a sysctl and ends it. It returns nil or a [*Refusal], or another error if the
// machine has no room for a process. It takes some milliseconds.
func Probe() error {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	return Run(ctx, Options{Func: probe})
}

const probe = "netns.Probe"

func init() { Register(probe, func(*Network) error { return nil }) }

// Run makes a private network, calls the registered function o.Func in a process inside, and
// returns when everything inside has ended. It returns nil if the function returned nil; an error
// with the text of the function's error; a [*Refusal] if the system does not allow a private
// network; ctx's cause if ctx was over first.
//
// When ctx is over, or the calling process ends in whatever way, all processes inside are killed,
// also those that left their session or their parent. The kernel removes the network afterwards, in
// the background.
//
// The processes inside have a session of their own: a terminal's interrupt reaches the caller only.
func Run(ctx context.Context, o Options) error {
	if err := context.Cause(ctx); err != nil {
		return fmt.Errorf("private network not started: %w", err)
	}
	if err := o.check(); err != nil {
		return err
	}
	c := config{
		Func: o.Func, Setup: o.Setup, Args: o.Args, Sysctls: o.Sysctls,
		Files: len(o.Files), Hosts: o.Hosts, Proc: o.Proc, Sealed: o.Sealed,
	}
	arg, err := json.Marshal(c)
	if err != nil {
		return err
	}
	fd, theirFD, err := socketpair(unix.SOCK_STREAM)
	if err != nil {
		return fmt.Errorf("private network: socketpair: %w", err)
	}
	ours, theirs := os.NewFile(uintptr(fd), "report"), os.NewFile(uintptr(theirFD), "report")
	defer ours.Close() // not before: the keeper ends when it is closed
	cmd := exec.CommandContext(ctx, self)
	cmd.Args = []string{keeperArg, string(arg)}
	cmd.ExtraFiles = append([]*os.File{theirs}, o.Files...)
	// A program built with -race waits a second at its exit, unless it is told not to.
	cmd.Env = append(os.Environ(), "GORACE="+os.Getenv("GORACE")+" atexit_sleep_ms=0")
	cmd.SysProcAttr = attributes(c)
	cmd.Stderr = o.Stderr
	if o.Stderr == nil {
		cmd.Stderr = os.Stderr
	}
	stdout, err := cmd.StdoutPipe()
	if err == nil {
		err = cmd.Start()
	}
	theirs.Close()
	if err != nil {
		return failedStep("clone", err)
	}
	outcome := make(chan report, 1)
	go func() { outcome <- readReport(ours) }()
	if err = lines(stdout, o.Line); err != nil {
		cmd.Process.Kill() // Wait reports what becomes of it
	}
	ended := cmd.Wait()
	r := <-outcome
	switch {
	case err != nil:
		return fmt.Errorf("private network: reading standard output of %s: %w", o.Func, err)
	case r.Step != "":
		return failedStep(r.Step, r.Errno)
	case r.Error != "":
		return fmt.Errorf("inside the private network: %s: %s", o.Func, r.Error)
	case r.Done:
		return nil
	case ctx.Err() != nil:
		return fmt.Errorf("private network ended: %w", context.Cause(ctx))
	}
	return fmt.Errorf("private network: its keeper ended: %v", ended)
}

func (o Options) check() error {
	if !hooked {
		return errors.New("netns: the program must call netns.Main first in main or TestMain")
	}
	if funcs[o.Func] == nil {
		return fmt.Errorf("netns: no function is registered as %q", o.Func)
	}
	if o.Setup != "" && funcs[o.Setup] == nil {
		return fmt.Errorf("netns: no function is registered as %q", o.Setup)
	}
	return nil
}

// attributes are those of the keeper: its namespaces, who it is there, and the capabilities that
// survive its execve (the ambient set, capabilities(7)).
func attributes(c config) *syscall.SysProcAttr {
	uid, gid := os.Getuid(), os.Getgid()
	a := &syscall.SysProcAttr{
		Setsid:      true,
		Cloneflags:  unix.CLONE_NEWUSER | unix.CLONE_NEWNET | unix.CLONE_NEWPID,
		UidMappings: []syscall.SysProcIDMap{{ContainerID: ordinary(uid), HostID: uid, Size: 1}},
		GidMappings: []syscall.SysProcIDMap{{ContainerID: ordinary(gid), HostID: gid, Size: 1}},
		AmbientCaps: []uintptr{unix.CAP_NET_ADMIN, unix.CAP_NET_RAW},
	}
	if c.mounts() {
		a.Cloneflags |= unix.CLONE_NEWNS
		a.AmbientCaps = append(a.AmbientCaps, unix.CAP_SYS_ADMIN)
	}
	if c.Sealed {
		a.Cloneflags |= unix.CLONE_NEWIPC
		a.AmbientCaps = append(a.AmbientCaps, unix.CAP_SYS_RESOURCE)
	}
	if c.Sealed && os.Geteuid() == 0 { // root may map what it likes: become nobody in earnest
		a.UidMappings[0].HostID, a.GidMappings[0].HostID = nobody, nobody
		a.UidMappings[0].ContainerID, a.GidMappings[0].ContainerID = nobody, nobody
		a.GidMappingsEnableSetgroups = true
		a.Credential = &syscall.Credential{Uid: nobody, Gid: nobody}
	}
	if withoutCapabilities {
		a.AmbientCaps = nil
	}
	return a
}

// withoutCapabilities is set by a test to get what AppArmor's rule on Ubuntu does: namespaces, but
// nothing that is allowed in them.
var withoutCapabilities bool

func ordinary(id int) int {
	if id == 0 {
		return nobody
	}
	return id
}

// maxLine bounds a line of standard output in bytes, so that what runs inside cannot use up the
// memory outside.
const maxLine = 1 << 20

// lines hands over line after line until the end of r; a last line without an end counts.
func lines(r io.Reader, line func([]byte)) error {
	s := bufio.NewScanner(r)
	s.Buffer(nil, maxLine)
	for s.Scan() {
		if line != nil {
			line(s.Bytes())
		}
	}
	return s.Err()
}

// readReport waits for the keeper's end. A keeper that was killed leaves an empty report.
func readReport(f *os.File) report {
	var r report
	json.NewDecoder(io.LimitReader(f, 64<<10)).Decode(&r)
	return r
}

// socketpair returns two connected Unix sockets (unix(7)) that no child inherits by accident.
func socketpair(kind int) (ours, theirs int, err error) {
	fds, err := unix.Socketpair(unix.AF_UNIX, kind|unix.SOCK_CLOEXEC, 0)
	return fds[0], fds[1], err
}
