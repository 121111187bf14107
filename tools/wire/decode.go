package wire

import (
	"net/netip"
	"time"

	"github.com/gopacket/gopacket"
	"github.com/gopacket/gopacket/layers"
)

// path is one direction of a connection.
type path struct{ src, dst netip.AddrPort }

func (p path) back() path { return path{p.dst, p.src} }

// direction is what one side of a connection has sent.
type direction struct {
	known bool   // base is
	base  uint32 // the sequence number that counts as 0
	sent  bool   // next is known
	next  uint32 // what follows the highest sequence number seen
	holes []span // below next, not seen: segments that overtake others, or were not recorded
}

// span is a range of sequence numbers, to not included.
type span struct{ from, to uint32 }

// before compares sequence numbers, which wrap (RFC 9293, section 3.4).
func before(a, b uint32) bool { return int32(a-b) < 0 }

// take marks a range as seen, and reports whether a part of it was seen before.
func (d *direction) take(seq, end uint32) (again bool) {
	if !d.sent || !before(seq, d.next) {
		if d.sent && seq != d.next {
			d.holes = append(d.holes, span{d.next, seq})
		}
		d.sent, d.next = true, end
		return false
	}
	again = true
	var left []span
	for _, h := range d.holes {
		if !before(seq, h.from) && !before(h.to, end) {
			again = false
		}
		if before(h.from, seq) {
			left = append(left, span{h.from, minimum(h.to, seq)})
		}
		if before(end, h.to) {
			left = append(left, span{maximum(h.from, end), h.to})
		}
	}
	d.holes, d.next = left, maximum(d.next, end)
	return again
}

func minimum(a, b uint32) uint32 {
	if before(a, b) {
		return a
	}
	return b
}

func maximum(a, b uint32) uint32 {
	if before(a, b) {
		return b
	}
	return a
}

// decoder numbers the connections and remembers what it has seen of each.
type decoder struct {
	conns      int
	numbers    map[path]int // both directions of a connection
	directions map[path]*direction
}

func newDecoder() *decoder {
	return &decoder{numbers: map[path]int{}, directions: map[path]*direction{}}
}

var (
	portUnreachable4 = layers.CreateICMPv4TypeCode(
		layers.ICMPv4TypeDestinationUnreachable, layers.ICMPv4CodePort)
	portUnreachable6 = layers.CreateICMPv6TypeCode(
		layers.ICMPv6TypeDestinationUnreachable, layers.ICMPv6CodePortUnreachable)
)

// decode says what is in a frame. Frames are given in the order in which they were received.
func (d *decoder) decode(frame []byte, at time.Time) Segment {
	s := Segment{Time: at, Frame: frame}
	packet := gopacket.NewPacket(frame, layers.LayerTypeEthernet, gopacket.NoCopy)
	network := packet.NetworkLayer()
	if network == nil {
		return s
	}
	flow := network.NetworkFlow()
	src, _ := netip.AddrFromSlice(flow.Src().Raw())
	dst, _ := netip.AddrFromSlice(flow.Dst().Raw())
	s.Src, s.Dst = netip.AddrPortFrom(src, 0), netip.AddrPortFrom(dst, 0)
	for _, layer := range packet.Layers() {
		switch l := layer.(type) {
		case *layers.TCP:
			s.Src = netip.AddrPortFrom(src, uint16(l.SrcPort))
			s.Dst = netip.AddrPortFrom(dst, uint16(l.DstPort))
			d.tcp(&s, l)
		case *layers.UDP:
			s.Proto, s.Len = "udp", len(l.Payload)
			s.Src = netip.AddrPortFrom(src, uint16(l.SrcPort))
			s.Dst = netip.AddrPortFrom(dst, uint16(l.DstPort))
		case *layers.ICMPv4:
			s.Proto, s.Len = "icmp", len(l.Payload)
			if l.TypeCode == portUnreachable4 {
				s.Unreachable = quoted(l.Payload, layers.LayerTypeIPv4)
			}
		case *layers.ICMPv6:
			s.Proto, s.Len = "icmp", len(l.Payload)
			const unused = 4 // bytes before the packet that is quoted (RFC 4443, section 3.1)
			if l.TypeCode == portUnreachable6 && len(l.Payload) > unused {
				s.Unreachable = quoted(l.Payload[unused:], layers.LayerTypeIPv6)
			}
		}
	}
	return s
}

// quoted returns the destination of the datagram that an ICMP error quotes.
func quoted(packet []byte, first gopacket.LayerType) netip.AddrPort {
	p := gopacket.NewPacket(packet, first, gopacket.NoCopy)
	if p.NetworkLayer() == nil {
		return netip.AddrPort{}
	}
	addr, _ := netip.AddrFromSlice(p.NetworkLayer().NetworkFlow().Dst().Raw())
	if udp, ok := p.Layer(layers.LayerTypeUDP).(*layers.UDP); ok {
		return netip.AddrPortFrom(addr, uint16(udp.DstPort))
	}
	return netip.AddrPortFrom(addr, 0)
}

// tcp fills in what a TCP header says, and what can be known only from the segments before it.
func (d *decoder) tcp(s *Segment, t *layers.TCP) {
	s.Proto, s.Len, s.Flags = "tcp", len(t.Payload), flags(t)
	way := path{s.Src, s.Dst}
	mine := d.directions[way]
	opens := t.SYN && !t.ACK && mine != nil && mine.known && t.Seq != mine.base // same ports again
	if d.numbers[way] == 0 || opens {
		d.conns++
		d.numbers[way], d.numbers[way.back()] = d.conns, d.conns
		d.directions[way], d.directions[way.back()] = &direction{}, &direction{}
		mine = d.directions[way]
	}
	s.Conn = d.numbers[way]
	theirs := d.directions[way.back()]

	switch {
	case mine.known:
	case t.SYN:
		mine.known, mine.base = true, t.Seq
	default: // recorded from the middle, or the RST of a side that never sent a SYN
		mine.known, mine.base = true, t.Seq-1
	}
	s.Seq = t.Seq - mine.base
	if t.ACK {
		if !theirs.known {
			theirs.known, theirs.base = true, t.Ack-1
		}
		s.Ack = t.Ack - theirs.base
	}

	taken := uint32(s.Len) // sequence numbers
	if t.SYN {
		taken++
	}
	if t.FIN {
		taken++
	}
	s.Probe = taken == 0 && s.Flags == ACK && mine.sent && t.Seq == mine.next-1
	if end := t.Seq + taken; !t.RST && (taken > 0 || !mine.sent) {
		s.Again = mine.take(t.Seq, end)
	}
}

func flags(t *layers.TCP) Flags {
	var f Flags
	for _, b := range []struct {
		set  bool
		flag Flags
	}{
		{t.FIN, FIN},
		{t.SYN, SYN},
		{t.RST, RST},
		{t.PSH, PSH},
		{t.ACK, ACK},
		{t.URG, URG},
		{t.ECE, ECE},
		{t.CWR, CWR},
	} {
		if b.set {
			f |= b.flag
		}
	}
	return f
}
