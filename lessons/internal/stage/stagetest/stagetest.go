// Package stagetest holds what the tests of all lessons share: every scene plays and says the same
// each time, the command line keeps its promises, and every transcript in a README is what a run
// prints.
package stagetest

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"socketbook/lessons/internal/stage"
	"socketbook/tools/loopback"
	"socketbook/tools/netns"
	"socketbook/tools/timeline"
)

var (
	update = flag.Bool("update", false, "write the transcripts in README.md and the texts in testdata anew")
	times  = flag.Int("scenes", 2, "how often each scene is played to compare its verdicts")
)

// Main is a lesson's TestMain: it runs the tests and checks that they left nothing behind, or acts
// as the lesson.
func Main(m *testing.M, l stage.Lesson) {
	netns.Main() // a scene in a private network starts the test again
	if os.Getenv(actAsLesson) != "" {
		stage.Main(l)
	}
	os.Exit(loopback.Main(m))
}

// Lesson checks what holds for every lesson.
func Lesson(t *testing.T, l stage.Lesson) {
	t.Run("scenes", func(t *testing.T) { scenes(t, l) })
	t.Run("readme", func(t *testing.T) { readme(t, l) })
	t.Run("usage", func(t *testing.T) {
		help, _, status := Run(t.Context(), l, "", "-help")
		require.Zero(t, status)
		Golden(t, filepath.Join("testdata", "usage.txt"), help)
	})
	t.Run("command line", func(t *testing.T) { commandLine(t, l) })
	t.Run("interrupt", func(t *testing.T) { interrupt(t) })
}

// Run runs the lesson's command in this process.
func Run(
	ctx context.Context, l stage.Lesson, stdin string, args ...string,
) (stdout, stderr string, status int) {
	var out, errs bytes.Buffer
	status = stage.Run(ctx, l, args, strings.NewReader(stdin), &out, &errs)
	return out.String(), errs.String(), status
}

// Play records the scene of that name with the lesson's own code, as the lesson shows it.
func Play(t *testing.T, l stage.Lesson, scene string) stage.Recording {
	t.Helper()
	return play(t, l, scene, false)
}

// PlayNaive records it with the code of naive.go.
func PlayNaive(t *testing.T, l stage.Lesson, scene string) stage.Recording {
	t.Helper()
	return play(t, l, scene, true)
}

func play(t *testing.T, l stage.Lesson, name string, naive bool) stage.Recording {
	t.Helper()
	recording, err := stage.Play(t.Context(), scene(t, l, name), naive)
	if errors.Is(err, errors.ErrUnsupported) {
		t.Skipf("the scene %s cannot be played here: %v", name, err)
	}
	require.NoError(t, err, "playing %s", name)
	if why := recording.Lacking; why != "" {
		if os.Getenv("CI") != "" && runtime.GOOS == "linux" {
			t.Fatalf("the scene %s has to be played here, all of it: %s", name, why)
		}
		t.Skipf("the scene %s was not played, or not all of it: %s", name, why)
	}
	return recording
}

// Sent is what a side has sent in a scene, as one string. Events keep the first 256 bytes of each
// send.
func Sent(events []timeline.Event, side string) string {
	var sent strings.Builder
	for _, e := range events {
		if e.Side == side && e.Op == timeline.Send {
			sent.Write(e.Data)
		}
	}
	return sent.String()
}
