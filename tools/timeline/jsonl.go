package timeline

import (
	"bufio"
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
)

// line is an event as a line of JSON has it. A call that still blocks has no us_end, n and err.
type line struct {
	Seq   int    `json:"seq"`
	US    int64  `json:"us"`
	End   int64  `json:"us_end,omitzero"`
	Scene string `json:"scene"`
	Side  string `json:"side,omitempty"`
	Conn  string `json:"conn,omitempty"`
	Op    Op     `json:"op"`
	N     *int   `json:"n,omitempty"`
	Data  []byte `json:"data,omitzero"`
	Text  string `json:"text,omitempty"`
	Err   string `json:"err,omitempty"`

	Header *Header `json:"segment,omitempty"`
}

// MarshalJSON writes the event as an object with seq, us, us_end, scene, side, conn, op, n, data
// (base64), text and err; a segment has an object segment besides. What is empty is left out, and n
// of a call that still blocks.
func (e Event) MarshalJSON() ([]byte, error) {
	l := line{e.Seq, e.US, e.End, e.Scene, e.Side, e.Conn, e.Op, nil, e.Data, e.Text, e.Err, e.Header}
	if !e.blocks() {
		l.N = &e.N
	}
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	err := enc.Encode(l)
	return b.Bytes(), err
}

// UnmarshalJSON reads what MarshalJSON writes. A field that it does not know is an error.
func (e *Event) UnmarshalJSON(b []byte) error {
	var l line
	dec := json.NewDecoder(bytes.NewReader(b))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&l); err != nil {
		return err
	}
	*e = Event{l.Seq, l.US, l.End, l.Scene, l.Side, l.Conn, l.Op, 0, l.Data, l.Text, l.Err, l.Header}
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

const (
	longestLine = 1 << 20 // bytes; texts are previews, and names are short
	mostBytes   = 1 << 40 // that one call can move; sums of them fit into an int64
)

// ReadJSON reads lines that WriteJSON or Stream wrote, of one scene, and returns the events in the
// order of their rows. The lines may stand in any order, except that of two lines with one seq the
// second says how a call that blocked has returned. An error names the line.
func ReadJSON(r io.Reader) ([]Event, error) {
	var t tape
	lines := bufio.NewScanner(r)
	lines.Buffer(nil, longestLine)
	for lines.Scan() {
		t.number++
		if err := t.take(lines.Bytes()); err != nil {
			return nil, fmt.Errorf("line %d: %w", t.number, err)
		}
	}
	switch err := lines.Err(); {
	case errors.Is(err, bufio.ErrTooLong):
		return nil, fmt.Errorf("line %d is longer than %d bytes", t.number+1, longestLine)
	case err != nil:
		return nil, fmt.Errorf("reading line %d: %w", t.number+1, err)
	}
	return t.finish()
}

// tape is a recording that is being read.
type tape struct {
	events []Event
	lines  []int       // the number of each event's line
	at     map[int]int // seq → place in events
	number int         // lines so far
}

func (t *tape) take(text []byte) error {
	var e Event
	if err := json.Unmarshal(text, &e); err != nil {
		return notAnEvent(err)
	}
	if err := e.check(); err != nil {
		return err
	}
	if len(t.events) > 0 && t.events[0].Scene != e.Scene {
		return fmt.Errorf("scene is %q, and %q on line %d",
			clean(e.Scene), clean(t.events[0].Scene), t.lines[0])
	}
	if t.at == nil {
		t.at = map[int]int{}
	}
	i, seen := t.at[e.Seq]
	if !seen {
		t.at[e.Seq] = len(t.events)
		t.events, t.lines = append(t.events, e), append(t.lines, t.number)
		return nil
	}
	if before := t.events[i]; !before.blocks() || before.US != e.US || before.Side != e.Side {
		return fmt.Errorf("seq %d is on line %d, too, where it is not this call, blocked", e.Seq, t.lines[i])
	}
	t.events[i] = e
	return nil
}

func notAnEvent(err error) error {
	var syntax *json.SyntaxError
	if errors.As(err, &syntax) && syntax.Error() == "unexpected end of JSON input" {
		return errors.New("not an event: the line is cut")
	}
	return errors.New("not an event: " + clean(err.Error()))
}

// finish checks that times and numbers tell the same order.
func (t *tape) finish() ([]Event, error) {
	order := make([]int, len(t.events))
	for i := range order {
		order[i] = i
	}
	slices.SortFunc(order, func(i, k int) int { return cmp.Compare(t.events[i].Seq, t.events[k].Seq) })
	for k := 1; k < len(order); k++ {
		a, b := t.events[order[k-1]], t.events[order[k]]
		if b.US < a.US {
			return nil, fmt.Errorf("line %d: seq %d begins at %d us, before seq %d, which begins at %d us",
				t.lines[order[k]], b.Seq, b.US, a.Seq, a.US)
		}
	}
	events := slices.DeleteFunc(t.events, func(e Event) bool { return e.Err == closedHere })
	return inOrder(events), nil
}

// check refuses what no recorder writes.
func (e Event) check() error {
	calls := []Op{Accept, Dial, Send, Recv, Close, CloseWrite}
	others := []Op{Segment, Listen, EOF, Reset, Timeout, State, Note, Verdict} // known once they are over
	switch {
	case (e.Op == Segment) != (e.Header != nil):
		return errors.New("a segment has a header, and nothing else has one")
	case e.Header != nil && (e.Header.Len < 0 || e.Header.Len != e.N):
		return fmt.Errorf("the segment has %d bytes; n is %d", e.Header.Len, e.N)
	case e.Seq < 1:
		return fmt.Errorf("seq is %d; the first is 1", e.Seq)
	case !slices.Contains(calls, e.Op) && !slices.Contains(others, e.Op):
		return fmt.Errorf("op is %q", clean(string(e.Op)))
	case e.US < 0 || e.End != 0 && e.End < e.US:
		return fmt.Errorf("us is %d and us_end is %d", e.US, e.End)
	case e.blocks() && slices.Contains(others, e.Op):
		return fmt.Errorf("us_end is missing, and %q does not block", e.Op)
	case e.blocks() && (e.N != 0 || e.Err != ""):
		return errors.New("us_end is missing, and yet the call returned something")
	case e.N < 0 || int64(e.N) > mostBytes:
		return fmt.Errorf("n is %d", e.N)
	case len(e.Data) > previewBytes:
		return fmt.Errorf("%d bytes of data; an event keeps %d", len(e.Data), previewBytes)
	case e.Op == Recv && len(e.Data) > e.N:
		return fmt.Errorf("%d bytes of data; n is %d", len(e.Data), e.N)
	}
	return nil
}
