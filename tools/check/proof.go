package check

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"runtime/debug"
	"slices"
	"strings"
	"sync"
	"testing"
)

// Answer is one answer to a lab, right or wrong, with the suite applied to it.
type Answer struct {
	Name  string   // what is special about it: "one read for the header"
	Lab   Lab      // the suite on this answer
	Fails []string // the names of exactly the cases that must fail; none for a right answer

	// Elsewhere says why the answer may pass these cases when it runs in another process: see "Across a
	// process boundary". "" if it may not.
	Elsewhere string
}

// MayPassElsewhere returns the answer with a reason why it may pass in another process.
func (a Answer) MayPassElsewhere(why string) Answer {
	a.Elsewhere = why
	return a
}

// Proof shows that a suite grades right.
type Proof struct {
	Right  []Answer // the reference first, then others in another style
	Wrong  []Answer // mistakes that people make
	Golden string   // folder for the failure text of each case
	Update bool     // write the texts instead of comparing them
}

// Prove runs the suite on every answer, as parallel subtests. It fails unless the right answers pass,
// each wrong answer fails the cases named for it, every case fails on some wrong answer, and the
// failure texts are those in the golden files. With SOCKETBOOK_EXACT=1 in the environment it plays
// the other cases of the wrong answers, too, and these must pass: they take most of the time. It also
// holds the table against the lab's README (its points) and the lessons (the scenes to see). It is
// called by a test in solutions/NN, and finds the other folders from there.
func Prove(t *testing.T, p Proof) {
	t.Helper()
	if len(p.Right) == 0 {
		t.Fatal("a proof needs the reference")
	}
	answers := slices.Concat(p.Right, p.Wrong)
	if name, ok := os.LookupEnv(answerVariable); ok {
		i := slices.IndexFunc(answers, func(a Answer) bool { return a.Name == name })
		work(answers[i].Lab, os.Getenv(caseVariable)) // does not return
	}
	if err := p.Right[0].Lab.valid(); err != nil {
		t.Fatal(err)
	}
	defer debug.SetGCPercent(debug.SetGCPercent(400)) // many small answers: memory is cheaper than time
	seed := seed()
	t.Logf("-seed=%d", seed)
	t.Run("what the lab says elsewhere", func(t *testing.T) { p.Right[0].Lab.elsewhere(t) })
	var all sync.WaitGroup
	defer all.Wait()
	turns := make(chan struct{}, atOnce)
	for _, a := range answers {
		all.Go(func() {
			t.Run(a.Name, func(t *testing.T) {
				for _, problem := range a.problems(verdicts(a.Lab, seed, a.begin(t, seed, turns))) {
					t.Error(problem)
				}
			})
		})
	}
	for i, cs := range p.Right[0].Lab.Cases {
		all.Go(func() {
			t.Run("failure text: "+cs.Name, func(t *testing.T) {
				turns <- struct{}{}
				defer func() { <-turns }()
				p.golden(t, i)
			})
		})
	}
}

// atOnce is how many cases run beside each other: many of them wait, which takes time and nothing else.
const atOnce = 24

// begin returns what waits for a turn and runs a case. All cases of a right answer begin at once: none has
// to wait until another one has passed.
func (a Answer) begin(t *testing.T, seed uint64, turns chan struct{}) func(i int) outcome {
	run := a.runner(t, seed)
	all := make([]func() outcome, len(a.Lab.Cases))
	for i := range all {
		all[i] = sync.OnceValue(func() outcome {
			turns <- struct{}{}
			defer func() { <-turns }()
			return run(i)
		})
		if len(a.Fails) == 0 {
			go all[i]()
		}
	}
	return func(i int) outcome { return all[i]() }
}

// elsewhere compares the table with what the README promises and with the scenes that there are.
func (lab Lab) elsewhere(t *testing.T) {
	readme, err := os.ReadFile(filepath.Join("..", "..", "labs", lab.Number, "README.md"))
	if err != nil {
		t.Fatal(err)
	}
	for _, cs := range lab.Cases {
		if row := fmt.Sprintf(
			"\n| %d | %s |\n",
			cs.Points,
			cs.Name,
		); !strings.Contains(
			string(readme),
			row,
		) {
			t.Errorf("the lab's README.md has no row %q", strings.TrimSpace(row))
		}
		scenes, err := os.ReadFile(filepath.Join("..", "..", "lessons", cs.lesson(lab), "scenes.go"))
		if err != nil {
			t.Fatal(err)
		}
		if cs.Scene != "" && !strings.Contains(string(scenes), `"`+cs.Scene+`"`) {
			t.Errorf(
				"case %q sends the student to the scene %s, which lesson %s does not have",
				cs.Name,
				cs.Scene,
				cs.lesson(lab),
			)
		}
	}
}

// answerVariable is in the environment of a worker that a proof has started: the answer.
const answerVariable = "SOCKETBOOK_ANSWER"

// runner runs cases in this process, and those that measure its memory in one of their own.
func (a Answer) runner(t *testing.T, seed uint64) func(i int) outcome {
	test, _, _ := strings.Cut(t.Name(), "/")
	exact := os.Getenv("SOCKETBOOK_EXACT") != ""
	return func(i int) outcome {
		cs := a.Lab.Cases[i]
		if len(a.Fails) > 0 && !exact && !slices.Contains(a.Fails, cs.Name) {
			return outcome{Outcome: Passed} // taken for granted
		}
		if o := (options{seed: seed}); !cs.Memory {
			return cs.run(o)
		} else {
			return cs.parts(func(part int) outcome {
				return runInWorker(t.Context(), test, i, part, o, answerVariable+"="+a.Name)
			})
		}
	}
}

// problems compares the verdicts with those that the answer is named for.
func (a Answer) problems(got []Verdict) (problems []string) {
	for _, v := range got {
		named := slices.Contains(a.Fails, v.Case)
		switch {
		case v.Outcome == Error:
			problems = append(problems, "not graded: "+v.Message)
		case v.Outcome == Failed && !named:
			problems = append(problems, "fails what it should not:\n"+v.Report)
		case v.Outcome != Failed && named:
			problems = append(problems, "should fail, but the outcome is "+v.Outcome+": "+v.Case)
		}
	}
	return problems
}

// golden compares the text of case i, as the first wrong answer that is named for it provokes it,
// with the file.
func (p Proof) golden(t *testing.T, i int) {
	name := p.Right[0].Lab.Cases[i].Name
	at := slices.IndexFunc(p.Wrong, func(a Answer) bool { return slices.Contains(a.Fails, name) })
	if at < 0 {
		t.Fatalf("no wrong answer fails this case, so nothing shows that it can fail")
	}
	lab := p.Wrong[at].Lab
	o := p.Wrong[at].runner(t, 1)(i)
	got := "On the wrong answer: " + p.Wrong[at].Name + "\n\n" + mask(
		report(lab, lab.Cases[i], o, again(lab, name, 1)),
	)
	file := filepath.Join(p.Golden, strings.ReplaceAll(strings.ReplaceAll(name, ",", ""), " ", "-")+".txt")
	if p.Update {
		if err := os.MkdirAll(p.Golden, 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatalf("%v; run the test with -update", err)
	}
	if got != strings.ReplaceAll(string(want), "\r\n", "\n") {
		t.Errorf(
			"the failure text has changed; look at it and run with -update:\n%s",
			diffText(got, string(want)),
		)
		t.Logf("it is now:\n%s", got)
	}
}

var (
	lineNumber = regexp.MustCompile(`\.go:\d+`)
	portNumber = regexp.MustCompile(`(127\.0\.0\.1|\[::1\]):\d+`)
)

// mask takes out what differs from run to run or moves with every edit.
func mask(s string) string {
	s = strings.ReplaceAll(s, "go test -race ", "go test ")
	return portNumber.ReplaceAllString(lineNumber.ReplaceAllString(s, ".go:LINE"), "$1:PORT")
}
