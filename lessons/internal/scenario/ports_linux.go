package scenario

import (
	"errors"
	"syscall"
)

// reusePort sets SO_REUSEPORT (socket(7)), which package syscall has no name for on all of Linux.
func reusePort(_, _ string, c syscall.RawConn) error {
	const soReusePort = 15
	var failed error
	err := c.Control(func(fd uintptr) {
		failed = syscall.SetsockoptInt(int(fd), syscall.SOL_SOCKET, soReusePort, 1)
	})
	return errors.Join(err, failed)
}
