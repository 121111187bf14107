package sandbox

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"syscall"

	"golang.org/x/sys/unix"
)

// A request is what the caller wants of the keeper: that it starts a command or ends the one that
// runs. Beside the command come the descriptors of its standard output and error, its Files, and
// those to Fetch into.
type request struct {
	Kill    bool `json:",omitempty"`
	Command Command
	Files   int
	Fetch   int
}

// An answer is the keeper's: the box is ready; a command was started, with a pidfd beside it; a
// command has ended. Or a step of one of these has failed.
type answer struct {
	Step   string        `json:",omitempty"` // that failed
	Errno  syscall.Errno `json:",omitempty"` // of Step
	Error  string        `json:",omitempty"` // of Step without a number, or of Fetch
	Result Result
	fd     int
}

const (
	maxMessage = 128 << 10 // bytes
	maxFiles   = 200       // SCM_MAX_FD is 253, unix(7)
)

// failure is the answer that a step has failed; errors without a number stay texts.
func failure(step string, err error) answer {
	var number syscall.Errno
	if errors.As(err, &number) {
		return answer{Step: step, Errno: number}
	}
	return answer{Step: step, Error: err.Error()}
}

// send sends one message with descriptors beside it.
func send(socket int, message any, fds ...int) error {
	text, err := json.Marshal(message)
	switch {
	case err != nil:
		return err
	case len(text) > maxMessage:
		return fmt.Errorf("arguments and environment of %d bytes; %d are allowed", len(text), maxMessage)
	case len(fds) > maxFiles:
		return fmt.Errorf("%d files; %d are allowed", len(fds), maxFiles)
	}
	var rights []byte
	if len(fds) > 0 {
		rights = unix.UnixRights(fds...)
	}
	err = unix.EINTR
	for err == unix.EINTR {
		err = unix.Sendmsg(socket, text, rights, nil, unix.MSG_NOSIGNAL)
	}
	return err
}

// receive takes one message, and the descriptors beside it, which are the caller's to close.
func receive(socket int, message any) (fds []int, err error) {
	text, rights := make([]byte, maxMessage), make([]byte, unix.CmsgSpace(4*maxFiles))
	n, rightsN := 0, 0
	err = unix.EINTR
	for err == unix.EINTR {
		n, rightsN, _, _, err = unix.Recvmsg(socket, text, rights, unix.MSG_CMSG_CLOEXEC)
	}
	if err == nil && n == 0 {
		err = io.EOF
	}
	if err != nil {
		return nil, err
	}
	messages, _ := unix.ParseSocketControlMessage(rights[:rightsN])
	for _, m := range messages {
		more, _ := unix.ParseUnixRights(&m)
		fds = append(fds, more...)
	}
	return fds, json.Unmarshal(text[:n], message)
}
