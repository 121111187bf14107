package stagetest

import (
	"bytes"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"socketbook/lessons/internal/stage"
	"socketbook/tools/timeline"
)

// mostEvents is how many a kept recording has at most. Longer takes repeat themselves, and have
// tests of their own.
const mostEvents = 250

// recordingOf is the file that a take's recording is kept in.
func recordingOf(take string) string {
	return filepath.Join("testdata", "recordings", take+".jsonl")
}

// kept returns the recording of a take that the pictures are drawn from.
func kept(t *testing.T, take string) []timeline.Event {
	t.Helper()
	f, err := os.Open(recordingOf(take))
	require.NoError(t, err, "-update records it")
	defer f.Close()
	events, err := timeline.ReadJSON(f)
	require.NoError(t, err, recordingOf(take))
	return events
}

// agrees compares a fresh play with the recording that is kept, which was made on Linux. With
// -update one that does not agree is replaced; one that does stays as it is, with its times.
func agrees(t *testing.T, take string, fresh []timeline.Event) {
	t.Helper()
	if len(fresh) > mostEvents || runtime.GOOS != "linux" {
		return
	}
	name := recordingOf(take)
	if *update {
		var lines bytes.Buffer
		require.NoError(t, timeline.WriteJSON(&lines, fresh))
		text, err := os.ReadFile(name)
		before, rerr := timeline.ReadJSON(bytes.NewReader(text))
		if err != nil || rerr != nil || timeline.Agree(before, fresh) != nil || !sameVerdicts(before, fresh) {
			require.NoError(t, os.MkdirAll(filepath.Dir(name), 0o755))
			require.NoError(t, os.WriteFile(name, lines.Bytes(), 0o644))
		}
	}
	require.NoError(t, timeline.Agree(kept(t, take), fresh), "%s; -update records it anew", name)
}

// sameVerdicts compares what two recordings say, but for what differs from run to run.
func sameVerdicts(a, b []timeline.Event) bool {
	return varied(strings.Join(stage.Recording{Events: a}.Verdicts(), "\n")) ==
		varied(strings.Join(stage.Recording{Events: b}.Verdicts(), "\n"))
}

// noStrays fails if a recording or a picture is kept that nothing plays.
func noStrays(t *testing.T, takes map[string]bool) {
	files, err := filepath.Glob(recordingOf("*"))
	require.NoError(t, err)
	for _, name := range files {
		take := strings.TrimSuffix(filepath.Base(name), ".jsonl")
		if *update && !takes[take] {
			require.NoError(t, os.Remove(name))
			continue
		}
		require.True(t, takes[take], "%s belongs to no take", name)
	}
}
