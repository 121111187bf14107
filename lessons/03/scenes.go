package main

import (
	"socketbook/lessons/internal/scenario"
	"socketbook/lessons/internal/stage"
	"socketbook/tools/timeline"
)

var (
	programs      = scenario.Programs{Serve: serve, Dial: dial, Talk: talk}
	naivePrograms = scenario.Programs{Serve: naiveServe, Dial: dial, Talk: talk}
)

var scenes = []stage.Scene{
	{Name: "next-client", Line: "the first client leaves, and the second one is served", Run: nextClient},
	{Name: "after-reset", Line: "the next client is served after one that aborted", Run: afterReset},
	{Name: "after-unread", Line: "the next client is served after one that left without reading", Run: afterUnread},
	{Name: "never-closed", Line: "a handler that returns without closing: the peer never sees the end", Naive: naiveNeverClosed, Run: neverClosed},
	{Name: "second-waits", Line: "a second client connects at once, and waits until the first one leaves", Run: secondWaits},
}

func nextClient(rec *timeline.Recorder) error {
	_, _, err := scenario.NextClient(rec, programs, scenario.Leave)
	return err
}

func afterReset(rec *timeline.Recorder) error {
	_, _, err := scenario.NextClient(rec, programs, scenario.Abort)
	return err
}

func afterUnread(rec *timeline.Recorder) error {
	_, _, err := scenario.NextClient(rec, programs, scenario.LeaveUnread)
	return err
}

func naiveNeverClosed(rec *timeline.Recorder) error {
	_, err := scenario.NeverClosed(rec, naivePrograms)
	return err
}

func neverClosed(rec *timeline.Recorder) error {
	_, err := scenario.NeverClosed(rec, programs)
	return err
}

func secondWaits(rec *timeline.Recorder) error {
	_, _, err := scenario.SecondWaits(rec, programs)
	return err
}
