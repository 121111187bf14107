// A server of the machine on 127.0.0.1, and one on an abstract Unix address.
//
//	expect: exited 0
package main

import (
	"net"
	"os"
	"syscall"
)

var _ = attack("calls_grader", func() {
	_, err := net.Dial("tcp", os.Getenv("SERVER"))
	refused("dial", err, syscall.ECONNREFUSED)
	_, err = net.Dial("unix", os.Getenv("ABSTRACT"))
	refused("dial", err, syscall.EAFNOSUPPORT, syscall.ECONNREFUSED)
})
