// Package fortress is the reference answer to lab 16: a server that holds out against its clients.
package fortress

import (
	"bufio"
	"bytes"
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
	"unicode"
	"unicode/utf8"
)

// Limits are what clients may cost. Each is 1 or more.
type Limits struct {
	MaxClients int           // connected at the same time
	MaxHeader  int           // bytes of a request's header
	MaxCommand int           // bytes of a request's payload
	MaxOutput  int           // bytes of an output that are sent
	Request    time.Duration // for a request to come, all of it
	Run        time.Duration // for a call of run
	Answer     time.Duration // for a client to take an answer
}

// The status of an answer.
const (
	done    = 0
	failed  = 1
	refused = -1
)

const pause = 10 * time.Millisecond // after an error of Accept that passes

var (
	errTooMany  = errors.New("too many clients; come back later")
	errPanicked = errors.New("the command panicked")
	errTooLong  = errors.New("the output is too long")
)

// Serve answers the requests of its clients with what run returns, within limits. When Accept fails for
// good it ends what runs, closes all connections and returns: nil if ln was closed, and else the error
// of Accept. The caller closes ln.
func Serve(ln net.Listener, limits Limits,
	run func(ctx context.Context, command []string) ([]byte, error),
) error {
	if min(limits.MaxClients, limits.MaxHeader, limits.MaxCommand, limits.MaxOutput) < 1 ||
		min(limits.Request, limits.Run, limits.Answer) <= 0 {
		return fmt.Errorf("each limit must be 1 or more: %+v", limits)
	}
	var clients sync.WaitGroup
	defer clients.Wait()
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	var places atomic.Int64
	for {
		conn, err := ln.Accept()
		switch {
		case err == nil:
		case errors.Is(err, net.ErrClosed):
			return nil
		case errors.Is(err, syscall.EMFILE), errors.Is(err, syscall.ENFILE), errors.Is(err, syscall.ECONNABORTED):
			time.Sleep(pause)
			continue
		default:
			return fmt.Errorf("accepting a client: %w", err)
		}
		c := &client{conn, bufio.NewReader(conn), limits, run}
		if places.Load() >= int64(limits.MaxClients) {
			c.tell(errTooMany)
			conn.Close()
			continue
		}
		places.Add(1)
		clients.Go(func() {
			defer places.Add(-1)
			c.serve(ctx)
		})
	}
}

type client struct {
	conn   net.Conn
	in     *bufio.Reader
	limits Limits
	run    func(ctx context.Context, command []string) ([]byte, error)
}

// serve answers a client until it leaves, is refused, or ctx ends.
func (c *client) serve(ctx context.Context) {
	defer c.conn.Close()
	stop := context.AfterFunc(ctx, func() { c.conn.Close() })
	defer stop()
	for {
		command, err := c.read()
		if err == io.EOF { // between two requests
			return
		}
		if err != nil {
			c.refuse(err)
			return
		}
		if err := c.write(c.execute(ctx, command)); err != nil {
			return
		}
	}
}

// read reads a request, all of it within its limit, and returns the words of the command.
func (c *client) read() (command []string, err error) {
	c.conn.SetReadDeadline(time.Now().Add(c.limits.Request))
	var size [4]byte
	if _, err := io.ReadFull(c.in, size[:]); err != nil {
		return nil, err
	}
	text, err := c.take("header", int64(int32(binary.LittleEndian.Uint32(size[:]))), c.limits.MaxHeader)
	if err != nil {
		return nil, err
	}
	header := struct {
		TotalSize int64 `json:"total_size"`
	}{-1} // stays if the field is absent
	if err := json.Unmarshal(text, &header); err != nil {
		return nil, fmt.Errorf("the header is not the JSON it should be: %w", err)
	}
	payload, err := c.take("payload", header.TotalSize, c.limits.MaxCommand)
	if err != nil {
		return nil, err
	}
	isControl := func(r rune) bool { return !unicode.IsPrint(r) }
	if !utf8.Valid(payload) || bytes.ContainsFunc(payload, isControl) {
		return nil, fmt.Errorf("the command %.60q has characters that cannot be printed", payload)
	}
	return strings.Fields(string(payload)), nil
}

// take reads size bytes, if that is from 0 to most. The buffer grows with what comes, not with what is
// announced.
func (c *client) take(what string, size int64, most int) ([]byte, error) {
	if size < 0 || size > int64(most) {
		return nil, fmt.Errorf("a %s of %d bytes is announced: not from 0 to %d", what, size, most)
	}
	var b bytes.Buffer
	n, err := io.CopyN(&b, c.in, size)
	if err != nil { // io.EOF, too: it is not between two requests
		return nil, fmt.Errorf("got %d of %d bytes of a %s: %w", n, size, what, err)
	}
	return b.Bytes(), nil
}

// execute runs a command, and returns its status and what the client gets.
func (c *client) execute(ctx context.Context, command []string) (status int, payload []byte) {
	if len(command) == 0 { // a heartbeat
		return done, nil
	}
	output, err := c.watched(ctx, command)
	if len(output) > c.limits.MaxOutput {
		output = output[:c.limits.MaxOutput]
		if err == nil {
			err = errTooLong
		}
	}
	if err == nil {
		return done, output
	}
	line := "error: " + strconv.Quote(err.Error()) + "\n"
	return failed, append(bytes.Clone(output), line...) // the slice belongs to run
}

// watched calls run, and waits for the client meanwhile: if the connection breaks, the context of run
// ends. That a client has ended its stream does not mean that it has gone.
func (c *client) watched(ctx context.Context, command []string) (output []byte, err error) {
	ctx, cancel := context.WithTimeout(ctx, c.limits.Run)
	defer cancel()
	c.conn.SetReadDeadline(time.Time{})
	over := make(chan struct{})
	go func() {
		defer close(over)
		_, err := c.in.Peek(1)
		if err != nil && err != io.EOF && !errors.Is(err, os.ErrDeadlineExceeded) {
			cancel()
		}
	}()
	defer func() {
		c.conn.SetReadDeadline(time.Unix(1, 0)) // which wakes Peek
		<-over
		if recover() != nil {
			output, err = nil, errPanicked
		}
	}()
	return c.run(ctx, command)
}

// write writes an answer, all of it within its limit.
func (c *client) write(status int, payload []byte) error {
	c.conn.SetWriteDeadline(time.Now().Add(c.limits.Answer))
	header := fmt.Sprintf(`{"status":%d,"total_size":%d}`, status, len(payload))
	message := binary.LittleEndian.AppendUint32(nil, uint32(len(header)))
	message = append(append(message, header...), payload...)
	_, err := c.conn.Write(message)
	return err
}

func (c *client) tell(why error) error {
	return c.write(refused, fmt.Appendf(nil, "refused: %v\n", why))
}

// refuse tells a client why, and throws away what it still sends: a connection that is closed with bytes
// unread is reset, and the client may lose what it was told.
func (c *client) refuse(why error) {
	if c.tell(why) != nil {
		return
	}
	c.conn.SetReadDeadline(time.Now().Add(c.limits.Answer))
	io.Copy(io.Discard, c.in) // until the client has ended its stream, or the deadline
}
