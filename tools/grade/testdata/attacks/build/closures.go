// Functions in functions, thirty thousand deep.
//
//	expect: exited 0, exited 1, exited 2, memory, timed out
//	limits: memory=400M time=1s
//	fill:   30000 func(){
package main

func main() { /*FILL*/ }
