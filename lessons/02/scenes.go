package main

import (
	"socketbook/lessons/internal/scenario"
	"socketbook/lessons/internal/stage"
)

var programs = scenario.Programs{Serve: serve, Dial: dial, Talk: talk}

var scenes = []stage.Scene{
	{
		Name: "talk", Line: "several messages on one connection, until the client says quit",
		Run: scenario.Talking(programs, "hello", "how are you", "quit", "never sent"),
	},
	{
		Name: "second-message", Line: "the same client sends again, and is answered again",
		Run: scenario.SecondMessage(programs),
	},
	{
		Name:      "empty-line",
		NaiveLine: "somebody presses Enter: 0 bytes are sent, and both sides wait",
		Naive:     scenario.EmptyLine(answer, naiveTalk),
		Line:      "somebody presses Enter: nothing is sent, and nobody waits",
		Run:       scenario.EmptyLine(answer, talk),
	},
	{
		Name:      "spin",
		NaiveLine: "the client leaves; a server that does not look reads 0 bytes forever",
		Naive:     scenario.Spin(naiveAnswer),
		Line:      "the client leaves; a server that looks at the error stops reading",
		Run:       scenario.Spin(answer),
	},
	{
		Name:      "reset",
		NaiveLine: "the client aborts instead of closing: an error for a server that knows only the end",
		Naive:     scenario.Reset(eofOnlyAnswer),
		Line:      "the client aborts instead of closing: that counts as leaving",
		Run:       scenario.Reset(answer),
	},
	{
		Name: "unread-answer",
		NaiveLine: "the client sends 5000 bytes and leaves without reading an answer: " +
			"the server fails as it writes",
		Naive: scenario.UnreadAnswer(resetOnlyAnswer),
		Line:  "the client sends 5000 bytes and leaves without reading an answer: that counts as leaving",
		Run:   scenario.UnreadAnswer(answer),
	},
	{
		Name:      "swallowed",
		NaiveLine: "the server's own mistake is taken for a client that has left, and hidden",
		Naive:     scenario.Swallowed(swallowingAnswer),
		Line:      "the server's own mistake is reported as what it is",
		Run:       scenario.Swallowed(answer),
	},
	{
		Name:      "close-inside",
		NaiveLine: "the client closes inside its loop; the second message meets a closed connection",
		Naive:     scenario.CloseInside(answer, closingTalk),
		Line:      "the client closes after its loop, and both messages are answered",
		Run:       scenario.CloseInside(answer, talk),
	},
	{
		Name: "next-client",
		Line: "a second client waits in the queue; the first one leaves, and it is dropped",
		Run:  scenario.NextClient(programs),
	},
}
