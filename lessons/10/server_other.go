//go:build !linux

package main

import (
	"errors"
	"fmt"
)

// whoHas would have to ask the system in another way; the commands of README.md do.
func whoHas(port int) ([]int, error) {
	return nil, fmt.Errorf("there is no /proc/net/tcp: lsof -nP -iTCP:%d -sTCP:LISTEN on macOS, and "+
		"netstat -ano on Windows, say who has a port: %w", port, errors.ErrUnsupported)
}
