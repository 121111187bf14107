package main

import (
	"fmt"
	"io"
	"net"
)

// relay passes on what a sends to b and what b sends to a, until both have closed their writing halves
// or one of them fails. It closes a and b.
func relay(a, b net.Conn) error {
	defer a.Close()
	defer b.Close()
	errs := make(chan error, 2)
	go func() { errs <- pass(b, a) }()
	go func() { errs <- pass(a, b) }()
	if err := <-errs; err != nil { // then the other direction has to end, too
		a.Close()
		b.Close()
		<-errs
		return err
	}
	return <-errs
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
