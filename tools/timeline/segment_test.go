package timeline

import (
	"bytes"
	"testing"

	"github.com/stretchr/testify/require"
)

// dialledEvents is a dial and an accept.
func dialledEvents() []Event {
	return []Event{
		{Seq: 1, US: 10, End: 20, Scene: "s", Side: "client", Conn: "tcp1", Op: Dial, Text: "a"},
		{Seq: 2, US: 5, End: 15, Scene: "s", Side: "server", Conn: "tcp1", Op: Accept},
	}
}

func segmentAt(us int64, from, to string, h Header) Event {
	h.To = to
	return Event{
		US: us, End: us, Scene: "s", Side: from, Conn: "tcp1", Op: Segment, N: h.Len, Header: &h,
	}
}

// Of equal microseconds the begin of a call stands first, then a segment, then the return of a call.
func TestMerge(t *testing.T) {
	merged := Merge(dialledEvents(), []Event{
		segmentAt(10, "client", "server", Header{Flags: "SYN"}),
		segmentAt(15, "client", "server", Header{Flags: "ACK", Seq: 1, Ack: 1}),
	})
	var numbers []int
	for _, e := range merged {
		numbers = append(numbers, e.Seq)
	}
	require.Equal(t, []int{1, 2, 3, 4}, numbers)
	var rows []string
	for _, r := range Lay(merged).Rows {
		rows = append(rows, r.Cells[0].Words)
	}
	require.Equal(t, []string{"dial a", "[SYN] seq 0", "[ACK] seq 1 ack 1", "accept"}, rows)
}

// A segment goes through JSON unharmed; an event has a header if it is a segment, and only then.
func TestSegmentJSON(t *testing.T) {
	want := Merge(nil, []Event{
		segmentAt(3, "client", "server", Header{Flags: "PSH ACK", Seq: 1, Ack: 1, Len: 5, Again: true}),
	})
	var lines bytes.Buffer
	require.NoError(t, WriteJSON(&lines, want))
	require.Contains(t, lines.String(), `"segment":{"flags":"PSH ACK","seq":1,"ack":1,"len":5,`)
	got, err := ReadJSON(bytes.NewReader(lines.Bytes()))
	require.NoError(t, err)
	require.Equal(t, want, got)
	for _, bad := range []string{
		`{"seq":1,"us":3,"us_end":3,"scene":"s","op":"segment","n":0}`,
		`{"seq":1,"us":3,"us_end":3,"scene":"s","op":"note","n":0,"segment":{"flags":"","seq":0,"ack":0,"len":0,"to":""}}`,
		`{"seq":1,"us":3,"us_end":3,"scene":"s","op":"segment","n":4,"segment":{"flags":"","seq":0,"ack":0,"len":5,"to":""}}`,
	} {
		_, err := ReadJSON(bytes.NewReader([]byte(bad)))
		require.Error(t, err, bad)
	}
}

// Segments have arrows of their own; one that was lost ends in a cross. Calls have none beside them.
func TestSegmentPainted(t *testing.T) {
	merged := Merge(dialledEvents(), []Event{
		segmentAt(11, "client", "server", Header{Flags: "SYN", Lost: true}),
		segmentAt(12, "client", "server", Header{Flags: "SYN", Again: true}),
		segmentAt(13, "server", "client", Header{Flags: "SYN ACK", Ack: 1}),
	})
	var text bytes.Buffer
	require.NoError(t, Text(&text, merged, Style{Width: 70}))
	require.Contains(t, text.String(), "[SYN] seq 0, lost =======")
	require.Contains(t, text.String(), "==x")
	require.Contains(t, text.String(), "[SYN] seq 0, again ======")
	require.Contains(t, text.String(), "==>")
	require.Contains(t, text.String(), "<=====")
	require.NotContains(t, text.String(), "---")
	var svg bytes.Buffer
	require.NoError(t, SVG(&svg, []Scene{{Title: "s", Events: merged}}))
	require.Equal(t, 3, bytes.Count(svg.Bytes(), []byte(`<path class="wire`))-2, "and two tips")
	require.NotContains(t, svg.String(), `<path class="arrow"`)
	svg.Reset()
	require.NoError(t, SVG(&svg, []Scene{{Title: "s", Events: dialledEvents()}}))
	require.NotContains(t, svg.String(), "wire")
}

// A recording with another segment does not agree.
func TestSegmentsAgree(t *testing.T) {
	a := Merge(dialledEvents(), []Event{segmentAt(11, "client", "server", Header{Flags: "SYN"})})
	b := Merge(dialledEvents(), []Event{segmentAt(14, "client", "server", Header{Flags: "SYN"})})
	c := Merge(dialledEvents(), []Event{segmentAt(11, "client", "server", Header{Flags: "RST"})})
	require.NoError(t, Agree(a, b), "times are left out")
	require.Error(t, Agree(a, c))
	require.Error(t, Agree(a, dialledEvents()))
}
