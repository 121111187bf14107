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
	const unacked, sacked = 24, 28 // offsets of tcpi_unacked and tcpi_sacked in struct tcp_info
	raw, err := ln.SyscallConn()
	if err != nil {
		return 0, 0, err
	}
	var info [sacked + 4]byte
	size := uint32(len(info))
	var errno syscall.Errno
	err = raw.Control(func(fd uintptr) {
		_, _, errno = syscall.Syscall6(syscall.SYS_GETSOCKOPT, fd, syscall.IPPROTO_TCP, syscall.TCP_INFO,
			uintptr(unsafe.Pointer(&info)), uintptr(unsafe.Pointer(&size)), 0)
	})
	if err == nil && errno != 0 {
		err = errno
	}
	number := func(at int) int { return int(binary.NativeEndian.Uint32(info[at:])) }
	return number(unacked), number(sacked), err
}
