//go:build linux || darwin

package loopback

import (
	"errors"
	"net"
	"syscall"
)

func waitQueued(raw syscall.RawConn, n int) error {
	var perr error
	// Read calls the function again each time the socket becomes readable, until it returns true.
	err := raw.Read(func(fd uintptr) bool {
		var got int
		got, perr = peek(fd, max(n, 1))
		return perr != nil || got >= n && got > 0
	})
	if err != nil {
		return err
	}
	return perr
}

// peek looks at up to limit bytes of the queue. 0 means that nothing is there yet; the end of a stream is
// ErrEnded.
func peek(fd uintptr, limit int) (int, error) {
	n, _, err := syscall.Recvfrom(
		int(fd),
		make([]byte, max(limit, 1)),
		syscall.MSG_PEEK|syscall.MSG_DONTWAIT,
	)
	switch {
	case errors.Is(err, syscall.EAGAIN):
		return 0, nil
	case err != nil:
		return 0, err
	case n == 0 && isStream(fd):
		return 0, ErrEnded
	}
	return n, nil
}

func isStream(fd uintptr) bool {
	kind, err := syscall.GetsockoptInt(int(fd), syscall.SOL_SOCKET, syscall.SO_TYPE)
	return err == nil && kind == syscall.SOCK_STREAM
}

func setOptions(fd uintptr, o Options) error {
	if o.NoReuse {
		if err := syscall.SetsockoptInt(int(fd), syscall.SOL_SOCKET, syscall.SO_REUSEADDR, 0); err != nil {
			return err
		}
	}
	if o.ReceiveBuffer > 0 {
		return syscall.SetsockoptInt(int(fd), syscall.SOL_SOCKET, syscall.SO_RCVBUF, o.ReceiveBuffer)
	}
	return nil
}

// dead asks for the connection's state. The first byte of what TCP_INFO (on macOS
// TCP_CONNECTION_INFO) returns is the state; both systems allow a short buffer.
func dead(conn net.Conn) (bool, error) {
	sc, ok := conn.(syscall.Conn)
	if !ok {
		return false, errors.ErrUnsupported
	}
	raw, err := sc.SyscallConn()
	if err != nil {
		return false, err
	}
	var info int
	var gerr error
	err = raw.Control(func(fd uintptr) {
		info, gerr = syscall.GetsockoptInt(int(fd), syscall.IPPROTO_TCP, tcpInfo)
	})
	if err == nil {
		err = gerr
	}
	return info&0xff == tcpClosed, err
}
