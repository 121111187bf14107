//go:build linux || darwin

package sticky_test

import (
	"errors"
	"net"
	"syscall"

	"socketbook/labs/04/stickytest"
	"socketbook/tools/check"
)

// rightOnUnix looks into the receive queue itself.
var rightOnUnix = []check.Answer{
	answer("recv with MSG_PEEK", stickytest.Lab{Diagnose: diagnoseReference, Provoke: provokePeeking}),
}

func provokePeeking(client, server net.Conn, _ func(n int) error, first, second []byte) ([]byte, error) {
	if len(first) == 0 || len(second) == 0 {
		return nil, errEmpty
	}
	for _, m := range [][]byte{first, second} {
		if _, err := client.Write(m); err != nil {
			return nil, err
		}
	}
	sc, ok := server.(syscall.Conn)
	if !ok {
		return nil, errors.New("no socket")
	}
	raw, err := sc.SyscallConn()
	if err != nil {
		return nil, err
	}
	buf := make([]byte, len(first)+len(second))
	var perr error
	err = raw.Read(func(fd uintptr) bool { // is called whenever there is something to read
		n, _, err := syscall.Recvfrom(int(fd), buf, syscall.MSG_PEEK)
		if err == syscall.EAGAIN {
			return false
		}
		perr = err
		return err != nil || n == 0 || n == len(buf)
	})
	if err == nil {
		err = perr
	}
	if err != nil {
		return nil, err
	}
	n, err := server.Read(buf)
	return buf[:n], err
}
