//go:build unix

package main

import (
	"fmt"
	"os"
	"syscall"
)

// lock keeps two runs from writing into one folder. The system unlocks it when the process ends.
func lock(dir string) (unlock func(), err error) {
	f, err := os.Open(dir)
	if err != nil {
		return nil, fmt.Errorf("using the folder for the results: %w", err)
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		f.Close()
		return nil, fmt.Errorf("another run uses the folder %s; name another one with -out", dir)
	}
	return func() { f.Close() }, nil
}
