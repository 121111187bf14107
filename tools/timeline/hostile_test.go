package timeline_test

import (
	"strings"
	"testing"

	"socketbook/tools/timeline"
)

// evil is what a peer or a caller may put into an event.
var evil = []string{
	"</text><script>alert(1)</script> & \"'\x00\x1b]0;title\x07\xff]]>", "line\nline\r\n\t\v\u2028", "\x1b[31mred\u009b31m\u202e\u200d",
	strings.Repeat("long ", 2000), strings.Repeat("\x00", 10_000), strings.Repeat("e\u0301\u0302", 3000), strings.Repeat("W", 10_000),
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
		es = append(es, on(conn,
			timeline.Event{Side: side, Op: timeline.Dial, Text: s}, timeline.Event{Side: "server", Op: timeline.Accept, Text: s},
			send(side, s), send("server", s), recv("server", s[:min(len(s), 200)]), recv(side, s),
			fails(side, timeline.Send, s), fails(side, timeline.Reset, s), fails("server", timeline.Close, s),
			timeline.Event{Side: side, Op: timeline.State, Text: s})...)
		n := note(side, s)
		n.Data, n.N = []byte(s[:min(len(s), 256)]), len(s)
		es = append(es, n, timeline.Event{Op: timeline.State, Text: s}, timeline.Event{Op: timeline.Verdict, Text: s})
	}
	return play(es...)
}
