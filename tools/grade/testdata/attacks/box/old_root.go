// Out of the root, upwards and by handles of files.
//
//	expect: exited 0
package main

import (
	"os"
	"strings"

	"golang.org/x/sys/unix"
)

var _ = attack("old_root", func() {
	up := strings.Repeat("../", 100)
	for _, name := range []string{"home", "root", "boot", "var", "srv", "sys", "usr"} {
		for _, at := range []string{"/" + up, "/tmp/" + up, "/proc/self/root/" + up, "/proc/self/cwd/" + up} {
			if _, err := os.Lstat(at + name); err == nil {
				broke("%s%s is there", at, name)
			}
		}
	}
	_, err := unix.OpenByHandleAt(unix.AT_FDCWD, unix.NewFileHandle(1, make([]byte, 8)), 0)
	refused("open_by_handle_at", err, unix.EPERM)
})
