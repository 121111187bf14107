package main

import (
	"errors"
	"fmt"
	"log"
	"net"
	"os"
	"os/exec"
)

// serveProcesses accepts clients and gives each of them a process of its own, which program returns,
// not yet started. It returns nil when ln is closed, and leaves the processes to their clients. The
// caller closes ln.
func serveProcesses(ln net.Listener, program func() *exec.Cmd) error {
	for {
		conn, err := ln.Accept()
		if errors.Is(err, net.ErrClosed) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("accepting a client: %w", err)
		}
		if err := handOver(conn, program()); err != nil {
			log.Printf("client %s: %v", conn.RemoteAddr(), err)
		}
	}
}

// handOver starts cmd with a copy of conn as its descriptor 3. Both copies of this process are closed
// when it returns: as long as one of them is open, the peer does not see the end.
func handOver(conn net.Conn, cmd *exec.Cmd) error {
	defer conn.Close()
	duplicate, err := conn.(interface{ File() (*os.File, error) }).File() // as TCP and Unix sockets do
	if err != nil {
		return fmt.Errorf("copying the connection's descriptor: %w", err)
	}
	defer duplicate.Close()
	cmd.ExtraFiles = []*os.File{duplicate} // behind 0, 1 and 2: input, output and errors
	cmd.Stderr = os.Stderr
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("starting a process: %w", err)
	}
	go cmd.Wait() // until then a process that has ended stays in the process table, as a zombie
	return nil
}

// answerInherited is the main function of such a process: answer has the client on descriptor 3.
func answerInherited(answer func(conn net.Conn) error) error {
	inherited := os.NewFile(3, "descriptor 3")
	conn, err := net.FileConn(inherited)
	inherited.Close() // FileConn has made a copy
	if err != nil {
		return fmt.Errorf("no client on descriptor 3; server -process puts one there: %w", err)
	}
	return answer(conn)
}
