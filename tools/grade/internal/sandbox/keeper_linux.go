package sandbox

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"sync/atomic"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

const socketFD = 3 // in the keeper

// keep is the keeper's life. It is pid 1 of the box, and has the power that setting up needs; no
// other process in the box has. The kernel ends all of them with it, and it ends with the caller.
func keep(arg string) {
	signal.Notify(make(chan os.Signal, 1)) // none ends it: it ends with its socket
	unix.CloseOnExec(socketFD)
	unix.Umask(0o022) // whatever the caller's: commands read what is made here
	k := &keeper{requests: make(chan received)}
	go k.receive()
	var c Config
	err := json.Unmarshal([]byte(arg), &c)
	if err != nil {
		fmt.Fprintln(os.Stderr, "sandbox: only Open starts this:", err)
		os.Exit(2)
	}
	if step, err := k.setUp(c); err != nil {
		k.say(failure(step, err))
		os.Exit(0)
	}
	k.say(answer{})
	for {
		r := <-k.requests
		if !r.Kill { // otherwise it has ended meanwhile
			k.carryOut(r)
		}
	}
}

type keeper struct {
	requests chan received
	under    []Folder // those below /tmp, which each command gets anew
	parkedAt []string // where they are meanwhile
	writable []string
	spent    time.Duration // CPU time of all commands so far
}

// received is a request and what came beside it.
type received struct {
	request
	fds []int
}

func (k *keeper) receive() {
	for {
		var r received
		var err error
		if r.fds, err = receive(socketFD, &r.request); err != nil {
			os.Exit(0) // the caller has gone, or closed the box
		}
		k.requests <- r
	}
}

func (k *keeper) say(a answer, fds ...int) {
	if send(socketFD, a, fds...) != nil {
		os.Exit(0)
	}
}

// carryOut runs a command.
func (k *keeper) carryOut(r received) {
	closeAll := func() {
		for _, fd := range r.fds {
			unix.Close(fd)
		}
		r.fds = nil
	}
	if len(r.fds) != 2+r.Files+r.Fetch {
		closeAll()
		k.say(answer{Step: "start", Error: "descriptors were lost on the way: too many files are open"})
		return
	}
	if step, err := k.freshTmp(r.Command); err != nil {
		closeAll()
		k.say(failure(step, err))
		return
	}
	pid, pidfd, failed := k.launch(r)
	for _, fd := range r.fds[:2+r.Files] {
		unix.Close(fd)
	}
	r.fds = r.fds[2+r.Files:]
	defer closeAll()
	if failed.Step != "" {
		k.reapAll(pid)
		k.say(failed)
		return
	}
	k.say(answer{}, pidfd)
	unix.Close(pidfd)
	a := answer{Result: k.follow(pid, r.Command)}
	if a.Result.End == Exited && a.Result.Status == 0 {
		if err := fetch(r); err != nil {
			a.Error = err.Error()
		}
	}
	k.say(a)
}

// launch starts the launcher, which becomes the command, and waits until it has: it closes its pipe
// by the execve, or says in it what failed.
func (k *keeper) launch(r received) (pid, pidfd int, failed answer) {
	pipe := make([]int, 2)
	if err := unix.Pipe2(pipe, unix.O_CLOEXEC); err != nil {
		return 0, none, failure("pipe", err)
	}
	null, err := unix.Open("/dev/null", unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return 0, none, failure("/dev/null", err)
	}
	arg, err := json.Marshal(launching{Command: r.Command, Files: r.Files, Writable: k.writable})
	if err != nil {
		return 0, none, failure("launcher", err)
	}
	files := []uintptr{uintptr(null)}
	for _, fd := range r.fds[:2+r.Files] {
		files = append(files, uintptr(fd))
	}
	files = append(files, uintptr(pipe[1]))
	attributes := launcherAttributes()
	attributes.PidFD = &pidfd
	pid, err = syscall.ForkExec(self, []string{launcherArg, string(arg)}, &syscall.ProcAttr{
		Dir: "/", Files: files, Sys: attributes, Env: []string{"GORACE=atexit_sleep_ms=0", oneThread},
	})
	unix.Close(pipe[1])
	unix.Close(null)
	report := os.NewFile(uintptr(pipe[0]), "launcher's report")
	defer report.Close()
	if err != nil {
		return 0, none, failure("launcher", err)
	}
	text, _ := io.ReadAll(io.LimitReader(report, maxMessage))
	if len(text) == 0 {
		return pid, pidfd, answer{}
	}
	unix.Close(pidfd)
	if json.Unmarshal(text, &failed) != nil || failed.Step == "" {
		failed = answer{Step: "launcher", Error: string(text)}
	}
	return pid, none, failed
}

// launcherAttributes give the launcher a user namespace and mounts of its own, in which it may
// exchange the root. What it can do there ends with its execve.
func launcherAttributes() *syscall.SysProcAttr {
	id := inside // as the keeper's own user namespace calls the user
	root := os.Geteuid() == 0
	if root {
		id = nobody
	}
	return &syscall.SysProcAttr{
		Setsid:                     true,
		Cloneflags:                 unix.CLONE_NEWUSER | unix.CLONE_NEWNS | unix.CLONE_NEWCGROUP,
		UidMappings:                []syscall.SysProcIDMap{{ContainerID: inside, HostID: id, Size: 1}},
		GidMappings:                []syscall.SysProcIDMap{{ContainerID: inside, HostID: id, Size: 1}},
		GidMappingsEnableSetgroups: root,
		Credential:                 &syscall.Credential{Uid: inside, Gid: inside, NoSetGroups: !root},
		AmbientCaps:                []uintptr{unix.CAP_SYS_ADMIN, unix.CAP_SETPCAP},
	}
}

// follow waits for the end of a command, or brings it about, and ends what it has left behind.
func (k *keeper) follow(pid int, c Command) Result {
	l, w := c.Limits, k.watchOver(pid, c.Complete)
	defer w.close()
	ended := make(chan unix.WaitStatus, 1)
	all := make(chan struct{})
	var others, largest atomic.Int64 // orphans that ended meanwhile; KiB that one process had
	go func() {
		defer close(all)
		for {
			var status unix.WaitStatus
			var usage unix.Rusage
			who, err := unix.Wait4(-1, &status, 0, &usage)
			largest.Store(max(largest.Load(), int64(usage.Maxrss)))
			switch {
			case err == unix.ECHILD:
				return
			case who == pid:
				ended <- status
			case who > 0:
				others.Add(1)
			}
		}
	}()
	var r Result
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for r.End == "" {
		select {
		case status := <-ended:
			r.End, r.Status = Exited, status.ExitStatus()
			if status.Signaled() {
				r.End, r.Status, r.Signal = Signalled, 0, status.Signal().String()
			}
		case req := <-k.requests:
			if req.Kill {
				r.End = Stopped // the caller knows better why
			}
		case <-tick.C:
			if w.exceeds(l) {
				r.End = OutOfRoom
			}
		}
	}
	orphans := others.Load()
	for running := true; running; {
		_ = unix.Kill(-1, unix.SIGKILL) // everything but this process: kill(2)
		select {
		case <-all:
			running = false
		case <-time.After(time.Millisecond):
		}
	}
	w.most = max(w.most, largest.Load()<<10)
	r.Left, r.Memory = int(others.Load()-orphans), w.most
	if r.End == Exited || r.End == Signalled {
		if w.exceeds(l) && w.full { // the last that it wrote
			r = Result{End: OutOfRoom, Left: r.Left, Memory: w.most}
		}
	}
	var usage unix.Rusage
	if unix.Getrusage(unix.RUSAGE_CHILDREN, &usage) == nil {
		spent := time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
		r.CPU, k.spent = spent-k.spent, spent
	}
	return r
}

// reapAll ends and collects a launcher that failed.
func (k *keeper) reapAll(pid int) {
	if pid == 0 {
		return
	}
	_ = unix.Kill(-1, unix.SIGKILL)
	for {
		if _, err := unix.Wait4(-1, nil, 0, nil); err == unix.ECHILD {
			return
		}
	}
}

// fetch copies what a command has left. Nothing runs any more, so that nothing can be exchanged.
func fetch(r received) error {
	root, err := unix.Open(rootPath, unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer unix.Close(root)
	for i, f := range r.Command.Fetch {
		err := func() error {
			fd, err := unix.Openat2(root, strings.TrimPrefix(f.Path, "/"), &unix.OpenHow{
				Flags:   unix.O_RDONLY | unix.O_NOFOLLOW | unix.O_NONBLOCK | unix.O_CLOEXEC,
				Resolve: unix.RESOLVE_IN_ROOT | unix.RESOLVE_NO_SYMLINKS,
			})
			if err != nil {
				return err
			}
			from := os.NewFile(uintptr(fd), f.Path)
			defer from.Close()
			if info, err := from.Stat(); err != nil || !info.Mode().IsRegular() {
				return errors.New("it is not a regular file")
			}
			to := os.NewFile(uintptr(r.fds[i]), "target")
			err = copyAtMost(to, from, r.Command.Limits.FileSize)
			r.fds[i] = none
			return errors.Join(err, to.Close())
		}()
		if err != nil {
			return fmt.Errorf("fetching %s: %w", f.Path, err)
		}
	}
	return nil
}
