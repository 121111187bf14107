//go:build !windows

package main

import "os"

// escapeSequences reports whether a terminal obeys escape sequences. Here all do but those that TERM
// calls dumb.
func escapeSequences(*os.File) (ok bool, restore func()) { return true, func() {} }
