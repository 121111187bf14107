package main

import "syscall"

// What this system calls a connection that the peer has reset, and a write to one that is no longer there.
const (
	errReset      = syscall.WSAECONNRESET
	errBrokenPipe = syscall.WSAECONNABORTED
)

// errsTemporary are what accept meets when sockets or buffers are used up (WSAEMFILE, WSAENOBUFS), and
// when a client has gone before it was accepted; there Go's Accept may take the next one by itself.
var errsTemporary = []error{
	syscall.Errno(10024), syscall.Errno(10055), syscall.WSAECONNRESET, syscall.WSAECONNABORTED,
}
