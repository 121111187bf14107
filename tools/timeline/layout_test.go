package timeline_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"socketbook/tools/timeline"
)

// laid is a picture in short: of each row its cells, "lane words "data" label", joined by an arrow.
func laid(p timeline.Picture) []string {
	arrows := map[timeline.Arrow]string{
		timeline.Leaves: " .", timeline.Arrives: " <", timeline.Lost: " x",
	}
	var rows []string
	for _, r := range p.Rows {
		var cells []string
		for _, c := range r.Cells {
			s := "· " + c.Words
			if c.Lane >= 0 {
				s = p.Lanes[c.Lane] + " " + c.Words
			}
			if c.Data != "" {
				s += fmt.Sprintf(" %q", c.Data)
			}
			if c.Label != "" {
				s += " (" + c.Label + ")"
			}
			cells = append(cells, s+arrows[c.Arrow])
		}
		rows = append(rows, strings.Join(cells, " -> ")+r.Folded())
	}
	return rows
}

// body is a picture without the line that names its connection.
func body(es []timeline.Event) []string {
	return slices.DeleteFunc(
		laid(timeline.Lay(es)),
		func(s string) bool { return strings.HasPrefix(s, "· a connection") },
	)
}

// P1: rows stand in the order of their times, whichever order the events are in, and none is altered.
func TestRowsInOrder(t *testing.T) {
	es := play(
		at(100, 900, timeline.Event{Side: "c", Conn: "tcp1", Op: timeline.Dial, Text: "x"}),
		at(50, 400, timeline.Event{Side: "s", Conn: "tcp1", Op: timeline.Accept}),
		at(450, 800, send("c", "hi")),
		at(410, 600, recv("s", "hi")),
		at(700, 701, does("c", timeline.Close)),
		at(620, 750, does("s", timeline.EOF)),
		at(760, 760, note("s", "over")),
	)
	want := []string{
		"c dial x -> s accept", `c send 2 "hi" (A) -> s recv 2 "hi" (A)`, "c close -> s end of file", "s over",
	}
	reversed := slices.Clone(es)
	slices.Reverse(reversed)
	for _, es := range [][]timeline.Event{es, reversed} {
		p := timeline.Lay(es)
		require.Equal(t, want, laid(p))
		var times []int64
		for _, r := range p.Rows {
			times = append(times, r.US)
		}
		require.Equal(t, []int64{100, 450, 700, 760}, times)
	}
}

// P1: of what happened in the same microsecond, which no recorder writes, the cause stands first.
func TestTies(t *testing.T) {
	es := play(at(50, 100, recv("s", "hi")), at(100, 100, send("c", "hi")))
	require.Equal(t, []string{`c send 2 "hi" (A) -> s recv 2 "hi" (A)`}, body(es))
}

// P2 and P8: what a read took, by letters.
func TestLettersAndArrows(t *testing.T) {
	long := strings.Repeat("x", 3000)
	for _, test := range []struct {
		name, conn, script string
		want               []string
	}{
		{"whole", "tcp1", ">hi <hi", []string{`c send 2 "hi" (A) -> s recv 2 "hi" (A)`}},
		{"leftwards", "tcp1", "}hi {hi", []string{`s send 2 "hi" (A) -> c recv 2 "hi" (A)`}},
		{"glued", "tcp1", ">hello >world <helloworld", []string{
			`c send 5 "hello" (A) .`, `c send 5 "world" (B) .`, `s recv 10 "helloworld" (A+B) <`,
		}},
		{"cut", "tcp1", ">hello <h <ello", []string{
			`c send 5 "hello" (A) .`, `s recv 1 "h" (A[0]) <`, `s recv 4 "ello" (A[1–4]) <`,
		}},
		{"glued and cut", "tcp1", ">hello >world <hellow <orld", []string{
			`c send 5 "hello" (A) .`, `c send 5 "world" (B) .`,
			`s recv 6 "hellow" (A+B[0]) <`, `s recv 4 "orld" (B[1–4]) <`,
		}},
		{"residue", "tcp1", ">" + long + " <" + long[:1024] + " <" + long[:1024], []string{
			`c send 3000 "` + long[:256] + `…" (A) .`,
			`s recv 1024 "` + long[:256] + `…" (A[0–1023]) <`, `s recv 1024 "` + long[:256] + `…" (A[1024–2047]) <`,
		}},
		{"many pieces", "tcp1", ">a >b >c >d <abcd", []string{
			`c send 1 "a" (A) .`, `c send 1 "b" (B) .`, `c send 1 "c" (C) .`, `c send 1 "d" (D) .`,
			`s recv 4 "abcd" (A+B+C+D) <`,
		}},
		{"more pieces than a label names", "tcp1", ">a >b >c >d >e <abcde", []string{
			`c send 1 "a" (A) .`, `c send 1 "b" (B) .`, `c send 1 "c" (C) .`, `c send 1 "d" (D) .`,
			`c send 1 "e" (E) .`,
			`s recv 5 "abcde" (A+B+…+E) <`,
		}},
		{"something in between", "tcp1", ">a }x <a {x", []string{
			`c send 1 "a" (A) .`, `s send 1 "x" (B) .`, `s recv 1 "a" (A) <`, `c recv 1 "x" (B) <`,
		}},
		{"other bytes", "tcp1", ">ab <xx", []string{`c send 2 "ab" (A) .`, `s recv 2 "xx"`}},
		{"nothing", "tcp1", ">_ <x", []string{`c send 0 bytes`, `s recv 1 "x"`}},
		{"overtaken", "udp1", ">a >b <b <a", []string{
			`c send 1 "a" (A) .`, `c send 1 "b" (B) -> s recv 1 "b" (B)`, `s recv 1 "a" (A) <`,
		}},
		{"twice", "udp1", ">a <a <a", []string{`c send 1 "a" (A) -> s recv 1 "a" (A)`, `s recv 1 "a" (A) <`}},
		{"equal", "udp1", ">a >a <a <a", []string{
			`c send 1 "a" (A) .`, `c send 1 "a" (B) .`, `s recv 1 "a" (one of A, B) <`, `s recv 1 "a" (one of A, B) <`,
		}},
		{"empty", "udp1", ">_ <_", []string{`c send 0 bytes (A) -> s recv 0 bytes (A)`}},
		{"cut short", "udp1", ">abcd <ab", []string{`c send 4 "abcd" (A) .`, `s recv 2 "ab" (A[0–1]) <`}},
		{"cut short, one of", "udp1", ">abcd >abxy <ab", []string{
			`c send 4 "abcd" (A) .`, `c send 4 "abxy" (B) .`, `s recv 2 "ab" (one of A, B[0–1]) <`,
		}},
	} {
		t.Run(test.name, func(t *testing.T) {
			es := talk(test.conn, test.script)
			for i := range es {
				es[i].Side = es[i].Side[:1]
			}
			got := slices.DeleteFunc(
				laid(timeline.Lay(es)),
				func(s string) bool { return s[0] != 'c' && s[0] != 's' },
			)
			require.Equal(t, test.want, got)
		})
	}
}

func TestLetters(t *testing.T) {
	var es []timeline.Event
	for i := range 26*27 + 2 {
		es = append(es, send("c", fmt.Sprint(i)))
	}
	p := timeline.Lay(play(es...))
	for i, want := range map[int]string{
		0: "A", 25: "Z", 26: "AA", 27: "AB", 51: "AZ", 52: "BA", 26*27 - 1: "ZZ", 26 * 27: "AAA",
	} {
		require.Equal(t, want, p.Rows[i+1].Cells[0].Label)
	}
	require.Equal(t, 27, p.Rows[28].Cells[0].Bytes[0].Send)
}

// Many equal datagrams: the first three are named, or the first and the last.
func TestOneOfMany(t *testing.T) {
	read := func(script string) timeline.Cell {
		p := timeline.Lay(talk("udp1", script))
		return p.Rows[len(p.Rows)-1].Cells[0]
	}
	require.Equal(t, "one of A, B, C", read(">a >a >a <a").Label)
	c := read(">a >a >a >a >a <a")
	require.Equal(t, "one of A…E", c.Label)
	require.Equal(
		t,
		[]timeline.Bytes{{Send: 0, Names: []string{"A", "B", "C", "E"}, To: 1, Of: 1}},
		c.Bytes,
	)
	require.Equal(t, []string{"A", "B", "C", "D"}, read(">a >a >a >a <a").Bytes[0].Names)
}

// P3: bytes that nobody read are marked, and named in a sentence.
func TestNeverRead(t *testing.T) {
	p := timeline.Lay(talk("tcp1", ">hello >x >yz <he"))
	require.Equal(t, "never read: A[2–4], B and C", p.Unread)
	require.Equal(t, []timeline.Bytes{
		{Names: []string{"A"}, From: 0, To: 2, Of: 5},
		{Names: []string{"A"}, From: 2, To: 5, Of: 5, Unread: true},
	}, p.Rows[1].Cells[0].Bytes)
	require.Equal(t, timeline.Leaves, p.Rows[1].Cells[0].Arrow)
	require.Equal(
		t,
		[]timeline.Bytes{{Send: 1, Names: []string{"B"}, To: 1, Of: 1, Unread: true}},
		p.Rows[2].Cells[0].Bytes,
	)
	require.Equal(t, timeline.Lost, p.Rows[2].Cells[0].Arrow)

	require.Empty(t, timeline.Lay(talk("tcp1", ">hello <hello")).Unread)
	one := timeline.Lay(play(send("c", "x")))
	require.Empty(t, one.Unread, "nobody knows what the other side read")
	require.Equal(t, timeline.NoArrow, one.Rows[1].Cells[0].Arrow)
	require.Equal(t, -1, one.Rows[1].Cells[0].Peer)
	require.Equal(t, "never read: A", timeline.Lay(talk("tcp1", ">hello }x {x")).Unread)
	require.Equal(t, "never read: A[4]", timeline.Lay(talk("tcp1", ">hello <hell")).Unread)
	require.Equal(
		t,
		"never read: A, B, C, D, E, F and 2 more",
		timeline.Lay(talk("tcp1", ">1 >2 >3 >4 >5 >6 >7 >8 }x {x")).Unread,
	)
	require.Equal(
		t,
		"never read: A and C[2–3]",
		timeline.Lay(talk("udp1", ">_ >x >abcd <x <ab")).Unread,
	)
	require.Equal(t, "never read: 1 of A, B", timeline.Lay(talk("udp1", ">x >x <x")).Unread)
	require.Equal(
		t,
		"never read: 3 of A…D and E",
		timeline.Lay(talk("udp1", ">x >x >x >x >y <x")).Unread,
	)
	require.Empty(t, timeline.Lay(talk("udp1", ">x >x <x <x")).Unread)
	require.Empty(t, timeline.Lay(talk("udp1", ">x >y <z")).Unread, "one of them may have been changed")
	c := timeline.Lay(talk("udp1", ">x >x <x")).Rows[1].Cells[0]
	require.Equal(t, timeline.Leaves, c.Arrow)
	require.False(t, c.Bytes[0].Unread)
}

// P4: a call that takes 10 ms has a row for its begin and one for its return; a read that returns 10 ms
// after its send has a row of its own.
func TestWaits(t *testing.T) {
	const ms = 1000
	row := func(es ...timeline.Event) []string { return body(play(es...)) }
	hi := at(20*ms, 20*ms+5, send("c", "hi"))
	require.Equal(t, []string{`c send 2 "hi" (A) -> s recv 2 "hi" (A)`},
		row(hi, at(20*ms+1, 30*ms-1, recv("s", "hi"))))
	require.Equal(t, []string{`c send 2 "hi" (A) .`, `s recv 2 "hi" (A) <`},
		row(hi, at(20*ms+1, 30*ms, recv("s", "hi"))))
	require.Equal(
		t,
		[]string{"s recv: waiting", `c send 2 "hi" (A) -> s recv 2 "hi" (A, after 20.0 ms)`},
		row(hi, at(10*ms, 30*ms-1, recv("s", "hi"))),
	)
	require.Equal(
		t,
		[]string{"s recv: waiting", `c send 2 "hi" (A) .`, `s recv 2 "hi" (A, after 150 ms) <`},
		row(hi, at(10*ms, 160*ms, recv("s", "hi"))),
	)
	require.Equal(
		t,
		[]string{`c send 2 "hi" (A)`, "c send: all taken, after 40.0 ms"},
		row(at(1, 40*ms, send("c", "hi"))),
	)
	require.Equal(t, []string{`c send 2 "hi" (A)`}, row(at(1, 10*ms, send("c", "hi"))))
	require.Equal(
		t,
		[]string{`c send 2 "hi" (A)`, "c send: all taken, after 10.0 ms"},
		row(at(1, 10*ms+1, send("c", "hi"))),
	)
	require.Equal(t, []string{"s recv: waiting", "s recv: nothing until the deadline, after 20.0 ms"},
		row(at(1, 20*ms, fails("s", timeline.Timeout, "x"))))
	require.Equal(
		t,
		[]string{"s recv: waiting", "s recv: gone, after 20.0 ms"},
		row(at(1, 20*ms, fails("s", timeline.Reset, "gone"))),
	)
	require.Equal(
		t,
		[]string{"s recv: waiting", "s end of file, after 20.0 ms"},
		row(at(1, 20*ms, does("s", timeline.EOF))),
	)
	require.Equal(
		t,
		[]string{"s accept: waiting", "s accept, after 20.0 ms"},
		row(at(1, 20*ms, does("s", timeline.Accept))),
	)
	require.Equal(
		t,
		[]string{"s close", "s close returns, after 20.0 ms"},
		row(at(1, 20*ms, does("s", timeline.Close))),
	)
	dial := timeline.Event{Side: "c", Conn: "tcp1", Op: timeline.Dial, Text: "x"}
	require.Equal(t, []string{"c dial x", "c dial: connected, after 20.0 ms"}, row(at(1, 20*ms, dial)))
	accept := at(2, 5, does("s", timeline.Accept))
	require.Equal(
		t,
		[]string{"c dial x", "s accept", "c dial: connected, after 20.0 ms"},
		row(at(1, 20*ms, dial), accept),
	)

	// A call that has not returned.
	require.Equal(t, []string{"s recv: waiting"}, row(at(5, 0, does("s", timeline.Recv))))
	require.Equal(
		t,
		[]string{"s accept: waiting"},
		row(at(5, 0, timeline.Event{Side: "s", Op: timeline.Accept})),
	)
	require.Equal(t, []string{`c send: waiting "hi" (A)`}, row(at(5, 0, timeline.Event{
		Side: "c", Conn: "tcp1", Op: timeline.Send, Data: []byte("hi"), Text: "hi",
	})))
	require.Equal(t, []string{"c close"}, row(at(5, 0, does("c", timeline.Close))))
	blocked := at(5, 0, does("c", timeline.Send))
	got := laid(timeline.Lay(play(blocked, at(6, 9, recv("s", "ab")), at(10, 20, recv("s", "c")))))
	require.Equal(
		t,
		[]string{"c send: waiting (A) .", `s recv 2 "ab" (A[0–1]) <`, `s recv 1 "c" (A[2]) <`},
		got[1:],
	)
}

// A send or a dial that fails has two rows: it may have had its effect before.
func TestFailures(t *testing.T) {
	dial := timeline.Event{Side: "c", Op: timeline.Dial, Text: "x:1", Err: "refused"}
	require.Equal(t, []string{"c dial x:1", "c dial: refused"}, body(play(dial)))
	failed := fails("c", timeline.Send, "broken pipe")
	failed.Data, failed.Text = []byte("hello"), "hello"
	part := failed
	require.Equal(
		t,
		[]string{`c send "hello"`, "c send: broken pipe"},
		body([]timeline.Event{at(1, 2, failed)}),
	)
	part.N = 2
	es := play(at(1, 2, part), recv("s", "h"))
	require.Equal(
		t,
		[]string{
			`c send "hello" (A) .`,
			"c send: 2 bytes taken, then: broken pipe",
			`s recv 1 "h" (A[0]) <`,
		},
		body(es),
	)
	early := body(play(at(1, 9, part), at(2, 5, recv("s", "he"))))
	require.Len(t, early, 3, "what came of a send that failed stands apart")
	p := timeline.Lay(es)
	require.Equal(t, timeline.Plain, p.Rows[1].Cells[0].Tone)
	require.Equal(t, timeline.Bad, p.Rows[2].Cells[0].Tone)
	require.Equal(t, "never read: A[1]", p.Unread)
	require.Equal(t, []string{"c close: odd"}, body(play(fails("c", timeline.Close, "odd"))))
	require.Equal(
		t,
		[]string{"s accept: too many"},
		body(play(fails("s", timeline.Accept, "too many"))),
	)
	require.Equal(t, []string{"s recv: odd"}, body(play(fails("s", timeline.Recv, "odd"))))
	long := fails("s", timeline.Recv, "message too long")
	long.Data = []byte("ab")
	got := laid(timeline.Lay(play(on("udp1", send("c", "abcd"), long)...)))
	require.Equal(t, `s recv 2: message too long "ab" (A[0–1]) <`, got[2], "as Windows says it")
}

func TestTones(t *testing.T) {
	for _, test := range []struct {
		e    timeline.Event
		tone timeline.Tone
	}{
		{send("c", "x"), timeline.Plain},
		{recv("c", "x"), timeline.Plain},
		{does("c", timeline.Close), timeline.Plain},
		{does("c", timeline.EOF), timeline.Plain},
		{timeline.Event{Side: "c", Conn: "tcp1", Op: timeline.State, Text: "sets"}, timeline.Plain},
		{fails("c", timeline.Close, "x"), timeline.Bad},
		{fails("c", timeline.Recv, "x"), timeline.Bad},
		{fails("c", timeline.Accept, "x"), timeline.Bad},
		{does("c", timeline.Timeout), timeline.Bad},
		{does("c", timeline.Reset), timeline.Bad},
		{note("c", "x"), timeline.Said},
		{timeline.Event{Op: timeline.State, Text: "x"}, timeline.Remark},
		{at(5, 0, does("c", timeline.Recv)), timeline.Waiting},
		{at(5, 0, does("c", timeline.Send)), timeline.Plain},
	} {
		p := timeline.Lay(play(test.e))
		require.Equal(t, test.tone, p.Rows[len(p.Rows)-1].Cells[0].Tone, "%v", test.e)
	}
	slow := timeline.Lay(play(at(1, 20_000, does("c", timeline.Recv)))).Rows
	require.Equal(t, timeline.Remark, slow[0].Cells[0].Tone, "the line that names the connection")
	require.Equal(t, timeline.Waiting, slow[1].Cells[0].Tone)
	require.Equal(t, timeline.Plain, slow[2].Cells[0].Tone)
	dial := timeline.Lay(play(at(1, 20_000, does("c", timeline.Dial)))).Rows
	require.Equal(t, timeline.Plain, dial[0].Cells[0].Tone)
}

// Rows that come again are folded; a wait, a letter that is not certain, or less than four are not.
func TestFold(t *testing.T) {
	var es []timeline.Event
	for range 10 {
		es = append(es, note("c", "spins"))
	}
	p := timeline.Lay(play(es...))
	require.Len(t, p.Rows, 1)
	require.Equal(
		t,
		[]any{9, 1, int64(1000)},
		[]any{p.Rows[0].Again, p.Rows[0].Period, p.Rows[0].Until},
	)
	require.Equal(t, []string{"c spinsthe same 9 more times, until 1.0 ms"}, laid(p))
	require.Len(t, timeline.Lay(play(es[:4]...)).Rows, 1)
	require.Len(t, timeline.Lay(play(es[:3]...)).Rows, 3)

	spin := []timeline.Event{does("s", timeline.EOF), send("s", "x"), note("s", "y"), note("s", "z")}
	for period := 1; period <= 4; period++ {
		for _, more := range []int{0, 1} {
			es := slices.Repeat(spin[:period], 500)
			es = append(es, spin[:min(more, period-1)]...)
			p := timeline.Lay(play(append(es, note("s", "end"))...))
			last := p.Rows[period]
			require.Equal(t, []int{499, period}, []int{last.Again, last.Period})
			require.Equal(t, int64(100*500*period), last.Until)
			require.Len(t, p.Rows, 1+period+min(more, period-1)+1)
		}
	}
	five := append(slices.Clone(spin), note("s", "5"))
	require.Len(t, timeline.Lay(play(slices.Repeat(five, 10)...)).Rows, 51, "a period of 5")

	// What differs is not folded.
	for name, change := range map[string]func(i int, e *timeline.Event){
		"words": func(i int, e *timeline.Event) { e.Text = fmt.Sprint(i) },
		"side":  func(i int, e *timeline.Event) { e.Side = fmt.Sprint(i) },
		"data":  func(i int, e *timeline.Event) { e.Data = []byte{byte(i)} },
		"waits": func(i int, e *timeline.Event) { e.US, e.End = int64(i+1)*10_000, int64(i+1)*10_000 },
	} {
		es := slices.Repeat([]timeline.Event{note("s", "x")}, 9)
		for i := range es {
			change(i, &es[i])
		}
		require.Len(t, timeline.Lay(play(es...)).Rows, 9, name)
	}
	close := func(i int) timeline.Event { return at(int64(i+1)*9_999, int64(i+1)*9_999, note("s", "x")) }
	require.Len(
		t,
		timeline.Lay(play(close(0), close(1), close(2), close(3))).Rows,
		1,
		"less than 10 ms apart",
	)
	var slow []timeline.Event
	for i := range int64(9) {
		slow = append(slow, at(i*5_000+1, i*5_000+10_001, does("s", timeline.EOF)))
	}
	require.Len(t, timeline.Lay(play(slow...)).Rows, 19, "calls that take 10 ms")
}

// Sends of which some bytes were not read are not folded with others, nor reads that are not certain
// with those that are, nor what is on another connection.
func TestFoldBytes(t *testing.T) {
	rows := func(conn, script string) int { return len(timeline.Lay(talk(conn, script)).Rows) - 1 }
	require.Equal(t, 1, rows("tcp1", ">a <a >a <a >a <a >a <a >a <a"))
	require.Equal(t, 2, rows("tcp1", ">a >a >a >a >a <aaaaa"))
	require.Equal(t, 6, rows("tcp1", ">a >a >a >a >a <aaa"), "two of them were not read")
	require.Equal(t, 8, rows("tcp1", ">aaaa <a <a <a <a >b >c >d"), "different bytes of a send")
	require.Equal(t, 5, rows("udp1", ">a >a >a >a <a <a <a <a >a <a >a <a >a <a"))
	var es []timeline.Event
	for i := range 4 {
		es = append(es, on(fmt.Sprintf("tcp%d", i), does("c", timeline.Close))...)
	}
	require.Len(t, timeline.Lay(play(es...)).Rows, 8)
}

// P5: remarks stand in no lane.
func TestRemarks(t *testing.T) {
	p := timeline.Lay(play(send("c", "x"), timeline.Event{Op: timeline.State, Text: "all is quiet"}))
	c := p.Rows[2].Cells[0]
	require.Equal(t, -1, c.Lane)
	require.Equal(t, "all is quiet", c.Words)
	require.Equal(t, []string{"c"}, p.Lanes)
	require.Equal(t, -1, p.Rows[0].Cells[0].Lane)
}

// P6: a connection begins with its dial or accept, or with a line that names it. Of several each says
// which it is; a side that has two at the same time says so in each row.
func TestConnections(t *testing.T) {
	dial := func(conn string) timeline.Event {
		return on(conn, timeline.Event{Side: "c", Op: timeline.Dial, Text: "x"})[0]
	}
	accept := func(conn string) timeline.Event {
		return on(conn,
			timeline.Event{Side: "s", Op: timeline.Accept})[0]
	}
	talkOn := func(conn string) []timeline.Event { return on(conn, send("c", "x"), recv("s", "x")) }
	require.Equal(
		t,
		[]string{"c dial x -> s accept", `c send 1 "x" (A) -> s recv 1 "x" (A)`},
		laid(
			timeline.Lay(
				play(append([]timeline.Event{dial("tcp1"), accept("tcp1")}, talkOn("tcp1")...)...),
			),
		),
	)
	require.Equal(t, []string{"· a connection between c and s", `c send 1 "x" (A) -> s recv 1 "x" (A)`},
		laid(timeline.Lay(play(talkOn("tcp1")...))))
	require.Equal(t, []string{"· datagrams between c and s", `c send 1 "x" (A) -> s recv 1 "x" (A)`},
		laid(timeline.Lay(play(talkOn("udp1")...))))
	require.Equal(
		t,
		[]string{"· a connection of c", `c send 1 "x" (A)`},
		laid(timeline.Lay(play(send("c", "x")))),
	)
	require.Equal(
		t,
		"· a connection between s1, s2 and server",
		laid(timeline.Lay(play(send("server", "x"), send("s2", "x"), send("s1", "x"))))[0],
	)

	// One after the other.
	require.Equal(t, []string{
		"c dial x (tcp1) -> s accept (tcp1)", `c send 1 "x" (A) -> s recv 1 "x" (A)`,
		"· tcp2: a connection between c and s", `c send 1 "x" (B) -> s recv 1 "x" (B)`,
	}, laid(timeline.Lay(play(slices.Concat([]timeline.Event{dial("tcp1"), accept("tcp1")},
		talkOn("tcp1"), talkOn("tcp2"))...))))

	// At the same time.
	one, two := talkOn("tcp1"), talkOn("tcp2")
	require.Equal(t, []string{
		"· tcp1: a connection between c and s", `c send 1 "x" (A, tcp1) .`,
		"· tcp2: a connection between c and s", `c send 1 "x" (B, tcp2) -> s recv 1 "x" (B, tcp2)`,
		`s recv 1 "x" (A, tcp1) <`, "c close (tcp1)", "c close (tcp2)",
	}, laid(timeline.Lay(play(
		at(10, 20, one[0]), at(30, 40, two[0]), at(35, 50, two[1]), at(15, 60, one[1]),
		on("tcp1", does("c", timeline.Close))[0], on("tcp2", does("c", timeline.Close))[0],
	))))

	// A long one around two short ones; the other side of one of them has no other.
	outer := on("tcp1", send("c", "a"), recv("c", "z"))
	got := laid(
		timeline.Lay(play(slices.Concat(outer[:1], talkOn("tcp2"), talkOn("tcp3"), outer[1:])...)),
	)
	require.Equal(t, `c send 1 "x" (B, tcp2) -> s recv 1 "x" (B)`, got[3])
	require.Equal(t, `c send 1 "x" (C, tcp3) -> s recv 1 "x" (C)`, got[5])
	require.Equal(t, `c recv 1 "z" (tcp1)`, got[6])
	// A send that returns late keeps its connection open.
	got = laid(
		timeline.Lay(
			play(at(100, 900, outer[0]), at(150, 200, outer[1]), at(500, 600, talkOn("tcp2")[0])),
		),
	)
	require.Contains(t, got, `c send 1 "x" (B, tcp2)`)
}

// A dial that failed has no connection, and one that is not told by a dial on record is named.
func TestDialOfAnother(t *testing.T) {
	failed := timeline.Event{Side: "c", Op: timeline.Dial, Text: "x", Err: "refused"}
	require.Equal(t, []string{"c dial x", "c dial: refused", "· a connection of c", `c send 1 "x" (A)`},
		laid(timeline.Lay(play(failed, send("c", "x")))))
}

// Effects stand beside their causes if they follow at once, and nowhere else.
func TestJoined(t *testing.T) {
	for _, test := range []struct {
		name   string
		events []timeline.Event
		want   []string
	}{
		{"close", play(does("c", timeline.Close), does("s", timeline.EOF)), []string{"c close -> s end of file"}},
		{"both close", play(does("c", timeline.Close), does("s", timeline.Close)), []string{"c close", "s close"}},
		{
			"half-close", play(does("c", timeline.CloseWrite), does("s", timeline.EOF)),
			[]string{"c close the writing half -> s end of file"},
		},
		{
			"reset", play(does("c", timeline.Close), fails("s", timeline.Reset, "reset")),
			[]string{"c close -> s recv: reset"},
		},
		{
			"a half-close resets nothing", play(does("c", timeline.CloseWrite), fails("s", timeline.Reset, "reset")),
			[]string{"c close the writing half", "s recv: reset"},
		},
		{
			"the end is met once", play(
				does("c", timeline.CloseWrite), does("s", timeline.EOF),
				does("c", timeline.Close), does("s", timeline.EOF),
			),
			[]string{"c close the writing half -> s end of file", "c close", "s end of file"},
		},
		{
			"the end was met elsewhere", play(
				does("c", timeline.CloseWrite), note("s", "x"), does("s", timeline.EOF),
				does("c", timeline.Close), does("s", timeline.EOF),
			),
			[]string{"c close the writing half", "s x", "s end of file", "c close", "s end of file"},
		},
		{
			"another connection", play(does("c", timeline.Close), on("tcp2", does("s", timeline.EOF))[0]),
			[]string{"c close", "· tcp2: a connection of s", "s end of file"},
		},
		{
			"the same side", play(does("c", timeline.Close), does("c", timeline.EOF)),
			[]string{"c close", "c end of file"},
		},
		{
			"a failed dial", play(
				timeline.Event{Side: "c", Conn: "tcp1", Op: timeline.Dial, Text: "x", Err: "no"},
				does("s", timeline.Accept),
			),
			[]string{"c dial x", "c dial: no", "s accept"},
		},
		{
			"three", play(does("c", timeline.Close), does("s", timeline.EOF), does("x", timeline.EOF)),
			[]string{"c close -> s end of file", "x end of file"},
		},
		{
			"later", play(at(1, 2, does("c", timeline.Close)), at(3, 10_001, does("s", timeline.EOF))),
			[]string{"c close", "s end of file"},
		},
		{
			"a listener", play(
				timeline.Event{Side: "s", Op: timeline.Close, Text: "listener"},
				timeline.Event{Side: "c", Op: timeline.EOF},
			),
			[]string{"s close the listener", "c end of file"},
		},
	} {
		t.Run(test.name, func(t *testing.T) {
			got := slices.DeleteFunc(laid(timeline.Lay(test.events)), func(s string) bool {
				return strings.HasPrefix(s, "· a connection") || strings.HasPrefix(s, "· tcp1")
			})
			require.Equal(t, test.want, got)
		})
	}
	p := timeline.Lay(play(does("c", timeline.Close), does("s", timeline.EOF)))
	a, b := p.Rows[1].Cells[0], p.Rows[1].Cells[1]
	require.Equal(
		t,
		[]any{timeline.NoArrow, 1, timeline.NoArrow, 0},
		[]any{a.Arrow, a.Peer, b.Arrow, b.Peer},
	)
}

// P7: lanes stand in natural order; who listens, or is the server, stands to the right.
func TestLanes(t *testing.T) {
	lanes := func(sides ...string) []string {
		var es []timeline.Event
		for _, s := range sides {
			es = append(es, note(s, "x"))
		}
		return timeline.Lay(play(append(es, timeline.Event{Op: timeline.State, Text: "x"})...)).Lanes
	}
	require.Equal(
		t,
		[]string{"client 1", "client 2", "client 10"},
		lanes("client 10", "client 2", "client 1"),
	)
	require.Equal(t, []string{"a", "z", "server"}, lanes("server", "z", "a"))
}

func TestNatural(t *testing.T) {
	sorted := []string{
		"", "1", "02", "2", "10", "a", "a 1", "a 1 x", "a 02", "a 2", "a 10", "a2b9", "a2b10", "a10", "ab", "b",
		"b9999999999999999999998", "b9999999999999999999999",
	}
	for range 20 {
		shuffled := slices.Clone(sorted[1:])
		for i := range shuffled {
			k := (i*7 + len(shuffled)/2) % len(shuffled)
			shuffled[i], shuffled[k] = shuffled[k], shuffled[i]
		}
		var es []timeline.Event
		for _, s := range shuffled {
			es = append(es, note(s, "x"))
		}
		require.Equal(t, sorted[1:], timeline.Lay(play(es...)).Lanes)
	}
	listening := timeline.Event{Side: "a", Op: timeline.Listen}
	accepting := timeline.Event{Side: "b", Op: timeline.Accept}
	require.Equal(
		t,
		[]string{"c", "a", "b"},
		timeline.Lay(play(listening, accepting, note("c", "x"))).Lanes,
	)
}

// What happens in words, for operations that the other tests do not show.
func TestWords(t *testing.T) {
	long := note("c", "has")
	long.Data, long.N = []byte("abc"), 300
	empty := note("c", "has")
	empty.Data = []byte{}
	for _, test := range []struct {
		e    timeline.Event
		want string
	}{
		{timeline.Event{Side: "s", Op: timeline.Listen, Text: "127.0.0.1:1"}, "s listen 127.0.0.1:1"},
		{timeline.Event{Side: "s", Op: timeline.Close, Text: "listener"}, "s close the listener"},
		{timeline.Event{Side: "c", Op: timeline.Timeout, Text: "accept"}, "c accept: nothing until the deadline"},
		{timeline.Event{Side: "c", Op: timeline.Timeout}, "c recv: nothing until the deadline"},
		{long, `c has "abc…"`},
		{empty, "c has"},
		{note("c", "has"), "c has"},
		{timeline.Event{Side: "c", Op: timeline.State, Text: "sets x"}, "c sets x"},
	} {
		require.Equal(t, []string{test.want}, laid(timeline.Lay(play(test.e))))
	}
	p := timeline.Lay(
		play(
			timeline.Event{Op: timeline.Verdict, Text: "one"},
			note("c", "x"),
			timeline.Event{Op: timeline.Verdict, Text: "two\n"},
		),
	)
	require.Equal(t, []string{"one", `two\n`}, p.Verdicts)
	require.Len(t, p.Rows, 1)
	self := timeline.Lay(play(on("udp1 to itself", send("c", "x"), recv("c", "x"))...))
	require.Equal(
		t,
		[]string{"· datagrams of c", `c send 1 "x" (A) .`, `c recv 1 "x" (A) <`},
		laid(self),
	)
	require.Equal(t, 0, self.Rows[1].Cells[0].Peer)
}
