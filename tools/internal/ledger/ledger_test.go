package ledger

import (
	"bytes"
	"io/fs"
	"path"
	"testing"

	"github.com/stretchr/testify/require"

	"socketbook/lessons"
	"socketbook/tools/timeline"
)

// Two rows of the ledger differ in what is seen where the bug is, and in what is seen where it is
// fixed: the recordings, with which every play agrees, do not agree with each other.
func TestRowsDiffer(t *testing.T) {
	bugs, fixes := map[string][]timeline.Event{}, map[string][]timeline.Event{}
	for _, b := range lessons.Ledger {
		row := b.Shown + " " + b.ID
		bugs[row] = recording(t, b.Shown, b.ID+"-naive")
		if bugs[row] == nil {
			bugs[row] = recording(t, b.Shown, b.ID)
		}
		if b.TestFix() != "" {
			fixes[row] = recording(t, b.Fixed, b.ID)
			require.Equal(t, bugs[row] == nil, fixes[row] == nil, "a recording of %s is missing", row)
		}
	}
	long := 0
	for row, events := range bugs {
		if events == nil {
			long++
			continue
		}
		for other := range bugs {
			if row < other && bugs[other] != nil {
				require.Error(t, timeline.Agree(events, bugs[other]), "the bugs %s and %s look the same", row, other)
			}
			if row < other && fixes[row] != nil && fixes[other] != nil {
				require.Error(t, timeline.Agree(fixes[row], fixes[other]),
					"the fixes of %s and %s look the same", row, other)
			}
		}
	}
	require.LessOrEqual(t, long, 3, "rows whose recordings are not kept, because they are long or vary")
}

// recording returns what is kept of a take, or nil.
func recording(t *testing.T, lesson, take string) []timeline.Event {
	text, err := fs.ReadFile(lessons.Files, path.Join(lesson, "testdata", "recordings", take+".jsonl"))
	if err != nil {
		return nil
	}
	events, err := timeline.ReadJSON(bytes.NewReader(text))
	require.NoError(t, err)
	return events
}
