//go:build !linux

package scenario

import (
	"errors"
	"syscall"
)

func reusePort(_, _ string, _ syscall.RawConn) error { return errors.ErrUnsupported }
