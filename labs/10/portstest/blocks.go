package portstest

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"slices"

	"socketbook/tools/check"
)

// behind is what the array of the caller's slice holds behind it.
var behind = Socket{"192.0.2.1:9", "192.0.2.2:9", "ESTABLISHED", 9, 9}

// blocks calls Blocks on the sockets and ends the case unless it names socket number want, counted from 0;
// -1 means that none is in the way.
func (s suite) blocks(c *check.C, sockets []Socket, address string, reuse bool, want int) {
	c.Variation("sockets: %s", several(sockets))
	sockets = append(slices.Clone(sockets), behind)
	before := slices.Clone(sockets)
	var got Socket
	var blocked bool
	call, option := fmt.Sprintf("Blocks(sockets, %s, %v)", address, reuse), "without SO_REUSEADDR"
	if reuse {
		option = "with SO_REUSEADDR"
	}
	c.Do(call, func() { got, blocked = s.lab.Blocks(sockets, address, reuse) })
	if blocked {
		c.Step("%s returned %s, true", call, got)
	} else {
		c.Step("%s returned false", call)
	}
	for i := range before {
		if sockets[i] != before[i] {
			c.Rule("sockets belongs to the caller: the slice stays as it is, and so does its array.",
				"Do not sort, filter or delete in place: keep what you have found in variables, or in a copy.")
		}
		switch {
		case sockets[i] == before[i]:
		case i == len(before)-1:
			c.Fail("Blocks has written behind the caller's slice, into its array: append to a copy of it")
		default:
			c.Fail("Blocks has changed the caller's slice: sockets[%d] was %s, and is now %s", i, before[i],
				sockets[i])
		}
	}
	switch {
	case want < 0 && blocked:
		c.Fail("%s nothing is in the way of %s, but Blocks names %s", option, address, got)
	case want >= 0 && !blocked:
		c.Fail("%s is in the way of %s %s, but Blocks returned false", sockets[want], address, option)
	case want >= 0 && !slices.Contains(before, got):
		c.Fail("Blocks returned %s, which is none of the sockets: return the one that is in the way as it is", got)
	case want >= 0 && got != sockets[want]:
		if got.String() == sockets[want].String() {
			c.Fail("got the socket with inode %d, want that with inode %d", got.Inode, sockets[want].Inode)
		}
		c.Fail("got %s, want %s", got, sockets[want])
	}
}

// one tries Blocks on a single socket, with and without SO_REUSEADDR.
func (s suite) one(c *check.C, socket Socket, address string, inTheWay bool) {
	want := -1
	if inTheWay {
		want = 0
	}
	for _, reuse := range []bool{true, false} {
		s.blocks(c, []Socket{socket}, address, reuse, want)
	}
}

// pair is the local address of a listener, an address that is wanted, and whether they collide.
type pair struct {
	has, wanted string
	collide     bool
}

func (s suite) pairs(c *check.C, all []pair) {
	for _, p := range all {
		s.one(c, listening(p.has, 1000, 4711), p.wanted, p.collide)
	}
}

func (s suite) same(c *check.C) {
	s.pairs(c, []pair{
		{"127.0.0.1:8080", "127.0.0.1:8080", true},
		{"127.0.0.1:8080", "127.0.0.1:8081", false},
		{"127.0.0.1:8080", "127.0.0.2:8080", false},
		{"127.0.0.1:80", "127.0.0.1:8080", false},
		{"127.0.0.1:18080", "127.0.0.1:8080", false},
		{"127.0.0.1:8080", "127.0.0.1:80", false},
		{"127.0.0.1:8080", "127.0.0.1:36895", false}, // 901F, the bytes of 1F90 turned round
		{"1.2.3.4:8080", "4.3.2.1:8080", false},
		{"[::1]:8080", "[::1]:8080", true},
		{"[::1]:8080", "[::1]:8081", false},
		{"[2001:db8::1]:8080", "[2001:db8::2]:8080", false},
		{"[2001:db8:1::1]:8080", "[2001:db8:2::1]:8080", false},
		{"127.0.0.1:65535", "127.0.0.1:65535", true},
	})
	s.blocks(c, nil, "127.0.0.1:8080", true, -1)
	client := Socket{"127.0.0.1:50000", "127.0.0.1:8080", "ESTABLISHED", 1000, 8}
	s.one(c, client, "127.0.0.1:8080", false) // its remote end is somebody else's
	s.blocks(c, []Socket{client, listening("127.0.0.1:8080", 0, 9)}, "127.0.0.1:8080", true, 1)
}

func (s suite) wildcards(c *check.C) {
	s.pairs(c, []pair{
		{"0.0.0.0:8080", "127.0.0.1:8080", true},
		{"0.0.0.0:8080", "192.168.1.20:8080", true},
		{"127.0.0.1:8080", "0.0.0.0:8080", true},
		{"192.168.1.20:8080", "0.0.0.0:8080", true},
		{"0.0.0.0:8080", "0.0.0.0:8080", true},
		{"0.0.0.0:8080", "127.0.0.1:8081", false},
		{"127.0.0.1:8080", "0.0.0.0:8081", false},
		{"[::]:8080", "[::1]:8080", true},
		{"[::1]:8080", "[::]:8080", true},
		{"[::]:8080", "[2001:db8::1]:8080", true},
		{"[2001:db8::1]:8080", "[::]:8080", true},
		{"[::]:8080", "[::]:8080", true},
		{"[::]:8080", "[::1]:8081", false},
	})
}

func (s suite) families(c *check.C) {
	s.pairs(c, []pair{
		{"127.0.0.1:8080", "[::1]:8080", false},
		{"[::1]:8080", "127.0.0.1:8080", false},
		{"0.0.0.0:8080", "[::1]:8080", false},
		{"[::1]:8080", "0.0.0.0:8080", false},
		{"0.0.0.0:8080", "[2001:db8::1]:8080", false},
		{"[::]:8080", "127.0.0.1:8080", true},
		{"[::]:8080", "10.1.2.3:8080", true},
		{"127.0.0.1:8080", "[::]:8080", true},
		{"[::]:8080", "0.0.0.0:8080", true},
		{"0.0.0.0:8080", "[::]:8080", true},
		{"[::]:8080", "127.0.0.1:8081", false},
		{"127.0.0.1:8080", "[::ffff:127.0.0.1]:8080", true},
		{"127.0.0.1:8080", "[::ffff:127.0.0.2]:8080", false},
		{"127.0.0.1:8080", "[::ffff:0.0.0.0]:8080", true},
		{"0.0.0.0:8080", "[::ffff:127.0.0.1]:8080", true},
		{"[::1]:8080", "[::ffff:0.0.0.0]:8080", false},
		{"[::]:8080", "[::ffff:127.0.0.1]:8080", true},
		{"127.0.0.1:8080", "[::7f00:1]:8080", false},
	})
}

func (s suite) reuse(c *check.C) {
	for _, state := range stateNames {
		socket := Socket{"127.0.0.1:8080", "127.0.0.1:50000", state, 1000, 4711}
		if state == listen {
			socket = listening("127.0.0.1:8080", 1000, 4711)
		}
		far := socket // nobody asks where the other end is
		if state != listen {
			far.Remote = "192.0.2.7:443"
		}
		for _, reuse := range []bool{true, false} {
			wanted := "127.0.0.1:8080"
			s.blocks(c, []Socket{far}, wanted, reuse, blocker([]Socket{far}, wanted, reuse))
			s.blocks(c, []Socket{socket}, wanted, reuse, blocker([]Socket{socket}, wanted, reuse))
			s.blocks(c, []Socket{socket}, "127.0.0.1:50000", reuse, -1)
			orphan := socket // its program has ended
			orphan.Inode = 0
			s.blocks(c, []Socket{orphan}, wanted, reuse, blocker([]Socket{orphan}, wanted, reuse))
		}
	}
}

func (s suite) which(c *check.C) {
	port := func(state string, inode uint64) Socket {
		return Socket{"127.0.0.1:8080", fmt.Sprintf("127.0.0.1:%d", 50000+inode), state, 1000, inode}
	}
	here, everywhere := listening("127.0.0.1:8080", 1000, 90), listening("0.0.0.0:8080", 1000, 91)
	const wanted = "127.0.0.1:8080"
	for _, v := range []struct {
		sockets []Socket
		reuse   bool
		want    int
	}{
		{[]Socket{port(timeWait, 1), here}, false, 1},
		{[]Socket{port(timeWait, 1), port("ESTABLISHED", 2), everywhere}, false, 2},
		{[]Socket{port("ESTABLISHED", 1), here, port("CLOSE_WAIT", 2)}, true, 1},
		{[]Socket{port(timeWait, 2), port(timeWait, 1)}, false, 0},
		{[]Socket{port(timeWait, 2), port("ESTABLISHED", 1)}, false, 0},
		{[]Socket{port(timeWait, 0), port("ESTABLISHED", 1)}, false, 0},
		{[]Socket{port(synRecv, 1), port("LAST_ACK", 2)}, false, 1},
		{[]Socket{everywhere, here}, true, 0},
		{[]Socket{here, everywhere}, false, 0},
		{[]Socket{here, listening(wanted, 33, 89)}, true, 0}, // with SO_REUSEPORT there can be two
		{[]Socket{listening("[::]:8080", 0, 7), here}, true, 0},
		{[]Socket{listening("[::1]:8080", 0, 7), listening("127.0.0.2:8080", 0, 8), here}, true, 2},
	} {
		s.blocks(c, v.sockets, wanted, v.reuse, v.want)
	}
	old := Socket{"127.0.0.1:8080", "127.0.0.1:50000", timeWait, 0, 0}
	s.blocks(c, []Socket{old}, "0.0.0.0:8080", false, 0)
	s.blocks(c, []Socket{old}, "[::]:8080", false, 0)
	s.blocks(c, []Socket{old}, "[::1]:8080", false, -1)
	for _, zero := range []string{"127.0.0.1:0", "0.0.0.0:0", "[::]:0"} {
		s.blocks(c, []Socket{here, everywhere, {"0.0.0.0:0", "0.0.0.0:0", listen, 0, 3}}, zero, false, -1)
	}
	few, most := mixed(2000)
	last := listening("10.9.9.9:65535", 0, 1)
	s.blocks(c, append(slices.Concat(few, most), last), "0.0.0.0:65535", true, len(few)+len(most))

	rng := rand.New(rand.NewPCG(c.Seed(), 10))
	pick := func(from ...string) string { return from[rng.IntN(len(from))] }
	some := func() string {
		return pick("127.0.0.1", "127.0.0.2", "0.0.0.0", "[::1]", "[::]") + pick(":8080", ":8081")
	}
	for range 200 {
		var sockets []Socket
		for range rng.IntN(5) {
			local := some()
			sockets = append(sockets, Socket{local, noRemote(local), pick(stateNames...), 0, rng.Uint64N(99)})
		}
		wanted, reuse := some(), rng.IntN(2) == 0
		s.blocks(c, sockets, wanted, reuse, blocker(sockets, wanted, reuse))
	}
}

// blocker works out which of the sockets is in the way of a bind on Linux; -1 for none.
// The solution's tests ask the kernel.
func blocker(sockets []Socket, wanted string, reuse bool) int {
	first := -1
	for i, s := range sockets {
		switch {
		case !collide(netip.MustParseAddrPort(s.Local), netip.MustParseAddrPort(wanted)):
		case s.State == listen:
			return i
		case !reuse && s.State != synRecv && first < 0:
			first = i
		}
	}
	return first
}

func collide(a, b netip.AddrPort) bool {
	x, y, dual := a.Addr().Unmap(), b.Addr().Unmap(), netip.IPv6Unspecified()
	switch {
	case a.Port() != b.Port() || b.Port() == 0:
		return false
	case x == dual || y == dual:
		return true
	}
	return x == y || x.Is4() == y.Is4() && (x.IsUnspecified() || y.IsUnspecified())
}
