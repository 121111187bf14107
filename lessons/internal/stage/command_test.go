package stage

import (
	"bytes"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"socketbook/lessons/internal/scenario"
	"socketbook/tools/timeline"
)

// -svg replaces a picture that a lesson has written, and nothing else.
func TestPictureReplaces(t *testing.T) {
	l := Lesson{Number: "00", Scenes: []Scene{{
		Name: "one", Line: "a scene",
		Run: func(rec *timeline.Recorder) (scenario.Outcome, error) {
			rec.Verdict("done")
			return scenario.Outcome{}, nil
		},
	}}}
	dir := t.TempDir()
	run := func(name string) (string, int) {
		var out, errs bytes.Buffer
		status := Run(t.Context(), l, []string{"-svg", name}, strings.NewReader(""), &out, &errs)
		return errs.String(), status
	}
	file := func(name, text string) string {
		name = filepath.Join(dir, name)
		require.NoError(t, os.WriteFile(name, []byte(text), 0o644))
		return name
	}
	picture := filepath.Join(dir, "new.svg")
	for range 2 {
		errs, status := run(picture)
		require.Zero(t, status, errs)
	}
	errs, status := run(file("empty.svg", ""))
	require.Zero(t, status, errs)

	for _, text := range []string{
		"my thesis\n", "x", timeline.SVGBegin[:20],
		`<svg xmlns="http://www.w3.org/2000/svg" width="960" height="100" role="img">` +
			"\n<title>mine</title></svg>\n",
	} {
		name := file("thesis.txt", text)
		errs, status := run(name)
		require.Equal(t, 1, status)
		require.Contains(t, errs, "not replaced")
		kept, err := os.ReadFile(name)
		require.NoError(t, err)
		require.Equal(t, text, string(kept))
	}
	for _, name := range []string{dir, os.DevNull} {
		errs, status = run(name)
		require.Equal(t, 1, status)
		require.Contains(t, errs, "no regular file")
	}
	errs, status = run("")
	require.Equal(t, 2, status, "no name is no file")
	require.Contains(t, errs, "-svg")
}

func TestCommandLineSuggests(t *testing.T) {
	l := Lesson{Number: "00", RunsCommands: true, Scenes: []Scene{
		{Name: "glue", Run: func(*timeline.Recorder) (o scenario.Outcome, err error) { return o, nil }},
	}}
	for says, args := range map[string][]string{
		"go run ./lessons/00 -scene glue":                 {"glue"},
		"go run ./lessons/00 server -addr 127.0.0.1:8080": {"-addr", "127.0.0.1:9"},
		"go run ./lessons/00 server -expose":              {"-expose"},
		"no role":                                         {"glu"},
		"-help says which":                                {"-save", "x"},
	} {
		var out, errs bytes.Buffer
		require.Equal(t, 2, Run(t.Context(), l, args, strings.NewReader(""), &out, &errs))
		require.Contains(t, errs.String(), says)
		require.Equal(t, 1, strings.Count(errs.String(), "\n"))
	}
}

// A name may mean loopback when somebody asks, and every interface when the listener is made. What
// counts is where the listener is.
func TestExposeAsksTheListener(t *testing.T) {
	served := false
	l := Lesson{
		Number: "00", RunsCommands: true,
		Listen: func(string) (net.Listener, error) { return net.Listen("tcp", "0.0.0.0:0") },
		Serve:  func(net.Listener) error { served = true; return nil },
	}
	var out, errs bytes.Buffer
	require.Equal(t, 2, Run(t.Context(), l, []string{"server", "-addr", "localhost:0"},
		strings.NewReader(""), &out, &errs))
	require.Contains(t, errs.String(), "-expose")
	require.Empty(t, out.String())
	require.False(t, served)
	require.Zero(t, Run(t.Context(), l, []string{"server", "-addr", "localhost:0", "-expose"},
		strings.NewReader(""), &out, &errs))
	require.True(t, served)
}
