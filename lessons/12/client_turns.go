package main

import (
	"bufio"
	"fmt"
	"io"
	"net"
)

// The chat of many tutorials: no framing, one message each in turn, and a message that is exit ends it.

const maxRead = 1024 // bytes; the most that one read takes, not what it waits for

// talkInTurn says something first. It does not close conn.
func talkInTurn(conn net.Conn, in io.Reader, out io.Writer) error {
	lines := bufio.NewScanner(in)
	for {
		if over, err := sayOnce(conn, lines); over || err != nil {
			return err
		}
		if over, err := hearOnce(conn, out); over || err != nil {
			return err
		}
	}
}

// answerInTurn hears something first. It does not close conn.
func answerInTurn(conn net.Conn, in io.Reader, out io.Writer) error {
	lines := bufio.NewScanner(in)
	for {
		if over, err := hearOnce(conn, out); over || err != nil {
			return err
		}
		if over, err := sayOnce(conn, lines); over || err != nil {
			return err
		}
	}
}

// sayOnce sends the next line, as it is. It returns true when the chat is over.
func sayOnce(conn net.Conn, lines *bufio.Scanner) (over bool, err error) {
	for lines.Scan() && lines.Text() != "quit" {
		if lines.Text() == "" { // 0 bytes would put nothing on the wire, and both would wait
			continue
		}
		_, err := io.WriteString(conn, lines.Text())
		if err != nil && !peerGone(err) {
			return true, fmt.Errorf("sending a message: %w", err)
		}
		return lines.Text() == farewell || err != nil, nil
	}
	return true, lines.Err()
}

// hearOnce prints what one read brings. It returns true when the chat is over.
func hearOnce(conn net.Conn, out io.Writer) (over bool, err error) {
	buf := make([]byte, maxRead)
	n, err := conn.Read(buf)
	if n > 0 {
		fmt.Fprintf(out, "%s\n", buf[:n])
	}
	if err != nil && !peerGone(err) {
		return true, fmt.Errorf("reading a message: %w", err)
	}
	return string(buf[:n]) == farewell || err != nil, nil
}
