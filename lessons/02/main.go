// Lesson 02: a talk loop. Many messages on one connection, and every way in which it can end.
package main

import "socketbook/lessons/internal/stage"

var lesson = stage.Lesson{
	Number: "02",
	Listen: listen, Serve: serve, Dial: dial, Talk: talk,
	Scenes: scenes,
}

func main() { stage.Main(lesson) }
