package remote

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"os"
	"os/exec"
	"reflect"
	"runtime"
	"runtime/debug"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"socketbook/tools/check"
)

// victim is a lab of which every attack gets all cases wrong, were it graded honestly.
type victim struct {
	Echo func(conn net.Conn) error
	Sum  func(numbers []int, texts [][]byte, each func(int) error) ([]string, error)
}

func victimSuite(lab victim) check.Lab {
	one := func(name string, points int, memory bool, run func(c *check.C)) check.Case {
		return check.Case{Name: name, Points: points, Rule: "x", Hint: "x", Memory: memory, Run: run}
	}
	echo := func(c *check.C) (allocated uint64) {
		conn, peer := c.Connect()
		peer.Send([]byte("hello"))
		var err error
		call := func() { err = lab.Echo(conn) }
		allocated = c.Allocated("Echo(conn)", call)
		c.WantNil("Echo", err)
		c.Settle()
		c.WantText("the answer", string(peer.Received()), "HELLO")
		return allocated
	}
	return check.Lab{Number: "99", File: "victim.go", Answer: lab, Cases: []check.Case{
		one("echo", 3, true, func(c *check.C) { echo(c) }),
		one("sum", 3, false, func(c *check.C) {
			var heard []int
			numbers := []int{1, 2, 3}
			var texts []string
			var err error
			c.Do("Sum(numbers, texts, each)", func() {
				texts, err = lab.Sum(numbers, [][]byte{[]byte("a"), []byte("b")}, func(n int) error {
					heard = append(heard, n)
					return nil
				})
			})
			c.WantNil("Sum", err)
			c.WantText("the result", fmt.Sprint(texts, heard, numbers), "[6 ab] [1 2 3] [1 2 3]")
		}),
		one("end", 2, false, func(c *check.C) {
			conn, peer := c.Connect()
			peer.CloseWrite()
			var err error
			c.Do("Echo(conn)", func() { err = lab.Echo(conn) })
			c.WantError("at the end", err, io.EOF)
		}),
		one("little memory", 2, true, func(c *check.C) {
			if echo(c) > 1<<20 {
				c.Fail("too much memory")
			}
		}),
	}}
}

// attack is what a child does instead of what it should.
type attack struct {
	student func() victim                   // code that the honest child serves
	raw     func(s Stream, next func() raw) // a child of its own
	lies    int                             // points that a lie about itself gets it, as is known
	says    string                          // the first verdict contains it
}

func failing(f func()) victim {
	return victim{
		Echo: func(net.Conn) error { f(); return nil },
		Sum:  func([]int, [][]byte, func(int) error) ([]string, error) { f(); return nil, nil },
	}
}

func student(f func()) attack { return attack{student: func() victim { return failing(f) }} }

// withConn is code that does something with the connection.
func withConn(f func(conn net.Conn) error) attack {
	return attack{student: func() victim {
		v := failing(func() {})
		v.Echo = f
		return v
	}}
}

func returning(err error) attack {
	return attack{student: func() victim {
		v := failing(func() {})
		v.Echo = func(net.Conn) error { return err }
		v.Sum = func([]int, [][]byte, func(int) error) ([]string, error) { return nil, err }
		return v
	}}
}

// raw is a message that a hostile child has received.
type raw struct {
	message
	s Stream
}

// hostileSide lets hostile children use the encoders.
func hostileSide() *side {
	s, err := newSide(false, io.Discard, reflect.TypeFor[victim]())
	if err != nil {
		panic(err)
	}
	return s
}

func send(c Stream, e *encoder, rawBytes []byte) {
	w := writer{out: c}
	w.send(e, rawBytes)
}

// reply sends a message of a kind on the thread of m.
func (m raw) reply(k kind, f func(e *encoder)) {
	e := begin(nil, k, m.thread, 77)
	if f != nil {
		f(e)
	}
	send(m.s, e, nil)
}

// whenCalled answers each call of the judge with one thing, and no question.
func whenCalled(f func(m raw)) attack {
	return attack{raw: func(_ Stream, next func() raw) {
		for {
			if m := next(); m.kind == kindCall {
				f(m)
			}
		}
	}}
}

func bytesNow(b []byte) attack {
	return attack{raw: func(s Stream, next func() raw) {
		s.Write(b)
		for {
			next()
		}
	}}
}

func header(body, rawLen uint32) []byte {
	return binary.BigEndian.AppendUint32(binary.BigEndian.AppendUint32(nil, body), rawLen)
}

// descriptor is that of the stream in the child, before it is taken.
var descriptor int

func onStream(b []byte) {
	f := os.NewFile(uintptr(descriptor), "stream")
	f.Write(b)
	runtime.KeepAlive(f)
}

type self struct{ text string }

func (e *self) Error() string   { return e.text }
func (e *self) Unwrap() error   { return e }
func (e *self) Is(error) bool   { return true }
func (e *self) As(any) bool     { return true }
func (e *self) Timeout() bool   { panic("no") }
func (e *self) Temporary() bool { return true }

type panics struct{}

func (panics) Error() string { panic("never told") }

func deep(n int) error {
	err := errors.New("x")
	for range n {
		err = fmt.Errorf("%w", err)
	}
	return err
}

func wide(n int) error {
	all := make([]error, n)
	for i := range all {
		all[i] = errors.New(strings.Repeat("x", 1000))
	}
	return errors.Join(all...)
}

// noRegions is how results begin that tell of no regions.
func noRegions(e *encoder) {
	e.uint(0)
	e.uint(0)
}

var attacks = map[string]attack{
	// code that an honest child serves
	"nothing is done":                student(func() {}),
	"the program ends":               student(func() { os.Exit(0) }),
	"the program ends with an error": student(func() { os.Exit(1) }),
	"a goroutine panics":             student(func() { go panic("boom"); select {} }),
	"a panic":                        student(func() { panic("boom") }),
	"a panic with an odd value":      student(func() { panic(map[any]any{1: func() {}}) }),
	"Goexit":                         student(runtime.Goexit),
	"thousands of calls": {student: func() victim {
		v := failing(func() { select {} })
		v.Echo = func(conn net.Conn) error {
			for range 3000 {
				go conn.Read(make([]byte, 1))
			}
			select {}
		}
		return v
	}, says: "calls under way"},
	"an endless loop": student(func() {
		for {
			runtime.Gosched()
		}
	}),
	"an endless wait": student(func() { select {} }),
	"endless recursion": student(
		func() { var f func(int) int; f = func(n int) int { return f(n+1) + 1 }; f(0) },
	),
	"noise on the stream":           student(func() { onStream(bytes.Repeat([]byte("noise"), 100_000)) }),
	"a zero byte on the stream":     student(func() { onStream([]byte{0}) }),
	"a forged header on the stream": student(func() { onStream(header(1<<31, 0)) }),
	"a forged result on the stream": student(forgeResult),
	"a forged answer on the stream": student(func() { onStream(frame(begin(nil, kindTell, 1, 0))) }),
	"the stream is read": student(
		func() { io.Copy(io.Discard, os.NewFile(uintptr(descriptor), "s")) },
	),
	"all descriptors are closed": student(closeAll),
	"much is printed":            student(func() { printMuch(os.Stdout); printMuch(os.Stderr) }),
	"many goroutines": student(func() {
		for range 50_000 {
			go func() { select {} }()
		}
	}),
	"the process stops": student(stopSelf),
	"the collector is off": student(
		func() { debug.SetGCPercent(-1); debug.SetMemoryLimit(1 << 40); select {} },
	),
	"an error that wraps itself":       returning(&self{"EOF"}),
	"an error that panics":             returning(panics{}),
	"an error with a long text":        returning(errors.New(strings.Repeat("EOF", 10<<20))),
	"a deep error":                     returning(deep(100_000)),
	"a wide error":                     returning(wide(10_000)),
	"an error that is nil inside":      returning((*net.OpError)(nil)),
	"an error without an inner one":    returning(&net.OpError{Op: "EOF"}),
	"an error that reads like the end": returning(errors.New("EOF")),
	"many goroutines read": withConn(func(conn net.Conn) error {
		for range 5000 {
			go conn.Read(make([]byte, 8<<20))
		}
		select {}
	}),
	"many goroutines write": withConn(func(conn net.Conn) error {
		for range 100 {
			go conn.Write(make([]byte, 32<<20))
		}
		select {}
	}),
	"an endless Write": withConn(func(conn net.Conn) error {
		for {
			if _, err := conn.Write(make([]byte, 1<<10)); err != nil {
				return err
			}
		}
	}),
	"deadlines of all times": withConn(func(conn net.Conn) error {
		for _, at := range []time.Time{
			{}, time.Unix(1<<62, 0), time.Unix(-1<<62, 0), time.Unix(1<<40, -1), time.Now().Add(1 << 62),
		} {
			conn.SetDeadline(at)
			conn.SetReadDeadline(at)
		}
		return nil
	}),
	"the connection is used later": withConn(func(conn net.Conn) error {
		go func() {
			for {
				conn.Write([]byte("HELLO"))
			}
		}()
		return nil
	}),
	"a Goexit that goes on": withConn(func(conn net.Conn) error {
		defer func() {
			for {
				conn.Write([]byte("x"))
			}
		}()
		runtime.Goexit()
		return nil
	}),
	"a stack of deferred calls": withConn(func(conn net.Conn) error {
		for range 5000 {
			defer conn.Read(make([]byte, 1))
		}
		runtime.Goexit()
		return nil
	}),
	"the callback inside itself": {student: func() victim {
		v := failing(func() {})
		v.Sum = func(n []int, _ [][]byte, each func(int) error) ([]string, error) {
			for i := range 100_000 {
				go each(i)
			}
			return []string{"6"}, nil
		}
		return v
	}},
	"a long result": {student: func() victim {
		v := failing(func() {})
		v.Sum = func([]int, [][]byte, func(int) error) ([]string, error) {
			return []string{strings.Repeat("6", 80<<20)}, nil
		}
		return v
	}},
	"many results": {student: func() victim {
		v := failing(func() {})
		v.Sum = func([]int, [][]byte, func(int) error) ([]string, error) { return make([]string, 20<<20), nil }
		return v
	}},
	"arguments are changed": {student: func() victim {
		v := failing(func() {})
		v.Sum = func(n []int, texts [][]byte, each func(int) error) ([]string, error) {
			for _, x := range n {
				each(x)
			}
			n[0] = 7
			texts[0] = nil
			return []string{"6", "ab"}, nil
		}
		return v
	}},

	// children that speak for themselves
	"silence":                    {raw: func(_ Stream, _ func() raw) { select {} }},
	"nothing is answered":        whenCalled(func(raw) {}),
	"an end at once":             {raw: func(Stream, func() raw) { os.Exit(0) }},
	"an end in a message":        {raw: func(s Stream, _ func() raw) { s.Write(header(100, 0)); os.Exit(0) }},
	"a header of 8 GiB":          bytesNow(header(1<<32-1, 1<<32-1)),
	"a message that never comes": bytesNow(header(60<<20, 0)),
	"an empty message":           bytesNow(header(0, 0)),
	"raw bytes without a body":   bytesNow(header(0, 1000)),
	"an unknown kind":            bytesNow(frame(begin(nil, 200, 2, 1))),
	"kind 0":                     bytesNow(frame(begin(nil, 0, 2, 1))),
	"a result for nobody":        bytesNow(frame(begin(nil, kindReturn, 1234, 1))),
	"an exit for nobody":         bytesNow(frame(begin(nil, kindExit, 3, 1))),
	"a question to the judge":    bytesNow(frame(begin(nil, kindAsk, 1, 0))),
	"an answer to no question":   bytesNow(frame(begin(nil, kindTell, 99, 0))),
	"answer number 0":            bytesNow(frame(begin(nil, kindTell, 0, 0))),
	"a cancel of nothing":        bytesNow(frame(begin(nil, kindCancel, 0, 0))),
	"a rewrite of nothing":       bytesNow(frame(begin(nil, kindRewrite, 2, 1))),
	"a thread of the judge's":    bytesNow(frame(begin(nil, kindCall, 1000, 1))),
	"a thread of another":        bytesNow(frame(begin(nil, kindCall, 7, 1))),
	"an early call":              bytesNow(frame(callOf(3, 1, 1, mRead, 10))),
	"object 0":                   whenCalled(func(m raw) { send(m.s, callOf(m.thread, 1, 0, mRead, 1), nil) }),
	"an object that is none": whenCalled(
		func(m raw) { send(m.s, callOf(m.thread, 1, 1<<40, mRead, 1), nil) },
	),
	"a method that is none":     whenCalled(func(m raw) { send(m.s, callOf(m.thread, 1, 3, 63, 1), nil) }),
	"a method of a huge number": whenCalled(func(m raw) { send(m.s, callOf(m.thread, 1, 3, 1<<40, 1), nil) }),
	"an object as a function":   whenCalled(func(m raw) { send(m.s, callOf(m.thread, 1, 3, mCall, 1), nil) }),
	"room for 4 EiB": whenCalled(
		func(m raw) { send(m.s, callOf(m.thread, 1, 3, mRead, 1<<62), nil) },
	),
	"a change of no region": whenCalled(func(m raw) { send(m.s, changing(m.thread, 1<<40, 0, 1), nil) }),
	"a change of a part that no region has": whenCalled(func(m raw) {
		for number := range uint64(100) {
			send(m.s, changing(m.thread, number, 1<<20, 1<<40), nil)
		}
	}),
	"arguments too many":        whenCalled(func(m raw) { send(m.s, callOf(m.thread, 1, 3, mClose, 1), nil) }),
	"a result without anything": whenCalled(func(m raw) { m.reply(kindReturn, nil) }),
	"a result with more": whenCalled(
		func(m raw) { m.reply(kindReturn, func(e *encoder) { noRegions(e); e.bytes(make([]byte, 100)) }) },
	),
	"two results": whenCalled(func(m raw) {
		for range 2 {
			m.reply(kindReturn, func(e *encoder) { noRegions(e); e.byte(errNil) })
		}
	}),
	"a result with raw bytes": whenCalled(func(m raw) {
		e := begin(nil, kindReturn, m.thread, 1)
		noRegions(e)
		e.byte(errNil)
		send(m.s, e, make([]byte, 1<<20))
	}),
	"an error that is not ours": whenCalled(func(m raw) {
		m.reply(kindReturn, func(e *encoder) { noRegions(e); e.byte(errYours); e.uint(5) })
	}),
	"an unknown error": whenCalled(func(m raw) {
		m.reply(kindReturn, func(e *encoder) { noRegions(e); e.byte(200) })
	}),
	"error number 0": whenCalled(func(m raw) {
		m.reply(kindReturn, func(e *encoder) { noRegions(e); e.byte(errNumber); e.uint(0) })
	}),
	"errors without end": whenCalled(func(m raw) {
		m.reply(kindReturn, func(e *encoder) {
			noRegions(e)
			for range 1 << 20 {
				e.byte(errSyscall)
				e.uint(0)
				e.string("")
			}
			e.byte(errNil)
		})
	}),
	"a region of all numbers": whenCalled(func(m raw) { m.reply(kindReturn, regionOf(1, 0, 1<<62, false)) }),
	"a region of zeros":       whenCalled(func(m raw) { m.reply(kindReturn, regionOf(1, 0, 1<<40, true)) }),
	"a region of ours":        whenCalled(func(m raw) { m.reply(kindReturn, regionOf(2, 0, 1, false)) }),
	"a region of no type":     whenCalled(func(m raw) { m.reply(kindReturn, regionOf(1, 9999, 1, false)) }),
	"a change behind the end": whenCalled(func(m raw) {
		m.reply(kindReturn, func(e *encoder) { e.uint(0); e.uint(1); e.uint(2); e.uint(1 << 40); e.uint(1) })
	}),
	"a change of nothing": whenCalled(func(m raw) {
		m.reply(kindReturn, func(e *encoder) { e.uint(0); e.uint(1); e.uint(998); e.uint(0); e.uint(1) })
	}),
	"a slice behind the end": whenCalled(func(m raw) {
		m.reply(kindReturn, func(e *encoder) {
			noRegions(e)
			e.byte(sliceOf)
			for range 4 {
				e.uint(1 << 40)
			}
		})
	}),
	"a panic without a value": whenCalled(
		func(m raw) { m.reply(kindPanic, func(e *encoder) { e.bytes(nil); e.byte(anyNil) }) },
	),
	"a panic that is cut":        whenCalled(func(m raw) { m.reply(kindPanic, nil) }),
	"a panic with a false stack": whenCalled(func(m raw) { m.reply(kindPanic, falsePanic) }),
	"not started, it says": whenCalled(func(m raw) {
		m.reply(kindPanic, func(e *encoder) { e.bytes(nil); hostileSide().encodeAny(e, "not started") })
	}),
	"an exit": whenCalled(func(m raw) { m.reply(kindExit, nil) }),
	"exits without end": whenCalled(func(m raw) {
		for range 10_000 {
			m.reply(kindExit, nil)
		}
	}),
	"a call inside a call without end": {raw: func(_ Stream, next func() raw) {
		for {
			if m := next(); m.kind == kindCall || m.kind == kindReturn {
				send(m.s, callOf(m.thread, 1, 3, mRead, 1), nil)
			}
		}
	}},
	"two calls at a time": whenCalled(func(m raw) {
		send(m.s, callOf(m.thread, 1, 3, mRead, 1), nil)
		send(m.s, callOf(m.thread, 1, 3, mRead, 1), nil)
	}),
	"threads without end": whenCalled(func(m raw) {
		for i := range 1_000_000 {
			send(m.s, callOf(uint64(2*i+1), i, 3, mRead, 1<<20), nil)
		}
	}),
	"calls without end, and none is read": {raw: func(s Stream, next func() raw) {
		for next().kind != kindCall {
		}
		for i := 0; ; i++ {
			send(s, callOf(uint64(2*(i%1000)+1), i%1000, 3, mLocalAddr, -1), nil)
		}
	}},
	"goroutine numbers of all sizes": whenCalled(func(m raw) {
		e := begin(nil, kindReturn, m.thread, 0)
		e.b = e.b[:headerSize]
		e.byte(byte(kindReturn))
		e.uint(m.thread)
		e.uint(1 << 63)
		send(m.s, e, nil)
	}),
	"false stacks": {raw: func(s Stream, next func() raw) {
		answerAll(s, next, func(e *encoder, q question) {
			if q == askStacks {
				e.uint(1)
				e.uint(2)
				e.uint(77)
				e.uint(1)
				e.uint(77)
				e.b = append(e.b, "goroutine 77 [select]:\nsocketbook/labs/99.Echo()\n\t/x\x1b[2J.go:12 +0x1\n"...)
			}
		}, func(m raw) {})
	}},
	"stacks that are none": {raw: func(s Stream, next func() raw) {
		answerAll(s, next, func(e *encoder, q question) {
			e.uint(1 << 62)
			e.b = append(e.b, bytes.Repeat([]byte("goroutine 1 [\n\t:\n\n"), 100_000)...)
		}, func(m raw) {})
	}},
	"files without end": {raw: func(s Stream, next func() raw) {
		answerAll(s, next, func(e *encoder, q question) {
			if q == askFiles {
				e.uint(1 << 20)
				for i := range 1 << 20 {
					e.string("/" + strconv.Itoa(i))
				}
			}
		}, func(m raw) { m.reply(kindReturn, func(e *encoder) { noRegions(e); e.byte(errNil) }) })
	}},
	"memory of all sizes": {raw: func(s Stream, next func() raw) {
		answerAll(s, next, func(e *encoder, q question) { e.uint(1<<64 - 1) }, func(m raw) {})
	}},
}

// answerAll answers questions and calls.
func answerAll(s Stream, next func() raw, question_ func(e *encoder, q question), called func(m raw)) {
	for {
		switch m := next(); m.kind {
		case kindAsk:
			e := begin(nil, kindTell, m.thread, 0)
			question_(e, question(m.body.byte()))
			send(s, e, nil)
		case kindCall:
			called(m)
		}
	}
}

func frame(e *encoder) []byte {
	var b bytes.Buffer
	(&writer{out: &b}).send(e, nil)
	return b.Bytes()
}

// callOf is a call of a method; arg below 0 is none.
func callOf(thread uint64, goroutine int, object uint64, m method, arg int64) *encoder {
	e := begin(nil, kindCall, thread, goroutine)
	e.uint(object)
	e.uint(uint64(m))
	if m != mCall {
		e.uint(0) // nothing has changed
	}
	if arg >= 0 {
		e.uint(uint64(arg))
	}
	return e
}

// changing is a call of a method, before which a region has changed.
func changing(thread, region, from, n uint64) *encoder {
	e := begin(nil, kindCall, thread, 1)
	e.uint(3)
	e.uint(uint64(mClose))
	e.uint(1)
	for _, v := range []uint64{region, 1, from, n} {
		e.uint(v)
	}
	e.b = append(e.b, 'x')
	return e
}

func regionOf(number, elem, n uint64, zeros bool) func(e *encoder) {
	return func(e *encoder) {
		e.uint(1)
		e.uint(number)
		e.uint(elem)
		e.uint(n)
		e.bool(zeros)
		e.b = append(e.b, 1, 2, 3)
	}
}

func falsePanic(e *encoder) {
	e.bytes([]byte("goroutine 1 [running]:\nsocketbook/labs/99.Echo()\n\t\x1b[2J:\n\t:"))
	hostileSide().encodeAny(e, "\x1b[2Jx")
}

// forgeResult answers the calls that are under way with what would be right for one of them.
func forgeResult() {
	for thread := uint64(2); thread < 10; thread += 2 {
		e := begin(nil, kindReturn, thread, 1)
		noRegions(e)
		e.byte(errKnown)
		e.uint(0)
		onStream(frame(e))
	}
}

func printMuch(f *os.File) {
	line := bytes.Repeat([]byte("\x1b[2Jx\n"), 100_000)
	for range 50 {
		f.Write(line)
	}
}

// attackVariable is in the environment of a child that the test binary is.
const attackVariable = "SOCKETBOOK_ATTACK"

func TestMain(m *testing.M) {
	name, isChild := os.LookupEnv(attackVariable)
	if !isChild {
		os.Exit(m.Run())
	}
	a := attacks[name]
	if a.raw == nil {
		words := strings.Fields(os.Getenv(streamVariable)) // the last one is for writing
		n, _ := strconv.Atoi(words[len(words)-1])
		descriptor = keepDescriptor(n)
		Serve(a.student())
	}
	s, err := inherited()
	if err != nil {
		os.Exit(3)
	}
	in := reader{newReader(s), func(*message, int) []byte { return nil }}
	a.raw(s, func() raw {
		m, err := in.next()
		if err != nil {
			os.Exit(0)
		}
		return raw{m, s}
	})
	select {}
}

// every is set where all attacks run, and not only those below: the others hang until they are given up.
func every() bool { return os.Getenv("SOCKETBOOK_ATTACKS") != "" }

var quick = []string{
	"nothing is done", "the program ends with an error", "a goroutine panics", "Goexit",
	"a forged result on the stream", "thousands of calls",
	"a zero byte on the stream", "an error that wraps itself", "an error that panics", "a deep error",
	"an end in a message", "a header of 8 GiB", "an unknown kind", "an exit for nobody", "arguments are changed",
}

func TestAttacks(t *testing.T) {
	require.GreaterOrEqual(t, len(attacks), 60)
	names := quick
	if every() {
		names = slices.Sorted(maps.Keys(attacks))
	}
	t.Run("over a socket", func(t *testing.T) { testAttacks(t, names, Start) })
	t.Run("over pipes", func(t *testing.T) { testAttacks(t, quick, startPipes) })
}

func testAttacks(t *testing.T, names []string, start func(*exec.Cmd) (*Process, error)) {
	suite := Of(victimSuite)
	for _, name := range names {
		a := attacks[name]
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			verdicts := suite.Judge(1, 4, func() (*Process, error) {
				cmd := exec.Command(os.Args[0])
				cmd.Env = append(os.Environ(), attackVariable+"="+name)
				return start(cmd)
			})
			require.Len(t, verdicts, 4)
			points := 0
			for i, v := range verdicts {
				require.Equal(t, suite.Table().Cases[i].Name, v.Case)
				require.NotEqual(t, check.Error, v.Outcome, v.Message)
				require.NotContains(t, v.Message+v.Report, "\x1b")
				require.Less(t, len(v.Report), 1<<16)
				points += v.Points
			}
			require.LessOrEqual(t, points, a.lies, "%v", verdicts)
			require.Contains(t, verdicts[0].Message, a.says)
			t.Log(verdicts[0].Message)
		})
	}
}
