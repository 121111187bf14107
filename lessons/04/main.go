// Lesson 04: sticky packets. TCP carries bytes, not messages. The server runs commands, and its answers show it.
package main

import (
	"golang.org/x/text/encoding"
	"golang.org/x/text/encoding/unicode"

	"socketbook/lessons/internal/stage"
)

// charset is how the client decodes answers; the flag -encoding names another one.
var charset encoding.Encoding = unicode.UTF8

var lesson = stage.Lesson{
	Number: "04", Title: "Sticky packets",
	Listen: listen, Serve: serve, Dial: dial, Talk: talk,
	RunsCommands: true, Encoding: &charset,
	Scenes: scenes,
}

func main() { stage.Main(lesson) }
