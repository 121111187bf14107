package main

import (
	_ "embed"
	"net"

	"socketbook/lessons/internal/scenario"
	"socketbook/lessons/internal/stage"
	"socketbook/tools/loopback"
)

var (
	programs      = scenario.Programs{Serve: scenario.UntilClosed(serve), Dial: dial, Talk: talk}
	naivePrograms = scenario.Programs{Serve: scenario.UntilClosed(naiveServe), Dial: dial, Talk: talk}
)

// What is shown where the kernel does not tell what is in its queues.
//
//go:embed testdata/recordings/back-pressure.jsonl
var pressureRecording []byte

var scenes = []stage.Scene{
	{
		Name:      "in-turn",
		NaiveLine: "each side speaks when it was answered: a second line waits",
		Naive:     scenario.InTurn(talkInTurn, answerInTurn, scenario.Hang),
		Line:      "both sides hear and say at the same time: a second line is heard at once",
		Run:       scenario.InTurn(talk, talk, loopback.Patience),
	},
	{
		Name: "room", Line: "many at once; nobody hears of the one without a name",
		Run: scenario.Room(programs),
	},
	{
		Name:      "slow-reader",
		NaiveLine: "one member does not read, and the room waits for it",
		Naive:     scenario.SlowReader(naivePrograms, scenario.Hang),
		Line:      "one member does not read, and is dropped",
		Run:       scenario.SlowReader(programs, loopback.Patience),
		Varies:    true,
	},
	{
		Name: "back-pressure", Line: "the reader stops reading: both queues fill, and then Write waits",
		Run:  scenario.OrRecorded(scenario.BackPressure(), pressureRecording, "Linux 6.18"),
		Plot: scenario.PressurePlot,
		Slow: true,
	},
	{
		Name: "cut-word", Line: "the line exit comes in two pieces, and ends the visit",
		Run: scenario.CutWord(visit, farewell+"\n"),
	},
	{
		Name:      "line-too-long",
		NaiveLine: "a line of 70,000 bytes: the reader stops, and takes it for the end of the chat",
		Naive:     scenario.LineTooLong(scanningHear),
		Line:      "a line of 70,000 bytes: the reader says that it is too long",
		Run:       scenario.LineTooLong(hear),
	},
	{
		Name:      "cut-character",
		NaiveLine: "each read is printed as it comes, and one ends inside a character",
		Naive:     scenario.CutLine(decodingHear),
		Line:      "a line is printed when all of it is there",
		Run:       scenario.CutLine(hear),
	},
	{
		Name:      "half-a-line",
		NaiveLine: "the peer leaves in the middle of a line, and the half is printed as if it were all",
		Naive:     scenario.HalfALine(scanningHear),
		Line:      "the peer leaves in the middle of a line: it is no line",
		Run:       scenario.HalfALine(hear),
	},
	{
		Name: "leave", Line: "either side says exit, or its program is ended: the other one notices",
		Run: scenario.ChatLeave(talk),
	},
}

// visit is the whole of a room with one client.
func visit(conn net.Conn) error { return newRoom().visit(conn) }
