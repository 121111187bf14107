package check

import (
	"errors"
	"io/fs"
	"slices"
	"strings"
	"sync"
)

// Elsewhere is a process of its own in which the code under test runs, as far as a case has to ask it. See
// "Across a process boundary". All that it says is the word of that process, and may be a lie; it must not
// wait for it without end. Its methods may be called at any time, from several goroutines.
type Elsewhere interface {
	// Goroutines returns all goroutines of that process as the runtime prints them; nothing if it does
	// not answer. rest, called after a look at the goroutines of this one, tells which of both belong
	// together, and whether no call has gone back or forth since Goroutines was called.
	Goroutines() (text []byte, rest func() (links []Link, still bool))
	// Stack returns the stack of the goroutine for which one of this process works, or has worked last:
	// where it has panicked, if it has.
	Stack(goroutine int) string
	Heap() uint64      // bytes that are taken, garbage included
	Allocated() uint64 // bytes, since it began
	InUse() int64      // bytes that something still refers to
	Largest() int64    // bytes that were allocated at once, at most, since this was last asked
	Files() []string   // what its descriptors stand for
	Moves() int64      // calls and answers that have gone back and forth
	Stop()             // ends all calls, with runtime.Goexit
}

// Link says that a goroutine of this process and one of the other one belong together.
type Link struct {
	Here, There int
	Call        bool // There carries out a call of Here, or has done so
	Inside      bool // Here carries out a call of There, which waits for it
}

// Session is one case with a process of its own.
type Session struct {
	Lab       Lab // the suite on stubs
	Elsewhere Elsewhere
	// End ends the process and all that it has started. It returns what the process has printed, what
	// exec.Cmd.Wait has returned (ErrEnded if it had to be ended), and why its calls have ended.
	End func() (printed string, why Ending, status error)
}

// Ending says why there are no more calls.
type Ending int

// The ways in which a Session ends.
const (
	EndedByUs       Ending = iota // the case was over
	EndedByItself                 // the process has ended, or closed what it was called through
	EndedByNonsense               // it has sent what no call sends
	EndedByTooMuch                // it has begun more calls than can be carried out at a time
	EndedBySilence                // it has not answered any more, though something in it should have been free to
)

// ErrEnded is the status of a process that had not ended by itself.
var ErrEnded = errors.New("it was ended")

// VerdictsElsewhere is Verdicts for an answer that runs in other processes: begin is called for each case
// that is run. At most atOnce cases run at a time. table has the names and points of the cases.
func VerdictsElsewhere(table Lab, seed uint64, atOnce int, begin func() (*Session, error)) []Verdict {
	play := func(i, part int) outcome {
		s, err := begin()
		if err != nil {
			return outcome{
				Outcome: Error,
				Message: visible(cut("the program that runs the code could not be started: " +
					err.Error())),
			}
		}
		return excused(s.run(i, part, options{seed: seed, alone: true, elsewhere: s.Elsewhere}), true)
	}
	run := func(i int, _ func()) outcome {
		return table.Cases[i].parts(func(part int) outcome { return play(i, part) })
	}
	var workers sync.WaitGroup
	defer workers.Wait()
	return verdicts(table, seed, ahead(table.Cases, atOnce, &workers, run))
}

// run runs one part of a case, and ends the process.
func (s *Session) run(i, part int, o options) outcome {
	before := filesElsewhere(s.Elsewhere)()
	out := s.Lab.Cases[i].runPart(part, o)
	if out.Outcome == Passed {
		files := filesElsewhere(s.Elsewhere)
		if left := leftOpen(files, before, func(string) bool { return true }); len(left) > 0 {
			out.leftOpen(left)
		}
	}
	prints, why, status := s.End()
	switch {
	case out.Outcome == Error || out.Outcome == NotRun:
	case why == EndedByItself:
		out = outcome{Outcome: Failed, Steps: out.Steps, Timeline: out.Timeline}
		if out.died(status, prints); out.Outcome == Error { // by what it has printed, and anybody may print that
			out.Outcome, out.Message = Failed, "the program that ran your code has ended: "+out.Message
		}
	case why == EndedBySilence:
		out.Outcome, out.Leak = Failed, false
		out.Message = "the program that ran your code did not answer any more: something has stopped it, or " +
			"taken all of its time"
	case why == EndedByTooMuch:
		out.Outcome, out.Leak = Failed, false
		out.Message = "your code has thousands of calls under way at a time, or hundreds of MiB in them: wait " +
			"for some to return before you begin more"
	case why == EndedByNonsense:
		out.Outcome, out.Leak = Failed, false
		out.Message = "your code has sent something of its own to the program that grades it: leave files and " +
			"descriptors alone that you have not opened"
	}
	return out.printed(prints)
}

// closed reports whether somebody has taken away the permission for a folder, or the folder. Where the code
// under test runs in another process the folder was made for the two: it was that code.
func closed(err error) bool {
	return errors.Is(err, fs.ErrPermission) || errors.Is(err, fs.ErrNotExist)
}

// filesElsewhere lists the open files of another process.
func filesElsewhere(e Elsewhere) func() []string {
	return func() []string { return notOurs(e.Files()) }
}

// elsewhereIDs is added to the numbers of goroutines of the other process, so that none is one of this.
const elsewhereIDs = 1 << 40

// lookElsewhere returns the goroutines of the calls, and of what these have started, as if all ran in one
// process: a goroutine of the other process that waits for one of this, which carries out a call for it,
// has the state of that one, and its frames before its own.
func lookElsewhere(e Elsewhere) (all []goroutine) {
	text, rest := e.Goroutines()
	here := map[int]goroutine{}
	for _, g := range snapshot() {
		here[g.id] = g
	}
	links, still := rest()
	ids, inside := map[int]int{}, map[int]int{}
	for _, l := range links {
		switch {
		case l.Call:
			ids[l.There] = l.Here
		case l.Inside:
			inside[l.There] = l.Here
		}
	}
	id := func(there int) int {
		if here, ok := ids[there]; ok || there == 0 {
			return here
		}
		return elsewhereIDs + there
	}
	seen := map[int]bool{}
	for _, g := range parseStacks(text) {
		partner, isInside := here[inside[g.id]]
		switch {
		case !still:
			g.state = "running"
		case !g.waitsForCall():
		case !isInside || partner.waitsForCall():
			g.state = "running" // something is on its way
		default:
			g.state, g.calls = partner.state, partner.above()+g.calls
		}
		g.id, g.creator = id(g.id), id(g.creator)
		seen[g.id] = true
		all = append(all, g)
	}
	for _, g := range here {
		if seen[g.id] {
			continue
		}
		if g.waitsForCall() {
			g.state = "running" // until the other process has begun
		}
		all = append(all, g)
	}
	return all
}

// remotePackage carries the calls.
const remotePackage = "socketbook/tools/grade/internal/remote"

// carry calls methods of objects.
const carry = remotePackage + ".(*side).carry"

func (f frame) carries() bool { return strings.HasPrefix(f.function, remotePackage+".") }

// waitsForCall reports whether the innermost frame of this module is one of what carries the calls, and not
// the one that has called a method of the standard library's, which may wait for itself.
func (g goroutine) waitsForCall() bool {
	frames := g.frames()
	i := slices.IndexFunc(frames, func(f frame) bool { return strings.HasPrefix(f.function, "socketbook/") })
	return i >= 0 && frames[i].carries() && !strings.HasPrefix(frames[i].function, carry)
}

// above returns the calls above those that carry a call here.
func (g goroutine) above() string {
	lines := strings.SplitAfter(g.calls, "\n")
	for i, line := range lines {
		if strings.HasPrefix(line, remotePackage+".") {
			return strings.Join(lines[:i], "")
		}
	}
	return g.calls
}
