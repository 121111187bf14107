// Hard links out of the read-only folders, and links that lead out of the box.
//
//	expect: exited 0
package main

import (
	"os"
	"syscall"
)

var _ = attack("links_out", func() {
	refused("link", os.Link(os.Getenv("PROGRAM"), "/tmp/x"), syscall.EXDEV, syscall.EPERM, syscall.EACCES)
	if err := os.Symlink(os.Getenv("SECRET"), "/tmp/y"); err != nil {
		broke("%v", err)
	}
	_, err := os.ReadFile("/tmp/y")
	refused("read", err, syscall.ENOENT)
})
