package main

import (
	"errors"
	"net"
)

// naiveServe keeps its clients in a list, and forgets to close them. Without the list Go's garbage
// collector would close them one day, and hide the mistake.
func naiveServe(ln net.Listener) error {
	var clients []net.Conn
	for {
		conn, err := ln.Accept()
		if errors.Is(err, net.ErrClosed) {
			return nil
		}
		if err != nil {
			return err
		}
		clients = append(clients, conn)
		naiveAnswer(clients[len(clients)-1])
	}
}

// naiveAnswer never closes conn.
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
