package main

import (
	"embed"

	"socketbook/lessons/internal/scenario"
	"socketbook/lessons/internal/stage"
)

var (
	with    = scenario.Listening{How: "with SO_REUSEADDR", Listen: listen}
	without = scenario.Listening{How: "without SO_REUSEADDR", Listen: naiveListen}
)

// What is shown where there is no private network.
//
//go:embed testdata/recordings
var recordings embed.FS

const madeOn = "Linux 6.18"

// private returns a play in a private network, or its recording.
func private(name string, n scenario.PrivateNetwork, play scenario.PrivatePlay) scenario.Play {
	recording, _ := recordings.ReadFile("testdata/recordings/" + name + ".jsonl") // a test reads them all
	return scenario.OrRecorded(scenario.InPrivateNetwork(name, n, play), recording, madeOn)
}

var scenes = []stage.Scene{
	{
		Name:      "restart",
		NaiveLine: "a server ends first, and starts again; it was started without SO_REUSEADDR",
		Naive:     scenario.Restart(dial, without, without, with),
		Line:      "a server ends first, and starts again; it was started with SO_REUSEADDR",
		Run:       scenario.Restart(dial, with, without, with),
	},
	{
		Name: "still-listening", Line: "two programs want one port, and both have set SO_REUSEADDR",
		Run: private("still-listening", scenario.PrivateNetwork{}, scenario.StillListening(listen)),
	},
	{
		Name: "at-exit", Line: "when a port is free again after its program has ended",
		Run: scenario.AtExit(dial, without, with, itself, holder),
	},
	{
		Name: "who-has-it", Line: "the processes that hold a port, read from the kernel's tables",
		Run: scenario.WhoHasIt(listen, whoHas, holder),
	},
	{
		Name:      "ports-run-out",
		NaiveLine: "a connection for each message, and four ports to make them from",
		Naive: private("ports-run-out-naive", scenario.FourPorts,
			scenario.PortsRunOut(listen, serve, dial, naiveTalk)),
		Line: "one connection for all messages, and four ports to make it from",
		Run: private("ports-run-out", scenario.FourPorts,
			scenario.PortsRunOut(listen, serve, dial, scenario.OneConnection(talk))),
	},
	{
		Name:      "two-families",
		NaiveLine: "a name with two addresses, and a client that tries one of them",
		Naive: private("two-families-naive", scenario.TwoAddresses,
			scenario.TwoFamilies(listen, naiveDial)),
		Line: "a name with two addresses, and a client that tries both",
		Run:  private("two-families", scenario.TwoAddresses, scenario.TwoFamilies(listen, dial)),
	},
	{
		Name: "wildcard", Line: "0.0.0.0, [::] and an empty host: which clients reach such a server",
		Run: private("wildcard", scenario.PrivateNetwork{}, scenario.Wildcard()),
	},
	{
		Name: "privileged", Line: "ports below 1024, and an ordinary user",
		Run: private("privileged", scenario.PrivateNetwork{}, scenario.Privileged(listen)),
	},
	{
		Name: "port-zero", Line: "port 0 lets the system choose: from which range?",
		Run: private("port-zero", scenario.PrivateNetwork{}, scenario.PortZero(listen, dial)),
	},
}
