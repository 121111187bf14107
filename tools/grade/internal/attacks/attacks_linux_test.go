package attacks

import (
	"errors"
	"os"
	"testing"

	"github.com/stretchr/testify/require"

	"socketbook/tools/grade/internal/sandbox"
)

func TestMain(m *testing.M) {
	sandbox.Main()
	os.Exit(m.Run())
}

const root = "../../../.."

// need skips a test where the system allows no sandbox; attacks run nowhere else.
func need(t *testing.T) {
	t.Helper()
	if err := sandbox.Probe(); errors.Is(err, errors.ErrUnsupported) && os.Getenv("CI") == "" {
		t.Skip("attacks run in a sandbox only: ", err)
	} else {
		require.NoError(t, err)
	}
}

func TestBox(t *testing.T) {
	need(t)
	all, err := Box(root)
	require.NoError(t, err)
	r, err := NewRange(t.Context(), root)
	require.NoError(t, err)
	defer r.Close()
	for _, a := range all {
		t.Run(a.Name, func(t *testing.T) { require.NoError(t, r.TryBox(t.Context(), a)) })
	}
}

func TestBuild(t *testing.T) {
	need(t)
	all, err := Build(root)
	require.NoError(t, err)
	r, err := NewRange(t.Context(), root)
	require.NoError(t, err)
	defer r.Close()
	for _, a := range all {
		t.Run(a.Name, func(t *testing.T) { require.NoError(t, r.TryBuild(t.Context(), a)) })
	}
}
