package datagram_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"runtime"
	"sync"
	"time"

	datagram "socketbook/solutions/07"
	"socketbook/tools/check"
)

type exchangeFunc = func(conn net.Conn, request []byte, limit, tries int, wait time.Duration) ([]byte, error)

// right are the reference and correct answers in other styles.
var right = append([]check.Answer{
	answer("the reference", datagram.Exchange),
	answer("a goroutine reads and a select waits", selecting),
	answer("one goroutine asks and another one listens", twoGoroutines),
	answer("deadlines for both directions, set before each Write", bothDirections),
	answer("a timetable made in advance, and an empty queue before asking", timetable),
}, rightButOnWindows()...)

// rightButOnWindows have a buffer of one byte more than is allowed: on Windows a datagram that does
// not fit is an error of Read, even if it is a stranger's.
func rightButOnWindows() []check.Answer {
	if runtime.GOOS == "windows" {
		return nil
	}
	return []check.Answer{
		answer("a timer ends the Read", interrupting),
		answer("a buffer of one byte more than is allowed, and a look at the clock", looking),
	}
}

// selecting needs no deadline to wait, only one to end the goroutine that reads.
func selecting(conn net.Conn, request []byte, limit, tries int, wait time.Duration) ([]byte, error) {
	var id [8]byte
	binary.BigEndian.PutUint64(id[:], rand.Uint64())
	type result struct {
		data []byte
		err  error
	}
	results := make(chan result)
	over := make(chan struct{})
	var reader sync.WaitGroup
	reader.Go(func() {
		for {
			buf := make([]byte, 1<<16)
			n, err := conn.Read(buf)
			select {
			case results <- result{buf[:n], err}:
			case <-over:
				return
			}
			if err != nil {
				return
			}
		}
	})
	defer conn.SetReadDeadline(time.Time{})
	defer reader.Wait()
	defer conn.SetReadDeadline(time.Unix(1, 0))
	defer close(over)
	for range tries {
		if _, err := conn.Write(append(id[:], request...)); err != nil {
			return nil, err
		}
		for timer, waiting := time.After(wait), true; waiting; {
			select {
			case <-timer:
				waiting = false
			case r := <-results:
				if r.err != nil {
					return nil, r.err
				}
				if len(r.data) < 8 || [8]byte(r.data) != id {
					continue
				}
				if len(r.data)-8 > limit {
					return nil, errors.New("the answer is too long")
				}
				return r.data[8:], nil
			}
		}
	}
	return nil, os.ErrDeadlineExceeded
}

// interrupting sets no deadline before it has come.
func interrupting(conn net.Conn, request []byte, limit, tries int, wait time.Duration) ([]byte, error) {
	id := fmt.Sprintf("%08x", rand.Uint32()) // 8 characters
	buf := make([]byte, 8+min(limit, 1<<16)+1)
	for range tries {
		if _, err := fmt.Fprintf(conn, "%s%s", id, request); err != nil {
			return nil, err
		}
		over := make(chan struct{})
		timer := time.AfterFunc(wait, func() {
			conn.SetReadDeadline(time.Now())
			close(over)
		})
		n, err := 0, error(nil)
		for n, err = conn.Read(buf); err == nil && !bytes.HasPrefix(buf[:n], []byte(id)); {
			n, err = conn.Read(buf)
		}
		if !timer.Stop() {
			<-over
			conn.SetReadDeadline(time.Time{})
		}
		switch {
		case errors.Is(err, os.ErrDeadlineExceeded):
			continue
		case err != nil:
			return nil, err
		case n == len(buf):
			return nil, fmt.Errorf("more than %d bytes", limit)
		}
		return buf[8:n], nil
	}
	return nil, fmt.Errorf("gave up: %w", os.ErrDeadlineExceeded)
}

// looking renews nothing, but asks the clock how much is left before each Read, and does not stop at a
// time-out that comes early.
func looking(conn net.Conn, request []byte, limit, tries int, wait time.Duration) ([]byte, error) {
	defer conn.SetDeadline(time.Time{})
	id := binary.LittleEndian.AppendUint64(nil, rand.Uint64())
	for range tries {
		start := time.Now()
		conn.SetDeadline(start.Add(wait))
		if _, err := conn.Write(append(id, request...)); err != nil {
			return nil, err
		}
		for time.Since(start) < wait {
			conn.SetReadDeadline(start.Add(wait))
			buf := make([]byte, 8+min(limit, 1<<16)+1)
			n, err := conn.Read(buf)
			var timeout net.Error
			if errors.As(err, &timeout) && timeout.Timeout() {
				continue
			}
			if err != nil {
				return nil, fmt.Errorf("reading: %w", err)
			}
			if n < 8 || string(buf[:8]) != string(id) {
				continue
			}
			if n-8 > limit {
				return nil, errors.New("too long")
			}
			return buf[8:n:n], nil
		}
	}
	return nil, fmt.Errorf("nothing came: %w", os.ErrDeadlineExceeded)
}

// twoGoroutines lets one side of the work be told by the other.
func twoGoroutines(
	conn net.Conn,
	request []byte,
	limit, tries int,
	wait time.Duration,
) (answer []byte, err error) {
	id := make([]byte, 8)
	binary.NativeEndian.PutUint64(id, rand.Uint64())
	defer conn.SetReadDeadline(time.Time{})
	ask, heard := make(chan bool), make(chan error)
	go func() {
		defer close(heard)
		buf := make([]byte, 65535)
		for range ask {
			n, rerr := conn.Read(buf)
			for rerr == nil && !(n >= 8 && bytes.Equal(buf[:8], id)) {
				n, rerr = conn.Read(buf)
			}
			if rerr == nil && n-8 > limit {
				rerr = fmt.Errorf("%d bytes are too many", n-8)
			}
			answer = buf[8:max(8, n)]
			heard <- rerr
		}
	}()
	defer func() {
		close(ask)
		<-heard
	}()
	for range tries {
		if _, err := conn.Write(bytes.Join([][]byte{id, request}, nil)); err != nil {
			return nil, err
		}
		conn.SetReadDeadline(time.Now().Add(wait))
		ask <- true
		err = <-heard
		if !errors.Is(err, os.ErrDeadlineExceeded) {
			return answer, err
		}
	}
	return nil, err
}

// timetable throws away what is there before it asks, and counts every deadline from the beginning.
func timetable(conn net.Conn, request []byte, limit, tries int, wait time.Duration) ([]byte, error) {
	id := make([]byte, 8)
	binary.LittleEndian.PutUint64(id, rand.Uint64())
	buf := make([]byte, 1<<16)
	conn.SetReadDeadline(time.Now())
	for err := error(nil); err == nil; {
		_, err = conn.Read(buf)
	}
	defer conn.SetReadDeadline(time.Time{})
	start := time.Now()
	for i := range tries {
		conn.SetReadDeadline(start.Add(time.Duration(i+1) * wait))
		if _, err := conn.Write(append(id[:8:8], request...)); err != nil {
			return nil, err
		}
		for {
			n, err := conn.Read(buf)
			if errors.Is(err, os.ErrDeadlineExceeded) {
				break
			}
			if err != nil {
				return nil, err
			}
			if n >= 8 && string(buf[:8]) == string(id) {
				if n-8 > limit {
					return nil, fmt.Errorf("an answer of %d bytes", n-8)
				}
				return buf[8:n], nil
			}
		}
	}
	return nil, fmt.Errorf("%d tries: %w", tries, os.ErrDeadlineExceeded)
}

// bothDirections counts its deadlines from the beginning, and sets them before it writes.
func bothDirections(conn net.Conn, request []byte, limit, tries int, wait time.Duration) ([]byte, error) {
	defer conn.SetDeadline(time.Time{})
	id := binary.BigEndian.AppendUint64(nil, rand.Uint64())
	start := time.Now()
	for i := 1; i <= tries; i++ {
		conn.SetDeadline(start.Add(time.Duration(i) * wait))
		if _, err := conn.Write(append(id, request...)); err != nil {
			return nil, err
		}
		answer, err := readAnswer(conn, id, limit)
		if !errors.Is(err, os.ErrDeadlineExceeded) {
			return answer, err
		}
	}
	return nil, os.ErrDeadlineExceeded
}

func readAnswer(conn net.Conn, id []byte, limit int) ([]byte, error) {
	buf := make([]byte, 1<<16)
	for {
		n, err := conn.Read(buf)
		if err != nil {
			return nil, err
		}
		if answer, ours := bytes.CutPrefix(buf[:n], id); ours {
			if len(answer) > limit {
				return nil, errors.New("too long")
			}
			return answer, nil
		}
	}
}
