package main

import (
	"bufio"
	"fmt"
	"io"
	"net"
)

// dial connects to the server at addr.
func dial(addr string) (net.Conn, error) {
	return net.Dial("tcp", addr)
}

// talk sends the first line of in as one message and prints the answer.
// It does not close conn: whoever dialled does.
func talk(conn net.Conn, in io.Reader, out io.Writer) error {
	lines := bufio.NewScanner(in)
	if !lines.Scan() || lines.Text() == "" || lines.Text() == "quit" {
		return lines.Err()
	}
	if _, err := conn.Write(lines.Bytes()); err != nil {
		return fmt.Errorf("sending a message: %w", err)
	}
	buf := make([]byte, maxRead)
	n, err := conn.Read(buf)
	if err != nil {
		return fmt.Errorf("reading an answer: %w", err)
	}
	fmt.Fprintf(out, "%s\n", buf[:n])
	return nil
}
