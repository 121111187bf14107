package main

import (
	"bufio"
	"fmt"
	"io"
	"net"

	"golang.org/x/text/encoding"
	"golang.org/x/text/transform"
)

// dial connects to the server at addr.
func dial(addr string) (net.Conn, error) {
	return net.Dial("tcp", addr)
}

// client holds what the user has chosen with flags.
type client struct {
	charset encoding.Encoding // of the answers
}

// talk sends each line of in as one command and prints the answer, until in ends or says quit.
// It does not close conn: whoever dialled does.
func (c *client) talk(conn net.Conn, in io.Reader, out io.Writer) error {
	lines := bufio.NewScanner(in)
	for lines.Scan() && lines.Text() != "quit" {
		if lines.Text() == "" { // 0 bytes would put nothing on the wire, and the answer would never come
			continue
		}
		if n := len(lines.Bytes()); n > maxRead {
			return fmt.Errorf("a command of %d bytes: the server takes at most %d, as one read", n, maxRead)
		}
		if _, err := conn.Write(lines.Bytes()); err != nil {
			return fmt.Errorf("sending a command: %w", err)
		}
		line := &openLine{Writer: out}
		text := transform.NewWriter(line, c.charset.NewDecoder())
		if err := readMessage(conn, text); err != nil {
			return fmt.Errorf("reading an answer: %w", err)
		}
		if err := text.Close(); err != nil {
			return fmt.Errorf("decoding an answer: %w", err)
		}
		if !line.ended {
			fmt.Fprintln(out)
		}
	}
	return lines.Err()
}

// readMessage reads one answer, with one read, and copies it to w.
func readMessage(r io.Reader, w io.Writer) error {
	buf := make([]byte, maxRead)
	n, err := r.Read(buf)
	if _, werr := w.Write(buf[:n]); werr != nil {
		return werr
	}
	return err
}

// openLine is a writer that knows whether the last line was ended.
type openLine struct {
	io.Writer
	ended bool
}

func (l *openLine) Write(p []byte) (int, error) {
	if len(p) > 0 {
		l.ended = p[len(p)-1] == '\n'
	}
	return l.Writer.Write(p)
}
