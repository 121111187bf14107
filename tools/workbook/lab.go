package main

import (
	"context"
	"strings"

	"socketbook/tools/internal/labrun"
	"socketbook/tools/internal/progress"
)

// followed is a lab that at least one page shows live.
type followed struct {
	stop  context.CancelFunc
	pages map[*tab]bool
	state labrun.State
	again func()
}

// follow has a tab shown a lab: it is run now, and at every change of its file. One run serves all tabs.
func (b *book) follow(t *tab, lab labrun.Lab) {
	t.mu.Lock()
	before := t.lab
	t.lab = lab.Number
	t.mu.Unlock()
	if before != "" && before != lab.Number {
		b.unfollow(before, t)
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	f := b.followed[lab.Number]
	if f == nil {
		ctx, stop := context.WithCancel(b.ctx)
		f = &followed{stop: stop, pages: map[*tab]bool{}, state: labrun.State{Lab: lab, Phase: labrun.Building}}
		b.followed[lab.Number] = f
		runner := labrun.NewFollower(b.builder, lab, func(s labrun.State) { b.tellAll(f, s) })
		f.again = func() { b.working.Go(func() { runner.Again(ctx) }) }
		b.working.Go(func() { runner.Follow(ctx) })
	}
	f.pages[t] = true
	go t.wake()
}

// tellAll passes a state on to all pages that show the lab.
func (b *book) tellAll(f *followed, s labrun.State) {
	b.mu.Lock()
	f.state = s
	for t := range f.pages {
		go t.wake()
	}
	b.mu.Unlock()
	if s.Phase == labrun.Done {
		b.remember(s.Lab, *s.Result)
	}
}

func (b *book) remember(lab labrun.Lab, r labrun.Result) {
	if r.Of == 0 {
		return
	}
	b.note(b.store.Update(func(st *progress.State) {
		st.Lab, st.Labs[lab.Number] = lab.Number, progress.Lab{Points: r.Points, Of: r.Of}
	}))
}

// unfollow ends the runs of a lab when its last page has gone.
func (b *book) unfollow(number string, t *tab) {
	b.mu.Lock()
	defer b.mu.Unlock()
	f := b.followed[number]
	if f == nil {
		return
	}
	delete(f.pages, t)
	if len(f.pages) == 0 {
		f.stop()
		delete(b.followed, number)
	}
}

// jsonLab is a lab as the page shows it.
type jsonLab struct {
	Lab     string     `json:"lab"`
	Phase   string     `json:"phase"`
	Trouble string     `json:"trouble,omitempty"`
	Live    []jsonCase `json:"live,omitempty"`
	Result  *jsonScore `json:"result,omitempty"`
	Stale   bool       `json:"stale"`
	Fixed   []string   `json:"fixed,omitempty"`
	Broke   []string   `json:"broke,omitempty"`
	Ended   string     `json:"ended,omitempty"`
}

type jsonScore struct {
	Points  int        `json:"points"`
	Of      int        `json:"of"`
	Note    string     `json:"note,omitempty"`
	Printed string     `json:"printed,omitempty"`
	Seed    uint64     `json:"seed"`
	Cases   []jsonCase `json:"cases"`
}

type jsonCase struct {
	Name    string `json:"name"`
	Points  int    `json:"points"`
	Of      int    `json:"of"`
	Outcome string `json:"outcome"`
	Message string `json:"message,omitempty"`
	Body    string `json:"body,omitempty"`
	Rule    string `json:"rule,omitempty"`
	Next    string `json:"next,omitempty"`
	Again   string `json:"again,omitempty"`
	Scene   string `json:"scene,omitempty"` // what to read or play, in words
	Link    string `json:"link,omitempty"`  // to it, below the page's own address; ""
}

func (b *book) caseOf(c labrun.Case) jsonCase {
	j := jsonCase{Name: c.Name, Points: c.Points, Of: c.Of, Outcome: c.Outcome, Message: c.Message}
	if c.Report == "" {
		return j
	}
	a := labrun.Split(c.Report)
	_, body, ok := strings.Cut(a.Body, "\n") // the first line repeats the name
	if !ok {
		body = a.Body
	}
	j.Body, j.Rule, j.Next, j.Again, j.Scene, j.Link = body, a.Rule, a.Next, a.Again, a.Scene,
		b.sceneLink(a.Scene)
	return j
}

func (b *book) scoreOf(r labrun.Result) *jsonScore {
	s := &jsonScore{Points: r.Points, Of: r.Of, Note: r.Note, Seed: r.Seed, Cases: []jsonCase{}}
	if r.Of == 0 {
		s.Printed = r.Printed
	}
	for _, c := range r.Cases {
		s.Cases = append(s.Cases, b.caseOf(c))
	}
	return s
}

// tellLab sends the state of a lab if it has changed.
func (s *stream) tellLab(number string) error {
	s.book.mu.Lock()
	f := s.book.followed[number]
	var now labrun.State
	if f != nil {
		now = f.state
	}
	s.book.mu.Unlock()
	if f == nil || s.lab != nil && same(*s.lab, now) {
		return nil
	}
	s.lab = &now
	j := jsonLab{
		Lab: number, Phase: string(now.Phase), Trouble: now.Trouble, Stale: now.Stale,
		Fixed: now.Fixed, Broke: now.Broke,
	}
	for _, c := range now.Live {
		j.Live = append(j.Live, jsonCase{Name: c.Name, Outcome: c.Outcome})
	}
	if now.Result != nil {
		j.Result, j.Ended = s.book.scoreOf(*now.Result), now.Ended.Format("15:04:05")
	}
	return s.send("lab", j)
}

// same reports whether two states of one lab look the same.
func same(a, b labrun.State) bool {
	return a.Lab.Number == b.Lab.Number && a.Phase == b.Phase && a.Trouble == b.Trouble &&
		a.Result == b.Result && a.Stale == b.Stale &&
		len(a.Live) == len(b.Live) && a.Changed.Equal(b.Changed)
}
