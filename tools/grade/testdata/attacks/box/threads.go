// Goroutines that each keep a thread, until the system has no more.
//
//	expect: exited 2, timed out, output
//	limits: time=1s processes=64
package main

import "syscall"

var _ = attack("threads", func() {
	for range 10000 {
		go func() {
			for {
				syscall.Pause()
			}
		}()
	}
	forever()
})
