// Lesson 13: chat over UDP, in GB2312. Two programs that both send and hear, and an encoding that
// lacks characters; and numbers that bring each message once and in order.
package main

import (
	"errors"
	"flag"
	"math/rand/v2"
	"net"

	"socketbook/lessons/internal/stage"
)

var lesson = stage.Lesson{
	Number:       "13",
	ListenPacket: listen, ServerFlags: serverFlags,
	Dial: dial, Chats: true, ClientFlags: clientFlags,
	Scenes: scenes,
}

func main() { stage.Main(lesson) }

func serverFlags(l *stage.Lesson, flags *flag.FlagSet) {
	c := &chat{text: gb2312}
	l.ServePacket = func(pc net.PacketConn) error { return c.servePacket(pc, l.Out) }
	flags.Func("encoding", "text is in `NAME`, say utf-8", encodingFlag(&c.text))
	flags.BoolFunc("numbered", "each message once, in order", func(string) error {
		l.ServePacket = func(pc net.PacketConn) error { return c.serveNumbered(pc, l.Out) }
		return nil
	})
}

func clientFlags(l *stage.Lesson, flags *flag.FlagSet) {
	c := &chat{text: gb2312, run: rand.Uint32()}
	l.Talk = c.talk
	flags.Func("bind", "speaks and hears at `HOST:PORT`", func(own string) error {
		if _, err := net.ResolveUDPAddr("udp", own); err != nil {
			return errors.New("an address is HOST:PORT, such as 127.0.0.1:8888")
		}
		l.Dial = func(addr string) (net.Conn, error) { return dialFrom(own, addr) }
		return nil
	})
	flags.Func("encoding", "text is in `NAME`, say utf-8", encodingFlag(&c.text))
	flags.BoolFunc("numbered", "sends again what is lost", func(string) error {
		l.Talk = c.talkNumbered
		return nil
	})
}

// encodingFlag is stage.Encoding, but for gb2312: there the list of the browsers means GBK.
func encodingFlag(c *charset) func(name string) error {
	return func(name string) error {
		if name == gb2312.name {
			*c = gb2312
			return nil
		}
		*c = charset{name: name}
		return stage.Encoding(&c.Encoding)(name)
	}
}
