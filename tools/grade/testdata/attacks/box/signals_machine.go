// Signals to the processes of the machine by their numbers.
//
//	expect: exited 0
package main

import (
	"os"
	"strconv"
	"syscall"
)

var _ = attack("signals_machine", func() {
	grader, _ := strconv.Atoi(os.Getenv("GRADER"))
	refused("kill grader", syscall.Kill(grader, syscall.SIGKILL), syscall.ESRCH)
	for pid := 2; pid < 70000; pid += 7 {
		_, err := os.Stat("/proc/self/task/" + strconv.Itoa(pid)) // a thread of this one
		if err != nil && syscall.Kill(pid, 0) == nil {
			broke("process %d is to be seen", pid)
		}
	}
})
