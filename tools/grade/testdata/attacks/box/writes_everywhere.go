// Writing wherever a file can be, and in the program's own.
//
//	expect: exited 0
package main

import (
	"os"
	"syscall"
)

var _ = attack("writes_everywhere", func() {
	self := os.Getenv("PROGRAM")
	for _, name := range []string{
		"/x", "/etc/hosts", "/etc/x", "/dev/x", "/proc/x", self, "/proc/self/exe", "/proc/1/mem",
		"/dev/shm/x", "/run/x", "/var/tmp/x",
	} {
		_, err := os.OpenFile(name, os.O_CREATE|os.O_RDWR, 0o600)
		refused(name, err, syscall.EROFS, syscall.EACCES, syscall.ENOENT, syscall.ETXTBSY, syscall.EPERM)
	}
	_, err := os.OpenFile("/proc/self/mem", os.O_RDWR, 0) // even code can be written through it
	refused("memory", err, syscall.EROFS)
	for _, name := range []string{"/dev/null", "/etc/hosts", "/tmp", self} {
		refused("remove "+name, os.Remove(name), syscall.EROFS, syscall.EACCES, syscall.EBUSY, syscall.EPERM)
		if name == "/tmp" {
			continue // may be its own
		}
		refused("chmod "+name, os.Chmod(name, 0o777), syscall.EROFS, syscall.EPERM, syscall.EACCES)
	}
})
