package main

import (
	"errors"
	"net"
)

// naiveServe is serve with a handler that forgets something.
func naiveServe(ln net.Listener) error {
	for {
		conn, err := ln.Accept()
		if errors.Is(err, net.ErrClosed) {
			return nil
		}
		if err != nil {
			return err
		}
		naiveAnswer(conn)
	}
}

// naiveAnswer never closes conn. Nothing shows on this side.
func naiveAnswer(conn net.Conn) {
	buf := make([]byte, maxRead)
	for {
		n, err := conn.Read(buf)
		if err != nil {
			return
		}
		if _, err := conn.Write(upper(buf[:n])); err != nil {
			return
		}
	}
}
