// Lesson 04: sticky packets. TCP carries bytes, not messages. The server runs commands, and its answers show it.
package main

import "socketbook/lessons/internal/stage"

var lesson = stage.Lesson{
	Number: "04", Title: "Sticky packets",
	Listen: listen, Serve: serve, Dial: dial, Talk: talk,
	RunsCommands: true, Encoding: &charset,
	Scenes: scenes,
}

func main() { stage.Main(lesson) }
