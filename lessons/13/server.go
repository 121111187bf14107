package main

import (
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"strconv"
	"strings"
	"unicode"
)

const maxMessage = 65507 // bytes; the most over IPv4: 65,535 less 20 for IP and 8 for UDP

// listen asks the system for the address. Nobody queues up for it: whoever knows the address may
// send to it.
func listen(addr string) (net.PacketConn, error) {
	return net.ListenPacket("udp", addr)
}

// chat is one side of a chat whose messages are datagrams.
type chat struct {
	text charset
	run  uint32 // another one each time that the program is started
}

// servePacket prints what anybody says, and answers nobody. It returns nil when pc is closed. The
// caller closes pc.
func (c *chat) servePacket(pc net.PacketConn, out io.Writer) error {
	buf := make([]byte, maxMessage+1)
	for {
		n, _, err := receive(pc, buf)
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
		fmt.Fprintf(out, "%s\n", c.shown(buf[:n]))
	}
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

// shown is a message as one line for people, whatever is in it: the peer may use another encoding,
// and it may mean harm.
func (c *chat) shown(message []byte) string {
	text, err := c.text.decode(message)
	if err != nil {
		return fmt.Sprintf("(a message that is %v)", err)
	}
	var line strings.Builder
	for _, r := range strings.TrimRight(text, "\r\n") {
		if unicode.IsControl(r) {
			line.WriteString(strings.Trim(strconv.QuoteRune(r), "'"))
		} else {
			line.WriteRune(r)
		}
	}
	return line.String()
}
