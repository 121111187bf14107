package loopback

import (
	"errors"
	"syscall"
)

// Is reports whether err is the error that Unix calls errno: ECONNREFUSED, ECONNRESET, EPIPE,
// EADDRINUSE … Windows has numbers of its own for what sockets meet, which errors.Is does not take
// for these; Is does.
func Is(err error, errno syscall.Errno) bool {
	if errors.Is(err, errno) {
		return true
	}
	here, ok := names[errno]
	return ok && errors.Is(err, here)
}
