package main

import (
	"bytes"
	"context"
	"crypto/rand"
	"embed"
	"encoding/hex"
	"fmt"
	"html/template"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"

	"socketbook/lessons"
	"socketbook/tools/internal/labrun"
	"socketbook/tools/internal/progress"
	"socketbook/tools/internal/runner"
)

//go:embed static templates
var assets embed.FS

const mostRuns = 32 // that are remembered for pages without a script

// book is the workbook: what it knows, and what is going on.
type book struct {
	ctx       context.Context // ends with the program
	builder   *runner.Builder
	store     *progress.Store
	token     string
	boot      string // differs from start to start
	restart   string // the command that starts it again at the same address
	lessons   []*lessonPage
	labs      []labrun.Lab
	templates *template.Template
	tabs      tabs
	working   sync.WaitGroup

	mu       sync.Mutex
	number   int // of runs
	playing  int
	runs     []*play // oldest first
	followed map[string]*followed
	search   []passage // made when it is asked for
}

// lessonPage is a written lesson.
type lessonPage struct {
	lessons.Lesson
	Scenes []scene
}

func newBook(ctx context.Context, builder *runner.Builder, store *progress.Store, labs []labrun.Lab,
	token string,
) (*book, error) {
	boot := make([]byte, 8)
	rand.Read(boot)
	b := &book{
		ctx: ctx, builder: builder, store: store, labs: labs, token: token, boot: hex.EncodeToString(boot),
		tabs: tabs{all: map[string]*tab{}}, followed: map[string]*followed{},
	}
	b.tabs.forget = b.forget
	for _, l := range lessons.Course {
		if !l.Written {
			continue
		}
		scenes, err := scenesOf(lessons.Files, l.Number)
		if err != nil {
			return nil, fmt.Errorf("reading the scenes of lesson %s: %w", l.Number, err)
		}
		b.lessons = append(b.lessons, &lessonPage{l, scenes})
	}
	var err error
	b.templates, err = template.New("").Funcs(template.FuncMap{"base": func() string {
		return "/" +
			token
	}}).ParseFS(assets, "templates/*.html")
	return b, err
}

// close waits for what is running; ctx has ended.
func (b *book) close() { b.working.Wait() }

// lesson finds a written lesson; nil if there is none.
func (b *book) lesson(number string) *lessonPage {
	for _, l := range b.lessons {
		if l.Number == number {
			return l
		}
	}
	return nil
}

// neighbours are the written lessons before and after one; nil if there is none.
func (b *book) neighbours(l *lessonPage) (before, after *lessonPage) {
	i := slices.Index(b.lessons, l)
	if i > 0 {
		before = b.lessons[i-1]
	}
	if i >= 0 && i+1 < len(b.lessons) {
		after = b.lessons[i+1]
	}
	return before, after
}

// scene finds one of a lesson.
func (l *lessonPage) scene(name string) (scene, bool) {
	for _, s := range l.Scenes {
		if s.Name == name {
			return s, true
		}
	}
	return scene{}, false
}

func (b *book) lab(number string) (labrun.Lab, bool) {
	for _, l := range b.labs {
		if l.Number == number {
			return l, true
		}
	}
	return labrun.Lab{}, false
}

func (b *book) nextID() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.number++
	return fmt.Sprint(b.number)
}

// note says on standard error what went wrong and concerns nobody's page.
func (b *book) note(err error) {
	if err != nil {
		fmt.Fprintf(os.Stderr, "workbook: %v\n", err)
	}
}

// played writes down that a scene was played.
func (b *book) played(lesson, scene string) {
	if b.store.Load().Played[lesson+"/"+scene] {
		return
	}
	b.note(b.store.Update(func(s *progress.State) { s.Played[lesson+"/"+scene] = true }))
}

var sceneCommand = regexp.MustCompile(`go run \./lessons/(\d\d) -scene ([a-z0-9-]+)`)

// sceneLink is the part of an address below the token that shows what a command in a text plays; ""
// if it plays nothing that there is.
func (b *book) sceneLink(text string) string {
	m := sceneCommand.FindStringSubmatch(text)
	if m == nil {
		return ""
	}
	l := b.lesson(m[1])
	if l == nil {
		return ""
	}
	if _, ok := l.scene(m[2]); !ok {
		return ""
	}
	return "/lessons/" + m[1] + "#" + m[2]
}

// readme is a lesson's text, as it was when the command was built.
func (l *lessonPage) readme() []byte {
	// a test of the catalogue holds that it is there
	text, _ := fs.ReadFile(lessons.Files, l.Number+"/README.md")
	return bytes.ReplaceAll(text, []byte("\r\n"), []byte("\n"))
}

// labReadme is a lab's text as it is on disk.
func (b *book) labReadme(l labrun.Lab) []byte {
	text, err := os.ReadFile(filepath.Join(b.builder.Root, "labs", l.Number, "README.md"))
	if err != nil {
		return []byte("# Lab " + l.Number + "\n\nlabs/" + l.Number + "/README.md cannot be read.\n")
	}
	return bytes.ReplaceAll(text, []byte("\r\n"), []byte("\n"))
}

// passage is a piece of the course that can be found.
type passage struct {
	Where, Link string // link below the token
	Text        string
	lower       string
}

var markdownHeading = regexp.MustCompile(`(?m)^#{1,4} +(.+)$`)

// passages cuts the whole course into pieces: texts by heading, sources by file, the bugs one by one.
func (b *book) passages() []passage {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.search != nil {
		return b.search
	}
	add := func(where, link, text string) {
		b.search = append(b.search, passage{where, link, text, strings.ToLower(where + " " + text)})
	}
	sections := func(name, link string, text []byte, taken []string) {
		ids := newIDs(taken)
		places := markdownHeading.FindAllSubmatchIndex(withoutCode(text), -1)
		for i, at := range places {
			end := len(text)
			if i+1 < len(places) {
				end = places[i+1][0]
			}
			heading := strings.ReplaceAll(string(text[at[2]:at[3]]), "`", "")
			add(name+", "+heading, link+"#"+string(ids.Generate([]byte(heading), 0)), string(text[at[1]:end]))
		}
	}
	for _, l := range b.lessons {
		name := "Lesson " + l.Number
		sections(name, "/lessons/"+l.Number, l.readme(), l.names())
		for _, s := range l.Scenes {
			add(name+", scene "+s.Name, "/lessons/"+l.Number+"#"+s.Name, s.Line)
		}
		files, _ := fs.Glob(lessons.Files, l.Number+"/*.go")
		for _, file := range files {
			text, _ := fs.ReadFile(lessons.Files, file)
			add("lessons/"+file, "/lessons/"+l.Number+"/source#"+filepath.Base(file), string(text))
		}
	}
	for _, l := range b.labs {
		sections("Lab "+l.Number, "/labs/"+l.Number, b.labReadme(l), nil)
	}
	for _, bug := range lessons.Ledger {
		add("Bug "+bug.ID+", lesson "+bug.Shown, "/lessons/"+bug.Shown+"#"+bug.ID, bug.Sentence)
	}
	return b.search
}

func (l *lessonPage) names() []string {
	var names []string
	for _, s := range l.Scenes {
		names = append(names, s.Name)
	}
	return names
}

// withoutCode blanks fenced code, where a # is a comment of a shell.
func withoutCode(text []byte) []byte {
	out, code := bytes.Clone(text), false
	at := 0
	for line := range bytes.Lines(text) {
		fence := bytes.HasPrefix(bytes.TrimSpace(line), []byte("```"))
		if fence || code {
			for i := range line {
				if line[i] != '\n' {
					out[at+i] = ' '
				}
			}
		}
		if fence {
			code = !code
		}
		at += len(line)
	}
	return out
}

// hit is a passage that was found, with the words around the first one.
type hit struct {
	Where, Link, Before, Match, After string
}

const (
	mostHits   = 50
	mostQuery  = 200 // bytes
	hitContext = 80  // bytes on each side
)

// find looks for passages that have all words of a query.
func (b *book) find(query string) (hits []hit, more int) {
	words := strings.Fields(strings.ToLower(query[:min(len(query), mostQuery)]))
	if len(words) == 0 {
		return nil, 0
	}
	for _, p := range b.passages() {
		all := true
		for _, word := range words {
			all = all && strings.Contains(p.lower, word)
		}
		switch {
		case !all:
		case len(hits) == mostHits:
			more++
		default:
			hits = append(hits, p.around(words[0]))
		}
	}
	return hits, more
}

// around cuts out what stands around a word.
func (p passage) around(word string) hit {
	text := strings.Join(strings.Fields(p.Text), " ")
	at := strings.Index(strings.ToLower(text), word)
	if at < 0 || len(strings.ToLower(text)) != len(text) { // it is in the name, or lower case has other lengths
		return hit{Where: p.Where, Link: p.Link, After: cutRunes(text, 2*hitContext)}
	}
	before := text[:at]
	if len(before) > hitContext {
		before = "…" + strings.ToValidUTF8(before[len(before)-hitContext:], "")
	}
	return hit{p.Where, p.Link, before, text[at : at+len(word)], cutRunes(text[at+len(word):], hitContext)}
}

func cutRunes(s string, n int) string {
	if len(s) <= n {
		return s
	}
	return strings.ToValidUTF8(s[:n], "") + "…"
}
