// A process in a session of its own writes results into the shared folder when the command has
// ended.
//
//	expect: exited 0
//	folder: yes
//	left:   1
package main

import (
	"os"
	"syscall"
	"time"
)

var (
	_ = attack("writes_later", func() {
		cmd := again("writer")
		cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
		if err := cmd.Start(); err != nil {
			broke("%v", err)
		}
	})
	_ = attack("writer", func() {
		for {
			os.WriteFile(os.Getenv("FOLDER")+"/results.jsonl", []byte(`{"points":10}`), 0o600)
			time.Sleep(time.Millisecond)
		}
	})
)
