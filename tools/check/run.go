package check

import (
	"cmp"
	"context"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"runtime/debug"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// seed is that of the flag, or one picked at random.
func seed() uint64 { return cmp.Or(*seedFlag, 1+rand.Uint64N(9999)) }

// Run grades one answer: every case is a subtest, and the points come in the last line.
//
// Each part of a case runs in a process of its own, a copy of this one, so that an answer that exits, crashes
// or overwrites memory fails the case that it was in, and no other.
func Run(t *testing.T, lab Lab) {
	t.Helper()
	if number, ok := os.LookupEnv(caseVariable); ok {
		work(lab, number) // does not return
	}
	if err := lab.valid(); err != nil {
		t.Fatal(err)
	}
	g := &grading{lab: lab, seed: seed(), outcomes: make([]*outcome, len(lab.Cases)), asked: map[int]bool{}}
	o := options{seed: g.seed, timeline: *timelineFlag}
	ctx, cancel, failed := bounded(labTime, mostTime)
	var workers sync.WaitGroup
	defer workers.Wait()
	defer cancel() // whoever works on a case that is not run after all
	run := func(i int, sound func()) outcome {
		begun := make([]func() outcome, 1+len(lab.Cases[i].Also))
		for part := range begun {
			o := o
			o.told = atSecondVariation(sound)
			begun[part] = sync.OnceValue(func() outcome {
				return excused(runInWorker(ctx, t.Name(), i, part, o), false)
			})
			workers.Go(func() { begun[part]() })
		}
		if begun[0]().Outcome == Passed {
			sound()
		}
		out := lab.Cases[i].parts(func(part int) outcome { return begun[part]() })
		if out.Outcome == Failed {
			failed()
		}
		return out
	}
	g.run = func(i int) outcome { return run(i, func() {}) }
	if *inProcessFlag || testing.CoverMode() != "" {
		o.alone = true
		g.run = func(i int) outcome { return lab.Cases[i].run(o) }
	} else if err := threads(); err != nil {
		g.run = func(int) outcome { return outcome{Outcome: Error, Message: visible(err.Error())} }
	} else if asked := flag.Lookup("test.run"); !strings.Contains(asked.Value.String(), "/") {
		g.run = ahead(lab.Cases, casesAtOnce, &workers, run)
	}
	write := func(why string) {
		if err := appendResults(g.rows(why)); err != nil {
			t.Fatal(err)
		}
	}
	write("this case was not reached")
	why, line := lab.refused(compiledIn()), ""
	if why != "" {
		line = fmt.Sprintf("lab %s: 0/10 points: %s", lab.Number, why)
	} else if g.notStarted() {
		why = fmt.Sprintf("lab %s is not started: fill in labs/%s/%s", lab.Number, lab.Number, lab.File)
		line = why + " (0/10 points, as expected of a starter)"
	}
	if why != "" {
		fmt.Fprintln(t.Output(), line)
		t.Fail()
		clear(g.outcomes)
		write(why)
		return
	}
	for i, cs := range lab.Cases {
		t.Run(cs.Name, func(t *testing.T) { g.subtest(t, i) })
	}
	g.summary(t)
	write("not asked for")
}

// atSecondVariation returns what is told the steps of a case, and calls f when its second variation begins.
func atSecondVariation(f func()) func(step string, fresh bool) {
	variations := 0
	return func(_ string, fresh bool) {
		if !fresh {
			return
		}
		if variations++; variations == 2 {
			f()
		}
	}
}

// bounded returns a context that ends after a time if something has failed by then, and otherwise when
// something fails, or at the latest after most.
func bounded(limit, most time.Duration) (ctx context.Context, cancel, failed context.CancelFunc) {
	ctx, cancel = context.WithTimeout(context.Background(), most)
	fails, failed := context.WithCancel(ctx)
	short, over := context.WithTimeout(ctx, limit)
	context.AfterFunc(short, func() {
		over()
		context.AfterFunc(fails, cancel)
	})
	return ctx, cancel, failed
}

// casesAtOnce is how many workers there are at a time: they wait more than they work.
const casesAtOnce = 8

// ahead begins to run all cases, at most atOnce at a time, and returns what waits for the outcome of one.
// Those that need none begin at once. What needs one of these, or what needs that in turn, waits until it is
// over, or has called sound, because its first variation has passed. A case that this machine could not
// run is run once more, with nothing beside it.
func ahead(
	cases []Case, atOnce int, workers *sync.WaitGroup, run func(i int, sound func()) outcome,
) func(i int) outcome {
	turns := make(chan struct{}, atOnce)
	var alone sync.Mutex
	all, sound, over := make([]func() outcome, len(cases)), chans(len(cases)), chans(len(cases))
	for i := range cases {
		sounds := sync.OnceFunc(func() { close(sound[i]) })
		all[i] = sync.OnceValue(func() outcome {
			defer close(over[i])
			for k := range i {
				if cases[i].needs(cases[k]) {
					select {
					case <-sound[k]:
					case <-over[k]:
						if why := all[k]().stops(cases[k].Name); why != nil {
							return *why
						}
					}
				}
			}
			if len(cases[i].Needs) > 0 {
				sounds()
			}
			turns <- struct{}{}
			out := run(i, sounds)
			<-turns
			if out.Outcome == Error {
				alone.Lock()
				defer alone.Unlock()
				for range atOnce {
					turns <- struct{}{}
					defer func() { <-turns }()
				}
				out = run(i, sounds)
			}
			return out
		})
	}
	for _, one := range all {
		workers.Go(func() { one() })
	}
	return func(i int) outcome { return all[i]() }
}

func chans(n int) (all []chan struct{}) {
	for range n {
		all = append(all, make(chan struct{}))
	}
	return all
}

// excused turns a failure on a machine that lacks what the suites need into an error. A folder that
// is closed is the doing of the code under test where that runs elsewhere.
func excused(o outcome, elsewhere bool) outcome {
	if o.Outcome == Failed && o.NotStarted == "" {
		if err := machine(); err != nil && !(elsewhere && closed(err)) {
			return outcome{Outcome: Error, Message: visible(err.Error())}
		}
	}
	return o
}

// grading is one table of cases applied to one answer.
type grading struct {
	lab      Lab
	seed     uint64
	run      func(i int) outcome
	outcomes []*outcome   // nil: not asked for
	asked    map[int]bool // not left out by -run
	printed  int          // lines of reports
}

// outcome runs case i, unless that was done before or it needs another one that has not passed. A
// case that -run has left out does not count as failed, nor does one whose calls only left
// something behind.
func (g *grading) outcome(i int) *outcome {
	if g.outcomes[i] != nil {
		return g.outcomes[i]
	}
	var why *outcome
	for k, other := range g.lab.Cases[:i] {
		if before := g.outcomes[k]; why == nil && before != nil && g.lab.Cases[i].needs(other) {
			why = before.stops(other.Name)
		}
	}
	if why == nil {
		o := g.run(i)
		why = &o
	}
	o := *why
	if o.NotStarted != "" {
		o.Message += fmt.Sprintf(", in labs/%s/%s", g.lab.Number, g.lab.File)
	}
	if o.Leak && slices.ContainsFunc(g.outcomes, func(o *outcome) bool { return o != nil && o.Leak }) {
		o = outcome{Outcome: Passed} // one mistake costs its points once
	}
	g.outcomes[i] = &o
	return &o
}

// notStarted runs cases until one of them finds code that is more than a starter.
func (g *grading) notStarted() bool {
	for i := range g.lab.Cases {
		if o := g.outcome(i); o.Outcome != NotRun && o.NotStarted == "" {
			return false
		}
	}
	return true
}

const (
	manyLines = 54 // of reports in one run; what would go beyond is told in short
	fewLines  = 3  // that a case takes which is told in short
)

func (g *grading) subtest(t *testing.T, i int) {
	g.asked[i] = true
	cs, o := g.lab.Cases[i], g.outcome(i)
	switch o.Outcome {
	case NotRun, Error:
		t.Skip(o.Message)
	case Passed:
		if o.Prints != "" && testing.Verbose() {
			fmt.Fprint(t.Output(), printed(o.Prints))
		}
	default:
		t.Fail()
		text := report(g.lab, cs, *o, again(g.lab, t.Name(), g.seed))
		rest := fewLines * (len(g.lab.Cases) - i - 1)
		if lines := strings.Count(text, "\n"); g.printed > 0 && g.printed+lines+rest > manyLines {
			text = fmt.Sprintf("%s\nsee it all with  %s\n", o.Message, again(g.lab, t.Name(), g.seed))
		}
		g.printed += 1 + strings.Count(text, "\n")
		fmt.Fprint(t.Output(), text)
	}
}

// again is the command that replays a case.
func again(lab Lab, test string, seed uint64) string {
	race := ""
	detects := debug.BuildSetting{Key: "-race", Value: "true"}
	if info, ok := debug.ReadBuildInfo(); ok && slices.Contains(info.Settings, detects) {
		race = "-race "
	}
	return fmt.Sprintf(
		"go test %s./labs/%s -run '%s' -seed=%d",
		race,
		lab.Number,
		strings.ReplaceAll(test, " ", "_"),
		seed,
	)
}

// summary prints what was not run, and the points.
func (g *grading) summary(t *testing.T) {
	earned, unable := 0, ""
	for i, cs := range g.lab.Cases {
		if !g.asked[i] {
			g.outcomes[i] = nil
			continue
		}
		switch o := g.outcomes[i]; o.Outcome {
		case Passed:
			earned += cs.Points
		case NotRun:
			fmt.Fprintf(t.Output(), "%s: %s\n", cs.Name, o.Message)
			t.Fail()
		case Error:
			unable = cmp.Or(unable, o.Message)
		}
	}
	out := func(format string, args ...any) {
		fmt.Fprintf(t.Output(), "lab "+g.lab.Number+": "+format+"\n", args...)
	}
	switch n := len(g.asked); {
	case unable != "":
		t.Fail()
		out("not graded: %s", unable)
		if earned > 0 {
			out("%d/10 points in the cases that could be graded", earned)
		}
	case n == 0:
		t.Fail()
		out(
			"-run asks for none of its %d cases; go test -v ./labs/%s lists them",
			len(g.lab.Cases),
			g.lab.Number,
		)
	case n < len(g.lab.Cases):
		out("%d/10 points (%d of %d cases were asked for)", earned, n, len(g.lab.Cases))
	default:
		out("%d/10 points", earned)
	}
}

// rows are the lines of the results file; why is the message of cases that were not asked for.
func (g *grading) rows(why string) (rows []Result) {
	for i, cs := range g.lab.Cases {
		row := Result{Lab: g.lab.Number, Case: cs.Name, Of: cs.Points, Outcome: NotRun, Message: why}
		if o := g.outcomes[i]; o != nil {
			row.Outcome, row.Message = o.Outcome, o.Message
		}
		if row.Outcome == Passed {
			row.Points = cs.Points
		}
		rows = append(rows, row)
	}
	return rows
}

// Verdict is what became of a case, and, if it failed, what a student would read.
type Verdict struct {
	Result
	Report     string
	NotStarted bool // the code under test has said that it is not started
}

// Verdicts runs the table in this process, for tools and proofs. An answer that exits or crashes
// takes the caller with it, and nothing else may run beside a case that measures memory.
func Verdicts(lab Lab, seed uint64) []Verdict {
	return verdicts(lab, seed, func(i int) outcome { return lab.Cases[i].run(options{seed: seed}) })
}

func verdicts(lab Lab, seed uint64, run func(i int) outcome) (all []Verdict) {
	g := &grading{lab: lab, seed: seed, run: run, outcomes: make([]*outcome, len(lab.Cases))}
	for i, cs := range lab.Cases {
		if o := g.outcome(i); o.Outcome == Failed {
			all = append(all, Verdict{Report: report(lab, cs, *o, again(lab, cs.Name, seed))})
		} else {
			all = append(all, Verdict{})
		}
	}
	for i, row := range g.rows("") {
		all[i].Result, all[i].NotStarted = row, g.outcomes[i].NotStarted != ""
	}
	return all
}
