// Lesson 05: a struct header. Four bytes in front of each answer say how long it is, and no answer
// sticks to the next.
package main

import (
	"flag"

	"golang.org/x/text/encoding/unicode"

	"socketbook/lessons/internal/stage"
)

var lesson = stage.Lesson{
	Number: "05",
	Listen: listen, Serve: serve, Dial: dial, ClientFlags: clientFlags,
	RunsCommands: true,
	Scenes:       scenes,
}

func main() { stage.Main(lesson) }

// clientFlags registers the flags of the client, and lets l talk as they say.
func clientFlags(l *stage.Lesson, flags *flag.FlagSet) {
	c := &client{charset: unicode.UTF8}
	l.Talk = c.talk
	flags.Func("encoding", "answers are in `NAME`, say gbk", stage.Encoding(&c.charset))
}
