package netns

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strings"
	"sync"
	"syscall"

	"golang.org/x/sys/unix"
)

// play is the function's process.
func play(c config) {
	n := &Network{Args: c.Args, ask: func(request, int) (int, error) {
		return none, errors.New("the private network is sealed: it takes no requests")
	}}
	fd := 3
	for range c.Files {
		unix.CloseOnExec(fd)
		n.Files = append(n.Files, os.NewFile(uintptr(fd), fmt.Sprintf("file %d", len(n.Files))))
		fd++
	}
	if !c.Sealed {
		unix.CloseOnExec(fd)
		n.ask = asker(fd)
	}
	if err := funcs[c.Func](n); err != nil {
		if _, lost := n.ask(request{Op: opFailed, Value: err.Error()}, none); lost != nil {
			fmt.Fprintln(os.Stderr, err)
		}
		os.Exit(1)
	}
	os.Exit(0)
}

const (
	maxRequest = 16 << 10 // bytes of a request or an answer
	maxText    = 8 << 10  // bytes of a text in one; JSON may need two for one
)

// An answer to a request. A descriptor comes beside it (SCM_RIGHTS, unix(7)).
type answer struct {
	Errno syscall.Errno
	Error string `json:",omitempty"`
}

// asker returns a function that sends requests on fd and waits for the answer, one at a time.
func asker(socket int) func(request, int) (int, error) {
	var mu sync.Mutex
	return func(r request, fd int) (opened int, err error) {
		mu.Lock()
		defer mu.Unlock()
		r.Value = r.Value[:min(len(r.Value), maxText)]
		var a answer
		if err = send(socket, r, fd); err == nil {
			opened, err = receive(socket, &a)
		}
		switch {
		case err != nil:
			return none, fmt.Errorf("asking the private network's keeper: %w", err)
		case a.Errno != 0:
			return none, fmt.Errorf("%s: %w", strings.TrimSpace(r.Op+" "+r.Name), a.Errno)
		case a.Error != "":
			return none, errors.New(a.Error)
		}
		return opened, nil
	}
}

// serve is the other end: it carries out requests until the function has gone. What failed says is
// the function's own error.
func serve(socket int, failed chan<- string) {
	for {
		var r request
		fd, err := receive(socket, &r)
		if err != nil {
			return
		}
		if r.Op == opFailed {
			failed <- r.Value // once: the function ends
			send(socket, answer{}, none)
			return
		}
		opened, err := carryOut(r, fd)
		var a answer
		if err != nil && !errors.As(err, &a.Errno) {
			a.Error = err.Error()
		}
		send(socket, a, opened)
		unix.Close(fd)
		unix.Close(opened)
	}
}

// send sends one message, with a descriptor beside it, if there is one.
func send(socket int, message any, fd int) error {
	text, err := json.Marshal(message)
	if err != nil {
		return err
	}
	var rights []byte
	if fd != none {
		rights = unix.UnixRights(fd)
	}
	err = unix.EINTR
	for err == unix.EINTR {
		err = unix.Sendmsg(socket, text, rights, nil, unix.MSG_NOSIGNAL)
	}
	return err
}

// receive takes one message, and the descriptor beside it, which is the caller's to close.
func receive(socket int, message any) (fd int, err error) {
	text, rights := make([]byte, maxRequest), make([]byte, unix.CmsgSpace(4))
	n, rightsN, flags := 0, 0, 0
	err = unix.EINTR
	for err == unix.EINTR {
		n, rightsN, flags, _, err = unix.Recvmsg(socket, text, rights, unix.MSG_CMSG_CLOEXEC)
	}
	switch {
	case err != nil:
		return none, err
	case n == 0:
		return none, errors.New("it has gone")
	}
	fd = none
	if messages, _ := unix.ParseSocketControlMessage(rights[:rightsN]); len(messages) == 1 {
		if fds, _ := unix.ParseUnixRights(&messages[0]); len(fds) == 1 {
			fd = fds[0]
		}
	}
	if flags&unix.MSG_TRUNC != 0 {
		return fd, errors.New("message too long")
	}
	return fd, json.Unmarshal(text[:n], message)
}
