//go:build !linux

package scenario

import (
	"errors"
	"fmt"
	"net"
	"os"
	"time"
)

func shrinkQueue(*net.TCPListener) error {
	return fmt.Errorf("what a full accept queue does is looked at on Linux only: %w", errors.ErrUnsupported)
}

func giveUp(*net.TCPConn, time.Duration) error { return errors.ErrUnsupported }

const canPause = false

func pause(*os.Process) error { return errors.ErrUnsupported }

func goOn(*os.Process) error { return errors.ErrUnsupported }
