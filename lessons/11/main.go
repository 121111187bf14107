// Lesson 11: handshake and farewell. The segments and the states behind dial, close and reset.
package main

import "socketbook/lessons/internal/stage"

var lesson = stage.Lesson{
	Number: "11",
	Listen: listen, Serve: serve, Dial: dial, Talk: talk,
	Segments: true,
	Scenes:   scenes,
}

func main() { stage.Main(lesson) }
