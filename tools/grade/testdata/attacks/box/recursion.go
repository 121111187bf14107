// A stack that grows without end.
//
//	expect: memory, exited 2
package main

func deeper(n int) int {
	var page [4096]byte
	page[n%4096] = 1
	return deeper(n+1) + int(page[0])
}

var _ = attack("recursion", func() { deeper(0) })
