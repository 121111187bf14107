// A process that was left behind keeps standard output open: whoever reads it waits.
//
//	expect: exited 0
//	left:   1
package main

import (
	"os"
	"syscall"
)

var _ = attack("keeps_output", func() {
	cmd := again("forever")
	cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if err := cmd.Start(); err != nil {
		broke("%v", err)
	}
})
