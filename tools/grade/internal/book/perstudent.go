package book

import (
	"cmp"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"unicode/utf8"

	"socketbook/tools/check"
	"socketbook/tools/grade/internal/score"
)

// perStudent is an output of one file for each student, in a folder of its own.
type perStudent struct {
	c      *class
	folder string
	ending string
	write  func(s student, f *file) error
	made   bool
}

func (p *perStudent) add(s student) error {
	dir := filepath.Join(p.c.dir, p.folder)
	if !p.made {
		if err := os.MkdirAll(dir, 0o755); err != nil {
			return err
		}
		p.made = true
	}
	f := create(dir, score.FileName(s.id)+p.ending)
	if err := p.write(s, f); err != nil {
		f.err = err
	}
	return f.close()
}

func (p *perStudent) close() error { return nil }

// words are what a row's status says to the student; "" if the points say it all.
func words(r score.Row) string {
	status := r.Status
	switch status {
	case score.Held: // whatever the status would be
		r.Unhold()
		const held = "held: in no gradebook"
		if w := words(r); w != "" {
			return w + "; " + held
		}
		return held
	case score.Graded, score.DoesNotCompile:
		return score.Plain(r.Reason)
	case score.NotStarted:
		return "not started: the file is still the starter"
	case score.TimedOut:
		return "did not finish: " + score.Plain(r.Reason)
	case score.Void:
		return "not graded, for a person to look at: " + score.Plain(r.Reason)
	case score.Missing:
		return score.Plain(r.Reason)
	case score.GraderError:
		return "not graded yet, because the grading machine failed: " + score.Plain(r.Reason)
	}
	return string(status)
}

// mostFeedback is how many bytes of a text that a student prints are handed on.
const mostFeedback = 16 << 10

// story is what is to be read about a case that did not pass.
func story(c score.Case) string {
	text := cmp.Or(strings.TrimRight(c.Report, "\n"), c.Message)
	return score.PlainText(score.Cut(text, mostFeedback))
}

// fence puts a text into a block of Markdown, whatever the text has in it.
func fence(text string) string {
	ticks := "```"
	for strings.Contains(text, ticks) {
		ticks += "`"
	}
	return fmt.Sprintf("%stext\n%s\n%s\n", ticks, strings.TrimRight(text, "\n"), ticks)
}

// escapeMarkdown keeps a text in a line from being Markdown or HTML.
func escapeMarkdown(s string) string {
	var b strings.Builder
	for _, r := range score.Plain(s) {
		if r < 0x80 && strings.ContainsRune("\\`*_{}[]()#+!|<>&~-.:@", r) {
			switch r {
			case '<':
				b.WriteString("&lt;")
				continue
			case '&':
				b.WriteString("&amp;")
				continue
			case '-', '.', ':', '(', ')', '+', '{', '}':
			case '@':
				b.WriteString("&#64;") // a mention notifies strangers
				continue
			default:
				b.WriteByte('\\')
			}
		}
		b.WriteRune(r)
	}
	return b.String()
}

func newFeedback(c *class) output {
	return &perStudent{c: c, folder: "feedback", ending: ".md", write: func(s student, f *file) error {
		points, of := s.total()
		f.printf("# %s: %d of %d points\n", escapeMarkdown(s.label()), points, of)
		for _, r := range s.rows {
			title := ""
			for _, l := range c.Labs {
				if l.Number == r.Lab && l.Title != "" {
					title = " " + l.Title
				}
			}
			f.printf("\n## Lab %s%s: %d of %d points\n\n", r.Lab, title, r.Points, r.Of)
			if w := words(r); w != "" {
				f.printf("%s\n\n", escapeMarkdown(w))
			}
			if r.Notes != "" {
				f.printf("What was handed in: %s.\n\n", escapeMarkdown(r.Notes))
			}
			if r.Output != "" {
				f.printf("%s\n", fence(score.PlainText(r.Output)))
			}
			if cmp.Or(r.WouldBe, r.Status) != score.Graded {
				continue
			}
			for _, cs := range r.Cases {
				switch cs.Outcome {
				case check.Passed:
					f.printf("- %s: %d of %d\n", escapeMarkdown(cs.Case), cs.Points, cs.Of)
				case check.Failed:
					f.printf("- %s: **%d of %d**\n", escapeMarkdown(cs.Case), cs.Points, cs.Of)
				default:
					f.printf("- %s: **%d of %d**, %s\n", escapeMarkdown(cs.Case), cs.Points, cs.Of,
						escapeMarkdown(cs.Message))
				}
			}
			for _, cs := range r.Cases {
				if cs.Outcome == check.Failed {
					f.printf("\n### %s\n\n%s", escapeMarkdown(cs.Case), fence(story(cs)))
				}
			}
		}
		return nil
	}}
}

// gradescopeTest is one test in Gradescope's results.json.
type gradescopeTest struct {
	Score        float64 `json:"score"`
	MaxScore     float64 `json:"max_score"`
	Status       string  `json:"status"` // passed or failed
	Name         string  `json:"name"`
	Number       string  `json:"number"`
	Output       string  `json:"output"`
	OutputFormat string  `json:"output_format"`
}

func newGradescope(c *class) output {
	return &perStudent{c: c, folder: "gradescope", ending: ".json", write: func(s student, f *file) error {
		var all struct {
			Score  *float64         `json:"score,omitempty"` // only when there is none to be added up
			Output string           `json:"output"`
			Tests  []gradescopeTest `json:"tests"`
		}
		all.Tests = []gradescopeTest{}
		var lines []string
		points, _ := s.total()
		for _, r := range s.rows {
			if w := words(r); w != "" {
				lines = append(lines, fmt.Sprintf("lab %s: %s", r.Lab, w))
			}
			if r.Output != "" {
				lines = append(lines, score.PlainText(r.Output))
			}
			if cmp.Or(r.WouldBe, r.Status) == score.Void && points == 0 { // it would replace other labs' points
				all.Score = new(float64)
			}
			for i, cs := range r.Cases {
				t := gradescopeTest{
					Score: float64(cs.Points), MaxScore: float64(cs.Of), Status: "failed",
					Name:   fmt.Sprintf("lab %s: %s", r.Lab, cs.Case),
					Number: fmt.Sprintf("%s.%d", strings.TrimLeft(r.Lab, "0"), i+1), OutputFormat: "text",
				}
				if t.Output = story(cs); cs.Outcome == check.Passed {
					t.Status, t.Output = "passed", ""
				}
				all.Tests = append(all.Tests, t)
			}
		}
		all.Output = strings.Join(lines, "\n")
		return score.Encode(f, all, " ")
	}}
}

// classroom50Test is one test in Classroom 50's result.
type classroom50Test struct {
	Name     string `json:"test-name"` // at most 100 bytes
	Passed   bool   `json:"passed"`
	Score    int    `json:"score"`
	MaxScore int    `json:"max-score"`
}

// longestTestName is the limit of Classroom 50, in bytes.
const longestTestName = 100

func newClassroom50(c *class) output {
	return &perStudent{c: c, folder: "classroom50", ending: ".json", write: func(s student, f *file) error {
		result := struct {
			Schema     string            `json:"schema"`
			Classroom  string            `json:"classroom"`
			Assignment string            `json:"assignment"`
			Usernames  []string          `json:"usernames"`
			Submission string            `json:"submission"`
			Commit     string            `json:"commit"`
			Release    string            `json:"release"`
			Review     string            `json:"review"`
			Datetime   string            `json:"datetime"`
			Score      int               `json:"score"`
			MaxScore   int               `json:"max-score"`
			Tests      []classroom50Test `json:"tests"`
		}{
			Schema: "classroom50/result/v1", Classroom: os.Getenv("CLASSROOM"),
			Assignment: os.Getenv("ASSIGNMENT"), Usernames: []string{s.id},
			Submission: os.Getenv("SUBMISSION_TAG"), Commit: os.Getenv("COMMIT_URL"),
			Release: os.Getenv("RELEASE_URL"), Review: cmp.Or(os.Getenv("REVIEW_URL"), os.Getenv("COMMIT_URL")),
			Datetime: cmp.Or(c.Began, "1970-01-01T00:00:00Z"),
			Tests:    []classroom50Test{},
		}
		if name := os.Getenv("USERNAME"); name != "" && result.Classroom != "" { // else that of who is logged in
			result.Usernames[0] = name
		}
		for _, r := range s.rows {
			for _, cs := range r.Cases {
				result.Score, result.MaxScore = result.Score+cs.Points, result.MaxScore+cs.Of
				result.Tests = append(result.Tests, classroom50Test{
					Name:   shorten(fmt.Sprintf("lab %s: %s", r.Lab, cs.Case), longestTestName),
					Passed: cs.Outcome == check.Passed, Score: cs.Points, MaxScore: cs.Of,
				})
			}
		}
		return score.Encode(f, result, " ")
	}}
}

// shorten cuts a text to so many bytes, between characters.
func shorten(s string, most int) string {
	s = score.Plain(s)
	if len(s) <= most {
		return s
	}
	most -= len("…")
	for !utf8.RuneStart(s[most]) {
		most--
	}
	return s[:most] + "…"
}
