// /tmp is filled.
//
//	expect: exited 0
package main

import (
	"os"
	"syscall"
)

var _ = attack("full_tmp", func() {
	b := make([]byte, 1<<20)
	f, err := os.Create("/tmp/x")
	for range 1000 {
		if err == nil {
			_, err = f.Write(b)
		}
	}
	refused("write", err, syscall.ENOSPC, syscall.EFBIG)
	for i := range 100000 {
		if err := os.WriteFile("/tmp/f"+string(rune(0x4e00+i)), nil, 0o600); err != nil {
			refused("create", err, syscall.ENOSPC)
			held("%d files, then %v", i, err)
		}
	}
	broke("100000 files")
})
