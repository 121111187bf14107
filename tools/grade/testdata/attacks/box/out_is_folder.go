// The file that is fetched is a folder.
//
//	expect: exited 0
//	fetch:  yes
package main

import "os"

var _ = attack("out_is_folder", func() { os.Mkdir("/tmp/out", 0o700) })
