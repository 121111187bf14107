package timeline_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"github.com/stretchr/testify/require"

	"socketbook/tools/timeline"
)

// evil is what a peer or a caller may put into an event.
var evil = []string{
	"</text><script>alert(1)</script> & \"'\x00\x1b]0;title\x07\xff]]>", "line\nline\r\n\t\v\u2028",
	"\x1b[31mred\u009b31m\u202e\u200d",
	strings.Repeat(
		"long ",
		2000,
	), strings.Repeat("\x00", 10_000), strings.Repeat("e\u0301\u0302", 3000), strings.Repeat("W", 10_000),
	strings.Repeat("世", 10_000),
}

// hostile is a recording of them: in names, payloads, notes, addresses, errors and verdicts.
func hostile(t *testing.T) []timeline.Event {
	t.Helper()
	var es []timeline.Event
	for i, s := range evil {
		side, conn := s, "tcp"+s
		if i%2 == 1 {
			side, conn = "client "+s, "udp"+s
		}
		es = append(es, on(
			conn,
			timeline.Event{
				Side: side,
				Op:   timeline.Dial,
				Text: s,
			},
			timeline.Event{Side: "server", Op: timeline.Accept, Text: s},
			send(side, s),
			send("server", s),
			recv("server", s[:min(len(s), 200)]),
			recv(side, s),
			fails(
				side,
				timeline.Send,
				s,
			),
			fails(side, timeline.Reset, s),
			fails("server", timeline.Close, s),
			timeline.Event{Side: side, Op: timeline.State, Text: s},
		)...)
		n := note(side, s)
		n.Data, n.N = []byte(s[:min(len(s), 256)]), len(s)
		es = append(
			es,
			n,
			timeline.Event{Op: timeline.State, Text: s},
			timeline.Event{Op: timeline.Verdict, Text: s},
		)
	}
	return play(es...)
}

// harmless fails if a picture has anything that controls a terminal.
func harmless(t *testing.T, picture string) {
	t.Helper()
	at := strings.IndexFunc(picture, func(r rune) bool {
		return r != '\n' && !unicode.IsPrint(r)
	})
	if at >= 0 {
		t.Fatalf("%q", picture[max(0, at-20):min(len(picture), at+20)])
	}
	require.True(t, utf8.ValidString(picture))
}

// Nothing that a peer or a caller puts into an event controls a terminal, or makes a picture endless.
func TestHostile(t *testing.T) {
	es := hostile(t)
	for _, st := range []timeline.Style{
		{Width: 20}, {Width: 80, Box: true}, {Width: 1000}, {Width: 100, ASCII: true},
	} {
		out := draw(t, es, st)
		harmless(t, out)
		fits(t, out, st.Width)
		require.Less(t, len(out), 1_000_000)
	}
	image := svg(t, es)
	harmless(t, image)
	parse(t, image)
	require.Less(t, len(image), 1_000_000)
	require.NotContains(t, image, "<script")
	_ = timeline.Verdicts(es)
	harmless(t, timeline.Agree(es, nil).Error())
	require.NoError(t, timeline.Agree(es, es))

	_, err := timeline.ReadJSON(strings.NewReader(encode(t, es)))
	require.NoError(t, err)
}

// A picture of a hundred thousand events, or of a thousand lanes, takes seconds at most. Each of these
// recordings is one in which a careless way of matching, laying out or drawing is quadratic.
func BenchmarkLarge(b *testing.B) {
	for _, name := range slices.Sorted(maps.Keys(large)) {
		b.Run(name, func(b *testing.B) {
			es := large[name](100_000)
			b.ResetTimer()
			for range b.N {
				require.NoError(b, everything(es))
			}
		})
	}
}

// The same with a few events: what is read back agrees, however strange it is.
func TestLarge(t *testing.T) {
	for name, make := range large {
		require.NoError(t, everything(make(200)), name)
	}
}

// everything does with a recording all that can be done.
func everything(es []timeline.Event) error {
	var lines bytes.Buffer
	if err := timeline.WriteJSON(&lines, es); err != nil {
		return err
	}
	back, err := timeline.ReadJSON(&lines)
	if err != nil {
		return err
	}
	timeline.Verdicts(back)
	return errors.Join(
		timeline.Agree(es, back),
		timeline.Text(io.Discard, back, timeline.Style{Width: 100}),
		timeline.SVG(io.Discard, []timeline.Scene{{Events: back}}),
	)
}

var large = map[string]func(many int) []timeline.Event{
	"echo": func(many int) []timeline.Event {
		return repeat(many/4, func(i int) []timeline.Event {
			text := fmt.Sprint(i)
			return []timeline.Event{
				send("client", text),
				recv("server", text),
				send("server", text),
				recv("client", text),
			}
		})
	},
	"a send read byte by byte": func(many int) []timeline.Event {
		all := send("client", "x")
		all.N = many
		return play(append([]timeline.Event{all}, repeat(many, func(int) []timeline.Event {
			return []timeline.Event{recv("server", "x")}
		})...)...)
	},
	"many sends in one read": func(many int) []timeline.Event {
		all := recv("server", "x")
		all.N = many
		return play(
			append(
				repeat(
					many,
					func(int) []timeline.Event { return []timeline.Event{send("client", "x")} },
				),
				all,
			)...)
	},
	"different datagrams": func(many int) []timeline.Event {
		return datagrams(many, func(i int) (string, string) { return fmt.Sprint(i), fmt.Sprint(i) })
	},
	"equal datagrams": func(many int) []timeline.Event {
		return datagrams(many, func(int) (string, string) { return "x", "x" })
	},
	"datagrams of nobody": func(many int) []timeline.Event {
		return datagrams(
			many,
			func(i int) (string, string) { return fmt.Sprint(i), fmt.Sprint("x", i) },
		)
	},
	"datagrams cut short": func(many int) []timeline.Event {
		return datagrams(
			many,
			func(i int) (string, string) { return fmt.Sprintf("%06d and more", i), fmt.Sprintf("%06d", i) },
		)
	},
	"datagrams cut short, each to another length": func(many int) []timeline.Event {
		es := datagrams(
			many,
			func(i int) (string, string) { return strings.Repeat("x", 256), strings.Repeat("x", 256) },
		)
		for i := range es {
			es[i].N = 300 + i
			if es[i].Op == timeline.Send {
				es[i].N = 1 << 20
			}
		}
		return es
	},
	"a thousand lanes": func(many int) []timeline.Event {
		return repeat(many/4, func(i int) []timeline.Event {
			side, conn := fmt.Sprint("client ", i%1000), fmt.Sprint("tcp", i%1000)
			return on(conn, send(side, "x"), recv("server", "x"), send("server", "y"), recv(side, "y"))
		})
	},
	"failures": func(many int) []timeline.Event {
		return repeat(many, func(i int) []timeline.Event {
			return []timeline.Event{fails("client", timeline.Reset, fmt.Sprint("reason ", i))}
		})
	},
	"connections": func(many int) []timeline.Event {
		return repeat(many/5, func(i int) []timeline.Event {
			conn := fmt.Sprint("tcp", i)
			return on(
				conn,
				does("client", timeline.Dial),
				does("server", timeline.Accept),
				send("client", "x"),
				recv("server", "x"),
				does("client", timeline.Close),
			)
		})
	},
	"sides of one connection": func(many int) []timeline.Event {
		return repeat(
			many,
			func(i int) []timeline.Event { return []timeline.Event{send(fmt.Sprint("client ", i%1000), "x")} },
		)
	},
}

func repeat(n int, f func(i int) []timeline.Event) []timeline.Event {
	var es []timeline.Event
	for i := range n {
		es = append(es, f(i)...)
	}
	return play(es...)
}

// datagrams sends half as many, and then reads as many.
func datagrams(many int, f func(i int) (sent, came string)) []timeline.Event {
	var es []timeline.Event
	for i := range many / 2 {
		sent, _ := f(i)
		es = append(es, send("client", sent))
	}
	for i := range many / 2 {
		_, came := f(i)
		es = append(es, recv("server", came))
	}
	return play(on("udp1", es...)...)
}
