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

// Recorder collects the events of one scene. Its methods may be called from any goroutine.
type Recorder struct {
	scene string
	start time.Time

	mu      sync.Mutex
	events  []Event
	changed chan struct{}     // closed and replaced whenever an event is complete
	conns   map[string]string // address pair → name, so that both ends of a connection get the same one
	count   map[string]int    // connections named so far, by network
}

// NewRecorder returns a recorder whose clock starts now.
func NewRecorder(scene string) *Recorder {
	return &Recorder{
		scene:   scene,
		start:   time.Now(),
		changed: make(chan struct{}),
		conns:   map[string]string{},
		count:   map[string]int{},
	}
}

// Events returns the events that are complete so far, in order of Seq. A call that still blocks is not among them.
func (r *Recorder) Events() []Event {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.complete()
}

func (r *Recorder) complete() []Event {
	done := make([]Event, 0, len(r.events))
	for _, e := range r.events {
		if !e.pending {
			done = append(done, e)
		}
	}
	return done
}

// Wait blocks until the events fulfil the condition. It is how a scene waits for something to have happened, instead
// of sleeping. When ctx ends first the error says what was waited for.
func (r *Recorder) Wait(ctx context.Context, what string, cond func([]Event) bool) error {
	for {
		r.mu.Lock()
		events, changed := r.complete(), r.changed
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

// Happened is a condition for Wait: side has done op at least n times.
func Happened(side string, op Op, n int) func([]Event) bool {
	return func(events []Event) bool { return Count(events, side, op) >= n }
}

// Count says how often side did op. An empty side or op counts for any.
func Count(events []Event, side string, op Op) int {
	n := 0
	for _, e := range events {
		if (side == "" || e.Side == side) && (op == "" || e.Op == op) {
			n++
		}
	}
	return n
}

// Note records what a program made of the bytes: a message that it was handed, an error that it returned. data may be nil.
func (r *Recorder) Note(side string, data []byte, format string, args ...any) {
	i := r.begin(Event{Side: side, Op: Note, N: len(data), Data: head(data), Text: fmt.Sprintf(format, args...)})
	r.end(i, nil)
}

// State records something measured, such as the number of bytes in a receive queue. It belongs to the scene: what
// was recorded before it happened before it, and what comes after it happened after.
func (r *Recorder) State(n int, format string, args ...any) {
	i := r.begin(Event{Op: State, N: n, Text: fmt.Sprintf(format, args...)})
	r.end(i, nil)
}

// Verdict records a sentence that was computed from the events or from what the programs returned.
func (r *Recorder) Verdict(format string, args ...any) {
	i := r.begin(Event{Op: Verdict, Text: fmt.Sprintf(format, args...)})
	r.end(i, nil)
}

// begin takes the event's place in the order, before the call that it stands for.
func (r *Recorder) begin(e Event) int {
	r.mu.Lock()
	defer r.mu.Unlock()
	e.Seq = len(r.events) + 1
	e.US = time.Since(r.start).Microseconds()
	e.Scene = r.scene
	e.pending = true
	r.events = append(r.events, e)
	return len(r.events) - 1
}

// end completes the event at place i after the call has returned.
func (r *Recorder) end(i int, finish func(*Event)) {
	r.mu.Lock()
	defer r.mu.Unlock()
	e := &r.events[i]
	if finish != nil {
		finish(e)
	}
	e.pending = false
	close(r.changed)
	r.changed = make(chan struct{})
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
	}
	return r.conns[key]
}

func head(b []byte) []byte {
	return slices.Clone(b[:min(len(b), previewBytes)])
}

// classify turns the error of a read or write into an operation and a short reason.
func classify(op Op, err error) (Op, string) {
	switch {
	case err == nil:
		return op, ""
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
