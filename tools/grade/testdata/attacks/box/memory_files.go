// Memory that belongs to no process: memfd, System V, POSIX queues.
//
//	expect: exited 0
package main

import (
	"syscall"

	"golang.org/x/sys/unix"
)

var _ = attack("memory_files", func() {
	_, err := unix.MemfdCreate("x", 0)
	refused("memfd_create", err, unix.EPERM)
	_, err = unix.MemfdSecret(0)
	refused("memfd_secret", err, unix.EPERM)
	_, err = unix.SysvShmGet(unix.IPC_PRIVATE, 1<<20, unix.IPC_CREAT|0o600)
	refused("shmget", err, unix.EPERM)
	refused("msgget", errno(syscall.RawSyscall(unix.SYS_MSGGET, 0, 0, 0)), unix.EPERM)
	refused("mq_open", errno(syscall.RawSyscall6(unix.SYS_MQ_OPEN, 0, 0, 0, 0, 0, 0)), unix.EPERM)
})
