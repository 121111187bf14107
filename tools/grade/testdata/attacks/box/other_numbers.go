// System calls by the numbers of the x32 ABI, which a filter of the usual numbers does not see.
//
//	expect: exited 0, signalled
package main

import (
	"runtime"
	"syscall"
)

var _ = attack("other_numbers", func() {
	if runtime.GOARCH != "amd64" {
		held("only amd64 has them")
	}
	const unshare = 272
	refused("x32", errno(syscall.RawSyscall(1<<30|unshare, 0x10000000, 0, 0)), syscall.ENOSYS)
})
