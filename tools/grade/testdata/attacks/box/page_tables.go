// Page tables: one byte is read of every 2 MiB, which costs the process no page.
//
//	expect: memory
//	limits: memory=32M
package main

import "golang.org/x/sys/unix"

var sum byte

var _ = attack("page_tables", func() {
	for range 64 {
		b, err := unix.Mmap(-1, 0, 1<<30, unix.PROT_READ, unix.MAP_PRIVATE|unix.MAP_ANON|unix.MAP_NORESERVE)
		if err != nil {
			break
		}
		unix.Madvise(b, unix.MADV_NOHUGEPAGE)
		for i := 0; i < len(b); i += 2 << 20 {
			sum += b[i]
		}
	}
	forever()
})
