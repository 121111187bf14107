package main

import "syscall"

// What this system says of a datagram that is too long, and of one sent to a port where nobody is:
// WSAEMSGSIZE and WSAECONNREFUSED, for which package syscall has no names.
const (
	errMessageSize = syscall.Errno(10040)
	errRefused     = syscall.Errno(10061)
)
