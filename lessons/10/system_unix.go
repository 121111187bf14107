//go:build !windows

package main

import (
	"errors"
	"syscall"
)

// What this system calls a connection that the peer has reset, and a write to one that is no longer there.
const (
	errReset      = syscall.ECONNRESET
	errBrokenPipe = syscall.EPIPE
)

// reuseAddr sets SO_REUSEADDR (socket(7)) on a socket that has no address yet.
func reuseAddr(_, _ string, c syscall.RawConn) error { return setReuseAddr(c, 1) }

// noReuseAddr clears it: C's default, and Python's.
func noReuseAddr(_, _ string, c syscall.RawConn) error { return setReuseAddr(c, 0) }

func setReuseAddr(c syscall.RawConn, value int) error {
	var failed error
	err := c.Control(func(fd uintptr) {
		failed = syscall.SetsockoptInt(int(fd), syscall.SOL_SOCKET, syscall.SO_REUSEADDR, value)
	})
	return errors.Join(err, failed)
}
