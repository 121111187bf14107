//go:build !386 && !s390x

package loopback

import (
	"encoding/binary"
	"errors"
	"net"
	"syscall"
	"unsafe"
)

// Segments returns how many segments with data conn's kernel has received, from TCP_INFO (tcp(7)).
// It exists on Linux only; elsewhere it returns errors.ErrUnsupported.
func Segments(conn net.Conn) (int, error) {
	sc, ok := conn.(syscall.Conn)
	if !ok {
		return 0, errors.ErrUnsupported
	}
	raw, err := sc.SyscallConn()
	if err != nil {
		return 0, err
	}
	const dataSegsIn = 152 // offset of tcpi_data_segs_in in struct tcp_info, since Linux 4.6
	var info [dataSegsIn + 4]byte
	size := uint32(len(info))
	var errno syscall.Errno
	err = raw.Control(func(fd uintptr) {
		_, _, errno = syscall.Syscall6(syscall.SYS_GETSOCKOPT, fd, syscall.IPPROTO_TCP, syscall.TCP_INFO,
			uintptr(unsafe.Pointer(&info)), uintptr(unsafe.Pointer(&size)), 0)
	})
	if err == nil && errno != 0 {
		err = errno
	}
	if err == nil && size < uint32(len(info)) {
		err = errors.ErrUnsupported
	}
	return int(binary.NativeEndian.Uint32(info[dataSegsIn:])), err
}
