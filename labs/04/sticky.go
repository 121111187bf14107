// Package sticky is lab 04: what becomes of messages on a stream that knows no messages. The task is in
// README.md.
package sticky

import "net"

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

// Diagnose compares the messages that one program sent with those that the other one received.
func Diagnose(sent, received [][]byte) Report {
	panic("not started")
}

// Provoke sends two messages from client to server, each with a Write of its own, so that one Read
// of server returns both. It returns what that Read has returned. queued waits until n bytes lie in
// server's receive queue.
func Provoke(client, server net.Conn, queued func(n int) error, first, second []byte) ([]byte, error) {
	panic("not started")
}
