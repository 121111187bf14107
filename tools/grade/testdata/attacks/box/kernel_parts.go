// The parts of the kernel in which holes are found: bpf, io_uring, userfaultfd, perf, keys, modules.
//
//	expect: exited 0
package main

import (
	"syscall"

	"golang.org/x/sys/unix"
)

var _ = attack("kernel_parts", func() {
	for _, call := range []uintptr{
		unix.SYS_BPF, unix.SYS_IO_URING_SETUP, unix.SYS_USERFAULTFD, unix.SYS_PERF_EVENT_OPEN,
		unix.SYS_KEYCTL, unix.SYS_ADD_KEY, unix.SYS_INIT_MODULE, unix.SYS_KEXEC_LOAD, unix.SYS_REBOOT,
		unix.SYS_SWAPON, unix.SYS_ACCT, unix.SYS_SYSLOG, unix.SYS_FANOTIFY_INIT, unix.SYS_QUOTACTL,
		unix.SYS_CLOCK_SETTIME, unix.SYS_SETHOSTNAME, unix.SYS_PERSONALITY,
	} {
		if err := errno(syscall.RawSyscall6(call, 0, 0, 0, 0, 0, 0)); err != syscall.EPERM {
			broke("system call %d: %v", call, err)
		}
	}
})
