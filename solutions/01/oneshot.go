// Package oneshot is the reference answer to lab 01: one message, one answer.
package oneshot

import (
	"fmt"
	"net"
)

const maxMessage = 1024 // bytes; a message has at least 1

// Answer reads one message from conn, sends it back in upper case and closes conn, however it ends.
//
// The error is io.EOF, wrapped, when the other side closes before it has said anything.
func Answer(conn net.Conn) error {
	defer conn.Close()
	message, err := receive(conn)
	if err != nil {
		return fmt.Errorf("reading a message: %w", err)
	}
	if _, err := conn.Write(upper(message)); err != nil {
		return fmt.Errorf("writing an answer: %w", err)
	}
	return nil
}

// Ask sends message to the other side of conn and returns the answer. It does not close conn: whoever
// dialled does.
//
// The error is io.EOF, wrapped, when the other side closes instead of answering. A message of 0
// bytes, and one of more than 1024, is refused before anything is sent.
func Ask(conn net.Conn, message []byte) ([]byte, error) {
	if len(message) == 0 || len(message) > maxMessage {
		return nil, fmt.Errorf(
			"a message of %d bytes cannot be asked: it has 1 to %d",
			len(message),
			maxMessage,
		)
	}
	if _, err := conn.Write(message); err != nil {
		return nil, fmt.Errorf("sending a message: %w", err)
	}
	answer, err := receive(conn)
	if err != nil {
		return nil, fmt.Errorf("reading an answer: %w", err)
	}
	return answer, nil
}

// receive returns what one Read brings. The slice belongs to the caller.
func receive(conn net.Conn) ([]byte, error) {
	buf := make([]byte, maxMessage)
	n, err := conn.Read(buf)
	if err != nil {
		return nil, err
	}
	return buf[:n], nil
}

// upper returns b with the letters a to z in upper case and every other byte as it is.
func upper(b []byte) []byte {
	up := make([]byte, len(b))
	for i, c := range b {
		if 'a' <= c && c <= 'z' {
			c -= 'a' - 'A'
		}
		up[i] = c
	}
	return up
}
