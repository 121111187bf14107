package timeline_test

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"socketbook/tools/timeline"
)

func TestFlows(t *testing.T) {
	for _, test := range []struct{ name, script, says string }{
		{"one", ">ab <ab", "1 send arrived as 1 read"},
		{"whole", ">ab <ab >c <c", "2 sends arrived as 2 reads, boundary by boundary"},
		{"glued", ">hello >world <helloworld", "2 sends arrived as 1 read; the boundary after byte " +
			"5 is gone"},
		{"cut", ">hello <he <llo", "1 send arrived as 2 reads of 2 and 3 bytes"},
		{
			"glued and cut", ">hello >world <hellow <orld",
			"2 sends arrived as 2 reads of 6 and 4 bytes; the boundary after byte 5 is gone",
		},
		{"three", ">a >b >c <abc", "3 sends arrived as 1 read; the boundaries after bytes 1 and 2 " +
			"are gone"},
		{"unread", ">hello <he", "1 send arrived as 1 read of 2 bytes; 3 of 5 bytes were never read"},
		{
			"the end of what was read is inside the first", ">hello >world <he",
			"2 sends arrived as 1 read of 2 bytes; 8 of 10 bytes were never read",
		},
		{
			"whole, and one more", ">ab <ab >cd",
			"2 sends arrived as 1 read of 2 bytes; 2 of 4 bytes were never read",
		},
		{"cut into equal parts", ">abcdef <ab <cd <ef", "1 send arrived as 3 reads of 2 bytes each"},
		{"single bytes", ">abc <a <b <c", "1 send arrived as 3 reads of 1 byte each"},
		{
			"many parts", ">aabbbccdee <aa <bbb <c <c <d <e <e",
			"1 send arrived as 7 reads of 2, 3, 1, 1, 1, 1 … (1 more) bytes",
		},
		{"never", ">hello }x {x", "1 send of 5 bytes, never read"},
		{"a byte, never", ">x }x {x", "1 send of 1 byte, never read"},
		{"two, never", ">hello >x }x {x", "2 sends of 5 and 1 bytes, never read"},
		{"nothing", ">_ }x {x", "1 send of 0 bytes put nothing on the wire"},
		{"nothing, twice", ">_ >_ }x {x", "2 sends of 0 bytes put nothing on the wire"},
		{"other bytes", ">ab <ax", "1 send; what was read is not what was recorded of them"},
		{"more than was sent", ">ab <abc", "1 send; what was read is not what was recorded of them"},
	} {
		t.Run(test.name, func(t *testing.T) { checkFlow(t, talk("tcp1", test.script), test.says) })
	}
}

func TestFlowsOfDatagrams(t *testing.T) {
	for _, test := range []struct{ name, script, says string }{
		{"whole", ">ab <ab >c <c", "2 datagrams arrived as 2 reads, boundary by boundary"},
		{"an empty one", ">_ <_", "1 datagram arrived as 1 read"},
		{"lost", ">a >b <b", "2 datagrams arrived as 1 read; 1 of 2 vanished"},
		{"all lost", ">aa >b }x {x", "2 datagrams of 2 and 1 bytes sent, none read"},
		{
			"doubled", ">a <a <a",
			"1 datagram arrived as 2 reads; 1 of the reads returned one that had come before",
		},
		{"overtaken", ">a >b <b <a", "2 datagrams arrived as 2 reads; 1 of them overtaken by a later one"},
		{
			"overtaken by two", ">a >b >c <b <c <a",
			"3 datagrams arrived as 3 reads; 1 of them overtaken by a later one",
		},
		{"cut short", ">abcd <ab", "1 datagram arrived as 1 read; 1 of them cut short, the rest of " +
			"it thrown away"},
		{
			"cut short, nobody knows which", ">abcd >abxy <ab <ab",
			"2 datagrams arrived as 2 reads; 2 of them cut short, the rest of it thrown away",
		},
		{"equal, one lost", ">a >a <a", "2 datagrams arrived as 1 read; 1 of 2 vanished"},
		{
			"all of it", ">long >a >b >c <a <a <lo <b",
			"4 datagrams arrived as 4 reads; 1 of them cut short, the rest of it thrown away; " +
				"1 of the reads returned one that had come before; 1 of them overtaken by a later " +
				"one; 1 of 4 vanished",
		},
		{"of somebody else", ">a <b", "1 datagram; what was read is not what was recorded of them"},
	} {
		t.Run(test.name, func(t *testing.T) { checkFlow(t, talk("udp1", test.script), test.says) })
	}
	lost := play(
		on(
			"udp1",
			fails("client", timeline.Send, "message too long"),
			send("client", "a"),
			recv("server", "a"),
		)...)
	checkFlow(t, lost, "1 datagram arrived as 1 read")
}

func checkFlow(t *testing.T, events []timeline.Event, says string) {
	flows := timeline.Flows(events)
	require.Equal(t, says, flows[0].String())
	require.Equal(t, "client", flows[0].From)
	require.Equal(t, "server", flows[0].To)
	whole := strings.Contains(says, "boundary by boundary") || strings.HasPrefix(says, "1 ") &&
		strings.HasSuffix(says, " arrived as 1 read")
	require.Equal(t, whole, flows[0].Whole() && flows[0].Empty == 0, says)
}

// The numbers behind the sentences.
func TestFlowNumbers(t *testing.T) {
	require.Equal(t, timeline.Flow{
		Conn: "tcp1", From: "client", To: "server", Sends: []int{5, 5, 1}, Reads: []int{6, 2}, Empty: 1,
		Lost: []int{5}, Cut: 1, Unread: 3,
	}, timeline.Flows(talk("tcp1", ">hello >_ >world >x <hellow <or"))[0])
	require.Equal(t, timeline.Flow{
		Conn: "udp1", From: "client", To: "server", Packet: true, Sends: []int{
			4, 1, 1,
			1,
		}, Reads: []int{1, 1, 2, 1},
		Dropped: 1, Truncated: 1, Doubled: 1, Overtaken: 1,
	}, timeline.Flows(talk("udp1", ">long >a >b >c <a <a <lo <b"))[0])
}

// Connections stand in the order of their numbers, and of each the left side first. What has one side
// only, or sends nothing, is not there.
func TestFlowsOrder(t *testing.T) {
	var es []timeline.Event
	for _, i := range []int{10, 2, 1} {
		conn := fmt.Sprintf("tcp%d", i)
		es = append(
			es,
			on(
				conn,
				send("server", "x"),
				recv("client", "x"),
				send("client", "y"),
				recv("server", "y"),
			)...)
	}
	es = append(es, on("tcp11", send("client", "x"))...)
	es = append(es, on("tcp12", does("client", timeline.Dial), does("server", timeline.Accept))...)
	es = append(es, on("", send("client", ""))...)
	var got []string
	for _, f := range timeline.Flows(play(es...)) {
		got = append(got, f.Conn+" "+f.From)
	}
	require.Equal(
		t,
		[]string{
			"tcp1 client",
			"tcp1 server",
			"tcp2 client",
			"tcp2 server",
			"tcp10 client",
			"tcp10 server",
		},
		got,
	)
}

func TestVerdicts(t *testing.T) {
	timeout := func(side string) timeline.Event { return fails(side, timeline.Timeout, "i/o timeout") }
	for _, test := range []struct {
		name   string
		events []timeline.Event
		says   []string
	}{
		{"nothing", nil, nil},
		{"whole", talk("tcp1", ">a <a }b {b"), []string{
			"client to server: 1 send arrived as 1 read", "server to client: 1 send arrived as 1 read",
		}},
		{"only what is worth it", talk("tcp1", ">a >b <ab }b {b"), []string{
			"client to server: 2 sends arrived as 1 read; the boundary after byte 1 is gone",
		}},
		{"nothing sent", talk("tcp1", ">_ }b {b"), []string{
			"client to server: 1 send of 0 bytes put nothing on the wire",
		}},
		{"one waits", play(timeout("client"), timeout("client")), []string{
			"client waited until its deadline, and nothing came",
		}},
		{"all wait", play(timeout("client 10"), timeout("client 2"), timeout("a")), []string{
			"a, client 2 and client 10 waited until their deadlines, and nothing came",
		}},
		{"resets", play(fails("client", timeline.Reset, "gone"), fails("client", timeline.Reset, "gone")), []string{
			"client met a dead connection: gone",
		}},
		{"ends", play(does("client", timeline.EOF), does("client", timeline.EOF),
			does("server", timeline.EOF)), []string{
			"client read end of file 2 times: 0 bytes, forever",
		}},
		{"refused", play(fails("client", timeline.Dial, "refused")), []string{"client could not connect: refused"}},
		{
			"not sent", play(fails("client", timeline.Send, "broken pipe")),
			[]string{"client could not send: broken pipe"},
		},
		{"sent in part", play(at(1, 2, timeline.Event{
			Side: "client", Conn: "tcp1", Op: timeline.Send, N: 2, Err: "broken pipe",
		})), []string{"client had 2 bytes taken, and no more: broken pipe"}},
		{"a datagram's read", play(on("udp1", fails("client", timeline.Recv, "too long"))...), []string{
			"client could not read: too long",
		}},
		{"a stream's read", play(fails("client", timeline.Recv, "odd")), nil},
		{"a close", play(fails("client", timeline.Close, "odd")), nil},
	} {
		t.Run(
			test.name,
			func(t *testing.T) { require.Equal(t, test.says, timeline.Verdicts(test.events)) },
		)
	}
}

func TestCompare(t *testing.T) {
	for _, test := range []struct {
		sent, received []string
		says           string
	}{
		{[]string{"hello", "world"}, []string{"hello", "world"}, "2 messages sent, 2 received, each whole"},
		{
			[]string{"hello", "world"},
			[]string{"helloworld"},
			"2 messages sent, 1 received: 2 glued to a neighbour; the boundary after byte 5 is gone",
		},
		{[]string{"hello"}, []string{"he", "llo"}, "1 message sent, 2 received, of 2 and 3 bytes: 1 cut"},
		{
			[]string{"hello", "world"},
			[]string{"hellow", "orld"},
			"2 messages sent, 2 received, of 6 and 4 bytes: 2 glued to a neighbour, 1 cut; the " +
				"boundary after byte 5 is gone",
		},
		{[]string{"hello", "world"}, []string{"hello"}, "2 messages sent, 1 received: 1 not all there"},
		{
			[]string{"ab", "cd", "ef"},
			[]string{"abc"},
			"3 messages sent, 1 received: 2 glued to a neighbour, 2 not all there; the boundary " +
				"after byte 2 is gone",
		},
		{[]string{"hello"}, []string{"jello"}, "1 message sent, 1 received, and not the same bytes"},
		{[]string{"hello"}, []string{"hello!"}, "1 message sent, 1 received, and not the same bytes"},
		{[]string{"hello"}, []string{"hello", ""}, "1 message sent, 2 received"},
		{[]string{"ab", "", "cd"}, []string{"ab", "", "cd"}, "3 messages sent, 3 received, each whole"},
		{
			[]string{"ab", "", "cd"},
			[]string{"abcd"},
			"3 messages sent, 1 received: 2 glued to a neighbour; the boundary after byte 2 is gone",
		},
		{nil, nil, "0 messages sent, 0 received, each whole"},
	} {
		require.Equal(t, test.says, timeline.Compare(raw(test.sent), raw(test.received)).String())
	}
	c := timeline.Compare(raw([]string{"ab", "cd", "ef", "gh"}), raw([]string{"abc", "d", "ef"}))
	require.Equal(
		t,
		[]timeline.Fate{{Glued: true}, {Glued: true, Cut: true}, {Whole: true}, {Lost: true}},
		c.Fates,
	)
	require.Equal(t, []int{2}, c.Lost)
	require.False(t, c.Same)
	c = timeline.Compare(raw([]string{"", "a"}), raw([]string{"", "a"}))
	require.Equal(
		t,
		[]timeline.Fate{{Whole: true}, {Whole: true}},
		c.Fates,
		"an empty one is whole if all are the same",
	)
	c = timeline.Compare(raw([]string{"", "ab"}), raw([]string{"a"}))
	require.Equal(t, []timeline.Fate{{}, {Lost: true}}, c.Fates)
}

// Messages are compared as a whole, not only their beginnings.
func TestCompareLong(t *testing.T) {
	long := strings.Repeat("x", 1000)
	require.True(t, timeline.Compare(raw([]string{long}), raw([]string{long[:999] + "y"})).Changed)
	require.False(t, timeline.Compare(raw([]string{long}), raw([]string{long[:999]})).Changed)
}

func raw(ss []string) [][]byte {
	var bs [][]byte
	for _, s := range ss {
		bs = append(bs, []byte(s))
	}
	return bs
}

// Cut anywhere, the pieces tell which messages are whole: compared with a second, slower way of
// finding out.
func TestCompareGenerated(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	r := rand.New(rand.NewPCG(seed, 2))
	for range 300 {
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
			want := timeline.Fate{Whole: !cut && !glued, Glued: glued, Cut: cut}
			require.Equal(t, want, c.Fates[i], "message %d of %v in %v", i, sent, received)
			at += len(m)
		}
		require.False(t, c.Changed)
	}
}
