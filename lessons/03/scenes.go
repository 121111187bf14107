package main

import (
	"socketbook/lessons/internal/scenario"
	"socketbook/lessons/internal/stage"
)

var (
	programs      = scenario.Programs{Serve: serve, Dial: dial, Talk: talk}
	naivePrograms = scenario.Programs{Serve: naiveServe, Dial: dial, Talk: talk}
)

var scenes = []stage.Scene{
	{
		Name: "second-client", Line: "the first client leaves; a second one comes, and is served",
		Run: scenario.SecondClient(programs, scenario.Leave),
	},
	{
		Name: "next-client",
		Line: "a second client waits in the queue; the first one leaves, and it is served",
		Run:  scenario.NextClient(programs),
	},
	{
		Name: "after-reset", Line: "the next client is served after one that aborted",
		Run: scenario.SecondClient(programs, scenario.Abort),
	},
	{
		Name: "after-unread", Line: "the next client is served after one that left without reading",
		Run: scenario.SecondClient(programs, scenario.LeaveUnread),
	},
	{
		Name:      "never-closed",
		NaiveLine: "a handler that returns without closing: the peer never sees the end",
		Naive:     scenario.NeverClosed(naivePrograms),
		Line:      "a handler that closes its side: the peer sees the end",
		Run:       scenario.NeverClosed(programs),
	},
	{
		Name: "second-waits",
		Line: "a second client connects at once, and waits until the first one leaves",
		Run:  scenario.SecondWaits(programs),
	},
	{
		Name: "gbk-upper", Line: "a Chinese character in UTF-8 and in GBK; upper changes bytes, not characters",
		Run: scenario.UpperGBK(programs, "乤"),
	},
}
