package timeline_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"socketbook/tools/timeline"
)

// agreed checks both directions.
func agreed(t *testing.T, a, b []timeline.Event) {
	t.Helper()
	require.NoError(t, timeline.Agree(a, b))
	require.NoError(t, timeline.Agree(b, a))
}

func TestAgree(t *testing.T) {
	glue := talk("tcp1", ">hello >world <helloworld }HI {HI")
	agreed(t, nil, nil)
	agreed(t, glue, glue)
	agreed(t, glue, talk("tcp7", ">hello >world <hello <w <orld }HI {H {I"))
	agreed(
		t,
		glue,
		play(slices.Concat(glue[:3], []timeline.Event{{Op: timeline.Verdict, Text: "x"}}, glue[3:])...),
	)
	agreed(t, play(send("a", "x"), note("b", "y")), play(note("b", "y"), send("a", "x")))
	long := strings.Repeat("x", 300)
	agreed(t, talk("tcp1", ">"+long+" <"+long), talk("tcp1", ">"+long+" <x <"+long[1:]))
	agreed(t, talk("udp1", ">a >a >a <a"), talk("udp2", ">a >a >a <a <a"))

	dial := func(text string) timeline.Event { return timeline.Event{Side: "c", Op: timeline.Dial, Text: text} }
	agreed(t, play(dial("127.0.0.1:1")), play(dial("127.0.0.1:2")))
	agreed(
		t,
		play(note("c", "from 127.0.0.1:1 in 3.2 ms")),
		play(note("c", "from 127.0.0.1:22 in 40 ms")),
	)
	agreed(t, play(note("c", "at [::1]:80")), play(note("c", "at [::1]:8080")))
	agreed(t, play(fails("c", timeline.Dial, "refused")), play(fails("c", timeline.Dial, "no")))
	agreed(
		t,
		play(fails("c", timeline.Timeout, "i/o timeout")),
		play(fails("c", timeline.Timeout, "timed out")),
	)
	part := func(n int) timeline.Event {
		return timeline.Event{
			Side: "c",
			Conn: "tcp1",
			Op:   timeline.Send,
			N:    n,
			Err:  "reset",
			Data: []byte("abc"),
		}
	}
	agreed(t, play(part(1)), play(part(2)))
	blocked := at(5, 0, timeline.Event{Side: "c", Conn: "tcp1", Op: timeline.Send, Data: []byte("abc")})
	agreed(t, play(blocked), play(blocked))
}

// Times and the order of different sides do not matter; whatever else changes is named.
func TestDisagree(t *testing.T) {
	state := timeline.Event{Op: timeline.State, N: 10, Text: "10 bytes"}
	for _, test := range []struct {
		want, got []timeline.Event
		says      string
	}{
		{talk("tcp1", ">hello"), talk("tcp1", ">hello >x"), `client, step 2: nothing more before, send 1 "x" now`},
		{talk("tcp1", ">hello >x"), talk("tcp1", ">hello"), `client, step 2: send 1 "x" before, nothing more now`},
		{
			talk("tcp1", ">hello"), talk("tcp1", ">jello"),
			`client, step 1: send 5 "hello" before, send 5 "jello" now`,
		},
		{
			talk("tcp1", ">hello"), talk("tcp1", ">hello!"),
			`client, step 1: send 5 "hello" before, send 6 "hello!" now`,
		},
		{talk("tcp1", ">a >b"), talk("tcp1", ">ab"), `client, step 1: send 1 "a" before, send 2 "ab" now`},
		{
			talk("tcp1", ">ab <ab"), talk("tcp1", ">ab <a"),
			`server, step 1: recv 2 "ab" before, recv 1 "a" now`,
		},
		{
			talk("tcp1", ">ab <a }x <b"), talk("tcp1", ">ab <ab }x"),
			`server, step 1: recv 1 "a" before, recv 2 "ab" now`,
		},
		{
			talk("udp1", ">a >b <a <b"), talk("udp1", ">a >b <b <a"),
			`server, step 1: recv 1 "a" before, recv 1 "b" now`,
		},
		{
			talk("udp1", ">a >b <a"), talk("udp1", ">a >b <a <b"),
			`server, step 2: nothing more before, recv 1 "b" now`,
		},
		{
			play(send("a", "x"), note("a", "y")), play(note("a", "y"), send("a", "x")),
			`a, step 1: send 1 "x" before, note "y" now`,
		},
		{
			play(does("c", timeline.Close)), play(does("c", timeline.CloseWrite)),
			"c, step 1: close before, close-write now",
		},
		{play(does("c", timeline.EOF)), play(fails("c", timeline.Reset, "x")), "c, step 1: eof before, reset now"},
		{
			play(timeline.Event{Side: "c", Op: timeline.Dial}), play(fails("c", timeline.Dial, "x")),
			"c, step 1: dial before, dial that failed now",
		},
		{play(note("c", "1 ms")), play(note("c", "1 byte")), `c, step 1: note "some ms" before, note "1 byte" now`},
		{
			play(note("c", "at 10.0.0.1:1")), play(note("c", "at 10.0.0.1:2")),
			`c, step 1: note "at 10.0.0.1:1" before, note "at 10.0.0.1:2" now`,
		},
		{
			play(state), play(timeline.Event{Op: timeline.State, N: 9, Text: "10 bytes"}),
			`the scene, step 1: state "10 bytes" (10) before, state "10 bytes" (9) now`,
		},
		{
			play(at(5, 0, send("c", "abc"))), play(send("c", "abc")),
			`c, step 1: send that blocks before, send 3 "abc" now`,
		},
		{
			play(recv("c", "a"), at(500, 0, does("c", timeline.Recv))), play(recv("c", "a")),
			"c, step 2: recv that blocks before, nothing more now",
		},
		{
			play(recv("c", "a"), fails("c", timeline.Recv, "x")), play(recv("c", "a")),
			"c, step 2: recv that failed before, nothing more now",
		},
		{
			play(fails("c", timeline.Recv, "x")), play(fails("c", timeline.Recv, "x"), recv("c", "a")),
			`c, step 2: nothing more before, recv 1 "a" now`,
		},
		{nil, play(note("b", "x")), `b, step 1: nothing more before, note "x" now`},
		{play(note("a\x1b", "x\x1b")), nil, `a\x1b, step 1: note "x\\x1b" before, nothing more now`},
	} {
		require.EqualError(t, timeline.Agree(test.want, test.got), test.says)
	}
}

// A side that has several connections is compared connection by connection, whichever was quicker.
// They are told apart by their sides and by their order, not by their names.
func TestAgreeConnections(t *testing.T) {
	talkOn := func(conn, client, data string) []timeline.Event {
		a, b := send(client, data), recv("server", data)
		return on(conn, a, b)
	}
	one, two := talkOn("tcp1", "client 1", "one"), talkOn("tcp2", "client 2", "two")
	a := play(one[0], one[1], two[0], two[1])
	agreed(t, a, play(one[0], two[0], two[1], one[1]))
	agreed(
		t,
		a,
		play(slices.Concat(talkOn("tcp8", "client 2", "two"), talkOn("tcp9", "client 1", "one"))...),
	)
	err := timeline.Agree(a, play(slices.Concat(one, talkOn("tcp2", "client 2", "2"))...))
	require.EqualError(t, err, `client 2, step 1: send 3 "two" before, send 1 "2" now`)
	err = timeline.Agree(a, play(one[0], one[1], two[0], on("tcp2", recv("server", "2"))[0]))
	require.EqualError(
		t,
		err,
		`server on connection 1 of client 2 and server, step 1: recv 3 "two" before, recv 1 "2" now`,
	)

	// Two of one side: the first and the second.
	three, four := talkOn("tcp3", "c", "3"), talkOn("tcp4", "c", "4")
	err = timeline.Agree(play(slices.Concat(three, four)...), play(slices.Concat(four, three)...))
	require.EqualError(
		t,
		err,
		`c on connection 1 of c and server, step 1: send 1 "3" before, send 1 "4" now`,
	)
	// On one connection with one side more, it is another connection.
	err = timeline.Agree(play(three...), play(three[0], on("tcp3", recv("x", "3"))[0]))
	require.EqualError(t, err, `c, step 1: send 1 "3" (1, connection 1 of c and server) before, `+
		`send 1 "3" (1, connection 1 of c and x) now`)
	// Notes and listeners belong to no connection.
	agreed(t, play(slices.Concat(three, []timeline.Event{note("c", "n")}, four)...),
		play(slices.Concat(three, four, []timeline.Event{note("c", "n")})...))
}

// Reads are put together as far as their bytes are kept.
func TestAgreeLongReads(t *testing.T) {
	var long strings.Builder
	for i := range 300 {
		fmt.Fprintf(&long, "%03d", i)
	}
	s := long.String()
	many := talk("tcp1", ">"+s+" <"+s[:200]+" <"+s[200:400]+" <"+s[400:])
	agreed(t, many, talk("tcp1", ">"+s+" <"+s))
	agreed(t, many, talk("tcp1", ">"+s+" <"+s[:300]+" <"+s[300:]))
	other := s[:350] + "x" + s[351:]
	require.NoError(
		t,
		timeline.Agree(many, talk("tcp1", ">"+s+" <"+other)),
		"byte 350 is not kept there",
	)
	other = s[:250] + "x" + s[251:]
	require.Error(t, timeline.Agree(many, talk("tcp1", ">"+s+" <"+other)))
	require.Len(t, many[1].Data, 200, "the recordings are as they were")
}

// Data may be acknowledged by a segment of its own, or only by the data that answers it. What acknowledges a SYN
// or a FIN, and what no data of the same side follows, is compared.
func TestAgreeAcknowledgements(t *testing.T) {
	segment := func(side, flags string, seq, ack uint32, n int) timeline.Event {
		h := timeline.Header{Flags: flags, Seq: seq, Ack: ack, Len: n, To: "x"}
		return timeline.Event{Side: side, Conn: "tcp1", Op: timeline.Segment, N: n, Header: &h}
	}
	ack, data := segment("server", "ACK", 1, 4, 0), segment("server", "PSH ACK", 1, 4, 3)
	other := segment("client", "ACK", 4, 4, 0)
	agreed(t, play(ack, data), play(data))
	agreed(t, play(ack, other, data), play(data, other))
	for _, test := range [][2][]timeline.Event{
		{play(ack), nil},
		{play(data, ack), play(data)},
		{play(ack, segment("client", "PSH ACK", 4, 4, 3)), play(segment("client", "PSH ACK", 4, 4, 3))},
		{play(segment("c", "ACK", 1, 1, 0), segment("c", "PSH ACK", 1, 1, 3)), play(segment("c", "PSH ACK", 1, 1, 3))},
		{play(ack, segment("server", "FIN ACK", 1, 4, 0)), play(segment("server", "FIN ACK", 1, 4, 0))},
		{play(ack, segment("server", "PSH ACK", 1, 7, 3)), play(segment("server", "PSH ACK", 1, 7, 3))},
	} {
		require.Error(t, timeline.Agree(test[0], test[1]))
		require.Error(t, timeline.Agree(test[1], test[0]))
	}
}
