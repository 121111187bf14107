// A file of a terabyte, without a block.
//
//	expect: exited 0
package main

import (
	"os"
	"syscall"
)

var _ = attack("sparse_file", func() {
	f, err := os.Create("/tmp/x")
	if err != nil {
		broke("%v", err)
	}
	refused("truncate", f.Truncate(1<<40), syscall.EFBIG)
	_, err = f.WriteAt([]byte("x"), 1<<40)
	refused("write", err, syscall.EFBIG)
})
