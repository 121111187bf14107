package stage

import (
	"bytes"
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

	"socketbook/tools/timeline"
)

// sceneLimit ends a scene that hangs. No scene comes near it.
const sceneLimit = 20 * time.Second

// sceneGrace is how long an interrupted scene may go on, to put away what it made. A scene takes less than half a second.
const sceneGrace = time.Second

// take is one recording of a scene: with the code of naive.go, or with that of server.go and client.go.
type take struct {
	Scene
	play  func(*timeline.Recorder) error
	title string
}

// takes lists what a scene plays, the naive code first.
func (sc Scene) takes() []take {
	var ts []take
	if sc.Naive != nil {
		ts = append(ts, take{sc, sc.Naive, sc.Name + " (naive.go)"})
	}
	if sc.Run != nil {
		title := sc.Name
		if sc.Naive != nil {
			title += " (put right)"
		}
		ts = append(ts, take{sc, sc.Run, title})
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
	svg := flags.String("svg", "", "")
	if status, ok := s.parse(flags, args); !ok {
		return status
	}
	if *svg == "" && given(flags, "svg") {
		return s.misuse("-svg '': a picture needs the name of a file: %s", s.command("-svg picture.svg"))
	}
	if *list {
		for _, sc := range s.Scenes {
			fmt.Fprintf(s.out, "%-16s %s\n", sc.Name, sc.Line)
		}
		return done
	}
	chosen := s.Scenes
	if *name != "" {
		i := slices.IndexFunc(s.Scenes, func(sc Scene) bool { return sc.Name == *name })
		if i < 0 {
			return s.misuse("lesson %s has no scene %q; it has %s", s.Number, *name, strings.Join(s.names(), ", "))
		}
		chosen = s.Scenes[i : i+1]
	}
	style := s.style(*ascii)
	var recorded []timeline.Scene
	for _, sc := range chosen {
		for _, t := range sc.takes() {
			if !*asJSON {
				fmt.Fprintf(s.out, "%s\n", heading(style, t))
			}
			events, err := record(ctx, t)
			recorded = append(recorded, timeline.Scene{Title: t.title + ": " + sc.Line, Events: events})
			draw := func() error {
				if *asJSON {
					return timeline.WriteJSON(s.out, events)
				}
				if err := timeline.Text(s.out, events, style); err != nil {
					return err
				}
				_, err := fmt.Fprintln(s.out)
				return err
			}
			if err := draw(); readerLeft(err) {
				return done
			} else if err != nil {
				return s.fail("writing the picture: %v", err)
			}
			if ctx.Err() != nil {
				return done // interrupted
			}
			if err != nil {
				return s.fail("scene %s could not be played: %v", t.title, err)
			}
		}
	}
	if *svg != "" {
		return s.writeSVG(*svg, recorded)
	}
	return done
}

func (s *session) names() []string {
	var names []string
	for _, sc := range s.Scenes {
		names = append(names, sc.Name)
	}
	return names
}

// heading is as wide as the picture below it.
func heading(style timeline.Style, t take) string {
	text := t.title + ": " + t.Line
	if style.ASCII {
		text = strconv.QuoteToASCII(text)
		text = strings.ReplaceAll(text[1:len(text)-1], `\"`, `"`)
	}
	text = wrapWords("# "+text, "  ", style.Width)
	if style.Color {
		return "\x1b[1;34m" + strings.TrimPrefix(text, "# ") + "\x1b[0m"
	}
	return text
}

// record plays a take and returns its events. When the scene gave no verdict of its own, the events are asked.
func record(ctx context.Context, t take) ([]timeline.Event, error) {
	rec := timeline.NewRecorder(t.Name)
	log.SetFlags(0)
	log.SetOutput(notes{rec})
	defer log.SetOutput(os.Stderr)
	played := make(chan error, 1)
	go func() { played <- t.play(rec) }()
	limit := time.NewTimer(sceneLimit)
	defer limit.Stop()
	var err error
	select {
	case err = <-played:
	case <-ctx.Done():
		err = context.Cause(ctx)
		select {
		case <-played:
		case <-time.After(sceneGrace): // somebody changed the lesson, and it hangs
		}
	case <-limit.C:
		err = fmt.Errorf("it did not end within %v", sceneLimit)
	}
	if errors.Is(err, errors.ErrUnsupported) {
		rec.State(0, "not on this system: %v", err)
		rec.Verdict("this scene cannot be played on %s", runtime.GOOS)
		err = nil
	}
	events := rec.Events()
	if err == nil && timeline.Count(events, "", timeline.Verdict) == 0 {
		for _, v := range timeline.Verdicts(events) {
			rec.Verdict("%s", v)
		}
		events = rec.Events()
	}
	return events, err
}

// Play records one take of a scene for a test: the naive one if naive is set. It returns the events, verdicts included.
func Play(ctx context.Context, sc Scene, naive bool) ([]timeline.Event, error) {
	for _, t := range sc.takes() {
		if strings.Contains(t.title, "naive.go") == naive {
			return record(ctx, t)
		}
	}
	return nil, fmt.Errorf("scene %s has no such take", sc.Name)
}

// notes turns what a lesson's code logs into notes of the server, or of the client if the line begins with "client: ".
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

// style follows the terminal: its width, its colours, its characters. Anything else gets no colour and no box drawing.
func (s *session) style(ascii bool) timeline.Style {
	st := timeline.Style{Width: 80, ASCII: ascii}
	if f, ok := s.out.Writer.(*os.File); ok && isTerminal(f) {
		if columns := terminalWidth(f); columns > 0 {
			st.Width = min(columns, 160)
		}
		st.Color, st.Box = drawing(encodingOf(runtime.GOOS, os.Getenv), os.Getenv)
		st.Color = st.Color && enableColour(f)
		st.ASCII = ascii || !st.Box
		st.Box = st.Box && !ascii
	}
	if n, err := strconv.Atoi(os.Getenv("COLUMNS")); err == nil && n > 0 {
		st.Width = min(n, 160)
	}
	return st
}
