package remote

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/netip"
	"os"
	"reflect"
	"syscall"
)

// known are the errors that are the same on both sides: errors.Is and == find them there too.
var known = []error{
	io.EOF, io.ErrUnexpectedEOF, io.ErrShortWrite, io.ErrShortBuffer, io.ErrClosedPipe, io.ErrNoProgress,
	net.ErrClosed, os.ErrDeadlineExceeded, context.Canceled, context.DeadlineExceeded,
	fs.ErrNotExist, fs.ErrExist, fs.ErrPermission, fs.ErrInvalid, fs.ErrClosed,
	errors.ErrUnsupported, bufio.ErrTooLong, bufio.ErrBufferFull, bufio.ErrNegativeCount,
	net.ErrWriteToConnected, os.ErrNoDeadline, os.ErrProcessDone,
}

const (
	errNil = iota
	errKnown
	errNumber  // of the system
	errYours   // one that the receiver has sent before
	errOp      // *net.OpError
	errSyscall // *os.SyscallError
	errPath    // *fs.PathError
	errOther   // its text, what it wraps, and whether it says that it is a timeout or temporary
)

const (
	mostErrors = 200 // that are sent of one tree; check.Is looks at 100
	mostTokens = 10_000
	mostText   = 64 << 10 // bytes of the text of an error
)

// errorTable has the errors that have crossed, so that one that comes back is the same again.
type errorTable struct {
	mine     map[uint64]error // that were sent
	numbers  map[error]uint64 // of those
	theirs   map[error]uint64 // made of what has come
	lastMine uint64
}

func canCompare(err error) bool { return reflect.ValueOf(err).Comparable() }

// encodeError encodes an error tree.
func (s *side) encodeError(e *encoder, err error) {
	left := mostErrors
	s.encodeErrors(e, err, &left)
}

func (s *side) encodeErrors(e *encoder, err error, left *int) {
	if *left--; *left < 0 {
		err = nil
	}
	if err == nil {
		e.byte(errNil)
		return
	}
	if canCompare(err) {
		for i, k := range known {
			if err == k {
				e.byte(errKnown)
				e.uint(uint64(i))
				return
			}
		}
	}
	if number, ok := err.(syscall.Errno); ok {
		e.byte(errNumber)
		e.uint(uint64(number))
		return
	}
	yours, token := s.token(err)
	if yours {
		e.byte(errYours)
		e.uint(token)
		return
	}
	switch err := err.(type) {
	case *net.OpError:
		if err != nil {
			e.byte(errOp)
			e.uint(token)
			e.string(err.Op)
			e.string(err.Net)
			encodeAddr(e, err.Source)
			encodeAddr(e, err.Addr)
			s.encodeErrors(e, err.Err, left)
			return
		}
	case *os.SyscallError:
		if err != nil {
			e.byte(errSyscall)
			e.uint(token)
			e.string(err.Syscall)
			s.encodeErrors(e, err.Err, left)
			return
		}
	case *fs.PathError:
		if err != nil {
			e.byte(errPath)
			e.uint(token)
			e.string(err.Op)
			e.string(err.Path)
			s.encodeErrors(e, err.Err, left)
			return
		}
	}
	e.byte(errOther)
	e.uint(token)
	text := fmt.Sprint(err) // survives a method that panics
	e.string(text[:min(len(text), mostText)])
	timeout, isTimeout := ask(err, func(err error) (bool, bool) {
		t, ok := err.(interface{ Timeout() bool })
		return ok && t.Timeout(), ok
	})
	temporary, isTemporary := ask(err, func(err error) (bool, bool) {
		t, ok := err.(interface{ Temporary() bool })
		return ok && t.Temporary(), ok
	})
	e.bool(isTimeout)
	e.bool(timeout)
	e.bool(isTemporary)
	e.bool(temporary)
	inner, many := unwrap(err)
	e.bool(many)
	inner = inner[:min(len(inner), max(*left, 0))]
	e.uint(uint64(len(inner)))
	for _, one := range inner {
		s.encodeErrors(e, one, left)
	}
}

// ask calls a method of an error that may panic.
func ask(err error, f func(error) (value, has bool)) (value, has bool) {
	defer func() {
		if recover() != nil {
			value, has = false, false
		}
	}()
	return f(err)
}

// unwrap returns what an error wraps, and whether it is of the kind that wraps several.
func unwrap(err error) (inner []error, many bool) {
	defer func() {
		if recover() != nil {
			inner, many = nil, false
		}
	}()
	switch e := err.(type) {
	case interface{ Unwrap() error }:
		if one := e.Unwrap(); one != nil {
			inner = append(inner, one)
		}
	case interface{ Unwrap() []error }:
		return e.Unwrap(), true
	}
	return inner, false
}

// token returns the number of an error: of the other side if it is from there, or one of ours.
func (s *side) token(err error) (yours bool, token uint64) {
	if !canCompare(err) {
		return false, 0
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	t := &s.errors
	if n := t.theirs[err]; n > 0 {
		return true, n
	}
	if n := t.numbers[err]; n > 0 {
		return false, n
	}
	if len(t.mine) >= mostTokens {
		return false, 0
	}
	t.lastMine++
	t.mine[t.lastMine], t.numbers[err] = err, t.lastMine
	return false, t.lastMine
}

// decodeError makes an error of what has come.
func (s *side) decodeError(d *decoder) error {
	left := mostErrors
	return s.decodeErrors(d, &left)
}

func (s *side) decodeErrors(d *decoder, left *int) error {
	tag := d.byte()
	if *left--; *left < 0 && tag != errNil { // nil stands for what was left out
		d.fail()
		return nil
	}
	switch tag {
	case errNil:
		return nil
	case errKnown:
		return known[d.upTo(len(known)-1)]
	case errNumber:
		if n := syscall.Errno(d.uint()); n != 0 {
			return n
		}
		d.fail()
		return nil
	case errYours:
		n := d.uint()
		s.mu.Lock()
		defer s.mu.Unlock()
		err, ok := s.errors.mine[n]
		if !ok {
			d.fail()
		}
		return err
	case errOp, errSyscall, errPath, errOther:
	default:
		d.fail()
		return nil
	}
	token := d.uint()
	var err error
	switch tag {
	case errOp:
		op := &net.OpError{Op: d.string(), Net: d.string(), Source: decodeAddr(d), Addr: decodeAddr(d)}
		op.Err = s.decodeErrors(d, left)
		if op.Err == nil {
			op.Err = errors.New("<nil>") // its Error would panic
		}
		err = op
	case errSyscall:
		call := &os.SyscallError{Syscall: d.string()}
		if call.Err = s.decodeErrors(d, left); call.Err == nil {
			call.Err = errors.New("<nil>")
		}
		err = call
	case errPath:
		path := &fs.PathError{Op: d.string(), Path: d.string()}
		if path.Err = s.decodeErrors(d, left); path.Err == nil {
			path.Err = errors.New("<nil>")
		}
		err = path
	default:
		err = s.decodeOther(d, left)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if token > 0 && len(s.errors.theirs) < mostTokens {
		s.errors.theirs[err] = token
	}
	return err
}

func (s *side) decodeOther(d *decoder, left *int) error {
	text := d.string()
	isTimeout, timeout, isTemporary, temporary := d.bool(), d.bool(), d.bool(), d.bool()
	many := d.bool()
	var inner []error
	for range d.count() {
		if err := s.decodeErrors(d, left); err != nil {
			inner = append(inner, err)
		}
		if d.err != nil {
			break
		}
	}
	if many {
		m := severalError{text, inner}
		switch {
		case isTimeout && isTemporary:
			return &struct {
				severalError
				timeouts
				temporaries
			}{m, timeouts(timeout), temporaries(temporary)}
		case isTimeout:
			return &struct {
				severalError
				timeouts
			}{m, timeouts(timeout)}
		case isTemporary:
			return &struct {
				severalError
				temporaries
			}{m, temporaries(temporary)}
		}
		return &m
	}
	o := otherError{text: text}
	if len(inner) > 0 {
		o.inner = inner[0]
	}
	switch {
	case isTimeout && isTemporary:
		return &struct {
			otherError
			timeouts
			temporaries
		}{o, timeouts(timeout), temporaries(temporary)}
	case isTimeout:
		return &struct {
			otherError
			timeouts
		}{o, timeouts(timeout)}
	case isTemporary:
		return &struct {
			otherError
			temporaries
		}{o, temporaries(temporary)}
	}
	return &o
}

// otherError is an error of the other side of which only its text and what it wraps is known.
type otherError struct {
	text  string
	inner error
}

func (e otherError) Error() string { return e.text }
func (e otherError) Unwrap() error { return e.inner }

// severalError is one that wraps several, as that of errors.Join.
type severalError struct {
	text  string
	inner []error
}

func (e severalError) Error() string   { return e.text }
func (e severalError) Unwrap() []error { return e.inner }

type timeouts bool

func (t timeouts) Timeout() bool { return bool(t) }

type temporaries bool

func (t temporaries) Temporary() bool { return bool(t) }

// addr is an address of a network that is none of TCP and UDP.
type addr struct{ network, text string }

func (a addr) Network() string { return a.network }
func (a addr) String() string  { return a.text }

func encodeAddr(e *encoder, a net.Addr) {
	e.bool(a != nil)
	if a != nil {
		e.string(a.Network())
		e.string(a.String())
	}
}

func decodeAddr(d *decoder) net.Addr {
	if !d.bool() {
		return nil
	}
	a := addr{d.string(), d.string()}
	at, err := netip.ParseAddrPort(a.text)
	switch {
	case err == nil && a.network == "tcp":
		return net.TCPAddrFromAddrPort(at)
	case err == nil && a.network == "udp":
		return net.UDPAddrFromAddrPort(at)
	}
	return a
}
