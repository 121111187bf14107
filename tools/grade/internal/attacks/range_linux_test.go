package attacks

import (
	"testing"

	"github.com/stretchr/testify/require"

	"socketbook/tools/grade/internal/sandbox"
)

// A process of an attack is found as long as it runs.
func TestRunning(t *testing.T) {
	if sandbox.Probe() != nil {
		t.Skip("the system allows no sandbox") // TestAttacks fails then where it must not be skipped
	}
	r, err := NewRange(t.Context(), root)
	require.NoError(t, err)
	defer r.Close()
	box, err := sandbox.Open(sandbox.Config{Folders: []sandbox.Folder{{Path: r.program}}})
	require.NoError(t, err)
	defer box.Close()
	require.NoError(t, r.running())
	_, err = box.Start(t.Context(), sandbox.Command{
		Path: r.program, Args: []string{"sleeps"}, Limits: boxLimits,
	})
	require.NoError(t, err)
	require.ErrorContains(t, r.running(), "still runs")
	require.NoError(t, box.Close())
	require.NoError(t, r.running())
}
