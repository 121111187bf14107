package main

import (
	"net"

	"socketbook/lessons/internal/scenario"
	"socketbook/lessons/internal/stage"
	"socketbook/tools/loopback"
	"socketbook/tools/timeline"
)

var programs = scenario.Programs{Serve: serve, Dial: dial, Talk: talk}

var scenes = []stage.Scene{
	{Name: "echo", Line: "hello goes out, HELLO comes back, both close", Run: echo},
	{Name: "server-first", Line: "the server greets before it is spoken to: either side may begin", Run: serverFirst},
	{Name: "both-listen", Line: "both sides read first, and nobody ever speaks", Run: bothListen},
	{Name: "second-message", Line: "the same client sends again, and meets the end of the stream", Run: secondMessage},
	{Name: "second-client", Line: "a second client comes, and the server has gone", Run: secondClient},
	{Name: "nobody-there", Line: "dialling a port where nobody listens", Run: nobodyThere},
}

func echo(rec *timeline.Recorder) error {
	server, err := scenario.Start(rec, serve)
	if err != nil {
		return err
	}
	defer server.Stop()
	conn, err := rec.Dial("client", server.Addr, dial)
	if err != nil {
		return err
	}
	defer conn.Close()
	_, err = scenario.Talk(rec, "client", talk, conn, "hello")
	return err
}

func serverFirst(rec *timeline.Recorder) error {
	_, err := scenario.BothListen(rec, readFirst, greet)
	return err
}

func bothListen(rec *timeline.Recorder) error {
	_, err := scenario.BothListen(rec, readFirst, readFirst)
	return err
}

// greet speaks without having been spoken to.
func greet(conn net.Conn) error {
	_, err := conn.Write([]byte("welcome"))
	return err
}

// readFirst waits for the other side to begin.
func readFirst(conn net.Conn) error {
	_, err := conn.Read(make([]byte, maxRead))
	return err
}

func secondMessage(rec *timeline.Recorder) error {
	_, _, err := scenario.SecondMessage(rec, programs)
	return err
}

func secondClient(rec *timeline.Recorder) error {
	_, _, err := scenario.NextClient(rec, programs, scenario.Leave)
	return err
}

func nobodyThere(rec *timeline.Recorder) error {
	addr, err := loopback.FreeAddr()
	if err != nil {
		return err
	}
	conn, err := rec.Dial("client", addr, dial)
	if err == nil {
		return conn.Close()
	}
	rec.Note("client", nil, "is told: %v", err)
	return nil
}
