//go:build linux || darwin

package framingtest

import (
	"strconv"
	"syscall"

	"socketbook/tools/check"
)

// huge returns as many zero bytes as the last of hugeSizes says. They take no memory as long as nobody
// touches them. Where they do not fit the address space it returns nil. The case unmaps them.
func huge(c *check.C) []byte {
	if strconv.IntSize == 32 {
		return nil
	}
	size := hugeSizes[len(hugeSizes)-1]
	b, err := syscall.Mmap(-1, 0, int(size), syscall.PROT_READ, syscall.MAP_ANON|syscall.MAP_PRIVATE)
	if err != nil {
		c.NotGraded("%d bytes of the address space could not be mapped: %v", size, err)
	}
	c.Cleanup(func() { syscall.Munmap(b) })
	return b
}
