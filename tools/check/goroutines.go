package check

import (
	"bytes"
	"fmt"
	"path"
	"runtime"
	"runtime/debug"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
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

// snapshot stops the world for a moment and returns all goroutines.
func snapshot() []goroutine {
	buf := stacks.Get().(*[]byte)
	defer stacks.Put(buf)
	for {
		n := runtime.Stack(*buf, true)
		if n < len(*buf) {
			return parseStacks((*buf)[:n])
		}
		*buf = make([]byte, 2*len(*buf))
	}
}

// stacks are buffers for snapshot, which is called often.
var stacks = sync.Pool{New: func() any {
	buf := make([]byte, 256<<10)
	return &buf
}}

func parseStacks(text []byte) []goroutine {
	var all []goroutine
	for block := range strings.SplitSeq(string(text), "\n\n") {
		lines := strings.Split(strings.TrimSpace(block), "\n")
		g, ok := parseHead(lines[0])
		if !ok {
			continue
		}
		for i := 1; i+1 < len(lines); i++ {
			if strings.HasPrefix(lines[i], "created by ") {
				_, id, _ := strings.Cut(lines[i], " in goroutine ")
				g.creator, _ = strconv.Atoi(id)
				break
			}
			if file, line, ok := parseFile(lines[i+1]); ok {
				g.frames = append(g.frames, frame{functionName(lines[i]), file, line})
				i++
			}
		}
		all = append(all, g)
	}
	return all
}

// parseHead takes a line such as "goroutine 34 [chan receive, 2 minutes]:" apart; newer versions of Go put more between the
// number and the bracket.
func parseHead(line string) (g goroutine, ok bool) {
	rest, ok := strings.CutPrefix(line, "goroutine ")
	if !ok {
		return g, false
	}
	id, rest, _ := strings.Cut(rest, " ")
	_, rest, _ = strings.Cut(rest, "[")
	g.state = rest[:max(0, strings.IndexAny(rest, ",]"))]
	var err error
	g.id, err = strconv.Atoi(id)
	return g, err == nil && g.state != ""
}

// parseFile takes a line such as "\t/home/student/labs/05/framing.go:42 +0x1d" apart.
func parseFile(line string) (file string, number int, ok bool) {
	rest, ok := strings.CutPrefix(line, "\t")
	colon := strings.LastIndex(rest, ":")
	if !ok || colon < 0 {
		return "", 0, false
	}
	digits, _, _ := strings.Cut(rest[colon+1:], " ")
	number, err := strconv.Atoi(digits)
	return rest[:colon], number, err == nil
}

// functionName cuts the arguments off "socketbook/labs/05.ReadMessage({0x1, 0x2}, 0x400)"; a method's receiver stays.
func functionName(s string) string {
	if i := strings.LastIndex(s, "("); i > 0 && s[len(s)-1] == ')' {
		return s[:i]
	}
	return s
}

func goroutineID() int {
	buf := make([]byte, 64)
	buf = buf[:runtime.Stack(buf, false)]
	id, _ := strconv.Atoi(string(bytes.Fields(buf)[1]))
	return id
}

func ownStack() []byte { return debug.Stack() }

// suitePackages are those whose frames are never the student's.
var suitePackages = []string{"socketbook/tools/check", "socketbook/tools/fault", "socketbook/tools/loopback", "socketbook/tools/timeline"}

// isStudents reports whether a function belongs to the code under test: in this module, and neither an engine nor a suite.
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

// panicFrame finds, in the stack of a recovering goroutine, the student's line that panicked or called what did.
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

// inside returns the method of the adversary in which the goroutine waits, "Read" or "Accept", or the function of the suite that it has
// called; "" for neither.
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

// blocked reports whether only another goroutine can wake this one. A select, a sleep and the network are left out: a
// timer may end them. A timer may also end a receive, so the caller has to know better. The mutexes of the adversaries are held for a
// moment only, and so are the runtime's semaphores: one that allocates may wait for the garbage collector.
func (g goroutine) blocked() bool {
	switch g.state {
	case "sync.Mutex.Lock":
		return !g.locksAdversary()
	case "semacquire":
		return len(g.frames) > 0 && strings.HasPrefix(g.frames[0].function, "sync.")
	case "sync.Cond.Wait", "sync.WaitGroup.Wait", "sync.RWMutex.Lock", "sync.RWMutex.RLock",
		"chan receive", "chan send", "chan receive (nil chan)", "chan send (nil chan)", "select (no cases)":
		return true
	}
	return false
}

// locksAdversary reports whether the goroutine wants a mutex of the adversaries or of the recorder.
func (g goroutine) locksAdversary() bool {
	i := slices.IndexFunc(g.frames, func(f frame) bool { return strings.HasPrefix(f.function, "socketbook/") })
	return i >= 0 && (strings.HasPrefix(g.frames[i].function, "socketbook/tools/fault.") || strings.HasPrefix(g.frames[i].function, "socketbook/tools/timeline."))
}

// tree returns the goroutines of the calls and all that these have started, as far as the chain of creators can be
// followed; where nothing else runs in the process, every one in the student's file.
func (c *C) tree(all []goroutine) []goroutine {
	known := map[int]bool{}
	for _, call := range c.calls {
		call.mu.Lock()
		known[call.id] = call.id != 0
		call.mu.Unlock()
	}
	for grown := true; grown; {
		grown = false
		for _, g := range all {
			if !known[g.id] && (known[g.creator] || c.options.alone && g.handedIn()) {
				known[g.id], grown = true, true
			}
		}
	}
	return slices.DeleteFunc(slices.Clone(all), func(g goroutine) bool { return !known[g.id] })
}

// orphans reports whether a goroutine in code under test moves whose creator has ended, so that it may belong to any call.
func orphans(all []goroutine) bool {
	alive := map[int]bool{}
	for _, g := range all {
		alive[g.id] = true
	}
	return slices.ContainsFunc(all, func(g goroutine) bool {
		return g.creator != 0 && !alive[g.creator] && !g.blocked() && g.students() != nil
	})
}

// stuck returns a goroutine of the code under test that waits for what will never come, and nil as long as anything
// can still move: the peers, one of its goroutines, a timer.
func (c *C) stuck() *goroutine {
	if c.cs.Timers || !c.quiet() || !c.calling() {
		return nil
	}
	starved := c.starved()
	if !starved && time.Since(c.moved) < 50*time.Millisecond { // looking stops the world: not all the time
		return nil
	}
	all := snapshot()
	tree := c.tree(all)
	var waits *goroutine
	for i, g := range tree {
		if !g.blocked() || g.state == "chan receive" && !starved {
			return nil
		}
		if waits == nil || waits.inside() == "" && g.inside() != "" {
			waits = &tree[i]
		}
	}
	if orphans(all) || !c.quiet() || c.starved() != starved || len(c.wake) > 0 { // something came while we looked, and may have gone
		return nil
	}
	return waits
}

// calling reports whether every call has begun.
func (c *C) calling() bool {
	for _, call := range c.calls {
		call.mu.Lock()
		begun := call.id != 0
		call.mu.Unlock()
		if !begun {
			return false
		}
	}
	return true
}

// finished reports whether nothing can move any more because all calls have returned and have left nothing behind.
func (c *C) finished() bool {
	for _, call := range c.calls {
		if !call.Ended() {
			return false
		}
	}
	return len(c.calls) > 0 && c.quiet() && len(c.leftBehind()) == 0
}

func (c *C) quiet() bool {
	return !slices.ContainsFunc(c.all, func(a adversary) bool { return !a.Quiet() })
}

func (c *C) starved() bool {
	return slices.ContainsFunc(c.all, adversary.Starved)
}

// whereItIs describes the calls that have not ended.
func (c *C) whereItIs() string {
	tree := c.tree(snapshot())
	for _, g := range tree {
		if g.students() != nil {
			return c.describe(g)
		}
	}
	if len(c.calls) > 0 && len(tree) == 0 {
		return "your code has returned"
	}
	return "your code is not waiting in a line of its own"
}

// describe says what a goroutine waits for, and where the suite stands.
func (c *C) describe(g goroutine) string {
	said := "; nothing more will come"
	if c.said != "" {
		said = "; " + c.said + " and will send no more"
	}
	where := at(g.students())
	switch inside := g.inside(); {
	case inside != "" && (g.state == "running" || g.state == "runnable"):
		return "busy with one " + inside + " after the other" + where + said
	case inside == "Accept":
		return "blocked in Accept" + where + "; no more clients will come"
	case inside != "":
		return "blocked in " + inside + where + said
	case g.state == "running" || g.state == "runnable":
		return "busy" + where + ", without reading or writing" + said
	default:
		return "blocked" + where + " (" + g.state + ")" + said
	}
}

// circles describes the code that went on calling although every call failed.
func circles(stack []byte) string {
	for _, g := range parseStacks(stack) {
		if f := g.students(); f != nil {
			return fmt.Sprintf("runs in circles%s: its calls failed a hundred times in a row and it went on; an error must end the loop", at(f))
		}
	}
	return "runs in circles: its calls failed a hundred times in a row and it went on; an error must end the loop"
}

// checkLeftBehind ends the case when a call has returned and something that it started still runs.
func (c *C) checkLeftBehind() {
	for n, pause := 0, 50*time.Microsecond; ; n, pause = n+1, min(2*pause, 20*time.Millisecond) {
		left := c.leftBehind()
		if len(left) == 0 {
			return
		}
		settled := n > 10 // some eighty milliseconds
		for _, g := range left {
			settled = settled && g.state != "running" && g.state != "runnable" && g.state != "syscall"
		}
		if settled || n > 90 {
			c.out.Dirty = true
			c.out.Rule = "When a call has returned, nothing that it has started is still running."
			c.out.Hint = "Make the goroutine end, for example by closing the channel or setting a deadline on the connection that it waits for, and wait for it before you return."
			g := left[0]
			c.Fail("left a goroutine behind: %d still there after the case, one of them %s%s", len(left), g.state, at(g.students()))
		}
		<-time.After(pause)
	}
}

// leftBehind returns what runs below calls that have returned.
func (c *C) leftBehind() []goroutine {
	if len(c.calls) == 0 {
		return nil
	}
	return slices.DeleteFunc(c.tree(snapshot()), func(g goroutine) bool {
		for _, call := range c.calls {
			if g.id == call.id {
				return true // about to end: it has returned
			}
		}
		return false
	})
}
