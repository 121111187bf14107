package fault

import (
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"syscall"
)

// Failures are the ways in which "read" or "write" of a connection may fail, apart from the end of the
// stream: as the net package says it, and as a connection of another kind may.
func Failures(op string) []error {
	failed := func(err error) error { return &net.OpError{Op: op, Net: "tcp", Err: err} }
	system := func(errno syscall.Errno) error { return failed(os.NewSyscallError(op, errno)) }
	return []error{
		system(syscall.ECONNRESET),
		system(syscall.EPIPE),
		system(syscall.ETIMEDOUT),
		system(syscall.EHOSTUNREACH),
		failed(net.ErrClosed),
		failed(os.ErrDeadlineExceeded),
		io.ErrUnexpectedEOF,
		io.ErrClosedPipe,
		errors.New("the cable is unplugged"),
		fmt.Errorf("the tunnel has collapsed: %w", errors.New("bad record")),
	}
}
