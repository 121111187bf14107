//go:build !windows

package loopback

import "syscall"

// names is for systems that call an error by another number than Unix does.
var names map[syscall.Errno]syscall.Errno
