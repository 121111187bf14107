package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"os"
	"time"
)

const patience = 5 * time.Second // for an answer, as a resolver has it: resolv.conf(5)

// dial opens a socket that sends to addr and hears from addr alone. It sends nothing: nobody may be there.
func dial(addr string) (net.Conn, error) {
	return net.Dial("udp", addr)
}

// talk sends each line of in as one message and prints the answer, until in ends or says quit. It
// ends when an answer does not come: if that came late, it would be taken for the answer to the
// next message. So is one that comes twice, see lab 07. It does not close conn: whoever dialled
// does.
func talk(conn net.Conn, in io.Reader, out io.Writer) error {
	lines := bufio.NewScanner(in)
	buf := make([]byte, maxMessage)
	for lines.Scan() && lines.Text() != "quit" {
		_, err := conn.Write(lines.Bytes()) // an empty line too: a datagram of 0 bytes is a message
		if tooLong(err) {
			log.Printf("client: not sent: a message of %d bytes; one datagram carries at most %d",
				len(lines.Bytes()), maxMessage)
			continue
		}
		if err != nil {
			return fmt.Errorf("sending a message: %w", err)
		}
		if err := conn.SetReadDeadline(time.Now().Add(patience)); err != nil {
			return fmt.Errorf("limiting the wait for an answer: %w", err)
		}
		n, err := conn.Read(buf)
		if errors.Is(err, os.ErrDeadlineExceeded) {
			return fmt.Errorf("no answer within %v: the message was lost, or its answer (%w)",
				patience, os.ErrDeadlineExceeded)
		}
		if err != nil {
			return fmt.Errorf("reading an answer: %w", err)
		}
		fmt.Fprintf(out, "%s\n", buf[:n])
	}
	return lines.Err()
}
