package main

import "syscall"

// errMessageSize is what this system says of a datagram that is too long: WSAEMSGSIZE, for which
// package syscall has no name.
const errMessageSize = syscall.Errno(10040)
