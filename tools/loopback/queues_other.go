//go:build !linux

package loopback

import (
	"errors"
	"net"
)

// Queues returns how many bytes wait at each end of a connection: at the writer's those that were not
// sent yet, at the reader's those that have come and were not read. It exists on Linux only; elsewhere it
// returns errors.ErrUnsupported.
func Queues(_, _ *net.TCPConn) (notSent, received int, err error) {
	return 0, 0, errors.ErrUnsupported
}
