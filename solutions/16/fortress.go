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

const done, failed, refused = 0, 1, -1 // the status of an answer

const pause = 10 * time.Millisecond // after an error of Accept that passes

// Serve answers the requests of its clients with what run returns, within limits. When Accept fails for
// good it ends what runs, closes all connections and returns: nil if ln was closed, and else the error
// of Accept. The caller closes ln.
func Serve(ln net.Listener, limits Limits,
	run func(ctx context.Context, command []string) ([]byte, error),
) error {
	if min(limits.MaxClients, limits.MaxHeader, limits.MaxCommand, limits.MaxOutput) < 1 ||
		min(limits.Request, limits.Run, limits.Answer) < 1 {
		return fmt.Errorf("each limit must be 1 or more: %+v", limits)
	}
	var clients sync.WaitGroup
	defer clients.Wait()
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	var places atomic.Int64 // that are taken
	for {
		conn, err := ln.Accept()
		switch {
		case errors.Is(err, net.ErrClosed):
			return nil
		case errors.Is(err, syscall.EMFILE), errors.Is(err, syscall.ENFILE), errors.Is(err, syscall.ECONNABORTED):
			time.Sleep(pause)
			continue
		case err != nil:
			return fmt.Errorf("accepting a client: %w", err)
		}
		c := &client{conn, bufio.NewReader(conn), limits, run}
		if places.Load() >= int64(limits.MaxClients) {
			c.write(refused, []byte("refused: too many clients; come back later\n"))
			conn.Close()
			continue
		}
		places.Add(1)
		ctx, leave := context.WithCancel(ctx)
		clients.Go(func() { // closes, whether the client leaves or Serve ends
			<-ctx.Done()
			conn.Close()
			places.Add(-1)
		})
		clients.Go(func() {
			defer leave()
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

// serve answers a client until it leaves or is refused. When ctx ends the connection is closed, and so
// every Read and Write ends.
func (c *client) serve(ctx context.Context) {
	command, err := c.read()
	for err == nil {
		if c.write(c.execute(ctx, command)) != nil {
			return
		}
		command, err = c.read()
	}
	if err != io.EOF { // which is the end between two requests
		c.refuse(err)
	}
}

// read reads a request, all of it within its limit, and returns the words of the command.
func (c *client) read() (command []string, err error) {
	c.conn.SetReadDeadline(time.Now().Add(c.limits.Request))
	var size int32
	if err := binary.Read(c.in, binary.LittleEndian, &size); err != nil {
		return nil, err
	}
	text, err := c.take("header", int64(size), c.limits.MaxHeader)
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
	unprintable := func(r rune) bool { return !unicode.IsPrint(r) }
	if !utf8.Valid(payload) || bytes.ContainsFunc(payload, unprintable) {
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
	kept := output[:min(len(output), c.limits.MaxOutput)]
	if len(kept) < len(output) && err == nil {
		err = errors.New("the output is too long")
	}
	if err != nil {
		return failed, fmt.Appendf(nil, "%serror: %q\n", kept, err.Error())
	}
	return done, kept
}

// watched calls run, and waits for the client meanwhile: if the connection breaks, the context of run
// ends. That a client has ended its stream does not mean that it has gone.
func (c *client) watched(ctx context.Context, command []string) (output []byte, err error) {
	ctx, cancel := context.WithTimeout(ctx, c.limits.Run)
	defer cancel()
	c.conn.SetReadDeadline(time.Time{})
	var watch sync.WaitGroup
	watch.Go(func() {
		if _, err := c.in.Peek(1); err != nil && err != io.EOF {
			cancel()
		}
	})
	defer func() {
		c.conn.SetReadDeadline(time.Unix(1, 0)) // it has passed: wakes Peek
		watch.Wait()
		if recover() != nil {
			output, err = nil, errors.New("the command panicked")
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

// refuse tells a client why, and throws away what it still sends: a connection that is closed with bytes
// unread is reset, and the client may lose what it was told.
func (c *client) refuse(why error) {
	if c.write(refused, fmt.Appendf(nil, "refused: %v\n", why)) == nil {
		c.conn.SetReadDeadline(time.Now().Add(c.limits.Answer))
		io.Copy(io.Discard, c.in) // until the client has ended its stream, or the deadline
	}
}
