//go:build !windows

package stagetest

import (
	"os"
	"os/exec"
)

func interruptible(*exec.Cmd) {}

func sendInterrupt(p *os.Process) error { return p.Signal(os.Interrupt) }
