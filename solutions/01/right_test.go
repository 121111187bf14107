package oneshot_test

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"time"

	"socketbook/labs/01/oneshottest"
	"socketbook/tools/check"
)

// right are the reference and correct answers in other styles.
var right = []check.Answer{
	answer("the reference", reference),
	answer("bufio and text", oneshottest.Lab{Answer: answerBuffered, Ask: askBuffered}),
	answer("goroutines and channels", oneshottest.Lab{Answer: answerInGoroutines, Ask: askInGoroutine}),
	answer("helpers of package io", oneshottest.Lab{Answer: answerCopied, Ask: askCopied}),
	answer("deadlines, and every error joined", oneshottest.Lab{Answer: answerInTime, Ask: askInTime}),
}

// answerBuffered fills a bufio.Reader once, which may hold more than a message, and answers what is in it
// as text.
func answerBuffered(conn net.Conn) error {
	defer conn.Close()
	in := bufio.NewReader(conn)
	if _, err := in.Peek(1); err != nil {
		return err
	}
	message, _ := in.Peek(min(in.Buffered(), 1024)) // lies in the buffer: no Read, no error
	text := strings.Builder{}
	for i := range len(message) {
		if strings.IndexByte("abcdefghijklmnopqrstuvwxyz", message[i]) >= 0 {
			text.WriteByte(message[i] - 32)
		} else {
			text.WriteByte(message[i])
		}
	}
	_, err := fmt.Fprint(conn, text.String())
	return err
}

func askBuffered(conn net.Conn, message []byte) ([]byte, error) {
	if n := len(message); n < 1 || n > 1024 {
		return nil, errors.New("bad length")
	}
	out := bufio.NewWriter(conn)
	out.Write(message) // an error stays until Flush
	if err := out.Flush(); err != nil {
		return nil, err
	}
	answer := make([]byte, 1024)
	n, err := bufio.NewReaderSize(conn, 16).
		Read(answer)
		// a buffer larger than its own is read into directly
	return answer[:n], err
}

// answerInGoroutines reads in one goroutine and writes in another.
func answerInGoroutines(conn net.Conn) error {
	defer conn.Close()
	messages, failed := make(chan []byte, 1), make(chan error, 2)
	go func() {
		defer close(messages)
		var buf [1024]byte
		n, err := conn.Read(buf[:])
		if err != nil {
			failed <- fmt.Errorf("no message: %w", err)
			return
		}
		messages <- buf[:n]
	}()
	go func() {
		defer close(failed)
		for m := range messages {
			for i := range m {
				if m[i] >= 'a' && m[i] <= 'z' {
					m[i] ^= 0x20
				}
			}
			if _, err := conn.Write(m); err != nil {
				failed <- fmt.Errorf("no answer sent: %w", err)
			}
		}
	}()
	return <-failed
}

// askInGoroutine reads before it writes, but in another goroutine.
func askInGoroutine(conn net.Conn, message []byte) ([]byte, error) {
	if len(message) == 0 || len(message) > 1024 {
		return nil, fmt.Errorf("%d bytes", len(message))
	}
	type result struct {
		answer []byte
		err    error
	}
	results := make(chan result)
	go func() {
		buf := make([]byte, 1024)
		n, err := conn.Read(buf)
		results <- result{buf[:n], err}
	}()
	_, werr := conn.Write(message)
	if werr != nil {
		conn.SetReadDeadline(time.Now()) // wakes the reader
	}
	r := <-results
	if werr != nil {
		conn.SetReadDeadline(time.Time{})
		return nil, werr
	}
	return r.answer, r.err
}

// answerCopied looks letters up in a table.
func answerCopied(conn net.Conn) error {
	defer conn.Close()
	var table [256]byte
	for i := range table {
		table[i] = byte(i)
	}
	for i := 'a'; i <= 'z'; i++ {
		table[i] = byte(i - 'a' + 'A')
	}
	buf := make([]byte, 1024)
	n, err := io.ReadAtLeast(conn, buf, 1)
	if err != nil {
		return err
	}
	for i, b := range buf[:n] {
		buf[i] = table[b]
	}
	_, err = io.Copy(conn, bytes.NewReader(buf[:n]))
	return err
}

func askCopied(conn net.Conn, message []byte) ([]byte, error) {
	switch {
	case len(message) == 0:
		return nil, io.ErrShortBuffer
	case len(message) > 1024:
		return nil, io.ErrShortWrite
	}
	if _, err := io.Copy(conn, bytes.NewReader(message)); err != nil {
		return nil, err
	}
	answer := make([]byte, 1024)
	n, err := io.ReadAtLeast(conn, answer, 1)
	return bytes.Clone(answer[:n]), err
}

// answerInTime closes by hand, and twice; it has patience for a minute.
func answerInTime(conn net.Conn) (err error) {
	defer conn.Close()
	if err := conn.SetDeadline(time.Now().Add(time.Minute)); err != nil {
		return err
	}
	buf := make([]byte, 1024)
	n, err := conn.Read(buf)
	for i := range n {
		if c := buf[i]; 'a' <= c && c <= 'z' {
			buf[i] = c - 32
		}
	}
	if err == nil {
		_, err = conn.Write(buf[:n])
	}
	conn.Close()
	return errors.Join(err)
}

func askInTime(conn net.Conn, message []byte) ([]byte, error) {
	if len(message) == 0 || len(message) > 1024 {
		return nil, errors.New("a message has 1 to 1024 bytes")
	}
	conn.SetDeadline(time.Now().Add(time.Minute))
	defer conn.SetDeadline(time.Time{})
	if n, err := conn.Write(message); err != nil || n < len(message) {
		return nil, errors.Join(io.ErrShortWrite, err)
	}
	answer := make([]byte, 1024)
	n, err := conn.Read(answer)
	return answer[:n:n], err
}
