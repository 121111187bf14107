//go:build unix

package runner

import (
	"errors"
	"os"
	"syscall"
	"time"
)

// apart gives a supervisor a session without a terminal: Ctrl-C in the tool's terminal is the
// tool's to handle, and the program cannot read from that terminal or write to it.
func apart() *syscall.SysProcAttr { return &syscall.SysProcAttr{Setsid: true} }

// supervise runs a program in a process group of its own. Once the program has ended it kills the
// group and, where the system says who they are, the descendants that have left it.
func supervise(path string, argv []string, asked <-chan struct{}) (status int, err error) {
	adoptOrphans()
	null, err := os.Open(os.DevNull)
	if err != nil {
		return cannotStart, err
	}
	p, err := os.StartProcess(path, argv, &os.ProcAttr{
		Files: []*os.File{null, os.Stdout, os.Stderr},
		Sys:   &syscall.SysProcAttr{Setpgid: true},
	})
	if err != nil {
		return cannotStart, err
	}
	ended := make(chan int, 1)
	noChildren := make(chan struct{})
	go reap(p.Pid, ended, noChildren)
	select {
	case status = <-ended:
	case <-asked:
		_ = syscall.Kill(-p.Pid, syscall.SIGINT)
		select {
		case status = <-ended:
		case <-time.After(interruptGrace):
			status = 128 + int(syscall.SIGKILL)
		}
	}
	giveUp := time.After(killPatience)
	for pause := time.Millisecond; ; pause = min(2*pause, 20*time.Millisecond) {
		_ = syscall.Kill(-p.Pid, syscall.SIGKILL) // an error says that the group is empty
		select {
		case <-noChildren: // as nearly always; to look for descendants takes a look at every process of the system
			return status, nil
		case <-giveUp: // a process of another user, or one that the system cannot end now
			return status, nil
		case <-time.After(pause):
		}
		for _, pid := range descendants() {
			_ = syscall.Kill(pid, syscall.SIGKILL)
		}
	}
}

// reap waits for all children, also for those that were adopted, until there are none.
func reap(program int, ended chan<- int, noChildren chan<- struct{}) {
	for {
		var ws syscall.WaitStatus
		pid, err := syscall.Wait4(-1, &ws, 0, nil)
		switch {
		case errors.Is(err, syscall.EINTR):
		case err != nil:
			close(noChildren)
			return
		case pid != program:
		case ws.Signaled():
			ended <- 128 + int(ws.Signal())
		default:
			ended <- ws.ExitStatus()
		}
	}
}
