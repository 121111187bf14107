// The folder that is shared with the judge is filled.
//
//	expect: memory
//	folder: yes
package main

import (
	"fmt"
	"os"
)

var _ = attack("full_folder", func() {
	b := make([]byte, 256<<10)
	for i := 0; ; i++ {
		if err := os.WriteFile(fmt.Sprintf("%s/%d", os.Getenv("FOLDER"), i), b, 0o600); err != nil {
			broke("%v", err)
		}
	}
})
