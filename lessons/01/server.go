package main

import (
	"errors"
	"fmt"
	"net"
)

const maxRead = 1024 // bytes; the most that one read takes, not what it waits for

// listen asks the system for the address and lets clients queue up for it.
func listen(addr string) (net.Listener, error) {
	return net.Listen("tcp", addr)
}

// serve accepts one client and answers it.
// It returns nil when ln is closed. The caller closes ln.
func serve(ln net.Listener) error {
	conn, err := ln.Accept()
	if errors.Is(err, net.ErrClosed) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("accepting a client: %w", err)
	}
	return answer(conn)
}

// answer reads one message, sends it back in upper case and closes conn.
func answer(conn net.Conn) error {
	defer conn.Close()
	buf := make([]byte, maxRead)
	n, err := conn.Read(buf)
	if err != nil {
		return fmt.Errorf("reading a message: %w", err)
	}
	if _, err := conn.Write(upper(buf[:n])); err != nil {
		return fmt.Errorf("writing an answer: %w", err)
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
