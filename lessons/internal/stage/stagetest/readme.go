package stagetest

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"socketbook/lessons/internal/stage"
)

var masks = []struct {
	pattern *regexp.Regexp
	instead string
}{
	{regexp.MustCompile(`(?m)^ +\d+\.\d( |$)`), "    0.0$1"},                                     // the clock of a picture
	{regexp.MustCompile(`> +\d+\.\d<`), ">    0.0<"},                                             // the same in SVG
	{regexp.MustCompile(`127\.0\.0\.1:\d+`), "127.0.0.1:00000"},                                  // ports
	{regexp.MustCompile(`\b\d+(\.\d+)? (ms|µs)`), "0 ms"},                                        // durations
	{regexp.MustCompile(`\b\d+ of 2000( datagrams)? (were lost|vanished)`), "1900 of 2000$1 $2"}, // how many fit is up to the system
}

// mask replaces what differs from run to run, and what only Linux can tell.
func mask(s string) string {
	if runtime.GOOS != "linux" {
		s = segments.ReplaceAllString(s, "")
	}
	for _, m := range masks {
		s = m.pattern.ReplaceAllString(s, m.instead)
	}
	return s
}

var segments = regexp.MustCompile(`(?m)^.*the kernel has counted \d+ segments? with data.*\n`)

var (
	transcript = regexp.MustCompile("(?s)```text\n\\$ go run \\./lessons/(\\d\\d)([^\n]*)\n(.*?)```")
	picture    = regexp.MustCompile(`!\[[^\]]*\]\(testdata/([a-z0-9-]+)\.svg\)`)
)

// readme runs every command that README.md shows with its output, draws every picture it shows, and
// compares.
func readme(t *testing.T, l stage.Lesson) { Readme(t, l, "README.md") }

// Readme checks the transcripts and pictures of lesson l in a text, which must have at least one
// transcript. Transcripts of other lessons are left to their tests.
func Readme(t *testing.T, l stage.Lesson, name string) {
	t.Setenv("COLUMNS", "80")
	text, err := os.ReadFile(name)
	require.NoError(t, err)
	found := transcript.FindAllSubmatchIndex(text, -1)
	var fresh bytes.Buffer
	at, ours := 0, 0
	for _, m := range found {
		if l.Number != string(text[m[2]:m[3]]) {
			continue // README.md of the whole course shows several
		}
		ours++
		args := strings.Fields(string(text[m[4]:m[5]]))
		out, errs, status := Run(t.Context(), l, "", args...)
		got := out + errs
		if status != 0 {
			got += fmt.Sprintf("exit status %d\n", status)
		}
		got = strings.TrimRight(got, "\n") + "\n"
		shown := string(text[m[6]:m[7]])
		if !*update {
			require.Equal(t, mask(shown), mask(got),
				"%s, after `%s`; go test ./lessons/%s -update writes it anew", name, args, l.Number)
		}
		if mask(shown) == mask(got) {
			got = shown // only the time and the ports are others
		}
		fresh.Write(text[at:m[6]])
		fresh.WriteString(got)
		at = m[7]
	}
	require.NotZero(t, ours, "%s shows no transcript of lesson %s", name, l.Number)
	fresh.Write(text[at:])
	if *update && !bytes.Equal(text, fresh.Bytes()) {
		require.NoError(t, os.WriteFile(name, fresh.Bytes(), 0o644))
	}
	for _, m := range picture.FindAllSubmatch(text, -1) {
		name := string(m[1])
		kept := filepath.Join("testdata", name+".svg")
		drawn := filepath.Join(t.TempDir(), "picture.svg")
		_, errs, status := Run(t.Context(), l, "", "-scene", name, "-svg", drawn)
		require.Zero(t, status, errs)
		got, err := os.ReadFile(drawn)
		require.NoError(t, err)
		if before, err := os.ReadFile(kept); *update && (err != nil || mask(string(before)) != mask(string(got))) {
			require.NoError(t, os.MkdirAll("testdata", 0o755))
			require.NoError(t, os.WriteFile(kept, got, 0o644))
		}
		want, err := os.ReadFile(kept)
		require.NoError(t, err)
		require.Empty(t, differing(mask(string(want)), mask(string(got))),
			"%s; go test ./lessons/%s -update draws it anew", kept, l.Number)
	}
}

// differing lists the lines that only one of two texts has, without those that are the same: a
// picture is long.
func differing(want, got string) string {
	const most = 20 // lines
	if want == got {
		return ""
	}
	count := map[string]int{}
	for line := range strings.Lines(got) {
		count[line]++
	}
	var lines []string
	for line := range strings.Lines(want) {
		if count[line]--; count[line] < 0 {
			lines = append(lines, "- "+strings.TrimRight(line, "\n"))
		}
	}
	for line := range strings.Lines(got) {
		if count[line] > 0 {
			count[line]--
			lines = append(lines, "+ "+strings.TrimRight(line, "\n"))
		}
	}
	if len(lines) == 0 {
		return "the same lines in another order"
	}
	if more := len(lines) - most; more > 0 {
		lines = append(lines[:most], fmt.Sprintf("and %d lines more", more))
	}
	return "\n" + strings.Join(lines, "\n")
}
