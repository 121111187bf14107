// Two hundred thousand parentheses.
//
//	expect: exited 1, exited 2, memory
//	fill:   200000 (
package main

var x = /*FILL*/ 1

func main() {}
