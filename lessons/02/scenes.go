package main

import (
	"socketbook/lessons/internal/scenario"
	"socketbook/lessons/internal/stage"
	"socketbook/tools/timeline"
)

var programs = scenario.Programs{Serve: serve, Dial: dial, Talk: talk}

var scenes = []stage.Scene{
	{Name: "talk", Line: "several messages on one connection, until the client says quit", Run: converse},
	{Name: "empty-line", Line: "somebody presses Enter: 0 bytes are sent, and both sides wait", Naive: naiveEmptyLine, Run: emptyLine},
	{Name: "spin", Line: "the client leaves; a server that does not look reads 0 bytes for ever", Naive: naiveSpin, Run: spin},
	{Name: "reset", Line: "the client aborts instead of closing", Naive: naiveReset, Run: reset},
	{Name: "unread-answer", Line: "the client sends 5000 bytes and leaves without reading an answer", Naive: naiveUnreadAnswer, Run: unreadAnswer},
	{Name: "next-client", Line: "the first client leaves, and nobody is there for the second", Run: nextClient},
}

func converse(rec *timeline.Recorder) error {
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
	_, err = scenario.Talk(rec, "client", talk, conn, "hello", "how are you", "quit", "never sent")
	return err
}

func naiveEmptyLine(rec *timeline.Recorder) error {
	_, _, err := scenario.EmptyLine(rec, answer, naiveTalk)
	return err
}

func emptyLine(rec *timeline.Recorder) error {
	_, _, err := scenario.EmptyLine(rec, answer, talk)
	return err
}

func naiveSpin(rec *timeline.Recorder) error {
	_, err := scenario.Spin(rec, naiveAnswer)
	return err
}

func spin(rec *timeline.Recorder) error {
	_, err := scenario.Spin(rec, answer)
	return err
}

func naiveReset(rec *timeline.Recorder) error {
	_, err := scenario.Reset(rec, eofOnlyAnswer)
	return err
}

func reset(rec *timeline.Recorder) error {
	_, err := scenario.Reset(rec, answer)
	return err
}

func naiveUnreadAnswer(rec *timeline.Recorder) error {
	_, err := scenario.UnreadAnswer(rec, resetOnlyAnswer)
	return err
}

func unreadAnswer(rec *timeline.Recorder) error {
	_, err := scenario.UnreadAnswer(rec, answer)
	return err
}

func nextClient(rec *timeline.Recorder) error {
	_, _, err := scenario.NextClient(rec, programs, scenario.Leave)
	return err
}
