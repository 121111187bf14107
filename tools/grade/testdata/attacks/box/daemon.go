// A process in a session of its own outlives the one that started it.
//
//	expect: exited 0
//	left:   1
package main

import "syscall"

var (
	_ = attack("daemon", func() {
		cmd := again("forever")
		cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
		if err := cmd.Start(); err != nil {
			broke("%v", err)
		}
	})
	_ = attack("forever", forever)
)
