// Files of the machine, of the user who grades, and of another submission.
//
//	expect: exited 0
package main

import (
	"os"
	"syscall"
)

var _ = attack("reads_machine", func() {
	for _, name := range []string{
		os.Getenv("SECRET"), "/etc/shadow", "/root/.ssh", "/home", "/var/log", "/boot", "/run/docker.sock",
		"/usr/local/go/VERSION", "/sys/fs/cgroup",
	} {
		_, err := os.Stat(name)
		refused(name, err, syscall.ENOENT, syscall.ENOTDIR)
	}
	if b, _ := os.ReadFile("/etc/passwd"); len(b) > 100 {
		broke("/etc/passwd is the machine's")
	}
})
