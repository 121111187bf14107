// Everything that /proc tells about the process that watches: environment, memory, descriptors,
// root.
//
//	expect: exited 0
package main

import (
	"os"
	"syscall"
)

var _ = attack("proc_keeper", func() {
	for _, name := range []string{
		"environ", "mem", "maps", "exe", "root/etc/shadow", "cwd/etc", "fd/3", "ns/net",
	} {
		f, err := os.Open("/proc/1/" + name)
		if err == nil {
			var b [1]byte
			_, err = f.ReadAt(b[:], 0x400000)
		}
		refused(name, err, syscall.ENOENT, syscall.EACCES, syscall.EPERM)
	}
})
