package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
)

// The same loops without the guards, as they are often written first.

// naiveTalk sends empty lines too: 0 bytes, which are nothing.
func naiveTalk(conn net.Conn, in io.Reader, out io.Writer) error {
	lines := bufio.NewScanner(in)
	buf := make([]byte, maxRead)
	for lines.Scan() && lines.Text() != "quit" {
		if _, err := conn.Write(lines.Bytes()); err != nil {
			return err
		}
		n, err := conn.Read(buf)
		if err != nil {
			return err
		}
		fmt.Fprintf(out, "%s\n", buf[:n])
	}
	return lines.Err()
}

// naiveAnswer does not look for the end of the stream, as a loop around Python's recv does that
// never tests for b"".
func naiveAnswer(conn net.Conn) error {
	defer conn.Close()
	buf := make([]byte, maxRead)
	for {
		n, _ := conn.Read(buf)
		conn.Write(upper(buf[:n]))
	}
}

// eofOnlyAnswer knows one way of leaving.
func eofOnlyAnswer(conn net.Conn) error {
	defer conn.Close()
	buf := make([]byte, maxRead)
	for {
		n, err := conn.Read(buf)
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
		if _, err := conn.Write(upper(buf[:n])); err != nil {
			return err
		}
	}
}

// resetOnlyAnswer knows two: it catches what Python calls ConnectionResetError, wherever it comes from.
func resetOnlyAnswer(conn net.Conn) error {
	err := eofOnlyAnswer(conn)
	if errors.Is(err, errReset) {
		return nil
	}
	return err
}

// swallowingAnswer takes every error for a client that has left, as Python's "except Exception:
// break" does.
func swallowingAnswer(conn net.Conn) error {
	defer conn.Close()
	buf := make([]byte, maxRead)
	for {
		n, err := conn.Read(buf)
		if err != nil {
			return nil
		}
		if _, err := conn.Write(upper(buf[:n])); err != nil {
			return nil
		}
	}
}

// closingTalk closes conn at the end of each round, where only the end of the loop should.
func closingTalk(conn net.Conn, in io.Reader, out io.Writer) error {
	lines := bufio.NewScanner(in)
	buf := make([]byte, maxRead)
	for lines.Scan() && lines.Text() != "quit" {
		if _, err := conn.Write(lines.Bytes()); err != nil {
			return err
		}
		n, err := conn.Read(buf)
		if err != nil {
			return err
		}
		fmt.Fprintf(out, "%s\n", buf[:n])
		conn.Close()
	}
	return lines.Err()
}
