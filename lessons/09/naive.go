package main

import (
	"errors"
	"fmt"
	"net"
	"strings"
)

// naiveServe is the loop of lesson 08: an accept that fails ends it, for whatever reason, and a
// handler that panics ends the program. When it returns, somebody else has to close ln.
func naiveServe(ln net.Listener, answer func(conn net.Conn) error) error {
	for {
		conn, err := ln.Accept()
		if errors.Is(err, net.ErrClosed) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("accepting a client: %w", err)
		}
		go answer(conn)
	}
}

// naiveRetry accepts again at once, whatever accept has met.
func naiveRetry(ln net.Listener, answer func(conn net.Conn) error) error {
	for {
		conn, err := ln.Accept()
		if errors.Is(err, net.ErrClosed) {
			return nil
		}
		if err != nil {
			continue
		}
		go answer(conn)
	}
}

// secondWord answers each message with its second word, and panics if there is only one.
func secondWord(conn net.Conn) error {
	defer conn.Close()
	buf := make([]byte, maxRead)
	for {
		n, err := conn.Read(buf)
		if peerGone(err) {
			return nil
		}
		if err != nil {
			return err
		}
		words := strings.Fields(string(buf[:n]))
		if _, err := conn.Write([]byte(words[1])); err != nil {
			return err
		}
	}
}
