package main

import "syscall"

// What this system calls a connection that the peer has reset, and a write to one that is no longer there.
const (
	errReset      = syscall.WSAECONNRESET
	errBrokenPipe = syscall.WSAECONNABORTED
)

// reuseAddr does nothing. Windows has no objection to connections in TIME_WAIT, and its SO_REUSEADDR
// would let a second program take a port from the first one.
func reuseAddr(_, _ string, _ syscall.RawConn) error { return nil }

func noReuseAddr(_, _ string, _ syscall.RawConn) error { return nil }
