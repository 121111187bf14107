//go:build !windows

package main

import "syscall"

// What this system calls a connection that the peer has reset, and a write to one that is no longer there.
const (
	errReset      = syscall.ECONNRESET
	errBrokenPipe = syscall.EPIPE
)

// errsTemporary are what accept(2) meets when descriptors or memory are used up, and when a client has gone
// before it was accepted; there Go's Accept takes the next one by itself.
var errsTemporary = []error{
	syscall.EMFILE, syscall.ENFILE, syscall.ENOBUFS, syscall.ENOMEM, syscall.ECONNABORTED,
}
