// Capabilities by capset(2) and prctl(2), and a way back from no_new_privs and seccomp.
//
//	expect: exited 0
package main

import (
	"os"
	"regexp"

	"golang.org/x/sys/unix"
)

var _ = attack("capabilities", func() {
	header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	all := [2]unix.CapUserData{{Effective: ^uint32(0), Permitted: ^uint32(0), Inheritable: ^uint32(0)}}
	refused("capset", unix.Capset(&header, &all[0]), unix.EPERM)
	err := unix.Prctl(unix.PR_CAP_AMBIENT, unix.PR_CAP_AMBIENT_RAISE, unix.CAP_SYS_ADMIN, 0, 0)
	refused("ambient", err, unix.EPERM)
	refused("no_new_privs", unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 0, 0, 0, 0), unix.EINVAL)
	refused("seccomp", unix.Prctl(unix.PR_SET_SECCOMP, 0, 0, 0, 0), unix.EINVAL)
	status, err := os.ReadFile("/proc/self/status")
	if err != nil || len(regexp.MustCompile(`Cap...:\t0{16}\n`).FindAll(status, -1)) != 5 {
		broke("%v %s", err, status)
	}
})
