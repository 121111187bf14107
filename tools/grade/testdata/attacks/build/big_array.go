// A variable of 32 GiB.
//
//	expect: exited 1, exited 2, memory
package main

var x [1 << 32]int

func main() { println(x[len(x)-1]) }
