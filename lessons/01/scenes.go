package main

import (
	"io"
	"net"
	"strings"

	"socketbook/lessons/internal/scenario"
	"socketbook/lessons/internal/stage"
)

var programs = scenario.Programs{Serve: serve, Dial: dial, Talk: talk}

var scenes = []stage.Scene{
	{
		Name: "echo", Line: "hello goes out, HELLO comes back, both close",
		Run: scenario.Talking(programs, "hello"),
	},
	{
		Name: "server-first", Line: "the server greets before it is spoken to: either side may begin",
		Run: scenario.BothListen(readFirst, greet),
	},
	{
		Name:      "both-listen",
		NaiveLine: "both sides read first, and nobody ever speaks",
		Naive:     scenario.BothListen(readFirst, readFirst),
		Line:      "one side begins, and the other one answers",
		Run:       scenario.BothListen(sayHello, answer),
	},
	{
		Name: "second-message", Line: "the same client sends again, and meets the end of the stream",
		Run: scenario.SecondMessage(programs),
	},
	{
		Name: "second-client", Line: "a second client comes, and the server has gone",
		Run: scenario.SecondClient(programs, scenario.Leave),
	},
	{
		Name: "nobody-there", Line: "dialling a port where nobody listens",
		Run: scenario.NobodyThere(dial),
	},
	{
		Name: "listening-is-enough", Line: "a client connects, sends and leaves before accept is called",
		Run: scenario.ListeningIsEnough(listen, dial, answer),
	},
}

// greet speaks without having been spoken to.
func greet(conn net.Conn) error {
	_, err := conn.Write([]byte("welcome"))
	return err
}

// sayHello is the lesson's client with one line to send.
func sayHello(conn net.Conn) error {
	return talk(conn, strings.NewReader("hello\n"), io.Discard)
}
