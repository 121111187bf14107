package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
)

const maxRead = 1024 // bytes; the most that one read takes, not what it waits for

// listen asks the system for the address and lets clients queue up for it. Go's listeners take
// multipath TCP too, where the system has it; here it shall be TCP alone.
func listen(addr string) (net.Listener, error) {
	config := net.ListenConfig{}
	config.SetMultipathTCP(false)
	return config.Listen(context.Background(), "tcp", addr)
}

// serve answers one client after the other, whatever one of them does.
// It returns nil when ln is closed. The caller closes ln.
func serve(ln net.Listener) error {
	for {
		conn, err := ln.Accept()
		if errors.Is(err, net.ErrClosed) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("accepting a client: %w", err)
		}
		if err := answer(conn); err != nil {
			log.Printf("client %s: %v", conn.RemoteAddr(), err)
		}
	}
}

// answer sends each message back in upper case until the client leaves, and closes conn.
func answer(conn net.Conn) error {
	defer conn.Close()
	buf := make([]byte, maxRead)
	for {
		n, err := conn.Read(buf)
		if n > 0 { // a read may return bytes and an error at once: the bytes come first
			_, werr := conn.Write(upper(buf[:n]))
			if peerGone(werr) {
				return nil
			}
			if werr != nil {
				return fmt.Errorf("writing an answer: %w", werr)
			}
		}
		if peerGone(err) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("reading a message: %w", err)
		}
	}
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

// peerGone reports whether err means that the peer has gone. A peer says so in three ways: end of file
// (it closed), a reset (it aborted, or left bytes unread), a broken pipe (we wrote after its reset had come).
func peerGone(err error) bool {
	return errors.Is(err, io.EOF) || errors.Is(err, errReset) || errors.Is(err, errBrokenPipe)
}
