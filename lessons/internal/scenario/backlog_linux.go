//go:build !386 && !s390x

package scenario

import (
	"encoding/binary"
	"net"
	"syscall"
	"unsafe"
)

// acceptQueue asks a listener for the length of its accept queue and for its backlog. TCP_INFO (tcp(7))
// has them where a connection has its counts of segments; ss -lnt calls them Recv-Q and Send-Q.
func acceptQueue(ln *net.TCPListener) (queued, backlog int, err error) {
	raw, err := ln.SyscallConn()
	if err != nil {
		return 0, 0, err
	}
	info, err := readInfo(raw)
	return info.number(24), info.number(28), err // tcpi_unacked and tcpi_sacked
}

// acknowledged asks how many bytes of a connection's were not acknowledged yet, in segments, and how many
// segments have come.
func acknowledged(raw syscall.RawConn) (unacked, came int, err error) {
	info, err := readInfo(raw)
	return info.number(24), info.number(140), err // tcpi_unacked and tcpi_segs_in
}

// tcpInfo is the beginning of a struct tcp_info.
type tcpInfo [160]byte

func (t tcpInfo) number(offset int) int { return int(binary.NativeEndian.Uint32(t[offset:])) }

func readInfo(raw syscall.RawConn) (info tcpInfo, err error) {
	size := uint32(len(info))
	var errno syscall.Errno
	err = raw.Control(func(fd uintptr) {
		_, _, errno = syscall.Syscall6(syscall.SYS_GETSOCKOPT, fd, syscall.IPPROTO_TCP, syscall.TCP_INFO,
			uintptr(unsafe.Pointer(&info)), uintptr(unsafe.Pointer(&size)), 0)
	})
	if err == nil && errno != 0 {
		err = errno
	}
	return info, err
}
