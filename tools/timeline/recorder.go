package timeline

import (
	"cmp"
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

// Recorder collects the events of one scene. Its methods may be called from any goroutine. It holds
// its lock only while it writes down that a call begins or has returned, or copies what it has,
// never during a call.
type Recorder struct {
	scene string
	start time.Time

	mu       sync.Mutex
	last     int64 // the microsecond that was given out last
	events   log
	kept     []byte            // memory for the beginnings of payloads
	returned []int             // places in events, in the order in which the calls returned
	changed  chan struct{}     // closed at the next return; nil if nobody waits for it
	started  chan struct{}     // closed at the next begin; nil if nobody waits for it
	conns    map[string]string // address pair → name: both ends of a connection get the same one
	ends     map[string]int    // local and remote address → ends of streams wrapped so far
	count    map[string]int    // connections named so far, by network
}

// entry is an event and what is not known of it before it is asked for.
type entry struct {
	Event
	size int // bytes of the payload; Text is made from Data and this when somebody reads the event
}

// log is a list that never moves what it holds: growing holds up nobody for long.
type log struct {
	blocks [][]entry
	len    int
}

const perBlock = 64

func (l *log) at(i int) *entry { return &l.blocks[i/perBlock][i%perBlock] }

func (l *log) add(e entry) {
	if l.len%perBlock == 0 {
		l.blocks = append(l.blocks, make([]entry, perBlock))
	}
	l.len++
	*l.at(l.len - 1) = e
}

// NewRecorder returns a recorder whose clock starts now.
func NewRecorder(scene string) *Recorder {
	return &Recorder{
		scene: scene, start: time.Now(),
		conns: map[string]string{}, ends: map[string]int{}, count: map[string]int{},
	}
}

// Events returns the events whose calls have returned, in the order of their rows (see [Event.At]).
func (r *Recorder) Events() []Event {
	events, _ := r.look(func(e Event) bool { return !e.blocks() })
	return events
}

// Snapshot returns the events as Events does, and those whose calls have blocked for 10 ms or more.
func (r *Recorder) Snapshot() []Event {
	now := r.now()
	events, _ := r.look(func(e Event) bool { return !e.blocks() || now-e.US >= slow })
	return events
}

// look returns the events that keep picks, and a channel that is closed at the next return.
func (r *Recorder) look(keep func(Event) bool) (events []Event, changed <-chan struct{}) {
	r.mu.Lock()
	entries := slices.Concat(r.events.blocks...)[:r.events.len]
	changed = waitFor(&r.changed)
	r.mu.Unlock()
	entries = slices.DeleteFunc(entries, func(e entry) bool {
		return !keep(e.Event) || e.Err == closedHere
	})
	return inOrder(r.previewed(entries)), changed
}

// previewed fills in the readable previews of payloads. They would cost too much while calls are
// recorded, and making them holds up nobody; they are kept for the next time.
func (r *Recorder) previewed(entries []entry) []Event {
	events := make([]Event, len(entries))
	var made []Event
	for i, e := range entries {
		if (e.Op == Send || e.Op == Recv) && e.Text == "" && len(e.Data) > 0 {
			e.Text = preview(e.Data, e.size > len(e.Data))
			made = append(made, e.Event)
		}
		events[i] = e.Event
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, e := range made {
		r.events.at(e.Seq - 1).Text = e.Text
	}
	return events
}

// Wait blocks until the events fulfil the condition. It is how a scene waits for something to have
// happened, instead of sleeping. When ctx ends first the error says what was waited for.
func (r *Recorder) Wait(ctx context.Context, what string, cond func([]Event) bool) error {
	return r.waitUntil(ctx, what, func(e Event) bool { return !e.blocks() }, cond)
}

// WaitWrites blocks until every send and close that has begun has returned. A program that learns from
// its peer that all is over may end while one of its goroutines still is in such a call.
func (r *Recorder) WaitWrites(ctx context.Context) error {
	under := func(e Event) bool {
		return e.blocks() && (e.Op == Send || e.Op == CloseWrite || e.Op == Close)
	}
	return r.waitUntil(ctx, "the writes to return", under, func(events []Event) bool { return len(events) == 0 })
}

// waitUntil is Wait for the events that keep picks.
func (r *Recorder) waitUntil(
	ctx context.Context, what string, keep func(Event) bool, cond func([]Event) bool,
) error {
	for {
		events, changed := r.look(keep)
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

// waitFor returns the channel that announces something, and announce closes it. The caller holds mu.
func waitFor(c *chan struct{}) <-chan struct{} {
	if *c == nil {
		*c = make(chan struct{})
	}
	return *c
}

func announce(c *chan struct{}) {
	if *c != nil {
		close(*c)
		*c = nil
	}
}

// Note records what a program made of the bytes: a message that it was handed, an error that it
// returned. data may be nil; a message of no bytes is not.
func (r *Recorder) Note(side string, data []byte, format string, args ...any) {
	e := Event{Side: side, Op: Note, N: len(data), Text: fmt.Sprintf(format, args...)}
	if data != nil {
		e.Data = append([]byte{}, data[:min(len(data), previewBytes)]...)
	}
	r.moment(e)
}

// State records something measured, such as the number of bytes in a receive queue. It belongs to
// the scene: what was recorded before it happened before it, and what comes after it happened after.
func (r *Recorder) State(n int, format string, args ...any) {
	r.moment(Event{Op: State, N: n, Text: fmt.Sprintf(format, args...)})
}

// Verdict records a sentence that was computed from the events or from what the programs returned.
func (r *Recorder) Verdict(format string, args ...any) {
	r.moment(Event{Op: Verdict, Text: fmt.Sprintf(format, args...)})
}

// Replay adds the events of another recording, which ReadJSON returned or another recorder wrote, as
// they are: made by another process, or long ago. Their times count from the last event of this
// recording. Their connections keep their names, so this recorder must have named none itself.
func (r *Recorder) Replay(events []Event) {
	events = slices.Clone(events)
	slices.SortFunc(events, func(a, b Event) int { return cmp.Compare(a.Seq, b.Seq) })
	r.mu.Lock()
	defer r.mu.Unlock()
	shift := r.last
	for _, e := range events {
		e.Seq, e.Scene = r.events.len+1, r.scene
		e.US += shift
		if !e.blocks() {
			e.End += shift
		}
		r.last = max(r.last, e.US, e.End)
		r.events.add(entry{e, e.N})
		announce(&r.started)
		if !e.blocks() {
			r.finish(r.events.len - 1)
		}
	}
}

// moment records what takes no time: it returns at once.
func (r *Recorder) moment(e Event) {
	r.mu.Lock()
	defer r.mu.Unlock()
	i := r.add(e, 0)
	r.events.at(i).End = r.last
	r.finish(i)
}

// begin writes down that a call begins. payload is what a write was given.
func (r *Recorder) begin(e Event, payload []byte) int {
	r.mu.Lock()
	defer r.mu.Unlock()
	e.Data = r.keep(payload)
	return r.add(e, len(payload))
}

// keep copies what an event keeps of a payload. The caller holds mu.
func (r *Recorder) keep(payload []byte) []byte {
	n := min(len(payload), previewBytes)
	if n == 0 {
		return nil
	}
	if cap(r.kept)-len(r.kept) < n {
		r.kept = make([]byte, 0, perBlock*previewBytes)
	}
	at := len(r.kept)
	r.kept = append(r.kept, payload[:n]...)
	return r.kept[at : at+n : at+n]
}

func (r *Recorder) add(e Event, size int) int {
	e.Seq, e.US, e.Scene = r.events.len+1, r.tick(), r.scene
	r.events.add(entry{e, size})
	announce(&r.started)
	return r.events.len - 1
}

// end writes down that the call at place i has returned, and what came of it.
func (r *Recorder) end(i int, result func(*Event)) {
	r.mu.Lock()
	defer r.mu.Unlock()
	e := r.events.at(i)
	result(&e.Event)
	if e.Op == Recv {
		e.size = e.N
	}
	e.End = r.tick()
	r.finish(i)
}

func (r *Recorder) finish(i int) {
	r.returned = append(r.returned, i)
	announce(&r.changed)
}

// tick reads the clock, and never gives the same microsecond twice, so that times alone say what was
// seen first. The caller holds mu.
func (r *Recorder) tick() int64 {
	r.last = max(r.now(), r.last+1)
	return r.last
}

// now is the time in microseconds since the recorder was made.
func (r *Recorder) now() int64 { return time.Since(r.start).Microseconds() }

// name returns the name of the connection between two addresses, the same for both ends. Addresses
// that a later connection uses again get another name: there is one end of a stream for each call.
func (r *Recorder) name(local, remote net.Addr) string {
	if local == nil || remote == nil {
		return ""
	}
	here, there, network := local.String(), remote.String(), "tcp"
	if local.Network() == "udp" {
		network = "udp"
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	key := network + " " + min(here, there) + " " + max(here, there)
	if local.Network() == "tcp" {
		r.ends[here+" "+there]++
		key += fmt.Sprint(" ", r.ends[here+" "+there])
	}
	if _, ok := r.conns[key]; !ok {
		r.count[network]++
		r.conns[key] = fmt.Sprint(network, r.count[network])
		if here == there && local.Network() == network {
			r.conns[key] += selfMark
		}
	}
	return r.conns[key]
}

// selfMark ends the name of a socket's way to itself.
const selfMark = " to itself"

// classify turns the error of a read or an accept into an operation and a short reason.
func classify(op Op, err error) (Op, string) {
	switch {
	case err == nil:
		return op, ""
	case errors.Is(err, net.ErrClosed), errors.Is(err, io.ErrClosedPipe): // the latter of a net.Pipe
		return op, closedHere
	case errors.Is(err, io.EOF):
		return EOF, ""
	case errors.Is(err, os.ErrDeadlineExceeded):
		return Timeout, reason(err)
	case errors.Is(err, syscall.ECONNRESET), errors.Is(err, syscall.EPIPE),
		errors.Is(err, wsaConnAborted), errors.Is(err, wsaConnReset):
		return Reset, reason(err)
	}
	return op, reason(err)
}

// What Windows calls ECONNABORTED and ECONNRESET.
const (
	wsaConnAborted = syscall.Errno(10053)
	wsaConnReset   = syscall.Errno(10054)
)

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
