// Memory that is allocated and written to, faster and faster.
//
//	expect: memory
package main

var _ = attack("heap", func() {
	var all [][]byte
	for size := 1 << 20; ; size += size / 4 {
		b := make([]byte, size)
		for i := 0; i < size; i += 4096 {
			b[i] = 1
		}
		all = append(all, b)
	}
})
