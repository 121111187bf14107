// Package segments joins what crossed the wire with what the programs did: one recording of both.
//
// A segment has the time at which the kernel received it, by the system's clock; a call has the
// times that the recorder read from the monotonic clock. The first is converted to the second by
// the closest of five readings of both clocks (tools/wire): some microseconds at most. Lesson 11's
// tests hold that a segment with bytes lies inside the send that caused it. Of equal microseconds
// the begin of a call stands first, then a segment, then the return of a call.
package segments

import (
	"bytes"
	"errors"
	"net/netip"

	"socketbook/lessons/internal/scenario"
	"socketbook/tools/netns"
	"socketbook/tools/timeline"
	"socketbook/tools/wire"
)

// Joined returns a play that records the segments of its private network too, and puts them between
// the events of the programs. The outcome's Pcap has them as Wireshark reads them.
func Joined(play scenario.SegmentPlay) scenario.PrivatePlay {
	return func(n *netns.Network, rec *timeline.Recorder) (o scenario.Outcome, err error) {
		for range attempts {
			if o, err = joined(n, rec, play); !errors.Is(err, scenario.ErrAgain) {
				return o, err
			}
		}
		return o, err
	}
}

// attempts is how often a play may find that the machine was too busy for it.
const attempts = 40

func joined(
	n *netns.Network, rec *timeline.Recorder, play scenario.SegmentPlay,
) (o scenario.Outcome, err error) {
	programs := timeline.NewRecorder("")
	capture, err := wire.Open(n, programs.Began())
	if err != nil {
		return o, err
	}
	defer func() { err = errors.Join(err, capture.Close()) }()
	seen := func() ([]timeline.Event, error) {
		captured, err := capture.Segments()
		return events(programs, captured), err
	}
	if o, err = play(n, programs, seen); err != nil {
		return o, err
	}
	captured, err := capture.Segments()
	if err != nil {
		return o, err
	}
	captured = tcp(captured)
	rec.Replay(timeline.Merge(programs.Snapshot(), events(programs, captured)))
	var file bytes.Buffer
	err = wire.WritePcap(&file, captured)
	o.Pcap = file.Bytes()
	return o, err
}

// tcp leaves out what is not TCP: the datagram that Open sends to itself.
func tcp(captured []wire.Segment) []wire.Segment {
	var kept []wire.Segment
	for _, s := range captured {
		if s.Proto == "tcp" {
			kept = append(kept, s)
		}
	}
	return kept
}

// pair is a connection's addresses, the client's first.
type pair struct{ client, server netip.AddrPort }

// events turns segments into events: whose they are the recorder of the programs knows.
func events(rec *timeline.Recorder, captured []wire.Segment) []timeline.Event {
	captured = tcp(captured)
	pairs := map[int]pair{} // number of a connection → its addresses: the first segment is the client's
	nth, count := map[int]int{}, map[pair]int{}
	for _, s := range captured {
		if _, known := pairs[s.Conn]; !known {
			p := pair{s.Src, s.Dst}
			count[p]++
			pairs[s.Conn], nth[s.Conn] = p, count[p]
		}
	}
	sides := dialled(rec.Snapshot())
	var list []timeline.Event
	for i, s := range captured {
		p := pairs[s.Conn]
		conn := rec.ConnBetween(p.client, p.server, nth[s.Conn])
		from, to := sides[conn], "server"
		if from == "" {
			from = "client"
		}
		if s.Src == p.server {
			from, to = to, from
		}
		us := s.At.Microseconds()
		list = append(list, timeline.Event{
			Seq: i + 1, US: us, End: us, Side: from, Conn: conn, Op: timeline.Segment, N: s.Len,
			Header: &timeline.Header{
				Flags: s.Flags.String(), Seq: s.Seq, Ack: s.Ack, Len: s.Len, To: to,
				Again: s.Again, Lost: lost(captured[i], captured[i+1:]),
			},
		})
	}
	return list
}

// lost reports whether a segment was sent again before anybody had acknowledged it.
func lost(s wire.Segment, later []wire.Segment) bool {
	if s.Len == 0 {
		return false
	}
	for _, l := range later {
		switch {
		case l.Conn != s.Conn:
		case l.Src == s.Dst && l.Flags.Has(wire.ACK) && l.Ack >= s.Seq+uint32(s.Len):
			return false
		case l.Src == s.Src && l.Again && l.Seq == s.Seq:
			return true
		}
	}
	return false
}

// dialled says who dialled each connection.
func dialled(events []timeline.Event) map[string]string {
	sides := map[string]string{}
	for _, e := range events {
		if e.Op == timeline.Dial && e.Conn != "" {
			sides[e.Conn] = e.Side
		}
	}
	return sides
}
