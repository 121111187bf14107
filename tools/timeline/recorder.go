package timeline

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"slices"
	"sync"
	"syscall"
	"time"
)

// Recorder collects the events of one scene. Its methods may be called from any goroutine. It holds its lock only while it
// writes down that a call begins or has returned, never during the call.
type Recorder struct {
	scene string
	start time.Time

	mu       sync.Mutex
	last     int64 // the microsecond that was given out last
	events   []entry
	returned []int             // places in events, in the order in which the calls returned
	open     map[int]bool      // calls that have not returned; nil unless somebody streams
	changed  chan struct{}     // closed at the next return; nil if nobody waits for it
	conns    map[string]string // address pair → name, so that both ends of a connection get the same one
	count    map[string]int    // connections named so far, by network
}

// entry is an event and what is not known of it before it is asked for.
type entry struct {
	Event
	size int // bytes that a write was given; Text is made from Data and this when somebody reads the event
}

// NewRecorder returns a recorder whose clock starts now.
func NewRecorder(scene string) *Recorder {
	return &Recorder{scene: scene, start: time.Now(), conns: map[string]string{}, count: map[string]int{}}
}

// Events returns the events whose calls have returned, in the order of their rows (see [Event.At]).
func (r *Recorder) Events() []Event {
	r.mu.Lock()
	defer r.mu.Unlock()
	return inOrder(r.collect(func(e Event) bool { return !e.blocks() }))
}

// Snapshot returns the events as Events does, and those whose calls have blocked for 10 ms or more.
func (r *Recorder) Snapshot() []Event {
	r.mu.Lock()
	defer r.mu.Unlock()
	now := time.Since(r.start).Microseconds()
	return inOrder(r.collect(func(e Event) bool { return !e.blocks() || now-e.US >= slow }))
}

func (r *Recorder) collect(keep func(Event) bool) []Event {
	events := make([]Event, 0, len(r.events))
	for i := range r.events {
		if e := &r.events[i]; keep(e.Event) && e.Err != closedHere {
			events = append(events, e.finished())
		}
	}
	return events
}

// finished fills in the readable preview of a payload, which would cost too much while it is recorded.
func (e *entry) finished() Event {
	if (e.Op == Send || e.Op == Recv) && e.Text == "" {
		e.Text = preview(e.Data, e.size > len(e.Data))
	}
	return e.Event
}

// Wait blocks until the events fulfil the condition. It is how a scene waits for something to have happened, instead
// of sleeping. When ctx ends first the error says what was waited for.
func (r *Recorder) Wait(ctx context.Context, what string, cond func([]Event) bool) error {
	for {
		r.mu.Lock()
		events := inOrder(r.collect(func(e Event) bool { return !e.blocks() }))
		changed := r.whenChanged()
		r.mu.Unlock()
		if cond(events) {
			return nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return fmt.Errorf("waited for %s: %w", what, context.Cause(ctx))
		}
	}
}

// whenChanged returns a channel that is closed when the next call returns. The caller holds mu.
func (r *Recorder) whenChanged() <-chan struct{} {
	if r.changed == nil {
		r.changed = make(chan struct{})
	}
	return r.changed
}

// Note records what a program made of the bytes: a message that it was handed, an error that it returned. data may be nil.
func (r *Recorder) Note(side string, data []byte, format string, args ...any) {
	r.moment(Event{Side: side, Op: Note, N: len(data), Data: head(data), Text: fmt.Sprintf(format, args...)})
}

// State records something measured, such as the number of bytes in a receive queue. It belongs to the scene: what
// was recorded before it happened before it, and what comes after it happened after.
func (r *Recorder) State(n int, format string, args ...any) {
	r.moment(Event{Op: State, N: n, Text: fmt.Sprintf(format, args...)})
}

// Verdict records a sentence that was computed from the events or from what the programs returned.
func (r *Recorder) Verdict(format string, args ...any) {
	r.moment(Event{Op: Verdict, Text: fmt.Sprintf(format, args...)})
}

// moment records what takes no time: it returns at once.
func (r *Recorder) moment(e Event) {
	r.mu.Lock()
	defer r.mu.Unlock()
	i := r.add(e, 0)
	r.events[i].End = r.events[i].US
	r.finish(i)
}

// begin writes down that a call begins. size is what a write was given.
func (r *Recorder) begin(e Event, size int) int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.add(e, size)
}

func (r *Recorder) add(e Event, size int) int {
	e.Seq, e.US, e.Scene = len(r.events)+1, r.tick(), r.scene
	r.events = append(r.events, entry{e, size})
	if r.open != nil {
		r.open[len(r.events)-1] = true
	}
	return len(r.events) - 1
}

// end writes down that the call at place i has returned, and what came of it.
func (r *Recorder) end(i int, result func(*Event)) {
	r.mu.Lock()
	defer r.mu.Unlock()
	e := &r.events[i]
	result(&e.Event)
	if e.Op == Recv {
		e.size = e.N
	}
	e.End = r.tick()
	r.finish(i)
}

func (r *Recorder) finish(i int) {
	r.returned = append(r.returned, i)
	delete(r.open, i)
	if r.changed != nil {
		close(r.changed)
		r.changed = nil
	}
}

// tick reads the clock: microseconds since the recorder was made, and never the same one twice, so that times alone say
// what was seen first. The caller holds mu.
func (r *Recorder) tick() int64 {
	r.last = max(time.Since(r.start).Microseconds(), r.last+1)
	return r.last
}

// name returns the name of the connection between two addresses, the same for both ends.
func (r *Recorder) name(a, b net.Addr) string {
	if a == nil || b == nil {
		return ""
	}
	network := "tcp"
	if a.Network() == "udp" {
		network = "udp"
	}
	pair := []string{a.String(), b.String()}
	slices.Sort(pair)
	key := network + " " + pair[0] + " " + pair[1]
	r.mu.Lock()
	defer r.mu.Unlock()
	if _, ok := r.conns[key]; !ok {
		r.count[network]++
		r.conns[key] = fmt.Sprintf("%s%d", network, r.count[network])
		if pair[0] == pair[1] {
			r.conns[key] += selfMark
		}
	}
	return r.conns[key]
}

// selfMark ends the name of a socket's way to itself.
const selfMark = " to itself"

func head(b []byte) []byte {
	return slices.Clone(b[:min(len(b), previewBytes)])
}

// Classify turns the error of a read or an accept into an operation and a short reason.
func classify(op Op, err error) (Op, string) {
	switch {
	case err == nil:
		return op, ""
	case errors.Is(err, net.ErrClosed):
		return op, closedHere
	case errors.Is(err, io.EOF):
		return EOF, ""
	case errors.Is(err, os.ErrDeadlineExceeded):
		return Timeout, reason(err)
	case errors.Is(err, syscall.ECONNRESET), errors.Is(err, syscall.EPIPE),
		errors.Is(err, syscall.Errno(10053)), errors.Is(err, syscall.Errno(10054)): // WSAECONNABORTED, WSAECONNRESET
		return Reset, reason(err)
	}
	return op, reason(err)
}

// reason is the cause of a network error without the operation and the addresses around it.
func reason(err error) string {
	if err == nil {
		return ""
	}
	var errno syscall.Errno
	if errors.As(err, &errno) {
		return errno.Error()
	}
	var op *net.OpError
	if errors.As(err, &op) {
		return op.Err.Error()
	}
	return err.Error()
}
