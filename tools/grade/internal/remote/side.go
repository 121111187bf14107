package remote

import (
	"context"
	"errors"
	"fmt"
	"hash/maphash"
	"io"
	"os"
	"reflect"
	"runtime"
	"runtime/debug"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// side is one end of the stream: the judge or the child. Both do the same; the judge believes nothing.
type side struct {
	judge bool
	out   *writer
	moves atomic.Int64 // messages that belong to threads, sent and received
	epoch time.Time    // a moment, by which this side tells the time

	mu      sync.Mutex
	ended   error              // why the stream is over; nil while it is not
	threads map[uint64]*thread // by number
	running map[int]*thread    // by goroutine of this side
	last    uint64             // number of a thread that the judge has begun
	held    int64              // bytes of messages that have come and are not carried out

	mine       map[uint64]reflect.Value // what the other side may call
	lastObject uint64
	numbers    map[any]uint64 // of mine, those that can be compared
	theirs     map[uint64]any // proxies
	numberOf   map[any]uint64 // of proxies
	contexts   map[uint64]context.Context
	cancels    map[uint64]context.CancelFunc
	early      map[uint64]bool            // contexts that were done before they came
	timed      map[uint64]context.Context // of the other side, with a deadline that it has not been told of
	due        map[dueKey]context.Context // whose deadline has passed on the other side
	telling    sync.Mutex                 // held while the other side is told of those that are done
	errors     errorTable
	theirEpoch time.Time

	codec      sync.Mutex // of regions
	types      []reflect.Type
	regions    map[uint64]*region
	lastRegion uint64
	looked     []*region // in which changes are looked for, the oldest first
	lent       []*region // of the slices in the message that was decoded last
	lastChange uint64
	theirBytes int64
	calling    int // calls that this side has made and that are not over

	// of the child
	writing []*thread         // whose Writes are not over
	left    map[uint64][]byte // thread → stack of a goroutine that was ended, with runtime.Goexit

	// of the judge: what it has asked, and what it has learned of the child
	questions map[uint64]chan *decoder
	lastAsked uint64
	waited    time.Duration  // for answers
	roots     map[int]int    // goroutine of the child → that of the judge for which it carries out a call
	stacks    map[int]string // goroutine of the judge → stack of a panic in the child
	partners  map[int]uint64 // goroutine of the judge → its last thread
}

func newSide(judge bool, out io.Writer, lab reflect.Type) (*side, error) {
	s := &side{
		judge:     judge,
		epoch:     time.Now(),
		out:       &writer{out: out},
		threads:   map[uint64]*thread{},
		running:   map[int]*thread{},
		mine:      map[uint64]reflect.Value{},
		numbers:   map[any]uint64{},
		theirs:    map[uint64]any{},
		numberOf:  map[any]uint64{},
		contexts:  map[uint64]context.Context{},
		cancels:   map[uint64]context.CancelFunc{},
		early:     map[uint64]bool{},
		timed:     map[uint64]context.Context{},
		due:       map[dueKey]context.Context{},
		errors:    errorTable{mine: map[uint64]error{}, numbers: map[error]uint64{}, theirs: map[error]uint64{}},
		types:     []reflect.Type{byteType},
		regions:   map[uint64]*region{},
		questions: map[uint64]chan *decoder{},
		roots:     map[int]int{},
		stacks:    map[int]string{},
		partners:  map[int]uint64{},
		left:      map[uint64][]byte{},
	}
	if !judge {
		s.lastRegion = 1
	}
	if lab.Kind() != reflect.Struct {
		return nil, fmt.Errorf("a lab is a struct of functions, and not a %v", lab)
	}
	for i := range lab.NumField() {
		if f := lab.Field(i); f.Type.Kind() != reflect.Func || !f.IsExported() {
			return nil, fmt.Errorf("%s of a %v is no exported function", f.Name, lab)
		}
	}
	// as many numbers as there are functions are those of the lab
	s.lastObject = uint64(lab.NumField())
	return s, elements(lab, map[reflect.Type]bool{}, &s.types)
}

// thread is a chain of calls that goes back and forth between one goroutine of each side: at any time one
// of them waits for the other.
type thread struct {
	number uint64
	here   int // goroutine of this side
	there  int // that of the other side; 0 as long as it has not sent anything
	inbox  chan message
	out    []byte    // for the next message
	calls  int       // that this side has made, one inside the other
	lent   []*region // to the call that is carried out

	// under the side's lock
	expects bool   // this side waits for a message
	inside  bool   // a call of the other side is carried out here
	into    []byte // where the raw bytes of the next message go
	written []byte // what a Write waits with, in the child
	sum     uint64 // of it, when the judge last heard
	raw     []byte // what a Write is carried out with, in the judge
}

const (
	mostThreads = 2000    // at a time; then those go that nobody uses
	mostRoots   = 100_000 // calls of a case
	mostGoexits = 1000    // of one goroutine that is being ended, see drain
)

// goroutineID returns the number of the calling goroutine, from the first line of its stack.
func goroutineID() int {
	var line [32]byte
	n := runtime.Stack(line[:], false)
	id := 0
	for _, c := range line[len("goroutine "):n] {
		if c < '0' || c > '9' {
			break
		}
		id = 10*id + int(c-'0')
	}
	return id
}

// thread returns that of the calling goroutine. Call release when the outermost call is over.
func (s *side) thread() (t *thread, release func()) {
	id := goroutineID()
	s.mu.Lock()
	defer s.mu.Unlock()
	if t = s.running[id]; t != nil {
		return t, func() {}
	}
	t = &thread{here: id, inbox: make(chan message, 1)}
	if s.judge {
		s.last += 2
		t.number = s.last
	} else {
		t.number = uint64(2*id + 1)
	}
	if s.ended != nil {
		close(t.inbox)
		return t, func() {}
	}
	s.threads[t.number], s.running[id] = t, t
	s.partner(t)
	if !s.judge { // the judge's goroutine for it stays, because suites tell goroutines apart
		return t, func() {}
	}
	return t, func() { s.remove(t) }
}

func (s *side) remove(t *thread) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.threads[t.number] == t {
		delete(s.threads, t.number)
	}
	if s.running[t.here] == t {
		delete(s.running, t.here)
	}
}

// send sends a message of a thread, and before it what its receiver could find out: which contexts are done.
func (s *side) send(e *encoder, raw []byte) {
	s.cancelled()
	s.moves.Add(1)
	s.post(e, raw)
}

func (s *side) post(e *encoder, raw []byte) {
	switch err := s.out.send(e, raw); {
	case errors.Is(err, os.ErrDeadlineExceeded):
		s.end(fmt.Errorf("%w: nothing is read any more", errProtocol))
	case err != nil && !s.judge:
		s.end(err)
	} // of the judge, the reader tells why the stream has ended
}

// end ends everything: whoever waits for the other side is woken, and ends its goroutine.
func (s *side) end(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ended != nil {
		return
	}
	s.ended = err
	for _, t := range s.threads {
		close(t.inbox)
	}
	for _, q := range s.questions {
		close(q)
	}
	for _, cancel := range s.cancels {
		cancel()
	}
}

func (s *side) endedWith() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.ended
}

// read reads messages until the stream ends, and hands them to their threads. It never waits for anything
// but the stream.
func (s *side) read(in io.Reader, control func(m message) error) {
	r := reader{newReader(in), s.destination}
	for {
		m, err := r.next()
		if err == nil {
			err = s.dispatch(m, control)
		}
		if err != nil {
			s.end(err)
			return
		}
	}
}

// destination returns where the raw bytes of a message go.
func (s *side) destination(m *message, n int) []byte {
	if m.kind != kindReturn {
		return nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if t := s.threads[m.thread]; t != nil && t.expects && len(t.into) >= n {
		return t.into
	}
	return nil
}

var (
	errProtocol = errors.New("a message came that nobody waits for")
	errTooMuch  = errors.New("too many calls wait, or too many bytes in them") // each of them may be in order
)

func (s *side) dispatch(m message, control func(m message) error) error {
	switch m.kind {
	case kindCancel:
		s.moves.Add(1)
		return s.cancel(m.body)
	case kindRewrite, kindAsk, kindTell:
		return control(m)
	}
	s.moves.Add(1)
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ended != nil {
		return s.ended
	}
	t := s.threads[m.thread]
	wrong := fmt.Errorf("%w: a %v", errProtocol, m.kind)
	if t == nil && m.kind == kindCall { // of a goroutine that has not called before
		if s.judge && m.thread != uint64(2*m.goroutine+1) {
			return wrong
		}
		if s.judge && len(s.threads) >= mostThreads {
			s.reap(func(*thread) bool { return true })
			if len(s.threads) >= mostThreads {
				return fmt.Errorf("%w: %d", errTooMuch, len(s.threads))
			}
		}
		t = &thread{number: m.thread, inbox: make(chan message, 1), expects: true}
		s.threads[m.thread] = t
		go s.serve(t)
	}
	if t == nil || !t.expects {
		if s.judge {
			return wrong
		}
		return nil // of a call that has been ended meanwhile
	}
	if s.held += m.size(); s.judge && s.held > maxHeld {
		return fmt.Errorf("%w: %d bytes", errTooMuch, s.held)
	}
	t.expects, t.there = false, m.goroutine
	t.inbox <- m
	return nil
}

// reap ends the goroutines of threads of the other side that wait for a call, with the lock. After the
// stream they end by themselves.
func (s *side) reap(gone func(t *thread) bool) {
	if s.ended != nil {
		return
	}
	for number, t := range s.threads {
		if number%2 == 1 && t.expects && t.calls == 0 && !t.inside && gone(t) {
			delete(s.threads, number)
			delete(s.running, t.here)
			close(t.inbox)
		}
	}
}

// receive waits for the next message of a thread. It is false when the stream has ended.
func (s *side) receive(t *thread) (m message, ok bool) {
	m, ok = <-t.inbox
	s.settle()
	if ok && m.kind != kindCall {
		s.hold(-m.size())
	}
	return m, ok
}

// hold notes that so many bytes more are held for the other side. It is false when these are too many.
func (s *side) hold(n int64) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.held += n
	return !s.judge || s.held <= maxHeld
}

// expect has to be called before a message is sent that will be answered.
func (s *side) expect(t *thread, into []byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	t.expects, t.into, t.inside = true, into, false
}

// serve is the goroutine of a thread that the other side has begun. In the judge it waits for more calls;
// in the child there is one.
func (s *side) serve(t *thread) {
	id := goroutineID()
	s.mu.Lock()
	t.here = id
	s.running[t.here] = t
	s.partner(t)
	s.mu.Unlock()
	defer s.remove(t)
	for {
		m, ok := s.receive(t)
		if !ok {
			return
		}
		if m.kind != kindCall {
			s.end(fmt.Errorf("%w: a %v", errProtocol, m.kind))
			return
		}
		if s.carryOut(t, m, true, nil); !s.judge {
			return
		}
	}
}

// carryOut carries out a call of the other side, and answers it. last says that no call of this side
// waits below this one on the goroutine; into is where the answer to that one goes.
func (s *side) carryOut(t *thread, m message, last bool, into []byte) {
	defer s.hold(-m.size())
	s.mu.Lock()
	t.inside, t.raw = true, m.raw
	s.mu.Unlock()
	answer := func(e *encoder, raw []byte) {
		s.expect(t, into)
		s.send(e, raw)
		t.out = e.b
	}
	answered := false
	defer func() {
		if answered {
			return
		}
		if r := recover(); r != nil {
			e := begin(t.out, kindPanic, t.number, t.here)
			e.bytes(debug.Stack())
			s.encodeAny(e, r)
			answer(e, nil)
			return
		}
		if last { // this goroutine ends; what still comes from the other one needs a new one
			s.remove(t)
		}
		answer(begin(t.out, kindExit, t.number, t.here), nil)
	}()
	e, raw, err := s.execute(t, m)
	answered = true
	if err != nil {
		s.end(err)
		return
	}
	answer(e, raw)
}

// execute calls what a message asks for, and encodes what that returns.
func (s *side) execute(t *thread, m message) (e *encoder, raw []byte, err error) {
	d := m.body
	number, what := d.uint(), method(d.uint())
	s.mu.Lock()
	v, ok := s.mine[number]
	s.mu.Unlock()
	if !ok || d.err != nil || (what == mCall) != (v.Kind() == reflect.Func) {
		return nil, nil, fmt.Errorf("%w: object %d, method %d", errMalformed, number, what)
	}
	if what != mCall {
		s.codec.Lock()
		s.decodeChanges(d, false)
		s.codec.Unlock()
		e = begin(nil, kindReturn, t.number, t.here)
		raw, err = s.carry(v.Interface(), what, d, m.raw, e)
		return e, raw, err
	}
	s.codec.Lock()
	s.decodeRegions(d)
	var args []reflect.Value
	for i := range v.Type().NumIn() {
		args = append(args, s.decode(d, v.Type().In(i)))
	}
	defer func(lent []*region) { t.lent = lent }(t.lent)
	t.lent = slices.DeleteFunc(s.lent, func(r *region) bool { return r.mem.Type().Elem() != byteType })
	err = d.end()
	s.codec.Unlock()
	if err != nil {
		return nil, nil, err
	}
	results := v.Call(args)
	e = begin(nil, kindReturn, t.number, t.here)
	s.encodeValues(e, results, !s.judge)
	return e, nil, nil
}

func (s *side) encodeValues(e *encoder, values []reflect.Value, changes bool) {
	s.codec.Lock()
	defer s.codec.Unlock()
	s.encodeRegions(e, s.newRegions(values, changes))
	for _, v := range values {
		s.encode(e, v)
	}
}

// callMethod calls a method of an object of the other side. raw are bytes that go with it, into is where
// those that come back go; result gets their number.
func (s *side) callMethod(
	number uint64,
	m method,
	args func(e *encoder),
	raw, into []byte,
	results func(d *decoder, came int),
) {
	t, release := s.thread()
	defer release()
	e := begin(t.out, kindCall, t.number, t.here)
	e.uint(number)
	e.uint(uint64(m))
	s.codec.Lock()
	var changed []change
	if !s.judge {
		changed = s.changes(t.lent)
	}
	s.encodeChanges(e, changed)
	s.codec.Unlock()
	if args != nil {
		args(e)
	}
	answer := s.await(t, e, raw, into)
	if answer.rawLen > len(into) || answer.raw != nil && len(into) == 0 {
		s.end(errMalformed)
		runtime.Goexit()
	}
	results(answer.body, answer.rawLen)
	if answer.body.end() != nil {
		s.end(errMalformed)
		runtime.Goexit()
	}
}

// function makes a function of the other side's.
func (s *side) function(t reflect.Type, number uint64) reflect.Value {
	return reflect.MakeFunc(t, func(args []reflect.Value) []reflect.Value {
		return s.callFunction(t, number, args)
	})
}

func (s *side) callFunction(of reflect.Type, number uint64, args []reflect.Value) (results []reflect.Value) {
	t, release := s.thread()
	defer release()
	e := begin(nil, kindCall, t.number, t.here)
	e.uint(number)
	e.uint(uint64(mCall))
	s.codec.Lock()
	s.calling++
	alone := s.calling == 1 // whoever else calls may be at work on what it has lent
	s.codec.Unlock()
	defer func() {
		s.codec.Lock()
		s.calling--
		s.codec.Unlock()
	}()
	s.encodeValues(e, args, s.judge && alone)
	answer := s.await(t, e, nil, nil)
	d := answer.body
	s.codec.Lock()
	defer s.codec.Unlock()
	s.decodeRegions(d)
	for i := range of.NumOut() {
		results = append(results, s.decode(d, of.Out(i)))
	}
	if d.end() != nil || answer.rawLen > 0 {
		s.end(errMalformed)
		runtime.Goexit()
	}
	return results
}

// await sends a call and waits for its answer. Meanwhile it carries out what the other side calls. It
// panics or ends the goroutine if the call has done so.
func (s *side) await(t *thread, e *encoder, raw, into []byte) (answer message) {
	s.mu.Lock()
	wasInside, below := t.inside, t.into
	s.mu.Unlock()
	t.calls++
	over := false
	defer func() {
		if !over && s.judge && !wasInside {
			// Goexit in what was carried out: the child's goroutine still runs what it has deferred
			s.drain(t, 0)
		}
	}()
	if !s.judge {
		s.rewrite(t, raw)
	}
	s.expect(t, into)
	s.send(e, raw)
	t.out = e.b
	for {
		m, ok := s.receive(t)
		if ok && m.kind == kindCall {
			s.learn(t, m)
			s.carryOut(t, m, false, into)
			continue
		}
		over = true
		t.calls--
		s.mu.Lock()
		t.inside, t.into, t.written = wasInside, below, nil
		s.mu.Unlock()
		if !ok {
			runtime.Goexit()
		}
		s.learn(t, m)
		switch m.kind {
		case kindReturn:
			return m
		case kindPanic:
			stack := m.body.bytes()
			v := s.decodeAny(m.body)
			if m.body.end() == nil && v != nil {
				s.mu.Lock()
				s.stacks[t.here] = string(stack)
				s.mu.Unlock()
				panic(v)
			}
			s.end(errMalformed)
		case kindExit:
			if !s.judge {
				stack := debug.Stack()
				s.mu.Lock()
				s.left[t.number] = stack
				s.mu.Unlock()
			}
		}
		runtime.Goexit()
	}
}

// drain carries out what the child's goroutine still calls while it ends.
func (s *side) drain(t *thread, depth int) {
	over := false
	defer func() {
		if over { // otherwise one more Goexit has ended the loop
			return
		}
		if depth++; depth > mostGoexits {
			s.end(errProtocol)
			return
		}
		s.drain(t, depth)
	}()
	for t.calls > 0 {
		m, ok := s.receive(t)
		switch {
		case !ok:
			t.calls = 0
		case m.kind == kindCall:
			s.carryOut(t, m, false, nil)
		default:
			t.calls--
			s.expect(t, nil)
		}
	}
	over = true
}

// partner notes which thread a goroutine of the judge has, with the lock.
func (s *side) partner(t *thread) {
	if s.judge && len(s.partners) < mostRoots {
		s.partners[t.here] = t.number
	}
}

// learn notes which goroutine of the child carries out a call.
func (s *side) learn(t *thread, m message) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.judge && t.number%2 == 0 && m.goroutine > 0 && len(s.roots) < mostRoots {
		s.roots[m.goroutine] = t.here
	}
}

// rewrite tells of Writes that are not over, and whose bytes somebody has changed meanwhile; and notes that
// t begins one, if raw has any.
func (s *side) rewrite(t *thread, raw []byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, other := range s.writing {
		if sum := maphash.Bytes(hashSeed, other.written); other.written != nil && sum != other.sum {
			other.sum = sum
			s.post(begin(nil, kindRewrite, other.number, other.here), other.written)
		}
	}
	s.writing = slices.DeleteFunc(s.writing, func(t *thread) bool { return t.written == nil })
	if len(raw) > 0 && len(raw) <= mostLooked {
		t.written, t.sum = raw, maphash.Bytes(hashSeed, raw)
		s.writing = append(s.writing, t)
	}
}

var hashSeed = maphash.MakeSeed()

// rewritten is the other side of rewrite.
func (s *side) rewritten(m message) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	t := s.threads[m.thread]
	if t == nil || len(t.raw) != len(m.raw) {
		return errProtocol
	}
	copy(t.raw, m.raw)
	return nil
}
