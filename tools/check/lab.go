package check

import (
	"fmt"
	"slices"
	"strings"

	"socketbook/tools/timeline"
)

// Lab is a suite applied to one answer.
type Lab struct {
	Number string // "05": of the lab and of its lesson
	File   string // "framing.go": what the student edits
	Answer any    // the suite's struct of the functions that it is applied to
	Cases  []Case
}

// Case is one rule that an answer has to keep. The points of a lab's cases add up to ten.
type Case struct {
	// Name is a sentence without a full stop, unlike every other in the lab, of ASCII letters,
	// digits, spaces, commas and dots.
	Name   string
	Points int
	Rule   string // the rule that the case tests, as a sentence
	Hint   string // what to do next, as a sentence
	Lesson string // the lesson to see; "" for the lab's own
	Scene  string // its scene to run; "" for its README
	Needs  []string
	Memory bool // uses C.Allocated, C.Largest or C.InUse: they see the whole process, so it runs alone in one
	Run    func(*C)
	// Also is what the case plays besides, for what takes long: each has a C of its own, and students' runs have
	// all of them beside each other. The outcome is that of the first, Run among them, that has not passed.
	Also []func(*C)
}

func (cs Case) lesson(lab Lab) string {
	if cs.Lesson != "" {
		return cs.Lesson
	}
	return lab.Number
}

func (cs Case) needs(other Case) bool { return slices.Contains(cs.Needs, other.Name) }

// valid reports mistakes in the table.
func (lab Lab) valid() error {
	total := 0
	var names []string
	for _, cs := range lab.Cases {
		if cs.Name == "" || cs.Rule == "" || cs.Hint == "" || cs.Run == nil || cs.Points <= 0 {
			return fmt.Errorf(
				"lab %s, case %q: name, rule, hint, points and Run are all needed",
				lab.Number,
				cs.Name,
			)
		}
		for _, need := range cs.Needs {
			if !slices.Contains(names, need) {
				return fmt.Errorf(
					"lab %s, case %q needs %q, which is not a case before it",
					lab.Number,
					cs.Name,
					need,
				)
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

// parts returns the outcome of a case of which run runs the parts: 0 is Run, and i is Also[i-1].
func (cs Case) parts(run func(part int) outcome) (out outcome) {
	for part := range 1 + len(cs.Also) {
		before := out.Prints
		out = run(part)
		out.Prints = before + out.Prints
		if out.Outcome != Passed {
			break
		}
	}
	return out
}

// run runs the case to its end, in this process.
func (cs Case) run(o options) outcome {
	return cs.parts(func(part int) outcome { return cs.runPart(part, o) })
}

func (cs Case) runPart(part int, o options) outcome {
	c := &C{options: o, spec: cs, wake: make(chan struct{}, 1)}
	if o.timeline {
		c.rec = timeline.NewRecorder(cs.Name)
	}
	if o.alone {
		c.files = c.openFiles()
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		defer c.finish()
		append([]func(*C){cs.Run}, cs.Also...)[part](c)
		c.checkLeftBehind()
		c.out.Outcome = Passed
	}()
	<-done
	return c.out
}

// finish ends what the case has begun, and completes its outcome.
func (c *C) finish() {
	if c.timeline && c.out.Outcome != Passed { // before the suite itself closes the connections
		var drawn strings.Builder
		if err := timeline.Text(
			&drawn,
			c.rec.Events(),
			timeline.Style{Width: 100, ASCII: true},
		); err == nil {
			c.out.Timeline = drawn.String()
		}
	}
	for _, a := range c.adversaries {
		a.Stop()
	}
	for _, p := range c.peers {
		p.Close()
	}
	if c.door != nil {
		c.door.Close()
	}
	if !eventually(c.callsEnded) && c.elsewhere != nil {
		c.elsewhere.Stop()
	}
	if eventually(c.callsEnded) { // what calls that go on may still use is not cleaned up
		for i := len(c.cleanup) - 1; i >= 0; i-- {
			c.cleanup[i]()
		}
	}
	c.out.Steps = c.steps // also of a case that has passed: open files may still fail it
	if c.out.Outcome == "" {
		c.out.Outcome = Failed
	}
	if c.out.Outcome == Failed && c.out.Message == "" {
		c.out.Message = "the suite left this case without a verdict; that is a mistake in the suite"
	}
}
