package main

import (
	"errors"
	"fmt"
	"io"
	"net"
	"time"
)

// dialPacket connects a socket for datagrams to the server at addr: it hears from nobody else.
func (c *client) dialPacket(addr string) (net.Conn, error) {
	return net.Dial("udp", addr)
}

// talkPacket asks the server for help, and prints it. It does not close conn: whoever dialled does.
func (c *client) talkPacket(conn net.Conn, _ io.Reader, out io.Writer) error {
	if err := conn.SetDeadline(time.Now().Add(c.patience)); err != nil {
		return err
	}
	answer, err := askPacket(conn)
	if err == nil {
		fmt.Fprint(out, answer)
	}
	return err
}

// askPacket asks for help, and again with the token that it is given. conn has a deadline.
func askPacket(conn net.Conn) (answer string, err error) {
	token := noToken
	buf := make([]byte, maxPacket)
	for range 3 { // a server that was started anew takes other tokens
		if _, err := conn.Write([]byte(token + " help")); err != nil {
			return "", fmt.Errorf("asking for help: %w", err)
		}
		n, err := conn.Read(buf)
		if err != nil {
			return "", fmt.Errorf("reading the answer: %w", err)
		}
		if n != tokenSize {
			return string(buf[:n]), nil
		}
		token = string(buf[:n])
	}
	return "", errors.New("the server does not take the tokens that it gives")
}
