// A generic function that needs itself with ever larger types.
//
//	expect: exited 1
//	says:   instantiation cycle
package main

func f[T any](n int, x T) {
	if n > 0 {
		f(n-1, [2]T{x, x})
	}
}

func main() { f(1000, 0) }
