package rowdiff

import (
	"slices"

	"github.com/aymanbagabas/go-udiff/lcs"
)

// hunk is a place where the texts differ: lines oldStart up to but not including oldEnd (from 0)
// have become newStart up to newEnd. One of the two may be empty.
type hunk struct{ oldStart, oldEnd, newStart, newEnd int }

// diffLines finds the hunks between two texts, in order, with at least one equal line between two of them.
//
// It is the patience diff: lines that occur once in each text are the anchors, and the longest series
// of anchors in the same order on both sides cuts the texts into smaller ones. What lies between two
// anchors goes to the library's search for a longest common subsequence. Anchors keep a function with
// its own braces; a search for the fewest lines alone likes to pair one function's braces with
// another's.
func diffLines(a, b []string) []hunk {
	ids := make(map[string]rune)
	d := &lineDiffer{a: intern(ids, a), b: intern(ids, b)}
	d.seenA, d.seenB = make([]seen, len(ids)), make([]seen, len(ids))
	d.diff(0, len(a), 0, len(b))
	return slide(merge(d.hunks), a, b)
}

// intern gives every different string a number, so that comparing lines is comparing numbers.
func intern(ids map[string]rune, texts []string) []rune {
	out := make([]rune, len(texts))
	for i, s := range texts {
		id, ok := ids[s]
		if !ok {
			id = rune(len(ids))
			ids[s] = id
		}
		out[i] = id
	}
	return out
}

type lineDiffer struct {
	a, b         []rune
	hunks        []hunk
	seenA, seenB []seen // scratch for anchors, indexed by line id
	round        int
}

// seen counts a line's occurrences in the stretch of the current round.
type seen struct{ round, count, index int }

// diff compares a[a0:a1] with b[b0:b1] and appends what it finds to hunks.
func (d *lineDiffer) diff(a0, a1, b0, b1 int) {
	for a0 < a1 && b0 < b1 && d.a[a0] == d.b[b0] {
		a0, b0 = a0+1, b0+1
	}
	for a0 < a1 && b0 < b1 && d.a[a1-1] == d.b[b1-1] {
		a1, b1 = a1-1, b1-1
	}
	if a0 == a1 || b0 == b1 {
		d.add(hunk{a0, a1, b0, b1})
		return
	}
	anchors := d.anchors(a0, a1, b0, b1)
	if len(anchors) == 0 {
		d.search(a0, a1, b0, b1)
		return
	}
	for _, p := range anchors {
		d.diff(a0, p.old, b0, p.new)
		a0, b0 = p.old+1, p.new+1
	}
	d.diff(a0, a1, b0, b1)
}

// search compares two stretches that share no anchor. The library gives up beyond 100 differences and
// returns the middle as one piece, so a piece that came back smaller is tried again.
func (d *lineDiffer) search(a0, a1, b0, b1 int) {
	for _, c := range lcs.DiffRunes(d.a[a0:a1], d.b[b0:b1]) {
		h := hunk{a0 + c.Start, a0 + c.End, b0 + c.ReplStart, b0 + c.ReplEnd}
		smaller := h != hunk{a0, a1, b0, b1}
		if smaller && h.oldStart < h.oldEnd && h.newStart < h.newEnd {
			d.diff(h.oldStart, h.oldEnd, h.newStart, h.newEnd)
		} else {
			d.add(h)
		}
	}
}

func (d *lineDiffer) add(h hunk) {
	if h.oldStart < h.oldEnd || h.newStart < h.newEnd {
		d.hunks = append(d.hunks, h)
	}
}

// pair is a line of the old text and the line of the new text that belongs beside it.
type pair struct{ old, new int }

// anchors returns the longest series of lines that occur once in each stretch and stand in the same
// order in both.
func (d *lineDiffer) anchors(a0, a1, b0, b1 int) []pair {
	d.round++
	count := func(s []seen, ids []rune, from, to int) {
		for i := from; i < to; i++ {
			if e := &s[ids[i]]; e.round != d.round {
				*e = seen{d.round, 1, i}
			} else {
				e.count++
			}
		}
	}
	count(d.seenA, d.a, a0, a1)
	count(d.seenB, d.b, b0, b1)

	var once []pair
	for i := a0; i < a1; i++ {
		ea, eb := d.seenA[d.a[i]], d.seenB[d.a[i]]
		if ea.count == 1 && eb.round == d.round && eb.count == 1 {
			once = append(once, pair{i, eb.index})
		}
	}
	return longestRising(once)
}

// longestRising returns a longest part of pairs, which rise in old, that rises in new as well (patience
// sorting).
func longestRising(pairs []pair) []pair {
	tops := make([]int, 0, len(pairs))   // the pair on top of each pile
	before := make([]int, 0, len(pairs)) // for each pair, the top of the pile to its left at that time
	for i, p := range pairs {
		pile, _ := slices.BinarySearchFunc(tops, p.new,
			func(top, want int) int { return pairs[top].new - want })
		if pile == len(tops) {
			tops = append(tops, i)
		} else {
			tops[pile] = i
		}
		if pile == 0 {
			before = append(before, -1)
		} else {
			before = append(before, tops[pile-1])
		}
	}
	rising := make([]pair, len(tops))
	for n, i := len(tops)-1, -1; n >= 0; n-- {
		if i == -1 {
			i = tops[n]
		} else {
			i = before[i]
		}
		rising[n] = pairs[i]
	}
	return rising
}

// merge joins hunks that touch.
func merge(hunks []hunk) []hunk {
	var out []hunk
	for _, h := range hunks {
		if n := len(out); n > 0 && out[n-1].oldEnd == h.oldStart && out[n-1].newEnd == h.newStart {
			out[n-1].oldEnd, out[n-1].newEnd = h.oldEnd, h.newEnd
		} else {
			out = append(out, h)
		}
	}
	return out
}
