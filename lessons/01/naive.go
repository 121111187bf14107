package main

import "net"

// readFirst waits for the other side to begin.
func readFirst(conn net.Conn) error {
	_, err := conn.Read(make([]byte, maxRead))
	return err
}
