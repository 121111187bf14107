// Initialised data of 4 GiB, which the compiler has to write.
//
//	expect: exited 1, exited 2, memory, timed out
//	limits: memory=400M time=10s
package main

var x = [1 << 29]int{1<<29 - 1: 1}

func main() { println(x[len(x)-1]) }
