// Lesson 16: hostile peers. A server that goes on serving while somebody attacks it.
package main

import (
	"errors"
	"flag"
	"fmt"
	"net"
	"time"

	"golang.org/x/text/encoding/unicode"

	"socketbook/lessons/internal/scenario"
	"socketbook/lessons/internal/stage"
)

var lesson = stage.Lesson{
	Number: "16",
	Listen: listen, ServerFlags: serverFlags, ClientFlags: clientFlags,
	RunsCommands: true,
	Scenes:       scenes,
}

func main() {
	scenario.ServeBesieged(besieged)
	stage.Main(lesson)
}

// usual are the limits of a server, for people who type.
var usual = commands{idle: 30 * time.Second, limit: 10 * time.Second, write: 10 * time.Second}

// newServer returns a server with as many places as its process may open descriptors for.
func newServer(c commands) *Server {
	return &Server{
		Handler:    HandlerFunc(c.answer),
		MaxClients: min(maxClients, mostClients()), MaxPerAddress: maxPerAddress,
	}
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
	c := usual
	server := newServer(c)
	l.Serve, l.Shutdown = server.Serve, server.Shutdown
	flags.Func("clients", "at most `N` at the same time", func(text string) error {
		_, err := fmt.Sscanf(text+"\n", "%d\n", &server.MaxClients)
		if err != nil || server.MaxClients < 1 {
			return errors.New("a limit is a number from 1 up")
		}
		return nil
	})
	handle := func() { server.Handler = HandlerFunc(c.answer) }
	flags.Func("idle", "`TIME` for a client's next command", limit(&c.idle, handle))
	flags.Func("limit", "`TIME` for a command", limit(&c.limit, handle))
}

// clientFlags registers the flags of the client, and lets l dial and talk as they say.
func clientFlags(l *stage.Lesson, flags *flag.FlagSet) {
	c := newClient()
	l.Dial, l.Talk = c.dial, c.talk
	flags.Func("encoding", "answers are in `NAME`, say gbk", stage.Encoding(&c.charset))
	flags.Func("heartbeat", "`TIME` of silence before one", limit(&c.heartbeat, nil))
	flags.Func("patience", "`TIME` for an answer", limit(&c.patience, nil))
}

// limit is the function of a flag that is a time, with what is done when it was read.
func limit(d *time.Duration, then func()) func(text string) error {
	return func(text string) (err error) {
		if *d, err = time.ParseDuration(text); err != nil || *d <= 0 {
			return errors.New("a limit is a time such as 10s or 500ms")
		}
		if then != nil {
			then()
		}
		return nil
	}
}

// besieged are the servers that scenes attack, each in a process of its own.
var besieged = map[string]func(net.Listener) error{
	"hardened": func(ln net.Listener) error { return newServer(usual).Serve(ln) },
	"impatient": func(ln net.Listener) error {
		c := usual
		c.idle = shortIdle
		return newServer(c).Serve(ln)
	},
	"small": func(ln net.Listener) error {
		s := newServer(usual)
		s.MaxPerAddress = fewPlaces
		return s.Serve(ln)
	},
	"naive":   naiveServe,
	"some":    func(ln net.Listener) error { return serveSome(ln, fewPlaces) },
	"in turn": serveInTurn,
}

const (
	shortIdle = 200 * time.Millisecond // a scene does not last half a minute
	fewPlaces = 4
)
