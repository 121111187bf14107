// Package talkloop is lab 02: many messages on one connection. The task is in README.md.
package talkloop

import (
	"io"
	"net"
)

// Answer sends each message back in upper case until the other side leaves, and closes conn.
func Answer(conn net.Conn) error {
	panic("not started")
}

// Converse sends each line of in as one message and prints the answers to out, until in ends or
// says quit. It does not close conn.
func Converse(conn net.Conn, in io.Reader, out io.Writer) error {
	panic("not started")
}
