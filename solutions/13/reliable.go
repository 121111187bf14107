// Package reliable is the reference answer to lab 13: messages over UDP that all arrive, once and in order.
package reliable

import (
	"bytes"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"os"
	"time"
)

const (
	kindMessage = 'M'
	kindAck     = 'A'
	runSize     = 8               // bytes: chosen at random for each call of Send
	headerSize  = 1 + runSize + 4 // bytes: the kind, the run, the number
	maxDatagram = 65507           // bytes; more than that no datagram carries over IPv4
)

// header returns what is in front of a message, and all of an acknowledgement.
func header(kind byte, run []byte, number uint32) []byte {
	return binary.BigEndian.AppendUint32(append([]byte{kind}, run...), number)
}

// Send sends the messages over conn, each one when the one before has been acknowledged: stop and
// wait. It sends a message up to tries times, and waits for an acknowledgement each time.
//
// The error is os.ErrDeadlineExceeded, wrapped, when none comes, and that of conn when a call on
// conn fails. Send leaves conn without a deadline, and does not close it.
func Send(conn net.Conn, messages [][]byte, wait time.Duration, tries int) error {
	defer conn.SetReadDeadline(time.Time{})
	run := make([]byte, runSize)
	rand.Read(run) // never fails
	for i, message := range messages {
		number := uint32(i)
		datagram := append(header(kindMessage, run, number), message...)
		err := deliver(conn, datagram, header(kindAck, run, number), wait, tries)
		if err != nil {
			return fmt.Errorf("message %d of %d: %w", i+1, len(messages), err)
		}
	}
	return nil
}

// deliver sends a datagram again and again, until its acknowledgement comes.
func deliver(conn net.Conn, datagram, ack []byte, wait time.Duration, tries int) error {
	for range tries {
		if _, err := conn.Write(datagram); err != nil {
			return fmt.Errorf("sending: %w", err)
		}
		if err := conn.SetReadDeadline(time.Now().Add(wait)); err != nil {
			return fmt.Errorf("setting a deadline: %w", err)
		}
		err := await(conn, ack)
		if err == nil || !errors.Is(err, os.ErrDeadlineExceeded) {
			return err
		}
	}
	return fmt.Errorf("no acknowledgement in %d tries of %v: %w", tries, wait, os.ErrDeadlineExceeded)
}

// await reads until the acknowledgement comes, whatever else comes before it.
func await(conn net.Conn, ack []byte) error {
	buf := make([]byte, maxDatagram)
	for {
		n, err := conn.Read(buf)
		if err != nil {
			return fmt.Errorf("waiting for an acknowledgement: %w", err)
		}
		if bytes.Equal(buf[:n], ack) {
			return nil
		}
	}
}

// Receive hands the messages that come over conn to deliver, each once and in order, and
// acknowledges every copy: the acknowledgement of the one before may be lost. It returns nil when
// conn is closed.
func Receive(conn net.Conn, deliver func(message []byte)) error {
	buf := make([]byte, maxDatagram)
	next := map[string]uint32{} // the number that is expected, by run
	for {
		n, err := conn.Read(buf)
		if errors.Is(err, net.ErrClosed) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("waiting for a message: %w", err)
		}
		if n < headerSize || buf[0] != kindMessage {
			continue
		}
		run, number := buf[1:1+runSize], binary.BigEndian.Uint32(buf[1+runSize:])
		expected := next[string(run)]
		if number > expected { // the one before is missing
			continue
		}
		if number == expected {
			next[string(run)]++
			deliver(bytes.Clone(buf[headerSize:n]))
		}
		_, err = conn.Write(header(kindAck, run, number))
		if errors.Is(err, net.ErrClosed) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("sending an acknowledgement: %w", err)
		}
	}
}
