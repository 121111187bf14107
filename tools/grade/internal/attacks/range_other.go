//go:build !linux

package attacks

import (
	"context"

	"socketbook/tools/grade/internal/sandbox"
)

// Try returns a [sandbox.Refusal]: attacks run in a sandbox only, and there is none.
func Try(_ context.Context, _ string, _ int, _ func(part, name string) bool,
	_ func(part, name string, err error),
) error {
	return sandbox.Probe()
}
