package main

import (
	"bytes"
	"fmt"
	"html"
	"html/template"
	"path"
	"regexp"
	"strings"
	"unicode"

	"github.com/yuin/goldmark"
	"github.com/yuin/goldmark/ast"
	"github.com/yuin/goldmark/extension"
	extast "github.com/yuin/goldmark/extension/ast"
	"github.com/yuin/goldmark/parser"
	"github.com/yuin/goldmark/renderer"
	"github.com/yuin/goldmark/text"
	"github.com/yuin/goldmark/util"

	"socketbook/lessons"
	"socketbook/tools/internal/gosyntax"
)

// ids names headings: their letters and digits, of any script, with - in between.
type ids struct{ taken map[string]bool }

func newIDs(taken []string) *ids {
	i := &ids{map[string]bool{}}
	for _, name := range taken {
		i.taken[name] = true
	}
	return i
}

func (i *ids) Generate(value []byte, _ ast.NodeKind) []byte {
	words := strings.FieldsFunc(strings.ToLower(string(value)),
		func(r rune) bool { return !unicode.IsLetter(r) && !unicode.IsDigit(r) })
	name := strings.Join(words, "-")
	if name == "" {
		name = "section"
	}
	for id, n := name, 2; ; id, n = fmt.Sprintf("%s-%d", name, n), n+1 {
		if !i.taken[id] {
			i.taken[id] = true
			return []byte(id)
		}
	}
}

func (i *ids) Put(value []byte) { i.taken[string(value)] = true }

// page renders a README.
type page struct {
	book   *book
	dir    string // of the README, from the module's folder: "lessons/04"
	widget func(w util.BufWriter, scene string)
	lesson *lessonPage
	placed map[string]bool // scenes that have their place in the text
}

// render returns the HTML of a README. HTML in it is left out, but for <details> and <summary>.
func (p *page) render(source []byte) (template.HTML, error) {
	md, taken := p.markdown()
	var out bytes.Buffer
	context := parser.WithContext(parser.NewContext(parser.WithIDs(newIDs(taken))))
	if err := md.Convert(source, &out, context); err != nil {
		return "", err
	}
	return template.HTML(out.String()), nil
}

func (p *page) markdown() (md goldmark.Markdown, taken []string) {
	if p.lesson != nil {
		taken = p.lesson.names()
	}
	return goldmark.New(
		goldmark.WithExtensions(extension.Table, extension.Strikethrough),
		goldmark.WithParserOptions(parser.WithAutoHeadingID(),
			parser.WithASTTransformers(util.Prioritized(p, 100))),
		goldmark.WithRendererOptions(renderer.WithNodeRenderers(util.Prioritized(p, 100))),
	), taken
}

// Transform makes links into the course links of the page.
func (p *page) Transform(doc *ast.Document, _ text.Reader, _ parser.Context) {
	_ = ast.Walk(doc, func(n ast.Node, entering bool) (ast.WalkStatus, error) {
		if !entering {
			return ast.WalkContinue, nil
		}
		switch n := n.(type) {
		case *ast.Link:
			n.Destination = []byte(p.link(string(n.Destination)))
		case *ast.Image:
			n.Destination = []byte(p.link(string(n.Destination)))
		}
		return ast.WalkContinue, nil
	})
}

var (
	lessonFile = regexp.MustCompile(`^lessons/(\d\d)(?:/(?:README\.md)?)?$`)
	lessonPart = regexp.MustCompile(`^lessons/(\d\d)/([\w.-]+\.go)$`)
	pictureOf  = regexp.MustCompile(`^lessons/(\d\d/testdata/[\w.-]+\.svg)$`)
	labFile    = regexp.MustCompile(`^labs/(\d\d)(?:/.*)?$`)
)

// link turns a link of a README into one of the page. What the page does not have leads to the
// nearest that it has.
func (p *page) link(to string) string {
	if strings.HasPrefix(to, "https://") || strings.HasPrefix(to, "http://") || strings.HasPrefix(to, "#") {
		return to
	}
	file, fragment, _ := strings.Cut(to, "#")
	if fragment != "" {
		fragment = "#" + fragment
	}
	at, base := path.Join(p.dir, file), "/"+p.book.token
	switch {
	case at == "lessons" || at == "lessons/README.md":
		return base + "/course"
	case at == "labs" || at == "labs/README.md":
		return base + "/labs/"
	case lessonFile.MatchString(at) && p.book.lesson(lessonFile.FindStringSubmatch(at)[1]) != nil:
		return base + "/lessons/" + lessonFile.FindStringSubmatch(at)[1] + fragment
	case pictureOf.MatchString(at):
		return base + "/files/" + pictureOf.FindStringSubmatch(at)[1]
	case lessonPart.MatchString(at):
		m := lessonPart.FindStringSubmatch(at)
		return base + "/lessons/" + m[1] + "/source#" + m[2]
	case labFile.MatchString(at):
		if _, ok := p.book.lab(labFile.FindStringSubmatch(at)[1]); !ok {
			return base + "/labs/"
		}
		return base + "/labs/" + labFile.FindStringSubmatch(at)[1]
	}
	return base + "/"
}

// RegisterFuncs takes over the blocks that are not as usual.
func (p *page) RegisterFuncs(r renderer.NodeRendererFuncRegisterer) {
	r.Register(ast.KindFencedCodeBlock, p.code)
	r.Register(ast.KindCodeBlock, p.code)
	r.Register(ast.KindHTMLBlock, p.details)
	r.Register(ast.KindRawHTML, func(util.BufWriter, []byte, ast.Node, bool) (ast.WalkStatus,
		error,
	) {
		return ast.WalkSkipChildren, nil
	})
	r.Register(extast.KindTable, p.table)
}

var played = regexp.MustCompile(`^\$ go run \./lessons/(\d\d) -scene ([a-z0-9-]+)`)

// code writes a block of code; Go is coloured. Below the transcript of a scene the scene itself can
// be played.
func (p *page) code(w util.BufWriter, source []byte, n ast.Node, entering bool) (ast.WalkStatus, error) {
	if !entering {
		return ast.WalkContinue, nil
	}
	var text bytes.Buffer
	for i := range n.Lines().Len() {
		at := n.Lines().At(i)
		text.Write(at.Value(source))
	}
	language := ""
	if fenced, ok := n.(*ast.FencedCodeBlock); ok {
		language = string(fenced.Language(source))
	}
	fmt.Fprint(w, `<pre tabindex="0"><code>`)
	if language == "go" {
		spans, _ := gosyntax.Read(text.Bytes())
		_, _ = w.WriteString(highlight(text.String(), spans, nil))
	} else {
		_, _ = w.WriteString(html.EscapeString(text.String()))
	}
	fmt.Fprint(w, "</code></pre>\n")
	if m := played.FindStringSubmatch(text.String()); m != nil && p.lesson != nil &&
		m[1] == p.lesson.Number && !p.placed[m[2]] {
		if _, ok := p.lesson.scene(m[2]); ok {
			p.placed[m[2]] = true
			p.widget(w, m[2])
		}
	}
	return ast.WalkSkipChildren, nil
}

var (
	opening = regexp.MustCompile(`^<details( open)?>$`)
	summary = regexp.MustCompile(`^<summary>(.*)</summary>$`)
)

// details writes the only HTML that is taken from a README.
func (p *page) details(w util.BufWriter, source []byte, n ast.Node, entering bool) (ast.WalkStatus, error) {
	if !entering {
		return ast.WalkContinue, nil
	}
	for i := range n.Lines().Len() {
		at := n.Lines().At(i)
		line := strings.TrimSpace(string(at.Value(source)))
		rest, closed := strings.CutPrefix(line, "<details><summary>")
		if closed {
			fmt.Fprint(w, "<details>")
			line = "<summary>" + rest
		}
		switch m := summary.FindStringSubmatch(line); {
		case opening.MatchString(line), line == "</details>":
			fmt.Fprintln(w, line)
		case m != nil:
			fmt.Fprintf(w, "<summary>%s</summary>\n",
				html.EscapeString(strings.NewReplacer("<b>", "", "</b>", "", "<code>", "", "</code>",
					"").Replace(html.UnescapeString(m[1]))))
		}
	}
	return ast.WalkSkipChildren, nil
}

// table puts a table into a box that scrolls sideways, so that the page does not.
func (p *page) table(w util.BufWriter, _ []byte, _ ast.Node, entering bool) (ast.WalkStatus, error) {
	if entering {
		fmt.Fprint(w, `<div class="wide" tabindex="0"><table>`)
	} else {
		fmt.Fprint(w, "</tbody></table></div>\n")
	}
	return ast.WalkContinue, nil
}

// claim is a row of the ledger of claims, with what the page can play.
type claim struct {
	lessons.Claim
	Chapter    string
	Scenes     []evidence
	References string // tests and texts
}

// evidence is a scene that shows what is so.
type evidence struct{ Lesson, Scene string }

// claims are those of the ledger whose words hold the query, which is in lower case.
func (b *book) claims(query string) (shown []claim, total int) {
	for _, chapter := range lessons.Claims {
		for _, row := range chapter.Claims {
			total++
			c := claim{Claim: row, Chapter: chapter.Title}
			var references []string
			for _, word := range strings.Split(row.Evidence, "; ") {
				number, name, _ := strings.Cut(word, " ")
				if l := b.lesson(number); l != nil {
					if _, ok := l.scene(name); ok {
						c.Scenes = append(c.Scenes, evidence{number, name})
						continue
					}
				}
				references = append(references, word)
			}
			c.References = strings.Join(references, "; ")
			words := strings.Join([]string{row.ID, row.Said, row.Quote, row.So, row.Evidence, chapter.Title}, " ")
			if strings.Contains(strings.ToLower(words), query) {
				shown = append(shown, c)
			}
		}
	}
	return shown, total
}
