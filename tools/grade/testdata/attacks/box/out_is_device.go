// The file that is fetched is in a folder that is a link to a device's.
//
//	expect: exited 0
//	fetch:  yes
package main

import "os"

var _ = attack("out_is_device", func() { os.Symlink("/dev/urandom", "/tmp/out") })
