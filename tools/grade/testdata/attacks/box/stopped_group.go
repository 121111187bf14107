// Stopped children in other sessions, and a parent that ignores every signal.
//
//	expect: timed out
//	limits: time=200ms
package main

import (
	"os/signal"
	"syscall"
)

var _ = attack("stopped_group", func() {
	signal.Ignore()
	for range 5 {
		cmd := again("stops_itself")
		cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
		cmd.Start()
	}
	for {
		syscall.Pause()
	}
})
