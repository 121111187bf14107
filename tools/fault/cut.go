// Package fault is the adversary of the labs' suites: connections that hand over a stream in
// awkward pieces, end it in the middle, reset it, or take less than they are given. What it does at
// random follows from a seed, so that a failure can be replayed.
//
// [Join] puts it between the two ends of a real connection, [JoinDatagrams] of a UDP conversation;
// [Listener] does so for every connection that is accepted; [Writer] takes bytes badly. All of them
// tell whether anything is still on its way (Quiet), end the code under test when it goes on after
// a hundred failures (Spun), and all that waits in them (Stop). [Conn] and [DatagramConn] are the
// witnesses of what was done to them (Did).
//
// The files are read in this order, and each knows only those behind it: cut, listener, peer, conn,
// datagram_peer, datagram, wire, writer, watch, failures.
package fault

import (
	"fmt"
	"math/rand/v2"
	"strings"
)

// Cut says how a stream is handed over: in pieces, each of which is the most that one Read returns.
type Cut struct {
	Name string
	cut  func(data []byte) [][]byte
}

// Pieces cuts data. Put together again the pieces are data; none of them is empty.
func (c Cut) Pieces(data []byte) [][]byte {
	if len(data) == 0 {
		return nil
	}
	return c.cut(data)
}

// Whole hands everything over at once, so that messages stick together.
var Whole = Cut{"everything at once", func(data []byte) [][]byte { return [][]byte{data} }}

// Bytes hands over one byte at a time.
var Bytes = Cut{"one byte at a time", func(data []byte) [][]byte {
	pieces := make([][]byte, 0, len(data))
	for i := range data {
		pieces = append(pieces, data[i:i+1])
	}
	return pieces
}}

// After pauses after each of these offsets (in bytes, ascending); an offset beyond the data is ignored.
func After(offsets ...int) Cut {
	words := strings.Trim(strings.Join(strings.Fields(fmt.Sprint(offsets)), " and "), "[]")
	return Cut{"a pause after byte " + words, func(data []byte) [][]byte {
		var pieces [][]byte
		from := 0
		for _, at := range offsets {
			if at > from && at < len(data) {
				pieces = append(pieces, data[from:at])
				from = at
			}
		}
		return append(pieces, data[from:])
	}}
}

// Random hands over pieces of 1 byte up to most bytes, or the whole stream if that is shorter. The
// same seed gives the same pieces.
func Random(seed uint64, most int) Cut {
	return Cut{"pieces of random length", func(data []byte) [][]byte {
		rng := rand.New(rand.NewPCG(seed, uint64(len(data))))
		var pieces [][]byte
		for len(data) > 0 {
			n := 1 + rng.IntN(min(most, len(data)))
			pieces = append(pieces, data[:n])
			data = data[n:]
		}
		return pieces
	}}
}
