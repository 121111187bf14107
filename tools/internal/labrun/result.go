package labrun

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"socketbook/tools/check"
	"socketbook/tools/internal/runner"
)

// runLimit ends a suite that hangs; the suites have limits of their own, which come first.
const runLimit = 5 * time.Minute

// Case is one rule of a suite, and what became of it.
type Case struct {
	Name       string `json:"name"`
	Points, Of int
	Outcome    string // check.Passed, check.Failed, check.NotRun
	Message    string // why not, in a line
	Report     string // what a student reads about a failed case
}

// Passed reports whether the case passed.
func (c Case) Passed() bool { return c.Outcome == check.Passed }

// Failed reports whether the case was run and failed; a case may also not have been run.
func (c Case) Failed() bool { return c.Outcome == check.Failed }

// Result is one run of a suite.
type Result struct {
	Cases      []Case
	Points, Of int
	// what the suite says of the whole: that the lab is not started, that it has no points and why
	Note    string
	Printed string // what was printed outside of the suite; of interest when there are no cases
	Seed    uint64
}

// Perfect reports whether nothing is missing.
func (r Result) Perfect() bool { return r.Of > 0 && r.Points == r.Of }

// First is the failure to mend now; nil if there is none. A suite's later cases need its earlier ones.
func (r Result) First() *Case {
	i := slices.IndexFunc(r.Cases, Case.Failed)
	if i < 0 {
		return nil
	}
	return &r.Cases[i]
}

// Changes names the cases that pass in r and did not in old, and those that passed in old and do
// not any more.
func (r Result) Changes(old Result) (fixed, broke []string) {
	was := map[string]Case{}
	for _, c := range old.Cases {
		was[c.Name] = c
	}
	for _, c := range r.Cases {
		before, known := was[c.Name]
		switch {
		case known && c.Passed() && !before.Passed():
			fixed = append(fixed, c.Name)
		case known && !c.Passed() && before.Passed():
			broke = append(broke, c.Name)
		}
	}
	return fixed, broke
}

// Options of a run.
type Options struct {
	Seed     uint64
	Only     string // the name of one case; "" for all
	Timeline bool   // reports show what crossed the connection
}

// Run builds and runs the suite of a lab once. The error is a *runner.BuildError if the lab does
// not compile.
func Run(ctx context.Context, b *runner.Builder, lab Lab, o Options) (Result, error) {
	binary, err := b.Lab(ctx, lab.Number)
	if err != nil {
		return Result{}, err
	}
	defer os.Remove(binary)
	return execute(ctx, b.Root, binary, lab, o, nil)
}

// execute runs a suite; live, if it is not nil, is told each case as it ends, without its points.
// It is all that is known here of the suites' engine: the flags of a test, the lines that a test
// prints for test2json (go doc cmd/test2json), and the results file, which alone gives points.
func execute(ctx context.Context, root, binary string, lab Lab, o Options, live func(Case)) (Result, error) {
	folder, err := os.MkdirTemp("", "socketbook-results-")
	if err != nil {
		return Result{}, fmt.Errorf("making a folder for the results: %w", err)
	}
	defer os.RemoveAll(folder)
	file := filepath.Join(folder, "results.jsonl")
	args := []string{"-test.v=test2json", "-test.paniconexit0", "-seed=" + strconv.FormatUint(o.Seed, 10)}
	if o.Only != "" {
		args = append(args, "-test.run=/^"+regexp.QuoteMeta(strings.ReplaceAll(o.Only, " ", "_"))+"$")
	}
	if o.Timeline {
		args = append(args, "-timeline")
	}
	p := testOutput{live: live, reports: map[string]*strings.Builder{}}
	outcome := runner.Run(ctx, runner.Command{
		Path: binary, Args: args, Dir: filepath.Join(root, "labs", lab.Number), Limit: runLimit,
		Env: []string{check.ResultsVariable + "=" + file}, Line: p.take,
	})
	switch {
	case ctx.Err() != nil:
		return Result{}, ctx.Err()
	case outcome.Err != nil:
		return Result{}, outcome.Err
	case outcome.Late:
		return Result{}, fmt.Errorf("the suite of lab %s did not finish within %v", lab.Number, runLimit)
	}
	r := Result{Seed: o.Seed, Printed: strings.TrimSpace(p.rest() + "\n" + outcome.Printed)}
	text, err := os.ReadFile(file)
	if err != nil {
		r.Note = fmt.Sprintf("the suite ended with status %d before it had written a result: "+
			"something ends the program before the suite begins", outcome.Status)
		return r, nil
	}
	lines, err := check.ReadResults(bytes.NewReader(text))
	if err != nil {
		return Result{}, err
	}
	r.Note = p.note()
	for _, line := range lines {
		if line.Lab != lab.Number || line.Case == "" {
			continue
		}
		c := Case{line.Case, line.Points, line.Of, line.Outcome, line.Message, ""}
		if c.Failed() {
			c.Report = p.report(c.Name)
		}
		if c.Outcome == check.Error { // the machine's trouble, not the student's
			r.Note = line.Message
		}
		r.Cases = append(r.Cases, c)
		r.Points, r.Of = r.Points+c.Points, r.Of+c.Of
	}
	return r, nil
}

// testOutput reads what a test prints with -test.v=test2json: a line of the framework begins with
// ^V; what follows it belongs to the test that was named last.
type testOutput struct {
	live    func(Case)
	test    string // "TestFraming/a_message_is_read_back"
	reports map[string]*strings.Builder
}

const (
	marker     = "\x16"
	mostReport = 64 << 10 // bytes of one case's report
)

var (
	named = regexp.MustCompile(`^=== (?:RUN|NAME|CONT|PAUSE) +(\S*)$`)
	ended = regexp.MustCompile(`^ *--- (PASS|FAIL|SKIP): (\S+) \(`)
)

func (p *testOutput) take(line []byte) {
	text, framework, marked := strings.Cut(string(line), marker)
	if text != "" || !marked {
		b := p.reports[p.test]
		if b == nil {
			b = &strings.Builder{}
			p.reports[p.test] = b
		}
		if b.Len() < mostReport {
			b.WriteString(strings.TrimPrefix(text, "    ") + "\n")
		}
	}
	if m := named.FindStringSubmatch(framework); m != nil {
		p.test = m[1]
	}
	m := ended.FindStringSubmatch(framework)
	if m == nil || p.live == nil {
		return
	}
	if _, name, ok := strings.Cut(m[2], "/"); ok {
		outcome := map[string]string{"PASS": check.Passed, "FAIL": check.Failed, "SKIP": check.NotRun}[m[1]]
		p.live(Case{Name: strings.ReplaceAll(name, "_", " "), Outcome: outcome})
	}
}

// report is what was printed for a case.
func (p *testOutput) report(name string) string {
	for test, b := range p.reports {
		if _, sub, ok := strings.Cut(test, "/"); ok && sub == strings.ReplaceAll(name, " ", "_") {
			return strings.TrimRight(b.String(), " \n")
		}
	}
	return ""
}

// note is what the suite says of all cases together, without what the results say.
func (p *testOutput) note() string {
	var lines []string
	for test, b := range p.reports {
		if test == "" || strings.Contains(test, "/") {
			continue
		}
		for line := range strings.Lines(b.String()) {
			line = strings.TrimSpace(line)
			if line != "" && !strings.Contains(line, ": not run because ") && !points.MatchString(line) {
				lines = append(lines, line)
			}
		}
	}
	return strings.Join(lines, "\n")
}

var points = regexp.MustCompile(`^lab \d+: \d+/\d+ points`)

// rest is what was printed before the first test began, and behind the last one.
func (p *testOutput) rest() string {
	if b := p.reports[""]; b != nil {
		return b.String()
	}
	return ""
}

// Advice is a failure's report, cut into what is shown at once and what is a hint.
type Advice struct {
	Body string // what was done, what came back, what is wrong
	Rule string
	Next string
	// the lesson's scene to play, as a command: "go run ./lessons/05 -scene split-header"; or the
	// README to read
	Scene string
	Again string // the command that runs the case alone
}

var label = regexp.MustCompile(`^(rule|next|reread|see|again|run again) {2,}(.*)$`)

// Split cuts a report.
func Split(report string) Advice {
	var a Advice
	at := &a.Body
	for line := range strings.Lines(report) {
		if m := label.FindStringSubmatch(strings.TrimRight(line, "\n")); m != nil {
			at = map[string]*string{
				"rule": &a.Rule, "next": &a.Next, "reread": &a.Scene, "see": &a.Scene,
				"again": &a.Again, "run again": &a.Again,
			}[m[1]]
			line = m[2] + "\n"
		}
		if at != &a.Body {
			line = strings.TrimSpace(line) + " "
		}
		*at += line
	}
	a.Body, a.Rule, a.Next = strings.TrimRight(a.Body,
		"\n"), strings.TrimSpace(a.Rule), strings.TrimSpace(a.Next)
	_, scene, found := strings.Cut(a.Scene, ": ")
	if !found {
		scene = a.Scene
	}
	a.Scene, a.Again = strings.TrimSpace(scene), strings.TrimSpace(a.Again)
	return a
}
