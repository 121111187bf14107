// A process that ends by a signal in the middle of a line.
//
//	expect: signalled
package main

import (
	"fmt"
	"os"
	"syscall"
)

var _ = attack("ends_hard", func() {
	fmt.Print("half a li")
	syscall.Kill(os.Getpid(), syscall.SIGKILL)
	forever()
})
