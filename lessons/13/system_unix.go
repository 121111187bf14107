//go:build !windows

package main

import "syscall"

// What this system says of a datagram that is too long, and of one sent to a port where nobody is.
const (
	errMessageSize = syscall.EMSGSIZE
	errRefused     = syscall.ECONNREFUSED
)
