package timeline

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
)

// Fate is what became of one message.
type Fate struct {
	Whole bool // came as exactly one received message
	Glued bool // at least one received message holds bytes of it and of another
	Cut   bool // its bytes came in more than one received message
	Lost  bool // not all of its bytes came
}

// Comparison says what became of messages, in the terms of the programs that sent and received them.
type Comparison struct {
	Sent, Received [][]byte
	Fates          []Fate // one for each sent message
	Lost           []int  // offsets of message boundaries that nobody can find any more
	Same           bool   // the same messages, one by one
	Changed        bool   // the received bytes are not a beginning of the sent ones
}

// Compare sets the messages that one program sent beside those that the other program was handed: two
// streams of the same bytes, each with its own boundaries.
func Compare(sent, received [][]byte) Comparison {
	c := Comparison{Sent: sent, Received: received, Same: slices.EqualFunc(sent, received, bytes.Equal)}
	sends, reads, w := spansOf(sent), spansOf(received), &way{}
	w.advance(sends, reads)
	c.Changed = w.broken || len(w.took) < len(reads)
	for i, s := range sends {
		fate := Fate{Lost: s.n > 0, Whole: c.Same, Cut: len(w.uses[i]) > 1}
		for _, u := range w.uses[i] {
			alone := len(w.took[u.Read]) == 1
			fate.Glued = fate.Glued || !alone
			fate.Whole = fate.Whole || alone && u.From == 0 && u.To == s.n
			fate.Lost = u.To < s.n
		}
		c.Fates = append(c.Fates, fate)
	}
	c.Lost = lostBoundaries(sends, w)
	return c
}

// spansOf numbers messages from 0.
func spansOf(messages [][]byte) []span {
	var spans []span
	for i, m := range messages {
		spans = appended(spans, span{seq: i, n: len(m), data: m})
	}
	return spans
}

// lostBoundaries returns the ends of those sends that lie inside a read.
func lostBoundaries(sends []span, w *way) []int {
	end := map[int]int{}
	for _, s := range sends {
		end[s.seq] = s.at + s.n
	}
	var lost []int
	for _, pieces := range w.took {
		for _, p := range pieces[:max(0, len(pieces)-1)] {
			lost = append(lost, end[p.Sends[0]])
		}
	}
	return lost
}

// String says it in one sentence.
func (c Comparison) String() string {
	head := fmt.Sprintf("%s sent, %d received", plural(len(c.Sent), "message"), len(c.Received))
	if slices.ContainsFunc(c.Fates, func(f Fate) bool { return f.Cut }) {
		head += ", of " + sizes(lengths(c.Received))
	}
	switch {
	case c.Same:
		return head + ", each whole"
	case c.Changed:
		return head + ", and not the same bytes"
	}
	if parts := c.damage(); len(parts) > 0 {
		head += ": " + strings.Join(parts, ", ")
	}
	if len(c.Lost) > 0 {
		head += "; " + boundaries(c.Lost)
	}
	return head
}

// damage counts the messages that did not come as they were sent.
func (c Comparison) damage() []string {
	var parts []string
	say := func(is func(Fate) bool, what string) {
		n := 0
		for _, f := range c.Fates {
			if is(f) {
				n++
			}
		}
		if n > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", n, what))
		}
	}
	say(func(f Fate) bool { return f.Glued }, "glued to a neighbour")
	say(func(f Fate) bool { return f.Cut }, "cut")
	say(func(f Fate) bool { return f.Lost }, "not all there")
	return parts
}

func lengths(messages [][]byte) []int {
	var ns []int
	for _, m := range messages {
		ns = append(ns, len(m))
	}
	return ns
}

func boundaries(at []int) string {
	if len(at) == 1 {
		return fmt.Sprintf("the boundary after byte %d is gone", at[0])
	}
	return fmt.Sprintf("the boundaries after bytes %s are gone", numbers(at))
}

// sizes says how many bytes: of many equal sizes only one.
func sizes(ns []int) string {
	switch {
	case len(ns) == 1:
		return plural(ns[0], "byte")
	case len(ns) > 2 && slices.Min(ns) == slices.Max(ns):
		return plural(ns[0], "byte") + " each"
	}
	return numbers(ns) + " bytes"
}

// numbers writes numbers as people do: "1024, 1024 and 952"; of many only the first few.
func numbers(ns []int) string {
	const most = 6
	var words []string
	for _, n := range ns[:min(len(ns), most)] {
		words = append(words, fmt.Sprint(n))
	}
	if len(ns) > most {
		return strings.Join(words, ", ") + fmt.Sprintf(" … (%d more)", len(ns)-most)
	}
	return list(words)
}

// list joins words with commas and "and".
func list(words []string) string {
	if len(words) < 2 {
		return strings.Join(words, "")
	}
	return strings.Join(words[:len(words)-1], ", ") + " and " + words[len(words)-1]
}

func plural(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}

func sum(ns []int) int {
	total := 0
	for _, n := range ns {
		total += n
	}
	return total
}
