//go:build linux || darwin

package loopback

import (
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestListenOptions(t *testing.T) {
	ln, err := ListenOptions("127.0.0.1:0", Options{ReceiveBuffer: 4096, NoReuse: true})
	require.NoError(t, err)
	defer ln.Close()
	raw, err := ln.(syscall.Conn).SyscallConn()
	require.NoError(t, err)
	require.NoError(t, raw.Control(func(fd uintptr) {
		reuse, err := syscall.GetsockoptInt(int(fd), syscall.SOL_SOCKET, syscall.SO_REUSEADDR)
		require.NoError(t, err)
		require.Zero(t, reuse)
		size, err := syscall.GetsockoptInt(int(fd), syscall.SOL_SOCKET, syscall.SO_RCVBUF)
		require.NoError(t, err)
		require.GreaterOrEqual(t, size, 4096)
		require.Less(t, size, 16<<10)
	}))
}
