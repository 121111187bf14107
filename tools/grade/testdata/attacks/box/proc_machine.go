// What /proc tells about the machine, and lets one change in it.
//
//	expect: exited 0
package main

import "os"

var _ = attack("proc_machine", func() {
	for _, name := range []string{
		"sys/kernel/core_pattern", "sys/kernel/hostname", "sysrq-trigger", "kcore", "kallsyms", "cmdline",
		"keys", "net/tcp", "bus", "scsi", "timer_list",
	} {
		if _, err := os.Lstat("/proc/" + name); err == nil {
			broke("/proc/%s is there", name)
		}
	}
	if _, err := os.Lstat("/sys"); err == nil {
		broke("/sys is there")
	}
})
