package check

import (
	"fmt"
	"path"
	"regexp"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// goroutine is one goroutine as the runtime prints it.
type goroutine struct {
	id, creator int // creator: the goroutine that started it; 0 if unknown
	state       string
	calls       string // two lines for each frame, innermost first
}

type frame struct {
	function string // with its package path
	file     string
	line     int
}

var looks struct {
	sync.Mutex // held while somebody looks
	begun      atomic.Int64
	last       []goroutine
	took       time.Duration
	text       []byte
}

// snapshot returns all goroutines, at a moment after the call. Each look stops them all. So there
// is a pause before it, as long as the last one took, and those who ask meanwhile share it. The
// result is not to be changed.
func snapshot() []goroutine {
	asked := looks.begun.Load()
	looks.Lock()
	defer looks.Unlock()
	if looks.begun.Load() > asked {
		return looks.last
	}
	<-time.After(min(looks.took, longestPause))
	looks.begun.Add(1)
	begin := time.Now()
	n := runtime.Stack(looks.text, true)
	for n == len(looks.text) { // there may be more
		looks.text = make([]byte, max(256<<10, 2*n))
		n = runtime.Stack(looks.text, true)
	}
	looks.last, looks.took = parseStacks(looks.text[:n]), time.Since(begin)
	return looks.last
}

const longestPause = 5 * time.Millisecond

// parseStacks reads what the runtime prints of each goroutine: a line such as "goroutine 34 gp=0x1
// [chan receive, 2 minutes]:", then two for each frame, a function with its arguments and
// "\t/home/student/labs/05/framing.go:42 +0x1d", and in the end "created by … in goroutine 7" with
// its place.
func parseStacks(text []byte) (all []goroutine) {
	for block := range strings.SplitSeq(string(text), "\n\n") {
		head, calls, _ := strings.Cut(strings.TrimSpace(block), "\n")
		head, ok := strings.CutPrefix(head, "goroutine ")
		_, state, bracket := strings.Cut(head, "[")
		if !ok || !bracket {
			continue
		}
		g := goroutine{id: number(head), state: state[:max(0, strings.IndexAny(state, ",]"))], calls: calls}
		if i := strings.LastIndex(calls, "created by "); i >= 0 {
			_, creator, _ := strings.Cut(calls[i:], " in goroutine ")
			g.creator, g.calls = number(creator), calls[:i]
		}
		all = append(all, g)
	}
	return all
}

// frames reads the calls.
func (g goroutine) frames() (all []frame) {
	lines := strings.Split(g.calls, "\n")
	for i, line := range lines {
		colon := strings.LastIndex(line, ":")
		if file, ok := strings.CutPrefix(line[:max(0, colon)], "\t"); ok && i > 0 {
			all = append(all, frame{functionName(lines[i-1]), file, number(line[colon+1:])})
		}
	}
	return all
}

// number is the number that a text begins with; 0 if there is none.
func number(text string) int {
	digits := len(text) - len(strings.TrimLeft(text, "0123456789"))
	n, _ := strconv.Atoi(text[:digits])
	return n
}

// functionName cuts the arguments off "socketbook/labs/05.ReadMessage({0x1, 0x2}, 0x400)"; a
// method's receiver stays.
func functionName(s string) string {
	if i := strings.LastIndex(s, "("); i > 0 && s[len(s)-1] == ')' {
		return s[:i]
	}
	return s
}

func goroutineID() int {
	buf := make([]byte, 64)
	return parseStacks(buf[:runtime.Stack(buf, false)])[0].id
}

// suitePackages are those whose frames are never the student's.
var suitePackages = []string{
	"socketbook/tools/check",
	"socketbook/tools/fault",
	"socketbook/tools/loopback",
	"socketbook/tools/timeline",
	remotePackage,
	"socketbook/tools/grade/internal/verdict",
}

// isStudents reports whether a function belongs to the code under test: in this module, and neither
// an engine nor a suite.
func isStudents(function string) bool {
	dir, base := path.Split(function)
	base, _, _ = strings.Cut(base, ".")
	pkg := dir + base
	suite := strings.HasSuffix(pkg, "test") && !strings.HasSuffix(pkg, "_test")
	return strings.HasPrefix(pkg, "socketbook/") && !suite && !slices.Contains(suitePackages, pkg)
}

// students returns the innermost frame of the code under test; nil if there is none.
func (g goroutine) students() *frame {
	for _, f := range g.frames() {
		if isStudents(f.function) {
			return &f
		}
	}
	return nil
}

// systems reports whether the goroutine belongs to the system: os/signal starts one with the first
// Notify, which then waits for signals as long as the program runs.
func (g goroutine) systems() bool { return strings.Contains(g.calls, "os/signal.loop(") }

// handedIn reports whether the goroutine is in a file that a student hands in: not in a test.
func (g goroutine) handedIn() bool {
	f := g.students()
	return f != nil && !strings.HasSuffix(f.file, "_test.go")
}

// crashFrame finds the student's line in what the runtime prints about a crash, whose first
// goroutine is the one that crashed. In that of a goroutine that has recovered it is below the panic.
func crashFrame(text string) *frame {
	for _, g := range parseStacks([]byte(text)) {
		_, below, panicked := strings.Cut(g.calls, "\npanic(")
		if panicked {
			g.calls = below
		}
		if f := g.students(); f != nil {
			return f
		}
	}
	return nil
}

// at says where a frame is, in the words of a message; nothing for no frame.
func at(f *frame) string {
	if f == nil {
		return ""
	}
	file := path.Base(strings.ReplaceAll(f.file, `\`, "/"))
	if f.line == 1 { // which is never code: the compiler gives it to endless loops that do nothing
		_, function, _ := strings.Cut(path.Base(f.function), ".")
		return fmt.Sprintf(" in %s of %s", function, file)
	}
	return fmt.Sprintf(" at %s:%d", file, f.line)
}

// inside returns the method of the adversary in which the goroutine waits, "Read" or "Accept", or
// the function of the suite that it has called; "" for neither.
func (g goroutine) inside() string {
	suites := ""
	for _, f := range g.frames() {
		if isStudents(f.function) {
			return suites
		}
		switch f.function {
		case "socketbook/tools/fault.(*Conn).Read", "socketbook/tools/fault.(*DatagramConn).Read":
			return "Read"
		case "socketbook/tools/fault.(*Conn).Write":
			return "Write"
		case "socketbook/tools/fault.(*Listener).Accept":
			return "Accept"
		}
		if pkg, name, _ := strings.Cut(path.Base(f.function), "."); strings.HasSuffix(pkg, "test") {
			suites = strings.TrimSuffix(name[strings.LastIndex(name, ".")+1:], "-fm") // of a method value
		}
	}
	return ""
}

// computes reports whether the goroutine waits for nothing but a processor.
func (g goroutine) computes() bool { return g.state == "running" || g.state == "runnable" }

// moves reports whether the goroutine has not yet done all that it does for now: wait for another one,
// for a timer or for the network. The mutexes of the adversaries are held for a moment only; so are those
// of the standard library (a sync.Pool's while it allocates) but for a pipe's, and the runtime's semaphores:
// one that allocates may wait for the garbage collector.
func (g goroutine) moves() bool {
	switch frames := g.frames(); g.state {
	case "sync.Mutex.Lock":
		i := slices.IndexFunc(frames, func(f frame) bool { return !locks.MatchString(f.function) })
		if i < 0 {
			return false
		}
		if owner := frames[i].function; strings.HasPrefix(owner, "socketbook/") {
			return strings.HasPrefix(owner, "socketbook/tools/fault.") ||
				strings.HasPrefix(owner, "socketbook/tools/timeline.")
		}
		return !strings.Contains(frames[i].function, "(*pipe)")
	case "semacquire":
		return len(frames) == 0 || !strings.HasPrefix(frames[0].function, "sync.")
	case "sync.Cond.Wait", "sync.WaitGroup.Wait", "sync.RWMutex.Lock", "sync.RWMutex.RLock",
		"chan receive", "chan send", "chan receive (nil chan)", "chan send (nil chan)",
		"select", "select (no cases)", "sleep", "IO wait", "coroutine": // the last one is iter.Pull's
		return false
	}
	return true
}

// locks are the functions that wait for a mutex of their caller's.
var locks = regexp.MustCompile(`^(internal/)?sync\.(runtime_|\(\*(Mutex|RWMutex|Once|Cond)\)|Once)`)
