package scenario

import "os"

// waitEnd waits until the process that has started this one has ended.
func waitEnd(parent int) {
	if p, err := os.FindProcess(parent); err == nil {
		p.Wait()
	}
}
