// Package sticky is the reference answer to lab 04: what becomes of messages on a stream that knows no
// messages.
package sticky

import (
	"bytes"
	"errors"
	"fmt"
	"net"
)

// What became of a message.
const (
	Whole       = "whole"
	Glued       = "glued"
	Cut         = "cut"
	GluedAndCut = "glued and cut"
	Missing     = "missing"
)

// Report says what became of messages on their way.
type Report struct {
	Fates   []string // of each message that was sent, in order
	Lost    int      // bytes that were sent and have not arrived
	Foreign int      // received bytes that are not sent ones
}

// Diagnose compares the messages that one program sent with those that the other one received. Only
// positions in the stream count: bytes that look alike may still be different ones.
func Diagnose(sent, received [][]byte) Report {
	out, in := bytes.Join(sent, nil), bytes.Join(received, nil)
	arrived := common(out, in)
	report := Report{Lost: len(out) - arrived, Foreign: len(in) - arrived}
	from := 0
	for _, message := range sent {
		to := from + len(message)
		report.Fates = append(report.Fates, fate(from, to, arrived, received))
		from = to
	}
	return report
}

// common counts the bytes that a and b have in common at their beginning.
func common(a, b []byte) int {
	n := 0
	for n < len(a) && n < len(b) && a[n] == b[n] {
		n++
	}
	return n
}

// fate says what became of the message that covers the bytes from … to of the stream, of which the
// first arrived ones have come.
func fate(from, to, arrived int, received [][]byte) string {
	if from >= min(to, arrived) {
		return Missing
	}
	cut := to > arrived
	to = min(to, arrived)
	glued := false
	start := 0
	for _, piece := range received {
		end := start + len(piece)
		if start < to && end > from && len(piece) > 0 {
			glued = glued || start < from || end > to
			cut = cut || start > from || end < to
		}
		start = end
	}
	switch {
	case glued && cut:
		return GluedAndCut
	case glued:
		return Glued
	case cut:
		return Cut
	}
	return Whole
}

// Provoke sends two messages from client to server, each with a Write of its own, so that one Read
// of server returns both. It returns what that Read has returned. queued waits until n bytes lie in
// server's receive queue.
//
// Writing alone is not enough: a Write has returned when the bytes are on their way. The messages
// stick because nobody reads before the last byte has arrived.
func Provoke(client, server net.Conn, queued func(n int) error, first, second []byte) ([]byte, error) {
	if len(first) == 0 || len(second) == 0 {
		return nil, errors.New("an empty message puts nothing on the connection, so it cannot stick")
	}
	for _, message := range [][]byte{first, second} {
		if _, err := client.Write(message); err != nil {
			return nil, fmt.Errorf("sending a message: %w", err)
		}
	}
	both := len(first) + len(second)
	if err := queued(both); err != nil {
		return nil, fmt.Errorf("waiting for %d bytes in the receive queue: %w", both, err)
	}
	buf := make([]byte, both)
	n, err := server.Read(buf)
	if err != nil {
		return nil, fmt.Errorf("reading both messages: %w", err)
	}
	return buf[:n], nil
}
