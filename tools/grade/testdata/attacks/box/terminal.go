// Keys pressed at the terminal of the user who grades: TIOCSTI.
//
//	expect: exited 0
package main

import (
	"os"

	"golang.org/x/sys/unix"
)

var _ = attack("terminal", func() {
	for fd := range 3 {
		if err := unix.IoctlSetPointerInt(fd, unix.TIOCSTI, 'x'); err == nil {
			broke("descriptor %d is a terminal", fd)
		}
	}
	_, err := os.OpenFile("/dev/tty", os.O_RDWR, 0)
	refused("/dev/tty", err, unix.ENOENT)
})
