// More time than others: a negative nice value, real-time scheduling.
//
//	expect: exited 0
package main

import (
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

var _ = attack("priority", func() {
	refused("nice", syscall.Setpriority(syscall.PRIO_PROCESS, 0, -20), syscall.EACCES, syscall.EPERM)
	first := int32(1)
	err := errno(syscall.RawSyscall(unix.SYS_SCHED_SETSCHEDULER, 0, 1, uintptr(unsafe.Pointer(&first))))
	refused("SCHED_FIFO", err, syscall.EPERM)
})
