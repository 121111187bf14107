package main

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"time"
	"unicode/utf8"
)

const (
	maxHeard = maxName*utf8.UTFMax + len(": ") + maxLine // bytes of a line: a room puts a name in front
	lastCall = 500 * time.Millisecond                    // for what is still said to somebody who leaves
)

// dial connects to the server at addr.
func dial(addr string) (net.Conn, error) {
	return net.Dial("tcp", addr)
}

// talk is one side of a chat: it sends what in says and prints what the peer says, both at the same
// time, until one of them leaves. It does not close conn: whoever dialled does.
func talk(conn net.Conn, in io.Reader, out io.Writer) error {
	heard, said := make(chan error, 1), make(chan error, 1)
	go func() { heard <- hear(conn, out) }()
	go func() { said <- say(conn, in, out) }()
	select {
	case err := <-heard: // say may still wait for the keyboard; it ends with the program
		return err
	case err := <-said:
		if err != nil {
			return err
		}
	}
	select {
	case err := <-heard: // what the peer still says, until it leaves, too
		return err
	case <-time.After(lastCall):
		return nil
	}
}

// hear prints line after line, until the peer leaves.
func hear(conn net.Conn, out io.Writer) error {
	lines := bufio.NewReaderSize(conn, maxHeard+len("\n"))
	for {
		line, err := readLine(lines)
		if peerGone(err) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("reading a line: %w", err)
		}
		fmt.Fprintf(out, "%s\n", line)
	}
}

// say sends line after line, until in ends or says exit. Then it closes its half of the connection: the
// peer meets the end of the stream.
func say(conn net.Conn, in io.Reader, out io.Writer) error {
	lines := bufio.NewScanner(in)
	for lines.Scan() && lines.Text() != "quit" && lines.Text() != farewell {
		if len(lines.Text()) > maxLine {
			fmt.Fprintf(out, "not sent: %v\n", errTooLong)
			continue
		}
		_, err := fmt.Fprintf(conn, "%s\n", lines.Text())
		if peerGone(err) { // hear will meet the end
			return nil
		}
		if err != nil {
			return fmt.Errorf("sending a line: %w", err)
		}
	}
	if err := lines.Err(); err != nil {
		return err
	}
	return conn.(interface{ CloseWrite() error }).CloseWrite()
}
