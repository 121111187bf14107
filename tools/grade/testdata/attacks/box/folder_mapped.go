// The folder's disk, filled with files that are neither in it nor open any more, and mapped.
//
//	expect: memory
//	folder: yes
package main

import (
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

var _ = attack("folder_mapped", func() {
	b := make([]byte, 1<<20)
	for range 32 {
		f, err := os.Create(filepath.Join(os.Getenv("FOLDER"), "file"))
		if err != nil {
			broke("%v", err)
		}
		os.Remove(f.Name())
		for range 15 {
			f.Write(b)
		}
		if _, err := unix.Mmap(int(f.Fd()), 0, 4096, unix.PROT_READ, unix.MAP_SHARED); err != nil {
			broke("%v", err)
		}
		f.Close()
	}
	forever()
})
