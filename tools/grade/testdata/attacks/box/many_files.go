// Empty files in the shared folder, and folders in folders.
//
//	expect: memory
//	folder: yes
package main

import (
	"fmt"
	"os"
)

var _ = attack("many_files", func() {
	if err := os.Chdir(os.Getenv("FOLDER")); err != nil {
		broke("%v", err)
	}
	for i := 0; ; i++ {
		name := fmt.Sprint(i)
		if os.WriteFile("f"+name, nil, 0o600) != nil || os.Mkdir(name, 0o700) != nil ||
			os.Chdir(name) != nil {
			broke("file %s", name)
		}
	}
})
