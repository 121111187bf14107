// Devices, made and opened.
//
//	expect: exited 0
package main

import (
	"os"

	"golang.org/x/sys/unix"
)

var _ = attack("device_files", func() {
	refused("mknod", unix.Mknod("/tmp/vda", unix.S_IFBLK|0o600, 254<<8), unix.EPERM, unix.EACCES)
	refused("mknod", unix.Mknod("/tmp/mem", unix.S_IFCHR|0o600, 1<<8|1), unix.EPERM, unix.EACCES)
	for _, name := range []string{
		"/dev/mem", "/dev/kmsg", "/dev/vda", "/dev/sda", "/dev/tty", "/dev/ptmx", "/dev/fuse", "/dev/kvm",
	} {
		_, err := os.OpenFile(name, os.O_RDWR, 0)
		refused(name, err, unix.ENOENT)
	}
})
