package timeline

import (
	"bytes"
	"maps"
	"slices"
	"sort"
)

// post matches the datagrams of one direction.
type post struct {
	*way
	sends  []span
	equal  map[string]*group // sends that are equal, by length and beginning
	longer map[string]*group // sends that a read of that length and beginning can have cut short
	sorted []int             // places in sends, by their bytes
	tried  int               // sends that were looked at for longer
}

// group is datagrams that cannot be told apart when they are read.
type group struct {
	n       int   // bytes that a read of one returns
	members []int // places in sends
	seqs    []int // their numbers
	first   int   // members before this one have been read
	read    int   // how many of those from first on have been read, and nobody knows which
}

// mostTried bounds the search for datagrams that were cut short, which are few outside of an attack.
const mostTried = 1 << 20

// matchDatagrams matches reads with sends that are equal, or longer if the read was cut short.
func matchDatagrams(sends, reads []span) *way {
	w := &way{
		took: make([][]Piece, len(reads)), again: make([]bool, len(reads)),
		uses: make([][]Use, len(sends)), read: make([]bool, len(sends)), came: make([]int, len(sends)),
		doubt: make([]*group, len(sends)),
	}
	p := &post{way: w, sends: sends, equal: map[string]*group{}, longer: map[string]*group{}}
	for i, s := range sends {
		key := datagramKey(s)
		if p.equal[key] == nil {
			p.equal[key] = &group{n: s.n}
		}
		p.equal[key].add(i, s)
	}
	for k, r := range reads {
		w.broken = !p.take(k, r) || w.broken
	}
	for _, g := range p.equal {
		g.settle(w)
	}
	for _, key := range slices.Sorted(maps.Keys(p.longer)) { // one can be in several of these
		p.longer[key].settle(w)
	}
	return w
}

func datagramKey(s span) string {
	return string([]byte{byte(s.n), byte(s.n >> 8), byte(s.n >> 16)}) + string(s.data)
}

func (g *group) add(i int, s span) {
	g.members, g.seqs = append(g.members, i), append(g.seqs, s.seq)
}

// take finds out which datagram the k-th read returned: one that was not read before, if there is
// one; an equal one rather than one cut short. It reports false if nobody is known to have sent it.
func (p *post) take(k int, r span) bool {
	equal := p.equal[datagramKey(r)]
	if p.takeOf(equal, k, r, false) {
		return true
	}
	longer := p.longerThan(r)
	return p.takeOf(longer, k, r, false) || p.takeOf(equal, k, r, true) || p.takeOf(longer, k, r, true)
}

// longerThan finds the sends that begin with what was read, and go on.
func (p *post) longerThan(r span) *group {
	key := datagramKey(r)
	if g, ok := p.longer[key]; ok || r.n == 0 {
		return g
	}
	if p.sorted == nil {
		for i := range p.sends {
			p.sorted = append(p.sorted, i)
		}
		slices.SortFunc(p.sorted, func(i, k int) int {
			return bytes.Compare(p.sends[i].data, p.sends[k].data)
		})
	}
	at := sort.Search(len(p.sorted), func(i int) bool {
		return bytes.Compare(p.sends[p.sorted[i]].data, r.data) >= 0
	})
	var members []int
	for ; at < len(p.sorted) && bytes.HasPrefix(p.sends[p.sorted[at]].data, r.data); at++ {
		if p.tried++; p.tried > mostTried {
			return nil
		}
		if i := p.sorted[at]; p.sends[i].n > r.n {
			members = append(members, i)
		}
	}
	slices.Sort(members)
	g := &group{n: r.n}
	for _, i := range members {
		g.add(i, p.sends[i])
	}
	p.longer[key] = g
	return g
}

// takeOf takes one of a group for the k-th read: one that was not read yet, or else any one.
func (p *post) takeOf(g *group, k int, r span, again bool) bool {
	if g == nil {
		return false
	}
	sent := sort.Search(len(g.members), func(i int) bool { return p.sends[g.members[i]].us > r.end })
	from := g.first
	switch {
	case again && sent > 0:
		from, p.again[k] = 0, true
	case again || g.first+g.read >= sent:
		return false
	default:
		g.read++
	}
	p.took[k] = []Piece{{g.seqs[from:sent], 0, r.n}}
	if i := g.members[from]; from == sent-1 {
		p.uses[i] = append(p.uses[i], Use{r.seq, 0, r.n})
	}
	if g.first+g.read == sent { // all of them, in whatever order
		g.first, g.read = sent, 0
	}
	return true
}

// missing is how many of those of which some were read were not.
func (g *group) missing() int { return len(g.members) - g.first - g.read }

// settle says of each member whether it has been read.
func (g *group) settle(w *way) {
	for k, i := range g.members {
		switch {
		case k < g.first:
			w.read[i], w.came[i], w.doubt[i] = true, max(w.came[i], g.n), nil
		case g.read > 0 && !w.read[i]:
			w.doubt[i] = g
		}
	}
}
