// Package room is lab 12: a chat room in lines. The task is in README.md.
package room

import "net"

// Serve is a chat room: everybody reads what everybody else says. It returns nil when ln is closed, and
// then all connections are closed, too.
func Serve(ln net.Listener) error {
	panic("not started")
}
