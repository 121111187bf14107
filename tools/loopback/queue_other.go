//go:build !linux && !darwin && !windows

package loopback

import (
	"errors"
	"net"
	"syscall"
	"time"
)

// grace stands in for looking into the queue, where that is not possible.
const grace = 50 * time.Millisecond

func waitQueued(syscall.RawConn, int) error {
	<-time.After(grace)
	return nil
}

func peek(uintptr, int) (int, error) { return 0, errors.ErrUnsupported }

func setOptions(_ uintptr, o Options) error {
	if o != (Options{}) {
		return errors.ErrUnsupported
	}
	return nil
}

func dead(net.Conn) (bool, error) {
	<-time.After(grace)
	return true, nil
}
