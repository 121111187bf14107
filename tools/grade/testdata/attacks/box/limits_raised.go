// The limits of the process, set higher again.
//
//	expect: exited 0
package main

import "syscall"

var _ = attack("limits_raised", func() {
	for what := range 16 {
		var l syscall.Rlimit
		if syscall.Getrlimit(what, &l) == nil && l.Max != ^uint64(0) {
			l.Max++
			refused("setrlimit", syscall.Setrlimit(what, &l), syscall.EPERM)
		}
	}
})
