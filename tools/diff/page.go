package main

import (
	"crypto/sha256"
	_ "embed"
	"encoding/base64"
	"errors"
	"fmt"
	"html"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"socketbook/tools/internal/gosyntax"
	"socketbook/tools/internal/rowdiff"
)

//go:embed page.css
var pageCSS string

// document is a page under construction. Whatever comes from a file or from the command line goes
// through text or attribute, which escape it; markup is for the program's own words.
type document struct{ out strings.Builder }

func (d *document) markup(parts ...string) {
	for _, p := range parts {
		d.out.WriteString(p)
	}
}

func (d *document) text(s string) { d.out.WriteString(html.EscapeString(shown(s))) }

// generator tells the command's own pages from anybody else's: only those are written over.
const generator = `<meta name="generator" content="socketbook tools/diff"/>`

// open begins a document. It has no script, loads nothing, and its policy (Content Security Policy
// Level 3) forbids both; the one style sheet is allowed by its hash. Folding is <details>, which
// browsers open by click and by key.
func (d *document) open(title string) {
	sum := sha256.Sum256([]byte(pageCSS))
	d.markup("<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\"/>\n",
		`<meta http-equiv="Content-Security-Policy" content="default-src 'none'; base-uri 'none'; `,
		`form-action 'none'; style-src 'sha256-`,
		base64.StdEncoding.EncodeToString(sum[:]), "'\"/>\n",
		generator, "\n", `<meta name="viewport" content="width=device-width, initial-scale=1"/>`, "\n<title>")
	d.text(title)
	d.markup("</title>\n<style>", pageCSS, "</style>\n</head>\n<body>\n")
}

func (d *document) close() string {
	d.markup("</body>\n</html>\n")
	return d.out.String()
}

// link is a page to go to from another.
type link struct{ href, text string }

// pageOf draws a comparison as a page.
func pageOf(c *comparison, context int, links []link) string {
	var d document
	d.open(c.old.name() + " → " + c.new.name())
	d.markup("<header>\n<h1>")
	d.text(c.old.heading())
	d.markup(" → ")
	d.text(c.new.heading())
	d.markup("</h1>\n")
	if c.note != "" {
		d.markup("<p>")
		d.text(c.note)
		d.markup("</p>\n")
	}
	d.markup(`<p class="legend">In the margin: <b>-</b> removed, <b>+</b> added, <b>~</b> changed, `,
		`<b>&lt;</b> moved away, <b>&gt;</b> moved here. `,
		`Where the two lines of a row look the same, what differs is written out: <b>·</b> a space, `,
		`<b>→</b> a tab, <b>&lt;U+00A0&gt;</b> other characters.</p>`, "\n")
	d.nav(c, links)
	d.markup("</header>\n<main>\n")
	if !c.differs() {
		d.markup("<p>")
		d.text(same(c))
		d.markup("</p>\n")
	}
	for i, f := range c.files {
		d.file(c, f, i, context)
	}
	d.markup("</main>\n")
	return d.close()
}

// nav links to other pages and to the files of this one.
func (d *document) nav(c *comparison, links []link) {
	if len(links) > 0 {
		d.markup(`<nav aria-label="Steps">`)
		for _, l := range links {
			d.markup(`<a href="`, html.EscapeString(l.href), `">`)
			d.text(l.text)
			d.markup("</a> ")
		}
		d.markup("</nav>\n")
	}
	d.markup(`<nav aria-label="Files">`)
	for i, f := range c.files {
		d.markup(`<a href="#file`, strconv.Itoa(i+1), `">`)
		d.text(f.Name)
		d.markup("</a> ")
	}
	d.markup("</nav>\n")
}

func (d *document) file(c *comparison, f *rowdiff.File, index, context int) {
	d.markup(`<section id="file`, strconv.Itoa(index+1), "\">\n<h2>")
	d.text(f.Name)
	d.markup(`<span class="count">`)
	d.text(strings.TrimPrefix(summary(c, f, false), shown(f.Name)))
	d.markup("</span></h2>\n")
	if f.Differs && f.Skipped == "" {
		oldSyntax, newSyntax := byLine(f.OldSyntax, f.OldText), byLine(f.NewSyntax, f.NewText)
		class := "diff"
		if !f.InOld || !f.InNew {
			class = "diff one"
		}
		d.markup(`<div class="`, class, "\">\n")
		stretches := rowdiff.Fold(f.Rows, context)
		for i, st := range stretches {
			if st.Folded {
				d.markup("<details><summary>")
				d.text(foldText(f, st, stretches[i+1:]))
				d.markup("</summary>\n")
			}
			for _, r := range st.Rows {
				d.row(f, r, oldSyntax, newSyntax)
			}
			if st.Folded {
				d.markup("</details>\n")
			}
		}
		d.markup("</div>\n")
	}
	d.markup("</section>\n")
}

func (d *document) row(f *rowdiff.File, r rowdiff.Row, oldSyntax, newSyntax [][]gosyntax.Span) {
	if r.Same() {
		d.markup(`<div class="row same">`)
	} else {
		d.markup(`<div class="row">`)
	}
	if f.InOld {
		d.side(r, false, oldSyntax)
	}
	if f.InNew {
		d.side(r, true, newSyntax)
	}
	d.markup("</div>\n")
}

// side writes half a row: number, mark, and the line in an element that says what it is.
func (d *document) side(r rowdiff.Row, isNew bool, syntax [][]gosyntax.Span) {
	s := sideOf(r, isNew)
	if s.Kind == rowdiff.Blank {
		d.markup(`<div class="side blank"></div>`)
		return
	}
	element, class := "code", ""
	switch {
	case s.Kind == rowdiff.Equal:
	case isNew:
		element, class = "ins", " new"
	default:
		element, class = "del", " old"
	}
	if s.Kind == rowdiff.Moved {
		class = " moved"
	}
	d.markup(`<div class="side`, class, `">`)
	if s.Note != "" {
		d.markup(`<span class="note">`)
		d.text(s.Note)
		d.markup("</span>")
	}
	d.markup(`<span class="n">`, strconv.Itoa(s.Number), `</span><span class="m">`)
	d.text(mark(s.Kind, isNew))
	d.markup("</span><", element, ">")
	d.line(lineRuns(r, isNew, syntax[s.Number-1]))
	d.markup("</", element, "></div>")
}

// textRun is a piece of a line in one style.
type textRun struct {
	text []byte // grows cell by cell: a line may have hundreds of thousands
	cell cell   // its style
	sign string // to be drawn over a space or a tab that is made visible; "" for other text
}

// lineRuns joins the cells of a line that look the same. Tabs and spaces stay what they are, so
// that what is copied is what was there.
func lineRuns(r rowdiff.Row, isNew bool, syntax []gosyntax.Span) []textRun {
	line := sideOf(r, isNew).Text
	var out []textRun
	tabAt := -1
	for _, c := range lineCells(r, isNew, syntax) {
		text, sign := c.text, ""
		switch {
		case c.at < len(line) && line[c.at] == '\t':
			if c.at == tabAt {
				continue
			}
			text, tabAt = "\t", c.at
			if c.escape {
				sign = "→"
			}
		case c.escape && c.text == "·":
			text, sign = " ", "·"
		}
		if n := len(out); n > 0 && sign == "" && out[n-1].looksLike(c) {
			out[n-1].text = append(out[n-1].text, text...)
		} else {
			out = append(out, textRun{[]byte(text), c, sign})
		}
	}
	return out
}

func (r textRun) looksLike(c cell) bool {
	return r.sign == "" && r.cell.class == c.class && r.cell.strong == c.strong && r.cell.escape == c.escape
}

// classes are the style sheet's names for the classes of tokens.
var classes = map[gosyntax.Class]string{
	gosyntax.Keyword: "k", gosyntax.Literal: "l", gosyntax.Number: "d", gosyntax.Comment: "c",
	gosyntax.Builtin: "d", gosyntax.Function: "f",
}

func (d *document) line(runs []textRun) {
	strong := false
	for _, r := range runs {
		if r.cell.strong != strong {
			d.markup([2]string{"<b>", "</b>"}[toInt(strong)])
			strong = r.cell.strong
		}
		class := classes[r.cell.class]
		switch {
		case r.sign != "":
			d.markup(`<span class="w" data-name="`, r.sign, `">`)
		case r.cell.escape:
			d.markup(`<span class="e">`)
		case class != "":
			d.markup(`<span class="`, class, `">`)
		}
		d.markup(html.EscapeString(string(r.text))) // cells have written out already what cannot be shown
		if r.sign != "" || r.cell.escape || class != "" {
			d.markup("</span>")
		}
	}
	if strong {
		d.markup("</b>")
	}
}

func toInt(b bool) int {
	if b {
		return 1
	}
	return 0
}

// indexOf draws the table of the course as a page.
func indexOf(steps []step) string {
	var d document
	d.open("The course, step by step")
	d.markup("<header>\n<h1>The course, step by step</h1>\n",
		"<p>Each lesson beside the one that it builds on:</p>\n<ul>\n")
	for _, c := range columns {
		d.markup("<li><b>", c.name, "</b>: ", c.meaning, "</li>\n")
	}
	d.markup("</ul>\n</header>\n<main>\n<table>\n<thead><tr><th scope=\"col\">Lesson</th>")
	for _, c := range columns {
		d.markup(`<th scope="col">`, c.name, "</th>")
	}
	d.markup("</tr></thead>\n<tbody>\n")
	for _, s := range steps {
		d.markup(`<tr><td><a href="`, s.number, `.html">`)
		d.text(s.number + " " + s.title)
		d.markup("</a></td>")
		for i, text := range s.row(false) {
			d.markup(`<td class="count" data-name="`, columns[i].name, `">`)
			d.text(text)
			d.markup("</td>")
		}
		d.markup("</tr>\n")
	}
	d.markup("</tbody>\n</table>\n")
	if slices.ContainsFunc(steps, step.over) {
		d.markup("<p>! ", exceeded, "</p>\n")
	}
	d.markup("</main>\n")
	return d.close()
}

// writePage writes one comparison to the file that -html names.
func writePage(c *comparison, o options, w world) error {
	text := pageOf(c, o.context, nil)
	if o.html == "-" {
		return write(w.stdout, text)
	}
	if info, err := os.Stat(o.html); err == nil && info.IsDir() {
		return usageError(fmt.Sprintf("%s is a folder; with a lesson, -html wants a file, such as %s",
			shown(o.html), shown(filepath.Join(o.html, "diff.html"))))
	}
	if err := save(o.html, text); err != nil {
		return err
	}
	return write(w.stdout, "wrote "+shown(o.html)+"\n")
}

// writeCourse writes a page for each step, and an index, to the folder that -html names.
func writeCourse(c course, o options, w world) error {
	if o.html == "-" {
		return usageError("the course is several pages: -html wants a folder")
	}
	if info, err := os.Stat(o.html); err == nil && !info.IsDir() {
		return usageError(fmt.Sprintf("%s is a file; with no lesson, -html wants a folder", shown(o.html)))
	}
	if sources, _ := fs.Glob(os.DirFS(o.html), "*.go"); len(sources) > 0 {
		return usageError(fmt.Sprintf(
			"%s holds Go files; with no lesson, -html wants a folder for the pages alone", shown(o.html)))
	}
	steps, err := c.steps()
	if err != nil {
		return err
	}
	if err := os.MkdirAll(o.html, 0o755); err != nil {
		return fmt.Errorf("making the folder %s: %w", shown(o.html), cause(err))
	}
	pages, unread, err := coursePages(c, o, steps)
	if err != nil {
		return err
	}
	names := slices.Sorted(maps.Keys(pages))
	for _, name := range names { // all of them or none
		if _, err := replaceable(filepath.Join(o.html, name)); err != nil {
			return err
		}
	}
	for _, name := range names {
		if err := save(filepath.Join(o.html, name), pages[name]); err != nil {
			return err
		}
	}
	wrote := fmt.Sprintf("wrote %d pages; begin with %s\n", len(pages),
		shown(filepath.Join(o.html, "index.html")))
	return errors.Join(write(w.stdout, wrote), unread)
}

// coursePages draws a page for each step, and an index. unread is the error of files that the pages
// call unread.
func coursePages(c course, o options, steps []step) (pages map[string]string, unread, err error) {
	pages = map[string]string{"index.html": indexOf(steps)}
	written := c.written()
	for i, l := range written {
		diff, err := c.step(l, o.allFiles)
		if err != nil && !errors.Is(err, errHidden) {
			return nil, nil, err
		}
		unread = errors.Join(unread, diff.unread())
		links := []link{{"index.html", "All steps"}}
		if i > 0 {
			links = append(links, link{written[i-1].Number + ".html", "← " + written[i-1].Number})
		}
		if i+1 < len(written) {
			links = append(links, link{written[i+1].Number + ".html", written[i+1].Number + " →"})
		}
		pages[l.Number+".html"] = pageOf(diff, o.context, links)
	}
	return pages, unread, nil
}

// replaceable returns the file that a page with that name goes to, behind links. Whatever is there
// already must be empty or a page of this command: a name mistyped after -html must not cost a source
// file, a device or a page that somebody wrote.
func replaceable(name string) (string, error) {
	info, err := os.Stat(name) // before anything is opened: opening a pipe may never end
	switch {
	case errors.Is(err, fs.ErrNotExist):
		if _, err := os.Lstat(name); err == nil {
			return "", fmt.Errorf("%s is a link to a file that is not there: not replaced", shown(name))
		}
		return name, nil
	case err != nil:
		return "", fmt.Errorf("%s: %w", shown(name), cause(err))
	case !info.Mode().IsRegular():
		return "", fmt.Errorf("%s is there already and is not a regular file: not replaced; "+
			"-html - writes to standard output", shown(name))
	}
	file, err := filepath.EvalSymlinks(name)
	if err != nil {
		return "", fmt.Errorf("%s: %w", shown(name), cause(err))
	}
	old, err := os.Open(file)
	if err != nil {
		return "", fmt.Errorf("%s: %w", shown(name), cause(err))
	}
	defer old.Close()
	begin, err := io.ReadAll(io.LimitReader(old, 1024)) // bytes; the generator stands in the first lines
	switch {
	case err != nil:
		return "", fmt.Errorf("%s: %w", shown(name), cause(err))
	case len(begin) > 0 && !strings.Contains(string(begin), generator):
		return "", fmt.Errorf("%s is there already and was not written by this command: not replaced; "+
			"give another name, or remove it", shown(name))
	}
	return file, nil
}

// save writes a page beside its final name and renames it, so that nobody reads half of it.
func save(name, text string) error {
	file, err := replaceable(name)
	if err != nil {
		return err
	}
	tmp, err := os.CreateTemp(filepath.Dir(file), ".diff-*.html")
	if err != nil {
		return fmt.Errorf("writing %s: %w", shown(name), cause(err))
	}
	_, err = tmp.WriteString(text)
	err = errors.Join(err, tmp.Chmod(0o644), tmp.Close())
	if err == nil {
		err = os.Rename(tmp.Name(), file)
	}
	if err != nil {
		os.Remove(tmp.Name())
		return fmt.Errorf("writing %s: %w", shown(name), cause(err))
	}
	return nil
}
