package scenario

import (
	"errors"
	"fmt"
	"net"
)

func limitDescriptors(int) (restore func() error, err error) {
	return nil, fmt.Errorf("a limit on descriptors is Unix's: %w", errors.ErrUnsupported)
}

func allowDescriptors(int) error {
	return fmt.Errorf("a limit on descriptors is Unix's: %w", errors.ErrUnsupported)
}

func shortenQueue(net.Listener, int) error {
	return fmt.Errorf("the queue of a listener cannot be shortened here: %w", errors.ErrUnsupported)
}

func openDescriptors() int { return 0 } // Windows counts its handles, and those of the runtime too
