// Lesson 05: a struct header. Four bytes in front of each answer say how long it is, and nothing sticks any more.
package main

import (
	"golang.org/x/text/encoding"
	"golang.org/x/text/encoding/unicode"

	"socketbook/lessons/internal/stage"
)

// charset is how the client decodes answers; the flag -encoding names another one.
var charset encoding.Encoding = unicode.UTF8

var lesson = stage.Lesson{
	Number: "05", Title: "Struct header",
	Listen: listen, Serve: serve, Dial: dial, Talk: talk,
	RunsCommands: true, Encoding: &charset,
	Scenes: scenes,
}

func main() { stage.Main(lesson) }
