// Many processes that each take little.
//
//	expect: memory
package main

var (
	_ = attack("many_small", func() {
		for range 40 {
			again("small").Start()
		}
		forever()
	})
	_ = attack("small", func() {
		b := make([]byte, 8<<20)
		for i := 0; i < len(b); i += 4096 {
			b[i] = 1
		}
		forever()
	})
)
