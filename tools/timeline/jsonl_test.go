package timeline_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"socketbook/tools/timeline"
)

// recorded is a recording with all kinds of events.
func recorded(t *testing.T) []timeline.Event {
	rec := timeline.NewRecorder("scene")
	client, server := pair(t, rec)
	_, err := client.Write(bytes.Repeat([]byte{0xff, '<'}, 200))
	require.NoError(t, err)
	read(t, server, 400)
	rec.Note("server", []byte("x"), "message %d:", 1)
	rec.Note("server", []byte{}, "an empty one:")
	rec.Note("server", nil, "\xff is not a character, \u2028 no line")
	rec.State(3, "state")
	require.NoError(t, client.Close())
	_, err = server.Read(make([]byte, 1))
	require.Error(t, err)
	require.NoError(t, server.SetReadDeadline(time.Unix(1, 0)))
	_, err = server.Read(make([]byte, 1))
	require.Error(t, err)
	rec.Verdict("verdict")
	return rec.Events()
}

func encode(t *testing.T, events []timeline.Event) string {
	var out bytes.Buffer
	require.NoError(t, timeline.WriteJSON(&out, events))
	return out.String()
}

func decode(t *testing.T, lines string) []timeline.Event {
	events, err := timeline.ReadJSON(strings.NewReader(lines))
	require.NoError(t, err)
	return events
}

func TestJSON(t *testing.T) {
	events := recorded(t)
	lines := encode(t, events)
	back := decode(t, lines)
	st := timeline.Style{Width: 100}
	require.Equal(t, draw(t, events, st), draw(t, back, st))
	require.Equal(t, 400, back[0].N)
	require.Len(t, back[0].Data, 256, "the first 256 bytes")
	require.Equal(t, len(events), strings.Count(lines, "\n"))
	require.Contains(t, lines, `"op":"send"`)
	require.Contains(t, lines, `"text":"\\xff<\\xff<`, "as it is, not as HTML wants it")
	events[4].Text = "\ufffd is not a character, \u2028 no line"
	require.Equal(t, events, back, "but for what is not UTF-8")
	require.ErrorIs(t, timeline.WriteJSON(full{}, back), syscall.ENOSPC)
}

// The fields of a line, one by one.
func TestJSONFields(t *testing.T) {
	e := timeline.Event{
		Seq: 1, US: 2, End: 3, Scene: "s", Side: "client", Conn: "tcp1", Op: timeline.Send, N: 4,
		Data: []byte("da"), Text: "da…", Err: "e",
	}
	want := `{"seq":1,"us":2,"us_end":3,"scene":"s","side":"client","conn":"tcp1","op":"send","n":4,` +
		`"data":"ZGE=","text":"da…","err":"e"}`
	require.Equal(t, want+"\n", encode(t, []timeline.Event{e}))
	b, err := json.Marshal(e)
	require.NoError(t, err)
	require.Equal(t, want, string(b))
	var back timeline.Event
	require.NoError(t, json.Unmarshal(b, &back))
	require.Equal(t, e, back)
	returned := timeline.Event{Seq: 1, US: 2, End: 2, Op: timeline.Note}
	require.Equal(
		t,
		`{"seq":1,"us":2,"us_end":2,"scene":"","op":"note","n":0}`+"\n",
		encode(t, []timeline.Event{returned}),
	)
	blocks := timeline.Event{Seq: 1, US: 2, Op: timeline.Recv}
	require.Equal(
		t,
		`{"seq":1,"us":2,"scene":"","op":"recv"}`+"\n",
		encode(t, []timeline.Event{blocks}),
	)
}

// object is a line of JSON with some fields of its own.
func object(seq, us int, rest string) string {
	return fmt.Sprintf(`{"seq":%d,"us":%d,"scene":"s",%s}`, seq, us, rest)
}

func TestReadJSONOrder(t *testing.T) {
	a := object(1, 10, `"us_end":40,"side":"server","op":"recv","n":1`)
	b := object(2, 20, `"us_end":25,"side":"client","op":"send","n":1`)
	for _, lines := range []string{a + "\n" + b + "\n", b + "\n" + a} {
		require.Equal(t, "client send, server recv", ops(decode(t, lines)), "in the order of the rows")
	}
	require.Empty(t, decode(t, ""))

	blocked := object(1, 10, `"side":"server","op":"recv"`)
	require.Zero(t, decode(t, blocked)[0].End)
	events := decode(t, blocked+"\n"+b+"\n"+a)
	require.Equal(
		t,
		"client send, server recv",
		ops(events),
		"the second line of a call replaces the first",
	)
	require.Equal(t, int64(40), events[1].End)
	over := object(
		1,
		10,
		`"us_end":40,"side":"server","op":"recv","n":0,"err":"closed by its own side"`,
	)
	require.Equal(t, "client send", ops(decode(t, blocked+"\n"+b+"\n"+over)))
}

func TestReadJSONErrors(t *testing.T) {
	good := object(1, 10, `"us_end":11,"side":"a","op":"send","n":1`)
	long := strings.Repeat("x", 10_000)
	for _, test := range []struct{ lines, says string }{
		{good + "\n" + good[:40], "line 2: not an event: the line is cut"},
		{good + "\n\n", "line 2: not an event: the line is cut"},
		{"hello", "line 1: not an event: invalid character 'h' looking for beginning of value"},
		{good + good, "line 1: not an event: invalid character '{' after top-level value"},
		{"[]", "line 1: not an event: json: cannot unmarshal array into Go value of type timeline.line"},
		{"null", "line 1: seq is 0; the first is 1"},
		{object(1, 1, `"us_end":2,"op":"send","m":1`), `line 1: not an event: json: unknown field "m"`},
		{object(1, 1, `"us_end":2,"op":"send","`+long+`":1`), `line 1: not an event: json: unknown field "xxxx`},
		{object(1, 1, `"us_end":2,"op":"bind","n":0`), `line 1: op is "bind"`},
		{object(1, 1, `"us_end":2,"op":"`+long+`","n":0`), `line 1: op is "xxxx`},
		{object(0, 1, `"us_end":2,"op":"send"`), "line 1: seq is 0; the first is 1"},
		{object(1, 5, `"us_end":2,"op":"send"`), "line 1: us is 5 and us_end is 2"},
		{object(1, -5, `"us_end":2,"op":"send"`), "line 1: us is -5 and us_end is 2"},
		{object(1, 5, `"us_end":-2,"op":"send"`), "line 1: us is 5 and us_end is -2"},
		{object(1, 5, `"op":"note","text":"x"`), `line 1: us_end is missing, and "note" does not block`},
		{object(1, 5, `"op":"eof"`), `line 1: us_end is missing, and "eof" does not block`},
		{object(1, 5, `"op":"recv","n":3`), "line 1: us_end is missing, and yet the call returned " +
			"something"},
		{object(1, 5, `"op":"send","err":"x"`), "line 1: us_end is missing, and yet the call " +
			"returned something"},
		{object(1, 1, `"us_end":2,"op":"send","n":-1`), "line 1: n is -1"},
		{object(1, 1, `"us_end":2,"op":"send","n":1099511627777`), "line 1: n is 1099511627777"},
		{object(1, 1, `"us_end":2,"op":"send","n":1e30`), "line 1: not an event: json: cannot " +
			"unmarshal number 1e30"},
		{object(1, 1, `"us_end":2,"op":"recv","n":1,"data":"AAAA"`), "line 1: 3 bytes of data; n is 1"},
		{
			object(1, 1, `"us_end":2,"op":"send","n":300,"data":"`+strings.Repeat("A", 344)+`"`),
			"line 1: 258 bytes of data; an event keeps 256",
		},
		{object(1, 1, `"us_end":2,"op":"send","data":"?"`), "line 1: not an event: illegal base64 " +
			"data at input byte 0"},
		{good + "\n" + good, "line 2: seq 1 is on line 1, too, where it is not this call, blocked"},
		{
			object(1, 1, `"op":"send","side":"a"`) + "\n" + object(1, 2, `"us_end":3,"op":"send","side":"a"`),
			"line 2: seq 1 is on line 1, too, where it is not this call, blocked",
		},
		{
			object(1, 1, `"op":"send","side":"a"`) + "\n" + object(1, 1, `"us_end":3,"op":"send","side":"b"`),
			"line 2: seq 1 is on line 1, too, where it is not this call, blocked",
		},
		{
			object(1, 30, `"us_end":40,"op":"send"`) + "\n" + object(3, 35, `"us_end":41,"op":"send"`) + "\n" +
				object(2, 20, `"us_end":41,"op":"send"`),
			"line 3: seq 2 begins at 20 us, before seq 1, which begins at 30 us",
		},
		{
			good + "\n" + `{"seq":2,"us":50,"us_end":51,"scene":"x","op":"note"}`,
			`line 2: scene is "x", and "s" on line 1`,
		},
		{good + "\n" + strings.Repeat(" ", 1<<20), "line 2 is longer than 1048576 bytes"},
	} {
		events, err := timeline.ReadJSON(strings.NewReader(test.lines))
		require.Nil(t, events)
		require.Error(t, err, test.lines)
		got := err.Error()
		if strings.HasSuffix(test.says, "xxxx") || strings.HasSuffix(test.says, "1e30") {
			got = got[:len(test.says)] // it goes on
		}
		require.Equal(t, test.says, got)
		require.NotContains(t, err.Error(), "\n")
		require.Less(t, len(err.Error()), 1000)
	}
	_, err := timeline.ReadJSON(broken{})
	require.EqualError(t, err, "reading line 1: input/output error")
	require.ErrorIs(t, err, syscall.EIO)
}

type broken struct{}

func (broken) Read([]byte) (int, error) { return 0, syscall.EIO }

type full struct{}

func (full) Write([]byte) (int, error) { return 0, syscall.ENOSPC }

// slowly writes only when it may.
type slowly struct {
	bytes.Buffer
	may chan struct{}
}

func (s *slowly) Write(p []byte) (int, error) {
	<-s.may
	return s.Buffer.Write(p)
}

// paper may be read while it is written on.
type paper struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (p *paper) Write(b []byte) (int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.buf.Write(b)
}

func (p *paper) String() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.buf.String()
}

// A stream has a line for each call when it returns, and one before for a call that blocks for 10 ms.
func TestStream(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := net.Pipe()
		rec := timeline.NewRecorder("s")
		var out paper
		stop := rec.Stream(&out)
		client, server := rec.Conn("client", a), rec.Conn("server", b)
		var ended sync.WaitGroup
		ended.Go(func() { client.Write([]byte("hello")) })
		synctest.Wait()
		rec.Note("client", nil, "waits")
		synctest.Wait()
		require.Equal(t, "note", opsOf(out.String()), "as it happens")
		time.Sleep(10 * time.Millisecond)
		synctest.Wait()
		require.Equal(t, "note", opsOf(out.String()))
		time.Sleep(time.Microsecond)
		synctest.Wait()
		require.Equal(t, "note send", opsOf(out.String()))
		line := lastLine(out.String())
		want := `{"seq":1,"us":1,"scene":"s","side":"client","conn":"tcp1","op":"send","data":"aGVsbG8=","text":"hello"}`
		require.Equal(t, want, line)
		ended.Go(func() { client.Read(make([]byte, 1)) })
		time.Sleep(time.Second)
		synctest.Wait()
		require.Equal(t, "note send recv", opsOf(out.String()), "once")
		require.Equal(t, "hello", read(t, server, 9))
		synctest.Wait()
		require.Equal(t, "note send recv", opsOf(out.String())[:14])
		client.Close()
		ended.Wait()
		require.NoError(t, stop())
		require.Contains(
			t,
			out.String(),
			`"closed by its own side"`,
			"who read that it blocks reads that it is over",
		)
		require.Equal(t, rec.Events(), decode(t, out.String()))
		server.Close()
	})
}

func opsOf(lines string) string {
	var ops []string
	for line := range strings.Lines(lines) {
		var e struct{ Op string }
		_ = json.Unmarshal([]byte(line), &e)
		ops = append(ops, e.Op)
	}
	return strings.Join(ops, " ")
}

func lastLine(lines string) string {
	all := strings.Split(strings.TrimSuffix(lines, "\n"), "\n")
	return all[len(all)-1]
}

// A call that blocks when the stream is stopped has one line, without an end, if it is worth one.
func TestStreamStops(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := net.Pipe()
		rec := timeline.NewRecorder("s")
		var out bytes.Buffer
		stop := rec.Stream(&out)
		client := rec.Conn("client", a)
		var ended sync.WaitGroup
		ended.Go(func() { client.Write([]byte("x")) })
		time.Sleep(20 * time.Millisecond)
		ended.Go(func() { client.Read(make([]byte, 1)) })
		time.Sleep(time.Millisecond)
		require.NoError(t, stop())
		require.Equal(t, "send", opsOf(out.String()))
		require.Equal(t, rec.Snapshot(), decode(t, out.String()))
		a.Close()
		b.Close()
		ended.Wait()
	})
}

// A writer that is slow holds up nobody, and what was recorded meanwhile comes when it writes again.
func TestSlowWriter(t *testing.T) {
	rec := timeline.NewRecorder("s")
	w := &slowly{may: make(chan struct{})}
	stop := rec.Stream(w)
	client, server := pair(t, rec)
	for range 100 {
		write(t, client, "ping")
		require.Equal(t, "ping", read(t, server, 4))
	}
	close(w.may)
	require.NoError(t, stop())
	require.Equal(t, rec.Events(), decode(t, w.String()))
	require.Len(t, rec.Events(), 200)
}

// What was recorded while the writer wrote its last line is written before stop returns.
func TestStreamWritesAll(t *testing.T) {
	for range 10 { // of two things that a stream can do next it chooses one by chance
		synctest.Test(t, func(t *testing.T) {
			rec := timeline.NewRecorder("s")
			w := &slowly{may: make(chan struct{})}
			stop := rec.Stream(w)
			rec.Note("client", nil, "first")
			synctest.Wait()
			rec.Note("client", nil, "second")
			stopped := make(chan error, 1)
			go func() { stopped <- stop() }()
			synctest.Wait()
			close(w.may)
			require.NoError(t, <-stopped)
			require.Equal(t, rec.Events(), decode(t, w.String()))
		})
	}
}

// A writer that fails is not tried again; its error is told at the end.
func TestFailingWriter(t *testing.T) {
	rec := timeline.NewRecorder("s")
	var w failsOnce
	stop := rec.Stream(&w)
	for range 3 {
		rec.Note("client", nil, "x")
		require.NoError(
			t,
			rec.Wait(t.Context(), "a note", timeline.Happened("client", timeline.Note, 1)),
		)
	}
	require.EqualError(t, stop(), "full")
	require.Len(t, rec.Events(), 3)
	require.Equal(t, 1, w.times)
}

type failsOnce struct{ times int }

func (f *failsOnce) Write([]byte) (int, error) {
	f.times++
	return 0, errors.New("full")
}
