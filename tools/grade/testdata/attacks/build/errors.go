// More errors than anybody reads.
//
//	expect: exited 1
//	says:   undefined: undefined
//	fill:   20000 undefined();
package main

func main() { /*FILL*/ }
