// Lesson 12: chat over TCP. Both sides speak whenever they like, in lines; and a room for many.
package main

import (
	"errors"
	"flag"
	"net"

	"socketbook/lessons/internal/stage"
)

var lesson = stage.Lesson{
	Number: "12",
	Listen: listen, Serve: serve, ServerFlags: serverFlags,
	Dial: dial, Talk: talk, Chats: true, ClientFlags: clientFlags,
	Scenes: scenes,
}

func main() { stage.Main(lesson) }

// serverFlags registers the flags of the server: what it serves instead of the room.
func serverFlags(l *stage.Lesson, flags *flag.FlagSet) {
	flags.BoolFunc("pair", "you and one client, no room", func(string) error {
		l.Serve = func(ln net.Listener) error { return servePair(ln, l.In, l.Out, talk) }
		return nil
	})
	flags.Func("framing", "`none`: -pair, unframed", framing(func() {
		l.Serve = func(ln net.Listener) error { return servePair(ln, l.In, l.Out, answerInTurn) }
	}))
}

func clientFlags(l *stage.Lesson, flags *flag.FlagSet) {
	flags.Func("framing", "`none`: in turn, unframed", framing(func() { l.Talk = talkInTurn }))
}

// framing is the function of a flag that has one value beside the usual one, "line".
func framing(none func()) func(string) error {
	return func(name string) error {
		switch name {
		case "none":
			none()
		case "line":
		default:
			return errors.New("it is line or none")
		}
		return nil
	}
}
