package check

import (
	"fmt"
	"path"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
)

// goroutine is one goroutine as the runtime prints it.
type goroutine struct {
	id, creator int // creator: the goroutine that started it; 0 if unknown
	state       string
	frames      []frame // innermost first
}

type frame struct {
	function string // with its package path
	file     string
	line     int
}

// look is one snapshot, for all that have asked for it before it began.
type look struct {
	done chan struct{}
	all  []goroutine
}

var (
	looking  sync.Mutex // held while a snapshot is taken
	nextMu   sync.Mutex
	nextLook *look // has not begun yet; nil for none
)

// snapshot returns all goroutines, at a moment after the call. A proof runs many answers at a time, and each
// look stops them all, so those that wait for one share it. The result is not to be changed.
func snapshot() []goroutine {
	nextMu.Lock()
	l := nextLook
	if l != nil {
		nextMu.Unlock()
		<-l.done
		return l.all
	}
	l = &look{done: make(chan struct{})}
	nextLook = l
	nextMu.Unlock()

	looking.Lock()
	defer looking.Unlock()
	nextMu.Lock()
	nextLook = nil
	nextMu.Unlock()
	l.all = stacks()
	close(l.done)
	return l.all
}

// stacks stops the world for a moment.
func stacks() []goroutine {
	for buf := make([]byte, 256<<10); ; buf = make([]byte, 2*len(buf)) {
		if n := runtime.Stack(buf, true); n < len(buf) {
			return parseStacks(buf[:n])
		}
	}
}

// parseStacks reads what the runtime prints of each goroutine: a line such as "goroutine 34 gp=0x1
// [chan receive, 2 minutes]:", then two for each frame, a function with its arguments and
// "\t/home/student/labs/05/framing.go:42 +0x1d", and in the end "created by … in goroutine 7" with
// its place.
func parseStacks(text []byte) (all []goroutine) {
	for block := range strings.SplitSeq(string(text), "\n\n") {
		lines := strings.Split(strings.TrimSpace(block), "\n")
		head, ok := strings.CutPrefix(lines[0], "goroutine ")
		_, state, bracket := strings.Cut(head, "[")
		if !ok || !bracket {
			continue
		}
		g := goroutine{id: number(head), state: state[:max(0, strings.IndexAny(state, ",]"))]}
		for i := 1; i+1 < len(lines); i++ {
			if strings.HasPrefix(lines[i], "created by ") {
				_, creator, _ := strings.Cut(lines[i], " in goroutine ")
				g.creator = number(creator)
				break
			}
			colon := strings.LastIndex(lines[i+1], ":")
			if file, ok := strings.CutPrefix(lines[i+1][:max(0, colon)], "\t"); ok {
				g.frames = append(
					g.frames,
					frame{functionName(lines[i]), file, number(lines[i+1][colon+1:])},
				)
				i++
			}
		}
		all = append(all, g)
	}
	return all
}

// number is the number that a text begins with; 0 if there is none.
func number(text string) int {
	digits, _, _ := strings.Cut(text, " ")
	n, _ := strconv.Atoi(digits)
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
	for i, f := range g.frames {
		if isStudents(f.function) {
			return &g.frames[i]
		}
	}
	return nil
}

// handedIn reports whether the goroutine is in a file that a student hands in: not in a test.
func (g goroutine) handedIn() bool {
	f := g.students()
	return f != nil && !strings.HasSuffix(f.file, "_test.go")
}

// panicFrame finds, in the stack of a recovering goroutine, the student's line that panicked or
// called what did.
func panicFrame(stack []byte) *frame {
	all := parseStacks(stack)
	if len(all) == 0 {
		return nil
	}
	g := all[0]
	if i := slices.IndexFunc(g.frames, func(f frame) bool { return f.function == "panic" }); i >= 0 {
		g.frames = g.frames[i+1:]
	}
	return g.students()
}

// crashFrame finds the student's line in what the runtime prints about a crash, whose first
// goroutine is the one that crashed.
func crashFrame(text string) *frame {
	for _, g := range parseStacks([]byte(text)) {
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
	for _, f := range g.frames {
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

// waits reports whether the goroutine has done all that it does for now: it waits for another one,
// for a timer or for the network. The mutexes of the adversaries are held for a moment only, and so
// are the runtime's semaphores: one that allocates may wait for the garbage collector.
func (g goroutine) waits() bool {
	switch g.state {
	case "sync.Mutex.Lock":
		i := slices.IndexFunc(
			g.frames,
			func(f frame) bool { return strings.HasPrefix(f.function, "socketbook/") },
		)
		return i < 0 || !strings.HasPrefix(g.frames[i].function, "socketbook/tools/fault.") &&
			!strings.HasPrefix(g.frames[i].function, "socketbook/tools/timeline.")
	case "semacquire":
		return len(g.frames) > 0 && strings.HasPrefix(g.frames[0].function, "sync.")
	case "sync.Cond.Wait", "sync.WaitGroup.Wait", "sync.RWMutex.Lock", "sync.RWMutex.RLock",
		"chan receive", "chan send", "chan receive (nil chan)", "chan send (nil chan)",
		"select", "select (no cases)", "sleep", "IO wait":
		return true
	}
	return false
}
