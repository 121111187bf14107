package stickytest

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"

	"socketbook/tools/check"
	"socketbook/tools/fault"
)

// example is one line of a table: what was sent, what was received, and the right report.
type example struct {
	sent, received []string
	want           Report
}

func (s suite) examples(c *check.C, table []example) {
	for _, e := range table {
		s.diagnose(c, messages(e.sent), messages(e.received), e.want)
	}
}

// diagnose calls Diagnose, compares its report and returns it. The arguments have to be the same after the
// call.
func (s suite) diagnose(c *check.C, sent, received [][]byte, want Report) (got Report) {
	c.Variation("sent:     %s", quoted(sent))
	c.Step("received: %s", quoted(received))
	return s.report(c, sent, received, want)
}

// report is diagnose without the steps before the call.
func (s suite) report(c *check.C, sent, received [][]byte, want Report) (got Report) {
	sentBefore, receivedBefore := cloned(sent), cloned(received)
	c.Do("Diagnose(sent, received)", func() { got = s.lab.Diagnose(sent, received) })
	c.Step("Diagnose returned %s", got)
	wantSame(c, "sent", sent, sentBefore)
	wantSame(c, "received", received, receivedBefore)
	if len(got.Fates) != len(want.Fates) {
		c.Fail(
			"Fates has %s for %s",
			count(len(got.Fates), "entry", "entries"),
			count(len(sent), "sent message", "sent messages"),
		)
	}
	for i, fate := range want.Fates {
		if got.Fates[i] != fate {
			c.Fail("Fates[%d], about %s: got %q, want %q", i, around(sent, received, i), got.Fates[i], fate)
		}
	}
	if got.Lost != want.Lost {
		c.Fail("Lost: got %d, want %d", got.Lost, want.Lost)
	}
	if got.Foreign != want.Foreign {
		c.Fail("Foreign: got %d, want %d", got.Foreign, want.Foreign)
	}
	return got
}

// cloned returns copies, nil ones of nil.
func cloned(messages [][]byte) (all [][]byte) {
	for _, m := range messages {
		all = append(all, bytes.Clone(m))
	}
	return all
}

func argumentsStay(c *check.C) {
	c.Rule(
		"The arguments belong to the caller: when Diagnose returns, they are as they were, and so is "+
			"everything behind them in their arrays.",
		"Change only slices of your own, made with make. append, slices.Delete and messages[:0] write "+
			"into the array of the slice that they are given.",
	)
}

// wantSame ends the case unless the messages are those that they were before the call.
func wantSame(c *check.C, name string, now, before [][]byte) {
	for i := range before {
		if !bytes.Equal(now[i], before[i]) || (now[i] == nil) != (before[i] == nil) {
			argumentsStay(c)
			c.Fail(
				"Diagnose has changed its arguments: %s[%d] was %s, and is now %s",
				name,
				i,
				quoted(before[i:i+1]),
				quoted(now[i:i+1]),
			)
		}
	}
}

// String is a report as it stands in a step.
func (r Report) String() string {
	fates := fmt.Sprintf("%q", r.Fates[:min(len(r.Fates), shown)])
	if len(r.Fates) > shown {
		fates += fmt.Sprintf(" … (%d fates)", len(r.Fates))
	}
	return fmt.Sprintf("%s, Lost %d, Foreign %d", fates, r.Lost, r.Foreign)
}

// around names a message, and in a long list also where it lies and what was received there.
func around(sent, received [][]byte, i int) string {
	name := quoted(sent[i : i+1])
	if len(sent) <= shown {
		return name
	}
	from := len(bytes.Join(sent[:i], nil))
	to := from + len(sent[i])
	var there [][]byte
	first, start := 0, 0
	for _, r := range received {
		if end := start + len(r); start < to && end > from {
			if len(there) == 0 {
				first = start
			}
			there = append(there, r)
		}
		start += len(r)
	}
	return fmt.Sprintf(
		"%s (bytes %d to %d; received from byte %d on: %s)",
		name,
		from,
		to,
		first,
		quoted(there),
	)
}

func (s suite) whole(c *check.C) {
	s.examples(c, []example{
		{[]string{"hello"}, []string{"hello"}, Report{[]string{Whole}, 0, 0}},
		{[]string{"hello", "world"}, []string{"hello", "world"}, Report{[]string{Whole, Whole}, 0, 0}},
		{[]string{"a", "a", "aa"}, []string{"a", "a", "aa"}, Report{[]string{Whole, Whole, Whole}, 0, 0}},
		{[]string{"你好", "caf\u00e9"}, []string{"你好", "caf\u00e9"}, Report{[]string{Whole, Whole}, 0, 0}},
		{
			[]string{"a\x00b", "\x00", "\xff\xfe"},
			[]string{"a\x00b", "\x00", "\xff\xfe"},
			Report{[]string{Whole, Whole, Whole}, 0, 0},
		},
		{nil, nil, Report{}},
	})
}

func (s suite) glued(c *check.C) {
	s.examples(c, []example{
		{[]string{"hello", "world"}, []string{"helloworld"}, Report{[]string{Glued, Glued}, 0, 0}},
		{
			[]string{"one", "two", "three"},
			[]string{"one", "twothree"},
			Report{[]string{Whole, Glued, Glued}, 0, 0},
		},
		{
			[]string{"one", "two", "three"},
			[]string{"onetwo", "three"},
			Report{[]string{Glued, Glued, Whole}, 0, 0},
		},
		{
			[]string{"a", "a", "a", "aa"},
			[]string{"aaa", "aa"},
			Report{[]string{Glued, Glued, Glued, Whole}, 0, 0},
		},
		{
			[]string{"yes", "no", "yes"},
			[]string{"yesno", "yes"},
			Report{[]string{Glued, Glued, Whole}, 0, 0},
		},
		{[]string{"a", "bc"}, []string{"abc"}, Report{[]string{Glued, Glued}, 0, 0}},
		{[]string{"aa", "aa", "aa"}, []string{"aaaaaa"}, Report{[]string{Glued, Glued, Glued}, 0, 0}},
	})
}

func (s suite) cut(c *check.C) {
	s.examples(c, []example{
		{[]string{"hello"}, []string{"hel", "lo"}, Report{[]string{Cut}, 0, 0}},
		{[]string{"hello", "world"}, []string{"hello", "w", "orld"}, Report{[]string{Whole, Cut}, 0, 0}},
		{
			[]string{"hello", "world"},
			[]string{"h", "e", "llo", "world"},
			Report{[]string{Cut, Whole}, 0, 0},
		},
		{[]string{"aa", "a"}, []string{"a", "a", "a"}, Report{[]string{Cut, Whole}, 0, 0}},
		{[]string{"\u00e9"}, []string{"\xc3", "\xa9"}, Report{[]string{Cut}, 0, 0}},
		{[]string{"a\x00b", "c"}, []string{"a\x00", "b", "c"}, Report{[]string{Cut, Whole}, 0, 0}},
	})
	for _, e := range []example{
		{[]string{"hello"}, []string{"hel", "", "lo"}, Report{[]string{Cut}, 0, 0}},
		{
			[]string{"hello", "world"},
			[]string{"", "hello", "", "", "world", ""},
			Report{[]string{Whole, Whole}, 0, 0},
		},
	} {
		s.withEmpty(c, messages(e.sent), messages(e.received), e.want)
	}
	long := bytes.Repeat([]byte("sticky "), 500)
	for _, cut := range c.Cuts(1, 1024, len(long)-1) {
		pieces := cut.Pieces(long)
		s.compare(c, [][]byte{long}, pieces)
	}
}

func (s suite) both(c *check.C) {
	s.examples(c, []example{
		{
			[]string{"hello", "world"},
			[]string{"hel", "lowor", "ld"},
			Report{[]string{GluedAndCut, GluedAndCut}, 0, 0},
		},
		{
			[]string{"hello", "world"},
			[]string{"hellow", "orld"},
			Report{[]string{Glued, GluedAndCut}, 0, 0},
		},
		{
			[]string{"hello", "world"},
			[]string{"hell", "oworld"},
			Report{[]string{GluedAndCut, Glued}, 0, 0},
		},
		{
			[]string{"a", "long one", "b"},
			[]string{"al", "ong", " on", "eb"},
			Report{[]string{Glued, GluedAndCut, Glued}, 0, 0},
		},
		{[]string{"aa", "aa"}, []string{"aaa", "a"}, Report{[]string{Glued, GluedAndCut}, 0, 0}},
		{
			[]string{"hello", "world"},
			[]string{"hellowo", "", "rld"},
			Report{[]string{Glued, GluedAndCut}, 0, 0},
		},
		{
			[]string{"one", "two", "three"},
			[]string{"on", "etwoth", "r", "ee"},
			Report{[]string{GluedAndCut, Glued, GluedAndCut}, 0, 0},
		},
		{
			[]string{"hello", "world"},
			[]string{"he", "l", "lowor", "ld"}, // only the third piece of hello holds another's bytes
			Report{[]string{GluedAndCut, GluedAndCut}, 0, 0},
		},
		{
			[]string{"sticky packets", "!"},
			append(strings.Split("sticky packet", ""), "s!"),
			Report{[]string{GluedAndCut, Glued}, 0, 0},
		},
	})
	hello := messages([]string{"hello", "world"})
	s.withEmpty(
		c,
		hello,
		messages([]string{"hel", "", "lowor", "", "", "ld"}),
		Report{[]string{GluedAndCut, GluedAndCut}, 0, 0},
	)
}

// withEmpty is diagnose with empty ones among the received messages.
func (s suite) withEmpty(c *check.C, sent, received [][]byte, want Report) {
	c.Variation("sent:     %s", quoted(sent))
	c.Step("received: %s", quoted(received))
	c.Rule(
		"An empty received message holds no byte and changes nothing.",
		"It covers no range of bytes: ask of a received message whether it shares at least one byte "+
			"with the message, or leave the empty ones out of a list of your own.",
	)
	s.report(c, sent, received, want)
}

func (s suite) missing(c *check.C) {
	s.examples(c, []example{
		{[]string{"hello", "world"}, []string{"hello"}, Report{[]string{Whole, Missing}, 5, 0}},
		{[]string{"hello", "world"}, nil, Report{[]string{Missing, Missing}, 10, 0}},
		{[]string{"你好", "\x00x"}, []string{"你"}, Report{[]string{Cut, Missing}, 5, 0}},
		{[]string{"hello", "world"}, []string{"hello", "wor"}, Report{[]string{Whole, Cut}, 2, 0}},
		{
			[]string{"hello", "world", "!"},
			[]string{"hel", "lo"},
			Report{[]string{Cut, Missing, Missing}, 6, 0},
		},
		{
			[]string{"hello", "", "world"},
			[]string{"hello", "world"},
			Report{[]string{Whole, Missing, Whole}, 0, 0},
		},
		{[]string{"", "hello", ""}, []string{"hel", "lo"}, Report{[]string{Missing, Cut, Missing}, 0, 0}},
		{
			[]string{"hello", "", "world"},
			[]string{"hello", "", "world"},
			Report{[]string{Whole, Missing, Whole}, 0, 0},
		},
		{[]string{""}, []string{""}, Report{[]string{Missing}, 0, 0}},
		{[]string{"hello", "world"}, []string{"", ""}, Report{[]string{Missing, Missing}, 10, 0}},
		{[]string{"", ""}, nil, Report{[]string{Missing, Missing}, 0, 0}},
	})
	withNil := [][]byte{[]byte("hello"), nil, []byte("world")} // a nil message is an empty one
	s.diagnose(c, withNil, withNil, Report{[]string{Whole, Missing, Whole}, 0, 0})
}

func (s suite) foreign(c *check.C) {
	s.examples(c, []example{
		{[]string{"hi"}, []string{"hi", "!"}, Report{[]string{Whole}, 0, 1}},
		{[]string{"hi"}, []string{"hi!"}, Report{[]string{Glued}, 0, 1}},
		{
			[]string{"hello", "world"},
			[]string{"hello", "wOrld"},
			Report{[]string{Whole, GluedAndCut}, 4, 4},
		},
		{[]string{"hello", "world"}, []string{"hello", "World"}, Report{[]string{Whole, Missing}, 5, 5}},
		{[]string{"hello", "world"}, []string{"helloWorld"}, Report{[]string{Glued, Missing}, 5, 5}},
		{
			[]string{"hello", "world"},
			[]string{"world", "hello"},
			Report{[]string{Missing, Missing}, 10, 10},
		},
		{
			[]string{"one", "two", "three"},
			[]string{"one", "three"},
			Report{[]string{Whole, GluedAndCut, Missing}, 7, 4},
		},
		{[]string{"hello"}, []string{"he", "lXX"}, Report{[]string{GluedAndCut}, 2, 2}},
		{[]string{"hello"}, []string{"hel", "XX"}, Report{[]string{Cut}, 2, 2}},
		{
			[]string{"one", "two", "three"},
			[]string{"one", "TWO", "three"},
			Report{[]string{Whole, Missing, Missing}, 8, 8},
		},
		{[]string{"abc"}, []string{"abXYZ"}, Report{[]string{GluedAndCut}, 1, 3}},
		{[]string{"hi"}, []string{"hi", "你"}, Report{[]string{Whole}, 0, 3}},
		{[]string{"a\xffb"}, []string{"a\xfeb"}, Report{[]string{GluedAndCut}, 2, 2}}, // neither is UTF-8
		{nil, []string{"hi"}, Report{nil, 0, 2}},
		{[]string{""}, []string{"", "hi"}, Report{[]string{Missing}, 0, 2}},
	})
}

func (s suite) all(c *check.C) {
	rng := rand.New(rand.NewPCG(c.Seed(), 4))
	var got, want []Report
	compare := func(sent, received [][]byte) {
		right := expect(sent, received)
		want = append(want, right)
		got = append(got, s.diagnoseApart(c, sent, received, right))
	}
	for _, cut := range c.Cuts(7, 8, 100) {
		sent := random(rng, 120, 40)
		stream := bytes.Join(sent, nil)
		received := cut.Pieces(stream)
		compare(sent, received)
		compare(sent, pairs(sent))
		compare(sent, received[:len(received)*2/3])

		changed := slices.Clone(stream)
		changed[len(changed)*3/4] = 'X'
		compare(sent, cut.Pieces(changed))
	}
	sent := random(rng, 1000, 4)
	compare(sent, fault.Random(c.Seed(), 5).Pieces(bytes.Join(sent, nil)))
	for _, size := range []int{127, 128, 129, 255, 256, 257, 32769, 65537} {
		sent := [][]byte{bytes.Repeat([]byte("x"), size), []byte("end")}
		stream := bytes.Join(sent, nil)
		compare(sent, sent)
		compare(sent, [][]byte{stream[:size-1], stream[size-1:]})
	}
	long := [][]byte{bytes.Repeat([]byte("x"), 1<<20+1), []byte("end")}
	s.diagnose(c, long, long, Report{[]string{Whole, Whole}, 0, 0})
	keeps := func() {
		for i := range got {
			if !slices.Equal(got[i].Fates, want[i].Fates) {
				c.Rule(
					"The report belongs to the caller: later calls do not change it, and the caller may "+
						"overwrite it and append to it.",
					"Make a slice of fates in each call; keep none between calls, not even an empty one.",
				)
				c.Fail(
					"the Fates that an earlier call has returned have changed since: a report belongs " +
						"to the caller, so each needs a slice of its own",
				)
			}
		}
	}
	keeps()
	for range 2 { // what is appended to the first report must not show in the second
		compare(nil, messages([]string{"hi"}))
	}
	last := messages([]string{"one", "two", "three"}) // all of them whole
	compare(last, last)
	mine := s.diagnoseApart(c, last, last, expect(last, last))
	c.Step("the suite overwrites the Fates of this report")
	clear(mine.Fates)
	keeps()
	compare(last, last)

	c.Step("the suite appends a fate to each report")
	for i := range got {
		mine := fmt.Sprint("the caller's ", i)
		got[i].Fates = append(got[i].Fates, mine)
		want[i].Fates = append(want[i].Fates, mine)
	}
	keeps()

	reused := messages([]string{"one", "two"})
	received := messages([]string{"one"})
	s.diagnose(c, reused, received, Report{[]string{Whole, Missing}, 3, 0})
	copy(received[0], "onX")
	c.Variation("the same slices once more, with other bytes in them: %s", quoted(received))
	c.Rule(
		"A report is about the bytes of this call.",
		"Compare anew in each call; keep nothing between calls.",
	)
	s.report(c, reused, received, Report{[]string{GluedAndCut, Missing}, 4, 1})
}

// random returns that many messages of fewer than most bytes.
func random(rng *rand.Rand, many, most int) [][]byte {
	messages := make([][]byte, many)
	for i := range messages {
		messages[i] = make([]byte, rng.IntN(most))
		for k := range messages[i] {
			messages[i][k] = "ab"[rng.IntN(2)] // few letters, so that searching for contents goes wrong
		}
	}
	return messages
}

// diagnoseApart is diagnose with messages that lie in two arrays, where nothing may be written.
func (s suite) diagnoseApart(c *check.C, sent, received [][]byte, want Report) Report {
	sent, sentArray := apart(sent)
	received, receivedArray := apart(received)
	sentBefore, receivedBefore := bytes.Clone(sentArray), bytes.Clone(receivedArray)
	got := s.diagnose(c, sent, received, want)
	wantNext(c, "sent", sent)
	wantNext(c, "received", received)
	argumentsStay(c)
	c.WantBytes(
		"the array in which the sent messages lie, after Diagnose has written into it",
		sentArray,
		sentBefore,
	)
	c.WantBytes(
		"the array in which the received messages lie, after Diagnose has written into it",
		receivedArray,
		receivedBefore,
	)
	return got
}

// next is a message of the caller's that is in the array behind the slices of messages.
const next = "the caller's next message"

// wantNext ends the case if it is there no more.
func wantNext(c *check.C, name string, messages [][]byte) {
	if behind := messages[:len(messages)+1][len(messages)]; string(behind) != next {
		argumentsStay(c)
		c.Fail(
			"Diagnose has written into the array behind %s: it held %q there, and now %q; append to "+
				"a slice of your own",
			name,
			next,
			behind,
		)
	}
}

// apart lays copies of the messages into one array, with a gap behind each. Every message has room behind
// it, which does not belong to it.
func apart(messages [][]byte) (copies [][]byte, array []byte) {
	const gap = "...."
	for _, m := range messages {
		array = append(append(array, m...), gap...)
	}
	from := 0
	for _, m := range messages {
		copies = append(copies, array[from:from+len(m)])
		from += len(m) + len(gap)
	}
	return append(copies, []byte(next))[:len(messages)], array
}

// compare is diagnose with the report that is worked out here.
func (s suite) compare(c *check.C, sent, received [][]byte) {
	s.diagnose(c, sent, received, expect(sent, received))
}

// pairs sticks every two neighbours together.
func pairs(sent [][]byte) [][]byte {
	var received [][]byte
	for two := range slices.Chunk(sent, 2) {
		received = append(received, bytes.Join(two, nil))
	}
	return received
}

// expect works the right report out byte by byte.
func expect(sent, received [][]byte) Report {
	from, to := owners(
		sent,
	), owners(
		received,
	) // for each byte: in which message it was sent, in which it was received
	a, b := bytes.Join(sent, nil), bytes.Join(received, nil)
	arrived := 0
	for arrived < min(len(a), len(b)) && a[arrived] == b[arrived] {
		arrived++
	}
	want := Report{Lost: len(a) - arrived, Foreign: len(b) - arrived}
	bytesOf := make([]int, len(sent))           // arrived
	piecesOf := make([]map[int]bool, len(sent)) // received messages that hold one of them
	mixed := make([]bool, len(received))        // holds bytes of several messages, or foreign ones
	first := slices.Repeat([]int{-2}, len(received))
	for i := range b {
		owner, piece := -1, to[i]
		if i < arrived {
			owner = from[i]
			bytesOf[owner]++
			if piecesOf[owner] == nil {
				piecesOf[owner] = map[int]bool{}
			}
			piecesOf[owner][piece] = true
		}
		if first[piece] == -2 {
			first[piece] = owner
		}
		mixed[piece] = mixed[piece] || owner != first[piece]
	}
	for i, m := range sent {
		glued := false
		for p := range piecesOf[i] {
			glued = glued || mixed[p]
		}
		cut := len(piecesOf[i]) > 1 || bytesOf[i] < len(m)
		want.Fates = append(want.Fates, fate(bytesOf[i] > 0, glued, cut))
	}
	return want
}

func fate(arrived, glued, cut bool) string {
	switch {
	case !arrived:
		return Missing
	case glued && cut:
		return GluedAndCut
	case glued:
		return Glued
	case cut:
		return Cut
	}
	return Whole
}

// owners returns for each byte of the stream the number of the message that it belongs to.
func owners(messages [][]byte) []int {
	var all []int
	for i, m := range messages {
		all = append(all, slices.Repeat([]int{i}, len(m))...)
	}
	return all
}

func messages(texts []string) [][]byte {
	var all [][]byte
	for _, t := range texts {
		all = append(all, []byte(t))
	}
	return all
}

const shown = 8 // messages that a step shows

// quoted writes messages for a step: "hello" | "world".
func quoted(messages [][]byte) string {
	if len(messages) == 0 {
		return "(nothing)"
	}
	var parts []string
	for _, m := range messages[:min(len(messages), shown)] {
		switch {
		case m == nil:
			parts = append(parts, "nil")
		case len(m) > 50:
			parts = append(parts, fmt.Sprintf("%q… (%d bytes)", m[:20], len(m)))
		default:
			parts = append(parts, fmt.Sprintf("%q", m))
		}
	}
	if len(messages) > shown {
		parts = append(parts, fmt.Sprintf("… (%d messages)", len(messages)))
	}
	return strings.Join(parts, " | ")
}

func count(n int, one, more string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%d %s", n, more)
}
