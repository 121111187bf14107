// SIGKILL to the group that the process was born in.
//
//	expect: signalled
package main

import "syscall"

var _ = attack("signals_group", func() { syscall.Kill(0, syscall.SIGKILL) })
