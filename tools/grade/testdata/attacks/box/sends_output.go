// Standard output is put into a queue of descriptors, from where it never comes out: nobody sees its
// end.
//
//	expect: exited 0
//	files:  yes
package main

import "golang.org/x/sys/unix"

var _ = attack("sends_output", func() {
	if err := unix.Sendmsg(3, []byte("x"), unix.UnixRights(1, 2), nil, 0); err != nil {
		held("%v", err)
	}
})
