// Files in the folder that is shared with the judge which are removed while they are open, and written on:
// they take room, and nobody finds them.
//
//	expect: memory
//	folder: yes
package main

import (
	"os"
	"path/filepath"
	"time"
)

var _ = attack("removed_files", func() {
	b := make([]byte, 1<<20)
	for range 128 {
		f, err := os.Create(filepath.Join(os.Getenv("FOLDER"), "x"))
		if err != nil {
			broke("%v", err)
		}
		if err := os.Remove(f.Name()); err != nil {
			broke("%v", err)
		}
		if _, err := f.Write(b); err != nil {
			broke("%v", err)
		}
		removed = append(removed, f)
	}
	time.Sleep(time.Hour)
})

var removed []*os.File
