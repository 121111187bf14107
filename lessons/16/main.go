// Lesson 16: hostile peers. A server that goes on serving while somebody attacks it.
package main

import (
	"errors"
	"flag"
	"fmt"
	"log"
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

// newCommands returns a handler with limits for people who type.
func newCommands() *commands {
	return &commands{idle: 30 * time.Second, limit: 10 * time.Second, write: 10 * time.Second}
}

// newServer returns a server with maxClients places, or fewer if its process may have too few descriptors.
func newServer(c *commands) *Server {
	places := min(maxClients, mostClients())
	return &Server{
		Handler:    HandlerFunc(c.answer),
		MaxClients: places, MaxPerAddress: max(1, places/2),
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
	c := newCommands()
	server := newServer(c)
	l.Serve, l.Shutdown = withPackets(server.Serve, newPacketServer().servePacket), server.Shutdown
	flags.Func("clients", "at most `N`, half per address", func(text string) error {
		_, err := fmt.Sscanf(text+"\n", "%d\n", &server.MaxClients)
		if err != nil || server.MaxClients < 1 || server.MaxClients > maxClients {
			return fmt.Errorf("a limit is a number from 1 to %d", maxClients)
		}
		server.MaxPerAddress = max(1, server.MaxClients/2)
		return nil
	})
	flags.Func("idle", "`TIME` a client may be silent", limit(&c.idle))
	flags.Func("limit", "`TIME` for a command", limit(&c.limit))
}

// withPackets returns serve with help over UDP beside it, on the port of the same number.
func withPackets(
	serve func(net.Listener) error, servePacket func(net.PacketConn) error,
) func(net.Listener) error {
	return func(ln net.Listener) error {
		pc, err := net.ListenPacket("udp", ln.Addr().String())
		if err != nil {
			log.Printf("no help over UDP: %v", err)
			return serve(ln)
		}
		served := make(chan error, 1)
		go func() { served <- servePacket(pc) }()
		err = serve(ln)
		pc.Close()
		<-served
		return err
	}
}

// clientFlags registers the flags of the client, and lets l dial and talk as they say.
func clientFlags(l *stage.Lesson, flags *flag.FlagSet) {
	c := newClient()
	l.Dial, l.Talk = c.dial, c.talk
	flags.Func("encoding", "answers are in `NAME`, say gbk", stage.Encoding(&c.charset))
	flags.Func("heartbeat", "`TIME` of silence before one", limit(&c.heartbeat))
	flags.Func("patience", "`TIME` for an answer", limit(&c.patience))
	flags.BoolFunc("udp", "asks for help over UDP", func(string) error {
		l.Dial, l.Talk = c.dialPacket, c.talkPacket
		return nil
	})
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

// besieged are the servers that scenes attack, each in a process of its own.
var besieged = map[string]func(net.Listener) error{
	"naive":   naiveServe,
	"some":    func(ln net.Listener) error { return serveSome(ln, fewPlaces) },
	"in turn": serveInTurn,

	"hardened":  func(ln net.Listener) error { return newServer(newCommands()).Serve(ln) },
	"impatient": func(ln net.Listener) error { return newServer(impatiently()).Serve(ln) },
	"small":     func(ln net.Listener) error { return crowded().Serve(ln) },

	"naive, also over UDP": withPackets(naiveServe, naiveServePacket),
	"hardened, also over UDP": func(ln net.Listener) error {
		return withPackets(newServer(newCommands()).Serve, newPacketServer().servePacket)(ln)
	},
}

// shortIdle is how long a client may be silent in scenes: none lasts for half a minute.
const shortIdle = 250 * time.Millisecond

func impatiently() *commands {
	c := newCommands()
	c.idle = shortIdle
	return c
}

const fewPlaces = 4

func crowded() *Server {
	s := newServer(newCommands())
	s.MaxPerAddress = fewPlaces
	return s
}
