package main

import (
	"errors"
	"fmt"
	"io"
	"log"
	"net"
)

const maxSenders = 10_000 // runs of programs whose numbers are kept

// serveNumbered prints each message once, in the order in which it was said, and acknowledges every
// copy: the acknowledgement of the one before may be lost. It returns nil when pc is closed. The
// caller closes pc.
func (c *chat) serveNumbered(pc net.PacketConn, out io.Writer) error {
	buf := make([]byte, maxMessage+1)
	next := map[string]uint32{} // number of the next message, by sender
	for {
		n, from, err := receive(pc, buf)
		if errors.Is(err, net.ErrClosed) {
			return nil
		}
		if tooLong(err) {
			log.Printf("a message was thrown away: %v", err)
			continue
		}
		if err != nil {
			return fmt.Errorf("reading a message: %w", err)
		}
		number, run, text, err := parseMessage(buf[:n])
		if err != nil {
			log.Printf("%v: a datagram was thrown away: %v", from, err)
			continue
		}
		sender := fmt.Sprintf("%v %d", from, run)
		expected, known := next[sender]
		if !known && len(next) == maxSenders {
			log.Printf("%v: too many senders, a message thrown away", from)
			continue
		}
		if !known || int32(number-expected) >= 0 { // not less, also when the numbers begin again at 0
			next[sender] = number + 1
			fmt.Fprintf(out, "%s\n", c.shown(text))
		}
		if _, err := pc.WriteTo(newAck(number, run), from); err != nil {
			log.Printf("%v: sending an acknowledgement: %v", from, err)
		}
	}
}
