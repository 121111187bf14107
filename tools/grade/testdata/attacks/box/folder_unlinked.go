// A folder on the disk, filled with files that have no name any more.
//
//	expect: memory
//	folder: yes
package main

import (
	"os"
	"path/filepath"
)

var _ = attack("folder_unlinked", func() {
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
	}
	forever()
})
