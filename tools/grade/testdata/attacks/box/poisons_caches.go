// The build cache and the module cache: what the next student's build reads.
//
//	expect: exited 0
//	go:     yes
package main

import (
	"os"
	"path/filepath"
	"syscall"
)

var _ = attack("poisons_caches", func() {
	for _, folder := range []string{os.Getenv("GOCACHE"), os.Getenv("GOMODCACHE"), os.Getenv("GOROOT")} {
		deeper, tried := folder, 0
		for range 5 {
			entries, err := os.ReadDir(deeper)
			if err != nil || len(entries) == 0 {
				break
			}
			no := []error{syscall.EROFS, syscall.EACCES, syscall.EPERM}
			_, err = os.OpenFile(deeper+"/socketbook-attack", os.O_CREATE|os.O_WRONLY, 0o600)
			refused("create", err, no...)
			refused("chmod", os.Chmod(deeper, 0o777), no...)
			for _, e := range entries[:min(len(entries), 50)] {
				name := filepath.Join(deeper, e.Name())
				tried++
				refused("rename", os.Rename(name, name+"x"), no...)
				refused("chtimes", syscall.Utime(name, &syscall.Utimbuf{}), no...)
				if !e.IsDir() {
					_, err = os.OpenFile(name, os.O_WRONLY|os.O_TRUNC, 0)
					refused("truncate", err, no...)
					refused("remove", os.Remove(name), no...)
					refused("link", os.Link(name, "/tmp/x"), syscall.EXDEV, syscall.EPERM, syscall.EACCES)
				}
			}
			deeper = filepath.Join(deeper, entries[len(entries)-1].Name())
		}
		if tried < 3 {
			broke("%s is not to be seen: nothing was tried", folder)
		}
	}
})
