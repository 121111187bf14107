// 32-bit x86 and s390x make socket calls in another way.

//go:build !linux || 386 || s390x

package scenario

import (
	"errors"
	"net"
	"syscall"
)

func acceptQueue(*net.TCPListener) (queued, backlog int, err error) {
	return 0, 0, errors.ErrUnsupported
}

func acknowledged(syscall.RawConn) (unacked, came int, err error) {
	return 0, 0, errors.ErrUnsupported
}
