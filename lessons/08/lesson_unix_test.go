//go:build linux || darwin

package main

import (
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
)

// Handing a connection over makes it blocking, also for whoever keeps it: Read ends at no deadline any
// more.
func TestHandedOverIsBlocking(t *testing.T) {
	client, server := pair(t)
	require.False(t, blocking(t, server))
	kept, err := keepsConn(server, answerer(""))
	require.NoError(t, err)
	require.Equal(t, server, kept)
	require.True(t, blocking(t, server))
	client.Close() // the process ends
}

// blocking reports whether a connection's descriptor has no O_NONBLOCK (fcntl(2)).
func blocking(t *testing.T, conn syscall.Conn) bool {
	raw, err := conn.SyscallConn()
	require.NoError(t, err)
	var flags uintptr
	var errno syscall.Errno
	require.NoError(t, raw.Control(func(fd uintptr) {
		flags, _, errno = syscall.Syscall(syscall.SYS_FCNTL, fd, syscall.F_GETFL, 0)
	}))
	require.Zero(t, errno)
	return flags&syscall.O_NONBLOCK == 0
}
