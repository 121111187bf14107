// The kernel sends a signal for us, to whom we name, when input arrives: fcntl(2), F_SETOWN.
//
//	expect: exited 0, box broken
package main

import (
	"syscall"

	"golang.org/x/sys/unix"
)

var _ = attack("sigio_keeper", func() {
	for _, s := range []syscall.Signal{syscall.SIGSEGV, syscall.SIGKILL, syscall.SIGTERM} {
		var p [2]int
		if err := unix.Pipe(p[:]); err != nil {
			broke("%v", err)
		}
		unix.FcntlInt(uintptr(p[0]), unix.F_SETOWN, 1)
		unix.FcntlInt(uintptr(p[0]), unix.F_SETSIG, int(s))
		unix.FcntlInt(uintptr(p[0]), unix.F_SETFL, unix.O_ASYNC|unix.O_NONBLOCK)
		unix.Write(p[1], []byte("x"))
	}
})
