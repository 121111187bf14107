package check

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"regexp"
	"runtime/debug"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

const (
	workerVariable = "SOCKETBOOK_SUITE_WORKER"
	patience       = 20 * time.Second // for a case that even its own watchdog cannot end
	keptPrints     = 64 << 10         // bytes of what the code under test prints during one case
	workerStack    = 64 << 20         // bytes; runaway recursion ends here rather than at Go's 1 GB
)

// worker is the second process as the first one sees it. The two speak in lines: the first writes a secret and then
// the numbers of cases to the other's standard input; the second answers with the secret and an outcome as JSON. What
// the code under test prints goes to standard error, which the secret divides into cases.
type worker struct {
	test string // name of the test function
	seed uint64

	cmd     *exec.Cmd
	in      io.WriteCloser
	answers chan message
	prints  *prints
	secret  string
}

// message is what the second process says: a step of the case, or how the case ended.
type message struct {
	Step    string   `json:"step,omitempty"`
	Fresh   bool     `json:"fresh,omitempty"` // the steps begin anew with this one
	Outcome *outcome `json:"outcome,omitempty"`
}

func isWorker() bool { return os.Getenv(workerVariable) != "" }

// run runs a case in the worker, which is started if there is none, and ended if the case leaves it unusable.
func (w *worker) run(lab Lab, i int, o options) outcome {
	if w.cmd == nil {
		if err := w.start(o); err != nil {
			return outcome{Message: fmt.Sprintf("the suite could not start its second process: %v", err)}
		}
	}
	fmt.Fprintln(w.in, i) // an error shows as the end of the answers
	var steps []string
	watchdog := time.After(patience)
	for {
		select {
		case m, ok := <-w.answers:
			switch {
			case !ok:
				o := w.died()
				o.Steps = steps
				return o
			case m.Outcome != nil:
				return w.ended(*m.Outcome)
			case m.Fresh:
				steps = nil
			}
			steps = append(steps, m.Step)
		case <-watchdog:
			w.close()
			return outcome{Steps: steps, Message: fmt.Sprintf("did not come to an end in %v", patience)}
		}
	}
}

// ended adds to an outcome what only the first process sees.
func (w *worker) ended(o outcome) outcome {
	o.Prints = w.prints.until(w.secret)
	if o.Passed && strings.Contains(o.Prints, "WARNING: DATA RACE") {
		o.Passed, o.Message = false, "the race detector found a data race"
	}
	if o.Dirty {
		w.close()
	}
	return o
}

func (w *worker) start(o options) error {
	w.secret = fmt.Sprintf("%016x%016x", rand.Uint64(), rand.Uint64())
	w.prints = &prints{over: make(chan struct{})}
	cmd := exec.Command(os.Args[0], "-test.run=^"+regexp.QuoteMeta(w.test)+"$", "-seed="+strconv.FormatUint(w.seed, 10), fmt.Sprintf("-timeline=%v", o.timeline))
	cmd.Env = slices.DeleteFunc(append(os.Environ(), workerVariable+"=1"), func(v string) bool { return strings.HasPrefix(v, ResultsVariable+"=") })
	in, err := cmd.StdinPipe()
	if err != nil {
		return err
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return err
	}
	printed, err := cmd.StderrPipe()
	if err != nil {
		return err
	}
	if err := cmd.Start(); err != nil {
		return err
	}
	w.cmd, w.in, w.answers = cmd, in, make(chan message)
	go listen(out, w.secret, w.answers)
	go w.prints.copy(printed)
	_, err = fmt.Fprintln(in, w.secret)
	return err
}

// listen passes on the messages among the lines, and ignores what else stands there.
func listen(out io.Reader, secret string, answers chan<- message) {
	defer close(answers)
	lines := bufio.NewScanner(out)
	lines.Buffer(nil, 16<<20)
	for lines.Scan() {
		_, answer, ok := bytes.Cut(lines.Bytes(), []byte(secret+" "))
		if !ok {
			continue
		}
		var m message
		if err := json.Unmarshal(answer, &m); err != nil {
			return
		}
		answers <- m
	}
}

// close ends the worker. Nobody sends it a case any more, so that nothing is lost.
func (w *worker) close() {
	if w.cmd == nil {
		return
	}
	w.cmd.Process.Kill()
	w.wait() // killed: its status says nothing
}

// wait waits for the worker, to which nothing more is said, and for what it has printed. A worker that only looks as
// if it had ended, because the code under test has closed its standard output, is killed.
func (w *worker) wait() error {
	w.in.Close()
	process := w.cmd.Process // not that of the next worker, if this one takes long to end
	kill := time.AfterFunc(time.Second, func() { process.Kill() })
	defer kill.Stop()
	for range w.answers {
	}
	select {
	case <-w.prints.over:
	case <-time.After(2 * time.Second): // processes that the code under test has started hold the pipe
	}
	err := w.cmd.Wait()
	w.cmd = nil
	return err
}

// died tells, from what a process printed last and from its status, why it ended in the middle of a case.
func (w *worker) died() outcome {
	err := w.wait()
	status := "status 0"
	if exit := (*exec.ExitError)(nil); errors.As(err, &exit) {
		status = exit.ProcessState.String()
	}
	printed := w.prints.rest()
	o := outcome{Prints: printed}
	for _, start := range []string{"panic: ", "fatal error: ", "runtime: out of memory"} {
		if i := lastLine(printed, start); i >= 0 {
			reason, _, _ := strings.Cut(printed[i:], "\n")
			o.Prints = printed[:i]
			o.Message = visible("your code crashed" + at(crashFrame(printed[i:])) + ": " + strings.TrimSuffix(reason, " [recovered]"))
			return o
		}
	}
	if strings.HasPrefix(status, "signal: killed") {
		o.Message = "the system killed the program that ran your code (" + status + "), as it does when memory runs out"
		return o
	}
	o.Message = "your code ended the whole program (" + status + "), as os.Exit and log.Fatal do; return an error instead"
	return o
}

// lastLine returns the place of the last line that begins with start, or -1.
func lastLine(text, start string) int {
	if i := strings.LastIndex(text, "\n"+start); i >= 0 {
		return i + 1
	}
	if strings.HasPrefix(text, start) {
		return 0
	}
	return -1
}

// crashFrame finds the student's line in what the runtime prints about a crash, whose first goroutine is the one that crashed.
func crashFrame(text string) *frame {
	for _, g := range parseStacks([]byte(text)) {
		if f := g.students(); f != nil {
			return f
		}
	}
	return nil
}

// prints keeps the beginning and the end of what is written to it.
type prints struct {
	mu   sync.Mutex
	text []byte
	more chan struct{} // closed when something is written
	over chan struct{} // closed when nothing more will be
}

func (p *prints) copy(from io.Reader) {
	defer close(p.over)
	buf := make([]byte, 32<<10)
	for {
		n, err := from.Read(buf)
		p.add(buf[:n])
		if err != nil {
			return
		}
	}
}

func (p *prints) add(b []byte) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.text = append(p.text, b...)
	if len(p.text) > 4*keptPrints {
		cut := []byte("\n… a part is left out …\n")
		p.text = slices.Concat(p.text[:keptPrints], cut, p.text[len(p.text)-2*keptPrints:])
	}
	if p.more != nil {
		close(p.more)
		p.more = nil
	}
}

// until takes what stands before the secret, and waits until it is there or nothing more can come.
func (p *prints) until(secret string) string {
	for {
		p.mu.Lock()
		before, after, ok := bytes.Cut(p.text, []byte(secret+"\n"))
		if ok {
			p.text = slices.Clone(after)
			p.mu.Unlock()
			return string(before)
		}
		more := make(chan struct{})
		p.more = more
		p.mu.Unlock()
		select {
		case <-more:
		case <-p.over:
			return p.rest()
		}
	}
}

func (p *prints) rest() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	text := p.text
	p.text = nil
	return string(text)
}

// work is the second process: it runs the cases that it is told to, until its standard input ends.
func work(lab Lab) {
	in, out, prints := bufio.NewScanner(os.Stdin), os.Stdout, os.Stderr
	os.Stdout = os.Stderr // what the code under test prints must not mix with the answers
	os.Stdin, _ = os.Open(os.DevNull)
	os.Unsetenv(workerVariable)
	debug.SetMaxStack(workerStack)
	if !in.Scan() {
		os.Exit(1)
	}
	secret := in.Text()
	say := func(m message) {
		text, err := json.Marshal(m)
		if err != nil {
			os.Exit(1)
		}
		fmt.Fprintf(out, "\n%s %s\n", secret, text)
	}
	step := func(text string, fresh bool) { say(message{Step: text, Fresh: fresh}) }
	for in.Scan() {
		i, err := strconv.Atoi(in.Text())
		if err != nil || i < 0 || i >= len(lab.Cases) {
			os.Exit(1)
		}
		before := openFiles()
		o := runCase(lab, lab.Cases[i], options{seed: *seedFlag, timeline: *timelineFlag, alone: true, step: step})
		o.checkFiles(before)
		fmt.Fprintf(prints, "%s\n", secret)
		say(message{Outcome: &o})
	}
	os.Exit(0)
}

// openFiles lists the descriptors of this process; nil where the system does not tell.
func openFiles() []string {
	entries, err := os.ReadDir("/dev/fd")
	if err != nil {
		return nil
	}
	var names []string
	for _, e := range entries {
		target, err := os.Readlink("/dev/fd/" + e.Name())
		if err == nil && !strings.HasPrefix(target, "anon_inode:") && !strings.HasPrefix(target, "/proc/") {
			names = append(names, target)
		}
	}
	return names
}

// checkFiles fails a case that passed but left descriptors open.
func (o *outcome) checkFiles(before []string) {
	if !o.Passed {
		return
	}
	var left []string
	for pause := time.Millisecond; pause < 100*time.Millisecond; pause *= 2 {
		left = openFiles()
		if len(left) <= len(before) {
			return
		}
		<-time.After(pause)
	}
	left = slices.DeleteFunc(left, func(name string) bool { return slices.Contains(before, name) })
	o.Passed, o.Dirty = false, true
	o.Message = visible(fmt.Sprintf("left %d files or sockets open: %s", len(left), strings.Join(left, ", ")))
	o.Rule = "What a call opens it also closes, when it fails too."
	o.Hint = "Write defer f.Close() below the lines that open a file and look at the error; an os.Root has to be closed as well."
}
