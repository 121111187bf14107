// What one command leaves in /tmp is there for the next.
//
//	expect: exited 0
//	also:   remembered
package main

import (
	"os"
	"strings"
)

var (
	_ = attack("remembers", func() {
		if err := os.WriteFile("/tmp/memory", []byte("x"), 0o600); err != nil {
			broke("%v", err)
		}
		os.MkdirAll("/tmp/a/b/c", 0o000)
	})
	_ = attack("remembered", func() {
		left, err := os.ReadDir("/tmp")
		if err != nil {
			broke("%v", err)
		}
		for _, e := range left {
			if !strings.HasPrefix(os.Getenv("PROGRAM"), "/tmp/"+e.Name()+"/") {
				broke("%v", e)
			}
		}
	})
)
