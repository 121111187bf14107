//go:build !unix

package remote

import "os/exec"

// keepDescriptor returns no usable descriptor: here the stream has no number.
func keepDescriptor(n int) int { return 1 << 20 }

func closeAll() {}

func stopSelf() { select {} }

// startPipes is Start: pipes are for Unix.
func startPipes(cmd *exec.Cmd) (*Process, error) { return Start(cmd) }
