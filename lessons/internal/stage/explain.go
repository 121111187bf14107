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

	"socketbook/tools/loopback"
)

// oneOf reports whether err is one of some errors of Unix, or what Windows calls it.
func oneOf(err error, codes ...syscall.Errno) bool {
	for _, c := range codes {
		if loopback.Is(err, c) {
			return true
		}
	}
	return false
}

// explainListen says why listening failed, and what to type next.
func (s *session) explainListen(addr string, err error) string {
	anyPort := s.command("server -addr 127.0.0.1:0")
	switch {
	case oneOf(err, syscall.EADDRINUSE):
		return fmt.Sprintf("listening on %s: another program has this port; take a free one with "+
			"%s, or see who has it with %s", addr, anyPort, whoHas(runtime.GOOS, s.ListenPacket != nil, addr))
	case oneOf(err, syscall.EACCES):
		return fmt.Sprintf("listening on %s: not permitted: %s; take a free one with %s", addr,
			keptPort(runtime.GOOS), anyPort)
	case oneOf(err, syscall.EADDRNOTAVAIL):
		return fmt.Sprintf("listening on %s: this machine does not have that address; use its own: "+
			"%s", addr, anyPort)
	}
	return fmt.Sprintf("listening on %s: %v; try %s", addr, cause(err), anyPort)
}

// keptPort says why a port is not to be had.
func keptPort(goos string) string {
	if goos == "windows" { // which knows no ports for the administrator
		return "Windows or another program keeps this port for itself (netsh interface ipv4 show " +
			"excludedportrange protocol=tcp lists what Windows keeps)"
	}
	return "ports below 1024 belong to the administrator"
}

// whoHas is the command that names the program behind a port of TCP, or of UDP.
func whoHas(goos string, udp bool, addr string) string {
	_, port, _ := net.SplitHostPort(addr) // checked before
	switch goos {
	case "linux":
		protocol := "t"
		if udp {
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
	case oneOf(err, syscall.ECONNREFUSED):
		return fmt.Sprintf("connecting to %s: connection refused: nobody listens there; start the "+
			"server first: %s", addr, start)
	case oneOf(err, syscall.EADDRINUSE):
		return fmt.Sprintf("connecting to %s: another program has the address of this one (%v); choose "+
			"another port", addr, err)
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
		return "a line of the input has more than 65,535 bytes; nothing of it was sent: shorten it"
	case errors.Is(err, io.ErrUnexpectedEOF):
		return fmt.Sprintf("%v: the %s closed the connection in the middle of a message; %s", err,
			peer, next)
	case errors.Is(err, io.EOF):
		missing := "answered"
		if peer == "client" {
			missing = "sent a message"
		}
		return fmt.Sprintf("the %s closed the connection before it %s; %s", peer, missing, next)
	case oneOf(err, syscall.ECONNRESET, syscall.EPIPE):
		return fmt.Sprintf("%s: the %s dropped the connection; %s", withoutAddrs(err), peer, next)
	case oneOf(err, syscall.ECONNREFUSED):
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
