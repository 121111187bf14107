// The go command, a shell, a compiler: whatever could be run.
//
//	expect: exited 0
package main

import (
	"os"
	"os/exec"
)

var _ = attack("go_command", func() {
	for _, name := range []string{"go", "sh", "bash", "python3", "cc", "git", "env", "su", "sudo"} {
		for _, folder := range []string{
			"/bin/", "/usr/bin/", "/sbin/", "/usr/local/bin/", "/usr/local/go/bin/", os.Getenv("GOROOT") + "/bin/",
		} {
			if exec.Command(folder+name).Run() == nil {
				broke("%s%s ran", folder, name)
			}
		}
	}
})
