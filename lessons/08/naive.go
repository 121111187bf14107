package main

import (
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"os"
	"os/exec"
)

// naiveServe handles the errors of its clients where it calls accept.
func naiveServe(ln net.Listener) error {
	for {
		conn, err := ln.Accept()
		if errors.Is(err, net.ErrClosed) {
			return nil
		}
		if errors.Is(err, errReset) {
			log.Print("a client has broken off") // a reset is met by whoever reads: this never runs
			continue
		}
		if err != nil {
			return err
		}
		go naiveAnswer(conn) // and its error is dropped
	}
}

// naiveAnswer leaves errors, and what is to be done about them, to its caller.
func naiveAnswer(conn net.Conn) error {
	buf := make([]byte, maxRead)
	for {
		n, err := conn.Read(buf)
		if err == io.EOF {
			return conn.Close()
		}
		if err != nil {
			return err
		}
		if _, err := conn.Write(upper(buf[:n])); err != nil {
			return err
		}
	}
}

// naiveLogServe writes each line of its log in two pieces.
func naiveLogServe(ln net.Listener) error {
	for {
		conn, err := ln.Accept()
		if errors.Is(err, net.ErrClosed) {
			return nil
		}
		if err != nil {
			return err
		}
		go func() {
			if err := answer(conn); err != nil {
				fmt.Fprintf(log.Writer(), "client %s: ", conn.RemoteAddr())
				fmt.Fprintln(log.Writer(), err)
			}
		}()
	}
}

// keepsConn starts cmd with a copy of conn as its descriptor 3, and keeps conn.
func keepsConn(conn net.Conn, cmd *exec.Cmd) (kept io.Closer, err error) {
	duplicate, err := conn.(interface{ File() (*os.File, error) }).File()
	if err != nil {
		return conn, err
	}
	defer duplicate.Close()
	cmd.ExtraFiles = []*os.File{duplicate}
	if err := cmd.Start(); err != nil {
		return conn, err
	}
	go cmd.Wait()
	return conn, nil
}

// keepsCopy does the same, closes conn, and keeps the copy.
func keepsCopy(conn net.Conn, cmd *exec.Cmd) (kept io.Closer, err error) {
	defer conn.Close()
	duplicate, err := conn.(interface{ File() (*os.File, error) }).File()
	if err != nil {
		return conn, err
	}
	cmd.ExtraFiles = []*os.File{duplicate}
	if err := cmd.Start(); err != nil {
		return duplicate, err
	}
	go cmd.Wait()
	return duplicate, nil
}

// naiveHandOver closes both copies, and does not wait for the process.
func naiveHandOver(conn net.Conn, cmd *exec.Cmd) error {
	defer conn.Close()
	duplicate, err := conn.(interface{ File() (*os.File, error) }).File()
	if err != nil {
		return err
	}
	defer duplicate.Close()
	cmd.ExtraFiles = []*os.File{duplicate}
	return cmd.Start()
}

// naiveRelay passes bytes on in both directions, and closes both sides when one of them has ended.
func naiveRelay(a, b net.Conn) error {
	errs := make(chan error, 2)
	one := func(to, from net.Conn) {
		_, err := io.Copy(to, from)
		errs <- err
	}
	go one(b, a)
	go one(a, b)
	err := <-errs
	a.Close()
	b.Close()
	return err
}
