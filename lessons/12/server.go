package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"strings"
)

const (
	maxLine  = 1024 // bytes of a line, without its end
	farewell = "exit"
)

// listen asks the system for the address and lets clients queue up for it.
func listen(addr string) (net.Listener, error) {
	return net.Listen("tcp", addr)
}

// serve is a chat room: everybody reads what everybody else says. It returns nil when ln is closed, and
// leaves the clients that are still there to their goroutines. The caller closes ln.
func serve(ln net.Listener) error {
	r := newRoom()
	for {
		conn, err := ln.Accept()
		if errors.Is(err, net.ErrClosed) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("accepting a client: %w", err)
		}
		go func() {
			if err := r.visit(conn); err != nil { // nobody waits for this goroutine
				log.Printf("client %s: %v", conn.RemoteAddr(), err)
			}
		}()
	}
}

// servePair accepts one client and lets the user chat with it. The caller closes ln.
func servePair(ln net.Listener, in io.Reader, out io.Writer, talk talkFunc) error {
	conn, err := ln.Accept()
	if errors.Is(err, net.ErrClosed) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("accepting a client: %w", err)
	}
	defer conn.Close()
	return talk(conn, in, out)
}

// talkFunc is one side of a chat. It does not close conn.
type talkFunc = func(conn net.Conn, in io.Reader, out io.Writer) error

var errTooLong = fmt.Errorf("a line has at most %d bytes", maxLine)

// newLineReader returns a reader for readLine: one line and its end fill its buffer.
func newLineReader(conn net.Conn) *bufio.Reader {
	return bufio.NewReaderSize(conn, maxLine+len("\n"))
}

// readLine returns the next line, without its end: "\n", or "\r\n" as telnet sends it. What the end of
// the stream has cut off is no line.
func readLine(lines *bufio.Reader) (string, error) {
	line, err := lines.ReadSlice('\n')
	switch {
	case errors.Is(err, bufio.ErrBufferFull):
		return "", errTooLong
	case errors.Is(err, io.EOF) && len(line) > 0:
		return "", io.ErrUnexpectedEOF
	case err != nil:
		return "", err
	}
	return strings.TrimSuffix(string(line[:len(line)-1]), "\r"), nil
}

// peerGone reports whether err means that the peer has gone. A peer says so in three ways: end of file
// (it closed), a reset (it aborted, or left bytes unread), a broken pipe (we wrote after its reset had come).
func peerGone(err error) bool {
	return errors.Is(err, io.EOF) || errors.Is(err, errReset) || errors.Is(err, errBrokenPipe)
}
