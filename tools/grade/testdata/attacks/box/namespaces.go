// Each kind of namespace, by unshare(2), clone(2) and clone3(2); and a thread with descriptors of its own,
// whose files nobody would count.
//
//	expect: exited 0
package main

import (
	"syscall"

	"golang.org/x/sys/unix"
)

var _ = attack("namespaces", func() {
	for _, kind := range []uintptr{
		unix.CLONE_NEWUSER, unix.CLONE_NEWNS, unix.CLONE_NEWPID, unix.CLONE_NEWNET, unix.CLONE_NEWIPC,
		unix.CLONE_NEWUTS, unix.CLONE_NEWCGROUP, unix.CLONE_NEWTIME,
	} {
		refused("unshare", unix.Unshare(int(kind)), unix.EPERM)
		if kind == unix.CLONE_NEWTIME {
			continue // is a signal's number there
		}
		cmd := again("ends")
		cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: unix.CLONE_NEWUSER | kind}
		refused("clone", cmd.Run(), unix.EPERM)
	}
	const thread = unix.CLONE_THREAD | unix.CLONE_SIGHAND | unix.CLONE_VM
	refused("a thread with descriptors of its own",
		errno(syscall.RawSyscall6(unix.SYS_CLONE, thread, 0, 0, 0, 0, 0)), unix.EPERM)
	refused("clone3", errno(syscall.RawSyscall(unix.SYS_CLONE3, 0, 0, 0)), unix.ENOSYS)
})
