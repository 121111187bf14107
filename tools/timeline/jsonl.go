package timeline

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"sync"
	"time"
)

// line is an event as a line of JSON has it. A call that still blocks has no us_end and no n.
type line struct {
	Seq   int    `json:"seq"`
	US    int64  `json:"us"`
	End   int64  `json:"us_end,omitzero"`
	Scene string `json:"scene"`
	Side  string `json:"side,omitempty"`
	Conn  string `json:"conn,omitempty"`
	Op    Op     `json:"op"`
	N     *int   `json:"n,omitempty"`
	Data  []byte `json:"data,omitempty"`
	Text  string `json:"text,omitempty"`
	Err   string `json:"err,omitempty"`
}

// MarshalJSON writes the event as DESIGN has it: seq, us, us_end, scene, side, conn, op, n, data (base64), text, err.
func (e Event) MarshalJSON() ([]byte, error) {
	l := line{e.Seq, e.US, e.End, e.Scene, e.Side, e.Conn, e.Op, nil, e.Data, e.Text, e.Err}
	if !e.blocks() {
		l.N = &e.N
	}
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	err := enc.Encode(l)
	return bytes.TrimSuffix(b.Bytes(), []byte("\n")), err
}

// UnmarshalJSON reads what MarshalJSON writes. A field that it does not know is an error.
func (e *Event) UnmarshalJSON(b []byte) error {
	var l line
	dec := json.NewDecoder(bytes.NewReader(b))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&l); err != nil {
		return err
	}
	*e = Event{l.Seq, l.US, l.End, l.Scene, l.Side, l.Conn, l.Op, 0, l.Data, l.Text, l.Err}
	if l.N != nil {
		e.N = *l.N
	}
	return nil
}

// WriteJSON writes one event as one JSON object on each line.
func WriteJSON(w io.Writer, events []Event) error {
	enc := json.NewEncoder(w)
	enc.SetEscapeHTML(false)
	for _, e := range events {
		if err := enc.Encode(e); err != nil {
			return err
		}
	}
	return nil
}

// longestLine bounds what ReadJSON takes as one event: texts are previews, and names are short.
const longestLine = 1 << 20 // bytes

// ReadJSON reads lines that WriteJSON or Stream wrote, of one scene, and returns the events in the order of their rows. Of two lines with one
// seq the later one counts: a call that blocked has returned. An error names the line.
func ReadJSON(r io.Reader) ([]Event, error) {
	lines := bufio.NewScanner(r)
	lines.Buffer(nil, longestLine)
	var events []Event
	scene := ""
	at := map[int]int{} // seq → place in events
	number := 0
	for lines.Scan() {
		number++
		var e Event
		if err := json.Unmarshal(lines.Bytes(), &e); err != nil {
			return nil, fmt.Errorf("line %d is not an event: %w", number, err)
		}
		if err := e.check(); err != nil {
			return nil, fmt.Errorf("line %d: %w", number, err)
		}
		if number == 1 {
			scene = e.Scene
		} else if e.Scene != scene {
			return nil, fmt.Errorf("line %d: scene %q; those above are of %q", number, clean(e.Scene), clean(scene))
		}
		i, seen := at[e.Seq]
		switch {
		case !seen:
			at[e.Seq] = len(events)
			events = append(events, e)
		case events[i].blocks() && events[i].Op != Note:
			events[i] = e
		default:
			return nil, fmt.Errorf("line %d: seq %d has returned before", number, e.Seq)
		}
	}
	if err := lines.Err(); err != nil {
		return nil, fmt.Errorf("line %d: %w", number+1, err)
	}
	events = slices.DeleteFunc(events, func(e Event) bool { return e.Err == closedHere })
	return inOrder(events), nil
}

// check refuses what no recorder writes.
func (e Event) check() error {
	ops := []Op{Listen, Accept, Dial, Send, Recv, EOF, Reset, Timeout, Close, CloseWrite, State, Note, Verdict}
	switch {
	case e.Seq < 1:
		return fmt.Errorf("seq is %d; the first is 1", e.Seq)
	case e.US < 0 || e.End != 0 && e.End < e.US:
		return fmt.Errorf("the call begins at %d us and returns at %d us", e.US, e.End)
	case !slices.Contains(ops, e.Op):
		return fmt.Errorf("op is %q", e.Op)
	case e.N < 0:
		return fmt.Errorf("n is %d", e.N)
	case len(e.Data) > previewBytes:
		return fmt.Errorf("%d bytes of data; an event keeps %d", len(e.Data), previewBytes)
	}
	return nil
}

// Stream writes each event as a line of JSON when its call returns, and a line without us_end and n for a call that still
// blocks after 10 ms. It is called before anything is recorded. Lines are written by a goroutine, so that w holds up nobody
// whose calls are recorded. The caller calls stop once; it writes what is left and returns the first error of w.
func (r *Recorder) Stream(w io.Writer) (stop func() error) {
	r.mu.Lock()
	r.open = map[int]bool{}
	r.mu.Unlock()
	s := &stream{r: r, w: w, over: make(chan struct{})}
	var running sync.WaitGroup
	running.Go(s.run)
	return func() error {
		close(s.over)
		running.Wait()
		s.write()
		return s.err
	}
}

type stream struct {
	r       *Recorder
	w       io.Writer
	over    chan struct{}
	written int          // how many of the recorder's returns
	told    map[int]bool // calls of which a line says that they block
	err     error
}

func (s *stream) run() {
	for {
		changed, due := s.write()
		select {
		case <-s.over:
			return
		case <-changed:
		case <-due:
		}
	}
}

// write writes what has happened since it was last called. It returns what to wait for: the next return, and the moment
// when a call that blocks now is worth a line.
func (s *stream) write() (changed <-chan struct{}, due <-chan time.Time) {
	lines, changed, next := s.take()
	if s.err == nil {
		s.err = WriteJSON(s.w, lines)
	}
	if errors.Is(s.err, io.ErrShortWrite) || next < 0 {
		return changed, nil
	}
	return changed, time.After(time.Duration(next) * time.Microsecond)
}

func (s *stream) take() (lines []Event, changed <-chan struct{}, next int64) {
	s.r.mu.Lock()
	defer s.r.mu.Unlock()
	if s.told == nil {
		s.told = map[int]bool{}
	}
	for _, i := range s.r.returned[s.written:] {
		e := s.r.events[i].finished()
		if e.Err != closedHere || s.told[i] {
			lines = append(lines, e)
		}
		delete(s.told, i)
	}
	s.written = len(s.r.returned)
	now := time.Since(s.r.start).Microseconds()
	next = -1
	var blocked []int
	for i := range s.r.open {
		wait := s.r.events[i].US + slow - now
		switch {
		case s.told[i]:
		case wait <= 0:
			blocked = append(blocked, i)
		case next < 0 || wait < next:
			next = wait
		}
	}
	slices.Sort(blocked)
	for _, i := range blocked {
		s.told[i] = true
		lines = append(lines, s.r.events[i].finished())
	}
	return lines, s.r.whenChanged(), next
}
