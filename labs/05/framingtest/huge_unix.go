//go:build linux || darwin

package framingtest

import (
	"math"
	"strconv"
	"syscall"

	"socketbook/tools/check"
)

// huge returns 2147483648 zero bytes that take no memory as long as nobody touches them, and nil where they
// do not fit the
// address space. The case unmaps them.
func huge(c *check.C) []byte {
	if strconv.IntSize == 32 {
		return nil
	}
	size := int64(math.MaxInt32) + 1
	b, err := syscall.Mmap(-1, 0, int(size), syscall.PROT_READ, syscall.MAP_ANON|syscall.MAP_PRIVATE)
	if err != nil {
		c.NotGraded("%d bytes of the address space could not be mapped: %v", size, err)
	}
	c.Cleanup(func() { syscall.Munmap(b) })
	return b
}
