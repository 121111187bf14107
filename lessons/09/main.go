// Lesson 09: a server type. Handler, Serve, Shutdown: what Python calls socketserver.
package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"log"
	"os"
	"os/exec"

	"socketbook/lessons/internal/stage"
)

var lesson = stage.Lesson{
	Number: "09",
	Listen: listen, Dial: dial, Talk: talk, ServerFlags: serverFlags,
	Scenes: scenes,
}

func main() {
	panicIfAsked()
	stage.Main(lesson)
}

// handlers are what -handler takes.
var handlers = map[string]HandlerFunc{
	"upper": answer,
	"loop":  greet("abc"),
}

// serverFlags registers the flags of the server, and lets l serve and end as they say.
func serverFlags(l *stage.Lesson, flags *flag.FlagSet) {
	server := &Server{Handler: handlers["upper"]}
	l.Serve, l.Shutdown = server.Serve, server.Shutdown
	flags.Func("handler", "`HANDLER` is upper or loop", func(name string) error {
		handler, ok := handlers[name]
		if !ok {
			return errors.New("a handler is upper or loop")
		}
		server.Handler = handler
		return nil
	})
	flags.Func("clients", "at most `N` at the same time", func(text string) error {
		_, err := fmt.Sscanf(text+"\n", "%d\n", &server.MaxClients)
		if err != nil || server.MaxClients < 1 {
			return errors.New("a limit is a number from 1 up")
		}
		return nil
	})
}

// panicRole is the first argument of a process whose handler may panic. With a second one its server
// is that of naive.go.
const panicRole = "panic"

// panicker returns this program, not yet started, in that role.
func panicker(args ...string) func() *exec.Cmd {
	return func() *exec.Cmd {
		program, err := os.Executable()
		cmd := exec.Command(program, append([]string{panicRole}, args...)...)
		cmd.Err = err
		return cmd
	}
}

// panicIfAsked serves on a free port until its standard input ends, and ends the process, if that is
// its role.
func panicIfAsked() {
	if len(os.Args) < 2 || os.Args[1] != panicRole {
		return
	}
	ln, err := listen("127.0.0.1:0")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	fmt.Println("listening on", ln.Addr())
	log.SetFlags(0)
	go func() {
		if len(os.Args) > 2 {
			naiveServe(ln, secondWord)
		} else {
			(&Server{Handler: HandlerFunc(secondWord)}).Serve(ln)
		}
	}()
	io.Copy(io.Discard, os.Stdin)
	os.Exit(0)
}
