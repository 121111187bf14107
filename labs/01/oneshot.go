// Package oneshot is lab 01: one message, one answer. The task is in README.md.
package oneshot

import "net"

// Answer reads one message from conn, sends it back in upper case and closes conn.
func Answer(conn net.Conn) error {
	panic("not started")
}

// Ask sends message to the other side of conn and returns the answer. It does not close conn.
func Ask(conn net.Conn, message []byte) ([]byte, error) {
	panic("not started")
}
