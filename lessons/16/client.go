package main

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"net"
	"time"

	"golang.org/x/text/encoding"
)

const maxAnswer = 2*maxOutput + 1<<10 // bytes: standard output, standard error, and a remark

// client holds what the user has chosen with flags.
type client struct {
	charset encoding.Encoding // of the answers

	connect   time.Duration // for a connection
	patience  time.Duration // for an answer; longer than the server's limit for a command
	heartbeat time.Duration // the user's silence before the server is asked whether it is there
}

// dial connects to the server at addr.
func (c *client) dial(addr string) (net.Conn, error) {
	return net.DialTimeout("tcp", addr, c.connect)
}

// talk sends each line of in as one command and prints the answer, until in ends or says quit.
// It does not close conn: whoever dialled does.
func (c *client) talk(conn net.Conn, in io.Reader, out io.Writer) error {
	lines := bufio.NewScanner(in)
	for {
		more, err := c.nextLine(conn, lines)
		if err != nil {
			return fmt.Errorf("waiting for your next line: a heartbeat: %w", err)
		}
		if !more || lines.Text() == "quit" {
			return lines.Err()
		}
		if lines.Text() == "" { // that would be a heartbeat
			continue
		}
		status, output, err := c.ask(conn, lines.Text())
		if err != nil {
			return err
		}
		text, err := c.charset.NewDecoder().Bytes(output)
		if err != nil {
			return fmt.Errorf("decoding an answer: %w", err)
		}
		fmt.Fprintf(out, "%s\n", bytes.TrimSuffix(text, []byte("\n")))
		if status != 0 {
			fmt.Fprintf(out, "[exit status %d]\n", status)
		}
	}
}

// nextLine scans the next line, and sends a heartbeat whenever the user has been silent for a while.
func (c *client) nextLine(conn net.Conn, lines *bufio.Scanner) (more bool, err error) {
	scanned := make(chan bool, 1)
	go func() { scanned <- lines.Scan() }()
	for {
		select {
		case more := <-scanned:
			return more, nil
		case <-time.After(c.heartbeat):
			status, why, err := c.ask(conn, "")
			if err == nil && status != 0 {
				err = fmt.Errorf("%s", bytes.TrimSpace(why))
			}
			if err != nil { // Scan waits on; it ends with the program
				return false, err
			}
		}
	}
}

// ask sends a command and returns its status and what it printed.
func (c *client) ask(conn net.Conn, command string) (status int, output []byte, err error) {
	if n := len(command); n > maxCommand {
		return 0, nil, fmt.Errorf("a command of %d bytes: the server takes at most %d", n, maxCommand)
	}
	if err := writeMessage(conn, c.patience, 0, []byte(command)); err != nil {
		return 0, nil, fmt.Errorf("sending a command: %w", err)
	}
	status, output, err = readMessage(conn, c.patience, maxAnswer)
	if err != nil {
		return 0, nil, fmt.Errorf("reading an answer: %w", err)
	}
	return status, output, nil
}
