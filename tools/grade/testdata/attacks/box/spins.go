// A loop on every processor.
//
//	expect: timed out
//	limits: time=200ms
package main

import "runtime"

var _ = attack("spins", func() {
	for range runtime.NumCPU() {
		go func() {
			for {
			}
		}()
	}
	select {}
})
