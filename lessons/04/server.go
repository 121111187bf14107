package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"os/exec"
	"runtime"
)

const maxRead = 1024 // bytes; the most that one read takes, not what it waits for

// listen asks the system for the address and lets clients queue up for it.
func listen(addr string) (net.Listener, error) {
	return net.Listen("tcp", addr)
}

// serve answers one client after the other, whatever one of them does.
// It returns nil when ln is closed. The caller closes ln.
func serve(ln net.Listener) error {
	for {
		conn, err := ln.Accept()
		if errors.Is(err, net.ErrClosed) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("accepting a client: %w", err)
		}
		if err := answer(conn); err != nil {
			log.Printf("client %s: %v", conn.RemoteAddr(), err)
		}
	}
}

// answer runs each command and sends what it printed, until the client leaves, and closes conn.
func answer(conn net.Conn) error {
	defer conn.Close()
	buf := make([]byte, maxRead+1) // room to notice a longer one
	for {
		n, err := conn.Read(buf)
		if left(err) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("reading a command: %w", err)
		}
		if n > maxRead || bytes.Contains(bytes.TrimSpace(buf[:n]), []byte("\n")) { // a web page can make a browser send it
			return fmt.Errorf("refused: not one line of at most %d bytes; nothing was run", maxRead)
		}
		_, err = conn.Write(run(string(buf[:n])))
		if left(err) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("writing an answer: %w", err)
		}
	}
}

// run executes a command line in the shell, with nothing to read, and returns its standard output and then its
// standard error.
func run(command string) []byte {
	cmd := exec.Command("sh", "-c", command)
	if runtime.GOOS == "windows" {
		cmd = exec.Command("cmd", "/C", command)
	}
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := cmd.Run(); err != nil && cmd.ProcessState == nil { // it was not even started
		fmt.Fprintln(&stderr, err)
	}
	return append(stdout.Bytes(), stderr.Bytes()...)
}

// peerGone reports whether err means that the peer has gone. There are three ways to learn it:
// end of file (it closed), a reset (it aborted), a broken pipe (we wrote after it had gone).
func peerGone(err error) bool {
	return errors.Is(err, io.EOF) || errors.Is(err, errReset) || errors.Is(err, errBrokenPipe)
}
