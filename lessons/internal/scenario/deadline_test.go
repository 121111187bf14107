package scenario

import (
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"socketbook/tools/timeline"
)

// A play that was disturbed is played again, with twice the time, and only the last one is recorded.
func TestUndisturbed(t *testing.T) {
	rec := timeline.NewRecorder("")
	var limits []time.Duration
	o, err := undisturbed(rec, func(rec *timeline.Recorder, limit time.Duration) (Outcome, bool, error) {
		limits = append(limits, limit)
		rec.Verdict("play %d", len(limits))
		return Outcome{N: len(limits)}, len(limits) < 3, nil
	})
	require.NoError(t, err)
	require.Equal(t, 3, o.N)
	require.Equal(t, []time.Duration{2 * Hang, 4 * Hang, 8 * Hang}, limits)
	events := rec.Events()
	require.Len(t, events, 1)
	require.Equal(t, "play 3", events[0].Text)
}

func TestUndisturbedFails(t *testing.T) {
	failed, plays := errors.New("no"), 0
	_, err := undisturbed(
		timeline.NewRecorder(""),
		func(*timeline.Recorder, time.Duration) (Outcome, bool, error) {
			plays++
			return Outcome{}, true, failed
		},
	)
	require.Equal(t, failed, err)
	require.Equal(t, 1, plays)
}

// However slow the machine is, it ends.
func TestUndisturbedGivesUp(t *testing.T) {
	plays := 0
	_, err := undisturbed(
		timeline.NewRecorder(""),
		func(*timeline.Recorder, time.Duration) (Outcome, bool, error) {
			plays++
			return Outcome{}, true, nil
		},
	)
	require.ErrorContains(t, err, "too busy")
	require.Less(t, plays, 20)
}
