// 32-bit x86 and s390x make socket calls in another way.

//go:build !linux || 386 || s390x

package loopback

import (
	"errors"
	"net"
)

// Segments returns how many segments with data conn's kernel has received. It exists on Linux only;
// elsewhere it returns errors.ErrUnsupported.
func Segments(net.Conn) (int, error) { return 0, errors.ErrUnsupported }
