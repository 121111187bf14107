// Every signal to every process that there is.
//
//	expect: exited 0
package main

import "syscall"

var _ = attack("signals_everybody", func() {
	for s := syscall.Signal(1); s <= 64; s++ {
		syscall.Kill(-1, s)
	}
})
