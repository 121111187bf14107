package main

import (
	"embed"

	"socketbook/lessons/internal/scenario"
	"socketbook/lessons/internal/segments"
	"socketbook/lessons/internal/stage"
)

// What is shown where there is no private network.
//
//go:embed testdata/recordings
var recordings embed.FS

const madeOn = "Linux 6.18"

// private returns a play in a private network whose segments are shown, or its recording.
func private(name string, play scenario.SegmentPlay) scenario.Play {
	recording, _ := recordings.ReadFile("testdata/recordings/" + name + ".jsonl") // a test reads them all
	return scenario.OrRecorded(scenario.InPrivate(name, nil, segments.Joined(play)), recording, madeOn)
}

var scenes = []stage.Scene{
	{
		Name: "three-way", Line: "the segments of a dial, an exchange and a close",
		Run: private("three-way", scenario.ThreeWay(listen, dial)),
	},
	{
		Name: "ack", Line: "two messages: how each is acknowledged",
		Run: private("ack", scenario.Ack(listen, dial)),
	},
	{
		Name: "half-close", Line: "a client closes its writing half, and the server sends on",
		Run: private("half-close", scenario.HalfClose(listen, dial)),
	},
	{
		Name: "four-way", Line: "a farewell of three segments, and one of four",
		Run: private("four-way", scenario.FourWay(listen, dial)),
	},
	{
		Name: "time-wait", Line: "the side that closes first is in TIME_WAIT afterwards",
		Run: private("time-wait", scenario.TimeWait(listen, dial)),
	},
	{
		Name: "refused", Line: "a dial to a port where nobody listens",
		Run: private("refused", scenario.RefusedOnWire(dial)),
	},
	{
		Name: "reset", Line: "three ways to a reset",
		Run: private("reset", scenario.Resets(listen, dial)),
	},
	{
		Name: "lost-and-resent", Line: "a segment is lost, and sent again",
		Run: private("lost-and-resent", scenario.LostAndResent(listen, dial)),
	},
	{
		Name:      "close-wait",
		NaiveLine: "five clients come and leave; the server never closes its side",
		Naive:     private("close-wait-naive", scenario.CloseWait(listen, naiveServe, dial, talk)),
		Line:      "five clients come and leave; the server closes its side",
		Run:       private("close-wait", scenario.CloseWait(listen, serve, dial, talk)),
	},
	{
		Name: "long-short", Line: "five messages over one connection, and over five",
		Run: private("long-short", scenario.LongShort(listen, serve, dial, talk)),
	},
}
