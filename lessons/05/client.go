package main

import (
	"bufio"
	"encoding/binary"
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

// readMessage reads one message, copies its payload to w as it comes, and takes nothing from r beyond it.
func readMessage(r io.Reader, w io.Writer) error {
	var head [headerSize]byte
	if n, err := io.ReadFull(r, head[:]); err != nil {
		return fmt.Errorf("got %d of %d header bytes: %w", n, headerSize, err)
	}
	size, err := decodeHeader(head)
	if err != nil {
		return err
	}
	return copyAll(w, r, size, "payload")
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

const maxPayload = 1 << 30 // bytes; an answer that announces more is not believed

// decodeHeader returns the size that a header announces. One below 0 or above maxPayload is an error.
func decodeHeader(head [headerSize]byte) (int64, error) {
	size := int64(int32(binary.LittleEndian.Uint32(head[:])))
	if size < 0 || size > maxPayload {
		return 0, fmt.Errorf("the header announces %d bytes: not from 0 to %d", size, maxPayload)
	}
	return size, nil
}

// copyAll copies size bytes from r to w. An earlier end is io.ErrUnexpectedEOF.
func copyAll(w io.Writer, r io.Reader, size int64, what string) error {
	n, err := io.CopyN(w, r, size)
	if err == io.EOF {
		err = io.ErrUnexpectedEOF
	}
	if err != nil {
		return fmt.Errorf("got %d of %d %s bytes: %w", n, size, what, err)
	}
	return nil
}
