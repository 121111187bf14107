// A lease on a file: whoever opens it for something else, the grader for instance, waits until the lease is
// given back, 45 s at most.
//
//	expect: exited 0
package main

import (
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

var _ = attack("lease", func() {
	f, err := os.Create(filepath.Join(os.TempDir(), "leased"))
	if err != nil {
		broke("%v", err)
	}
	_, err = unix.FcntlInt(f.Fd(), unix.F_SETLEASE, unix.F_WRLCK)
	refused("F_SETLEASE", err, unix.EPERM)
})
