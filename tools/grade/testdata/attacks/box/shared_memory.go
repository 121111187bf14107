// Shared memory that no heap counts, and that stays when it is dropped with MADV_DONTNEED: no process has it then.
//
//	expect: exited 0
package main

import "golang.org/x/sys/unix"

var _ = attack("shared_memory", func() {
	for _, kind := range []int{unix.MAP_SHARED, unix.MAP_SHARED_VALIDATE} {
		_, err := unix.Mmap(-1, 0, 8<<20, unix.PROT_READ|unix.PROT_WRITE, kind|unix.MAP_ANON)
		refused("mmap", err, unix.EPERM)
	}
})
