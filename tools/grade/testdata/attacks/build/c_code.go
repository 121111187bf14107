// C code, which includes a file of the machine, and runs a command of the linker's.
//
//	expect: exited 1
//	says:   build constraints exclude all Go files
package main

/*
#cgo LDFLAGS: -Wl,--version
#include "/etc/shadow"
*/
import "C"

func main() {}
