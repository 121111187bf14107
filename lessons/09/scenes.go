package main

import (
	_ "embed"
	"net"
	"syscall"

	"socketbook/lessons/internal/scenario"
	"socketbook/lessons/internal/stage"
)

// What is shown where it cannot be played.
var (
	//go:embed testdata/recordings/no-descriptors-naive.jsonl
	spinningRecording []byte
	//go:embed testdata/recordings/no-descriptors.jsonl
	pausingRecording []byte
)

const madeOn = "Linux 6.18"

var scenes = []stage.Scene{
	{
		Name: "graceful", Line: "Shutdown lets a conversation finish; another one is cut off at a deadline",
		Run: scenario.Graceful(newServer, answer, dial),
	},
	{
		Name: "cut-off", Line: "Close, in the middle of an answer",
		Run: scenario.CutOff(newServer, dial),
	},
	{
		Name:      "panicking-handler",
		NaiveLine: "one client's handler panics, and takes the server with it",
		Naive:     scenario.PanickingHandler(panicker("naive"), dial),
		Line:      "one client's handler panics, and the others are served on",
		Run:       scenario.PanickingHandler(panicker(), dial),
	},
	{
		Name: "too-many", Line: "room for one client: the second one is told so",
		Run: scenario.TooMany(newServer, answer, dial),
	},
	{
		Name:      "accept-error",
		NaiveLine: "accept fails for a moment, and the server ends",
		Naive:     scenario.AcceptError(naively(naiveServe), errsTemporary[0], dial),
		Line:      "accept fails for a moment, and is tried again after a growing pause",
		Run:       scenario.AcceptError(serve, errsTemporary[0], dial),
	},
	{
		Name:      "no-descriptors",
		NaiveLine: "no descriptor is left, and the server spins around accept",
		Naive: scenario.OrRecorded(
			scenario.NoDescriptors(naively(naiveRetry), dial), spinningRecording, madeOn),
		Line: "no descriptor is left, and the server waits until there is one",
		Run:  scenario.OrRecorded(scenario.NoDescriptors(serve, dial), pausingRecording, madeOn),
	},
	{
		Name:      "open-listener",
		NaiveLine: "a server has ended, and nobody has closed its listener",
		Naive:     scenario.OpenListener(naively(naiveServe), syscall.EINVAL, dial, again),
		Line:      "a server has ended, and has closed its listener",
		Run:       scenario.OpenListener(serve, syscall.EINVAL, dial, again),
	},
	{
		Name: "unix-socket", Line: "the same Serve, on a listener that is a file",
		Run: scenario.UnixSocket(newServer, answer),
	},
}

func newServer(answer scenario.AnswerFunc, most int) scenario.ServerType {
	return &Server{Handler: HandlerFunc(answer), MaxClients: most}
}

// serve serves with a server of its own.
func serve(ln net.Listener) error { return newServer(answer, 0).Serve(ln) }

func naively(serve func(net.Listener, func(net.Conn) error) error) func(net.Listener) error {
	return func(ln net.Listener) error { return serve(ln, answer) }
}

var again = scenario.Listening{How: "again", Listen: listen}
