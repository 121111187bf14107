package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"time"
)

// dial opens a socket that sends to addr and hears from addr alone. It sends nothing: nobody may be there.
func dial(addr string) (net.Conn, error) {
	return net.Dial("udp", addr)
}

// dialFrom is dial with an address of our own, to which the peer sends. So that two programs meet,
// what is own to one of them is addr to the other one.
func dialFrom(own, addr string) (net.Conn, error) {
	local, err := net.ResolveUDPAddr("udp", own)
	if err != nil {
		return nil, err
	}
	dialer := net.Dialer{LocalAddr: local}
	return dialer.Dial("udp", addr)
}

// talk is one side of a chat: it sends each line of in as one message and prints what the peer
// says, both at the same time, until in ends or says quit. Nobody tells the peer: there is no
// connection to end. It does not close conn: whoever dialled does.
func (c *chat) talk(conn net.Conn, in io.Reader, out io.Writer) error {
	heard, said := make(chan error, 1), make(chan error, 1)
	go func() { heard <- c.hear(conn, out) }()
	go func() { said <- c.say(conn, in, out) }()
	select {
	case err := <-heard: // say may still wait for the keyboard; it ends with the program
		return err
	case err := <-said:
		conn.SetReadDeadline(time.Now()) // ends hear
		return errors.Join(err, <-heard)
	}
}

// hear prints message after message, until the deadline of conn has passed. That nobody is at the
// peer's port is no end: somebody may come.
func (c *chat) hear(conn net.Conn, out io.Writer) error {
	buf := make([]byte, maxMessage+1)
	for {
		n, err := conn.Read(buf)
		switch {
		case errors.Is(err, os.ErrDeadlineExceeded):
			return nil
		case errors.Is(err, errRefused):
			fmt.Fprintln(out, "(nobody is there yet, and what you said is lost)")
		case tooLong(err) || n == len(buf):
			fmt.Fprintln(out, "(a message that is too long)")
		case err != nil:
			return fmt.Errorf("reading a message: %w", err)
		default:
			fmt.Fprintf(out, "%s\n", c.shown(buf[:n]))
		}
	}
}

// say sends message after message. One that cannot be sent is said so, and the chat goes on.
func (c *chat) say(conn net.Conn, in io.Reader, out io.Writer) error {
	lines := bufio.NewScanner(in)
	for lines.Scan() && lines.Text() != "quit" {
		message, err := c.text.encode(lines.Text())
		if err == nil {
			err = send(conn, message)
		}
		if errors.Is(err, errCannotSay) || tooLong(err) {
			fmt.Fprintf(out, "not sent: %v\n", err)
			continue
		}
		if err != nil {
			return fmt.Errorf("sending a message: %w", err)
		}
	}
	return lines.Err()
}

// send sends a message. That nobody took an earlier one is reported by this call, and this one is
// not sent then.
func send(conn net.Conn, message []byte) error {
	_, err := conn.Write(message)
	if errors.Is(err, errRefused) {
		_, err = conn.Write(message)
	}
	return err
}
