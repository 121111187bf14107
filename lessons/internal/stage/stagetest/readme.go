package stagetest

import (
	"bytes"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"socketbook/lessons/internal/stage"
	"socketbook/tools/timeline"
)

var (
	transcript = regexp.MustCompile("(?s)```text\n\\$ go run \\./lessons/(\\d\\d) -scene " +
		"([a-z0-9-]+)\n(.*?)```")
	picture = regexp.MustCompile(`!\[[^\]]*\]\(((?:lessons/(\d\d)/)?testdata/([a-z0-9-]+)\.svg)\)`)
)

// readme checks what README.md shows of the lesson.
func readme(t *testing.T, l stage.Lesson) { Readme(t, l, "README.md") }

// Readme checks the transcripts and pictures of lesson l in a text, which must have at least one
// transcript: each is drawn again, to the byte, from the recording in testdata. That a fresh play
// agrees with the recording is the scenes' own test. Those of other lessons are left to their
// tests.
func Readme(t *testing.T, l stage.Lesson, name string) {
	text, err := os.ReadFile(name)
	require.NoError(t, err)
	var fresh bytes.Buffer
	at, ours := 0, 0
	for _, m := range transcript.FindAllSubmatchIndex(text, -1) {
		if string(text[m[2]:m[3]]) != l.Number {
			continue
		}
		ours++
		fresh.Write(text[at:m[6]])
		fresh.WriteString(drawn(t, l, string(text[m[4]:m[5]])))
		at = m[7]
	}
	require.NotZero(t, ours, "%s shows no transcript of lesson %s", name, l.Number)
	fresh.Write(text[at:])
	if *update && !bytes.Equal(text, fresh.Bytes()) {
		require.NoError(t, os.WriteFile(name, fresh.Bytes(), 0o644))
	} else {
		require.Equal(t, fresh.String(), string(text), "%s; go test ./lessons/%s -update writes it "+
			"anew", name, l.Number)
	}
	for _, m := range picture.FindAllSubmatch(text, -1) {
		if number := string(m[2]); number != "" && number != l.Number {
			continue
		}
		var svg bytes.Buffer
		sc := scene(t, l, string(m[3]))
		require.NoError(t, sc.SVG(&svg, pictures(t, l, sc.Name)))
		Golden(t, filepath.Join("testdata", string(m[3])+".svg"), svg.String())
	}
}

// drawn is what the lesson prints when the scene goes as it did when it was recorded.
func drawn(t *testing.T, l stage.Lesson, scene string) string {
	var text strings.Builder
	for _, s := range pictures(t, l, scene) {
		stage.Draw(&text, s.Title, s.Events, timeline.Style{Width: 80})
	}
	return strings.TrimRight(text.String(), "\n") + "\n"
}

// pictures are the recordings of a scene's takes.
func pictures(t *testing.T, l stage.Lesson, name string) []timeline.Scene {
	t.Helper()
	var list []timeline.Scene
	for _, take := range scene(t, l, name).Takes() {
		list = append(list, timeline.Scene{Title: take.Title, Events: kept(t, take.Name())})
	}
	return list
}

// scene is the lesson's scene of that name.
func scene(t *testing.T, l stage.Lesson, name string) stage.Scene {
	t.Helper()
	i := slices.IndexFunc(l.Scenes, func(sc stage.Scene) bool { return sc.Name == name })
	require.GreaterOrEqual(t, i, 0, "lesson %s has no scene %q", l.Number, name)
	return l.Scenes[i]
}
