package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"socketbook/lessons/internal/scenario"
	"socketbook/lessons/internal/stage/stagetest"
	"socketbook/tools/loopback"
)

// waits are the calls that wait, each with a limit, beside those of testdata/waits.py. Each returns
// what came of it, in Python's words.
var waits = []struct {
	name string
	call func(t *testing.T) string
}{
	{"accept", func(t *testing.T) string {
		ln := listening(t)
		require.NoError(t, ln.SetDeadline(soon()))
		_, err := ln.Accept()
		return outcome(err)
	}},
	{"connect_ex, nobody there", func(t *testing.T) string {
		addr, err := loopback.FreeAddr()
		require.NoError(t, err)
		_, err = net.DialTimeout("tcp", addr, loopback.Patience)
		return outcome(err)
	}},
	{"connect, queue full", func(t *testing.T) string {
		ln := listening(t)
		raw, err := ln.SyscallConn()
		require.NoError(t, err)
		require.NoError(t, raw.Control(func(fd uintptr) { err = syscall.Listen(int(fd), 0) }))
		require.NoError(t, err)
		for {
			conn, err := net.DialTimeout("tcp", ln.Addr().String(), scenario.Hang)
			if err != nil {
				return outcome(err)
			}
			defer conn.Close()
		}
	}},
	{"recv", func(t *testing.T) string {
		a, _ := pair(t)
		require.NoError(t, a.SetReadDeadline(soon()))
		_, err := a.Read(make([]byte, 10))
		return outcome(err)
	}},
	{"recv, not blocking", func(t *testing.T) string {
		a, _ := pair(t)
		_, err := readNow(a, make([]byte, 10))
		return outcome(err)
	}},
	{"recv, not blocking, with bytes there", func(t *testing.T) string {
		a, b := pair(t)
		_, err := b.Write([]byte("hello"))
		require.NoError(t, err)
		require.NoError(t, loopback.WaitQueued(a, 5))
		buf := make([]byte, 10)
		n, err := readNow(a, buf)
		require.NoError(t, err)
		return string(buf[:n])
	}},
	{"send, not blocking", func(t *testing.T) string {
		a, _ := pair(t)
		n, err := writeNow(a, make([]byte, 64<<20))
		require.NoError(t, err)
		if 0 < n && n < 64<<20 {
			return "a part"
		}
		return fmt.Sprint(n)
	}},
	{"sendall", func(t *testing.T) string {
		a, _ := pair(t)
		require.NoError(t, a.SetWriteDeadline(soon()))
		_, err := a.Write(make([]byte, 64<<20))
		return outcome(err)
	}},
	{"recvfrom", func(t *testing.T) string {
		pc, err := net.ListenPacket("udp", "127.0.0.1:0")
		require.NoError(t, err)
		defer pc.Close()
		require.NoError(t, pc.SetReadDeadline(soon()))
		_, _, err = pc.ReadFrom(make([]byte, 10))
		return outcome(err)
	}},
	{"a command", func(t *testing.T) string {
		ctx, cancel := context.WithTimeout(t.Context(), scenario.Hang)
		defer cancel()
		err := runTree(shell(ctx, waitsForSleep))
		var exit *exec.ExitError
		require.ErrorAs(t, err, &exit)
		return fmt.Sprintf("ended by signal %d", exit.Sys().(syscall.WaitStatus).Signal())
	}},
	{"recv, after a reset", func(t *testing.T) string {
		a, b := pair(t)
		require.NoError(t, loopback.Abort(b))
		_, err := a.Read(make([]byte, 10))
		return outcome(err)
	}},
}

// outcome is an error in Python's words: a timeout, or the name of the system's number.
func outcome(err error) string {
	var late net.Error
	var errno syscall.Errno
	switch {
	case errors.As(err, &errno) && errno == syscall.ECONNREFUSED:
		return "ECONNREFUSED"
	case errno == syscall.ECONNRESET:
		return "ECONNRESET"
	case errno == syscall.EAGAIN:
		return "EAGAIN"
	case errors.As(err, &late) && late.Timeout():
		return "timeout"
	}
	return fmt.Sprint(err)
}

func soon() time.Time { return time.Now().Add(scenario.Hang) }

func listening(t *testing.T) *net.TCPListener {
	ln, err := loopback.Listen()
	require.NoError(t, err)
	t.Cleanup(func() { ln.Close() })
	return ln.(*net.TCPListener)
}

// Each call that waits has a limit, in Go as in Python, and the same comes of both.
func TestPythonWaits(t *testing.T) {
	python, errs, status := stagetest.Output(t, stagetest.Python(t, "waits.py"), "")
	require.Zero(t, status, errs)
	var ours strings.Builder
	for _, w := range waits {
		fmt.Fprintf(&ours, "%s: %s\n", w.name, w.call(t))
	}
	require.Equal(t, python, ours.String())
}
