package timeline_test

import (
	"bytes"
	"encoding/xml"
	"errors"
	"io"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"socketbook/tools/timeline"
)

// Whatever a file holds, it is a recording that can be drawn, or an error of one line.
func FuzzReadJSON(f *testing.F) {
	for _, es := range [][]timeline.Event{story(), crowd(2), talk("udp1", ">a >a <a <a <a >abcd <ab")} {
		var b bytes.Buffer
		if err := timeline.WriteJSON(&b, es); err != nil {
			f.Fatal(err)
		}
		f.Add(b.Bytes())
	}
	f.Add([]byte(object(1, 1, `"side":"c","conn":"tcp1","op":"send"`) + "\n" +
		object(2, 2, `"side":"c","conn":"tcp1","op":"send"`) + "\n" +
		object(3, 3, `"us_end":4,"side":"s","conn":"tcp1","op":"recv","n":1099511627776`)))
	f.Add([]byte(object(1, 1, `"us_end":5,"side":"","conn":"udp1","op":"eof"`) + "\n" + // no side, nobody's peer
		object(2, 2, `"us_end":6,"side":"c","conn":"udp1","op":"send"`)))
	f.Add([]byte("\x1b[31m"))
	f.Fuzz(func(t *testing.T, lines []byte) {
		events, err := timeline.ReadJSON(bytes.NewReader(lines))
		if err != nil {
			require.NotContains(t, err.Error(), "\n")
			harmless(t, err.Error())
			return
		}
		for _, st := range []timeline.Style{{Width: 20}, {Width: 90, Box: true}, {Width: 60, ASCII: true}} {
			out := draw(t, events, st)
			harmless(t, out)
			for line := range strings.Lines(out) {
				require.LessOrEqual(
					t,
					timeline.Width(strings.TrimSuffix(line, "\n")),
					st.Width,
					"%q",
					line,
				)
			}
		}
		checkXML(t, svg(t, events))
		timeline.Verdicts(events)
		require.NoError(t, timeline.Agree(events, events))
		again := decode(t, encode(t, events))
		require.Equal(
			t,
			draw(t, events, timeline.Style{Width: 90}),
			draw(t, again, timeline.Style{Width: 90}),
		)
	})
}

func checkXML(t *testing.T, image string) {
	harmless(t, image)
	dec := xml.NewDecoder(strings.NewReader(image))
	for {
		_, err := dec.Token()
		if errors.Is(err, io.EOF) {
			return
		}
		require.NoError(t, err)
	}
}

// Whatever is sent and read, in whatever order, a read took bytes of sends that had begun, each byte of a
// stream once and in order; what one event at a time tells is what all of them tell.
func FuzzMatcher(f *testing.F) {
	f.Add(true, []byte("\x00\x05\x81\x03\x02\x06\x83\x08"))
	f.Add(false, []byte("\x00\x05\x81\x05\x00\x05\x81\x03\x81\x05"))
	f.Fuzz(func(t *testing.T, stream bool, script []byte) {
		events := scripted(stream, script)
		m := timeline.Match(events)
		one := timeline.NewMatcher()
		for _, e := range events {
			one.Add(e)
			one.Took(e.Seq)
			one.Unread(e.Seq)
		}
		require.Equal(t, matched(m, events), matched(one, events))
		bySeq := map[int]timeline.Event{}
		for _, e := range events {
			bySeq[e.Seq] = e
		}
		next := map[string][2]int{} // reader → the send and the byte that come next
		for _, e := range events {
			n := 0
			for _, p := range m.Took(e.Seq) {
				require.NotEmpty(t, p.Sends)
				n += p.To - p.From
				for _, seq := range p.Sends {
					s := bySeq[seq]
					require.Equal(t, timeline.Send, s.Op)
					require.NotEqual(t, e.Side, s.Side)
					require.LessOrEqual(t, s.US, e.End)
					require.True(t, 0 <= p.From && (s.End == 0 || p.To <= s.N))
				}
				if stream {
					before := next[e.Side]
					require.True(
						t,
						p.Sends[0] > before[0] && p.From == 0 ||
							p.Sends[0] == before[0] && p.From == before[1],
					)
					next[e.Side] = [2]int{p.Sends[0], p.To}
				}
			}
			require.True(t, n == 0 || n == e.N)
			left, known := m.Unread(e.Seq)
			require.True(t, 0 <= left && (!known || left <= e.N))
		}
	})
}

// scripted makes events of pairs of bytes: who does what, and with how many bytes.
func scripted(stream bool, script []byte) []timeline.Event {
	conn := "udp1"
	if stream {
		conn = "tcp1"
	}
	sides := []string{"client", "server"}
	var es []timeline.Event
	for i := 0; i+1 < len(script) && len(es) < 200; i += 2 {
		what, n := script[i], int(script[i+1])
		e := send(sides[what&1], strings.Repeat(string(rune('a'+what>>2&3)), n))
		if what&2 != 0 {
			e.Op = timeline.Recv
		}
		es = append(es, e)
	}
	return play(on(conn, es...)...)
}
