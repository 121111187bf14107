package loopback

import (
	"errors"
	"net"
	"os"
	"syscall"
	"time"
	"unsafe"
)

// grace bounds the wait for a reset, which Windows reports to the reader only.
const grace = 50 * time.Millisecond

var wsaPoll = syscall.NewLazyDLL("ws2_32.dll").NewProc("WSAPoll")

// waitQueued asks again and again: Windows has no call that waits for a socket to become readable
// and leaves Go's own waiting alone.
func waitQueued(raw syscall.RawConn, n int) error {
	deadline := time.Now().Add(patience)
	for step := 20 * time.Microsecond; ; step = min(2*step, 5*time.Millisecond) {
		var got int
		var perr error
		if err := raw.Control(func(fd uintptr) { got, perr = peek(fd, max(n, 1)) }); err != nil {
			return err
		}
		if perr != nil || got >= n && got > 0 {
			return perr
		}
		if time.Now().After(deadline) {
			return os.ErrDeadlineExceeded
		}
		<-time.After(step)
	}
}

// peek looks at up to limit bytes of the queue. 0 means that nothing is there yet; the end of a stream is
// ErrEnded.
func peek(fd uintptr, limit int) (int, error) {
	socket := syscall.Handle(fd)
	if ready, err := readable(socket); !ready {
		return 0, err
	}
	if !isStream(socket) {
		return peekBytes(socket, max(limit, 1)) // of a datagram: FIONREAD counts all of them
	}
	if n, err := inQueue(socket); n > 0 || err != nil {
		return min(n, limit), err
	}
	n, err := peekBytes(socket, 1) // readable without a byte: the end, or an error
	if n == 0 && err == nil {
		err = ErrEnded
	}
	return n, err
}

// readable reports whether a read would return at once, be it with an error.
func readable(socket syscall.Handle) (bool, error) {
	const readable = 0x100 // POLLRDNORM in winsock2.h
	fds := struct {        // WSAPOLLFD
		socket          syscall.Handle
		events, revents int16
	}{socket, readable, 0}
	n, _, err := wsaPoll.Call(uintptr(unsafe.Pointer(&fds)), 1, 0)
	if int32(n) < 0 {
		return false, err
	}
	return n > 0, nil
}

// inQueue returns how many bytes the receive queue of a stream holds.
func inQueue(socket syscall.Handle) (int, error) {
	const fionread = 0x4004667f // in winsock2.h
	var n, size uint32
	err := syscall.WSAIoctl(
		socket,
		fionread,
		nil,
		0,
		(*byte)(unsafe.Pointer(&n)),
		uint32(unsafe.Sizeof(n)),
		&size,
		nil,
		0,
	)
	return int(n), err
}

func peekBytes(socket syscall.Handle, limit int) (int, error) {
	const peek = 0x2                     // MSG_PEEK
	const tooLong = syscall.Errno(10040) // WSAEMSGSIZE: the datagram is longer than limit
	b := make([]byte, limit)
	buf := syscall.WSABuf{Len: uint32(limit), Buf: &b[0]}
	var n uint32
	flags := uint32(peek)
	err := syscall.WSARecv(socket, &buf, 1, &n, &flags, nil, nil)
	if errors.Is(err, tooLong) {
		return limit, nil
	}
	return int(n), err
}

func isStream(socket syscall.Handle) bool {
	const soType, sockStream = 0x1008, 1 // SO_TYPE, SOCK_STREAM in winsock2.h
	kind, err := syscall.GetsockoptInt(socket, syscall.SOL_SOCKET, soType)
	return err == nil && kind == sockStream
}

func setOptions(_ uintptr, o Options) error {
	if o != (Options{}) {
		return errors.ErrUnsupported
	}
	return nil
}

// dead waits until a read would meet the reset, at most for grace.
func dead(conn net.Conn) (bool, error) {
	sc, ok := conn.(syscall.Conn)
	if !ok {
		return false, errors.ErrUnsupported
	}
	raw, err := sc.SyscallConn()
	if err != nil {
		return false, err
	}
	for begin := time.Now(); time.Since(begin) < grace; <-time.After(time.Millisecond) {
		var perr error
		if err := raw.Control(func(fd uintptr) { _, perr = peek(fd, 1) }); err != nil {
			return false, err
		}
		if Is(perr, syscall.ECONNRESET) || Is(perr, syscall.EPIPE) {
			return true, nil
		}
	}
	return true, nil
}
