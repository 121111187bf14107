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
	sc := scene(t, l, name)
	p, ok := shared[takeOf(sc, naive)]
	delete(shared, takeOf(sc, naive)) // what is run again is played again
	if !ok {
		p = playOf(t, sc, naive)
	}
	return p.judged(t)
}

// shared are plays of slow scenes that the test of all scenes leaves for the scenes' own tests.
var shared = map[string]played{}

// played is what came of playing a take.
type played struct {
	recording stage.Recording
	err       error
}

func playOf(t *testing.T, sc stage.Scene, naive bool) played {
	recording, err := stage.Play(t.Context(), sc, naive)
	return played{recording, err}
}

func takeOf(sc stage.Scene, naive bool) string {
	return stage.Take{Scene: sc.Name, Naive: naive}.Name()
}

// judged returns the recording, or ends the test if there is none.
func (p played) judged(t *testing.T) stage.Recording {
	t.Helper()
	if errors.Is(p.err, errors.ErrUnsupported) {
		t.Skipf("the scene cannot be played here: %v", p.err)
	}
	require.NoError(t, p.err, "playing the scene")
	if why := p.recording.Lacking; why != "" {
		if os.Getenv("CI") != "" && runtime.GOOS == "linux" {
			t.Fatalf("the scene has to be played here, all of it: %s", why)
		}
		t.Skipf("the scene was not played, or not all of it: %s", why)
	}
	return p.recording
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
