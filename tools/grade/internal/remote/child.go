package remote

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"reflect"
	"runtime"
	"strconv"

	"socketbook/tools/check"
)

// Serve is what the child's main calls: it carries out calls of the functions in lab, a struct of them,
// until the judge has had enough. It does not return.
func Serve(lab any) {
	check.Limits() // as in the process of a case that go test starts
	stream, err := inherited()
	if err == nil {
		err = serve(lab, stream)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "the program that grades, which starts this one, is not to be understood:", err)
		os.Exit(2)
	}
	os.Exit(0)
}

// serve carries out calls until the stream ends.
func serve(lab any, stream io.ReadWriter) error {
	v := reflect.ValueOf(lab)
	s, err := newSide(false, stream, v.Type())
	if err != nil {
		return err
	}
	for i := range v.NumField() {
		s.mine[uint64(i+1)] = v.Field(i)
	}
	c := &child{side: s, dump: make([]byte, 256<<10)}
	s.read(stream, c.asked)
	if err := s.endedWith(); err != io.EOF {
		return err
	}
	return nil
}

// child answers the judge's questions.
type child struct {
	*side
	dump []byte // used for all looks at the stacks, so that they allocate nothing
}

const mostDump = 16 << 20 // bytes

// stacks returns the stacks of all goroutines.
func (c *child) stacks() []byte {
	n := runtime.Stack(c.dump, true)
	for n == len(c.dump) && n < mostDump {
		c.dump = make([]byte, 2*n)
		n = runtime.Stack(c.dump, true)
	}
	return c.dump[:n]
}

// blocks calls f for the stack of each goroutine, until it returns false.
func blocks(text []byte, f func(goroutine int, block []byte) bool) {
	for len(text) > 0 {
		block, rest, _ := bytes.Cut(text, []byte("\n\n"))
		text = rest
		head, ok := bytes.CutPrefix(block, []byte("goroutine "))
		digits, _, space := bytes.Cut(head, []byte(" "))
		id, err := strconv.Atoi(string(digits))
		if ok && space && err == nil && !f(id, block) {
			return
		}
	}
}

// asked answers a question. It is called by the goroutine that reads, so everything that was sent before the
// question has reached its goroutine, and everything that these have sent before is read before the
// answer.
func (c *child) asked(m message) error {
	q, about := question(m.body.byte()), m.body.uint()
	e := begin(nil, kindTell, m.thread, 0)
	switch q {
	case askStacks:
		c.tellStacks(e)
	case askStack:
		c.mu.Lock()
		e.b = append(e.b, c.left[about]...)
		c.mu.Unlock()
		blocks(c.stacks(), func(id int, block []byte) bool {
			c.mu.Lock()
			t := c.running[id]
			c.mu.Unlock()
			found := t != nil && t.number == about
			if found {
				e.b = append(e.b, block...)
			}
			return !found
		})
	case askHeap:
		e.uint(check.HeapInUse())
	case askAllocated:
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		e.uint(m.TotalAlloc)
	case askInUse:
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		e.uint(m.HeapAlloc)
	case askLargest:
		e.uint(uint64(check.Largest()))
	case askFiles:
		names := openFiles()
		e.uint(uint64(len(names)))
		for _, name := range names {
			e.string(name)
		}
	}
	c.post(e, nil)
	return nil
}

func (c *child) tellStacks(e *encoder) {
	text := c.stacks()
	c.mu.Lock()
	defer c.mu.Unlock()
	e.uint(uint64(len(c.threads)))
	for number, t := range c.threads {
		e.uint(number)
		e.uint(uint64(t.here)) // 0 for one that has not begun
	}
	n := 0
	blocks(text, func(int, []byte) bool { n++; return true })
	e.uint(uint64(n))
	blocks(text, func(id int, _ []byte) bool {
		e.uint(uint64(id))
		return true
	})
	e.b = append(e.b, text...)
}
