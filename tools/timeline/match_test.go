package timeline_test

import (
	"cmp"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"socketbook/tools/timeline"
)

// matched says of each read what it took, and of each send what became of it, in the order of the
// events: sends are called 1, 2, 3.
func matched(m *timeline.Matcher, events []timeline.Event) string {
	name := map[int]string{}
	for _, e := range events {
		if e.Op == timeline.Send {
			name[e.Seq] = fmt.Sprint(len(name) + 1)
		}
	}
	var words []string
	for _, e := range events {
		switch e.Op {
		case timeline.Recv:
			words = append(words, tookOf(m, e, name))
		case timeline.Send:
			n, known := m.Unread(e.Seq)
			switch {
			case !known:
				words = append(words, name[e.Seq]+":?")
			case m.Lost(e.Seq):
				words = append(words, name[e.Seq]+":lost")
			case n > 0:
				words = append(words, fmt.Sprintf("%s:-%d", name[e.Seq], n))
			}
		}
	}
	return strings.Join(words, " ")
}

func tookOf(m *timeline.Matcher, e timeline.Event, name map[int]string) string {
	var words []string
	for _, p := range m.Took(e.Seq) {
		var names []string
		for _, seq := range p.Sends {
			names = append(names, name[seq])
		}
		words = append(words, fmt.Sprintf("%s[%d:%d]", strings.Join(names, "|"), p.From, p.To))
	}
	if len(words) == 0 {
		return "?"
	}
	return strings.Join(words, "+")
}

func TestMatchStreams(t *testing.T) {
	for _, test := range []struct{ name, script, want string }{
		{"whole", ">ab <ab >c <c", "1[0:2] 2[0:1]"},
		{"glued", ">hello >world <helloworld", "1[0:5]+2[0:5]"},
		{"cut", ">hello <he <llo", "1[0:2] 1[2:5]"},
		{"glued and cut", ">hello >world <hellow <orld", "1[0:5]+2[0:1] 2[1:5]"},
		{"three in one", ">a >b >c <abc", "1[0:1]+2[0:1]+3[0:1]"},
		{"unread", ">hello >x <he", "1:-3 2:lost 1[0:2]"},
		{"never read", ">hello >x }y {y", "1:lost 2:lost 3[0:1]"},
		{"a send of no bytes", ">_ >x <x", "1:? 2[0:1]"},
		{"both ways", ">ab }cd <a {cd <b", "1[0:1] 2[0:2] 1[1:2]"},
		{"other bytes", ">hello >x <hi", "1:? 2:? ?"},
		{"other bytes from then on", ">ab <ab >cd <cx >e <e", "1:? 1[0:2] 2:? ? 3:? ?"},
		{"more than was sent", ">ab <abc", "1:? ?"},
		{"read before it was sent", "<ab >ab", "? 1:?"},
	} {
		t.Run(test.name, func(t *testing.T) {
			events := talk("tcp1", test.script)
			require.Equal(t, test.want, matched(timeline.Match(events), events))
		})
	}
}

func TestMatchDatagrams(t *testing.T) {
	for _, test := range []struct{ name, script, want string }{
		{"whole", ">ab <ab >c <c", "1[0:2] 2[0:1]"},
		{"lost", ">a >b >c <a <c", "2:lost 1[0:1] 3[0:1]"},
		{"overtaken", ">a >b <b <a", "2[0:1] 1[0:1]"},
		{"doubled", ">a <a <a >b <b", "1[0:1] 1[0:1] 2[0:1]"},
		{"empty", ">_ <_ >x", "1[0:0] 2:lost"},
		{"an empty one lost", ">_ >x <x", "1:lost 2[0:1]"},
		{"equal, one after the other", ">a <a >a <a", "1[0:1] 2[0:1]"},
		{"equal, none lost", ">a >a <a <a", "1|2[0:1] 1|2[0:1]"},
		{"equal, one lost", ">a >a <a >b <b", "1:? 2:? 1|2[0:1] 3[0:1]"},
		{"equal, and another one later", ">a >a <a >a <a", "1:? 2:? 1|2[0:1] 3:? 1|2|3[0:1]"},
		{"equal, both read, then a third", ">a >a <a <a >a <a", "1|2[0:1] 1|2[0:1] 3[0:1]"},
		{"equal, one doubled", ">a >a <a <a <a", "1|2[0:1] 1|2[0:1] 1|2[0:1]"},
		{"cut short", ">abcd <ab >abxy <abxy", "1:-2 1[0:2] 2[0:4]"},
		{"cut short, one of two", ">abcd >abxy <ab", "1:? 2:? 1|2[0:2]"},
		{"cut short, in the order in which they were sent", ">abxy >abcd <ab", "1:? 2:? 1|2[0:2]"},
		{"cut short, both", ">abcd >abxyz <ab <ab", "1:-2 2:-3 1|2[0:2] 1|2[0:2]"},
		{"rather an equal one than one cut short", ">abcd >ab <ab", "1:lost 2[0:2]"},
		{"rather one cut short than one twice", ">ab >abcd <ab <ab", "2:-2 1[0:2] 2[0:2]"},
		{"rather one that was sent", ">abcd <ab >ab", "1:-2 1[0:2] 2:lost"},
		{"longer than any", ">ab <abc", "1:? ?"},
		{"of somebody else", ">ab >cd <ab <xx", "1:? 2:? 1[0:2] ?"},
		{"read before it was sent", "<ab >ab", "? 1:?"},
		{"both ways", ">ab }ab <ab {ab", "1[0:2] 2[0:2]"},
	} {
		t.Run(test.name, func(t *testing.T) {
			events := talk("udp1", test.script)
			require.Equal(t, test.want, matched(timeline.Match(events), events))
		})
	}
}

// Only the first 256 bytes are kept, and the others are counted.
func TestMatchLong(t *testing.T) {
	long := strings.Repeat("x", 1000)
	events := talk("tcp1", ">"+long+" >yz <"+long[:999]+" <xy")
	want := "2:-1 1[0:999] 1[999:1000]+2[0:1]"
	require.Equal(t, want, matched(timeline.Match(events), events))
	events = talk("udp1", ">"+long+" >y"+long[2:]+" <y"+long[2:]+" <"+long[:300])
	want = "1:-700 2[0:999] 1[0:300]"
	require.Equal(t, want, matched(timeline.Match(events), events))
}

func TestReaders(t *testing.T) {
	events := talk("tcp1", ">hello >world <hellow <orl")
	m := timeline.Match(events)
	require.Equal(t, []timeline.Use{{Read: 3, From: 0, To: 5}}, m.Readers(events[0].Seq))
	want := []timeline.Use{{Read: 3, From: 0, To: 1}, {Read: 4, From: 1, To: 4}}
	require.Equal(t, want, m.Readers(events[1].Seq))
	require.Empty(t, m.Readers(events[2].Seq), "a read")
	require.Nil(t, m.Took(events[0].Seq), "a send")
	both := talk("tcp1", ">a }b <a {b")
	require.Nil(t, timeline.Match(both).Took(both[0].Seq), "a send, where there are reads, too")
	require.Nil(t, m.Took(99))
	require.Nil(t, m.Readers(99))
	require.False(t, m.Lost(99))

	events = talk("udp1", ">a >b >b <a <a <b")
	m = timeline.Match(events)
	want = []timeline.Use{{Read: 4, From: 0, To: 1}, {Read: 5, From: 0, To: 1}}
	require.Equal(t, want, m.Readers(events[0].Seq), "it came twice")
	require.Empty(t, m.Readers(events[1].Seq), "nobody knows")
}

// Of a connection with one side on record, or three, nothing is said; a socket that sends to itself
// has one side only.
func TestMatchSides(t *testing.T) {
	one := play(send("client", "a"), recv("client", "a"))
	require.Equal(t, "1:? ?", matched(timeline.Match(one), one))
	three := play(send("client", "a"), recv("server", "a"), does("third", timeline.Close))
	require.Equal(t, "1:? ?", matched(timeline.Match(three), three))
	self := play(on("tcp1 to itself", send("client", "ab"), recv("client", "a"))...)
	require.Equal(t, "1:-1 1[0:1]", matched(timeline.Match(self), self))
	self = play(on("udp1 to itself", send("client", "ab"), recv("client", "ab"))...)
	require.Equal(t, "1[0:2]", matched(timeline.Match(self), self))
	two := play(send("client", "a"), does("server", timeline.Accept))
	require.Equal(
		t,
		"1:lost",
		matched(timeline.Match(two), two),
		"it is known that the server was there",
	)
	m := timeline.Match(play(send("client", "a"), recv("server", "a")))
	m.Add(timeline.Event{Seq: 9, Side: "third", Conn: "tcp1", Op: timeline.EOF, End: 5})
	require.Nil(t, m.Took(2), "a third side came later")
}

// A send that blocks has as many bytes as have been read; what it is not known to have put out is
// not called unread.
func TestMatchBlocked(t *testing.T) {
	blocked := at(100, 0, send("client", "abcdef"))
	blocked.N = 0
	events := play(blocked, at(150, 200, recv("server", "abc")), at(250, 300, recv("server", "d")))
	events[0].N = 0
	require.Equal(t, "1:? 1[0:3] 1[3:4]", matched(timeline.Match(events), events))
	m := timeline.NewMatcher()
	for _, e := range events {
		m.Add(e)
	}
	failed := events[0]
	failed.End, failed.N, failed.Err = 400, 5, "broken pipe"
	m.Add(failed)
	require.Equal(t, "1:-1 1[0:3] 1[3:4]", matched(m, events), "5 of 6 bytes went out, and 4 were read")

	m = timeline.NewMatcher()
	m.Add(events[0])
	_ = m.Took(1)
	failed.N = 0
	m.Add(failed)
	require.Nil(t, m.Readers(failed.Seq), "nothing went out")
	require.False(t, m.Lost(failed.Seq))
	m.Add(
		timeline.Event{
			Seq:  7,
			US:   500,
			End:  510,
			Side: "client",
			Conn: "tcp1",
			Op:   timeline.Send,
			N:    1,
		},
	)
	m.Add(
		timeline.Event{
			Seq:  8,
			US:   520,
			End:  530,
			Side: "server",
			Conn: "tcp1",
			Op:   timeline.Recv,
			N:    1,
		},
	)
	require.Equal(t, []timeline.Piece{{Sends: []int{7}, From: 0, To: 1}}, m.Took(8))

	datagram := at(100, 0, on("udp1", send("client", "abc"))[0])
	events = play(datagram, at(150, 200, on("udp1", recv("server", "abc"))[0]))
	events[0].N = 0
	require.Equal(t, "1:? 1[0:3]", matched(timeline.Match(events), events))
	m = timeline.Match(events)
	events[0].End, events[0].Err = 400, "message too long"
	m.Add(events[0])
	require.Equal(t, "1:? ?", matched(m, events), "it was not sent")
}

// returned is when a call returned; at the end of all times if it still blocks.
func returned(e timeline.Event) int64 {
	if e.End == 0 {
		return math.MaxInt64
	}
	return e.End
}

// Events that come one by one, in the order in which their calls return or begin, and with those that
// block in between, tell in the end what all of them tell at once. What is told on the way is not
// taken back, except for datagrams.
func TestIncremental(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	r := rand.New(rand.NewPCG(seed, 0))
	for range 50 {
		g := generate(r)
		want := matched(timeline.Match(g.events), g.events)
		byReturn := slices.Clone(g.events)
		slices.SortFunc(
			byReturn,
			func(a, b timeline.Event) int { return cmp.Compare(returned(a), returned(b)) },
		)
		for _, order := range [][]timeline.Event{g.events, byReturn} {
			m := timeline.NewMatcher()
			for _, e := range order {
				if r.IntN(3) == 0 && e.Op == timeline.Send {
					blocked := e
					blocked.End, blocked.N, blocked.Err = 0, 0, ""
					m.Add(blocked)
					m.Took(1 + r.IntN(len(order)))
				}
				m.Add(e)
				if r.IntN(2) == 0 {
					m.Took(1 + r.IntN(len(order)))
					m.Readers(1 + r.IntN(len(order)))
				}
			}
			require.Equal(t, want, matched(m, g.events))
		}
	}
}
