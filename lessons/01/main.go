// Lesson 01: one-shot echo. One client, one message, one answer, and both close.
package main

import "socketbook/lessons/internal/stage"

var lesson = stage.Lesson{
	Number: "01",
	Listen: listen, Serve: serve, Dial: dial, Talk: talk,
	Scenes: scenes,
}

func main() { stage.Main(lesson) }
