// Every signal to the process that watches.
//
//	expect: exited 0, box broken
package main

import "syscall"

var _ = attack("signals_keeper", func() {
	for s := syscall.Signal(1); s <= 64; s++ {
		syscall.Kill(1, s)
		syscall.RawSyscall(syscall.SYS_TKILL, 1, uintptr(s), 0)
	}
})
