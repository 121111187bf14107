// Standard output is closed: the reader sees an end while the process runs.
//
//	expect: timed out
//	limits: time=200ms
package main

import "os"

var _ = attack("closes_output", func() {
	os.Stdout.Close()
	os.Stderr.Close()
	forever()
})
