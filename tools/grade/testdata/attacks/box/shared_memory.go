// Shared memory that no heap counts.
//
//	expect: memory
package main

import "golang.org/x/sys/unix"

var _ = attack("shared_memory", func() {
	for {
		b, err := unix.Mmap(-1, 0, 8<<20, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED|unix.MAP_ANON)
		if err != nil {
			continue
		}
		for i := 0; i < len(b); i += 4096 {
			b[i] = 1
		}
	}
})
