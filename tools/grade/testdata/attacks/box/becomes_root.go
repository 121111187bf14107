// User 0, group 0, and a file that gives a user to whoever runs it.
//
//	expect: exited 0
package main

import (
	"io"
	"os"
	"os/exec"
	"syscall"

	"golang.org/x/sys/unix"
)

var (
	_ = attack("becomes_root", func() {
		refused("setuid", unix.Setresuid(0, 0, 0), unix.EPERM, unix.EINVAL)
		refused("setgid", unix.Setresgid(0, 0, 0), unix.EPERM, unix.EINVAL)
		refused("setgroups", unix.Setgroups([]int{0}), unix.EPERM, unix.EINVAL)
		in, _ := os.Open("/proc/self/exe")
		out, err := os.OpenFile("/tmp/set", os.O_CREATE|os.O_WRONLY, 0o755)
		if err != nil {
			broke("%v", err)
		}
		io.Copy(out, in)
		out.Close()
		syscall.Chmod("/tmp/set", 0o6755)
		refused("chown", os.Chown("/tmp/set", 0, 0), unix.EPERM, unix.EINVAL)
		if exec.Command("/tmp/set", "is_root").Run() != nil {
			broke("the program has another user")
		}
	})
	_ = attack("is_root", func() {
		if os.Geteuid() != 1000 || os.Getegid() != 1000 {
			broke("user %d", os.Geteuid())
		}
	})
)
