// Package wire records what crosses the lo of a private network: every segment once, in both
// directions, with the time at which the kernel received it. It decodes TCP (RFC 9293), UDP and
// ICMP, and writes files that Wireshark opens.
//
// A [Capture] belongs to a function that runs inside a private network (tools/netns):
//
//	c, err := wire.Open(n, start)
//	…                       // the programs talk
//	segments, err := c.Segments()
//	c.Close()
//
// The numbers are relative, as Wireshark shows them: the SYN of each direction is 0, its first byte
// 1.
//
// lo is not a network card: its maximum segment size is 65495 bytes on IPv4, checksums are left for
// a card that is not there, and a segment arrives in the moment in which it is sent.
package wire

import (
	"fmt"
	"io"
	"net/netip"
	"strings"
	"time"

	"github.com/gopacket/gopacket"
	"github.com/gopacket/gopacket/layers"
	"github.com/gopacket/gopacket/pcapgo"
)

// Segment is a TCP segment, a UDP datagram or an ICMP message. It goes through JSON unharmed.
type Segment struct {
	Time time.Time     `json:"time"` // when the kernel received it, by the system's clock
	At   time.Duration `json:"at"`   // the same, since the start that Open was given

	Proto string         `json:"proto"` // "tcp", "udp", "icmp"; "" for anything else
	Conn  int            `json:"conn"`  // TCP: number of the connection, from 1
	Src   netip.AddrPort `json:"src"`   // port 0 in ICMP
	Dst   netip.AddrPort `json:"dst"`

	Flags Flags  `json:"flags,omitempty"` // of TCP
	Seq   uint32 `json:"seq"`             // relative: 0 is the SYN's
	Ack   uint32 `json:"ack"`             // relative to the other side's SYN; 0 without ACK
	Len   int    `json:"len"`             // bytes of payload

	// Again says that sequence numbers of the segment were seen before: it was sent again. Bytes, a
	// SYN and a FIN have sequence numbers; a pure ACK has none (RFC 9293, section 3.4).
	Again bool `json:"again,omitempty"`
	// Probe says that the segment asks for an acknowledgement only: it is empty and one behind, as
	// a keep-alive or a window probe is (RFC 9293, sections 3.8.4 and 3.8.6.1).
	Probe bool `json:"probe,omitempty"`

	// Unreachable is where nobody listens, in an ICMP "port unreachable" (RFC 792, RFC 4443).
	Unreachable netip.AddrPort `json:"unreachable"`

	Frame []byte `json:"frame"` // the whole of it, with its Ethernet header, for WritePcap
}

// Payload is what a TCP segment or a UDP datagram carries: Len bytes of Frame.
func (s Segment) Payload() []byte {
	packet := gopacket.NewPacket(s.Frame, layers.LayerTypeEthernet, gopacket.NoCopy)
	if transport := packet.TransportLayer(); transport != nil {
		return transport.LayerPayload()
	}
	return nil
}

// Flags are TCP's control bits (RFC 9293, section 3.1).
type Flags uint8

// The control bits, as they stand in the header.
const (
	FIN Flags = 1 << iota
	SYN
	RST
	PSH
	ACK
	URG
	ECE
	CWR
)

var flagNames = []struct {
	flag Flags
	name string
}{
	{SYN, "SYN"},
	{FIN, "FIN"},
	{RST, "RST"},
	{PSH, "PSH"},
	{ACK, "ACK"},
	{URG, "URG"},
	{ECE, "ECE"},
	{CWR, "CWR"},
}

// String lists the flags that are set, such as "SYN ACK".
func (f Flags) String() string {
	var names []string
	for _, n := range flagNames {
		if f&n.flag != 0 {
			names = append(names, n.name)
		}
	}
	return strings.Join(names, " ")
}

// MarshalText writes what String returns.
func (f Flags) MarshalText() ([]byte, error) { return []byte(f.String()), nil }

// UnmarshalText reads what MarshalText writes.
func (f *Flags) UnmarshalText(text []byte) error {
	*f = 0
	for _, word := range strings.Fields(string(text)) {
		before := *f
		for _, n := range flagNames {
			if n.name == word {
				*f |= n.flag
			}
		}
		if *f == before {
			return fmt.Errorf("%q is not a flag of TCP", word)
		}
	}
	return nil
}

// Has reports whether all of flags are set.
func (f Flags) Has(flags Flags) bool { return f&flags == flags }

// String shows a segment in one line, without its time.
func (s Segment) String() string {
	text := fmt.Sprintf("%s %v > %v", s.Proto, s.Src, s.Dst)
	switch {
	case s.Proto == "tcp":
		text += fmt.Sprintf(" %v seq %d ack %d", s.Flags, s.Seq, s.Ack)
	case s.Unreachable.IsValid():
		text += fmt.Sprintf(" port unreachable: %v", s.Unreachable)
	}
	text += fmt.Sprintf(" len %d", s.Len)
	if s.Again {
		text += " again"
	}
	if s.Probe {
		text += " probe"
	}
	return text
}

// WritePcap writes the segments as a file that Wireshark, tshark and tcpdump read, with times in
// nanoseconds. The segments need their Frame and Time only.
func WritePcap(w io.Writer, segments []Segment) error {
	const snapLen = 1 << 18 // bytes of a frame at most, what tcpdump writes
	file := pcapgo.NewWriterNanos(w)
	if err := file.WriteFileHeader(snapLen, layers.LinkTypeEthernet); err != nil {
		return fmt.Errorf("writing the head of the pcap file: %w", err)
	}
	for _, s := range segments {
		n := len(s.Frame)
		info := gopacket.CaptureInfo{Timestamp: s.Time, CaptureLength: n, Length: n}
		if err := file.WritePacket(info, s.Frame); err != nil {
			return fmt.Errorf("writing a segment to the pcap file: %w", err)
		}
	}
	return nil
}
