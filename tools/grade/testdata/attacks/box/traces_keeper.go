// The memory of the process that watches, by ptrace(2) and process_vm_readv(2).
//
//	expect: exited 0
package main

import (
	"syscall"

	"golang.org/x/sys/unix"
)

var _ = attack("traces_keeper", func() {
	refused("attach", unix.PtraceAttach(1), unix.EPERM, unix.ESRCH)
	refused("seize", unix.PtraceSeize(1), unix.EPERM, unix.ESRCH)
	b := make([]byte, 8)
	_, err := unix.ProcessVMReadv(1, []unix.Iovec{{Base: &b[0], Len: 8}},
		[]unix.RemoteIovec{{Base: 0x400000, Len: 8}}, 0)
	refused("process_vm_readv", err, unix.EPERM, unix.ESRCH)
	fd, err := unix.PidfdOpen(1, 0)
	if err == nil {
		_, err = unix.PidfdGetfd(fd, 3, 0)
	}
	refused("pidfd_getfd", err, unix.EPERM, unix.ESRCH)
	_ = syscall.Errno(0)
})
