// Package ports is the reference answer to lab 10: who has a port, and does that keep you from taking it?
package ports

import (
	"bufio"
	"encoding/hex"
	"fmt"
	"io"
	"net/netip"
	"slices"
	"strconv"
	"strings"
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

var states = map[string]string{
	"01": Established, "02": SynSent, "03": SynRecv, "04": FinWait1, "05": FinWait2, "06": TimeWait,
	"07": Close, "08": CloseWait, "09": LastAck, "0A": Listen, "0B": Closing,
}

// Socket is a row of the kernel's table of TCP sockets.
type Socket struct {
	Local  netip.AddrPort
	Remote netip.AddrPort // 0.0.0.0:0 or [::]:0 if there is none
	State  string         // one of the constants
	UID    uint32         // of the user that it belongs to
	Inode  uint64         // the number in the links /proc/PID/fd/N; 0 if no program has it any more
}

// Parse reads a table as it is in /proc/net/tcp and /proc/net/tcp6 (proc_net_tcp(5)), on a
// little-endian machine.
func Parse(table io.Reader) ([]Socket, error) {
	var sockets []Socket
	lines := bufio.NewScanner(table)
	for lines.Scan() {
		columns := strings.Fields(lines.Text())
		if len(columns) > 0 && columns[0] == "sl" {
			continue
		}
		s, err := parseRow(columns)
		if err != nil {
			return nil, fmt.Errorf("the row %q: %w", lines.Text(), err)
		}
		sockets = append(sockets, s)
	}
	if err := lines.Err(); err != nil {
		return nil, fmt.Errorf("reading the table: %w", err)
	}
	return sockets, nil
}

func parseRow(columns []string) (s Socket, err error) {
	if len(columns) < 10 {
		return s, fmt.Errorf("%d columns instead of at least 10", len(columns))
	}
	if s.Local, err = parseAddress(columns[1]); err != nil {
		return s, err
	}
	if s.Remote, err = parseAddress(columns[2]); err != nil {
		return s, err
	}
	if s.State = states[columns[3]]; s.State == "" {
		return s, fmt.Errorf("there is no state %q", columns[3])
	}
	uid, err := strconv.ParseUint(columns[7], 10, 32)
	if err != nil {
		return s, fmt.Errorf("the uid: %w", err)
	}
	s.UID = uint32(uid)
	s.Inode, err = strconv.ParseUint(columns[9], 10, 64)
	return s, err
}

// parseAddress reads 0100007F:1F90: each four bytes of the address come last one first.
func parseAddress(text string) (netip.AddrPort, error) {
	digits, port, _ := strings.Cut(text, ":")
	b, err := hex.DecodeString(digits)
	if err != nil {
		return netip.AddrPort{}, fmt.Errorf("the address %q: %w", text, err)
	}
	for word := range slices.Chunk(b, 4) {
		slices.Reverse(word)
	}
	addr, ok := netip.AddrFromSlice(b)
	n, err := strconv.ParseUint(port, 16, 16)
	if !ok || len(port) != 4 || err != nil {
		return netip.AddrPort{}, fmt.Errorf("%q is not an address and a port", text)
	}
	return netip.AddrPortFrom(addr.Unmap(), uint16(n)), nil
}

// Blocks reports which of the sockets makes a bind to want fail on Linux, if one does: the first
// listener, or else the first of the others. reuse says whether all of them, and the new socket
// too, have SO_REUSEADDR.
func Blocks(sockets []Socket, want netip.AddrPort, reuse bool) (blocker Socket, blocked bool) {
	for _, s := range sockets {
		switch {
		case want.Port() == 0 || s.Local.Port() != want.Port() || !collide(s.Local.Addr(), want.Addr().Unmap()):
		case s.State == Listen:
			return s, true
		case !blocked && !reuse && s.State != SynRecv: // SYN_RECV belongs to its listener
			blocker, blocked = s, true
		}
	}
	return blocker, blocked
}

// collide reports whether two addresses have one in common. [::] is dual-stack.
func collide(a, b netip.Addr) bool {
	if a == netip.IPv6Unspecified() || b == netip.IPv6Unspecified() || a == b {
		return true
	}
	return a.Is4() == b.Is4() && (a.IsUnspecified() || b.IsUnspecified())
}
