package main

import (
	"bufio"
	"fmt"
	"io"
	"net"
)

// dial connects to the server at addr. A name may have addresses of both families, IPv6 and IPv4: package
// net tries the second family when the first one has refused, or been silent for 300 ms.
func dial(addr string) (net.Conn, error) {
	return net.Dial("tcp", addr)
}

// talk sends each line of in as one message and prints the answer, until in ends or says quit.
// It does not close conn: whoever dialled does.
func talk(conn net.Conn, in io.Reader, out io.Writer) error {
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
			fmt.Fprintf(out, "%s\n", buf[:n])
		}
		if err != nil {
			return fmt.Errorf("reading an answer: %w", err)
		}
	}
	return lines.Err()
}
