package loopback

import (
	"net"
	"syscall"
	"unsafe"
)

const (
	siocInQ     = syscall.TIOCINQ // bytes in the receive queue, tcp(7)
	siocOutQNSD = 0x894B          // SIOCOUTQNSD of linux/sockios.h: bytes in the send queue, not yet sent
)

// Queues returns how many bytes wait at each end of a connection: at the writer's those that were not
// sent yet, at the reader's those that have come and were not read. It exists on Linux only; elsewhere it
// returns errors.ErrUnsupported.
func Queues(writer, reader *net.TCPConn) (notSent, received int, err error) {
	if notSent, err = ioctl(writer, siocOutQNSD); err != nil {
		return 0, 0, err
	}
	received, err = ioctl(reader, siocInQ)
	return notSent, received, err
}

func ioctl(conn *net.TCPConn, request uintptr) (int, error) {
	raw, err := conn.SyscallConn()
	if err != nil {
		return 0, err
	}
	var n int32
	var errno syscall.Errno
	err = raw.Control(func(fd uintptr) {
		_, _, errno = syscall.Syscall(syscall.SYS_IOCTL, fd, request, uintptr(unsafe.Pointer(&n)))
	})
	if err == nil && errno != 0 {
		err = errno
	}
	return int(n), err
}
