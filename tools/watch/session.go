package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"regexp"
	"runtime/debug"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"

	"socketbook/tools/internal/labrun"
	"socketbook/tools/internal/progress"
	"socketbook/tools/internal/rowdiff"
	"socketbook/tools/internal/runner"
	"socketbook/tools/timeline"
)

// session is a student at a terminal. Everything but the follower and the reader of keys runs in
// one goroutine.
type session struct {
	root     string
	labs     []labrun.Lab
	at       int // the place of the lab
	store    *progress.Store
	builder  *runner.Builder
	terminal *terminal
	style    style
	seed     atomic.Uint64 // of all runs; 0 for a new one each time

	ctx      context.Context
	events   chan func() // to be run in the session's goroutine
	crashed  chan string
	follower *labrun.Follower
	followed context.Context // ends with the follower
	leave    func()          // ends the follower, and waits for its end

	state   labrun.State
	hints   int  // of the first failure, shown so far
	asking  bool // whether to reset the file
	drawing bool // a timeline is being made
	over    bool
}

// help lists the keys, in two columns where there is room.
var help = [][2]string{
	{"r  run again", "n  next lab"},
	{"a  all failures in full", "p  previous lab"},
	{"h  a hint, step by step", "l  list all labs"},
	{"t  timeline of the first one", "d  diff to the starter"},
	{"s  same seed, or a new one", "o  open the file in your editor"},
	{"x  reset the file", "q  quit, as does Ctrl-C"},
}

// run serves the terminal until the student leaves.
func (s *session) run() error {
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	defer signal.Stop(signals)
	if err := s.terminal.raw(); err != nil {
		return fmt.Errorf("reading single keys: %w", err)
	}
	defer s.terminal.restore() // also when this goroutine panics
	ctx, stop := context.WithCancel(context.Background())
	defer stop()
	s.ctx, s.events, s.crashed, s.leave = ctx, make(chan func()), make(chan string, 1), func() {}
	more := make(chan struct{}, 1)
	defer close(more)
	keys := s.terminal.keys(more)
	more <- struct{}{}
	s.follow()
	for !s.over {
		select {
		case typed, ok := <-keys:
			if !ok {
				s.over = true
				continue
			}
			s.typed(typed)
			for range len(signals) { // Ctrl-C in an editor was the editor's
				<-signals
			}
			more <- struct{}{}
		case change := <-s.events:
			change()
		case <-signals:
			s.over = true
		case stack := <-s.crashed:
			panic(stack)
		}
	}
	s.status("")
	s.leave()
	return nil
}

// spawn runs f in a goroutine. If it panics, the session's goroutine does, which restores the terminal.
func (s *session) spawn(f func()) {
	go func() {
		defer func() {
			if why := recover(); why != nil {
				s.crashed <- fmt.Sprintf("%v\n%s", why, debug.Stack())
			}
		}()
		f()
	}()
}

// do has the session's goroutine run f, unless ctx has ended.
func (s *session) do(ctx context.Context, f func()) {
	select {
	case s.events <- f:
	case <-ctx.Done():
	}
}

// follow begins to run the lab at s.at.
func (s *session) follow() {
	s.leave()
	ctx, stop := context.WithCancel(s.ctx)
	f := labrun.NewFollower(s.builder, s.labs[s.at], func(st labrun.State) { s.do(ctx, func() { s.show(st) }) })
	f.Seed = s.seed.Load
	var running sync.WaitGroup
	running.Add(1)
	s.spawn(func() {
		defer running.Done()
		f.Follow(ctx)
	})
	s.follower, s.followed, s.leave = f, ctx, func() { stop(); running.Wait() }
	s.state, s.hints = labrun.State{Lab: s.labs[s.at]}, 0
}

// say writes a block above the line of keys.
func (s *session) say(text string) {
	s.terminal.print(s.erase() + strings.TrimRight(text, "\n") + "\n\n")
	s.prompt()
}

// erase takes the line of keys, or a status, away.
func (s *session) erase() string {
	if os.Getenv("TERM") == "dumb" {
		return "\n"
	}
	return "\r\x1b[K"
}

// status writes over the last line.
func (s *session) status(text string) {
	if os.Getenv("TERM") == "dumb" && text != "" {
		return
	}
	s.terminal.print(s.erase() + s.style.cut(text, s.style.columns()-1))
}

func (s *session) prompt() {
	keys := "r run  h hint  a all  t timeline  n next  l list  ? help  q quit"
	if s.style.columns() < timeline.Width(keys)+2 {
		keys = "r run  h hint  a all  ? help  q quit"
	}
	s.terminal.print(s.style.paint(dim, s.style.cut(keys, s.style.columns()-2)) + " ")
}

// show shows a state of the lab.
func (s *session) show(st labrun.State) {
	was := s.state
	s.state = st
	switch st.Phase {
	case labrun.Building:
		s.status(st.Lab.Name() + ": building" + s.style.mark("…", "..."))
	case labrun.Running:
		s.status(fmt.Sprintf("%s: running%s %d cases done", st.Lab.Name(), s.style.mark("…", "..."), len(st.Live)))
	case labrun.Done:
		if a, b := first(st), first(was); a != b {
			s.hints = 0
		}
		s.say(s.style.result(st))
		remember(s.store, st.Lab, *st.Result, s.say)
	default:
		s.say(s.style.refused(st))
	}
}

// first is the name of the failure that is shown.
func first(st labrun.State) string {
	if st.Result == nil || st.Result.First() == nil {
		return ""
	}
	return st.Result.First().Name
}

// special matches what arrows and other keys without a character send: ECMA-48, 5.4, and SS3.
var special = regexp.MustCompile(`\x1b(\[[0-?]*[ -/]*[@-~]|O.)?`)

// typed handles what was typed at once: one key, or several that were typed ahead.
func (s *session) typed(typed []byte) {
	for _, key := range special.ReplaceAll(typed, nil) {
		if s.over {
			return
		}
		s.key(key)
	}
}

const (
	controlC = 0x03
	controlD = 0x04
	controlZ = 0x1a
)

func (s *session) key(key byte) {
	if s.asking {
		s.asking = false
		if key == 'y' || key == 'Y' {
			s.reset()
		} else {
			s.say("Nothing was changed.")
		}
		return
	}
	switch key {
	case 'q', controlC, controlD:
		s.over = true
	case 'r':
		// The follower may be waiting for this goroutine to take a state.
		f, ctx := s.follower, s.followed
		s.spawn(func() { f.Again(ctx) })
	case 'a':
		s.all()
	case 'h':
		s.hint()
	case 't':
		s.timeline()
	case 's':
		s.sameSeed()
	case 'n':
		s.move(1)
	case 'p':
		s.move(-1)
	case 'l':
		s.say(s.style.list(s.labs, s.store.Load(), s.at))
	case 'd':
		s.diff()
	case 'o':
		s.open()
	case 'x':
		s.asking = true
		s.status("Reset " + s.state.Lab.File + "? y/n (a copy of yours is kept) ")
	case controlZ:
		s.status("")
		s.terminal.restore()
		suspend()
		_ = s.terminal.raw()
		s.prompt()
	case '?':
		s.say(s.style.help())
	}
}

// all shows every failure in full.
func (s *session) all() {
	if s.state.Result == nil {
		s.say("There is no result yet.")
		return
	}
	var b strings.Builder
	if s.state.Stale {
		b.WriteString("stale, of " + s.state.Ended.Format("15:04:05") + "\n")
	}
	s.style.failures(&b, *s.state.Result)
	if b.Len() == 0 {
		b.WriteString("Nothing fails.")
	}
	s.say(b.String())
}

// hint shows one more piece of advice about the first failure.
func (s *session) hint() {
	if s.state.Result == nil || s.state.Result.First() == nil {
		s.say(fmt.Sprintf("Nothing fails that there is a hint for. The task is in "+
			"labs/%s/README.md.", s.state.Lab.Number))
		return
	}
	a := labrun.Split(s.state.Result.First().Report)
	var steps []string
	for _, step := range [][2]string{
		{"The rule: ", a.Rule},
		{"Try next: ", a.Next},
		{"See it happen: ", a.Scene},
	} {
		if step[1] != "" {
			steps = append(steps, clean(step[0]+step[1]))
		}
	}
	if s.hints >= len(steps) {
		s.say("There are no more hints; a shows the whole failure, t what crossed the connection.")
		return
	}
	more := ""
	if s.hints+1 < len(steps) {
		more = "\n" + s.style.paint(dim, "h again for more")
	}
	s.say(s.style.fold(steps[s.hints]) + more)
	s.hints++
}

// timeline runs the first failure again, with the same random choices, and shows what crossed the
// connection.
func (s *session) timeline() {
	if first(s.state) == "" || s.drawing {
		s.say("Nothing fails that could be drawn.")
		return
	}
	s.drawing = true
	lab, name, seed := s.state.Lab, first(s.state), s.state.Result.Seed
	ctx, builder := s.ctx, s.builder
	s.status("running the case again…")
	s.spawn(func() {
		r, err := labrun.Run(ctx, builder, lab, labrun.Options{Seed: seed, Only: name, Timeline: true})
		s.do(ctx, func() {
			s.drawing = false
			switch {
			case err != nil:
				s.say(clean("The timeline could not be made: " + err.Error()))
			case r.First() == nil:
				s.say("This time the case passed; the code has changed, or it depends on chance.")
			default:
				s.say(clean(r.First().Report))
			}
		})
	})
}

func (s *session) sameSeed() {
	switch {
	case s.seed.Load() != 0:
		s.seed.Store(0)
		s.say("Each run makes new random choices.")
	case s.state.Result == nil:
		s.say("There is no run yet whose seed could be kept.")
	default:
		s.seed.Store(s.state.Result.Seed)
		s.say(fmt.Sprintf("Every run now makes the same random choices: seed %d. s again for new "+
			"ones.", s.seed.Load()))
	}
}

func (s *session) move(by int) {
	to := s.at + by
	if to < 0 || to >= len(s.labs) {
		s.say("There is no further lab in that direction; l lists them all.")
		return
	}
	s.at = to
	s.follow()
}

// diff shows what the student has changed.
func (s *session) diff() {
	starter, err := labrun.Starter(s.root, s.store, s.state.Lab)
	if err != nil {
		s.say(clean(err.Error()))
		return
	}
	now, err := os.ReadFile(filepath.Join(s.root, filepath.FromSlash(s.state.Lab.File)))
	if err != nil {
		s.say(clean(err.Error()))
		return
	}
	before, after := string(starter), string(now)
	if before == after {
		s.say(s.state.Lab.File + " is the starter, unchanged.")
		return
	}
	var b strings.Builder
	for line := range strings.Lines(clean(rowdiff.CompareFile(s.state.Lab.File, &before, &after).Unified(3))) {
		line = strings.TrimSuffix(line, "\n")
		switch line[:min(1, len(line))] {
		case "+":
			line = s.style.paint(green, line)
		case "-":
			line = s.style.paint(red, line)
		case "@":
			line = s.style.paint(dim, line)
		}
		b.WriteString(line + "\n")
	}
	s.say(b.String())
}

// open lets the student's editor have the terminal.
func (s *session) open() {
	editor := strings.Fields(os.Getenv("VISUAL"))
	if len(editor) == 0 {
		editor = strings.Fields(os.Getenv("EDITOR"))
	}
	if len(editor) == 0 {
		s.say("No editor is named: set VISUAL or EDITOR, such as export EDITOR=nano. The file is " +
			s.state.Lab.File)
		return
	}
	s.status("")
	s.terminal.restore()
	cmd := exec.Command(editor[0], append(editor[1:],
		filepath.Join(s.root, filepath.FromSlash(s.state.Lab.File)))...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = s.terminal.in, s.terminal.out, s.terminal.out
	err := cmd.Run()
	if rawErr := s.terminal.raw(); err == nil {
		err = rawErr
	}
	if err != nil {
		s.say(clean(fmt.Sprintf("The editor %s: %v", editor[0], err)))
		return
	}
	s.say("Back from " + clean(editor[0]) + ".")
}

func (s *session) reset() {
	kept, err := labrun.Reset(s.root, s.store, s.state.Lab)
	switch {
	case err != nil:
		s.say(clean("Nothing was changed: " + err.Error()))
	case kept == "":
		s.say(s.state.Lab.File + " is the starter again.")
	default:
		s.say(s.state.Lab.File + " is the starter again. Yours is kept as " + kept)
	}
}
