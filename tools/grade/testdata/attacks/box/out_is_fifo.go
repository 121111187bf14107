// The file that is fetched is a fifo, at which a reader waits forever.
//
//	expect: exited 0
//	fetch:  yes
package main

import "syscall"

var _ = attack("out_is_fifo", func() { syscall.Mkfifo("/tmp/out", 0o600) })
