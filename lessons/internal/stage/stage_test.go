package stage_test

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"net"
	"runtime"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"socketbook/lessons/internal/scenario"
	"socketbook/lessons/internal/stage"
	"socketbook/tools/timeline"
)

// A scene that is interrupted puts away what it made, its folder say, before the process ends. In a
// bubble the 100 ms pass only while everybody waits.
func TestInterruptedSceneCleansUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, interrupt := context.WithCancel(t.Context())
		clean := false
		sc := stage.Scene{Name: "folder", Run: func(*timeline.Recorder) (o scenario.Outcome, err error) {
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
		sc := stage.Scene{Name: "hang", Run: func(*timeline.Recorder) (o scenario.Outcome, err error) {
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

// runScenes runs a lesson with one scene.
func runScenes(t *testing.T, sc stage.Scene, args ...string) (out, errs string, status int) {
	t.Helper()
	t.Setenv("COLUMNS", "80")
	var stdout, stderr bytes.Buffer
	l := stage.Lesson{Number: "00", Scenes: []stage.Scene{sc}}
	status = stage.Run(t.Context(), l, args, strings.NewReader(""), &stdout, &stderr)
	return stdout.String(), stderr.String(), status
}

// A scene that this system can never play says so, and that is no failure.
func TestUnplayableScene(t *testing.T) {
	never := func(*timeline.Recorder) (o scenario.Outcome, err error) {
		return o, fmt.Errorf("it needs a shell: %w", errors.ErrUnsupported)
	}
	out, errs, status := runScenes(t, stage.Scene{Name: "never", Line: "is not played", Run: never})
	require.Zero(t, status)
	require.Empty(t, errs)
	require.Contains(t, out, "not on this system: it needs a shell")
	require.Contains(t, out, "=> this scene cannot be played on "+runtime.GOOS)
	got, err := stage.Play(t.Context(), stage.Scene{Name: "never", Run: never}, false)
	require.ErrorIs(t, err, errors.ErrUnsupported)
	require.Len(t, got.Events, 2)
	require.Zero(t, got.Events[0].N, "nothing was measured")
}

// One that fails is a failure, and the scenes after it are not played.
func TestSceneThatFails(t *testing.T) {
	fails := func(*timeline.Recorder) (o scenario.Outcome, err error) {
		return o, errors.New("no ports left")
	}
	_, errs, status := runScenes(t, stage.Scene{Name: "bad", Line: "fails", Naive: fails, Run: fails})
	require.Equal(t, 1, status)
	require.Equal(t, "scene bad could not be played: no ports left\n", errs)
}

// Each take has a title of its own, where what one sees differs; the list has that of the bug.
func TestTitles(t *testing.T) {
	play := func(rec *timeline.Recorder) (o scenario.Outcome, err error) {
		rec.Verdict("done")
		return o, nil
	}
	for _, test := range []struct {
		scene        stage.Scene
		titles, list string
	}{
		{
			stage.Scene{Name: "a", NaiveLine: "bug", Naive: play, Line: "fix", Run: play},
			"# a (naive.go): bug\n# a (fixed): fix\n", "bug",
		},
		{
			stage.Scene{Name: "a", Naive: play, Line: "same", Run: play},
			"# a (naive.go): same\n# a (fixed): same\n", "same",
		},
		{stage.Scene{Name: "a", Line: "alone", Run: play}, "# a: alone\n", "alone"},
	} {
		out, _, status := runScenes(t, test.scene)
		require.Zero(t, status)
		var titles strings.Builder
		for line := range strings.Lines(out) {
			if strings.HasPrefix(line, "# ") {
				titles.WriteString(line)
			}
		}
		require.Equal(t, test.titles, titles.String())
		out, _, _ = runScenes(t, test.scene, "-list")
		require.Equal(t, "a                   "+test.list+"\n", out)
	}
}

// A take that gives no verdict of its own has those that its events give.
func TestVerdictsOfTheEvents(t *testing.T) {
	got, err := stage.Play(t.Context(), stage.Scene{Name: "a", Run: scenario.BothListen(
		func(conn net.Conn) error { _, err := conn.Write([]byte("hi")); return err },
		func(conn net.Conn) error { _, err := conn.Read(make([]byte, 10)); return err },
	)}, false)
	require.NoError(t, err)
	require.NotEmpty(t, got.Verdicts())
	require.Equal(t, timeline.Verdicts(got.Events), got.Verdicts())
	_, err = stage.Play(t.Context(), stage.Scene{Name: "a"}, true)
	require.ErrorContains(t, err, "no such take")
}

// A lesson's own flags set what one run of it does, and not what the next one does.
func TestOwnFlags(t *testing.T) {
	ran := ""
	flagged := func(l *stage.Lesson, flags *flag.FlagSet) {
		l.Listen = func(string) (net.Listener, error) { return nil, errors.New("by default") }
		flags.Func("as", "`NAME` of the error", func(name string) error {
			if name == "" {
				return errors.New("a name is not empty")
			}
			l.Listen = func(string) (net.Listener, error) { ran = name; return nil, errors.New(name) }
			return nil
		})
	}
	l := stage.Lesson{Number: "00", ServerFlags: flagged}
	for _, test := range []struct {
		args   []string
		status int
		says   string
	}{
		{[]string{"server", "-as", "me"}, 1, "me"},
		{[]string{"server"}, 1, "by default"},
		{[]string{"server", "-as", ""}, 2, "a name is not empty; go run ./lessons/00 -help"},
		{[]string{"client", "-as", "me"}, 2, "not defined"},
	} {
		var out, errs bytes.Buffer
		status := stage.Run(t.Context(), l, test.args, strings.NewReader(""), &out, &errs)
		require.Equal(t, test.status, status, &errs)
		require.Contains(t, errs.String(), test.says)
		require.Equal(t, 1, strings.Count(errs.String(), "\n"))
	}
	require.Equal(t, "me", ran)
	var out bytes.Buffer
	stage.Run(t.Context(), l, []string{"-help"}, strings.NewReader(""), &out, &out)
	require.Regexp(t, `server -as NAME +NAME of the error\n`, out.String())
}
