// Folders that their owner may not enter any more, full of files: who removes them, and who counts
// them?
//
//	expect: memory
//	folder: yes
package main

import (
	"fmt"
	"os"
)

var _ = attack("closed_folders", func() {
	b := make([]byte, 256<<10)
	for i := 0; ; i++ {
		name := fmt.Sprintf("%s/%d", os.Getenv("FOLDER"), i)
		if os.Mkdir(name, 0o700) != nil || os.WriteFile(name+"/x", b, 0o600) != nil ||
			os.Chmod(name, 0) != nil {
			broke("folder %d", i)
		}
	}
})
