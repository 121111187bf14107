package main

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strconv"
	"time"
)

const (
	wait  = 100 * time.Millisecond // for an acknowledgement; then the message is sent again
	tries = 50                     // then the peer has gone, or the network
)

// newMessage returns the datagram for a text: a message, its number, the run of the program that
// sends it, the text. Numbers begin at 0 in each run, so that a number alone would be taken for an
// old one after a new start.
func newMessage(number, run uint32, text []byte) []byte {
	return append(fmt.Appendf(nil, "M %d %d ", number, run), text...)
}

// newAck returns the acknowledgement of a message. It says that it is one, and nobody answers it.
func newAck(number, run uint32) []byte {
	return fmt.Appendf(nil, "A %d %d", number, run)
}

// parseMessage is the reverse of newMessage.
func parseMessage(datagram []byte) (number, run uint32, text []byte, err error) {
	fields := bytes.SplitN(datagram, []byte(" "), 4)
	if len(fields) != 4 || string(fields[0]) != "M" {
		return 0, 0, nil, errors.New("not a numbered message")
	}
	n, err := strconv.ParseUint(string(fields[1]), 10, 32)
	if err != nil {
		return 0, 0, nil, fmt.Errorf("the number of a message: %w", err)
	}
	r, err := strconv.ParseUint(string(fields[2]), 10, 32)
	if err != nil {
		return 0, 0, nil, fmt.Errorf("the run of a message: %w", err)
	}
	return uint32(n), uint32(r), fields[3], nil
}

// talkNumbered sends each line of in, the next one when the one before has arrived: stop and wait.
// It does not close conn: whoever dialled does.
func (c *chat) talkNumbered(conn net.Conn, in io.Reader, out io.Writer) error {
	number := uint32(0)
	lines := bufio.NewScanner(in)
	for lines.Scan() && lines.Text() != "quit" {
		text, err := c.text.encode(lines.Text())
		if err == nil {
			err = deliver(conn, newMessage(number, c.run, text), newAck(number, c.run))
		}
		if errors.Is(err, errCannotSay) || tooLong(err) {
			fmt.Fprintf(out, "not sent: %v\n", err)
			continue
		}
		if err != nil {
			return err
		}
		number++
	}
	return lines.Err()
}

var errLost = fmt.Errorf("no answer to %d tries in %v: the message was lost, "+
	"or the acknowledgements (%w)", tries, tries*wait, os.ErrDeadlineExceeded)

// deliver sends a message again and again, until its acknowledgement comes.
func deliver(conn net.Conn, message, ack []byte) error {
	buf := make([]byte, 64)
	for range tries {
		if _, err := conn.Write(message); err != nil {
			return fmt.Errorf("sending a message: %w", err)
		}
		if err := conn.SetReadDeadline(time.Now().Add(wait)); err != nil {
			return fmt.Errorf("limiting the wait for an acknowledgement: %w", err)
		}
		for {
			n, err := conn.Read(buf)
			if errors.Is(err, os.ErrDeadlineExceeded) {
				break
			}
			if err != nil && !tooLong(err) {
				return fmt.Errorf("reading an acknowledgement: %w", err)
			}
			if err == nil && bytes.Equal(buf[:n], ack) { // any other is late, or none
				return nil
			}
		}
	}
	return errLost
}
