// Lesson 15: deadlines. Nothing waits forever: not a read, not a write, not a dial, not a command.
package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"time"

	"golang.org/x/text/encoding/unicode"

	"socketbook/lessons/internal/scenario"
	"socketbook/lessons/internal/stage"
)

var lesson = stage.Lesson{
	Number: "15",
	Listen: listen, ServerFlags: serverFlags, ClientFlags: clientFlags,
	RunsCommands: true,
	Scenes:       scenes,
}

func main() {
	scenario.SleepIfAsked()
	serveIfAsked()
	stage.Main(lesson)
}

// newCommands returns a handler with limits for people who type.
func newCommands() *commands {
	return &commands{idle: 30 * time.Second, limit: 10 * time.Second, write: 10 * time.Second}
}

// newClient returns a client with limits for people who type.
func newClient() *client {
	return &client{
		charset: unicode.UTF8,
		connect: 5 * time.Second, patience: 15 * time.Second, heartbeat: 10 * time.Second,
	}
}

// serverFlags registers the flags of the server, and lets l serve and end as they say.
func serverFlags(l *stage.Lesson, flags *flag.FlagSet) {
	c := newCommands()
	server := &Server{Handler: HandlerFunc(c.answer)}
	l.Serve, l.Shutdown = server.Serve, server.Shutdown
	flags.Func("clients", "at most `N` at the same time", func(text string) error {
		_, err := fmt.Sscanf(text+"\n", "%d\n", &server.MaxClients)
		if err != nil || server.MaxClients < 1 {
			return errors.New("a limit is a number from 1 up")
		}
		return nil
	})
	flags.Func("idle", "`TIME` a client may be silent", limit(&c.idle))
	flags.Func("limit", "`TIME` for a command", limit(&c.limit))
}

// clientFlags registers the flags of the client, and lets l dial and talk as they say.
func clientFlags(l *stage.Lesson, flags *flag.FlagSet) {
	c := newClient()
	l.Dial, l.Talk = c.dial, c.talk
	flags.Func("encoding", "answers are in `NAME`, say gbk", stage.Encoding(&c.charset))
	flags.Func("heartbeat", "`TIME` of silence before one", limit(&c.heartbeat))
	flags.Func("patience", "`TIME` for an answer", limit(&c.patience))
}

// limit is the function of a flag that is a time.
func limit(d *time.Duration) func(text string) error {
	return func(text string) (err error) {
		if *d, err = time.ParseDuration(text); err != nil || *d <= 0 {
			return errors.New("a limit is a time such as 10s or 500ms")
		}
		return nil
	}
}

// serverRole is the first argument of a process that serves until its standard input ends.
const serverRole = "serve-until-end"

// serverProcess returns this program, not yet started, in that role.
func serverProcess() *exec.Cmd {
	program, err := os.Executable()
	cmd := exec.Command(program, serverRole)
	cmd.Err = err
	return cmd
}

// serveIfAsked serves on a free port and ends the process when its standard input ends, if that is its role.
func serveIfAsked() {
	if len(os.Args) < 2 || os.Args[1] != serverRole {
		return
	}
	ln, err := listen("127.0.0.1:0")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	fmt.Println("listening on", ln.Addr())
	go newServer(patient.handle, 0).Serve(ln)
	io.Copy(io.Discard, os.Stdin)
	os.Exit(0)
}
