//go:build unix

package main

import "syscall"

// suspend stops this process as Ctrl-Z does, and returns when the shell continues it.
func suspend() { _ = syscall.Kill(0, syscall.SIGTSTP) }
