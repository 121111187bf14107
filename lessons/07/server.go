package main

import (
	"errors"
	"fmt"
	"log"
	"net"
	"slices"
)

const maxMessage = 65507 // bytes; the most over IPv4: 65,535 less 20 for IP and 8 for UDP

// listen asks the system for the address. Nobody queues up for it: whoever knows the address may
// send to it.
func listen(addr string) (net.PacketConn, error) {
	return net.ListenPacket("udp", addr)
}

// servePacket sends each message back in upper case to whoever sent it, whatever is in it.
// It returns nil when pc is closed. The caller closes pc.
func servePacket(pc net.PacketConn) error {
	buf := make([]byte, maxMessage+1)
	for {
		n, from, err := receive(pc, buf)
		if errors.Is(err, net.ErrClosed) {
			return nil
		}
		if tooLong(err) {
			log.Printf("a message was thrown away: %v", err) // Windows does not say whose
			continue
		}
		if err != nil {
			return fmt.Errorf("reading a message: %w", err)
		}
		if isOwn(pc, from) { // the answer would be the next message, without end
			log.Printf("client %v: this server's own address, thrown away", from)
			continue
		}
		if _, err := pc.WriteTo(upper(buf[:n]), from); err != nil {
			log.Printf("client %v: writing an answer: %v", from, err)
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

// receive reads one message. buf has room for one byte more than a message may have: when that is
// taken as well, the message was longer, and the rest of it is gone. Linux and macOS say nothing
// then, Windows says what receive says.
func receive(pc net.PacketConn, buf []byte) (n int, from net.Addr, err error) {
	n, from, err = pc.ReadFrom(buf)
	if err == nil && n == len(buf) {
		err = errTooLong
	}
	return n, from, err
}

var errTooLong = errors.New("message too long")

// tooLong reports whether err means that a message did not fit: into a datagram, or into the
// reader's buffer.
func tooLong(err error) bool {
	return errors.Is(err, errTooLong) || errors.Is(err, errMessageSize)
}

// isOwn reports whether addr is the port of pc on an address of this machine. UDP lets anybody
// write such a source into a datagram. In the nineties one datagram kept the services echo and
// chargen (RFC 862, 864) busy like that.
func isOwn(pc net.PacketConn, addr net.Addr) bool {
	from, own := addr.(*net.UDPAddr), pc.LocalAddr().(*net.UDPAddr)
	if from.Port != own.Port {
		return false
	}
	addrs, err := net.InterfaceAddrs()
	if err != nil || from.IP.IsLoopback() { // when in doubt there is no loop
		return true
	}
	return slices.ContainsFunc(addrs, func(a net.Addr) bool {
		network, ok := a.(*net.IPNet)
		return ok && network.IP.Equal(from.IP)
	})
}
