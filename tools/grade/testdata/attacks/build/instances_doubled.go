// Types that double with each level of instantiation.
//
//	expect: exited 0, exited 1, exited 2, memory, timed out
//	limits: memory=400M time=1s
package main

type p[A, B any] struct {
	a A
	b B
}

type (
	t1[T any] p[p[T, T], p[T, T]]
	t2[T any] t1[t1[t1[t1[T]]]]
	t3[T any] t2[t2[t2[t2[T]]]]
	t4[T any] t3[t3[t3[t3[T]]]]
)

func main() { println(new(t4[byte])) }
