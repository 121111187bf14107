package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"time"
)

// A server with a function for its handler, and what it returns when it is shut down.
func ExampleServer() {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		fmt.Println(err)
		return
	}
	server := &Server{Handler: HandlerFunc(func(conn net.Conn) error {
		_, err := fmt.Fprintln(conn, "hello, you are my only one")
		return err
	}), MaxClients: 1}
	served := make(chan error)
	go func() { served <- server.Serve(ln) }()

	conn, err := net.Dial("tcp", ln.Addr().String())
	if err != nil {
		fmt.Println(err)
		return
	}
	said, _ := io.ReadAll(conn) // until the server closes the connection
	fmt.Printf("%s", said)
	conn.Close()

	fmt.Println(server.Shutdown(context.Background()))
	fmt.Println(<-served)
	// Output:
	// hello, you are my only one
	// <nil>
	// the server was closed
}

// Clients have a moment to finish, and are cut off then.
func ExampleServer_Shutdown() {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		fmt.Println(err)
		return
	}
	server := &Server{Handler: HandlerFunc(answer)}
	go server.Serve(ln)

	conn, err := net.Dial("tcp", ln.Addr().String())
	if err != nil {
		fmt.Println(err)
		return
	}
	defer conn.Close()
	talk(conn, strings.NewReader("i stay\n"), os.Stdout)

	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Millisecond)
	defer cancel()
	fmt.Println(server.Shutdown(ctx))
	_, err = conn.Read(make([]byte, 1))
	fmt.Println(err)
	// Output:
	// I STAY
	// context deadline exceeded
	// EOF
}

// A type with fields can be a handler, too.
func ExampleHandler() {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		fmt.Println(err)
		return
	}
	server := &Server{Handler: greeter{"welcome"}}
	served := make(chan error)
	go func() { served <- server.Serve(ln) }()

	conn, err := net.Dial("tcp", ln.Addr().String())
	if err != nil {
		fmt.Println(err)
		return
	}
	defer conn.Close()
	said, _ := io.ReadAll(conn)
	fmt.Printf("%s", said)

	server.Close()
	fmt.Println(errors.Is(<-served, ErrServerClosed))
	// Output:
	// welcome
	// true
}

type greeter struct{ word string }

func (g greeter) Handle(conn net.Conn) error {
	_, err := fmt.Fprintln(conn, g.word)
	return err
}
