// Children that nobody waits for.
//
//	expect: exited 0
package main

import (
	"os"
	"syscall"
)

var (
	_ = attack("zombies", func() {
		null, _ := os.Open(os.DevNull)
		for range 40 {
			syscall.ForkExec("/proc/self/exe", []string{"box", "ends"},
				&syscall.ProcAttr{Files: []uintptr{null.Fd(), null.Fd(), null.Fd()}})
		}
	})
	_ = attack("ends", func() {})
)
