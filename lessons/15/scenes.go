package main

import (
	"context"
	_ "embed"
	"io"
	"net"
	"time"

	"socketbook/lessons/internal/scenario"
	"socketbook/lessons/internal/stage"
)

// What is shown where it cannot be played.
var (
	//go:embed testdata/recordings/dial-timeout.jsonl
	dialRecording []byte
	//go:embed testdata/recordings/heartbeat-naive.jsonl
	vanishedRecording []byte
	//go:embed testdata/recordings/heartbeat.jsonl
	noticedRecording []byte
	//go:embed testdata/recordings/stopped-process.jsonl
	stoppedRecording []byte
)

const madeOn = "Linux 6.18"

var scenes = []stage.Scene{
	{
		Name:      "slow-command",
		NaiveLine: "a command takes longer than its limit: its shell is ended, and no more",
		Naive:     scenario.SlowCommand(naively, waitsForSleep),
		Line:      "a command takes longer than its limit: it is ended with all that it has started",
		Run:       scenario.SlowCommand(run, waitsForSleep),
	},
	{
		Name:      "waits-for-input",
		NaiveLine: "a command reads its input: the server's keyboard",
		Naive:     scenario.WaitsForInput(naiveRun, readsInput),
		Line:      "a command reads its input: there is none",
		Run:       scenario.WaitsForInput(withoutKeyboard, readsInput),
	},
	{
		Name:      "exit-status",
		NaiveLine: "commands that print nothing all look alike",
		Naive:     scenario.ExitStatus(newServer, naiveAnswer, quick.dial, quick.talk, printNothing...),
		Line:      "commands that print nothing, and how each of them ended",
		Run:       scenario.ExitStatus(newServer, patient.handle, quick.dial, quick.talk, printNothing...),
	},
	{
		Name: "idle", NaiveLine: "a client says nothing, and keeps its place",
		Naive: scenario.IdleClient(newServer, endless, quick.dial, quick.ask),
		Line:  "a client says nothing, and loses its place",
		Run:   scenario.IdleClient(newServer, idle, quick.dial, quick.ask),
	},
	{
		Name: "slow-drip", Slow: true,
		NaiveLine: "a byte now and then, and a limit for each read",
		Naive:     scenario.SlowDrip(naiveDrip, aMessage),
		Line:      "a byte now and then, and a limit for the message",
		Run:       scenario.SlowDrip(idle, aMessage),
	},
	{
		Name: "heartbeat", Slow: true,
		NaiveLine: "clients vanish, and nobody says so",
		Naive:     scenario.OrRecorded(vanishedNaive, vanishedRecording, madeOn),
		Line:      "clients vanish, and each side notices by its own means",
		Run:       scenario.OrRecorded(vanished, noticedRecording, madeOn),
	},
	{
		Name: "stopped-process", Slow: true,
		Line: "a server's process is stopped: who still answers?",
		Run: scenario.OrRecorded(scenario.StoppedProcess(serverProcess, quick.ask, hasty.ask),
			stoppedRecording, madeOn),
	},
	{
		Name: "partial-send", Line: "a write with a deadline, to a peer that does not read",
		Run: scenario.PartialSend(), Varies: true,
	},
	{
		Name: "dial-timeout", Line: "a dial with a limit, to a listener whose queue is full",
		Run: scenario.OrRecorded(scenario.DialTimeout(quick.dial, hasty.dial), dialRecording, madeOn),
	},
	{
		Name: "errno", Line: "which errors have a number of the system, and which are timeouts",
		Run: scenario.Errnos(quick.dial, now),
	},
	{
		Name:      "cancelled",
		NaiveLine: "a context ends a read, and spoils the next one",
		Naive:     scenario.Cancelled(naiveReadContext),
		Line:      "a context ends a read, and only that",
		Run:       scenario.Cancelled(readContext),
	},
}

var (
	vanishedNaive = scenario.InPrivate("heartbeat-naive", nil,
		scenario.Vanished(endless, naiveAsk, naiveAsk, false))
	vanished = scenario.InPrivate("heartbeat", nil,
		scenario.Vanished(idle, quick.ask, hasty.ask, true))
)

func naively(ctx context.Context, command string) (int, []byte) { return naiveRun(ctx, command, nil) }

func withoutKeyboard(ctx context.Context, command string, _ io.Reader) (int, []byte) {
	return run(ctx, command)
}

func newServer(answer scenario.AnswerFunc, most int) scenario.ServerType {
	return &Server{
		Handler:    HandlerFunc(func(_ context.Context, conn net.Conn) error { return answer(conn) }),
		MaxClients: most,
	}
}

// handle is answer for a server that cuts nobody off.
func (c *commands) handle(conn net.Conn) error { return c.answer(context.Background(), conn) }

var (
	patient = newCommands()
	quick   = newClient()
	hasty   = &client{connect: scenario.Hang, patience: 2 * scenario.Hang}
)

// idle returns an answer whose clients have that long for a command.
func idle(limit time.Duration) scenario.AnswerFunc {
	c := newCommands()
	c.idle = limit
	return c.handle
}

// endless returns an answer that has no limit at all.
func endless(time.Duration) scenario.AnswerFunc { return naiveAnswer }

// naiveDrip is idle with a limit for each read.
func naiveDrip(limit time.Duration) scenario.AnswerFunc {
	return func(conn net.Conn) error {
		defer conn.Close()
		_, _, err := naiveReadMessage(conn, limit, maxCommand)
		return err
	}
}

// aMessage is a request, of which slow-drip sends some bytes.
var aMessage = []byte("\x1e\x00\x00\x00" + `{"status":0,"total_size":1000}`)
