package remote

import (
	"errors"
	"fmt"
	"io"
	"reflect"
	"time"

	"socketbook/tools/check"
)

// Suite is the suite of one lab, to be applied to an answer in another process.
type Suite struct {
	lab   reflect.Type
	apply func(lab reflect.Value) check.Lab
}

// Of makes a Suite of a lab's function of the same name. It panics when what is in the lab's struct cannot
// be carried to another process.
func Of[L any](suite func(L) check.Lab) Suite {
	s := Suite{reflect.TypeFor[L](), func(lab reflect.Value) check.Lab { return suite(lab.Interface().(L)) }}
	if _, err := newSide(true, io.Discard, s.lab); err != nil {
		panic(fmt.Sprintf("package remote: the suite of lab %s: %v", s.Table().Number, err))
	}
	return s
}

// Table is the table of the lab, for its number, its file, and the names and points of its cases. Its
// cases cannot be run.
func (s Suite) Table() check.Lab { return s.apply(reflect.New(s.lab).Elem()) }

// Process is a child that runs.
type Process struct {
	// Stream is the judge's end of the only thing that the two share. Judge closes it.
	Stream Stream
	// End waits until the child has ended by itself, for grace at most, and then ends it and all that
	// it has started. It returns what the child has printed (the beginning and the end, if that was
	// much), and what exec.Cmd.Wait has returned, or ErrEnded if it had not ended by itself. It is
	// called once, after the stream has been closed or has ended.
	End func(grace time.Duration) (printed string, status error)
}

// ErrEnded is the status of a child that had not ended by itself.
var ErrEnded = check.ErrEnded

// Stream is a stream that can be given up: a net.Conn, for example.
type Stream interface {
	io.ReadWriteCloser
	SetWriteDeadline(t time.Time) error
}

// Judge runs the table, at most atOnce cases at a time, each with a child of its own that start starts.
// Whatever the child does, Judge returns one verdict for each case, in order. An error of start makes
// the outcome of the case check.Error, which is nobody's fault.
func (s Suite) Judge(seed uint64, atOnce int, start func() (*Process, error)) []check.Verdict {
	return check.VerdictsElsewhere(s.Table(), seed, atOnce, func() (*check.Session, error) {
		p, err := start()
		if err != nil {
			return nil, err
		}
		return s.session(p)
	})
}

const (
	grace = 2 * time.Second // for a child that has closed its stream, to end
	// for an answer of the child's reader, which does nothing else, and for all its answers in one case
	mostPatience = 10 * time.Second
	mostInAll    = 30 * time.Second
)

// session makes the stubs for one child, and reads what it sends.
func (s Suite) session(p *Process) (*check.Session, error) {
	side, err := newSide(true, p.Stream, s.lab)
	if err != nil {
		return nil, err
	}
	side.out.limit = p.Stream.SetWriteDeadline
	lab := reflect.New(s.lab).Elem()
	for i := range s.lab.NumField() {
		lab.Field(i).Set(side.function(s.lab.Field(i).Type, uint64(i+1)))
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		side.read(p.Stream, side.told)
	}()
	return &check.Session{
		Lab:       s.apply(lab),
		Elsewhere: &elsewhere{side, p.Stream},
		End: func() (printed string, why check.Ending, status error) {
			switch err := side.endedWith(); {
			case err == nil || err == errOver:
				why = check.EndedByUs
			case errors.Is(err, errSilent):
				why = check.EndedBySilence
			case errors.Is(err, errTooMuch):
				why = check.EndedByTooMuch
			case errors.Is(err, errMalformed) || errors.Is(err, errProtocol):
				why = check.EndedByNonsense
			default:
				why = check.EndedByItself
			}
			side.end(errOver)
			p.Stream.Close()
			wait := time.Duration(0)
			if why == check.EndedByItself {
				wait = grace
			}
			printed, status = p.End(wait)
			<-done
			return printed, why, status
		},
	}, nil
}

var (
	errOver   = errors.New("the case is over")
	errSilent = errors.New("the child does not answer")
)

// question is what the judge asks of the child's reader.
type question byte

const (
	askStacks question = iota
	askStack           // of one goroutine
	askHeap
	askAllocated
	askInUse
	askLargest
	askFiles
)

// ask asks the child about itself. It returns nil if no answer has come; a child that is late is given up,
// because whoever waits for it does not count the time.
func (s *side) ask(q question, about uint64) *decoder {
	answer := make(chan *decoder, 1)
	s.mu.Lock()
	if s.ended != nil {
		s.mu.Unlock()
		return nil
	}
	begun, left := time.Now(), min(mostPatience, mostInAll-s.waited)
	s.lastAsked++
	number := s.lastAsked
	s.questions[number] = answer
	s.mu.Unlock()
	defer func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		delete(s.questions, number)
		s.waited += time.Since(begun)
	}()
	e := begin(nil, kindAsk, number, 0)
	e.byte(byte(q))
	e.uint(about)
	s.post(e, nil)
	timer := time.NewTimer(left)
	defer timer.Stop()
	select {
	case d := <-answer:
		return d
	case <-timer.C:
		s.end(errSilent)
		return nil
	}
}

// told takes what is no message of a thread.
func (s *side) told(m message) error {
	if m.kind == kindRewrite {
		return s.rewritten(m)
	}
	if m.kind != kindTell {
		return fmt.Errorf("%w: a %v", errProtocol, m.kind)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if m.thread > s.lastAsked || m.thread == 0 {
		return fmt.Errorf("%w: a %v", errProtocol, m.kind)
	}
	if q, ok := s.questions[m.thread]; ok && s.ended == nil { // otherwise it comes too late
		delete(s.questions, m.thread)
		q <- m.body
	}
	return nil
}

// elsewhere tells the engine about the child.
type elsewhere struct {
	*side
	stream io.Closer
}

// Goroutines asks for all goroutines of the child.
func (w *elsewhere) Goroutines() (text []byte, rest func() (links []check.Link, still bool)) {
	w.cancelled()
	before := w.moves.Load()
	d := w.ask(askStacks, 0)
	lives := map[int]bool{}
	there := map[uint64]int{}
	if d != nil {
		for range d.count() {
			if number, goroutine := d.uint(), d.upTo(1<<40); goroutine > 0 {
				there[number] = goroutine
			}
		}
		for range d.count() {
			lives[d.upTo(1<<40)] = true
		}
		text = d.rest
		if d.err != nil {
			text = nil
		}
	}
	return text, func() (links []check.Link, still bool) {
		w.mu.Lock()
		defer w.mu.Unlock()
		for number, t := range w.threads {
			if goroutine, ok := there[number]; ok && number%2 == 0 && len(w.roots) < mostRoots {
				w.roots[goroutine] = t.here
			}
		}
		for there, here := range w.roots {
			links = append(links, check.Link{Here: here, There: there, Call: true})
		}
		for number, t := range w.threads {
			link := check.Link{Here: t.here, There: t.there, Inside: t.inside}
			if number%2 == 1 {
				link.There = int(number-1) / 2
			} else if goroutine, ok := there[number]; ok {
				link.There = goroutine
			}
			links = append(links, link)
		}
		if text != nil {
			w.reap(func(t *thread) bool { return !lives[int(t.number-1)/2] })
		}
		return links, text != nil && w.moves.Load() == before
	}
}

// Stack returns the stack of the goroutine for which one of the judge's works, or has worked.
func (w *elsewhere) Stack(goroutine int) string {
	w.mu.Lock()
	stack, ok := w.stacks[goroutine]
	number := w.partners[goroutine]
	w.mu.Unlock()
	if ok {
		return stack
	}
	if d := w.ask(askStack, number); d != nil {
		return string(d.rest)
	}
	return ""
}

func (w *elsewhere) number(q question) (n uint64) {
	if d := w.ask(q, 0); d != nil {
		n = d.uint()
	}
	return n
}

// Heap is how many bytes of the child's heap are taken.
func (w *elsewhere) Heap() uint64 { return w.number(askHeap) }

// Allocated is how many bytes the child has allocated since it began.
func (w *elsewhere) Allocated() uint64 { return w.number(askAllocated) }

// InUse is how many bytes of the child's heap something still refers to.
func (w *elsewhere) InUse() int64 { return int64(w.number(askInUse)) }

// Largest is how many bytes the child has allocated at once, at most, since this was last asked.
func (w *elsewhere) Largest() int64 { return int64(w.number(askLargest)) }

const mostFiles = 100_000

// Files lists what the child's descriptors stand for.
func (w *elsewhere) Files() (names []string) {
	d := w.ask(askFiles, 0)
	if d == nil {
		return nil
	}
	for range min(d.count(), mostFiles) {
		names = append(names, d.string())
	}
	return names
}

// Moves is how many messages have gone back and forth.
func (w *elsewhere) Moves() int64 { return w.moves.Load() }

// Stop ends all calls.
func (w *elsewhere) Stop() {
	w.end(errOver)
	w.stream.Close()
}
