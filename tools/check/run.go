package check

import (
	"cmp"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"testing"
)

// notStarted is what the functions of a starter panic with.
const notStarted = "not started"

// Lab is a suite applied to one answer.
type Lab struct {
	Number string // "05": of the lab and of its lesson
	File   string // "framing.go": what the student edits
	Cases  []Case
}

// Case is one rule that an answer has to keep. The points of a lab's cases add up to ten.
type Case struct {
	Name   string // a sentence without a full stop, unlike every other in the lab; ASCII letters, digits, spaces, commas and dots
	Points int
	Rule   string // the rule that the case tests, as a sentence
	Hint   string // what to do next, as a sentence
	Lesson string // the lesson to reread; "" for the lab's own
	Scene  string // its scene to run; "" for its README
	Needs  []string
	Timers bool // sound answers may use timers here, so code that is blocked is given the whole limit
	Memory bool // uses C.Allocated or C.InUse, which see the whole process, so no other case runs meanwhile
	Run    func(*C)
}

func (cs Case) lesson(lab Lab) string {
	if cs.Lesson != "" {
		return cs.Lesson
	}
	return lab.Number
}

// The flags exist in test binaries only.
var (
	seedFlag      = new(uint64)
	timelineFlag  = new(bool)
	inProcessFlag = new(bool)
)

func init() {
	if testing.Testing() {
		flag.Uint64Var(seedFlag, "seed", 0, "replay what a lab's suite does at random; 0 picks a `number`")
		flag.BoolVar(timelineFlag, "timeline", os.Getenv("SOCKETBOOK_TIMELINE") != "", "print the recorded timeline of each failed case of a lab (also SOCKETBOOK_TIMELINE=1)")
		flag.BoolVar(inProcessFlag, "inprocess", false, "run a lab's cases in the test process itself, for a debugger; a crash then ends them all")
	}
}

// Run grades one answer: every case is a subtest, and the points come in the last line.
//
// The cases run in a second process, a copy of this one, so that an answer that exits, crashes or overwrites memory
// fails the case that it was in, and the next case begins afresh.
func Run(t *testing.T, lab Lab) {
	t.Helper()
	if isWorker() {
		work(lab) // does not return
	}
	if err := lab.valid(); err != nil {
		t.Fatal(err)
	}
	results, err := openResults(lab.Number)
	if err != nil {
		t.Fatal(err)
	}
	g := &grading{t: t, lab: lab, seed: *seedFlag, outcomes: make([]*outcome, len(lab.Cases)), left: map[int]bool{}, asked: map[int]bool{}}
	if g.seed == 0 {
		g.seed = 1 + rand.Uint64N(9999)
	}
	g.write(results, "the suite did not come to this case")
	if why := cmp.Or(lab.refused("."), startedEarly()); why != "" {
		g.void(results, why)
		return
	}
	g.runner = runInProcess{}
	if !*inProcessFlag && testing.CoverMode() == "" {
		g.runner = &worker{test: t.Name(), seed: g.seed}
	}
	defer g.runner.close()
	if g.notStarted() {
		line := fmt.Sprintf("lab %s is not started: fill in labs/%s/%s", lab.Number, lab.Number, lab.File)
		fmt.Fprintf(t.Output(), "%s (0/10 points, as expected of a starter)\n", line)
		t.Fail()
		g.outcomes = make([]*outcome, len(lab.Cases))
		g.write(results, line)
		return
	}
	for i, cs := range lab.Cases {
		t.Run(cs.Name, func(t *testing.T) { g.subtest(t, i) })
	}
	g.runner.close() // whatever it left running ends before the results are written
	g.summary()
	g.write(results, "not asked for")
	g.guard(results)
}

// valid reports mistakes in the table.
func (lab Lab) valid() error {
	total := 0
	var names []string
	for _, cs := range lab.Cases {
		if cs.Name == "" || cs.Rule == "" || cs.Hint == "" || cs.Run == nil || cs.Points <= 0 {
			return fmt.Errorf("lab %s, case %q: name, rule, hint, points and Run are all needed", lab.Number, cs.Name)
		}
		for _, need := range cs.Needs {
			if !slices.Contains(names, need) {
				return fmt.Errorf("lab %s, case %q needs %q, which is not a case before it", lab.Number, cs.Name, need)
			}
		}
		if slices.Contains(names, cs.Name) {
			return fmt.Errorf("lab %s has two cases named %q", lab.Number, cs.Name)
		}
		names = append(names, cs.Name)
		total += cs.Points
	}
	if total != 10 {
		return fmt.Errorf("the cases of lab %s have %d points in all, not 10", lab.Number, total)
	}
	return nil
}

// unmet returns the first case that this one needs and that has not passed, with a reason not to run; "" if there is none.
// A case that a filter left out does not count as failed.
func unmet(lab Lab, cs Case, outcomes []*outcome, skipped func(i int) bool) string {
	for i, other := range lab.Cases {
		if !slices.Contains(cs.Needs, other.Name) {
			continue
		}
		if skipped(i) {
			return fmt.Sprintf("not run because %q was not run", other.Name)
		}
		if o := outcomes[i]; o != nil && !o.Passed {
			return fmt.Sprintf("not run because %q failed", other.Name)
		}
	}
	return ""
}

// runner runs cases.
type runner interface {
	run(lab Lab, i int, o options) outcome
	close()
}

type runInProcess struct{}

func (runInProcess) run(lab Lab, i int, o options) outcome {
	o.alone = true
	return runCase(lab, lab.Cases[i], o)
}
func (runInProcess) close() {}

// grading is one Run.
type grading struct {
	t        *testing.T
	lab      Lab
	seed     uint64
	runner   runner
	outcomes []*outcome   // nil: not run
	reasons  []string     // why cases were not run
	left     map[int]bool // not run because of another case
	asked    map[int]bool // not left out by -run
	voided   bool
}

func (g *grading) outcome(i int) outcome {
	if g.outcomes[i] == nil {
		o := g.runner.run(g.lab, i, options{seed: g.seed, timeline: *timelineFlag})
		g.outcomes[i] = &o
	}
	return *g.outcomes[i]
}

func (g *grading) unmet(i int) string {
	return unmet(g.lab, g.lab.Cases[i], g.outcomes, func(i int) bool { return g.left[i] })
}

// notStarted runs cases until one of them finds code that is more than a starter.
func (g *grading) notStarted() bool {
	defer clear(g.left)
	for i := range g.lab.Cases {
		if g.unmet(i) != "" {
			g.left[i] = true
		} else if !g.outcome(i).NotStarted {
			return false
		}
	}
	return true
}

func (g *grading) subtest(t *testing.T, i int) {
	cs := g.lab.Cases[i]
	g.asked[i] = true
	if why := g.unmet(i); why != "" {
		g.left[i] = true
		g.reasons = append(g.reasons, fmt.Sprintf("%s: %s", cs.Name, why))
		t.Skip(why)
	}
	o := g.outcome(i)
	if o.Passed {
		if o.Prints != "" && testing.Verbose() {
			fmt.Fprint(t.Output(), printed(o.Prints))
		}
		return
	}
	again := fmt.Sprintf("go test ./labs/%s -run '%s' -seed=%d", g.lab.Number, t.Name(), g.seed)
	fmt.Fprint(t.Output(), report(g.lab, cs, o, again))
	t.Fail()
}

func (g *grading) summary() {
	for _, why := range g.reasons {
		fmt.Fprintln(g.t.Output(), why)
	}
	earned := 0
	for i, o := range g.outcomes {
		if o != nil && o.Passed && g.asked[i] {
			earned += g.lab.Cases[i].Points
		}
	}
	part := ""
	if len(g.asked) < len(g.lab.Cases) {
		part = fmt.Sprintf(" (%d of %d cases were asked for)", len(g.asked), len(g.lab.Cases))
	}
	fmt.Fprintf(g.t.Output(), "lab %s: %d/10 points%s\n", g.lab.Number, earned, part)
}

// write appends a line for each case; cases without an outcome get 0 points and the message why.
func (g *grading) write(results *resultsFile, why string) {
	var lines []Result
	for i, cs := range g.lab.Cases {
		line := Result{Lab: g.lab.Number, Case: cs.Name, Of: cs.Points, Outcome: NotRun, Message: why, Void: g.voided}
		if o := g.outcomes[i]; o != nil && o.Passed {
			line.Points, line.Outcome, line.Message = cs.Points, Passed, ""
		} else if o != nil {
			line.Outcome, line.Message = Failed, o.Message
		} else if unmet := g.unmet(i); unmet != "" {
			line.Message = unmet
		}
		lines = append(lines, line)
	}
	if err := results.append(lines); err != nil {
		g.t.Errorf("cannot write the results: %v", err)
	}
}

// guard takes the points away when the answer has written into the results file itself.
func (g *grading) guard(results *resultsFile) {
	foreign, err := results.foreign()
	if err != nil {
		g.t.Errorf("cannot read the results back: %v", err)
	}
	replaced, err := results.replaced()
	if err != nil {
		g.t.Errorf("cannot open the results again: %v", err)
	}
	switch {
	case replaced:
		g.void(results, "the results file was replaced while the suite ran")
	case foreign:
		g.void(results, "something else wrote lines for this lab into the results file")
	}
	if err := results.close(); err != nil {
		g.t.Errorf("cannot write the results: %v", err)
	}
}

// void takes all points away, now and whatever is written later.
func (g *grading) void(results *resultsFile, why string) {
	fmt.Fprintf(g.t.Output(), "lab %s: 0/10 points: %s\n", g.lab.Number, why)
	g.t.Fail()
	g.outcomes, g.voided = make([]*outcome, len(g.lab.Cases)), true
	g.write(results, why)
}

// startedEarly says whether code of the student's is running before anybody has called it.
func startedEarly() string {
	for _, g := range snapshot() {
		if g.handedIn() {
			return "a goroutine is running" + at(g.students()) + " before anything was called: start nothing in init or in a package variable"
		}
	}
	return ""
}

// Failure is a case that an answer fails.
type Failure struct {
	Case   string
	Report string // what a student would read
}

// Failures runs the table in this process and returns the cases that fail, in order. Cases that were not run because
// another failed are not among them. An answer that exits or crashes takes the caller with it.
func Failures(lab Lab, seed uint64) []Failure {
	outcomes := make([]*outcome, len(lab.Cases))
	left := map[int]bool{}
	var failed []Failure
	for i, cs := range lab.Cases {
		if unmet(lab, cs, outcomes, func(i int) bool { return left[i] }) != "" {
			left[i] = true
			continue
		}
		o := runCase(lab, cs, options{seed: seed})
		outcomes[i] = &o
		if !o.Passed {
			again := fmt.Sprintf("go test ./labs/%s -run '%s' -seed=%d", lab.Number, strings.ReplaceAll(cs.Name, " ", "_"), seed)
			failed = append(failed, Failure{cs.Name, report(lab, cs, o, again)})
		}
	}
	return failed
}
