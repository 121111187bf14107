// Shared memory, which stays when the process has let go of its pages, and is then resident in none.
//
//	expect: exited 0
package main

import (
	"os"

	"golang.org/x/sys/unix"
)

var _ = attack("shared_memory", func() {
	for _, flags := range []int{
		unix.MAP_SHARED | unix.MAP_ANON, unix.MAP_SHARED | unix.MAP_ANON | unix.MAP_HUGETLB,
		unix.MAP_SHARED_VALIDATE | unix.MAP_ANON,
	} {
		_, err := unix.Mmap(-1, 0, 8<<20, unix.PROT_READ|unix.PROT_WRITE, flags)
		refused("mmap", err, unix.EPERM)
	}
	_, err := os.OpenFile("/dev/zero", os.O_RDWR, 0)
	refused("/dev/zero", err, unix.ENOENT)
	f, err := os.OpenFile("/dev/full", os.O_RDWR, 0)
	if err != nil {
		broke("%v", err)
	}
	_, err = unix.Mmap(int(f.Fd()), 0, 8<<20, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
	refused("mmap /dev/full", err, unix.ENODEV)
})
