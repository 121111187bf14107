//go:build !windows

package scenario

import (
	"os"
	"time"
)

// waitParent waits until the process that has started this one has ended: then somebody else is the parent.
func waitParent() {
	parent := os.Getppid()
	for os.Getppid() == parent {
		time.Sleep(time.Millisecond)
	}
}
