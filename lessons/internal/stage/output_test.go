package stage_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"socketbook/lessons/internal/scenario"
	"socketbook/lessons/internal/stage"
	"socketbook/lessons/internal/stage/stagetest"
	"socketbook/tools/timeline"
)

// breaking is a standard output that takes some bytes, and no more.
type breaking struct {
	room  int
	cause error
}

func (b *breaking) Write(p []byte) (int, error) {
	n := min(b.room, len(p))
	b.room -= n
	if n < len(p) {
		return n, &os.PathError{Op: "write", Path: "/dev/stdout", Err: b.cause}
	}
	return n, nil
}

// A standard output that takes no more ends a lesson with one line, whatever it was doing; one that
// nobody reads any more, such as a pipe to head, ends it without.
func TestOutputThatBreaks(t *testing.T) {
	const full = "writing to standard output: no space left on device; is the disk full?\n"
	refused := errors.New("the peer has had enough")
	for _, test := range []struct {
		args []string
		room int
		says string
	}{
		{[]string{"-list"}, 0, full},
		{[]string{"-help"}, 100, full},
		{nil, 0, full},
		{nil, 40, full},
		{[]string{"-json"}, 10, full},
		{[]string{"client"}, 0, full},
		{[]string{"client"}, 3, "talking to 127.0.0.1:8080: the peer has had enough\n"},
		{[]string{"server"}, 0, "telling on standard output that the server listens on " +
			"127.0.0.1:4444: no space left on device\n"},
	} {
		for _, cause := range []error{syscall.ENOSPC, syscall.EPIPE} {
			if cause == syscall.EPIPE && runtime.GOOS == "windows" {
				continue // there a pipe breaks with other numbers
			}
			played := 0
			l := talker()
			l.Talk = func(_ net.Conn, _ io.Reader, out io.Writer) error {
				fmt.Fprint(out, "one")
				return refused
			}
			for i, sc := range l.Scenes {
				l.Scenes[i].Run = func(rec *timeline.Recorder) (scenario.Outcome, error) {
					played++
					return sc.Run(rec)
				}
			}
			says, status := test.says, 1
			if cause == syscall.EPIPE && says == full {
				says, status = "", 0
			}
			says = strings.Replace(says, syscall.ENOSPC.Error(), cause.Error(), 1)
			var errs bytes.Buffer
			out := &breaking{test.room, cause}
			got := stage.Run(t.Context(), l, test.args, strings.NewReader(""), out, &errs)
			require.Equal(t, status, got, "%v, room for %d bytes", test.args, test.room)
			require.Equal(t, says, errs.String(), "%v, room for %d bytes", test.args, test.room)
			require.LessOrEqual(t, played, 1, "the other scenes are not played")
		}
	}
}

// A complaint has at most 600 characters and the sign for what is left out, shows what would control
// a terminal, and keeps the beginning and the end.
func TestComplaintsAreCut(t *testing.T) {
	const begin = "talking to 127.0.0.1:8080: "
	complain := func(text string) string {
		l := talker()
		l.Talk = func(net.Conn, io.Reader, io.Writer) error { return errors.New(text) }
		_, errs, status := stagetest.Run(t.Context(), l, "", "client")
		require.Equal(t, 1, status)
		require.True(t, strings.HasPrefix(errs, begin))
		return strings.TrimSuffix(errs[len(begin):], "\n")
	}
	fits := strings.Repeat("é", 600-len(begin)-1) + "!"
	require.Equal(t, fits, complain(fits))
	cut := strings.Repeat("é", 300-len(begin)) + " … " + strings.Repeat("é", 299) + "!"
	require.Equal(t, cut, complain("é"+fits))
	require.Equal(t, cut, complain(strings.Repeat("é", 60_000)+fits))
	require.Equal(t, `a\x1b[2J\n\u202e\x00 你好 "`+"b'", complain("a\x1b[2J\n\u202e\x00 你好 \"b'"))
}

// A scene that measures draws its own picture from its one take; anything else has the timeline's.
func TestPlot(t *testing.T) {
	plotted := errors.New("not plotted")
	l := stage.Lesson{Number: "00", Scenes: []stage.Scene{
		{
			Name: "one", Line: "a scene", Run: done,
			Plot: func(w io.Writer, title string, events []timeline.Event) error {
				fmt.Fprintf(w, "%s: %d verdict", title, timeline.Count(events, "", timeline.Verdict))
				return plotted
			},
		},
		{Name: "two", Line: "another scene", Run: done},
	}}
	name := filepath.Join(t.TempDir(), "picture.svg")
	run := func(args ...string) (errs string, status int) {
		_, errs, status = stagetest.Run(t.Context(), l, "", append(args, "-svg", name)...)
		return errs, status
	}
	errs, status := run("-scene", "one")
	require.Equal(t, 1, status)
	require.Contains(t, errs, "writing the picture: not plotted; ")
	require.NoFileExists(t, name)

	plotted = nil
	for _, args := range [][]string{{"-scene", "two"}, nil} {
		errs, status = run(args...)
		require.Zero(t, status, errs)
		picture, err := os.ReadFile(name)
		require.NoError(t, err)
		info, err := os.Stat(name)
		require.NoError(t, err)
		require.Zero(t, info.Mode()&0o111, "a picture is no program")
		require.True(t, strings.HasPrefix(string(picture), timeline.SVGBegin))
		require.Equal(t, args == nil, strings.Contains(string(picture), "one: a scene"))
		require.Contains(t, string(picture), "two: another scene")
	}
	_, status = run("-scene", "one")
	require.Zero(t, status)
	picture, err := os.ReadFile(name)
	require.NoError(t, err)
	require.Equal(t, "one: a scene: 1 verdict", string(picture))

	l.Scenes[0].Naive = done // two takes
	var out bytes.Buffer
	require.NoError(t, l.Scenes[0].SVG(&out, []timeline.Scene{{Title: "one"}, {Title: "two"}}))
	require.True(t, strings.HasPrefix(out.String(), timeline.SVGBegin))
}

// An interrupt ends the scenes: the next one is not played, no picture is written, and that is no
// failure.
func TestInterruptedScenes(t *testing.T) {
	ctx, interrupt := context.WithCancel(t.Context())
	defer interrupt()
	l, played := talker(), 0
	for i := range l.Scenes {
		l.Scenes[i].Run = func(rec *timeline.Recorder) (o scenario.Outcome, err error) {
			played++
			interrupt()
			return o, errors.New("broken off")
		}
	}
	name := filepath.Join(t.TempDir(), "picture.svg")
	_, errs, status := stagetest.Run(ctx, l, "", "-svg", name)
	require.Zero(t, status)
	require.Equal(t, 1, played)
	require.Empty(t, errs)
	require.NoFileExists(t, name)
}

// A scene that hangs is ended, and says so.
func TestSceneThatHangs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		hang := make(chan struct{})
		defer close(hang)
		l := talker()
		l.Scenes[0].Run = func(*timeline.Recorder) (o scenario.Outcome, err error) {
			<-hang
			return o, nil
		}
		begin := time.Now()
		_, errs, status := stagetest.Run(t.Context(), l, "")
		require.Equal(t, 1, status)
		limit, ok := strings.CutPrefix(errs, "scene glue could not be played: it did not end within ")
		require.True(t, ok, errs)
		within, err := time.ParseDuration(strings.TrimSpace(limit))
		require.NoError(t, err)
		require.Equal(t, within, time.Since(begin))
	})
}

// What a lesson logs while a scene is played stands in its picture, at the side that says it; what it
// logs afterwards goes to standard error again.
func TestLogInScenes(t *testing.T) {
	stderr := os.Stderr
	defer func() { os.Stderr = stderr }()
	r, w, err := os.Pipe()
	require.NoError(t, err)
	defer r.Close()
	os.Stderr = w
	play := func(*timeline.Recorder) (o scenario.Outcome, err error) {
		log.Print("client 1 has left\n")
		log.Print("client: not sent")
		return o, nil
	}
	got, err := stage.Play(t.Context(), stage.Scene{Name: "a", Run: play}, false)
	require.NoError(t, err)
	log.Print("afterwards")
	w.Close()
	after, err := io.ReadAll(r)
	require.NoError(t, err)
	require.Equal(t, "afterwards\n", string(after))
	require.Len(t, got.Events, 2)
	for i, want := range []string{"server: log: client 1 has left", "client: log: not sent"} {
		require.Equal(t, timeline.Note, got.Events[i].Op)
		require.Equal(t, want, got.Events[i].Side+": "+got.Events[i].Text)
	}
	log.SetOutput(stderr)
}

// What a side logs goes to standard error as it is, without the time.
func TestLogOfASide(t *testing.T) {
	l := talker()
	l.Serve = func(net.Listener) error { log.Print("client 1: gone"); return nil }
	l.Talk = func(net.Conn, io.Reader, io.Writer) error { log.Print("client: not sent"); return nil }
	for side, want := range map[string]string{
		"server": "client 1: gone\n", "client": "client: not sent\n",
	} {
		log.SetFlags(log.LstdFlags)
		log.SetOutput(io.Discard)
		_, errs, status := stagetest.Run(t.Context(), l, "", side)
		require.Zero(t, status)
		require.Equal(t, want, errs)
	}
	log.SetOutput(os.Stderr)
}

// Takes have names of their own, in pictures and in the events: the naive one says that it is.
func TestTakes(t *testing.T) {
	both := stage.Scene{Name: "a", Naive: done, Run: done}
	var names []string
	for _, take := range both.Takes() {
		names = append(names, take.Name())
		recording, err := stage.Play(t.Context(), both, take.Naive)
		require.NoError(t, err)
		require.Equal(t, take.Title, recording.Title)
		require.Equal(t, take.Name(), recording.Events[0].Scene)
	}
	require.Equal(t, []string{"a-naive", "a"}, names)
}

// COLUMNS says how wide a picture is, up to 160; what is no width does not count.
func TestColumns(t *testing.T) {
	line := strings.TrimSpace(strings.Repeat("word ", 50))
	l := stage.Lesson{Number: "00", Scenes: []stage.Scene{{Name: "a", Line: line, Run: done}}}
	for columns, want := range map[string]int{
		"": 80, "0": 80, "-40": 80, "x": 80, "1": 1, "40": 40, "160": 160, "161": 160, "1000": 160,
	} {
		t.Setenv("COLUMNS", columns)
		out, _, status := stagetest.Run(t.Context(), l, "")
		require.Zero(t, status)
		title, _, _ := strings.Cut(out, "\n")
		require.LessOrEqual(t, len(title), max(want, len("# a:")), "COLUMNS=%s", columns)
		if want > len("# a: word") {
			require.Greater(t, len(title), want-len(" word"), "COLUMNS=%s", columns)
		}
	}
}

// A title is not changed, unless it may have nothing but ASCII.
func TestTitleInASCII(t *testing.T) {
	sc := stage.Scene{Name: "a", Line: `"你好" \ é`, Run: done}
	out, _, _ := runScenes(t, sc)
	require.True(t, strings.HasPrefix(out, "# a: \"你好\" \\ é\n"), out)
	out, _, _ = runScenes(t, sc, "-ascii")
	require.True(t, strings.HasPrefix(out, `# a: "\u4f60\u597d" \\ \u00e9`+"\n"), out)
}

// A file that cannot be read is not replaced.
func TestPictureThatCannotBeRead(t *testing.T) {
	name := filepath.Join(t.TempDir(), "secret.svg")
	require.NoError(t, os.WriteFile(name, []byte("mine"), 0o200))
	if f, err := os.Open(name); err == nil {
		f.Close()
		t.Skip("whoever runs this test may read every file")
	}
	_, errs, status := stagetest.Run(t.Context(), talker(), "", "-svg", name)
	require.Equal(t, 1, status)
	require.Contains(t, errs, "permission denied; give another name")
}

// The picture that was there is closed once it has been looked at.
func TestPictureIsClosed(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("open files are listed in /proc")
	}
	name := filepath.Join(t.TempDir(), "notes.svg")
	require.NoError(t, os.WriteFile(name, []byte("mine"), 0o600))
	_, _, status := stagetest.Run(t.Context(), talker(), "", "-svg", name)
	require.Equal(t, 1, status)
	open, err := filepath.Glob("/proc/self/fd/*")
	require.NoError(t, err)
	for _, link := range open {
		target, _ := os.Readlink(link)
		require.NotEqual(t, name, target, "still open")
	}
}
