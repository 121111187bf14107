// Package patience is the reference answer to lab 15: calls that do not wait longer than they should.
package patience

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"time"
)

const (
	headerSize  = 4       // bytes: an int32, little-endian
	maxResponse = 4 << 20 // bytes
)

// past is a deadline that ends a call of Read or Write at once.
var past = time.Unix(1, 0)

// Call sends request over conn and returns the response. It waits no longer than idle for a next byte, and no
// longer than total for all of it; 0 is no limit. When ctx ends, so does the call.
//
// The error is os.ErrDeadlineExceeded when idle has passed, context.DeadlineExceeded when total has passed,
// and ctx.Err() when ctx has ended. Call leaves conn open and without a deadline.
func Call(ctx context.Context, conn net.Conn, request []byte, idle, total time.Duration) ([]byte, error) {
	if err := ctx.Err(); err != nil {
		return nil, fmt.Errorf("before the call: %w", err)
	}
	conn.SetDeadline(time.Time{}) // one that the caller has left does not count
	if total > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, total)
		defer cancel()
	}
	ended := make(chan struct{})
	stop := context.AfterFunc(ctx, func() {
		conn.SetDeadline(past)
		close(ended)
	})
	response, err := exchange(ctx, conn, request, idle)
	if !stop() {
		<-ended // otherwise its deadline may come after the next line
	}
	conn.SetDeadline(time.Time{})
	if errors.Is(err, os.ErrDeadlineExceeded) && ctx.Err() != nil {
		return nil, fmt.Errorf("the call was ended: %w", ctx.Err())
	}
	return response, err
}

func exchange(ctx context.Context, conn net.Conn, request []byte, idle time.Duration) ([]byte, error) {
	message := append(binary.LittleEndian.AppendUint32(nil, uint32(len(request))), request...)
	if n, err := WriteAll(conn, message); err != nil {
		return nil, fmt.Errorf("%d of %d bytes of the request went out: %w", n, len(message), err)
	}
	r := &idleReader{ctx, conn, idle}
	var header [headerSize]byte
	if err := readFull(r, header[:]); err != nil {
		return nil, fmt.Errorf("waiting for the response: %w", err)
	}
	size := int32(binary.LittleEndian.Uint32(header[:]))
	if size < 0 || size > maxResponse {
		return nil, fmt.Errorf("a response of %d bytes is announced: not from 0 to %d", size, maxResponse)
	}
	response := make([]byte, size)
	if err := readFull(r, response); err != nil {
		return nil, fmt.Errorf("in the middle of the response: %w", err)
	}
	return response, nil
}

// readFull fills p; the end of the stream is never one of the response.
func readFull(r io.Reader, p []byte) error {
	_, err := io.ReadFull(r, p)
	if err == io.EOF {
		err = io.ErrUnexpectedEOF
	}
	return err
}

// idleReader reads from conn, and waits no longer than idle each time.
type idleReader struct {
	ctx  context.Context
	conn net.Conn
	idle time.Duration
}

func (r *idleReader) Read(p []byte) (int, error) {
	if r.idle > 0 {
		if err := r.conn.SetReadDeadline(time.Now().Add(r.idle)); err != nil {
			return 0, err
		}
		if r.ctx.Err() != nil { // its deadline may have come before this one
			return 0, os.ErrDeadlineExceeded
		}
	}
	return r.conn.Read(p)
}

// WriteAll writes all of data to w, and returns how many bytes w took, also beside an error.
func WriteAll(w io.Writer, data []byte) (n int, err error) {
	for n < len(data) {
		k, err := w.Write(data[n:])
		n += k
		if err != nil {
			return n, err
		}
		if k == 0 {
			return n, io.ErrShortWrite
		}
	}
	return n, nil
}

// Dial calls dial until it succeeds, up to tries times, with growing pauses between them of at most most.
// When ctx ends, the error is ctx.Err().
func Dial(
	ctx context.Context, dial func(ctx context.Context) (net.Conn, error), tries int, pause, most time.Duration,
) (net.Conn, error) {
	for try := 1; ; try++ {
		if err := ctx.Err(); err != nil {
			return nil, fmt.Errorf("before try %d: %w", try, err)
		}
		conn, err := dial(ctx)
		if err == nil {
			return conn, nil
		}
		if try == tries && ctx.Err() == nil {
			return nil, fmt.Errorf("%d tries: %w", tries, err)
		}
		pause = min(pause, most)
		select {
		case <-ctx.Done():
			return nil, fmt.Errorf("after try %d (%w): %w", try, err, ctx.Err())
		case <-time.After(pause):
			pause *= 2
		}
	}
}
