// Package ports is lab 10: who has a port, and does that keep you from taking it? The task is in README.md.
package ports

import (
	"io"
	"net/netip"
)

// The states of a socket, as the kernel numbers them.
const (
	Established = "ESTABLISHED" // 01
	SynSent     = "SYN_SENT"    // 02
	SynRecv     = "SYN_RECV"    // 03
	FinWait1    = "FIN_WAIT1"   // 04
	FinWait2    = "FIN_WAIT2"   // 05
	TimeWait    = "TIME_WAIT"   // 06
	Close       = "CLOSE"       // 07
	CloseWait   = "CLOSE_WAIT"  // 08
	LastAck     = "LAST_ACK"    // 09
	Listen      = "LISTEN"      // 0A
	Closing     = "CLOSING"     // 0B
)

// Socket is a row of the kernel's table of TCP sockets.
type Socket struct {
	Local  netip.AddrPort
	Remote netip.AddrPort // 0.0.0.0:0 or [::]:0 if there is none
	State  string         // one of the constants
	UID    uint32         // of the user that it belongs to
	Inode  uint64         // the number in the links /proc/PID/fd/N; 0 if no program has it any more
}

// Parse reads a table as it is in /proc/net/tcp and /proc/net/tcp6.
func Parse(table io.Reader) ([]Socket, error) {
	panic("not started")
}

// Blocks reports which of the sockets makes a bind to want fail, if one does. reuse says whether all of them,
// and the new socket too, have SO_REUSEADDR.
func Blocks(sockets []Socket, want netip.AddrPort, reuse bool) (Socket, bool) {
	panic("not started")
}
