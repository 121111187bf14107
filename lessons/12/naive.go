package main

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"strings"
	"sync"
)

// The same chat as it is often written first.

// scanningHear reads lines with a bufio.Scanner, and forgets its Err.
func scanningHear(conn net.Conn, out io.Writer) error {
	lines := bufio.NewScanner(conn)
	for lines.Scan() {
		fmt.Fprintf(out, "%s\n", lines.Text())
	}
	return nil
}

// decodingHear prints what each read brings, as soon as it comes.
func decodingHear(conn net.Conn, out io.Writer) error {
	buf := make([]byte, maxRead)
	for {
		n, err := conn.Read(buf)
		if n > 0 {
			fmt.Fprintf(out, "%s\n", strings.ToValidUTF8(string(buf[:n]), "\uFFFD"))
		}
		if err != nil {
			return nil
		}
	}
}

// naiveServe is a room that writes to each member itself, one after the other.
func naiveServe(ln net.Listener) error {
	var mu sync.Mutex
	members := map[net.Conn]bool{}
	tell := func(speaker net.Conn, line string) {
		mu.Lock()
		defer mu.Unlock()
		for conn := range members {
			if conn != speaker {
				fmt.Fprintf(conn, "%s\n", line)
			}
		}
	}
	for {
		conn, err := ln.Accept()
		if err != nil {
			return nil
		}
		go func() {
			defer conn.Close()
			fmt.Fprintf(conn, "your name?\n")
			lines := bufio.NewScanner(conn)
			lines.Scan()
			name := lines.Text()
			mu.Lock()
			members[conn] = true
			mu.Unlock()
			tell(nil, "* "+name+" is here")
			for lines.Scan() {
				tell(conn, name+": "+lines.Text())
			}
			mu.Lock()
			delete(members, conn)
			mu.Unlock()
			tell(nil, "* "+name+" has left")
		}()
	}
}
