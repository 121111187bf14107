package stage

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log"
	"os"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"time"

	"socketbook/lessons/internal/scenario"
	"socketbook/tools/timeline"
)

// sceneLimit ends a scene that hangs. No scene comes near it on a machine with time to spare.
const sceneLimit = 3 * time.Minute

// sceneGrace is how long an interrupted scene may go on, to put away what it made. A scene takes
// less than half a second.
const sceneGrace = time.Second

// Take is one way to play a scene: with the code of naive.go, or with that of server.go and
// client.go.
type Take struct {
	Scene string // its name
	Title string // "spin (naive.go): the client leaves; …"
	Naive bool
	Play  scenario.Play
}

// Name tells the takes of all scenes of a lesson apart. It is the name of the scene unless the take
// is the naive one.
func (t Take) Name() string {
	if t.Naive {
		return t.Scene + "-naive"
	}
	return t.Scene
}

// Takes lists what a scene plays, the naive code first.
func (sc Scene) Takes() []Take {
	var ts []Take
	if sc.Naive != nil {
		line := cmp.Or(sc.NaiveLine, sc.Line)
		ts = append(ts, Take{sc.Name, sc.Name + " (naive.go): " + line, true, sc.Naive})
	}
	if sc.Run != nil {
		name := sc.Name
		if sc.Naive != nil {
			name += " (fixed)"
		}
		ts = append(ts, Take{sc.Name, name + ": " + sc.Line, false, sc.Run})
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
	pcap := new(string)
	if s.Segments {
		pcap = flags.String("pcap", "", "")
	}
	if status, ok := s.parse(flags, args); !ok {
		return status
	}
	if *svg == "" && given(flags, "svg") {
		return s.misuse("-svg '': a picture needs the name of a file: %s", s.command("-svg picture.svg"))
	}
	if *pcap == "" && given(flags, "pcap") {
		return s.misuse("-pcap '': segments need the name of a file: %s", s.command("-pcap segments.pcap"))
	}
	if *list {
		for _, sc := range s.Scenes {
			fmt.Fprintf(s.out, "%-19s %s\n", sc.Name, cmp.Or(sc.NaiveLine, sc.Line))
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
	if *svg != "" {
		// Before anything is played.
		if err := replaceable(*svg, "is no picture of a lesson's", timeline.SVGBegin); err != nil {
			return s.fail("writing the picture: %v", err)
		}
	}
	if *pcap != "" {
		if err := replaceable(*pcap, "holds no segments of a lesson's", pcapMagic, otherMagic); err != nil {
			return s.fail("writing the segments: %v", err)
		}
	}
	show := s.drawn(s.style(*ascii))
	if *asJSON {
		show = s.streamed
	}
	var segments [][]byte
	recorded, status := s.playAll(ctx, chosen, func(ctx context.Context, t Take) (Recording, error) {
		r, err := show(ctx, t)
		segments = append(segments, r.Pcap)
		return r, err
	})
	if *pcap != "" && status == done && ctx.Err() == nil {
		status = s.writePcap(*pcap, segments)
	}
	if *svg != "" && status == done && ctx.Err() == nil {
		return s.writeSVG(*svg, chosen, recorded)
	}
	return status
}

// playAll plays all takes of the scenes and shows each. An interrupt ends it, and is no failure.
func (s *session) playAll(
	ctx context.Context, chosen []Scene, show func(context.Context, Take) (Recording, error),
) (recorded []timeline.Scene, status int) {
	for _, sc := range chosen {
		for _, t := range sc.Takes() {
			r, err := show(ctx, t)
			recorded = append(recorded, timeline.Scene{Title: t.Title, Events: r.Events})
			switch {
			case s.out.failure() != nil || ctx.Err() != nil: // Run says what is wrong with standard output
				return recorded, done
			case err != nil && !errors.Is(err, errors.ErrUnsupported):
				return recorded, s.fail("scene %s could not be played: %v", t.Scene, err)
			}
		}
	}
	return recorded, done
}

// drawn plays a take and draws it.
func (s *session) drawn(style timeline.Style) func(context.Context, Take) (Recording, error) {
	return func(ctx context.Context, t Take) (Recording, error) {
		fmt.Fprintln(s.out, heading(style, t.Title))
		r, err := record(ctx, t, timeline.NewRecorder(t.Name()))
		draw(s.out, r.Events, style)
		return r, err
	}
}

// streamed plays a take and writes each event when it happens.
func (s *session) streamed(ctx context.Context, t Take) (Recording, error) {
	rec := timeline.NewRecorder(t.Name())
	stop := rec.Stream(s.out)
	r, err := record(ctx, t, rec)
	stop() // Run says what is wrong with standard output
	return r, err
}

// Draw writes a recorded take as the lesson shows it, without colour.
func Draw(w io.Writer, title string, events []timeline.Event, style timeline.Style) {
	fmt.Fprintln(w, heading(style, title))
	draw(w, events, style)
}

func draw(w io.Writer, events []timeline.Event, style timeline.Style) {
	timeline.Text(w, events, style)
	fmt.Fprintln(w)
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
	if style.ASCII {
		title = strconv.QuoteToASCII(title)
		title = strings.ReplaceAll(title[1:len(title)-1], `\"`, `"`)
	}
	text := wrapWords("# "+title, "  ", style.Width)
	if style.Color {
		return "\x1b[1;34m" + strings.TrimPrefix(text, "# ") + "\x1b[0m"
	}
	return text
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
func record(ctx context.Context, t Take, rec *timeline.Recorder) (Recording, error) {
	log.SetFlags(0)
	log.SetOutput(notes{rec})
	defer log.SetOutput(os.Stderr)
	outcome, err := playWithin(ctx, t.Play, rec)
	if errors.Is(err, errors.ErrUnsupported) {
		rec.State(0, "not on this system: %v", err)
		rec.Verdict("this scene cannot be played on %s", runtime.GOOS)
	}
	events := rec.Snapshot()
	if err == nil && timeline.Count(events, "", timeline.Verdict) == 0 {
		for _, v := range timeline.Verdicts(events) {
			rec.Verdict("%s", v)
		}
		events = rec.Snapshot()
	}
	return Recording{t.Title, outcome, events}, err
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
	for _, t := range sc.Takes() {
		if t.Naive == naive {
			return record(ctx, t, timeline.NewRecorder(t.Name()))
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

// style follows the terminal: its width, its colours, its characters. Anything else gets no colour
// and no box drawing. style follows the terminal: its width; colour and box drawing only there, and
// not when NO_COLOR is set.
func (s *session) style(ascii bool) timeline.Style {
	st := timeline.Style{Width: 80, ASCII: ascii}
	if f, ok := s.out.Writer.(*os.File); ok && IsTerminal(f) {
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
