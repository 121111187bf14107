//go:build !linux || 386 || s390x // the last two make socket calls in another way

package loopback

import (
	"errors"
	"net"
)

// Segments returns how many segments with data conn's kernel has received. It exists on Linux only; elsewhere it
// returns errors.ErrUnsupported.
func Segments(net.Conn) (int, error) { return 0, errors.ErrUnsupported }
