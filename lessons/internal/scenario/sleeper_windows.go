package scenario

import "os"

// waitParent waits until the process that has started this one has ended.
func waitParent() {
	if parent, err := os.FindProcess(os.Getppid()); err == nil {
		parent.Wait()
	}
}
