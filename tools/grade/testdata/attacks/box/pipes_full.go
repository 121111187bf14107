// Memory in pipes: as many as there are, as large as they get, and full.
//
//	expect: exited 0
package main

import "golang.org/x/sys/unix"

var _ = attack("pipes_full", func() {
	b := make([]byte, 1<<20)
	for i := 0; ; i++ {
		var p [2]int
		if err := unix.Pipe2(p[:], unix.O_NONBLOCK); err != nil {
			refused("pipe", err, unix.EMFILE, unix.ENFILE)
			held("%d pipes", i)
		}
		unix.FcntlInt(uintptr(p[1]), unix.F_SETPIPE_SZ, 1<<20)
		for {
			if n, err := unix.Write(p[1], b); n <= 0 || err != nil {
				break
			}
		}
	}
})
