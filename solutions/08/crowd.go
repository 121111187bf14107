// Package crowd is the reference answer to lab 08: many clients at once, and a relay that loses nothing.
package crowd

import (
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"sync"
)

// Serve accepts clients from ln and calls handle for each of them, in a goroutine of its own, for at
// most limit clients at the same time. It returns when Accept has failed and the last client has
// gone: nil if ln was closed, and else the error of Accept. The caller closes ln.
func Serve(ln net.Listener, limit int, handle func(net.Conn)) error {
	var clients sync.WaitGroup
	defer clients.Wait()
	places := make(chan struct{}, limit) // one element for each client that is being served
	for {
		conn, err := ln.Accept()
		if errors.Is(err, net.ErrClosed) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("accepting a client: %w", err)
		}
		places <- struct{}{}
		clients.Go(func() {
			defer func() { <-places }()
			serveOne(conn, handle)
		})
	}
}

// serveOne calls handle and closes conn. A panic of handle is logged.
func serveOne(conn net.Conn, handle func(net.Conn)) {
	defer conn.Close()
	defer func() {
		if r := recover(); r != nil {
			log.Printf("client %s: the handler panicked: %v", conn.RemoteAddr(), r)
		}
	}()
	handle(conn)
}

// Relay passes on what comes from a to b and what comes from b to a, until both ways have ended or
// one of them fails; then it returns that error. It closes a and b.
func Relay(a, b net.Conn) error {
	defer a.Close()
	defer b.Close()
	results := make(chan error, 2)
	go func() { results <- pass(b, a) }()
	go func() { results <- pass(a, b) }()
	if err := <-results; err != nil { // then the other way has to end, too
		a.Close()
		b.Close()
		<-results
		return err
	}
	return <-results
}

// pass copies until the end of from, and passes on the end as well.
func pass(to, from net.Conn) error {
	if _, err := io.Copy(to, from); err != nil {
		return fmt.Errorf("passing on: %w", err)
	}
	if err := to.(interface{ CloseWrite() error }).CloseWrite(); err != nil {
		return fmt.Errorf("passing on the end: %w", err)
	}
	return nil
}
