package main

import "golang.org/x/sys/unix"

// closeMemory keeps other processes of the same user away from this one's memory (/proc/PID/mem, ptrace), but
// not root: PR_SET_DUMPABLE of prctl(2).
func closeMemory() error { return unix.Prctl(unix.PR_SET_DUMPABLE, 0, 0, 0, 0) }
