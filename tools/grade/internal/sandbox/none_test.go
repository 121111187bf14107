//go:build unix

package sandbox

import (
	"context"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// Without a sandbox the same interface runs a command with the limits of time and output.
func TestNone(t *testing.T) {
	b, err := Open(Config{Kind: None})
	require.NoError(t, err)
	defer b.Close()
	require.Equal(t, None, b.Kind())
	out, err := os.Create(filepath.Join(t.TempDir(), "out"))
	require.NoError(t, err)
	defer out.Close()
	sh := func(l Limits, script string) Result {
		r, err := b.Run(t.Context(), Command{
			Path: "/bin/sh", Args: []string{"-c", script}, Limits: l, Env: []string{"COLOUR=red"},
			Fetch: []Fetch{{Path: filepath.Join(b.Tmp(), "out"), To: out}},
		})
		require.NoError(t, err)
		return r
	}
	l := RunLimits
	r := sh(l, "echo $COLOUR $SECRET; pwd -P; echo built >out; echo oh >&2")
	require.Equal(t, "", r.Sentence(l))
	tmp, err := filepath.EvalSymlinks(b.Tmp())
	require.NoError(t, err)
	require.Equal(t, "red\n"+tmp+"\n", string(r.Stdout))
	require.Equal(t, "oh\n", string(r.Stderr))
	require.NoError(t, r.Fetched)
	text, err := os.ReadFile(out.Name())
	require.NoError(t, err)
	require.Equal(t, "built\n", string(text))

	r = sh(l, "ls; ln -s /etc/passwd out")
	require.Empty(t, r.Stdout, "the next command finds nothing")
	require.ErrorContains(t, r.Fetched, "not a regular file")
	require.Equal(t, "it ended with status 3", sh(l, "exit 3").Sentence(l))
	require.Equal(t, "it ended with the signal: killed", sh(l, "kill -9 $$").Sentence(l))
	l.Time = 100 * time.Millisecond
	require.Equal(t, TimedOut, sh(l, "sleep 1000").End)
	require.Equal(t, TimedOut, sh(l, "sleep 1000 & trap '' TERM INT HUP; wait").End)
	l = RunLimits
	l.Output = 64
	require.Equal(t, TooLoud, sh(l, "yes").End)

	ctx, cancel := context.WithCancel(t.Context())
	p, err := b.Start(ctx, Command{Path: "/bin/sh", Args: []string{"-c", "sleep 1000"}, Limits: RunLimits})
	require.NoError(t, err)
	cancel()
	require.Equal(t, Stopped, p.Wait().End)
	_, err = b.Start(t.Context(), Command{Path: "/nowhere", Limits: RunLimits})
	require.ErrorContains(t, err, "/nowhere")
	require.NoError(t, b.Close())
	require.NoDirExists(t, b.Tmp())
}
