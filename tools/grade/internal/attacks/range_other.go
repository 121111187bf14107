//go:build !linux

package attacks

import (
	"context"

	"socketbook/tools/grade/internal/sandbox"
)

// Try returns a [sandbox.Refusal]: attacks run in a sandbox only, and there is none.
func Try(context.Context, string, int, func(part, name string) bool, func(part, name string, err error)) error {
	return sandbox.Probe()
}
