// One line of standard error without end, of control characters.
//
//	expect: output
package main

import (
	"bytes"
	"os"
)

var _ = attack("prints_controls", func() {
	text := bytes.Repeat([]byte("\x1b[2J\x1b]0;owned\a\x00\x9b31m\xff"), 1000)
	for {
		os.Stderr.Write(text)
	}
})
