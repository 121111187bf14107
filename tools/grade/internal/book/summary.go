package book

import (
	"cmp"
	"crypto/sha256"
	_ "embed"
	"encoding/base64"
	"fmt"
	"html/template"
	"os"
	"slices"
	"strings"

	"socketbook/tools/check"
	"socketbook/tools/grade/internal/score"
)

// summary is summary.md and summary.html: the class at a glance.
type summary struct {
	*class
	Students []line
	Labs     []*labSummary
	Counts   []count
	Bins     [bins]bin
	Same     [][]string // students with the same file after gofmt, a lab in front
	Slowest  []slow
	of       int // points that there are
	same     map[string][]string
}

// line is one student.
type line struct {
	ID, Name string
	Marks    []markOf // one for each lab
	Points   int
	Of       int
	Note     string
	File     string // of the feedback
}

type markOf struct {
	Text   string
	Points int
	Status score.Status
}

type count struct {
	Status score.Status
	N      int
}

// bins is how many bars the histogram has: each a tenth of the points.
const bins = 10

type bin struct {
	From, To int // points, both included
	N        int
	Percent  int // of the largest
}

// labSummary is what the class did in a lab.
type labSummary struct {
	Lab
	Graded int // rows that were graded
	Points int // of all of them
	Cases  []*caseSummary
}

// Mean is the average of the rows that were graded.
func (l *labSummary) Mean() string {
	if l.Graded == 0 {
		return "-"
	}
	return fmt.Sprintf("%.1f", float64(l.Points)/float64(l.Graded))
}

type caseSummary struct {
	Case   string
	Of     int
	Passed int
	Failed int
	NotRun int
	Names  []string // who failed
}

// Percent is the share of those for whom the case was run that passed it.
func (c *caseSummary) Percent() int {
	if c.Passed+c.Failed == 0 {
		return 0
	}
	return 100 * c.Passed / (c.Passed + c.Failed)
}

type slow struct {
	Student, Lab string
	Seconds      float64
}

const (
	mostNames   = 12 // of students who failed a case
	mostSlowest = 10
	mostSame    = 100 // groups of equal files
)

func newSummary(c *class) output {
	s := &summary{class: c, same: map[string][]string{}}
	for i, n := range c.Notices { // of a file that anybody may have written
		c.Notices[i] = score.Plain(n)
	}
	for _, l := range c.Batch.Labs {
		one := &labSummary{Lab: l}
		for _, cs := range l.Cases {
			one.Cases = append(one.Cases, &caseSummary{Case: cs.Case, Of: cs.Of})
		}
		s.Labs = append(s.Labs, one)
		s.of += l.Points()
	}
	for _, status := range score.Statuses {
		s.Counts = append(s.Counts, count{Status: status})
	}
	for i := range bins {
		s.Bins[i].From = (i*s.of + bins - 1) / bins
		s.Bins[i].To = max(s.Bins[i].From, ((i+1)*s.of+bins-1)/bins-1)
	}
	s.Bins[bins-1].To = s.of
	return s
}

func (s *summary) add(one student) error {
	l := line{ID: score.Plain(one.id), Name: score.Plain(one.person.Name), File: score.FileName(one.id) + ".md"}
	var notes []string
	which := map[score.Status][]string{} // labs
	if s.roster != nil && !one.known {
		notes = append(notes, "not in the roster")
	}
	for _, sum := range s.Labs {
		r, ok := one.row(sum.Number)
		if !ok {
			l.Marks = append(l.Marks, markOf{Text: "", Points: -1})
			continue
		}
		text := fmt.Sprint(r.Points)
		if cmp.Or(r.WouldBe, r.Status) == score.GraderError {
			text = "?"
		}
		l.Marks = append(l.Marks, markOf{text, r.Points, r.Status})
		l.Points, l.Of = l.Points+r.Points, l.Of+r.Of
		s.Counts[slices.Index(score.Statuses, r.Status)].N++
		which[r.Status] = append(which[r.Status], r.Lab)
		s.count(sum, l.ID, r)
	}
	for _, status := range score.Statuses {
		switch labs := which[status]; {
		case status == score.Graded || len(labs) == 0:
		case len(labs) == len(s.Labs) && len(labs) > 1:
			notes = append(notes, fmt.Sprintf("all %s", status))
		default:
			notes = append(notes, fmt.Sprintf("%s: %s", status, strings.Join(labs, ", ")))
		}
	}
	l.Note = strings.Join(notes, "; ")
	s.Students = append(s.Students, l)
	for i := range s.Bins {
		if b := &s.Bins[i]; l.Points >= b.From && (l.Points <= b.To || i == bins-1) {
			b.N++
			break
		}
	}
	return nil
}

// count adds a row to what the class did in a lab.
func (s *summary) count(sum *labSummary, id string, r score.Row) {
	status := cmp.Or(r.WouldBe, r.Status)
	if r.Format != "" && status != score.NotStarted {
		key := r.Lab + " " + r.Format
		s.same[key] = append(s.same[key], id)
	}
	if r.Seconds > 0 {
		s.Slowest = append(s.Slowest, slow{id, r.Lab, r.Seconds})
		slices.SortFunc(s.Slowest, func(a, b slow) int {
			return cmp.Or(cmp.Compare(b.Seconds, a.Seconds), strings.Compare(a.Student, b.Student))
		})
		s.Slowest = s.Slowest[:min(len(s.Slowest), mostSlowest)]
	}
	if status != score.Graded {
		return
	}
	sum.Graded++
	sum.Points += r.Points
	for _, c := range r.Cases {
		name := score.Plain(c.Case) // what was read from a file may be any text
		i := slices.IndexFunc(sum.Cases, func(known *caseSummary) bool { return known.Case == name })
		if i < 0 { // of another version of the suite
			sum.Cases = append(sum.Cases, &caseSummary{Case: name, Of: c.Of})
			i = len(sum.Cases) - 1
		}
		known := sum.Cases[i]
		switch c.Outcome {
		case check.Passed:
			known.Passed++
		case check.Failed:
			known.Failed++
			if known.Failed <= mostNames {
				known.Names = append(known.Names, id)
			} else if known.Failed == mostNames+1 {
				known.Names = append(known.Names, "…")
			}
		default:
			known.NotRun++
		}
	}
}

func (s *summary) close() error {
	most := 1
	for _, b := range s.Bins {
		most = max(most, b.N)
	}
	for i := range s.Bins {
		s.Bins[i].Percent = 100 * s.Bins[i].N / most
	}
	s.Counts = slices.DeleteFunc(s.Counts, func(c count) bool { return c.N == 0 })
	for key, names := range s.same {
		if len(names) > 1 {
			lab, _, _ := strings.Cut(key, " ")
			s.Same = append(s.Same, append([]string{lab}, names...))
		}
	}
	slices.SortFunc(s.Same, slices.Compare)
	s.Same = s.Same[:min(len(s.Same), mostSame)]
	f := create(s.dir, "summary.md")
	s.markdown(f)
	if err := f.close(); err != nil {
		return err
	}
	f = create(s.dir, "summary.html")
	if err := page.Execute(f, s); err != nil && f.err == nil {
		f.err = err
	}
	if err := f.close(); err != nil {
		return err
	}
	return s.forGitHub()
}

// Total is the number of points that there are.
func (s *summary) Total() int { return s.of }

// NLabs is how many labs there are, in words.
func (s *summary) NLabs() string {
	if len(s.Labs) == 1 {
		return "1 lab"
	}
	return fmt.Sprintf("%d labs", len(s.Labs))
}

// Range is the points of a bar.
func (b bin) Range() string {
	if b.From == b.To {
		return fmt.Sprint(b.From)
	}
	return fmt.Sprintf("%d–%d", b.From, b.To)
}

// Title says which part of a class it is.
func (s *summary) Title() string {
	students := "students"
	if len(s.Students) == 1 {
		students = "student"
	}
	if s.Of > 1 {
		return fmt.Sprintf("%d %s, part %d of %d of the class", len(s.Students), students, s.Shard, s.Of)
	}
	return fmt.Sprintf("%d %s", len(s.Students), students)
}

func (s *summary) markdown(f *file) {
	f.printf("# Grades: %s\n\n", s.Title())
	f.printf("%s, %d points in all. Answers: ", s.NLabs(), s.of)
	var parts []string
	for _, c := range s.Counts {
		parts = append(parts, fmt.Sprintf("%d %s", c.N, c.Status))
	}
	f.printf("%s; %s.\n\n", strings.Join(parts, ", "), s.Seeds())
	for _, n := range s.Notices {
		f.printf("- %s\n", escapeMarkdown(n))
	}
	f.printf("\n| points | students | |\n|---|--:|---|\n")
	for _, b := range s.Bins {
		f.printf("| %s | %d | %s |\n", b.Range(), b.N, strings.Repeat("█", (b.Percent+4)/5))
	}
	f.printf("\n## Students\n\n| id | name |")
	for _, l := range s.Labs {
		f.printf(" %s |", l.Number)
	}
	f.printf(" total | |\n|---|---|")
	for range s.Labs {
		f.printf("--:|")
	}
	f.printf("--:|---|\n")
	for _, l := range s.Students {
		f.printf("| %s | %s |", escapeMarkdown(l.ID), escapeMarkdown(l.Name))
		for _, m := range l.Marks {
			f.printf(" %s |", m.Text)
		}
		f.printf(" %d | %s |\n", l.Points, escapeMarkdown(l.Note))
	}
	for _, l := range s.Labs {
		f.printf("\n## Lab %s %s\n\n%d graded, %s of %d points on average.\n\n", l.Number, escapeMarkdown(l.Title),
			l.Graded, l.Mean(), l.Lab.Points())
		f.printf("| case | points | passed | failed | not run | who failed |\n|---|--:|--:|--:|--:|---|\n")
		for _, c := range l.Cases {
			f.printf("| %s | %d | %d (%d %%) | %d | %d | %s |\n", escapeMarkdown(c.Case), c.Of, c.Passed, c.Percent(),
				c.Failed, c.NotRun, escapeMarkdown(strings.Join(c.Names, ", ")))
		}
	}
	if len(s.Same) > 0 {
		f.printf("\n## The same file after gofmt\n\n")
		for _, group := range s.Same {
			f.printf("- lab %s: %s\n", group[0], escapeMarkdown(strings.Join(group[1:], ", ")))
		}
	}
	if len(s.Slowest) > 0 && !s.NoTimes {
		f.printf("\n## The slowest\n\n| student | lab | seconds |\n|---|---|--:|\n")
		for _, one := range s.Slowest {
			f.printf("| %s | %s | %.1f |\n", escapeMarkdown(one.Student), one.Lab, one.Seconds)
		}
	}
}

const (
	largestStepSummary = 1<<20 - 1024 // bytes; GitHub refuses more than 1 MiB
	mostAnnotations    = 10           // which GitHub shows of one step
)

// forGitHub writes the summary of a step of GitHub Actions, and annotations, if this is one.
func (s *summary) forGitHub() error {
	name := os.Getenv("GITHUB_STEP_SUMMARY")
	if os.Getenv("GITHUB_ACTIONS") != "true" || name == "" {
		return nil
	}
	text, err := os.ReadFile(s.dir + "/summary.md")
	if err != nil {
		return err
	}
	if len(text) > largestStepSummary {
		end := strings.LastIndexByte(string(text[:largestStepSummary]), '\n')
		text = append(text[:end:end], "\n\nThe rest is in summary.md.\n"...)
	}
	f, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o644)
	if err != nil {
		return fmt.Errorf("writing the summary of the step: %w", err)
	}
	if _, err = f.Write(text); err == nil {
		err = f.Close()
	}
	if err != nil {
		return fmt.Errorf("writing the summary of the step: %w", err)
	}
	n := 0
	for _, l := range s.Students {
		for i, m := range l.Marks {
			if m.Status != score.GraderError && m.Status != score.Void {
				continue
			}
			if n++; n <= mostAnnotations {
				// On standard error: GitHub reads both, and -json keeps the other one for itself.
				fmt.Fprintf(os.Stderr, "::warning title=grade::%s\n",
					command.Replace(fmt.Sprintf("%s, lab %s: %s", l.ID, s.Labs[i].Number, m.Status)))
			}
		}
	}
	return nil
}

// command escapes the message of a workflow command.
var command = strings.NewReplacer("%", "%25", "\r", "%0D", "\n", "%0A")

//go:embed summary.html
var pageText string

//go:embed summary.css
var style string

//go:embed summary.js
var script string

var page = template.Must(template.New("summary").Funcs(template.FuncMap{
	"style":  func() template.CSS { return template.CSS(style) },
	"script": func() template.JS { return template.JS(script) },
	"policy": func() string {
		hash := func(s string) string {
			sum := sha256.Sum256([]byte(s))
			return "'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) + "'"
		}
		return "default-src 'none'; style-src " + hash(style) + "; script-src " + hash(script)
	},
	"join": func(names []string) string { return strings.Join(names, ", ") },
	"rest": func(names []string) []string { return names[1:] },
}).Parse(pageText))
