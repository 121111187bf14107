package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"time"
)

// naiveAnswer waits for its client forever, and tells nobody how a command has ended.
func naiveAnswer(conn net.Conn) error {
	defer conn.Close()
	for {
		_, command, err := decodeMessage(conn, maxCommand)
		if threeWays(err) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("reading a command: %w", err)
		}
		_, output := naiveRun(context.Background(), string(command), nil)
		if err := writeMessage(conn, time.Hour, 0, output); err != nil {
			return fmt.Errorf("writing an answer: %w", err)
		}
	}
}

// naiveAsk sends a command and waits for its answer forever.
func naiveAsk(conn net.Conn, command string) (status int, output []byte, err error) {
	if err := writeMessage(conn, time.Hour, 0, []byte(command)); err != nil {
		return 0, nil, fmt.Errorf("sending a command: %w", err)
	}
	return decodeMessage(conn, maxAnswer)
}

// threeWays is peerGone as it was: a peer that has vanished is none of them.
func threeWays(err error) bool {
	return errors.Is(err, io.EOF) || errors.Is(err, errReset) || errors.Is(err, errBrokenPipe)
}

// naiveRun ends the shell when ctx ends, and nothing that the shell has started. The command reads
// stdin: in its scene what is typed at the server, as it does after Python's Popen without stdin.
func naiveRun(ctx context.Context, command string, stdin io.Reader) (status int, output []byte) {
	if command == "" {
		return 0, nil
	}
	cmd := shell(ctx, command)
	var printed bytes.Buffer
	cmd.Stdin, cmd.Stdout, cmd.Stderr = stdin, &printed, &printed
	cmd.Run()
	return 0, printed.Bytes()
}

// naiveReadMessage has a limit for each read, as Python's settimeout has. Each byte begins it anew.
func naiveReadMessage(conn net.Conn, limit time.Duration, most int64) (status int, payload []byte, err error) {
	return decodeMessage(limitedReads{conn, limit}, most)
}

type limitedReads struct {
	net.Conn
	limit time.Duration
}

func (l limitedReads) Read(p []byte) (int, error) {
	if err := l.SetReadDeadline(time.Now().Add(l.limit)); err != nil {
		return 0, err
	}
	return l.Conn.Read(p)
}

// naiveReadContext does not wait for the function that it has started: that may set its deadline late, when
// the read is over and the deadline was set back.
func naiveReadContext(ctx context.Context, conn net.Conn, p []byte) (int, error) {
	stop := context.AfterFunc(ctx, func() { conn.SetReadDeadline(past) })
	n, err := conn.Read(p)
	stop()
	conn.SetReadDeadline(time.Time{})
	return n, err
}
