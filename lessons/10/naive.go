package main

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"strings"
)

// naiveListen leaves SO_REUSEADDR off, as Python does unless it is told otherwise.
func naiveListen(addr string) (net.Listener, error) {
	config := net.ListenConfig{Control: noReuseAddr}
	return config.Listen(context.Background(), "tcp", addr)
}

// naiveTalk dials for each line of in, prints the answer, and closes the connection.
func naiveTalk(
	dial func(addr string) (net.Conn, error), addr string, in io.Reader, out io.Writer,
) error {
	lines := bufio.NewScanner(in)
	for lines.Scan() {
		conn, err := dial(addr)
		if err != nil {
			return fmt.Errorf("connecting: %w", err)
		}
		err = talk(conn, strings.NewReader(lines.Text()), out)
		conn.Close()
		if err != nil {
			return err
		}
	}
	return lines.Err()
}

// naiveDial looks the name up and tries one of its addresses: ResolveTCPAddr returns no more, and
// prefers IPv4.
func naiveDial(addr string) (net.Conn, error) {
	one, err := net.ResolveTCPAddr("tcp", addr)
	if err != nil {
		return nil, err
	}
	return net.Dial("tcp", one.String())
}
