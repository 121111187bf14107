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
	answers chan outcome
	prints  *prints
	secret  string
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
	select {
	case got, ok := <-w.answers:
		if !ok {
			return w.died()
		}
		got.Prints = w.prints.until(w.secret)
		if race := strings.Contains(got.Prints, "WARNING: DATA RACE"); race && got.Passed {
			got.Passed, got.Message = false, "the race detector found a data race"
		}
		if got.Dirty {
			w.close()
		}
		return got
	case <-time.After(patience):
		w.close()
		return outcome{Message: fmt.Sprintf("did not come to an end in %v", patience)}
	}
}

func (w *worker) start(o options) error {
	w.secret = fmt.Sprintf("%016x%016x", rand.Uint64(), rand.Uint64())
	w.prints = &prints{}
	cmd := exec.Command(os.Args[0], "-test.run=^"+regexp.QuoteMeta(w.test)+"$", "-seed="+strconv.FormatUint(w.seed, 10), fmt.Sprintf("-timeline=%v", o.timeline))
	cmd.Env = append(os.Environ(), workerVariable+"=1")
	cmd.Stderr = w.prints
	cmd.WaitDelay = time.Second // for processes that the code under test has started and that hold our pipes
	in, err := cmd.StdinPipe()
	if err != nil {
		return err
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return err
	}
	if err := cmd.Start(); err != nil {
		return err
	}
	w.cmd, w.in, w.answers = cmd, in, make(chan outcome)
	go listen(out, w.secret, w.answers)
	_, err = fmt.Fprintln(in, w.secret)
	return err
}

// listen passes on the outcomes among the lines, and ignores what else stands there.
func listen(out io.Reader, secret string, answers chan<- outcome) {
	defer close(answers)
	lines := bufio.NewScanner(out)
	lines.Buffer(nil, 16<<20)
	for lines.Scan() {
		_, answer, ok := bytes.Cut(lines.Bytes(), []byte(secret+" "))
		if !ok {
			continue
		}
		var o outcome
		if err := json.Unmarshal(answer, &o); err != nil {
			return
		}
		answers <- o
	}
}

// close ends the worker. Nobody sends it a case any more, so that nothing is lost.
func (w *worker) close() {
	if w.cmd == nil {
		return
	}
	w.in.Close()
	w.cmd.Process.Kill()
	for range w.answers {
	}
	w.cmd.Wait() // killed: its status says nothing
	w.cmd = nil
}

// died tells, from what a process printed last and from its status, why it ended in the middle of a case.
func (w *worker) died() outcome {
	w.in.Close()
	err := w.cmd.Wait()
	w.cmd = nil
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
			o.Message = "your code crashed" + at(crashFrame(printed[i:])) + ": " + strings.TrimSuffix(reason, " [recovered]")
			return o
		}
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
}

func (p *prints) Write(b []byte) (int, error) {
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
	return len(b), nil
}

// until takes what stands before the secret, and waits until it is there.
func (p *prints) until(secret string) string {
	watchdog := time.After(patience)
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
		case <-watchdog:
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
	in, out := bufio.NewScanner(os.Stdin), os.Stdout
	os.Stdout = os.Stderr // what the code under test prints must not mix with the answers
	os.Stdin, _ = os.Open(os.DevNull)
	os.Unsetenv(workerVariable)
	debug.SetMaxStack(workerStack)
	if !in.Scan() {
		os.Exit(1)
	}
	secret := in.Text()
	foreign := startedEarly()
	for in.Scan() {
		i, err := strconv.Atoi(in.Text())
		if err != nil || i < 0 || i >= len(lab.Cases) {
			os.Exit(1)
		}
		o := outcome{Message: foreign}
		if foreign == "" {
			before := openFiles()
			o = runCase(lab, lab.Cases[i], options{seed: *seedFlag, timeline: *timelineFlag})
			o.checkFiles(before)
		}
		answer, err := json.Marshal(o)
		if err != nil {
			os.Exit(1)
		}
		fmt.Fprintf(os.Stderr, "%s\n", secret)
		fmt.Fprintf(out, "\n%s %s\n", secret, answer)
	}
	os.Exit(0)
}

// startedEarly says whether code under test was running before anybody had called it.
func startedEarly() string {
	for _, g := range snapshot() {
		if f := g.students(); f != nil && !strings.HasSuffix(f.file, "_test.go") {
			return "a goroutine is running" + at(f) + " before anything was called: start nothing in init or in a package variable"
		}
	}
	return ""
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
	o.Message = fmt.Sprintf("left %d files or sockets open: %s", len(left), strings.Join(left, ", "))
}
