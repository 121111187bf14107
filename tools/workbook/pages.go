package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"html/template"
	"io/fs"
	"net/http"
	"slices"
	"strings"

	"github.com/yuin/goldmark/util"

	"socketbook/lessons"
	"socketbook/tools/internal/labrun"
	"socketbook/tools/internal/progress"
	"socketbook/tools/internal/runner"
	"socketbook/tools/timeline"
)

// handler answers requests that the guard lets through.
func (b *book) handler(port int) http.Handler {
	mux := http.NewServeMux()
	get := func(pattern string, f func(w http.ResponseWriter, r *http.Request) error) {
		mux.HandleFunc("GET "+pattern, func(w http.ResponseWriter, r *http.Request) { b.answer(w, f(w, r)) })
	}
	post := func(pattern string, f func(w http.ResponseWriter, r *http.Request) error) {
		mux.HandleFunc("POST "+pattern, func(w http.ResponseWriter, r *http.Request) {
			if err := r.ParseForm(); err != nil {
				b.answer(w, problem{http.StatusBadRequest, "the request is no form, or too large"})
				return
			}
			b.answer(w, f(w, r))
		})
	}
	get("/{$}", b.showMap)
	get("/course", b.showCourse)
	get("/lessons/{lesson}", b.showLesson)
	get("/lessons/{lesson}/source", b.showSource)
	get("/labs/{$}", b.showLabs)
	get("/labs/{lab}", b.showLab)
	get("/claims", b.showClaims)
	get("/search", b.showSearch)
	get("/runs/{run}", b.showRun)
	get("/runs/{run}/events", b.runEvents)
	get("/runs/{run}/picture.svg", b.runPicture)
	get("/files/{lesson}/testdata/{name}", b.file)
	mux.HandleFunc("GET /events", b.events)
	mux.Handle("GET /static/", http.FileServerFS(assets))
	post("/play", b.postPlay)
	post("/stop", b.postStop)
	post("/follow", b.postFollow)
	post("/labs/{lab}", b.postLab)
	post("/settings", b.postSettings)
	return newGuard(port, b.token, mux)
}

// problem is an answer that is no page.
type problem struct {
	status   int
	sentence string
}

func (p problem) Error() string { return p.sentence }

var notFound = problem{http.StatusNotFound, "There is no such page."}

func (b *book) answer(w http.ResponseWriter, err error) {
	var p problem
	switch {
	case err == nil:
	case errors.As(err, &p):
		w.Header().Set("Problem", p.sentence) // for the script
		_ = b.writeStatus(w, p.status, "problem", "Sorry", p.sentence)
	default:
		http.Error(w, "The page could not be made: "+err.Error(), http.StatusInternalServerError)
	}
}

// layout is what every page has.
type layout struct {
	Title   string
	Keys    bool // single keys are on
	Restart string
	Content any
}

// write makes a page of a template.
func (b *book) write(w http.ResponseWriter, name, title string, content any) error {
	return b.writeStatus(w, http.StatusOK, name, title, content)
}

func (b *book) writeStatus(w http.ResponseWriter, status int, name, title string, content any) error {
	var out bytes.Buffer
	if err := b.templates.ExecuteTemplate(&out, name,
		layout{title, !b.store.Load().NoKeys, b.restart, content}); err != nil {
		return err
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.WriteHeader(status)
	_, _ = w.Write(out.Bytes()) // the browser may have gone
	return nil
}

// mapRow is a lesson on the map.
type mapRow struct {
	lessons.Lesson
	Played, Scenes int
	Lab            *labRow
}

type labRow struct {
	labrun.Lab
	Known      bool
	Points, Of int
	Boxes      []bool
	Perfect    bool
}

func (b *book) labRow(l labrun.Lab, state progress.State) *labRow {
	points, known := state.Labs[l.Number]
	row := &labRow{Lab: l, Known: known, Points: points.Points, Of: points.Of, Perfect: points.Perfect()}
	for i := range 10 {
		row.Boxes = append(row.Boxes, points.Of > 0 && i < 10*points.Points/points.Of)
	}
	return row
}

func (b *book) showMap(w http.ResponseWriter, _ *http.Request) error {
	state := b.store.Load()
	var rows []mapRow
	for _, l := range lessons.Course {
		row := mapRow{Lesson: l}
		if page := b.lesson(l.Number); page != nil {
			row.Scenes = len(page.Scenes)
			for _, s := range page.Scenes {
				if state.Played[l.Number+"/"+s.Name] {
					row.Played++
				}
			}
		}
		if lab, ok := b.lab(l.Number); ok {
			row.Lab = b.labRow(lab, state)
		}
		rows = append(rows, row)
	}
	return b.write(w, "map", "The course", rows)
}

func (b *book) showCourse(w http.ResponseWriter, _ *http.Request) error {
	text, err := fs.ReadFile(lessons.Files, "README.md")
	if err != nil {
		return err
	}
	p := &page{book: b, dir: "lessons", placed: map[string]bool{}}
	html, err := p.render(text)
	if err != nil {
		return err
	}
	return b.write(w, "text", "How to read the lessons", html)
}

// sceneBox is a scene in a page.
type sceneBox struct {
	scene
	Lesson string
}

type lessonContent struct {
	*lessonPage
	HTML          template.HTML
	Rest          []sceneBox // scenes that the text has no transcript of
	Before, After *lessonPage
	Base          *lessonPage
	Lab           *labRow
}

func (b *book) showLesson(w http.ResponseWriter, r *http.Request) error {
	l := b.lesson(r.PathValue("lesson"))
	if l == nil {
		return notFound
	}
	p := &page{book: b, dir: "lessons/" + l.Number, lesson: l, placed: map[string]bool{}}
	var failed error
	p.widget = func(w util.BufWriter, name string) {
		s, _ := l.scene(name)
		failed = errors.Join(failed, b.templates.ExecuteTemplate(w, "scene", sceneBox{s, l.Number}))
	}
	html, err := p.render(l.readme())
	if err = errors.Join(err, failed); err != nil {
		return err
	}
	c := lessonContent{lessonPage: l, HTML: html, Base: b.lesson(l.BuildsOn)}
	for _, s := range l.Scenes {
		if !p.placed[s.Name] {
			c.Rest = append(c.Rest, sceneBox{s, l.Number})
		}
	}
	c.Before, c.After = b.neighbours(l)
	if lab, ok := b.lab(l.Number); ok {
		c.Lab = b.labRow(lab, b.store.Load())
	}
	return b.write(w, "lesson", l.Number+" "+l.Title, c)
}

func (b *book) showSource(w http.ResponseWriter, r *http.Request) error {
	l := b.lesson(r.PathValue("lesson"))
	if l == nil {
		return notFound
	}
	files, err := b.sources(l)
	if err != nil {
		return err
	}
	return b.write(w, "source", "Sources of lesson "+l.Number, struct {
		*lessonPage
		Files []diffFile
	}{l, files})
}

func (b *book) showLabs(w http.ResponseWriter, _ *http.Request) error {
	state := b.store.Load()
	var rows []*labRow
	for _, l := range b.labs {
		rows = append(rows, b.labRow(l, state))
	}
	return b.write(w, "labs", "Labs", rows)
}

// labContent is a lab's page; Result is there when it was run for a page without a script.
type labContent struct {
	labrun.Lab
	HTML    template.HTML
	Trouble string
	Result  *jsonScore
	Lesson  *lessonPage
	Next    *lessonPage
}

func (b *book) showLab(w http.ResponseWriter, r *http.Request) error {
	l, ok := b.lab(r.PathValue("lab"))
	if !ok {
		return notFound
	}
	return b.labPage(w, l, "", nil)
}

func (b *book) labPage(w http.ResponseWriter, l labrun.Lab, trouble string, result *jsonScore) error {
	p := &page{book: b, dir: "labs/" + l.Number, placed: map[string]bool{}}
	html, err := p.render(b.labReadme(l))
	if err != nil {
		return err
	}
	lesson := b.lesson(l.Number)
	_, next := b.neighbours(lesson)
	return b.write(w, "lab", "Lab "+l.Number, labContent{l, html, trouble, result, lesson, next})
}

// postLab runs a lab once and shows the result: for a page without a script.
func (b *book) postLab(w http.ResponseWriter, r *http.Request) error {
	l, ok := b.lab(r.PathValue("lab"))
	if !ok {
		return notFound
	}
	result, err := labrun.Run(r.Context(), b.builder, l, labrun.Options{Seed: 1})
	var refused *runner.BuildError
	switch {
	case errors.As(err, &refused):
		return b.labPage(w, l, l.File+" does not build:\n"+refused.Error(), nil)
	case err != nil:
		return b.labPage(w, l, err.Error(), nil)
	}
	b.remember(l, result)
	return b.labPage(w, l, "", b.scoreOf(result))
}

func (b *book) showClaims(w http.ResponseWriter, r *http.Request) error {
	query := strings.TrimSpace(r.FormValue("q"))
	shown, total := b.claims(strings.ToLower(query))
	return b.write(w, "claims", "What tutorials say", struct {
		Query  string
		Total  int
		Claims []claim
		Bugs   []lessons.Bug
	}{query, total, shown, lessons.Ledger})
}

func (b *book) showSearch(w http.ResponseWriter, r *http.Request) error {
	query := strings.TrimSpace(r.FormValue("q"))
	hits, more := b.find(query)
	return b.write(w, "search", "Search", struct {
		Query string
		Hits  []hit
		More  int
	}{query, hits, more})
}

// file hands out a picture of a lesson.
func (b *book) file(w http.ResponseWriter, r *http.Request) error {
	l, name := b.lesson(r.PathValue("lesson")), r.PathValue("name")
	if l == nil || !strings.HasSuffix(name, ".svg") {
		return notFound
	}
	text, err := fs.ReadFile(lessons.Files, l.Number+"/testdata/"+name)
	if err != nil {
		return notFound
	}
	picture(w, text)
	return nil
}

// picture sends an image that has its own style and nothing else that is active.
func picture(w http.ResponseWriter, svg []byte) {
	w.Header().Set("Content-Type", "image/svg+xml")
	w.Header().Set("Content-Security-Policy", imagePolicy)
	_, _ = w.Write(svg) // the browser may have gone
}

// postPlay plays a scene: for a tab, which is told what happens; or to its end, for a page without
// a script.
func (b *book) postPlay(w http.ResponseWriter, r *http.Request) error {
	l := b.lesson(r.PostFormValue("lesson"))
	if l == nil {
		return notFound
	}
	sc, ok := l.scene(r.PostFormValue("scene"))
	if !ok {
		return notFound
	}
	var t *tab
	if name := r.PostFormValue("tab"); name != "" {
		if t = b.tabs.get(name); t == nil {
			return problem{http.StatusServiceUnavailable, "Too many pages are open; close one."}
		}
	}
	p, err := b.play(t, l, sc)
	if err != nil {
		return problem{http.StatusTooManyRequests, err.Error()}
	}
	if t != nil {
		w.WriteHeader(http.StatusNoContent)
		return nil
	}
	select {
	case <-p.over:
	case <-r.Context().Done():
		p.stop()
		return nil
	}
	http.Redirect(w, r, "/"+b.token+"/runs/"+p.ID, http.StatusSeeOther)
	return nil
}

func (b *book) postStop(w http.ResponseWriter, r *http.Request) error {
	if p := b.run(r.PostFormValue("run")); p != nil {
		p.stop()
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}

func (b *book) run(id string) *play {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, p := range b.runs {
		if p.ID == id {
			return p
		}
	}
	return nil
}

// runContent is a run as a page without a script shows it.
type runContent struct {
	*play
	Title, Trouble string
	Line           string
	Phase          phase
	Takes          []runTake
}

type runTake struct {
	Title    string
	Events   []runEvent
	Verdicts []string
}

// runEvent is a row of the table of events.
type runEvent struct {
	Seq        int    `json:"seq"`
	Begin, End string `json:"-"`
	US         int64  `json:"us"`
	Return     int64  `json:"end"`
	Side       string `json:"side"`
	Conn       string `json:"conn"`
	Op         string `json:"op"`
	N          int    `json:"n"`
	Text       string `json:"text"`
	Err        string `json:"err"`
}

func eventsOf(events []timeline.Event) []runEvent {
	ordered := slices.Clone(events)
	slices.SortStableFunc(ordered, func(a, b timeline.Event) int { return int(a.At() - b.At()) })
	var rows []runEvent
	for _, e := range ordered {
		row := runEvent{
			Seq: e.Seq, US: e.US, Return: e.End, Side: e.Side, Conn: e.Conn, Op: string(e.Op),
			N: e.N, Text: e.Text, Err: e.Err,
		}
		row.Begin, row.End = fmt.Sprintf("%.3f", float64(e.US)/1000), fmt.Sprintf("%.3f", float64(e.End)/1000)
		if e.End == 0 {
			row.End = "blocks"
		}
		rows = append(rows, row)
	}
	return rows
}

func (b *book) showRun(w http.ResponseWriter, r *http.Request) error {
	p := b.run(r.PathValue("run"))
	if p == nil {
		return problem{http.StatusNotFound, "This run is forgotten: play the scene again."}
	}
	ph, trouble, takes := p.snapshot()
	sc, _ := b.lesson(p.Lesson).scene(p.Scene)
	c := runContent{play: p, Title: p.Scene, Trouble: trouble, Line: sc.Line, Phase: ph}
	for i, events := range takes {
		t := runTake{Title: p.title(i), Events: eventsOf(events)}
		for _, e := range events {
			if e.Op == timeline.Verdict {
				t.Verdicts = append(t.Verdicts, e.Text)
			}
		}
		c.Takes = append(c.Takes, t)
	}
	return b.write(w, "run", "Scene "+p.Scene, c)
}

func (b *book) runEvents(w http.ResponseWriter, r *http.Request) error {
	p := b.run(r.PathValue("run"))
	if p == nil {
		return notFound
	}
	_, _, takes := p.snapshot()
	all := [][]runEvent{}
	for _, events := range takes {
		all = append(all, eventsOf(events))
	}
	return writeJSON(w, all)
}

func writeJSON(w http.ResponseWriter, data any) error {
	text, err := json.Marshal(data)
	if err != nil {
		return err
	}
	w.Header().Set("Content-Type", "application/json")
	_, _ = w.Write(text) // the browser may have gone
	return nil
}

func (b *book) runPicture(w http.ResponseWriter, r *http.Request) error {
	p := b.run(r.PathValue("run"))
	if p == nil {
		return notFound
	}
	_, _, takes := p.snapshot()
	var scenes []timeline.Scene
	for i, events := range takes {
		scenes = append(scenes, timeline.Scene{Title: p.title(i), Events: events})
	}
	var out bytes.Buffer
	if err := timeline.SVG(&out, scenes); err != nil {
		return err
	}
	picture(w, out.Bytes())
	return nil
}

// postFollow shows a lab live in a tab.
func (b *book) postFollow(w http.ResponseWriter, r *http.Request) error {
	l, ok := b.lab(r.PostFormValue("lab"))
	t := b.tabs.get(r.PostFormValue("tab"))
	if !ok || t == nil {
		return notFound
	}
	b.mu.Lock()
	f := b.followed[l.Number]
	already := f != nil && f.pages[t]
	b.mu.Unlock()
	if already && r.PostFormValue("again") != "" {
		f.again()
	} else {
		b.follow(t, l)
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}

func (b *book) postSettings(w http.ResponseWriter, r *http.Request) error {
	noKeys := r.PostFormValue("keys") == "off"
	if err := b.store.Update(func(s *progress.State) { s.NoKeys = noKeys }); err != nil {
		return err
	}
	http.Redirect(w, r, "/"+b.token+"/", http.StatusSeeOther)
	return nil
}
