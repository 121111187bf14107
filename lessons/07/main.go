// Lesson 07: UDP, where nothing sticks. Datagrams keep their boundaries, and may vanish.
package main

import "socketbook/lessons/internal/stage"

var lesson = stage.Lesson{
	Number:       "07",
	ListenPacket: listen, ServePacket: servePacket, Dial: dial, Talk: talk,
	Scenes: scenes,
}

func main() { stage.Main(lesson) }
