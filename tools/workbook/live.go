package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"regexp"
	"sync"
	"time"

	"socketbook/tools/internal/labrun"
)

const (
	mostTabs   = 100
	mostPlays  = 8                // of one tab; older ones are forgotten
	tabGrace   = 5 * time.Second  // for a page that is loaded anew; then what it plays is ended
	heartbeat  = 15 * time.Second // so that a page that has gone is noticed
	leastPause = 40 * time.Millisecond
	writeLimit = 10 * time.Second // for one message to a page
)

var tabName = regexp.MustCompile(`^[0-9a-f]{32}$`) // a random name that the page has given itself

// tab is one page in the browser. It has one stream of messages, which tells it what differs from
// what it was told: a page that is slow, or was away, gets the newest state and not every step on
// the way.
type tab struct {
	mu      sync.Mutex
	changed chan struct{} // closed at the next change
	version int           // counts the changes
	plays   []*play
	lab     string // that it shows live; ""
	streams int    // open connections
	left    int    // counts the times that the last stream has ended
}

func (t *tab) wake() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.version++
	close(t.changed)
	t.changed = make(chan struct{})
}

// tabs are all pages.
type tabs struct {
	mu     sync.Mutex
	all    map[string]*tab
	forget func(*tab)
}

// get returns the tab of a name, which is made if it is new. It is nil when the name is no name, or
// there are too many.
func (ts *tabs) get(name string) *tab {
	if !tabName.MatchString(name) {
		return nil
	}
	ts.mu.Lock()
	defer ts.mu.Unlock()
	t := ts.all[name]
	if t == nil && len(ts.all) < mostTabs {
		t = &tab{changed: make(chan struct{})}
		ts.all[name] = t
		time.AfterFunc(3*tabGrace, func() { // for a page that never opens its stream
			t.mu.Lock()
			never := t.streams == 0 && t.left == 0
			t.mu.Unlock()
			if never {
				ts.forget(t)
			}
		})
	}
	return t
}

// events is the stream of a tab: Server-Sent Events (HTML Standard, 9.2). It begins with a resync,
// which makes the page forget what it was told, and then tells it everything. So a connection that
// was lost costs nothing, no message need be kept for one that comes back, and what Last-Event-ID
// says does not matter.
func (b *book) events(w http.ResponseWriter, r *http.Request) {
	t := b.tabs.get(r.FormValue("tab"))
	if t == nil {
		http.Error(w, "no such page, or too many pages are open", http.StatusServiceUnavailable)
		return
	}
	control := http.NewResponseController(w)
	_ = control.SetReadDeadline(time.Time{}) // the request is complete; its connection stays
	w.Header().Set("Content-Type", "text/event-stream")
	s := &stream{w: w, control: control, tab: t, book: b, shown: map[*play]*sent{}}
	defer b.arrive(t)()
	if s.send("resync", map[string]string{"boot": b.boot}) != nil {
		return
	}
	for {
		began := time.Now()
		changed, err := s.tell()
		if err != nil {
			return
		}
		pause := time.NewTimer(max(leastPause, 4*time.Since(began))) // a large picture is laid out less often
		beat := time.NewTimer(heartbeat)
		select {
		case <-changed:
		case <-beat.C:
			err = s.comment()
		case <-r.Context().Done():
			err = r.Context().Err()
		}
		if err == nil && !s.fresh {
			select {
			case <-pause.C:
			case <-r.Context().Done():
				err = r.Context().Err()
			}
		}
		pause.Stop()
		beat.Stop()
		if err != nil {
			return
		}
	}
}

// arrive counts a stream; the function that it returns ends it. When none has come for a while,
// nobody looks any more.
func (b *book) arrive(t *tab) (leave func()) {
	t.mu.Lock()
	t.streams++
	t.mu.Unlock()
	return func() {
		t.mu.Lock()
		t.streams--
		t.left++
		left := t.left
		t.mu.Unlock()
		time.AfterFunc(tabGrace, func() {
			t.mu.Lock()
			gone := t.streams == 0 && t.left == left
			t.mu.Unlock()
			if gone {
				b.forget(t)
			}
		})
	}
}

// forget ends what a tab plays and watches.
func (b *book) forget(t *tab) {
	b.tabs.mu.Lock()
	for name, other := range b.tabs.all {
		if other == t {
			delete(b.tabs.all, name)
		}
	}
	b.tabs.mu.Unlock()
	t.mu.Lock()
	plays, lab := t.plays, t.lab
	t.lab = ""
	t.mu.Unlock()
	for _, p := range plays {
		p.stop()
	}
	if lab != "" {
		b.unfollow(lab, t)
	}
}

// sent is what a stream has told of a run.
type sent struct {
	phase   phase
	trouble string
	takes   []*shown
}

type stream struct {
	w       http.ResponseWriter
	control *http.ResponseController
	tab     *tab
	book    *book
	shown   map[*play]*sent
	lab     *labrun.State // told last
	number  int           // of messages
	fresh   bool          // nothing of a run has been told yet: its first event is to be seen at once
}

func (s *stream) send(event string, data any) error {
	text, err := json.Marshal(data)
	if err != nil {
		return err
	}
	s.number++
	_ = s.control.SetWriteDeadline(time.Now().Add(writeLimit))
	if _, err := fmt.Fprintf(s.w, "id: %d\nevent: %s\ndata: %s\n\n", s.number, event, text); err != nil {
		return err
	}
	return s.control.Flush()
}

func (s *stream) comment() error {
	_ = s.control.SetWriteDeadline(time.Now().Add(writeLimit))
	if _, err := fmt.Fprint(s.w, ": still here\n\n"); err != nil {
		return err
	}
	return s.control.Flush()
}

// jsonRun is what has changed in a run.
type jsonRun struct {
	ID      string     `json:"id"`
	Lesson  string     `json:"lesson"`
	Scene   string     `json:"scene"`
	Phase   phase      `json:"phase"`
	Trouble string     `json:"trouble,omitempty"`
	Takes   []jsonTake `json:"takes"`
}

// tell sends what has changed, and returns what to wait for.
func (s *stream) tell() (changed <-chan struct{}, err error) {
	s.tab.mu.Lock()
	changed = s.tab.changed
	plays, lab := append([]*play(nil), s.tab.plays...), s.tab.lab
	s.tab.mu.Unlock()
	s.fresh = false
	for _, p := range plays {
		err = errors.Join(err, s.tellPlay(p))
	}
	if lab != "" {
		err = errors.Join(err, s.tellLab(lab))
	}
	return changed, err
}

func (s *stream) tellPlay(p *play) error {
	was := s.shown[p]
	if was == nil {
		was = &sent{}
		s.shown[p] = was
	}
	ph, trouble, takes := p.snapshot()
	msg := jsonRun{p.ID, p.Lesson, p.Scene, ph, trouble, []jsonTake{}}
	differs := ph != was.phase || trouble != was.trouble
	for i, events := range takes {
		if i == len(was.takes) {
			was.takes = append(was.takes, &shown{})
			differs = true
		}
		t, err := was.takes[i].changes(p.title(i), events)
		if err != nil {
			return err
		}
		differs = differs || len(t.Changed) > 0 || t.Total != was.takes[i].total
		was.takes[i].total = t.Total
		msg.Takes = append(msg.Takes, t)
	}
	s.fresh = s.fresh || len(takes) == 0 && ph != finished && ph != broken
	if !differs {
		return nil
	}
	was.phase, was.trouble = ph, trouble
	return s.send("run", msg)
}

// play starts a scene for a tab.
func (b *book) play(t *tab, l *lessonPage, sc scene) (*play, error) {
	ctx, stop := context.WithCancel(b.ctx)
	p := &play{
		ID: b.nextID(), Lesson: l.Number, Scene: sc.Name, both: sc.Both, stop: stop,
		over: make(chan struct{}), phase: building, changed: func() {},
	}
	if t != nil {
		p.changed = t.wake
	}
	b.mu.Lock()
	if b.playing >= mostRunning {
		b.mu.Unlock()
		stop()
		return nil, fmt.Errorf("%d scenes are playing already: wait for one to end, or stop it", mostRunning)
	}
	b.playing++
	b.runs = append(b.runs, p)
	if len(b.runs) > mostRuns {
		b.runs = b.runs[1:]
	}
	b.mu.Unlock()
	if t != nil {
		t.mu.Lock()
		kept := []*play{p}
		for _, old := range t.plays { // newest first
			if old.Lesson == p.Lesson && old.Scene == p.Scene {
				old.stop()
			} else if len(kept) < mostPlays {
				kept = append(kept, old)
			} else {
				old.stop()
			}
		}
		t.plays = kept
		t.mu.Unlock()
		t.wake()
	}
	b.working.Go(func() {
		defer stop()
		p.run(ctx, b.builder)
		b.mu.Lock()
		b.playing--
		b.mu.Unlock()
		if ph, _, _ := p.snapshot(); ph == finished {
			b.played(p.Lesson, p.Scene)
		}
	})
	return p, nil
}
