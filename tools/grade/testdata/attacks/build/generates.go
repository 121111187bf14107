// A command for go generate, which nobody runs.
//
//	expect: exited 0
package main

//go:generate sh -c "echo broke > /tmp/generated"

func main() {}
