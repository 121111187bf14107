package stagetest

import (
	"os/exec"
	"sync"
)

// python3 returns the command for Python 3 on this machine, or nil. It is tried: on Windows
// python3.exe may be a sign to the Store that ends with status 9009, and Python itself is called py
// -3.
var python3 = sync.OnceValue(func() []string {
	for _, command := range [][]string{{"python3"}, {"py", "-3"}} {
		if exec.Command(command[0], append(command[1:], "-c", "")...).Run() == nil {
			return command
		}
	}
	return nil
})
