// Links in the shared folder to files of the machine, and a fifo, at which a reader waits.
//
//	expect: exited 0
//	folder: yes
package main

import (
	"os"
	"syscall"
)

var _ = attack("links_in_folder", func() {
	folder := os.Getenv("FOLDER")
	for name, to := range map[string]string{
		"a": os.Getenv("SECRET"), "b": "/", "c": ".", "d": "/proc/self/root",
	} {
		if err := os.Symlink(to, folder+"/"+name); err != nil {
			broke("%v", err)
		}
	}
	syscall.Mkfifo(folder+"/fifo", 0o600)
})
