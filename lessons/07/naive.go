package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
)

// naiveReceive takes what it gets for the whole message.
func naiveReceive(pc net.PacketConn, buf []byte) (n int, from net.Addr, err error) {
	return pc.ReadFrom(buf)
}

// naiveTalk waits for each answer as long as it takes.
func naiveTalk(conn net.Conn, in io.Reader, out io.Writer) error {
	lines := bufio.NewScanner(in)
	buf := make([]byte, maxMessage)
	for lines.Scan() && lines.Text() != "quit" {
		if _, err := conn.Write(lines.Bytes()); err != nil {
			return err
		}
		n, err := conn.Read(buf)
		if err != nil {
			return err
		}
		fmt.Fprintf(out, "%s\n", buf[:n])
	}
	return lines.Err()
}

// naiveConn is a client's socket that is not connected, as Python's sendto and recvfrom are used:
// it sends to the server and hears from anybody.
type naiveConn struct {
	net.PacketConn
	server net.Addr
}

func (c naiveConn) Write(p []byte) (int, error) { return c.WriteTo(p, c.server) }

func (c naiveConn) RemoteAddr() net.Addr { return c.server }

// Read does not look who sent what it reads.
func (c naiveConn) Read(p []byte) (int, error) {
	n, _, err := c.ReadFrom(p)
	return n, err
}

// naiveServe answers everything, whoever it comes from.
func naiveServe(pc net.PacketConn) error {
	buf := make([]byte, maxMessage)
	for {
		n, from, err := pc.ReadFrom(buf)
		if errors.Is(err, net.ErrClosed) {
			return nil
		}
		if err != nil {
			return err
		}
		if _, err := pc.WriteTo(upper(buf[:n]), from); err != nil {
			return err
		}
	}
}
