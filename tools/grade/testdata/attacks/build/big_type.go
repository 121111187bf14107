// A type whose size doubles with every line.
//
//	expect: exited 1, exited 2
package main

type (
	a struct{ x, y, z, w [1 << 20]int }
	b struct{ x, y, z, w [1 << 10]a }
	c struct{ x, y, z, w [1 << 10]b }
	d struct{ x, y, z, w [1 << 10]c }
	e struct{ x, y, z, w [1 << 10]d }
)

func main() { println(new(e)) }
