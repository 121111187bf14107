// Every process starts two more, without end.
//
//	expect: timed out, memory, exited 0, exited 1
//	limits: time=300ms processes=64
package main

var _ = attack("fork_bomb", func() {
	for {
		if cmd := again("fork_bomb"); cmd.Start() == nil {
			go cmd.Wait()
		}
	}
})
