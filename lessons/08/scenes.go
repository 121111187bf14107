package main

import (
	_ "embed"
	"io"
	"net"
	"os"
	"os/exec"

	"socketbook/lessons/internal/scenario"
	"socketbook/lessons/internal/stage"
	"socketbook/tools/loopback"
)

var (
	programs      = scenario.Programs{Serve: scenario.UntilClosed(serve), Dial: dial, Talk: talk}
	naivePrograms = scenario.Programs{Serve: naiveServe, Dial: dial, Talk: talk}
	children      = scenario.Children{Dial: dial, Program: func() *exec.Cmd { return answerer("") }}
)

// What is shown where it cannot be played.
var (
	//go:embed testdata/recordings/backlog.jsonl
	backlogRecording []byte
	//go:embed testdata/recordings/crowd.jsonl
	crowdRecording []byte
)

const madeOn = "Linux 6.18"

var scenes = []stage.Scene{
	{
		Name: "second-waits", Line: "a second client connects, and is served while the first one is there",
		Run: scenario.SecondWaitsAtMost(programs, loopback.Patience/2), // the server is given up after all of it
	},
	{
		Name:      "mixed-lines",
		NaiveLine: "two handlers log in pieces at the same time: the lines are mixed",
		Naive:     scenario.MixedLines(scenario.Programs{Serve: naiveLogServe, Dial: dial}),
		Line:      "two handlers log a line each, with one write: the lines stay whole",
		Run:       scenario.MixedLines(scenario.Programs{Serve: serve, Dial: dial}),
	},
	{
		Name:      "error-elsewhere",
		NaiveLine: "a reset, and a server that looks for it where it calls accept",
		Naive:     scenario.ErrorElsewhere(naivePrograms, scenario.Hang),
		Line:      "a reset, and a server that looks for it where it reads",
		Run:       scenario.ErrorElsewhere(programs, loopback.Patience),
	},
	{
		Name: "process", Line: "a process for each client, which inherits the accepted connection",
		Run: scenario.Processes(children, serveProcesses),
	},
	{
		Name:      "parents-copy",
		NaiveLine: "the parent keeps its connection, or the copy for the process: nobody sees the end",
		Naive:     scenario.ParentsCopy(children, scenario.Hang, keepsConn, keepsCopy),
		Line:      "the parent closes its connection and the copy: the client sees the end",
		Run:       scenario.ParentsCopy(children, loopback.Patience, keepsNothing),
	},
	{
		Name:      "zombie",
		NaiveLine: "a process has ended, and its parent does not wait for it: a zombie",
		Naive:     scenario.Zombie(children, scenario.Hang, naiveKeepsNothing),
		Line:      "a process has ended, and its parent waits for it",
		Run:       scenario.Zombie(children, loopback.Patience, keepsNothing),
	},
	{
		Name: "cut-word", Line: "886 ends the conversation, but it comes in two pieces",
		Run: scenario.CutWord(greet("hi"), farewell),
	},
	{
		Name: "crowd", Line: "what a client costs: a goroutine, a thread in Python, or a process",
		Run: scenario.OrRecorded(scenario.Crowd(
			scenario.CrowdServer{
				Kind: "a goroutine each", Command: itself("server"), Clients: []int{10, 100, 1000},
			},
			scenario.CrowdServer{
				Kind: "Python: a thread", Command: pythonServer(), Clients: []int{10, 100, 1000},
			},
			scenario.CrowdServer{
				Kind: "a process each", Command: itself("server", "-process"), Clients: []int{1, 10, 30},
			},
		), crowdRecording, madeOn),
		Plot: scenario.CrowdPlot,
		Slow: true,
	},
	{
		Name: "backlog", Line: "a listener's two queues, and a dial that finds the second one full",
		Slow: true,
		Run: scenario.OrRecorded(
			scenario.InPrivate("backlog", scenario.BacklogSysctls, scenario.Backlog(listen, dial)),
			backlogRecording, madeOn),
	},
	{
		Name:      "relay",
		NaiveLine: "a relay that closes both sides at the first end: the answer is lost",
		Naive:     scenario.Relayed(dial, naiveRelay),
		Line:      "a relay that passes on the end, each way: the answer arrives",
		Run:       scenario.Relayed(dial, relay),
	},
}

func keepsNothing(conn net.Conn, cmd *exec.Cmd) (kept io.Closer, err error) {
	return nil, handOver(conn, cmd)
}

func naiveKeepsNothing(conn net.Conn, cmd *exec.Cmd) (kept io.Closer, err error) {
	return nil, naiveHandOver(conn, cmd)
}

// itself returns this lesson as a program with those arguments, on a free port.
func itself(args ...string) func() *exec.Cmd {
	return func() *exec.Cmd {
		program, err := os.Executable()
		cmd := exec.Command(program, append(args, "-addr", "127.0.0.1:0")...)
		cmd.Err = err
		return cmd
	}
}

//go:embed testdata/server.py
var threadingServer string

// pythonServer returns Python's ThreadingTCPServer, or nil where there is no Python.
func pythonServer() func() *exec.Cmd {
	python, err := exec.LookPath("python3")
	if err != nil {
		return nil
	}
	return func() *exec.Cmd { return exec.Command(python, "-c", threadingServer) }
}
