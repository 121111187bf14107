//go:build !windows

package main

import (
	"net"
	"syscall"
)

// readNow takes what is there and does not wait, as Python's recv after setblocking(False). If nothing is
// there, the error is EAGAIN: Python's BlockingIOError. The end of the stream is 0 bytes and no error.
func readNow(conn *net.TCPConn, p []byte) (n int, err error) {
	raw, err := conn.SyscallConn()
	if err != nil {
		return 0, err
	}
	cerr := raw.Read(func(fd uintptr) bool {
		n, err = syscall.Read(int(fd), p)
		return true // do not wait for more
	})
	if cerr != nil {
		return 0, cerr
	}
	return max(n, 0), err
}

// writeNow sends as much of p as the system takes at once, and does not wait, as Python's send after
// setblocking(False): it returns how much that was.
func writeNow(conn *net.TCPConn, p []byte) (n int, err error) {
	raw, err := conn.SyscallConn()
	if err != nil {
		return 0, err
	}
	cerr := raw.Write(func(fd uintptr) bool {
		n, err = syscall.Write(int(fd), p)
		return true
	})
	if cerr != nil {
		return 0, cerr
	}
	return max(n, 0), err
}
