package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"

	"golang.org/x/text/encoding/htmlindex"
)

// The same chat as it is often written first.

// naiveTalk hears in a goroutine whose errors nobody looks at, and gives up at a line that it
// cannot say.
func (c *chat) naiveTalk(conn net.Conn, in io.Reader, out io.Writer) error {
	go c.naiveHear(conn, out)
	return c.naiveSay(conn, in)
}

// naiveHear ends at the first message that it cannot read.
func (c *chat) naiveHear(conn net.Conn, out io.Writer) error {
	buf := make([]byte, maxMessage)
	for {
		n, err := conn.Read(buf)
		if err != nil {
			return err
		}
		text, err := c.text.decode(buf[:n])
		if err != nil {
			return err
		}
		fmt.Fprintf(out, "%s\n", text)
	}
}

func (c *chat) naiveSay(conn net.Conn, in io.Reader) error {
	lines := bufio.NewScanner(in)
	for lines.Scan() {
		message, err := c.text.encode(lines.Text())
		if err != nil {
			return err
		}
		if _, err := conn.Write(message); err != nil {
			return err
		}
	}
	return lines.Err()
}

// namedGB2312 is what x/text finds under that name: GBK.
func namedGB2312() charset {
	found, err := htmlindex.Get("gb2312")
	if err != nil {
		panic(err) // the list has it
	}
	return charset{Encoding: found, name: "gb2312"}
}

// naiveConn is a socket that is not connected, as Python's sendto and recvfrom are used: it sends
// to the peer and hears from anybody.
type naiveConn struct {
	net.PacketConn
	peer net.Addr
}

func (c naiveConn) Write(p []byte) (int, error) { return c.WriteTo(p, c.peer) }

func (c naiveConn) RemoteAddr() net.Addr { return c.peer }

func (c naiveConn) Read(p []byte) (int, error) {
	n, _, err := c.ReadFrom(p)
	return n, err
}

// oneBitTalk numbers its messages 0, 1, 0, 1: enough to tell a message from the one before.
func (c *chat) oneBitTalk(conn net.Conn, in io.Reader, _ io.Writer) error {
	lines := bufio.NewScanner(in)
	for number := uint32(0); lines.Scan(); number ^= 1 {
		text, err := c.text.encode(lines.Text())
		if err != nil {
			return err
		}
		if err := deliver(conn, newMessage(number, 1, text), newAck(number, 1)); err != nil {
			return err
		}
	}
	return lines.Err()
}

// oneBitServe takes a message whose number is not that of the one before for a new one.
func (c *chat) oneBitServe(pc net.PacketConn, out io.Writer) error {
	buf := make([]byte, maxMessage+1)
	next := uint32(0)
	for {
		n, from, err := receive(pc, buf)
		if errors.Is(err, net.ErrClosed) {
			return nil
		}
		if err != nil {
			return err
		}
		number, run, text, err := parseMessage(buf[:n])
		if err != nil {
			return err
		}
		if number == next {
			next ^= 1
			fmt.Fprintf(out, "%s\n", c.shown(text))
		}
		if _, err := pc.WriteTo(newAck(number, run), from); err != nil {
			return err
		}
	}
}
