// Lesson 03: an accept loop. Client after client, whatever one of them does.
package main

import "socketbook/lessons/internal/stage"

var lesson = stage.Lesson{
	Number: "03",
	Listen: listen, Serve: serve, Dial: dial, Talk: talk,
	Scenes: scenes,
}

func main() { stage.Main(lesson) }
