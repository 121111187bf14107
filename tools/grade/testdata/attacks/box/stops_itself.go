// A process that has stopped does not end.
//
//	expect: timed out
//	limits: time=200ms
package main

import (
	"os"
	"syscall"
)

var _ = attack("stops_itself", func() {
	for {
		syscall.Kill(os.Getpid(), syscall.SIGSTOP)
	}
})
