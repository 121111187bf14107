// Package talkloop is the reference answer to lab 02: many messages on one connection.
package talkloop

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"syscall"
)

const maxRead = 1024 // bytes; the most that one read takes, not what it waits for

// Answer sends what each Read brings back in upper case until the other side leaves, and closes
// conn. It returns nil when the other side has left, however it did.
func Answer(conn net.Conn) error {
	defer conn.Close()
	buf := make([]byte, maxRead)
	for {
		n, err := conn.Read(buf)
		if n > 0 { // a read may return bytes and an error at once: the bytes come first
			_, werr := conn.Write(upper(buf[:n]))
			if left(werr) {
				return nil
			}
			if werr != nil {
				return fmt.Errorf("writing an answer: %w", werr)
			}
		}
		if left(err) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("reading a message: %w", err)
		}
	}
}

// Converse sends each line of in as one message and prints its answer to out, until in ends or says
// quit. It does not close conn: whoever dialled does.
//
// The error is io.EOF, wrapped, when the other side closes instead of answering.
func Converse(conn net.Conn, in io.Reader, out io.Writer) error {
	lines := bufio.NewScanner(in)
	buf := make([]byte, maxRead)
	for lines.Scan() && lines.Text() != "quit" {
		if lines.Text() == "" { // 0 bytes would put nothing on the wire, and the answer would never come
			continue
		}
		if _, err := conn.Write(lines.Bytes()); err != nil {
			return fmt.Errorf("sending a message: %w", err)
		}
		n, err := conn.Read(buf)
		if n > 0 {
			if _, err := fmt.Fprintf(out, "%s\n", buf[:n]); err != nil {
				return fmt.Errorf("printing an answer: %w", err)
			}
		}
		if err != nil {
			return fmt.Errorf("reading an answer: %w", err)
		}
	}
	if err := lines.Err(); err != nil {
		return fmt.Errorf("reading the input: %w", err)
	}
	return nil
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

// left reports whether err means that the peer has gone. There are three ways to learn it: end of file
// (it closed), a reset (it aborted, or left bytes unread), a broken pipe (we wrote after its reset had come).
func left(err error) bool {
	for _, gone := range []error{
		io.EOF, syscall.ECONNRESET, syscall.EPIPE,
		syscall.Errno(10054), syscall.Errno(10053), // what Windows calls the last two
	} {
		if errors.Is(err, gone) {
			return true
		}
	}
	return false
}
