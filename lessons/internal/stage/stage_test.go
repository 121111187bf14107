package stage_test

import (
	"bytes"
	"context"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"socketbook/lessons/internal/scenario"
	"socketbook/lessons/internal/stage"
	"socketbook/tools/timeline"
)

// A scene that is interrupted puts away what it made, its folder say, before the process ends. In a bubble the 100 ms
// pass only while everybody waits.
func TestInterruptedSceneCleansUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, interrupt := context.WithCancel(t.Context())
		clean := false
		sc := stage.Scene{Name: "folder", Line: "makes a folder", Run: func(*timeline.Recorder) (o scenario.Outcome, err error) {
			interrupt()
			time.Sleep(100 * time.Millisecond)
			clean = true
			return o, nil
		}}
		_, err := stage.Play(ctx, sc, false)
		require.ErrorIs(t, err, context.Canceled)
		require.True(t, clean)
	})
}

// One that hangs cannot keep the reader waiting.
func TestInterruptedSceneThatHangs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, interrupt := context.WithCancel(t.Context())
		hang := make(chan struct{})
		defer close(hang)
		sc := stage.Scene{Name: "hang", Line: "never ends", Run: func(*timeline.Recorder) (o scenario.Outcome, err error) {
			interrupt()
			<-hang
			return o, nil
		}}
		begin := time.Now()
		_, err := stage.Play(ctx, sc, false)
		require.ErrorIs(t, err, context.Canceled)
		require.LessOrEqual(t, time.Since(begin), time.Second)
	})
}

func TestHeadingIsWrapped(t *testing.T) {
	t.Setenv("COLUMNS", "40")
	play := func(rec *timeline.Recorder) (o scenario.Outcome, err error) {
		rec.Verdict("done")
		return o, nil
	}
	for line, want := range map[string]string{
		"short": "# scene: short\n",
		"this one is longer than a line of forty": "# scene: this one is longer than a line\n  of forty\n",
		"this line is one of exactly forty":       "# scene: this line is one of exactly\n  forty\n",
		"this line is just forty columns":         "# scene: this line is just forty columns\n",
		strings.Repeat("x", 50) + " y":            "# scene:\n  " + strings.Repeat("x", 50) + "\n  y\n",
	} {
		l := stage.Lesson{Number: "00", Scenes: []stage.Scene{{Name: "scene", Line: line, Run: play}}}
		var out, errs bytes.Buffer
		require.Zero(t, stage.Run(t.Context(), l, nil, strings.NewReader(""), &out, &errs), &errs)
		require.True(t, strings.HasPrefix(out.String(), want), out.String())
	}
}
