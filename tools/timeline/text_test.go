package timeline_test

import (
	"fmt"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"socketbook/tools/timeline"
)

// story is a recording that has every kind of row.
func story() []timeline.Event {
	return play(
		timeline.Event{Side: "server", Op: timeline.Listen, Text: "127.0.0.1:1"},
		timeline.Event{Side: "client", Conn: "tcp1", Op: timeline.Dial, Text: "127.0.0.1:1"},
		timeline.Event{Side: "server", Conn: "tcp1", Op: timeline.Accept},
		send("client", "hello"),
		send("client", "world"),
		timeline.Event{Op: timeline.State, Text: "10 bytes are in the receive queue"},
		recv("server", "hellow"),
		send("server", "HI"),
		recv("client", "HI"),
		note("client", "prints it"),
		send("server", "more"),
		send("server", "and more"),
		recv("client", "mo"),
		does("client", timeline.Close),
		fails("server", timeline.Reset, "connection reset by peer"),
		timeline.Event{
			Op:   timeline.Verdict,
			Text: "a verdict that is longer than the line of the picture in which it stands at the end",
		},
	)
}

// The whole picture, in each style.
func TestPicture(t *testing.T) {
	require.Equal(t, strings.TrimPrefix(`
     ms client                                server
    0.1                                       listen 127.0.0.1:1
    0.2 dial 127.0.0.1:1 -------------------> accept
    0.4 send 5 "hello"  A ----------------.
    0.5 send 5 "world"  B ----------------.
    0.6 - 10 bytes are in the receive queue
    0.7                                   .-> recv 6 "hellow"  A+B[0]
    0.8 recv 2 "HI"  C <--------------------- send 2 "HI"  C
    1.0 prints it
    1.1                                    .- send 4 "more"  D
    1.2                                    x- send 8 "and more"  E
    1.3 recv 2 "mo"  D[0–1]               <-.
    1.4 close ------------------------------> recv: connection reset by peer
        x never read: B[1–4], D[2–3] and E
=> a verdict that is longer than the line of the picture in which it stands at
   the end
`, "\n"), draw(t, story(), timeline.Style{Width: 80}))
	require.Equal(t, strings.TrimPrefix(`
     ms client                                server
    0.1                                       listen 127.0.0.1:1
    0.2 dial 127.0.0.1:1 ───────────────────▶ accept
    0.4 send 5 "hello"  A ────────────────┈
    0.5 send 5 "world"  B ────────────────┈
    0.6 · 10 bytes are in the receive queue
    0.7                                   ┈─▶ recv 6 "hellow"  A+B[0]
    0.8 recv 2 "HI"  C ◀───────────────────── send 2 "HI"  C
    1.0 prints it
    1.1                                    ┈─ send 4 "more"  D
    1.2                                    ×─ send 8 "and more"  E
    1.3 recv 2 "mo"  D[0–1]               ◀─┈
    1.4 close ──────────────────────────────▶ recv: connection reset by peer
        × never read: B[1–4], D[2–3] and E
⇒  a verdict that is longer than the line of the picture in which it stands at
   the end
`, "\n"), draw(t, story(), timeline.Style{Width: 80, Box: true}))
	ascii := draw(t, story(), timeline.Style{Width: 80, Box: true, ASCII: true})
	require.Equal(t, strings.ReplaceAll(draw(t, story(), timeline.Style{Width: 80}), "–", "-"), ascii)
	require.NotRegexp(t, `[^\x00-\x7f]`, ascii)
	require.ErrorIs(t, timeline.Text(full{}, story(), timeline.Style{}), syscall.ENOSPC)
}

// Without room for lanes each cell has its line, and says whose it is.
func TestListed(t *testing.T) {
	want := strings.TrimPrefix(`
0.1 server:
  listen 127.0.0.1:1
0.2 client:
  dial 127.0.0.1:1
└▶ server: accept
0.4 client:
  send 5 "hello"  A
0.5 client:
  send 5 "world"  B
0.6 · 10 bytes are in
      the receive
      queue
0.7 server:
  recv 6 "hellow"
  A+B[0]
0.8 server:
  send 2 "HI"  C
└▶ client:
  recv 2 "HI"  C
1.0 client: prints it
1.1 server:
  send 4 "more"  D
1.2 server:
  send 8 "and more"  E
1.3 client:
  recv 2 "mo"  D[0–1]
1.4 client: close
└▶ server:
  recv: connection
  reset by peer
        × never read:
          B[1–4],
          D[2–3] and E
⇒  a verdict that is
   longer than the
   line of the picture
   in which it stands
   at the end
`, "\n")
	require.Equal(t, want, draw(t, story(), timeline.Style{Width: 22, Box: true}))
	narrow := draw(t, story(), timeline.Style{Width: 20})
	require.Equal(t, narrow, draw(t, story(), timeline.Style{Width: -5}), "below 20 counts as 20")
	require.Contains(t, narrow, "\n-> server: accept\n")
	require.Equal(t, "60.3 c: x\n", draw(t, play(at(60_280, 60_280, note("c", "x"))), timeline.Style{Width: 20}))
	lanes := func(width int) bool {
		return strings.HasPrefix(draw(t, story(), timeline.Style{Width: width}), "     ms")
	}
	require.False(t, lanes(40))
	require.True(t, lanes(41), "8 and twice 14 columns, and 5 between them")
}

// No line is wider than the terminal, whatever it shows, and no line of lanes is out of place.
func TestWidths(t *testing.T) {
	crowded := slices.Concat(story(), crowd(4))
	for i := range crowded {
		crowded[i].Seq = i + 1
	}
	for _, es := range [][]timeline.Event{story(), crowd(1), crowd(4), crowded} {
		for _, width := range []int{20, 33, 47, 66, 100, 150} {
			for _, st := range []timeline.Style{
				{Width: width},
				{Width: width, Box: true},
				{Width: width, ASCII: true},
			} {
				fits(t, draw(t, es, st), width)
			}
		}
	}
}

// fits fails if a line is wider than the terminal, or ends in blanks.
func fits(t *testing.T, picture string, width int) {
	t.Helper()
	for line := range strings.Lines(picture) {
		line = strings.TrimSuffix(line, "\n")
		if timeline.Width(line) > width || strings.HasSuffix(line, " ") {
			t.Fatalf("%q in %d columns", line, width)
		}
	}
}

// crowd is a conversation of a server with many clients, each in a lane of its own.
func crowd(clients int) []timeline.Event {
	var es []timeline.Event
	for i := range clients {
		side, conn := fmt.Sprintf("client %d", i+1), fmt.Sprintf("tcp%d", i+1)
		es = append(es, on(conn,
			send(side, "a message that is too long"), recv("server", "a message that is too long"),
			send("server", "an answer that is too long"), recv(side, "an answer"),
			send(side, "early"), send("server", "late"), recv("server", "early"),
			does(side, timeline.Timeout))...)
	}
	return play(append(es, timeline.Event{Op: timeline.Verdict, Text: "a verdict"})...)
}

// With many lanes each has 14 columns or more; arrows cross those in between.
func TestManyLanes(t *testing.T) {
	for _, lanes := range []int{2, 3, 4, 5, 6, 15} {
		es := crowd(lanes - 1)
		for _, extra := range []int{0, 7, 40} {
			width := 8 + 14*lanes + 5*(lanes-1) + extra
			lane := 14 + extra/lanes
			lines := strings.Split(draw(t, es, timeline.Style{Width: width, Box: true}), "\n")
			require.Equal(t, 8+(lane+5)*(lanes-1), strings.Index(lines[0], "server"))
			for i := range lanes - 1 {
				side := fmt.Sprintf("client %d", i+1)
				require.Equal(t, 8+(lane+5)*i, strings.Index(lines[0], side))
			}
			toServer, toClient := 0, 0
			for _, line := range lines[1:] {
				if before, _, ok := strings.Cut(line, "recv 26"); ok &&
					strings.Contains(line, "send 26") {
					require.Equal(t, 8+(lane+5)*(lanes-1), timeline.Width(before), line)
					arrow := between(line, `send 26`, "recv")
					require.Regexp(t, `^[^─]* ─+▶ $`, arrow)
					toServer++
				}
			}
			for i := range lanes - 1 {
				require.True(t, slices.ContainsFunc(lines, func(s string) bool {
					return strings.HasPrefix(
						s[min(len(s), 8):],
						strings.Repeat(" ", (lane+5)*i)+"recv 9",
					)
				}))
				toClient++
			}
			require.Equal(t, lanes-1, toServer)
			require.Equal(t, lanes-1, toClient)
		}
	}
}

func between(s, after, before string) string {
	_, s, _ = strings.Cut(s, after)
	s, _, _ = strings.Cut(s, before)
	return s
}

// Arrows at texts that fill their lane leave a blank.
func TestFullLanes(t *testing.T) {
	full := strings.Repeat("x", 40)
	for _, test := range []struct{ name, script, want string }{
		{"right", ">" + full + " <" + full, `send 40 "xxxxx…"  A ──▶ recv 40 "xxxxx…"  A`},
		{"left", "}" + full + " {" + full, `recv 40 "xxxxx…"  A ◀── send 40 "xxxxx…"  A`},
		{"broken, right", ">" + full + " >y <" + full + "y", `send 40 "xxxxx…"  A ┈`},
		{"lost, right", ">" + full + " }y {y", `send 40 "xxxxx…"  A ×`},
		{"broken, left", "}" + full + " }y {" + full + "y", `                     ┈─ send 40 "xxxxx…"  A`},
		{"room for a tip", "}" + full[:2] + " {" + full[:2], `recv 2 "xx"  A ◀─────── send 2 "xx"  A`},
		{"no room for a tip", "}" + full[:6] + " {" + full[:6], `recv 6 "xxxxxx"  A  ◀── send 6 "xxxxxx"  A`},
	} {
		t.Run(test.name, func(t *testing.T) {
			out := draw(t, talk("tcp1", test.script), timeline.Style{Width: 8 + 19 + 5 + 19, Box: true})
			require.Contains(t, rowsOf(out), test.want)
		})
	}
}

// Three lanes: an arrow goes over the one in the middle, both ways.
func TestOverALane(t *testing.T) {
	three := func(es ...timeline.Event) []string {
		for i := range es {
			es[i].Side = map[string]string{"client": "a", "server": "c"}[es[i].Side]
		}
		es = append(es, note("b", "x"))
		out := draw(t, play(es...), timeline.Style{Width: 8 + 3*14 + 10})
		rows := rowsOf(out)
		return rows[1 : len(rows)-1]
	}
	require.Equal(
		t,
		[]string{`send 1 "x"  A ----------------------> recv 1 "x"  A`},
		three(send("client", "x"), recv("server", "x")),
	)
	require.Equal(
		t,
		[]string{`recv 1 "x"  A  <--------------------- send 1 "x"  A`},
		three(send("server", "x"), recv("client", "x")),
	)
	require.Equal(
		t,
		[]string{`close ------------------------------> end of file`},
		three(does("client", timeline.Close), does("server", timeline.EOF)),
	)
	require.Equal(
		t,
		[]string{`end of file <------------------------ close`},
		three(does("server", timeline.Close), does("client", timeline.EOF)),
	)
}

// A cell has its preview cut first, then its label below it, then its payload.
func TestFit(t *testing.T) {
	for _, test := range []struct {
		width int
		want  []string
	}{
		{30, []string{`send 1048576 "abcdefghijk…"  A`}},
		{25, []string{`send 1048576 "abcdef…"  A`}},
		{24, []string{`send 1048576 "abcde…"  A`}},
		{23, []string{`send 1048576 "abcdefg…"`, "A"}},
		{22, []string{`send 1048576 "abcdef…"`, "A"}},
		{20, []string{`send 1048576`, `"abcdefghijklmnopq…"`, "A"}},
		{16, []string{`send 1048576`, `"abcdefghijklm…"`, "A"}},
	} {
		e := send("c", "abcdefghijklmnopqrstuvwxyz")
		e.N, e.Conn = 1<<20, ""
		out := draw(t, play(e), timeline.Style{Width: 8 + test.width, Box: true})
		require.Equal(t, test.want, rowsOf(out), "%d columns", test.width)
	}
	empty := note("c", "has")
	empty.Data = []byte{}
	require.Equal(t, []string{`has ""`}, rowsOf(draw(t, play(empty), timeline.Style{Width: 80})))
	words := rowsOf(
		draw(
			t,
			play(fails("c", timeline.Reset, "a reason of many words")),
			timeline.Style{Width: 8 + 14},
		),
	)
	require.Equal(t, []string{"recv: a reason", "of many words"}, words[len(words)-2:])
}

// The clock has room for any time.
func TestClockColumn(t *testing.T) {
	for us, want := range map[int64]string{
		100: "    0.1 x", 99_999_900: "99999.9 x", 100_000_000: " 100000 x", 9_999_999_000: "9999999 x",
		10_000_000_000: "1.0e+07 x", 1 << 62: "4.6e+15 x",
	} {
		out := draw(t, play(at(us, us, note("c", "x"))), timeline.Style{Width: 80})
		require.Equal(t, "     ms c\n"+want+"\n", out)
	}
}

// Wide, combining and invisible characters do not push the lanes apart.
func TestAligned(t *testing.T) {
	for _, text := range []string{
		"plain", "你好，世界", "한국어", "ｆｕｌｌ", "é and e\u0301", "😀😀", "a\u200db", "\u202eabc", "\xff\xfe",
		"\x1b[31mred", "a\tb", strings.Repeat("长", 100),
	} {
		es := play(
			send("client", text),
			recv("server", text),
			send("server", text),
			note("server", "here"),
		)
		for _, width := range []int{60, 80, 120} {
			for _, box := range []bool{false, true} {
				out := draw(t, es, timeline.Style{Width: width, Box: box})
				lines := strings.Split(strings.TrimSuffix(out, "\n"), "\n")
				lane := strings.Index(lines[0], "server")
				for _, line := range lines[1:] {
					if strings.Contains(line, "recv") || strings.Contains(line, "here") {
						word := max(strings.Index(line, "recv"), strings.Index(line, "here"))
						require.Equal(t, lane, timeline.Width(line[:word]), "in columns:\n%s", out)
					}
				}
				require.NotContains(
					t,
					out,
					"\x1b",
					"a peer cannot send control characters to the terminal",
				)
				require.NotContains(t, out, "\u202e")
			}
		}
	}
}

// ASCII keeps every letter of a text.
func TestASCII(t *testing.T) {
	es := play(send("client", "hé\\l\"lo 你好"), recv("server", "hé\\l\"lo 你好"), note("client", "…–ß"))
	rows := rowsOf(draw(t, es, timeline.Style{Width: 150, ASCII: true}))
	require.Contains(t, rows[1], `send 15 "h\u00e9\l"lo \u4f60\u597d"  A --`)
	require.Contains(t, rows[1], `--> recv 15 "h\u00e9\l"lo \u4f60\u597d"  A`)
	require.Equal(t, `...-\u00df`, rows[2])
	long := talk("tcp1", ">"+strings.Repeat("x", 100))
	require.Contains(t, draw(t, long, timeline.Style{Width: 40, ASCII: true}), `xxx..."  A`)
}

// Bytes have the colour of their sends.
func TestColours(t *testing.T) {
	rows := func(st timeline.Style, es []timeline.Event) []string {
		var rows []string
		for line := range strings.Lines(draw(t, es, st)) {
			line = strings.TrimSuffix(line, "\n")
			line = strings.ReplaceAll(line, "\x1b[", "⟨")
			line = strings.NewReplacer("⟨0m", "⟩", "⟨2m", "⟨dim ", "⟨1m", "⟨bold ", "⟨31m", "⟨red ", "⟨3m", "⟨italic ",
				"⟨36m", "⟨1 ", "⟨35m", "⟨2 ", "⟨32m", "⟨3 ", "⟨34m", "⟨4 ", "⟨33m", "⟨5 ").
				Replace(line)
			rows = append(rows, line)
		}
		return rows
	}
	st := timeline.Style{Width: 90, Color: true}
	got := rows(st, talk("tcp1", ">hello >world <hellow <orld"))
	require.Equal(t, []string{
		"⟨bold      ms client                                     server⟩",
		"⟨dim     0.1 - a connection between client and server⟩",
		`⟨dim     0.1 ⟩send 5 "⟨1 hello⟩"  ⟨1 A⟩ ---------------------.`,
		`⟨dim     0.2 ⟩send 5 "⟨2 world⟩"  ⟨2 B⟩ ---------------------.`,
		`⟨dim     0.3 ⟩                                       .-> recv 6 "⟨1 hello⟩⟨2 w⟩"  ⟨1 A⟩+⟨2 B[0]⟩`,
		`⟨dim     0.4 ⟩                                       .-> recv 4 "⟨2 orld⟩"  ⟨2 B[1–4]⟩`,
	}, got)
	got = rows(st, talk("tcp1", ">1 <1 >2 <2 >3 <3 >4 <4 >5 <5 >6 <6"))
	require.Contains(t, got[6], `send 1 "⟨5 5⟩"  ⟨5 E⟩ -`)
	require.Contains(t, got[7], `send 1 "⟨1 6⟩"  ⟨1 F⟩ -`, "five colours, then again")
	require.Contains(t, got[7], `> recv 1 "⟨1 6⟩"  ⟨1 F⟩`)

	all := play(
		note(
			"c",
			"says",
		),
		fails("c", timeline.Recv, "bad"),
		timeline.Event{Op: timeline.Verdict, Text: "so"},
		does("c", timeline.Close),
		at(5_000, 0, does("c", timeline.Recv)),
	)
	require.Equal(t, []string{
		"⟨bold      ms c⟩", "⟨dim     0.1 ⟩⟨italic says⟩", "⟨dim     0.2 - a connection of c⟩",
		"⟨dim     0.2 ⟩⟨red recv: bad⟩",
		"⟨dim     0.4 ⟩close", "⟨dim     5.0 ⟩⟨dim recv: waiting⟩", "⟨bold => so⟩",
	}, rows(st, all))
	require.Equal(t, "⟨dim 0.1 c: ⟩⟨italic says⟩", rows(timeline.Style{Width: 20, Color: true}, all)[0])

	middle := rows(st, talk("tcp1", ">hello >world <he <lloworld"))
	require.Contains(t, middle[5], `recv 8 "⟨1 llo⟩⟨2 world⟩"`)
	// Half a character belongs to one send, half to another: no piece of the preview is coloured
	// from there.
	split := rows(st, talk("tcp1", ">x\xe4\xbd >\xa0y <x\xe4\xbd\xa0y"))
	require.Contains(t, split[4], `recv 5 "x你y"  ⟨1 A⟩+⟨2 B⟩`)
	// A preview that is cut keeps the colours of what is seen.
	cut := rows(
		timeline.Style{Width: 70, Color: true, Box: true},
		talk("tcp1", ">abcdefghij >klmnopqrstuvwxyz <abcdefghijklmnopqrstuvwxyz"),
	)
	require.Contains(t, cut[4], `recv 26 "⟨1 abcdefghij⟩⟨2 kl…⟩"  ⟨1 A⟩+⟨2 B⟩`)
	cut = rows(
		timeline.Style{Width: 62, Color: true, Box: true},
		talk("tcp1", ">abcdefghij >klmnopqrstuvwxyz <abcdefghijklmnopqrstuvwxyz"),
	)
	require.Contains(t, cut[4], `recv 26 "⟨1 abcdefgh…⟩"  ⟨1 A⟩+⟨2 B⟩`)
	// The label below its payload has them, too.
	below := rows(
		timeline.Style{Width: 8 + 19 + 5 + 18, Color: true},
		talk("tcp1", ">abcdefgh >ijklmnop <abcdefghijk"),
	)
	require.Contains(t, below[len(below)-2], `⟨1 A⟩+⟨2 B[0–2]⟩`)
	// Letters of many pieces are those of the right sends.
	var script strings.Builder
	for range 27 {
		script.WriteString(">x ")
	}
	many := rows(
		timeline.Style{Width: 150, Color: true},
		talk("tcp1", script.String()+"<"+strings.Repeat("x", 27)),
	)
	require.Contains(t, many[len(many)-1], `"  ⟨1 A⟩+⟨2 B⟩+…+⟨2 AA⟩`)
	// Colours take no columns.
	plain := draw(t, story(), timeline.Style{Width: 80})
	coloured := draw(t, story(), timeline.Style{Width: 80, Color: true})
	require.Equal(t, plain, stripped(coloured))
}

func stripped(s string) string {
	for {
		before, rest, ok := strings.Cut(s, "\x1b[")
		if !ok {
			return s
		}
		_, after, _ := strings.Cut(rest, "m")
		s = before + after
	}
}

// What was folded is told below the last of its rows.
func TestFolded(t *testing.T) {
	var es []timeline.Event
	for range 500 {
		es = append(es, does("server", timeline.EOF), send("server", ""))
	}
	out := draw(t, play(es...), timeline.Style{Width: 80, Box: true})
	require.Equal(t, []string{
		"· a connection of server", "end of file", "send 0 bytes", "⋮ these 2 rows 499 more times, " +
			"until 100 ms",
	}, rowsOf(out))
	require.Contains(t, draw(t, play(es...), timeline.Style{Width: 80}), ": these 2 rows")
	require.Contains(
		t,
		strings.Join(timeline.Verdicts(play(es...)), "\n"),
		"server read end of file 500 times",
	)
}

// Nothing but remarks, or nothing at all, is a picture, too.
func TestNoLanes(t *testing.T) {
	require.Equal(t, "     ms\n", draw(t, nil, timeline.Style{Width: 80}))
	out := draw(t, play(timeline.Event{Op: timeline.State, Text: "x"}), timeline.Style{Width: 80})
	require.Equal(t, "     ms\n    0.1 - x\n", out)
}

func TestPreview(t *testing.T) {
	for in, want := range map[string]string{
		"hello":                                 "hello",
		"a\nb\tc\r":                             `a\nb\tc\r`,
		"\x00\x07\x1f \x7e\x7f\xff":             `\x00\x07\x1f ~\x7f\xff`,
		"\x05\x00\x00\x00":                      `\x05\x00\x00\x00`,
		"你好\x85":                                `你好\x85`,
		"\u200b\u202e\u0085\u00a0":              `\u200b\u202e\u0085\u00a0`,
		"\ufffd":                                "\ufffd",
		`say "hi" \ back`:                       `say "hi" \ back`,
		"":                                      "",
		strings.Repeat("a", 256):                strings.Repeat("a", 256),
		strings.Repeat("a", 300):                strings.Repeat("a", 256) + "…",
		strings.Repeat("中", 100):                strings.Repeat("中", 85) + "…",
		"x" + strings.Repeat("中", 85):           "x" + strings.Repeat("中", 85),
		"x" + strings.Repeat("中", 86):           "x" + strings.Repeat("中", 85) + "…",
		"xy" + strings.Repeat("中", 86):          "xy" + strings.Repeat("中", 84) + "…",
		"xyz" + strings.Repeat("😀", 86):         "xyz" + strings.Repeat("😀", 63) + "…",
		strings.Repeat("a", 255) + "\xff" + "a": strings.Repeat("a", 255) + `\xff…`,
		strings.Repeat("\x80", 300):             strings.Repeat(`\x80`, 256) + "…",
	} {
		require.Equal(t, want, timeline.Preview([]byte(in)))
	}
}

// aligntest compares more of them with a library.
func TestWidth(t *testing.T) {
	for s, want := range map[string]int{
		"": 0, "abc": 3, "é": 1, "e\u0301": 1, "你": 2, "ｆ": 2, "한": 2, "😀": 2, "❤": 1, "❤\ufe0f": 2,
		"1\ufe0f\u20e3": 2,
		"#\ufe0f":       2, "↔\ufe0f": 2, "a\ufe0f": 1, "👍\U0001f3fb": 2, "👍\U0001f3ff": 2, "👍\U0001f3fc👍": 4,
		"👍\U0001f3fa": 4,
		"a\U0001f3fb": 3, "👍\U0001f400": 4, "\u0301": 0, "\u200d": 0, "\u0300": 0, "\u02ff": 1,
	} {
		require.Equal(t, want, timeline.Width(s), "%q", s)
	}
}

func TestCut(t *testing.T) {
	for _, test := range []struct {
		s       string
		columns int
		mark    string
		want    string
	}{
		{"hello", 5, "…", "hello"},
		{"hello", 4, "…", "hel…"},
		{"hello", 4, "...", "h..."},
		{"hello", 3, "...", "..."},
		{"hello", 2, "...", "he"},
		{"hello", 1, "…", "…"},
		{"hello", 0, "…", ""},
		{"hello", -3, "…", ""},
		{"", 0, "…", ""},
		{"你好吗", 5, "…", "你好…"},
		{"你好吗", 4, "…", "你…"},
		{"e\u0301e\u0301", 1, "", "e\u0301"},
	} {
		require.Equal(t, test.want, timeline.Cut(test.s, test.columns, test.mark))
	}
}
