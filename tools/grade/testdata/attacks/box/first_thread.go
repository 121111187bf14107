// The first thread ends and the others go on: of such a process /proc tells no memory.
//
//	expect: memory
//	limits: memory=64M
package main

import (
	"runtime"
	"runtime/debug"
	"syscall"
)

var _ = attack("first_thread", func() {
	debug.SetGCPercent(-1)
	gone := make(chan struct{})
	leave := func() {
		runtime.LockOSThread()
		if syscall.Gettid() == syscall.Getpid() {
			close(gone)
			syscall.Syscall(syscall.SYS_EXIT, 0, 0, 0)
		}
		select {}
	}
	go func() {
		<-gone
		for {
			b := make([]byte, 1<<20)
			for i := 0; i < len(b); i += 4096 {
				b[i] = 1
			}
			kept = append(kept, b)
		}
	}()
	for range 64 {
		go leave()
	}
	leave()
})

var kept [][]byte
