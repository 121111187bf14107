package check

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"regexp"
	"runtime/debug"
	"slices"
	"strconv"
	"strings"
	"time"
)

const (
	caseVariable = "SOCKETBOOK_CASE" // in a worker's environment: the number of the case, and which part of it
	keptPrints   = 64 << 10          // bytes of each end of what the code under test prints
	workerStack  = 64 << 20          // bytes; runaway recursion ends here rather than at Go's 1 GB
	// bytes; until then the collector, which closes forgotten files, does not run
	workerHeap = 256 << 20
	deafWorker = 97 // status of a worker that cannot tell how its case ended
)

// message is a line that a worker writes to its standard output: a step of the case, or how it ended.
type message struct {
	Step    string   `json:"step,omitempty"`
	Fresh   bool     `json:"fresh,omitempty"` // the steps begin anew with this one
	Outcome *outcome `json:"outcome,omitempty"`
}

// runInWorker runs one part of case number i in a process of its own, a copy of this one that begins with the
// same test. It is ended when ctx is, and, on Unix, with all that it has started.
func runInWorker(ctx context.Context, test string, i, part int, o options, env ...string) outcome {
	if ctx.Err() != nil {
		why := fmt.Sprintf("not run, because the cases before it have taken all of the lab's %v", labTime)
		return outcome{Outcome: NotRun, Message: why}
	}
	cmd := exec.CommandContext(ctx, os.Args[0], "-test.run=^"+regexp.QuoteMeta(test)+"$",
		"-seed="+strconv.FormatUint(o.seed, 10), fmt.Sprintf("-timeline=%v", o.timeline))
	isResults := func(v string) bool { return strings.HasPrefix(v, ResultsVariable+"=") }
	cmd.Env = append(slices.DeleteFunc(os.Environ(), isResults), env...)
	cmd.Env = append(cmd.Env, fmt.Sprintf("%s=%d.%d", caseVariable, i, part))
	ownGroup(cmd)
	said, prints := &messages{told: o.told}, &bothEnds{}
	cmd.Stdout, cmd.Stderr = said, prints
	cmd.WaitDelay = 3 * time.Second // for what a worker that crashed has started and left behind
	if err := cmd.Start(); err != nil {
		return outcome{Outcome: Error, Message: fmt.Sprintf("no process could be started: %v", err)}
	}
	err := cmd.Wait()
	cmd.Cancel() // its group, if anything is left of it
	out := outcome{Outcome: Failed, Steps: said.steps}
	text := string(prints.text)
	switch {
	case said.outcome != nil:
		out = *said.outcome
		if at := crashed.FindAllStringIndex(text, -1); err != nil && at != nil { // when the case was over
			text = text[:at[len(at)-1][0]]
		}
	case ctx.Err() != nil:
		out.Message = "was still running when the time for the whole lab was up"
	default:
		out.died(err, text)
	}
	return out.printed(text)
}

// printed completes the outcome of a case whose process has printed something.
func (o outcome) printed(text string) outcome {
	if o.Prints == "" {
		o.Prints = text
	}
	if o.Outcome == Passed && strings.Contains(o.Prints, "WARNING: DATA RACE") {
		o.Outcome, o.Message = Failed, "the race detector found a data race"
		o.Rule = "What several goroutines use, and one of them changes, they use one after the other."
		o.Hint = "Lock one mutex around each of the two lines that the report names, or use a channel."
	}
	return o
}

// Limits sets the limits of a process that runs one case and then ends.
func Limits() {
	debug.SetMaxStack(workerStack)
	debug.SetGCPercent(-1)
	debug.SetMemoryLimit(workerHeap)
}

// died tells, from what a process printed last and from its status, why it ended in the middle of a case.
func (o *outcome) died(err error, printed string) {
	status := "status 0"
	exit := (*exec.ExitError)(nil)
	if errors.As(err, &exit) {
		status = exit.ProcessState.String()
	} else if err != nil {
		status = err.Error() // of a process in a sandbox
	}
	if noThread.MatchString(printed) {
		o.Outcome, o.Message = Error, "the system gives the program no more threads (on Linux see "+
			"ulimit -u)"
		return
	}
	if lines := crashed.FindAllStringIndex(printed, -1); lines != nil {
		last := lines[len(lines)-1]
		o.Prints = printed[:last[0]]
		reason := strings.TrimSuffix(strings.TrimSpace(printed[last[0]:last[1]]), " [recovered]")
		o.Message = visible("your code crashed" + at(crashFrame(printed[last[0]:])) + ": " + reason)
		return
	}
	switch {
	case strings.HasPrefix(status, "signal: killed"):
		o.Message = "the system killed the program that ran your code (" + status +
			"), as it does when memory runs out"
	case exit != nil && exit.ExitCode() == deafWorker, err == ErrEnded:
		o.Message = "your code closed files or sockets that it had not opened, the standard output " +
			"among them"
	case strings.HasPrefix(status, "signal: bad system call"):
		o.Message = "your code made a system call that the sandbox forbids; it ends a program that does so (" +
			status + ")"
	case strings.HasPrefix(status, "it "): // what a sandbox says of a limit
		o.Message = "the program that ran your code was ended: " + status
	default:
		o.Message = "your code ended the whole program (" + status + "), as os.Exit and log.Fatal " +
			"do; return an error instead"
	}
}

// What the runtime prints.
var (
	noThread = regexp.MustCompile(`(?m)^(runtime: failed to create new OS thread|runtime/cgo: pthread_create failed)`)
	crashed  = regexp.MustCompile(`(?m)^\t?(panic: |fatal error: |runtime: out of memory).*`)
)

// messages takes what a worker writes to its standard output, and passes over lines that are no messages.
type messages struct {
	line    []byte // begun
	steps   []string
	outcome *outcome
	told    func(step string, fresh bool) // called for each step; may be nil
}

func (m *messages) Write(p []byte) (int, error) {
	m.line = append(m.line, p...)
	for {
		line, rest, ok := bytes.Cut(m.line, []byte("\n"))
		if !ok {
			return len(p), nil
		}
		m.line = rest
		var one message
		switch {
		case json.Unmarshal(line, &one) != nil:
			continue
		case one.Outcome != nil:
			m.outcome = one.Outcome
		case one.Fresh:
			m.steps = nil
		}
		m.steps = append(m.steps, one.Step)
		if m.told != nil {
			m.told(one.Step, one.Fresh)
		}
	}
}

// bothEnds keeps the beginning and the end of what is written to it.
type bothEnds struct{ text []byte }

func (b *bothEnds) Write(p []byte) (int, error) {
	b.text = append(b.text, p...)
	if len(b.text) > 4*keptPrints {
		left := []byte("\n… a part is left out …\n")
		b.text = slices.Concat(b.text[:keptPrints], left, b.text[len(b.text)-2*keptPrints:])
	}
	return len(p), nil
}

// work is what a worker does: it runs its case, tells how it went, and ends the process.
func work(lab Lab, number string) {
	out := os.Stdout
	os.Stdout = os.Stderr // what the code under test prints must not mix with the messages
	os.Unsetenv(caseVariable)
	Limits()
	time.AfterFunc(mostTime, func() { os.Exit(1) }) // when nobody is left to end it
	var i, part int
	if _, err := fmt.Sscanf(number, "%d.%d", &i, &part); err != nil || i >= len(lab.Cases) {
		os.Exit(2)
	}
	say := func(m message) {
		text, err := json.Marshal(m)
		if err == nil {
			_, err = fmt.Fprintf(out, "\n%s\n", text)
		}
		if err != nil {
			os.Exit(deafWorker)
		}
	}
	before := openFiles()
	o := lab.Cases[i].runPart(part, options{
		seed: *seedFlag, timeline: *timelineFlag, alone: true,
		told:   func(step string, fresh bool) { say(message{Step: step, Fresh: fresh}) },
		failed: func(o outcome) { say(message{Outcome: &o}) },
	})
	if left := leftOpen(openFiles, before, func(string) bool { return true }); o.Outcome == Passed &&
		len(left) > 0 {
		o.leftOpen(left)
	}
	say(message{Outcome: &o})
	endGroup()
	os.Exit(0)
}
