// Package datagram is the reference answer to lab 07: a question and its answer over UDP, which loses,
// doubles and delays.
package datagram

import (
	"bytes"
	"crypto/rand"
	"errors"
	"fmt"
	"net"
	"os"
	"time"
)

const (
	idSize      = 8     // bytes in front of every request and every answer
	maxDatagram = 65507 // bytes; more than that no datagram carries over IPv4
)

// Exchange sends request over conn and returns the answer to it, of at most limit bytes. It asks up
// to tries times and waits for an answer each time.
//
// The error is os.ErrDeadlineExceeded, wrapped, when no answer comes, and that of conn when a call on conn
// fails.
// Exchange leaves conn without a read deadline, and does not close it.
func Exchange(conn net.Conn, request []byte, limit, tries int, wait time.Duration) ([]byte, error) {
	defer conn.SetReadDeadline(time.Time{})
	id := make([]byte, idSize)
	rand.Read(id) // never fails
	message := bytes.Join([][]byte{id, request}, nil)
	for range tries {
		if _, err := conn.Write(message); err != nil {
			return nil, fmt.Errorf("sending a request of %d bytes: %w", len(request), err)
		}
		answer, err := receive(conn, id, limit, time.Now().Add(wait))
		if !errors.Is(err, os.ErrDeadlineExceeded) {
			return answer, err
		}
	}
	return nil, fmt.Errorf("no answer in %d tries of %v: %w", tries, wait, os.ErrDeadlineExceeded)
}

// receive waits until the deadline for the datagram that begins with id, whatever else comes before it.
func receive(conn net.Conn, id []byte, limit int, deadline time.Time) ([]byte, error) {
	if err := conn.SetReadDeadline(deadline); err != nil {
		return nil, fmt.Errorf("setting a deadline: %w", err)
	}
	buf := make([]byte, maxDatagram)
	for {
		n, err := conn.Read(buf)
		if err != nil {
			return nil, fmt.Errorf("waiting for the answer: %w", err)
		}
		answer, ours := bytes.CutPrefix(buf[:n], id)
		if !ours { // late, doubled or forged
			continue
		}
		if len(answer) > limit {
			return nil, fmt.Errorf("the answer has %d bytes, more than the %d allowed", len(answer), limit)
		}
		return answer, nil
	}
}
