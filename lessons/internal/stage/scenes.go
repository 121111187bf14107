package stage

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"flag"
	"fmt"
	"log"
	"os"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"socketbook/lessons/internal/scenario"
	"socketbook/tools/timeline"
)

// sceneLimit ends a scene that hangs. No scene comes near it.
const sceneLimit = 20 * time.Second

// sceneGrace is how long an interrupted scene may go on, to put away what it made. A scene takes
// less than half a second.
const sceneGrace = time.Second

// take is one recording of a scene: with the code of naive.go, or with that of server.go and
// client.go.
type take struct {
	scene string
	title string // "spin (naive.go): the client leaves; …"
	naive bool
	play  scenario.Play
}

// takes lists what a scene plays, the naive code first.
func (sc Scene) takes() []take {
	var ts []take
	if sc.Naive != nil {
		line := cmp.Or(sc.NaiveLine, sc.Line)
		ts = append(ts, take{sc.Name, sc.Name + " (naive.go): " + line, true, sc.Naive})
	}
	if sc.Run != nil {
		name := sc.Name
		if sc.Naive != nil {
			name += " (fixed)"
		}
		ts = append(ts, take{sc.Name, name + ": " + sc.Line, false, sc.Run})
	}
	return ts
}

// scenes plays the lesson's scenes and draws what was recorded.
func (s *session) scenes(ctx context.Context, args []string) int {
	flags := flag.NewFlagSet("scenes", flag.ContinueOnError)
	name := flags.String("scene", "", "")
	list := flags.Bool("list", false, "")
	asJSON := flags.Bool("json", false, "")
	ascii := flags.Bool("ascii", false, "")
	var svg *string
	flags.Func("svg", "", func(file string) error { svg = &file; return nil })
	if status, ok := s.parse(flags, args); !ok {
		return status
	}
	if *list {
		for _, sc := range s.Scenes {
			fmt.Fprintf(s.out, "%-16s %s\n", sc.Name, cmp.Or(sc.NaiveLine, sc.Line))
		}
		return done
	}
	chosen := s.Scenes
	if *name != "" {
		i := slices.Index(s.names(), *name)
		if i < 0 {
			return s.misuse("lesson %s has no scene %q; it has %s", s.Number, *name,
				strings.Join(s.names(), ", "))
		}
		chosen = s.Scenes[i : i+1]
	}
	style := s.style(*ascii)
	var recorded []timeline.Scene
	for _, sc := range chosen {
		for _, t := range sc.takes() {
			if !*asJSON {
				fmt.Fprintln(s.out, heading(style, t.title))
			}
			r, err := record(ctx, t)
			recorded = append(recorded, timeline.Scene{Title: r.Title, Events: r.Events})
			if err := s.draw(r, style, *asJSON); err != nil {
				return s.fail("writing the picture: %v", err)
			}
			if ctx.Err() != nil {
				return done // interrupted
			}
			if err != nil && !errors.Is(err, errors.ErrUnsupported) {
				return s.fail("scene %s could not be played: %v", t.scene, err)
			}
		}
	}
	if svg != nil {
		return s.writeSVG(*svg, recorded)
	}
	return done
}

// draw writes what was recorded, as a picture or as JSON lines.
func (s *session) draw(r Recording, style timeline.Style, asJSON bool) error {
	if asJSON {
		return timeline.WriteJSON(s.out, r.Events)
	}
	if err := timeline.Text(s.out, r.Events, style); err != nil {
		return err
	}
	_, err := fmt.Fprintln(s.out)
	return err
}

func (s *session) names() []string {
	var names []string
	for _, sc := range s.Scenes {
		names = append(names, sc.Name)
	}
	return names
}

// heading is as wide as the picture below it.
func heading(style timeline.Style, title string) string {
	words := strings.Fields(title)
	mark, end := "# ", ""
	if style.Color {
		mark, end = "\x1b[1;34m", "\x1b[0m"
	}
	text, column := mark, 2 // as in the lines that follow
	for i, word := range words {
		n := utf8.RuneCountInString(word)
		switch {
		case i == 0:
		case column+1+n > style.Width:
			text, column = text+"\n  ", 2
		default:
			text, column = text+" ", column+1
		}
		text, column = text+word, column+n
	}
	return text + end
}

// Recording is what came of one take.
type Recording struct {
	Title string // "spin (naive.go): the client leaves; …"
	scenario.Outcome
	Events []timeline.Event // with the verdicts: the scene's own, or else those that the events give
}

// Verdicts lists what the take came to, in order.
func (r Recording) Verdicts() []string {
	var list []string
	for _, e := range r.Events {
		if e.Op == timeline.Verdict {
			list = append(list, e.Text)
		}
	}
	return list
}

// record plays a take.
func record(ctx context.Context, t take) (Recording, error) {
	rec := timeline.NewRecorder(t.scene)
	log.SetFlags(0)
	log.SetOutput(notes{rec})
	defer log.SetOutput(os.Stderr)
	outcome, err := playWithin(ctx, t.play, rec)
	if errors.Is(err, errors.ErrUnsupported) {
		rec.State(0, "not on this system: %v", err)
		rec.Verdict("this scene cannot be played on %s", runtime.GOOS)
	}
	events := rec.Events()
	if err == nil && timeline.Count(events, "", timeline.Verdict) == 0 {
		for _, v := range timeline.Verdicts(events) {
			rec.Verdict("%s", v)
		}
		events = rec.Events()
	}
	return Recording{t.title, outcome, events}, err
}

// playWithin plays until the play ends, ctx ends, or sceneLimit has passed.
func playWithin(
	ctx context.Context, play scenario.Play, rec *timeline.Recorder,
) (scenario.Outcome, error) {
	type result struct {
		outcome scenario.Outcome
		err     error
	}
	played := make(chan result, 1)
	go func() {
		outcome, err := play(rec)
		played <- result{outcome, err}
	}()
	limit := time.NewTimer(sceneLimit)
	defer limit.Stop()
	select {
	case r := <-played:
		return r.outcome, r.err
	case <-ctx.Done():
		select {
		case <-played:
		case <-time.After(sceneGrace): // somebody changed the lesson, and it hangs
		}
		return scenario.Outcome{}, context.Cause(ctx)
	case <-limit.C:
		return scenario.Outcome{}, fmt.Errorf("it did not end within %v", sceneLimit)
	}
}

// Play records one take of a scene for a test: the naive one if naive is set. Its error is
// errors.ErrUnsupported when this system can never play it.
func Play(ctx context.Context, sc Scene, naive bool) (Recording, error) {
	for _, t := range sc.takes() {
		if t.naive == naive {
			return record(ctx, t)
		}
	}
	return Recording{}, fmt.Errorf("scene %s has no such take", sc.Name)
}

// notes turns what a lesson's code logs into notes of the server, or of the client if the line
// begins with "client: ".
type notes struct{ rec *timeline.Recorder }

func (n notes) Write(p []byte) (int, error) {
	side := "server"
	line, ok := bytes.CutPrefix(bytes.TrimSpace(p), []byte("client: "))
	if ok {
		side = "client"
	}
	n.rec.Note(side, nil, "log: %s", line)
	return len(p), nil
}

// style follows the terminal: its width; colour and box drawing only there, and not when NO_COLOR
// is set.
func (s *session) style(ascii bool) timeline.Style {
	st := timeline.Style{Width: 80, ASCII: ascii}
	if f, ok := s.out.Writer.(*os.File); ok && isTerminal(f) {
		if columns := terminalWidth(f); columns > 0 {
			st.Width = min(columns, 160)
		}
	}
	if n, err := strconv.Atoi(os.Getenv("COLUMNS")); err == nil && n > 0 {
		st.Width = min(n, 160)
	}
	if isTerminal(s.out.Writer) && os.Getenv("NO_COLOR") == "" {
		st.Color, st.Box = os.Getenv("TERM") != "dumb", true
	}
	if ascii {
		st.Color, st.Box = false, false
	}
	return st
}

// writeSVG draws the scenes into a file, which may be a picture already and nothing else.
func (s *session) writeSVG(name string, scenes []timeline.Scene) int {
	if before, err := os.ReadFile(name); err == nil && !bytes.HasPrefix(before, []byte("<svg")) {
		return s.fail("writing the picture: %s exists and is no SVG picture; it is left as it is: "+
			"name another file", name)
	}
	f, err := os.Create(name)
	if err != nil {
		return s.fail("writing the picture: %v; "+
			"give a file in a folder that exists and that you may write to", err)
	}
	err = timeline.SVG(f, scenes)
	if cerr := f.Close(); err == nil {
		err = cerr
	}
	if err != nil {
		return s.fail("writing the picture to %s: %v", name, err)
	}
	return done
}
