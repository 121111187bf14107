// As removed_files, by a thread whose descriptors are not those of the process.
//
//	expect: memory
//	folder: yes
package main

import (
	"os"
	"path/filepath"
	"runtime"
	"time"

	"golang.org/x/sys/unix"
)

var _ = attack("removed_aside", func() {
	done := make(chan bool)
	go func() {
		runtime.LockOSThread()
		if err := unix.CloseRange(200, 200, unix.CLOSE_RANGE_UNSHARE); err != nil {
			broke("%v", err)
		}
		b := make([]byte, 1<<20)
		for range 128 {
			name := filepath.Join(os.Getenv("FOLDER"), "x")
			fd, err := unix.Open(name, unix.O_CREAT|unix.O_RDWR|unix.O_CLOEXEC, 0o600)
			if err != nil {
				broke("%v", err)
			}
			_ = unix.Unlink(name)
			if _, err := unix.Write(fd, b); err != nil {
				broke("%v", err)
			}
		}
		time.Sleep(time.Hour)
		close(done)
	}()
	<-done
})
