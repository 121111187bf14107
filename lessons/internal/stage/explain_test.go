package stage

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
)

const addr = "127.0.0.1:4444"

// opError is what package net returns: the operation, both addresses, and the cause.
func opError(op string, cause error) error {
	at := &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 4444}
	return &net.OpError{Op: op, Net: "tcp", Source: at, Addr: at, Err: os.NewSyscallError(op, cause)}
}

// A sentence says what was tried, on which address, why it failed, and what to type next.
func TestExplain(t *testing.T) {
	strange := &net.OpError{Op: "listen", Net: "tcp", Addr: &net.TCPAddr{}, Err: errors.New("strange")}
	s := &session{Lesson: Lesson{Number: "04"}}
	listen := func(err error) string { return s.explainListen(addr, err) }
	dial := func(err error) string { return s.explainDial(addr, err) }
	fromServer := func(err error) string { return s.explainPeer("server", addr, err) }
	fromClient := func(err error) string { return s.explainPeer("client", addr, err) }
	const (
		anyPort = "go run ./lessons/04 server -addr 127.0.0.1:0"
		again   = "go run ./lessons/04 server -addr 127.0.0.1:4444"
	)
	for _, test := range []struct {
		explain func(error) string
		err     error
		says    []string
	}{
		{
			listen, opError("listen", syscall.EADDRINUSE),
			[]string{"listening on " + addr, "another program has this port", anyPort},
		},
		{listen, opError("listen", syscall.EACCES), []string{"listening on " + addr, "not permitted", anyPort}},
		{listen, opError("listen", syscall.EADDRNOTAVAIL), []string{"does not have that address", anyPort}},
		{
			listen, opError("listen", syscall.EMFILE),
			[]string{"listening on " + addr, syscall.EMFILE.Error(), anyPort},
		},
		{listen, strange, []string{"listening on " + addr + ": strange; try " + anyPort}},
		{
			dial, opError("dial", syscall.ECONNREFUSED),
			[]string{"connecting to " + addr, "nobody listens there", again},
		},
		{
			dial, opError("bind", syscall.EADDRINUSE),
			[]string{"connecting to " + addr, "another program has the address of this one", "another port"},
		},
		{dial, opError("dial", syscall.ETIMEDOUT), []string{"connecting to " + addr, "no answer in time", again}},
		{
			dial, opError("dial", syscall.EHOSTUNREACH),
			[]string{"connecting to " + addr, syscall.EHOSTUNREACH.Error(), again},
		},
		{
			fromServer, fmt.Errorf("reading: %w", bufio.ErrTooLong),
			[]string{"more than 65,535 bytes", "nothing of it was sent"},
		},
		{
			fromServer, fmt.Errorf("got 2 of 4: %w", io.ErrUnexpectedEOF),
			[]string{"got 2 of 4", "the server closed the " +
				"connection in the middle of a message", again},
		},
		{fromServer, fmt.Errorf("reading: %w", io.EOF), []string{"the server closed the connection " +
			"before it answered", again}},
		{fromClient, fmt.Errorf("reading: %w", io.EOF), []string{"the client closed the connection " +
			"before it sent a message", again}},
		{
			fromServer, fmt.Errorf("reading: %w", opError("read", syscall.ECONNRESET)),
			[]string{"reading: " + syscall.ECONNRESET.Error(), again},
		},
		{
			fromServer, fmt.Errorf("writing: %w", opError("write", syscall.EPIPE)),
			[]string{"writing: " + syscall.EPIPE.Error(), again},
		},
		{fromServer, opError("read", syscall.ECONNREFUSED), []string{"nobody listens there", again}},
		{
			fromServer, fmt.Errorf("no answer: %w", os.ErrDeadlineExceeded),
			[]string{"no answer", "is a server there?", again},
		},
		{fromServer, errors.New("something else"), []string{"something else"}},
	} {
		got := test.explain(test.err)
		for _, says := range test.says {
			require.Contains(t, got, says, "%v", test.err)
		}
		require.NotContains(t, got, "\n")
	}
	require.NotContains(t, fromServer(opError("read", syscall.ECONNRESET)), addr+"->",
		"the address is in the command to type, and nowhere else")
}
