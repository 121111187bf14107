package main

import (
	"io"
	"net"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
)

func init() {
	besieged["naive, in 4 GiB"] = func(ln net.Listener) error {
		const space = 4 << 30 // bytes of addresses
		if err := syscall.Setrlimit(syscall.RLIMIT_AS, &syscall.Rlimit{Cur: space, Max: space}); err != nil {
			return err
		}
		return naiveServe(ln)
	}
}

// Three clients that announce 2 GiB end a process that may have 4 GiB, and no recover helps.
func TestOutOfMemory(t *testing.T) {
	if raceDetector {
		t.Skip("the race detector itself needs more addresses than that")
	}
	small := naive
	small.Server = "naive, in 4 GiB"
	s, err := small.Begin()
	require.NoError(t, err)
	defer s.End()
	for range 3 {
		conn := connected(t, s.Addr)
		io.WriteString(conn, framedHeader(`{"status":0,"total_size":2147483647}`))
	}
	require.True(t, s.Ended())
	require.Contains(t, strings.Join(s.Lines(), "\n"), "out of memory")
}
