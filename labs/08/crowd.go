// Package crowd is lab 08: many clients at once, and a relay that loses nothing. The task is in README.md.
package crowd

import "net"

// Serve accepts clients from ln and calls handle for each of them, for at most limit clients at the
// same time, until ln is closed. It returns when the last client has gone.
func Serve(ln net.Listener, limit int, handle func(net.Conn)) error {
	panic("not started")
}

// Relay passes on what comes from a to b and what comes from b to a, until both ways have ended or
// one of them fails. It closes a and b.
func Relay(a, b net.Conn) error {
	panic("not started")
}
