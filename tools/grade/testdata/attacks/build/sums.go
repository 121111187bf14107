// An expression of a hundred thousand operators.
//
//	expect: exited 0, exited 1, exited 2, memory, timed out
//	limits: memory=400M time=1s
//	fill:   100000 y+
package main

var y int

func main() { println( /*FILL*/ y) }
