package main

import (
	"context"
	"net"
	"time"
)

// past is a deadline that ends a read at once.
var past = time.Unix(1, 0)

// readContext reads as conn.Read does, until ctx ends; then its error is ctx's. If bytes came at the same
// moment they are returned all the same, with no error. Afterwards conn has no deadline for reads, and can be
// read on.
func readContext(ctx context.Context, conn net.Conn, p []byte) (int, error) {
	ended := make(chan struct{})
	stop := context.AfterFunc(ctx, func() {
		conn.SetReadDeadline(past)
		close(ended)
	})
	n, err := conn.Read(p)
	if !stop() {
		<-ended // before the deadline is set back, not after
		if n == 0 {
			err = ctx.Err()
		}
	}
	conn.SetReadDeadline(time.Time{})
	if n > 0 {
		err = nil // the next read meets it
	}
	return n, err
}
