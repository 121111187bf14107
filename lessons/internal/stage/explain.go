package stage

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"runtime"
	"strings"
	"syscall"
)

// Windows has numbers of its own for what Unix calls EADDRINUSE, ECONNREFUSED, ECONNRESET …
const (
	wsaEACCES        = syscall.Errno(10013)
	wsaEADDRINUSE    = syscall.Errno(10048)
	wsaEADDRNOTAVAIL = syscall.Errno(10049)
	wsaECONNABORTED  = syscall.Errno(10053)
	wsaECONNRESET    = syscall.Errno(10054)
	wsaECONNREFUSED  = syscall.Errno(10061)
)

func oneOf(err error, codes ...syscall.Errno) bool {
	for _, c := range codes {
		if errors.Is(err, c) {
			return true
		}
	}
	return false
}

// explainListen says why listening failed, and what to type next.
func (s *session) explainListen(addr string, err error) string {
	anyPort := s.command("server -addr 127.0.0.1:0")
	switch {
	case oneOf(err, syscall.EADDRINUSE, wsaEADDRINUSE):
		return fmt.Sprintf(
			"listening on %s: another program has this port; take a free one with %s, or see "+
				"who has it with %s", addr, anyPort, s.whoHas(addr))
	case oneOf(err, syscall.EACCES, wsaEACCES):
		return fmt.Sprintf(
			"listening on %s: not permitted: ports below 1024 belong to the administrator; "+
				"take a free one with %s", addr, anyPort)
	case oneOf(err, syscall.EADDRNOTAVAIL, wsaEADDRNOTAVAIL):
		return fmt.Sprintf(
			"listening on %s: this machine does not have that address; use its own: %s", addr,
			anyPort)
	}
	return fmt.Sprintf("listening on %s: %v; try %s", addr, cause(err), anyPort)
}

// whoHas is the command that names the program behind a port.
func (s *session) whoHas(addr string) string {
	_, port, _ := net.SplitHostPort(addr) // checked before
	switch runtime.GOOS {
	case "linux":
		protocol := "t"
		if s.ListenPacket != nil {
			protocol = "u"
		}
		return "ss -ln" + protocol + "p 'sport = :" + port + "'"
	case "windows":
		return "netstat -ano | findstr :" + port
	}
	return "lsof -nP -i :" + port
}

// explainDial says why no connection came about, and what to type next.
func (s *session) explainDial(addr string, err error) string {
	start := s.command("server -addr " + addr)
	switch {
	case oneOf(err, syscall.ECONNREFUSED, wsaECONNREFUSED):
		return fmt.Sprintf(
			"connecting to %s: connection refused: nobody listens there; start the server first: %s",
			addr, start)
	case timedOut(err):
		return fmt.Sprintf(
			"connecting to %s: no answer in time; is the address right? a server on this "+
				"machine is started with %s", addr, start)
	}
	return fmt.Sprintf("connecting to %s: %v; a server on this machine is started with %s", addr,
		cause(err), start)
}

// explainPeer says how a conversation with peer, "client" or "server", failed. addr is the server's.
func (s *session) explainPeer(peer, addr string, err error) string {
	server := s.command("server -addr " + addr)
	next := "start the server again: " + server
	switch {
	case errors.Is(err, bufio.ErrTooLong):
		return "a line of the input is longer than 64 KiB; nothing of it was sent: shorten it"
	case errors.Is(err, io.ErrUnexpectedEOF):
		return fmt.Sprintf("%v: the %s closed the connection in the middle of a message; %s", err,
			peer, next)
	case errors.Is(err, io.EOF):
		missing := "answered"
		if peer == "client" {
			missing = "sent a message"
		}
		return fmt.Sprintf("the %s closed the connection before it %s; %s", peer, missing, next)
	case oneOf(err, syscall.ECONNRESET, syscall.EPIPE, wsaECONNABORTED, wsaECONNRESET):
		return fmt.Sprintf("%s: the %s left without a farewell; %s", withoutAddrs(err), peer, next)
	case oneOf(err, syscall.ECONNREFUSED, wsaECONNREFUSED):
		return fmt.Sprintf("nobody listens there (%v); start the server first: %s", cause(err), server)
	case timedOut(err):
		return fmt.Sprintf("%v; is a server there? it is started with %s", err, server)
	}
	return err.Error()
}

// withoutAddrs is what err says, numbers included, without the addresses that the sentence names
// already.
func withoutAddrs(err error) string {
	var op *net.OpError
	if !errors.As(err, &op) {
		return err.Error()
	}
	return strings.Replace(err.Error(), op.Error(), cause(err).Error(), 1)
}

// timedOut reports whether a deadline passed. Not every timeout of package net is
// os.ErrDeadlineExceeded.
func timedOut(err error) bool {
	var t net.Error
	return errors.As(err, &t) && t.Timeout()
}

// cause is the innermost reason of a network error, without the addresses that the sentence names
// already.
func cause(err error) error {
	var errno syscall.Errno
	if errors.As(err, &errno) {
		return errno
	}
	var op *net.OpError
	if errors.As(err, &op) {
		return op.Err
	}
	return err
}
