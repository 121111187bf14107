package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"socketbook/tools/internal/runner"
	"socketbook/tools/timeline"
)

const (
	mostEvents  = 20_000 // of one run; a scene has fewer than 200
	mostOdd     = 20     // lines that are no events and are kept
	oddLength   = 300    // bytes of such a line that are kept
	sceneLimit  = time.Minute
	mostRunning = 4 // scenes that play at the same time, of all tabs
)

// phase says how far a run is.
type phase string

const (
	building phase = "building"
	playing  phase = "playing"
	finished phase = "finished"
	broken   phase = "broken" // trouble says why
)

// take is one recording of a run: of the naive code, or of the right one.
type take struct {
	events []timeline.Event
	place  map[int]int // seq → place in events
}

// play is one run of a scene. Its methods may be called from any goroutine.
type play struct {
	ID            string
	Lesson, Scene string
	both          bool
	stop          context.CancelFunc
	over          chan struct{} // closed when no process of it is left

	mu      sync.Mutex
	phase   phase
	trouble string
	takes   []*take
	count   int
	odd     []string // lines that are no events
	oddMore int
	changed func()
}

// update changes the run and tells whoever shows it.
func (p *play) update(change func()) {
	p.mu.Lock()
	change()
	p.mu.Unlock()
	p.changed()
}

// run plays the scene.
func (p *play) run(ctx context.Context, b *runner.Builder) {
	defer close(p.over)
	binary, err := b.Lesson(ctx, p.Lesson)
	if err != nil {
		p.update(func() { p.phase, p.trouble = broken, "Lesson "+p.Lesson+" could not be built:\n"+err.Error() })
		return
	}
	p.update(func() { p.phase = playing })
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	o := runner.Run(ctx, runner.Command{
		Path: binary, Args: []string{"-scene", p.Scene, "-json"}, Dir: b.Root, Limit: sceneLimit,
		Line: func(line []byte) {
			if !p.line(line) {
				cancel()
			}
		},
	})
	p.update(func() {
		p.phase = finished
		switch {
		case p.count >= mostEvents:
			p.phase, p.trouble = broken, fmt.Sprintf("the scene was ended after %d events", mostEvents)
		case o.Late:
			p.phase, p.trouble = broken, fmt.Sprintf("the scene did not finish within %v and was "+
				"ended", sceneLimit)
		case o.Stopped:
			p.phase, p.trouble = broken, "stopped"
		case o.Err != nil:
			p.phase, p.trouble = broken, o.Err.Error()
		case o.Status != 0:
			p.phase, p.trouble = broken, fmt.Sprintf("the lesson ended with status %d:\n%s", o.Status,
				strings.TrimSpace(o.Printed))
		}
		if p.oddMore > 0 || len(p.odd) > 0 {
			p.trouble = strings.TrimSpace(p.trouble + "\n" + p.oddLines())
		}
	})
}

// oddLines says what the lesson printed that is no event.
func (p *play) oddLines() string {
	what := "a line that is no event"
	if n := len(p.odd) + p.oddMore; n > 1 {
		what = fmt.Sprintf("%d lines that are no events", n)
	}
	return "The lesson printed " + what + ":\n" + strings.Join(p.odd, "\n")
}

// line takes a line of the lesson's output; false when there is no room for more.
func (p *play) line(line []byte) bool {
	// none: the call was ended by its own side, and is no event
	events, err := timeline.ReadJSON(bytes.NewReader(line))
	room := true
	p.update(func() {
		switch {
		case err != nil && len(p.odd) < mostOdd:
			p.odd = append(p.odd, timeline.Preview(line[:min(len(line), oddLength)]))
		case err != nil:
			p.oddMore++
		case len(events) == 0:
			var e struct{ Seq int }
			if json.Unmarshal(line, &e) == nil {
				p.drop(e.Seq)
			}
		default:
			p.add(events[0])
			p.count++
			room = p.count < mostEvents
		}
	})
	return room
}

// add adds an event, or replaces a call that blocked by what it returned. The numbers begin anew
// when the right code is played after the naive one.
func (p *play) add(e timeline.Event) {
	var t *take
	if n := len(p.takes); n > 0 {
		t = p.takes[n-1]
		i, known := t.place[e.Seq]
		switch {
		case known && t.events[i].End == 0:
			t.events[i] = e
			return
		case known:
			t = nil
		}
	}
	if t == nil {
		t = &take{place: map[int]int{}}
		p.takes = append(p.takes, t)
	}
	t.place[e.Seq] = len(t.events)
	t.events = append(t.events, e)
}

// drop takes back a call that was shown as blocking.
func (p *play) drop(seq int) {
	if len(p.takes) == 0 {
		return
	}
	t := p.takes[len(p.takes)-1]
	if i, known := t.place[seq]; known {
		t.events = slices.Delete(t.events, i, i+1)
		delete(t.place, seq)
		for s, at := range t.place {
			if at > i {
				t.place[s] = at - 1
			}
		}
	}
}

// title names a take.
func (p *play) title(i int) string {
	switch {
	case !p.both:
		return p.Scene
	case i == 0:
		return p.Scene + ", naive.go"
	}
	return p.Scene + ", fixed"
}

// snapshot copies what is known now.
func (p *play) snapshot() (phase, string, [][]timeline.Event) {
	p.mu.Lock()
	defer p.mu.Unlock()
	takes := make([][]timeline.Event, len(p.takes))
	for i, t := range p.takes {
		takes[i] = append([]timeline.Event(nil), t.events...)
	}
	return p.phase, p.trouble, takes
}
