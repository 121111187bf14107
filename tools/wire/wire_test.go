package wire

import (
	"net"
	"testing"
	"time"

	"github.com/gopacket/gopacket"
	"github.com/gopacket/gopacket/layers"
	"github.com/stretchr/testify/require"
)

func TestFlags(t *testing.T) {
	for f := range Flags(255) {
		text, err := f.MarshalText()
		require.NoError(t, err)
		var back Flags
		require.NoError(t, back.UnmarshalText(text))
		require.Equal(t, f, back)
	}
	require.Equal(t, "SYN ACK", (SYN | ACK).String())
	require.Equal(t, "FIN PSH ACK", (FIN | PSH | ACK).String())
	require.True(t, (SYN | ACK).Has(SYN))
	require.False(t, SYN.Has(SYN|ACK))
	var f Flags
	require.ErrorContains(t, f.UnmarshalText([]byte("SYN SIN")), `"SIN"`)
}

// sent makes a frame: a segment from port 1 to port 2, or back.
func sent(t *testing.T, back bool, f Flags, seq, ack uint32, payload string) []byte {
	ip := &layers.IPv4{
		Version: 4, TTL: 64, Protocol: layers.IPProtocolTCP,
		SrcIP: net.IPv4(127, 0, 0, 1), DstIP: net.IPv4(127, 0, 0, 1),
	}
	tcp := &layers.TCP{
		SrcPort: 1, DstPort: 2, Seq: seq, Ack: ack,
		SYN: f.Has(SYN), ACK: f.Has(ACK), FIN: f.Has(FIN), RST: f.Has(RST),
	}
	if back {
		tcp.SrcPort, tcp.DstPort = 2, 1
	}
	require.NoError(t, tcp.SetNetworkLayerForChecksum(ip))
	buf := gopacket.NewSerializeBuffer()
	require.NoError(t, gopacket.SerializeLayers(buf, gopacket.SerializeOptions{FixLengths: true},
		&layers.Ethernet{
			SrcMAC: make(
				net.HardwareAddr,
				6,
			),
			DstMAC:       make(net.HardwareAddr, 6),
			EthernetType: layers.EthernetTypeIPv4,
		}, ip, tcp, gopacket.Payload(payload)))
	return buf.Bytes()
}

// What the kernel cannot be made to do at will: numbers that wrap, a recording that begins in the
// middle, a segment of which only a part is sent again.
func TestNumbers(t *testing.T) {
	var isn, peer uint32 = 1<<32 - 3, 1 << 31
	type segment struct {
		back           bool
		flags          Flags
		seq, ack       uint32
		payload        string
		wantSeq, wantA uint32
		again, probe   bool
	}
	for name, segments := range map[string][]segment{
		"wrapping": {
			{false, SYN, isn, 0, "", 0, 0, false, false},
			{true, SYN | ACK, peer, isn + 1, "", 0, 1, false, false},
			{false, ACK, isn + 1, peer + 1, "hello", 1, 1, false, false}, // the last byte has number 2
			{true, ACK, peer + 1, 3, "", 1, 6, false, false},
			{false, ACK, isn + 1, peer + 1, "hello", 1, 1, true, false},
			{false, ACK, 1, peer + 1, "lo you", 4, 1, true, false}, // half of it is new
			{false, ACK, 7, peer + 1, "", 10, 1, false, false},
			{false, ACK, 6, peer + 1, "", 9, 1, false, true},
			{false, FIN | ACK, 7, peer + 1, "", 10, 1, false, false},
			{false, FIN | ACK, 7, peer + 1, "", 10, 1, true, false},
			{false, SYN, isn, 0, "", 0, 0, true, false},
		},
		"overtaken": {
			{false, SYN, isn, 0, "", 0, 0, false, false},
			{true, SYN | ACK, peer, isn + 1, "", 0, 1, false, false},
			{false, ACK, isn + 1, peer + 1, "one..", 1, 1, false, false},
			{false, ACK, isn + 16, peer + 1, "four.", 16, 1, false, false},
			{false, ACK, isn + 6, peer + 1, "two..", 6, 1, false, false},
			{false, ACK, isn + 6, peer + 1, "two..", 6, 1, true, false},
			{false, ACK, isn + 11, peer + 1, "th", 11, 1, false, false},
			{false, ACK, isn + 11, peer + 1, "three", 11, 1, true, false}, // half of it is new
			{false, ACK, isn + 13, peer + 1, "ree", 13, 1, true, false},
			{false, ACK, isn + 16, peer + 1, "four.five.", 16, 1, true, false},
			{false, ACK, isn + 26, peer + 1, "six", 26, 1, false, false},
		},
		"from the middle": {
			{false, ACK, 1000, 5000, "hello", 1, 1, false, false},
			{true, ACK, 5000, 1005, "HELLO", 1, 6, false, false},
			{true, RST, 5005, 0, "", 6, 0, false, false},
		},
		"refused": {
			{false, SYN, isn, 0, "", 0, 0, false, false},
			{true, RST | ACK, 0, isn + 1, "", 1, 1, false, false},
		},
		"both dial": {
			{false, SYN, isn, 0, "", 0, 0, false, false},
			{true, SYN, peer, 0, "", 0, 0, false, false},
			{false, SYN | ACK, isn, peer + 1, "", 0, 1, true, false},
			{true, SYN | ACK, peer, isn + 1, "", 0, 1, true, false},
		},
	} {
		d := newDecoder()
		for i, s := range segments {
			got := d.decode(sent(t, s.back, s.flags, s.seq, s.ack, s.payload), time.Now())
			require.Equal(t, []any{1, s.flags, s.wantSeq, s.wantA, s.payload, s.again, s.probe},
				[]any{got.Conn, got.Flags, got.Seq, got.Ack, string(got.Payload()), got.Again, got.Probe},
				"%s: segment %d", name, i)
		}
	}
}

func TestDecodeAnything(t *testing.T) {
	whole := sent(t, false, ACK, 1, 1, "hello")
	for n := range whole {
		s := newDecoder().decode(whole[:n], time.Now())
		require.LessOrEqual(t, len(s.Payload()), n)
		require.NotEmpty(t, s.String())
	}
}

// FuzzDecode: no frame brings the decoder down.
func FuzzDecode(f *testing.F) {
	f.Add([]byte("\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x08\x00E"))
	f.Fuzz(func(t *testing.T, frame []byte) {
		s := newDecoder().decode(frame, time.Now())
		_, _ = s.String(), s.Payload()
	})
}
