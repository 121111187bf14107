// Memory that cannot be swapped out.
//
//	expect: exited 0
package main

import "golang.org/x/sys/unix"

var _ = attack("locked_memory", func() {
	refused("mlockall", unix.Mlockall(unix.MCL_CURRENT|unix.MCL_FUTURE), unix.EPERM, unix.ENOMEM)
	refused("mlock", unix.Mlock(make([]byte, 1<<20)), unix.EPERM, unix.ENOMEM)
})
