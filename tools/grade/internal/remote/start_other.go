//go:build !unix

package remote

import (
	"crypto/rand"
	"crypto/subtle"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"strings"
	"time"
)

// streamVariable is in the environment of a child: where it finds its end of the stream.
const streamVariable = "SOCKETBOOK_STREAM"

// startTime is how long a child may take to connect.
const startTime = 10 * time.Second

// Attach makes a stream and gives its other end to cmd, which has not been started: as a descriptor, which
// an environment variable names, on Unix; as a port on 127.0.0.1 and a secret elsewhere. After cmd.Start,
// whether or not it has succeeded, call started once: it lets go of the child's end, and returns the
// judge's. It is for a sandbox that builds its own exec.Cmd; Start is for everybody else.
func Attach(cmd *exec.Cmd) (started func() (Stream, error), err error) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("no stream to the child could be made: %w", err)
	}
	secret := rand.Text()
	if cmd.Env == nil {
		cmd.Env = os.Environ()
	}
	cmd.Env = append(cmd.Env, streamVariable+"="+ln.Addr().String()+" "+secret)
	return func() (Stream, error) {
		defer ln.Close()
		if cmd.Process == nil {
			return nil, errors.New("the child was not started")
		}
		ln.(*net.TCPListener).SetDeadline(time.Now().Add(startTime))
		for {
			c, err := ln.Accept()
			if err != nil {
				return nil, fmt.Errorf("the child did not connect: %w", err)
			}
			got := make([]byte, len(secret))
			c.SetReadDeadline(time.Now().Add(time.Second))
			_, err = io.ReadFull(c, got)
			if err == nil && subtle.ConstantTimeCompare(got, []byte(secret)) == 1 {
				c.SetReadDeadline(time.Time{})
				return c, nil
			}
			c.Close() // a stranger
		}
	}, nil
}

// inherited returns the child's end of the stream.
func inherited() (Stream, error) {
	at, secret, ok := strings.Cut(os.Getenv(streamVariable), " ")
	if !ok {
		return nil, errors.New("no stream was handed over")
	}
	os.Unsetenv(streamVariable)
	c, err := net.Dial("tcp", at)
	if err == nil {
		_, err = io.WriteString(c, secret)
	}
	return c, err
}

func ownGroup(*exec.Cmd) {}

func endGroup(cmd *exec.Cmd) { cmd.Process.Kill() }

// zeroBytes returns n zeros.
func zeroBytes(n int) []byte { return make([]byte, n) }
