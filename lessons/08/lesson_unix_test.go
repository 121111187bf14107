//go:build linux || darwin

package main

import (
	"io"
	"io/fs"
	"os/exec"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"socketbook/lessons/internal/scenario"
)

// Handing a connection over makes it blocking, also for whoever keeps it: Read ends at no deadline any
// more. The program here takes no notice of its copy; net.FileConn would make it non-blocking again.
func TestHandedOverIsBlocking(t *testing.T) {
	client, server := pair(t)
	require.False(t, blocking(t, server))
	kept, err := keepsConn(server, exec.Command("true"))
	require.NoError(t, err)
	require.Equal(t, server, kept)
	require.True(t, blocking(t, server))
	client.Close() // the process ends
}

// A connection that cannot be handed over is an error, and so is a program that cannot be started. No
// copy is left open then, but what is returned.
func TestHandOverFails(t *testing.T) {
	for name, handOver := range map[string]scenario.HandOverFunc{
		"keepsConn": keepsConn, "keepsCopy": keepsCopy, "keepsNothing": keepsNothing, "naive": naiveKeepsNothing,
	} {
		client, server := pair(t)
		client.Close()
		server.Close()
		_, err := handOver(server, answerer(""))
		require.ErrorContains(t, err, "closed", name)

		client, server = pair(t)
		kept, err := handOver(server, exec.Command("/no/such/program"))
		require.ErrorIs(t, err, fs.ErrNotExist, name)
		if kept != nil {
			kept.Close()
		}
		_, err = client.Read(make([]byte, 1))
		require.ErrorIs(t, err, io.EOF, name)
	}
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
