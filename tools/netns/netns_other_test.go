//go:build !linux

package netns

import (
	"context"
	"errors"
	"runtime"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestNotLinux(t *testing.T) {
	Main()
	for _, err := range []error{Probe(), Run(context.Background(), Options{Func: "any"})} {
		var r *Refusal
		require.ErrorAs(t, err, &r)
		require.ErrorIs(t, err, errors.ErrUnsupported)
		require.Contains(t, err.Error(), "not Linux but "+runtime.GOOS)
	}
}
