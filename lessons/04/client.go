package main

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"net"

	"golang.org/x/text/encoding"
	"golang.org/x/text/encoding/unicode"
)

// charset is how the answers are encoded; the flag -encoding names another one.
var charset encoding.Encoding = unicode.UTF8

// dial connects to the server at addr.
func dial(addr string) (net.Conn, error) {
	return net.Dial("tcp", addr)
}

// talk sends each line of in as one command and prints the answer, until in ends or says quit.
// It does not close conn: whoever dialled does.
func talk(conn net.Conn, in io.Reader, out io.Writer) error {
	lines := bufio.NewScanner(in)
	buf := make([]byte, maxRead)
	for lines.Scan() && lines.Text() != "quit" {
		if lines.Text() == "" { // 0 bytes would put nothing on the wire, and the answer never came
			continue
		}
		if n := len(lines.Bytes()); n > maxRead {
			return fmt.Errorf("a command of %d bytes: the server takes at most %d, as one read", n, maxRead)
		}
		if _, err := conn.Write(lines.Bytes()); err != nil {
			return fmt.Errorf("sending a command: %w", err)
		}
		n, err := conn.Read(buf)
		if err != nil {
			return fmt.Errorf("reading an answer: %w", err)
		}
		text, err := charset.NewDecoder().Bytes(buf[:n])
		if err != nil {
			return fmt.Errorf("decoding an answer: %w", err)
		}
		fmt.Fprintf(out, "%s\n", bytes.TrimSuffix(text, []byte("\n")))
	}
	return lines.Err()
}
