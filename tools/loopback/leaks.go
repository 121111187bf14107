package loopback

import (
	"fmt"
	"os"
	"runtime"
	"slices"
	"strings"
	"time"
)

// Main runs a package's tests and then checks that they left nothing behind: no goroutine, no
// descriptor, no child process. What [Resources.Leaked] says of the garbage collector counts here,
// too. Call it from TestMain:
//
//	func TestMain(m *testing.M) { os.Exit(loopback.Main(m)) }
func Main(m interface{ Run() int }) int {
	before := Snapshot()
	code := m.Run()
	if code != 0 {
		return code
	}
	if err := before.Leaked(); err != nil {
		fmt.Fprintln(os.Stderr, "left behind by the tests:", err)
		return 1
	}
	return 0
}

// Resources is what a process holds at one moment.
type Resources struct {
	goroutines []string // the first line of each stack: its number
	files      []string // what each descriptor stands for; nil where the system does not tell
}

// Snapshot lists the goroutines and the open descriptors (on Linux and macOS).
func Snapshot() Resources {
	r := Resources{files: descriptors()}
	for _, stack := range goroutines(new([]byte)) {
		r.goroutines = append(r.goroutines, number(stack))
	}
	return r
}

// leakPatience is how long what is about to end may take to end.
var leakPatience = 2 * time.Second

// Leaked waits until the process holds no more than when r was taken, and has no child processes. After two
// seconds it returns an error that names what is left: stacks of goroutines, descriptors, children. It
// waits for no child, not even for one that has ended.
//
// The garbage collector closes sockets and files that nobody refers to any more. Those that it has closed
// before Leaked looks, or while it waits, are not seen: Leaked itself allocates little, in order not to
// call the collector.
func (r Resources) Leaked() error {
	deadline := time.Now().Add(leakPatience)
	var buf []byte
	for step := time.Millisecond; ; step = min(2*step, 50*time.Millisecond) {
		left := r.left(&buf)
		if left == "" {
			return nil
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("%s", left)
		}
		<-time.After(step)
	}
}

func (r Resources) left(buf *[]byte) string {
	var left []string
	var running []string
	for _, stack := range goroutines(buf) {
		if !slices.Contains(r.goroutines, number(stack)) {
			running = append(running, stack)
		}
	}
	if len(running) > 0 {
		left = append(
			left,
			fmt.Sprintf(
				"%d goroutines more than before, among them:\n%s",
				len(running),
				running[len(running)-1],
			),
		)
	}
	if more := extra(descriptors(), r.files); len(more) > 0 {
		left = append(
			left,
			fmt.Sprintf("%d descriptors more than before: %s", len(more), strings.Join(more, ", ")),
		)
	}
	if hasChildren() {
		left = append(left, "a child process that nobody waited for")
	}
	return strings.Join(left, "; ")
}

// goroutines returns the stacks of all goroutines but the runtime's own, one a string. buf is grown
// as needed, and kept for the next call.
func goroutines(buf *[]byte) []string {
	n := runtime.Stack(*buf, true)
	for n == len(*buf) { // there may be more
		*buf = make([]byte, max(64<<10, 2*len(*buf)))
		n = runtime.Stack(*buf, true)
	}
	all := strings.Split(string((*buf)[:n]), "\n\n")
	return slices.DeleteFunc(all, func(s string) bool {
		return strings.Contains(s, "os/signal.signal_recv") || strings.Contains(s, "os/signal.loop") ||
			strings.Contains(s, "testing.(*M).startAlarm") || strings.Contains(s, "runtime/trace")
	})
}

// number is "goroutine 12" of a stack that begins "goroutine 12 [chan receive]:".
func number(stack string) string {
	n, _, _ := strings.Cut(stack, " [")
	return n
}

func extra(now, before []string) []string {
	rest := slices.Clone(before)
	var more []string
	for _, f := range now {
		if i := slices.Index(rest, f); i >= 0 {
			rest = slices.Delete(rest, i, i+1)
		} else {
			more = append(more, f)
		}
	}
	return more
}
