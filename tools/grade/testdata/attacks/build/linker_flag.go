// A flag for the linker without cgo.
//
//	expect: exited 1
//	says:   only allowed in cgo-generated code
package main

//go:cgo_ldflag "-Wl,-rpath=/tmp"

func main() {}
