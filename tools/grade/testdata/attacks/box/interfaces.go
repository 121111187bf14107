// An address of one's own on lo, and port 80.
//
//	expect: exited 0
package main

import (
	"net"
	"syscall"

	"golang.org/x/sys/unix"
)

var _ = attack("interfaces", func() {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM, 0)
	if err != nil {
		broke("%v", err)
	}
	lo, _ := unix.NewIfreq("lo")
	lo.SetUint16(0)
	refused("down", unix.IoctlIfreq(fd, unix.SIOCSIFFLAGS, lo), syscall.EPERM)
	_, err = net.Listen("tcp", "127.0.0.1:80")
	refused("port 80", err, syscall.EACCES)
	ln, err := net.Listen("tcp", "127.0.0.1:8080")
	if err != nil {
		broke("port 8080: %v", err)
	}
	ln.Close()
})
