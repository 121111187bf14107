// The file that is fetched is a link to one of the machine's.
//
//	expect: exited 0
//	fetch:  yes
package main

import "os"

var _ = attack("out_is_link", func() { os.Symlink("/etc/shadow", "/tmp/out") })
