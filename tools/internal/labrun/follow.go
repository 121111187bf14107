package labrun

import (
	"cmp"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"go/parser"
	"go/token"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime/debug"
	"time"

	"socketbook/tools/internal/runner"
)

const (
	pollPause = 150 * time.Millisecond // between two looks at the file
	halfPause = 100 * time.Millisecond // more for a file that is empty or half-written
	// coarsest is the coarsest clock of a file system (FAT: 2 s). A file that changed so lately may
	// change again without another time.
	coarsest = 3 * time.Second
)

// watched is a file that somebody edits. It is looked at by size, time and identity, and read when
// these differ: that works on network drives, under WSL, and with editors that put a new file in
// the place of the old one.
type watched struct {
	path string
	info os.FileInfo // nil: there is no file
	sum  [sha256.Size]byte
	text []byte
}

// look reports whether the content differs from that of the last call.
func (w *watched) look() bool {
	info, err := os.Stat(w.path)
	if err != nil {
		was := w.info
		w.info, w.text, w.sum = nil, nil, [sha256.Size]byte{}
		return was != nil
	}
	if w.info != nil && os.SameFile(w.info, info) && w.info.Size() == info.Size() &&
		w.info.ModTime().Equal(info.ModTime()) &&
		time.Since(info.ModTime()) > coarsest {
		return false
	}
	text, err := os.ReadFile(w.path)
	if err != nil {
		return false // it is being replaced: the next look will tell
	}
	appeared := w.info == nil
	sum := sha256.Sum256(text)
	changed := appeared || sum != w.sum
	w.info, w.sum, w.text = info, sum, text
	return changed
}

// half reports whether the file looks as if it was still being written.
func (w *watched) half() bool {
	if w.info == nil {
		return false
	}
	_, err := parser.ParseFile(token.NewFileSet(), "", w.text, parser.SkipObjectResolution)
	return err != nil // an empty file too
}

// Phase says what is going on.
type Phase string

// The phases.
const (
	Missing  Phase = "missing"  // the file is not there
	Building Phase = "building" //
	Running  Phase = "running"  //
	Refused  Phase = "refused"  // the compiler refused it; Trouble is its output
	Failed   Phase = "failed"   // there is no result for another reason, which is in Trouble
	Done     Phase = "done"     // Result is of what the file holds
)

// State is what is known of a lab that is followed.
type State struct {
	Lab     Lab
	Phase   Phase
	Trouble string
	Live    []Case   // of the run that is going on
	Result  *Result  // the last one; nil before the first
	Stale   bool     // Result is not of what the file holds now
	Fixed   []string // what Result has that the one before had not
	Broke   []string
	Changed time.Time // when the content was seen
	Ended   time.Time // when Result came
}

// Follower runs a lab at once and then at every change of its file.
type Follower struct {
	Lab     Lab
	Builder *runner.Builder
	Seed    func() uint64 // of the next run; nil for a new one each time
	Tell    func(State)   // called from one goroutine, with every change
	again   chan struct{} // requests for a run
	state   State
	runs    func(ctx context.Context, o Options, running func(), live func(Case)) (Result, error)
}

// NewFollower returns a follower; Follow sets it going.
func NewFollower(b *runner.Builder, lab Lab, tell func(State)) *Follower {
	f := &Follower{Lab: lab, Builder: b, Tell: tell, again: make(chan struct{})}
	f.runs = func(ctx context.Context, o Options, running func(), live func(Case)) (Result, error) {
		binary, err := b.Lab(ctx, lab.Number)
		if err != nil {
			return Result{}, err
		}
		defer os.Remove(binary)
		running()
		return execute(ctx, b.Root, binary, lab, o, live)
	}
	return f
}

// Again asks for a run although nothing has changed.
func (f *Follower) Again(ctx context.Context) {
	select {
	case f.again <- struct{}{}:
	case <-ctx.Done():
	}
}

// Follow runs until ctx ends; no process of a run is left then. A change during a run ends the run,
// and the next one begins when nothing of it is left.
func (f *Follower) Follow(ctx context.Context) {
	f.state = State{Lab: f.Lab}
	file := &watched{path: filepath.Join(f.Builder.Root, filepath.FromSlash(f.Lab.File))}
	file.look()
	tick := time.NewTicker(pollPause)
	defer tick.Stop()
	for ctx.Err() == nil {
		for more := file.half(); more; { // also another 100 ms for what changes meanwhile
			more = pause(ctx, halfPause) && file.look()
		}
		f.state.Changed = time.Now()
		if file.info == nil {
			f.state.Phase, f.state.Stale, f.state.Live = Missing, f.state.Result != nil, nil
			f.Tell(f.state)
			f.wait(ctx, file, tick.C, nil)
			continue
		}
		run, end := context.WithCancel(ctx)
		over := make(chan struct{})
		news := make(chan func(), 64) // changes of the state; they are made in this goroutine
		go func() {
			defer close(over)
			f.run(run, news)
		}()
		f.begin(Building)
		f.wait(ctx, file, tick.C, news)
		end()
		for running := true; running; {
			select {
			case <-news: // of a run that nobody wants any more
			case <-over:
				running = false
			}
		}
	}
}

// wait returns when the content has changed, a run is asked for, or ctx has ended. Meanwhile it
// passes on news.
func (f *Follower) wait(ctx context.Context, file *watched, tick <-chan time.Time, news <-chan func()) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick:
			if file.look() {
				return
			}
		case <-f.again:
			file.look()
			return
		case change := <-news:
			change()
			f.Tell(f.state)
		}
	}
}

func pause(ctx context.Context, d time.Duration) bool {
	select {
	case <-ctx.Done():
		return false
	case <-time.After(d):
		return true
	}
}

func (f *Follower) begin(p Phase) {
	f.state.Phase, f.state.Live, f.state.Stale, f.state.Trouble = p, nil, f.state.Result != nil, ""
	f.Tell(f.state)
}

// run makes one run.
func (f *Follower) run(ctx context.Context, news chan<- func()) {
	say := func(change func()) {
		select {
		case news <- change:
		case <-ctx.Done():
		}
	}
	defer func() {
		if why := recover(); why != nil { // it is for the caller of Follow to know
			stack := debug.Stack()
			say(func() { panic(fmt.Sprintf("%v\n%s", why, stack)) })
		}
	}()
	o := Options{Seed: 1 + rand.Uint64N(9999)}
	if f.Seed != nil {
		o.Seed = cmp.Or(f.Seed(), o.Seed)
	}
	running := func() { say(func() { f.state.Phase = Running }) }
	live := func(c Case) {
		say(func() { f.state.Live = append(f.state.Live[:len(f.state.Live):len(f.state.Live)], c) })
	}
	result, err := f.runs(ctx, o, running, live)
	if ctx.Err() != nil {
		return
	}
	var refused *runner.BuildError
	say(func() {
		switch {
		case errors.As(err, &refused):
			f.state.Phase, f.state.Trouble = Refused, refused.Error()
		case err != nil:
			f.state.Phase, f.state.Trouble = Failed, err.Error()
		default:
			f.state.Fixed, f.state.Broke = nil, nil
			if f.state.Result != nil {
				f.state.Fixed, f.state.Broke = result.Changes(*f.state.Result)
			}
			f.state.Phase, f.state.Result, f.state.Stale, f.state.Live = Done, &result, false, nil
			f.state.Ended = time.Now()
		}
	})
}
