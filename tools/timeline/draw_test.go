package timeline_test

import (
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"socketbook/tools/timeline"
)

// events numbers hand-made events, as a recorder does.
func events(es ...timeline.Event) []timeline.Event {
	for i := range es {
		es[i].Seq = i + 1
		es[i].Text = max(es[i].Text, timeline.Preview(es[i].Data))
		if es[i].N == 0 {
			es[i].N = len(es[i].Data)
		}
	}
	return es
}

func send(side, data string) timeline.Event {
	return timeline.Event{Side: side, Conn: "tcp1", Op: timeline.Send, Data: []byte(data)}
}

func recv(side, data string) timeline.Event {
	return timeline.Event{Side: side, Conn: "tcp1", Op: timeline.Recv, Data: []byte(data)}
}

func TestFlows(t *testing.T) {
	c, s := "client", "server"
	for _, test := range []struct {
		name   string
		events []timeline.Event
		says   string
	}{
		{"whole", events(send(c, "ab"), recv(s, "ab"), send(c, "c"), recv(s, "c")), "2 sends arrived as 2 reads, boundary by boundary"},
		{"glued", events(send(c, "hello"), send(c, "world"), recv(s, "helloworld")), "2 sends arrived as 1 read; the boundary after byte 5 is gone"},
		{"cut", events(send(c, "hello"), recv(s, "he"), recv(s, "llo")), "1 send arrived as 2 reads of 2 and 3 bytes"},
		{"glued and cut", events(send(c, "hello"), send(c, "world"), recv(s, "hellow"), recv(s, "orld")), "2 sends arrived as 2 reads of 6 and 4 bytes; the boundary after byte 5 is gone"},
		{"three", events(send(c, "a"), send(c, "b"), send(c, "c"), recv(s, "abc")), "3 sends arrived as 1 read; the boundaries after bytes 1 and 2 are gone"},
		{"unread", events(send(c, "hello"), recv(s, "he")), "1 send arrived as 1 read of 2 bytes; 3 of 5 bytes were never read"},
		{"the end of what was read is inside the first", events(send(c, "hello"), send(c, "world"), recv(s, "he")), "2 sends arrived as 1 read of 2 bytes; 8 of 10 bytes were never read"},
		{"never", events(send(c, "hello"), recv(c, "x")), ""},
		{"nothing", events(send(c, ""), send(s, "x"), recv(c, "x")), "1 send of 0 bytes put nothing on the wire"},
	} {
		t.Run(test.name, func(t *testing.T) {
			flows := timeline.Flows(test.events)
			if test.says == "" {
				require.Empty(t, flows, "one side alone cannot be compared")
				return
			}
			require.Equal(t, test.says, flows[0].String())
			require.Equal(t, "client", flows[0].From)
			require.Equal(t, "server", flows[0].To)
		})
	}
}

func TestCompare(t *testing.T) {
	for _, test := range []struct {
		sent, received []string
		says           string
	}{
		{[]string{"hello", "world"}, []string{"hello", "world"}, "2 messages sent, 2 received, each whole"},
		{[]string{"hello", "world"}, []string{"helloworld"}, "2 messages sent, 1 received: 2 glued to a neighbour; the boundary after byte 5 is gone"},
		{[]string{"hello"}, []string{"he", "llo"}, "1 message sent, 2 received, of 2 and 3 bytes: 1 cut"},
		{[]string{"hello", "world"}, []string{"hellow", "orld"}, "2 messages sent, 2 received, of 6 and 4 bytes: 2 glued to a neighbour, 1 cut; the boundary after byte 5 is gone"},
		{[]string{"hello", "world"}, []string{"hello"}, "2 messages sent, 1 received: 1 not all there"},
		{[]string{"ab", "cd", "ef"}, []string{"abc"}, "3 messages sent, 1 received: 2 glued to a neighbour, 2 not all there; the boundary after byte 2 is gone"},
		{[]string{"hello"}, []string{"jello"}, "1 message sent, 1 received, and not the same bytes"},
		{[]string{"hello"}, []string{"hello", ""}, "1 message sent, 2 received"},
		{nil, nil, "0 messages sent, 0 received, each whole"},
	} {
		require.Equal(t, test.says, timeline.Compare(raw(test.sent), raw(test.received)).String())
	}
	fates := timeline.Compare(raw([]string{"ab", "cd", "ef", "gh"}), raw([]string{"abc", "d", "ef"})).Fates
	require.Equal(t, []timeline.Fate{{Glued: true}, {Glued: true, Cut: true}, {Whole: true}, {Lost: true}}, fates)
}

func raw(ss []string) [][]byte {
	var bs [][]byte
	for _, s := range ss {
		bs = append(bs, []byte(s))
	}
	return bs
}

// Cut anywhere, the pieces tell which messages are whole: compared with a second, slower way of finding out.
func TestCompareGenerated(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for range 2000 {
		var sent, received [][]byte
		total := 0
		for range r.IntN(5) {
			m := make([]byte, 1+r.IntN(4))
			for i := range m {
				m[i] = byte(total + i)
			}
			total += len(m)
			sent = append(sent, m)
		}
		owner := make([]int, 0, total) // received message of each byte
		for at := 0; at < total; {
			n := min(1+r.IntN(6), total-at)
			piece := make([]byte, n)
			for i := range piece {
				piece[i] = byte(at + i)
				owner = append(owner, len(received))
			}
			received = append(received, piece)
			at += n
		}
		c := timeline.Compare(sent, received)
		at := 0
		for i, m := range sent {
			first, last := owner[at], owner[at+len(m)-1]
			cut := first != last
			glued := at > 0 && owner[at-1] == first || at+len(m) < total && owner[at+len(m)] == last
			require.Equal(t, cut, c.Fates[i].Cut, "message %d of %v in %v", i, sent, received)
			require.Equal(t, glued, c.Fates[i].Glued, "message %d of %v in %v", i, sent, received)
			require.Equal(t, !cut && !glued, c.Fates[i].Whole)
			require.False(t, c.Fates[i].Lost)
			at += len(m)
		}
		require.False(t, c.Changed)
	}
}

// Two recordings of one conversation that differ only in who was quicker make the same picture.
func TestOneOrder(t *testing.T) {
	closes := func(side string) timeline.Event {
		return timeline.Event{Side: side, Conn: "tcp1", Op: timeline.Close}
	}
	note := timeline.Event{Side: "client", Op: timeline.Note, Text: "prints"}
	a := events(send("client", "hi"), recv("server", "hi"), send("server", "HI"), recv("client", "HI"), note, closes("client"), closes("server"))
	b := events(send("client", "hi"), recv("server", "hi"), send("server", "HI"), closes("server"), recv("client", "HI"), note, closes("client"))
	require.Equal(t, draw(t, a, timeline.Style{}), draw(t, b, timeline.Style{}))

	// But what was measured in between keeps its place.
	state := timeline.Event{Op: timeline.State, Text: "both lie in the queue"}
	late := draw(t, events(send("client", "a"), send("client", "b"), state, recv("server", "a"), recv("server", "b")), timeline.Style{})
	require.Less(t, strings.Index(late, `send 1 "b"`), strings.Index(late, "both lie"))
	require.Less(t, strings.Index(late, "both lie"), strings.Index(late, `recv 1 "a"`))
}

func draw(t *testing.T, es []timeline.Event, st timeline.Style) string {
	var b strings.Builder
	require.NoError(t, timeline.Text(&b, es, st))
	return b.String()
}

// What was moved below something later keeps its own time; what happened at once gets one time.
func TestClockOfMovedRows(t *testing.T) {
	at := func(us int64, e timeline.Event) timeline.Event { e.US = us; return e }
	note := func(text string) timeline.Event {
		return timeline.Event{Side: "server", Op: timeline.Note, Text: text}
	}
	out := draw(t, events(
		at(0, note("begins")),
		at(100_000, note("still waits")),
		at(310_100, timeline.Event{Side: "client", Conn: "tcp1", Op: timeline.Timeout}),
		at(309_500, note("at once")),
		at(400_000, note("ends")),
	), timeline.Style{Width: 80})
	var rows []string
	for line := range strings.Lines(out) {
		rows = append(rows, strings.Join(strings.Fields(line), " "))
	}
	require.Equal(t, []string{
		"ms client server",
		"310.1 recv: nothing until the deadline",
		"0.0 begins",
		"100.0 still waits",
		"310.1 at once",
		"400.0 ends",
	}, rows)
}

// crowd is a conversation of a server with many clients, each in a lane of its own.
func crowd(clients int) []timeline.Event {
	var es []timeline.Event
	for i := range clients {
		side, conn := fmt.Sprintf("client %02d", i+1), fmt.Sprintf("tcp%d", i+1)
		es = append(es,
			timeline.Event{Side: side, Conn: conn, Op: timeline.Send, Data: []byte("a message that is too long")},
			timeline.Event{Side: "server", Conn: conn, Op: timeline.Recv, Data: []byte("a message that is too long")},
			timeline.Event{Side: "server", Conn: conn, Op: timeline.Send, Data: []byte("an answer that is too long")},
			timeline.Event{Side: side, Conn: conn, Op: timeline.Timeout, Err: "i/o timeout"})
	}
	return events(append(es, timeline.Event{Op: timeline.Verdict, Text: "a verdict"})...)
}

// With many lanes a picture gets wider, and every lane can still be read.
func TestManyLanes(t *testing.T) {
	for _, lanes := range []int{4, 5, 6, 15, 40} {
		es := crowd(lanes - 1)
		for _, ascii := range []bool{false, true} {
			lines := strings.Split(draw(t, es, timeline.Style{Width: 60, ASCII: ascii, Box: true}), "\n")
			server := strings.Index(lines[0], "server")
			require.Equal(t, 8+17*(lanes-1), server, "in columns")
			for _, line := range lines {
				require.LessOrEqual(t, timeline.Width(line), 17*lanes+3)
				if before, _, ok := strings.Cut(line, "recv 26"); ok {
					require.Equal(t, server, timeline.Width(before))
				}
			}
		}
		var b strings.Builder
		require.NoError(t, timeline.SVG(&b, []timeline.Scene{{Title: "crowd", Events: es}}))
		var width, x, at float64
		_, err := fmt.Sscanf(b.String(), `<svg xmlns="http://www.w3.org/2000/svg" width="%f"`, &width)
		require.NoError(t, err)
		require.Equal(t, lanes > 5, width > 960)
		seen := 0
		for line := range strings.Lines(b.String()) {
			if !strings.Contains(line, `class="side"`) {
				continue
			}
			_, err := fmt.Sscanf(line, `<text x="%f"`, &at)
			require.NoError(t, err)
			require.True(t, seen == 0 || at > x+100, "pixels between two lanes: %v and %v", x, at)
			x = at
			seen++
		}
		require.Equal(t, lanes, seen)
		require.Less(t, x+100, width, "the last lane is in the picture")
		require.Contains(t, b.String(), `send 26 &#34;a`, "enough of it to be read")
	}
}

// Wide, combining and invisible characters do not push the lanes apart.
func TestAligned(t *testing.T) {
	for _, text := range []string{"plain", "你好，世界", "한국어", "ｆｕｌｌ", "é and e\u0301", "😀😀", "a\u200db", "\u202eabc", "\xff\xfe", "\x1b[31mred", "a\tb", strings.Repeat("长", 100)} {
		es := events(send("client", text), recv("server", text), send("server", text), timeline.Event{Side: "server", Op: timeline.Note, Text: "here"})
		for _, width := range []int{60, 80, 100, 120} {
			for _, box := range []bool{false, true} {
				out := draw(t, es, timeline.Style{Width: width, Box: box})
				lines := strings.Split(strings.TrimSuffix(out, "\n"), "\n")
				lane := strings.Index(lines[0], "server")
				for _, line := range lines {
					require.LessOrEqual(t, timeline.Width(line), width, line)
				}
				for _, line := range lines[1:] {
					if strings.Contains(line, "recv") || strings.Contains(line, "here") {
						word := max(strings.Index(line, "recv"), strings.Index(line, "here"))
						require.Equal(t, lane, timeline.Width(line[:word]), "in columns:\n%s", out)
					}
				}
				require.NotContains(t, out, "\x1b", "a peer cannot send control characters to the terminal")
				require.NotContains(t, out, "\u202e")
			}
		}
	}
}

func TestStyles(t *testing.T) {
	es := events(send("client", "héllo 你好"), recv("server", "héllo 你好"), timeline.Event{Op: timeline.Verdict, Text: "all is well …"})
	require.NotRegexp(t, `[^\x00-\x7f]`, draw(t, es, timeline.Style{Width: 80, ASCII: true, Box: true}))
	require.Contains(t, draw(t, es, timeline.Style{Width: 80}), "-> recv")
	require.Contains(t, draw(t, es, timeline.Style{Width: 80, Box: true}), "─▶ recv")
	colour := draw(t, es, timeline.Style{Width: 80, Color: true})
	require.Contains(t, colour, "\x1b[32msend")
	require.Equal(t, strings.Count(colour, "\x1b["), 2*strings.Count(colour, "\x1b[0m"), "each colour is ended")
	require.Error(t, timeline.Text(full{}, es, timeline.Style{}))
}

func TestFolded(t *testing.T) {
	var es []timeline.Event
	for range 500 {
		es = append(es, timeline.Event{Side: "server", Conn: "tcp1", Op: timeline.EOF}, send("server", ""))
	}
	out := draw(t, events(es...), timeline.Style{Width: 80})
	require.Contains(t, out, "these 2, 499 more times")
	require.Less(t, strings.Count(out, "\n"), 6)
	require.Contains(t, strings.Join(timeline.Verdicts(es), "\n"), "server read end of file 500 times")
}

func TestPreview(t *testing.T) {
	for in, want := range map[string]string{
		"hello":                       "hello",
		"a\nb\tc\r":                   `a\nb\tc\r`,
		"\x00\x07\x7f\xff":            `\x00\x07\x7f\xff`,
		"\x05\x00\x00\x00":            `\x05\x00\x00\x00`,
		"你好":                          "你好",
		"\u200b\u202e":                `\u200b\u202e`,
		`say "hi" \ back`:             `say "hi" \ back`,
		strings.Repeat("a", 300):      strings.Repeat("a", 256) + "…",
		strings.Repeat("中", 100):      strings.Repeat("中", 85) + "…",
		"x" + strings.Repeat("中", 85): "x" + strings.Repeat("中", 85),
	} {
		require.Equal(t, want, timeline.Preview([]byte(in)))
	}
}

// The picture is XML of its own, with nothing in it that a peer could have smuggled in.
func TestSVG(t *testing.T) {
	evil := `</text><script>alert(1)</script> & "'` + "\x00\x1b\xff]]>"
	es := events(send("client", evil), recv("server", evil), send("server", "你好"),
		timeline.Event{Op: timeline.State, Text: evil}, timeline.Event{Side: "client", Op: timeline.Note, Text: evil}, timeline.Event{Op: timeline.Verdict, Text: evil})
	var b strings.Builder
	require.NoError(t, timeline.SVG(&b, []timeline.Scene{{Title: evil, Events: es}, {Title: "two", Events: es}}))
	dec := xml.NewDecoder(strings.NewReader(b.String()))
	for {
		token, err := dec.Token()
		if errors.Is(err, io.EOF) {
			break
		}
		require.NoError(t, err)
		if start, ok := token.(xml.StartElement); ok {
			require.Contains(t, []string{"svg", "title", "style", "rect", "text", "line", "path"}, start.Name.Local)
			for _, a := range start.Attr {
				require.NotContains(t, []string{"href", "onload", "src"}, a.Name.Local)
			}
		}
	}
	require.Equal(t, 1, strings.Count(b.String(), "http"), "the name of the format, and no address to fetch")
}
