// Package reconnect is the reference answer to lab 03: a server that outlives its clients and its handlers.
package reconnect

import (
	"errors"
	"fmt"
	"log"
	"net"
	"syscall"
	"time"
)

const (
	firstPause = time.Millisecond // after a temporary error; it doubles with every further one in a row
	maxPause   = 20 * time.Millisecond
)

// Serve accepts clients from ln, one after the other, and calls handle for each of them, until ln
// is closed; then it returns nil. Whatever a client or handle does, the next client is served. The
// caller closes ln.
//
// An error of Accept that passes is waited out; any other one is returned.
func Serve(ln net.Listener, handle func(net.Conn) error) error {
	pause := firstPause
	for {
		conn, err := ln.Accept()
		switch {
		case errors.Is(err, net.ErrClosed):
			return nil
		case temporary(err):
			log.Printf("accepting a client: %v; trying again in %v", err, pause)
			time.Sleep(pause)
			pause = min(2*pause, maxPause)
			continue
		case err != nil:
			return fmt.Errorf("accepting a client: %w", err)
		}
		pause = firstPause
		if err := serveOne(conn, handle); err != nil {
			log.Printf("client %s: %v", conn.RemoteAddr(), err)
		}
	}
}

// serveOne calls handle and closes conn. A panic of handle becomes an error.
func serveOne(conn net.Conn, handle func(net.Conn) error) (err error) {
	defer conn.Close()
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("the handler panicked: %v", r)
		}
	}()
	return handle(conn)
}

// temporary reports whether err, returned by Accept, passes on its own.
func temporary(err error) bool {
	var passing interface{ Temporary() bool } // a net.Error has it
	if errors.As(err, &passing) && passing.Temporary() {
		return true
	}
	return errors.Is(err, syscall.ECONNABORTED) || errors.Is(err, syscall.EMFILE) ||
		errors.Is(err, syscall.ENFILE)
}
