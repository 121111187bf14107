// Pages that are given to a pipe: no process has them any more.
//
//	expect: exited 0
package main

import (
	"os"

	"golang.org/x/sys/unix"
)

var _ = attack("vmsplice", func() {
	_, w, err := os.Pipe()
	if err != nil {
		broke("%v", err)
	}
	page := []byte("page")
	vector := unix.Iovec{Base: &page[0], Len: uint64(len(page))}
	_, err = unix.Vmsplice(int(w.Fd()), []unix.Iovec{vector}, 0)
	refused("vmsplice", err, unix.EPERM)
})
