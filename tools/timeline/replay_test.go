package timeline

import (
	"bytes"
	"context"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// A recording inside another one keeps its order and its distances, and can be read back.
func TestReplay(t *testing.T) {
	inner := NewRecorder("inner")
	inner.State(1, "one")
	inner.begin(Event{Side: "client", Conn: "tcp1", Op: Recv}, nil) // blocks until the end
	i := inner.begin(Event{Side: "server", Conn: "tcp1", Op: Send}, []byte("hi"))
	inner.end(i, func(e *Event) { e.sent(2, nil) })
	was, _ := inner.look(func(Event) bool { return true })

	outer := NewRecorder("outer")
	outer.State(0, "before")
	var streamed bytes.Buffer
	stop := outer.Stream(&streamed)
	outer.Replay(was)
	outer.Verdict("after")
	require.NoError(t, stop())

	now, _ := outer.look(func(Event) bool { return true })
	require.Len(t, now, len(was)+2)
	shift := now[1].US - was[0].US
	for k, e := range was {
		e.Seq, e.Scene, e.US = e.Seq+1, "outer", e.US+shift
		if !e.blocks() {
			e.End += shift
		}
		require.Equal(t, e, now[k+1])
	}
	require.Equal(t, "after", now[len(now)-1].Text)
	require.Positive(t, shift)
	read, err := ReadJSON(&streamed)
	require.NoError(t, err)
	read = slices.DeleteFunc(read, Event.blocks) // streamed if it has blocked for a while
	require.Equal(t, outer.Events(), read, "all but the call that blocks")
}

// A verdict that fits into a line keeps its blanks: it may be a row of a table.
func TestVerdictKeepsBlanks(t *testing.T) {
	rec := NewRecorder("table")
	rec.State(0, "measured")
	rec.Verdict("a    1")
	rec.Verdict("%s", "words   "+strings.Repeat("x", 30))
	var text strings.Builder
	require.NoError(t, Text(&text, rec.Events(), Style{Width: 30}))
	require.Contains(t, text.String(), "=> a    1\n")
	require.Contains(t, text.String(), "=> words\n")
}

// A write that has begun is waited for.
func TestWaitWrites(t *testing.T) {
	rec := NewRecorder("x")
	require.NoError(t, rec.WaitWrites(t.Context()))
	rec.begin(Event{Side: "client", Conn: "tcp1", Op: Recv}, nil) // a read is not
	require.NoError(t, rec.WaitWrites(t.Context()))
	for _, op := range []Op{Send, CloseWrite, Close} {
		i := rec.begin(Event{Side: "client", Conn: "tcp1", Op: op}, nil)
		over, cancel := context.WithCancel(t.Context())
		cancel()
		require.ErrorContains(t, rec.WaitWrites(over), "waited for the writes to return", op)
		waited := make(chan error)
		go func() { waited <- rec.WaitWrites(t.Context()) }()
		rec.end(i, func(*Event) {})
		require.NoError(t, <-waited)
	}
}
