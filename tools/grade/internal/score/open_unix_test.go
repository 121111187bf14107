//go:build unix

package score

import (
	"path/filepath"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
)

// What comes from another machine may be a named pipe that nobody writes to: nobody waits for it.
func TestOpenDoesNotWait(t *testing.T) {
	name := filepath.Join(t.TempDir(), "results.jsonl")
	require.NoError(t, syscall.Mkfifo(name, 0o600))
	_, err := Open(name)
	require.ErrorContains(t, err, "not a regular file")
	x := NewIndex()
	defer x.Close()
	_, err = x.Add(name, Newer)
	require.ErrorContains(t, err, "not a regular file")
}
