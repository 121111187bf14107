//go:build !windows

package scenario

import (
	"os"
	"time"
)

// waitEnd waits until the process that has started this one has ended: then somebody else is the parent.
func waitEnd(parent int) {
	for os.Getppid() == parent {
		time.Sleep(time.Millisecond)
	}
}
