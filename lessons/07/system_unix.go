//go:build !windows

package main

import "syscall"

// errMessageSize is what this system says of a datagram that is too long.
const errMessageSize = syscall.EMSGSIZE
