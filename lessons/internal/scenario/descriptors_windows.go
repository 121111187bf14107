package scenario

import (
	"errors"
	"fmt"
)

func limitDescriptors(int) (restore func() error, err error) {
	return nil, fmt.Errorf("a limit on descriptors is Unix's: %w", errors.ErrUnsupported)
}
