package stagetest

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"socketbook/lessons/internal/stage"
	"socketbook/tools/timeline"
)

// scenes plays every take several times, slow ones once less. It says the same each time: what
// testdata/verdicts.txt has.
func scenes(t *testing.T, l stage.Lesson) {
	playSlow(t, l)
	var said []string
	takes := map[string]bool{}
	for _, sc := range l.Scenes {
		for _, take := range sc.Takes() {
			takes[take.Name()] = true
			t.Run(take.Name(), func(t *testing.T) {
				var first string
				rounds := *times
				if p, ok := shared[take.Name()]; ok {
					defer func() { shared[take.Name()] = p }() // for the scene's own test
					rounds = max(1, rounds-1)
				}
				for i := range rounds {
					r := play(t, l, sc.Name, take.Naive)
					if i == 0 {
						first = says(t, r)
					}
					require.Equal(t, first, says(t, r), "it says something else")
					if !sc.Varies {
						agrees(t, take.Name(), r.Events)
					}
				}
				said = append(said, first)
			})
		}
	}
	t.Run("recordings", func(t *testing.T) { noStrays(t, takes) })
	t.Run("verdicts", func(t *testing.T) {
		if runtime.GOOS != "linux" {
			t.Skip("testdata/verdicts.txt has Linux's words for errors")
		}
		if len(said) < len(takes) {
			t.Skip("not all scenes were played")
		}
		Golden(t, filepath.Join("testdata", "verdicts.txt"), strings.Join(said, "\n"))
	})
}

// playSlow plays the slow scenes, beside each other: they wait, and log nothing.
func playSlow(t *testing.T, l stage.Lesson) {
	var all sync.WaitGroup
	var mu sync.Mutex
	for _, sc := range l.Scenes {
		for _, take := range sc.Takes() {
			if !sc.Slow {
				continue
			}
			all.Go(func() {
				p := playOf(t, sc, take.Naive)
				mu.Lock()
				defer mu.Unlock()
				shared[take.Name()] = p
			})
		}
	}
	all.Wait()
}

// Golden compares a text with the one that is kept, or keeps it.
func Golden(t *testing.T, name, got string) {
	if *update {
		require.NoError(t, os.MkdirAll(filepath.Dir(name), 0o755))
		require.NoError(t, os.WriteFile(name, []byte(got), 0o644))
	}
	want, err := os.ReadFile(name)
	require.NoError(t, err, "-update writes it")
	if string(want) != got { // a picture is long: the first line that differs is enough
		was, is := strings.Split(string(want), "\n"), strings.Split(got, "\n")
		i := 0
		for i < min(len(was), len(is))-1 && was[i] == is[i] {
			i++
		}
		require.Equal(t, was[i], is[i], "%s, line %d; -update writes it anew", name, i+1)
	}
}

// says is what a recording says: its title, what the programs made of the bytes, side by side, and
// the verdicts.
func says(t *testing.T, r stage.Recording) string {
	notes := map[string][]string{}
	for _, e := range r.Events {
		if e.Op == timeline.Note {
			note := e.Side + ": " + e.Text
			if e.Data != nil {
				note += fmt.Sprintf(" %.40q", e.Data)
			}
			if e.N > 40 {
				note += fmt.Sprintf("… (%d bytes)", e.N)
			}
			notes[e.Side] = append(notes[e.Side], note)
		}
	}
	require.NotEmpty(t, r.Verdicts(), "it came to no verdict")
	require.Greater(t, len(r.Events), len(r.Verdicts()), "it recorded nothing")
	lines := []string{"# " + r.Title}
	for _, side := range slices.Sorted(maps.Keys(notes)) {
		lines = append(lines, notes[side]...)
	}
	for _, verdict := range r.Verdicts() {
		lines = append(lines, "=> "+verdict)
	}
	text := strings.Join(lines, "\n") + "\n"
	return varied(text)
}

// varied masks what differs from run to run.
func varied(text string) string {
	for _, v := range varying {
		text = v.pattern.ReplaceAllString(text, v.instead)
	}
	return text
}

// varying is what differs from run to run, and nothing else: the system decides it.
var varying = []struct {
	pattern *regexp.Regexp
	instead string
}{
	{regexp.MustCompile(`127\.0\.0\.1:\d+`), "127.0.0.1:PORT"},
	{regexp.MustCompile(` {2,}(\d+(\.\d+)? (ms|kB)\b)`), " $1"}, // a column of a table
	{regexp.MustCompile(`\b\d+(\.\d+)? (ms|µs)\b`), "N $2"},
	{regexp.MustCompile(`\b\d+(\.\d+)? kB each\b`), "N kB each"},
	{regexp.MustCompile(`\b\d+ kB (written|not yet sent|received|read)\b`), "N kB $1"},
	{regexp.MustCompile(`\bprocess \d+\b`), "process PID"},
	{regexp.MustCompile(`\b1\d\d\d of 2000 vanished`), "N of 2000 vanished"},
}
