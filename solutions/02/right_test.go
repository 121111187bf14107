package talkloop_test

import (
	"bufio"
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io"
	"iter"
	"net"
	"os"
	"strings"
	"sync"
	"syscall"
	"time"

	"socketbook/labs/02/talklooptest"
	"socketbook/tools/check"
)

// right are the reference and correct answers in other styles.
var right = []check.Answer{
	answer("the reference", reference),
	answer("io.Copy, and lines by hand", talklooptest.Lab{Answer: answerCopied, Converse: converseByByte}),
	answer("bufio on every side", talklooptest.Lab{Answer: answerBuffered, Converse: converseBuffered}),
	answer(
		"a pipeline of goroutines",
		talklooptest.Lab{Answer: answerPipeline, Converse: converseInGoroutines},
	),
	answer("a small buffer, and deadlines", talklooptest.Lab{Answer: answerSmall, Converse: converseInTime}),
	answer(
		"what comes is pulled out of iterators",
		talklooptest.Lab{Answer: answerPulled, Converse: conversePulled},
	),
}

func raise(b byte) byte {
	if 'a' <= b && b <= 'z' {
		return b - 32
	}
	return b
}

// gone is what counts as leaving in the answers below.
func gone(err error) bool {
	var no syscall.Errno
	return errors.Is(err, io.EOF) || errors.As(err, &no) &&
		(no == syscall.ECONNRESET || no == syscall.EPIPE || no == 10054 || no == 10053) // the last two on Windows
}

// raised is a reader whose letters are in upper case.
type raised struct{ r io.Reader }

func (u raised) Read(p []byte) (int, error) {
	n, err := u.r.Read(p)
	for i, b := range p[:n] {
		p[i] = raise(b)
	}
	return n, err
}

// answerCopied leaves the loop, and the end of file, to io.Copy.
func answerCopied(conn net.Conn) error {
	_, err := io.Copy(conn, raised{conn})
	conn.Close()
	if gone(err) {
		return nil
	}
	return err
}

// converseByByte needs neither bufio nor strings.
func converseByByte(conn net.Conn, in io.Reader, out io.Writer) error {
	for {
		line, more, err := lineOf(in)
		if err != nil {
			return err
		}
		if string(line) == "quit" {
			return nil
		}
		if len(line) > 0 {
			var answer [1024]byte
			if _, err := conn.Write(line); err != nil {
				return err
			}
			n, err := conn.Read(answer[:])
			if n == 0 && err != nil {
				return err
			}
			for _, part := range [][]byte{answer[:n], {'\n'}} {
				if _, err := out.Write(part); err != nil {
					return err
				}
			}
			if err != nil {
				return err
			}
		}
		if !more {
			return nil
		}
	}
}

// lineOf reads a line byte by byte. more says that the input goes on after it.
func lineOf(in io.Reader) (line []byte, more bool, err error) {
	one := make([]byte, 1)
	for {
		switch _, err := io.ReadFull(in, one); {
		case err == io.EOF:
			return line, false, nil
		case err != nil:
			return nil, false, err
		case one[0] == '\n':
			return bytes.TrimSuffix(line, []byte("\r")), true, nil
		}
		line = append(line, one[0])
	}
}

// answerBuffered flushes when nothing more lies in its buffer.
func answerBuffered(conn net.Conn) (err error) {
	defer func() {
		conn.Close()
		if gone(err) {
			err = nil
		}
	}()
	rw := bufio.NewReadWriter(bufio.NewReader(conn), bufio.NewWriter(conn))
	for {
		b, err := rw.ReadByte()
		if err != nil {
			return err
		}
		rw.WriteByte(raise(b)) // an error stays until Flush
		if rw.Reader.Buffered() == 0 {
			if err := rw.Flush(); err != nil {
				return err
			}
		}
	}
}

func converseBuffered(conn net.Conn, in io.Reader, out io.Writer) error {
	lines, answers, screen := bufio.NewReader(in), bufio.NewReaderSize(conn, 1024), bufio.NewWriter(out)
	for {
		line, end := lines.ReadString('\n')
		if end != nil && end != io.EOF {
			return end
		}
		line = strings.TrimSuffix(strings.TrimSuffix(line, "\n"), "\r")
		if line == "quit" {
			return nil
		}
		if line != "" {
			if _, err := fmt.Fprint(conn, line); err != nil {
				return fmt.Errorf("asking %q: %w", line, err)
			}
			if _, err := answers.Peek(1); err != nil {
				return fmt.Errorf("no answer to %q: %w", line, err)
			}
			io.CopyN(screen, answers, int64(answers.Buffered())) // what one Read has brought
			screen.WriteByte('\n')
			if err := screen.Flush(); err != nil {
				return err
			}
		}
		if end != nil {
			return nil
		}
	}
}

// answerPipeline reads in one goroutine, changes in another, and writes in a third, which asks for more.
func answerPipeline(conn net.Conn) error {
	defer conn.Close()
	more, messages, answers := make(chan bool, 1), make(chan []byte), make(chan []byte)
	errs := make(chan error, 2)
	var all sync.WaitGroup
	all.Go(func() {
		defer close(messages)
		for range more {
			buf := make([]byte, 700)
			n, err := conn.Read(buf)
			if n > 0 {
				messages <- buf[:n]
			}
			if err != nil {
				errs <- err
				return
			}
		}
	})
	all.Go(func() {
		defer close(answers)
		for m := range messages {
			for i := range m {
				m[i] = raise(m[i])
			}
			answers <- m
		}
	})
	all.Go(func() {
		more <- true
		for a := range answers {
			if _, err := conn.Write(a); err != nil {
				errs <- err
				close(more)
				return
			}
			more <- true
		}
	})
	all.Wait()
	close(errs)
	for err := range errs {
		if !gone(err) {
			return err
		}
	}
	return nil
}

// converseInGoroutines lets another goroutine read the answers, one for each that it is asked for.
func converseInGoroutines(conn net.Conn, in io.Reader, out io.Writer) error {
	type result struct {
		answer string
		err    error
	}
	wanted, results := make(chan bool), make(chan result)
	defer close(wanted)
	go func() {
		for range wanted {
			buf := make([]byte, 1024)
			n, err := conn.Read(buf)
			results <- result{string(buf[:n]), err}
		}
	}()
	input := bufio.NewScanner(in)
	for input.Scan() {
		switch input.Text() {
		case "quit":
			return nil
		case "":
			continue
		}
		if _, err := io.Copy(conn, strings.NewReader(input.Text())); err != nil {
			return err
		}
		wanted <- true
		r := <-results
		if r.answer != "" {
			if _, err := fmt.Fprintln(out, r.answer); err != nil {
				return err
			}
		}
		if r.err != nil {
			return r.err
		}
	}
	return input.Err()
}

// converseInTime gives each answer a minute.
func converseInTime(conn net.Conn, in io.Reader, out io.Writer) error {
	scanner := bufio.NewScanner(in)
	scanner.Buffer(make([]byte, 0, 16), 1<<20)
	for scanner.Scan() {
		line := scanner.Bytes()
		if bytes.Equal(line, []byte("quit")) {
			break
		}
		if len(line) == 0 {
			continue
		}
		conn.SetDeadline(time.Now().Add(time.Minute))
		defer conn.SetDeadline(time.Time{})
		_, err := conn.Write(line)
		if err != nil {
			return err
		}
		buf := make([]byte, 1024)
		n, err := conn.Read(buf)
		if n > 0 {
			if _, err := out.Write(append(buf[:n:n], '\n')); err != nil {
				return err
			}
		}
		switch {
		case errors.Is(err, os.ErrDeadlineExceeded):
			return fmt.Errorf("no answer within a minute: %w", err)
		case err != nil:
			return err
		}
	}
	return scanner.Err()
}

// answerSmall reads five bytes at a time.
func answerSmall(conn net.Conn) error {
	defer conn.Close()
	var buf [2]byte
	for {
		n, err := conn.Read(buf[:])
		for i := range n {
			buf[i] = raise(buf[i])
		}
		if n > 0 {
			_, werr := conn.Write(buf[:n])
			err = cmp.Or(werr, err)
		}
		if gone(err) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("talking to %v: %w", conn.RemoteAddr(), err)
		}
	}
}

// answerPulled lets a coroutine read.
func answerPulled(conn net.Conn) error {
	defer conn.Close()
	next, stop := iter.Pull2(func(yield func([]byte, error) bool) {
		for {
			buf := make([]byte, 1024)
			n, err := conn.Read(buf)
			if !yield(buf[:n], err) {
				return
			}
		}
	})
	defer stop()
	for {
		message, err, _ := next()
		if len(message) > 0 {
			for i, b := range message {
				message[i] = raise(b)
			}
			if _, werr := conn.Write(message); werr != nil {
				err = werr
			}
		}
		if gone(err) {
			return nil
		}
		if err != nil {
			return err
		}
	}
}

// conversePulled lets a coroutine read the lines.
func conversePulled(conn net.Conn, in io.Reader, out io.Writer) error {
	lines := bufio.NewScanner(in)
	next, stop := iter.Pull(func(yield func(string) bool) {
		for lines.Scan() && yield(lines.Text()) {
		}
	})
	defer stop()
	for line, more := next(); more && line != "quit"; line, more = next() {
		if line == "" {
			continue
		}
		if _, err := io.WriteString(conn, line); err != nil {
			return err
		}
		var answer [1024]byte
		n, err := conn.Read(answer[:])
		if n > 0 {
			if _, err := fmt.Fprintf(out, "%s\n", answer[:n]); err != nil {
				return err
			}
		}
		if err != nil {
			return err
		}
	}
	return lines.Err()
}
