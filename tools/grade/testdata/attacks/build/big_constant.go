// A number with a million digits.
//
//	expect: exited 1
//	says:   shift
package main

const x = 1 << (1 << 30)

func main() { println(x > 0) }
