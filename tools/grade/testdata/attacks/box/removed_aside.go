// As removed_files, by a thread whose descriptors are not those of the process: there is none.
//
//	expect: exited 0
package main

import "golang.org/x/sys/unix"

var _ = attack("removed_aside", func() {
	refused("close_range", unix.CloseRange(200, 200, unix.CLOSE_RANGE_UNSHARE), unix.EPERM)
})
