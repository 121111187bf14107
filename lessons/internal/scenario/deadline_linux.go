package scenario

import (
	"net"
	"os"
	"syscall"
	"time"

	"socketbook/tools/loopback"
)

// shrinkQueue leaves room for one connection in the accept queue of a listener: listen(2) called
// again, with a backlog of 0.
func shrinkQueue(ln *net.TCPListener) error {
	raw, err := ln.SyscallConn()
	if err != nil {
		return err
	}
	var failed error
	if err := raw.Control(func(fd uintptr) { failed = syscall.Listen(int(fd), 0) }); err != nil {
		return err
	}
	return failed
}

// giveUp lets the system give a peer up that has acknowledged nothing for that long
// (TCP_USER_TIMEOUT, tcp(7)).
func giveUp(conn *net.TCPConn, after time.Duration) error {
	const userTimeout = 18 // TCP_USER_TIMEOUT
	raw, err := conn.SyscallConn()
	if err != nil {
		return err
	}
	var failed error
	if err := raw.Control(func(fd uintptr) {
		failed = syscall.SetsockoptInt(int(fd), syscall.IPPROTO_TCP, userTimeout, int(after.Milliseconds()))
	}); err != nil {
		return err
	}
	return failed
}

const canPause = true

// pause stops a process, and returns when it has stopped.
func pause(p *os.Process) error {
	if err := p.Signal(syscall.SIGSTOP); err != nil {
		return err
	}
	return pollFor(loopback.Patience, "a process to stop", func() bool { return state(p.Pid) == ", in state T" })
}

// goOn lets a process go on that was stopped.
func goOn(p *os.Process) error { return p.Signal(syscall.SIGCONT) }
