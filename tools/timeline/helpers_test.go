package timeline_test

import (
	"cmp"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"socketbook/tools/loopback"
	"socketbook/tools/timeline"
)

func TestMain(m *testing.M) { os.Exit(loopback.Main(m)) }

// play makes a recording by hand. Its events stand in the order of their rows, 0.1 ms apart unless
// they have times: what goes out has begun then, what comes in has returned then.
func play(es ...timeline.Event) []timeline.Event {
	es = slices.Clone(es)
	at := int64(0)
	for i := range es {
		e := &es[i]
		if e.US == 0 && e.End == 0 {
			e.US, e.End = at+100, at+150
			if comesIn(*e) {
				e.US, e.End = at+60, at+100
			}
		}
		at = e.At()
		if e.Op == timeline.Send || e.Op == timeline.Recv {
			e.N = cmp.Or(e.N, len(e.Data))
			e.Text = cmp.Or(e.Text, timeline.Preview(e.Data))
			e.Data = e.Data[:min(len(e.Data), 256)]
		}
	}
	bySeq := make([]*timeline.Event, len(es))
	for i := range es {
		bySeq[i] = &es[i]
	}
	slices.SortStableFunc(bySeq, func(a, b *timeline.Event) int { return cmp.Compare(a.US, b.US) })
	for i, e := range bySeq {
		e.Seq = i + 1
	}
	return es
}

func comesIn(e timeline.Event) bool {
	in := []timeline.Op{timeline.Accept, timeline.Recv, timeline.EOF, timeline.Reset, timeline.Timeout}
	return slices.Contains(in, e.Op)
}

// at gives an event its times, in microseconds. end 0 means that the call still blocks.
func at(us, end int64, e timeline.Event) timeline.Event {
	e.US, e.End = us, end
	return e
}

// on puts events on a connection.
func on(conn string, es ...timeline.Event) []timeline.Event {
	for i := range es {
		es[i].Conn = conn
	}
	return es
}

func does(side string, op timeline.Op) timeline.Event {
	return timeline.Event{Side: side, Conn: "tcp1", Op: op}
}

func fails(side string, op timeline.Op, reason string) timeline.Event {
	return timeline.Event{Side: side, Conn: "tcp1", Op: op, Err: reason}
}

func send(side, data string) timeline.Event {
	return timeline.Event{Side: side, Conn: "tcp1", Op: timeline.Send, Data: []byte(data)}
}

func recv(side, data string) timeline.Event {
	return timeline.Event{Side: side, Conn: "tcp1", Op: timeline.Recv, Data: []byte(data)}
}

func note(side, text string) timeline.Event {
	return timeline.Event{Side: side, Op: timeline.Note, Text: text}
}

// talk plays a conversation in short: ">x" the client sends x, "<x" the server reads it, "}x" the
// server sends, "{x" the client reads. A "_" stands for nothing.
func talk(conn, script string) []timeline.Event {
	var es []timeline.Event
	for _, word := range strings.Fields(script) {
		data := strings.TrimPrefix(word[1:], "_")
		switch word[0] {
		case '>':
			es = append(es, send("client", data))
		case '<':
			es = append(es, recv("server", data))
		case '}':
			es = append(es, send("server", data))
		case '{':
			es = append(es, recv("client", data))
		}
	}
	return play(on(conn, es...)...)
}

func draw(t *testing.T, es []timeline.Event, st timeline.Style) string {
	t.Helper()
	var b strings.Builder
	require.NoError(t, timeline.Text(&b, es, st))
	return b.String()
}

// rowsOf is a picture without its heads and clock.
func rowsOf(picture string) []string {
	var rows []string
	for line := range strings.Lines(picture) {
		if line = strings.TrimSuffix(line, "\n"); len(line) > 8 {
			rows = append(rows, line[8:])
		}
	}
	return rows[1:]
}
