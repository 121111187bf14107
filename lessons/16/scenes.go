package main

import (
	_ "embed"
	"net"

	"socketbook/lessons/internal/scenario"
	"socketbook/lessons/internal/stage"
	"socketbook/tools/loopback"
)

// What is shown where it cannot be played.
var (
	//go:embed testdata/recordings/flood-naive.jsonl
	floodNaive []byte
	//go:embed testdata/recordings/flood.jsonl
	flood []byte
	//go:embed testdata/recordings/no-descriptors-naive.jsonl
	noDescriptorsNaive []byte
	//go:embed testdata/recordings/no-descriptors.jsonl
	noDescriptors []byte
	//go:embed testdata/recordings/full-queue-naive.jsonl
	fullQueueNaive []byte
	//go:embed testdata/recordings/full-queue.jsonl
	fullQueue []byte
)

const madeOn = "Linux 6.18"

// The servers that are attacked: those of naive.go, and this lesson's own.
var (
	naive  = scenario.Besieged{Name: "naive.go", Server: "naive", Ask: askFramed}
	some   = scenario.Besieged{Name: "naive.go with a limit", Server: "some", Ask: askFramed}
	inTurn = scenario.Besieged{Name: "lesson 04's server, unguarded", Server: "in turn", Ask: askBare}

	hardened  = scenario.Besieged{Name: "server.go", Server: "hardened", Ask: askFramed}
	impatient = scenario.Besieged{Name: "server.go", Server: "impatient", Ask: askFramed}
	small     = scenario.Besieged{Name: "server.go", Server: "small", Ask: askFramed}
)

const fewDescriptors = 64

func few(b scenario.Besieged) scenario.Besieged {
	b.Descriptors = fewDescriptors
	return b
}

func queued(b scenario.Besieged) scenario.Besieged {
	b.Queue = 1
	return b
}

var scenes = []stage.Scene{
	{
		Name:      "slow-drip",
		NaiveLine: "twenty clients send a byte now and then, and stay forever",
		Naive:     scenario.SlowDrips(shortIdle+scenario.Hang, naive),
		Line:      "twenty clients send a byte now and then, and have one deadline for all of it",
		Run:       scenario.SlowDrips(loopback.Patience, impatient),
		Slow:      true,
	},
	{
		Name:      "announced-2gib",
		NaiveLine: "a client announces 2 GiB, and the server makes room for them",
		Naive:     scenario.Announced2GiB(scenario.Hang, naive),
		Line:      "a client announces 2 GiB, and is not believed",
		Run:       scenario.Announced2GiB(loopback.Patience, hardened),
	},
	{
		Name:      "endless-header",
		NaiveLine: "a client sends a header that does not end, and the server keeps all of it",
		Naive:     scenario.EndlessHeader(scenario.Hang, naive),
		Line:      "a client sends a header that does not end, and is refused after four bytes",
		Run:       scenario.EndlessHeader(loopback.Patience, hardened),
	},
	{
		Name:      "garbage",
		NaiveLine: "noise ends one server, and is run by another",
		Naive:     scenario.OneAfterTheOther(scenario.Garbage(naive), scenario.NoiseForAShell(inTurn)),
		Line:      "noise is refused, piece by piece",
		Run:       scenario.Garbage(hardened),
	},
	{
		Name:      "half-open",
		NaiveLine: "twenty clients connect and say nothing",
		Naive: scenario.OneAfterTheOther(
			scenario.HalfOpen(shortIdle+scenario.Hang, loopback.Patience, naive),
			scenario.HalfOpen(scenario.Hang, scenario.Hang, inTurn)),
		Line: "twenty clients connect and say nothing, and lose their places",
		Run:  scenario.HalfOpen(loopback.Patience, loopback.Patience, impatient),
		Slow: true,
	},
	{
		Name:      "flood",
		NaiveLine: "a hundred clients come from one address, and all are let in",
		Naive:     scenario.OrRecorded(scenario.Flood(100, 100, naive), floodNaive, madeOn),
		Line:      "a hundred clients come from one address: four are let in",
		Run:       scenario.OrRecorded(scenario.Flood(100, fewPlaces, small), flood, madeOn),
	},
	{
		Name:      "no-descriptors",
		NaiveLine: "more clients than descriptors: accept fails, and the server ends",
		Naive: scenario.OrRecorded(
			scenario.NoDescriptorsLeft(70, few(naive)), noDescriptorsNaive, madeOn),
		Line: "more clients than descriptors: the server knows how many it can have",
		Run:  scenario.OrRecorded(scenario.NoDescriptorsLeft(70, few(impatient)), noDescriptors, madeOn),
		Slow: true,
	},
	{
		Name:      "full-queue",
		NaiveLine: "a server with no place does not accept: its queue fills up, and nobody gets in",
		Naive: scenario.OrRecorded(scenario.OneAfterTheOther(
			scenario.FullQueue(20, fewPlaces, scenario.Hang, queued(some)),
			scenario.FullQueue(20, 1, scenario.Hang, queued(inTurn))), fullQueueNaive, madeOn),
		Line: "a server with no place accepts, and says so: others are served",
		Run: scenario.OrRecorded(
			scenario.FullQueue(20, fewPlaces, loopback.Patience, queued(small)), fullQueue, madeOn),
		Slow: true,
	},
	{
		Name:      "control-characters",
		NaiveLine: "a command with control characters writes the log of others",
		Naive: scenario.OneAfterTheOther(
			scenario.ControlCharacters(scenario.Request, naive), scenario.ControlCharacters(bare, inTurn)),
		Line: "a command with control characters is refused, and quoted in the log",
		Run:  scenario.ControlCharacters(scenario.Request, hardened),
	},
	{
		Name:      "browser",
		NaiveLine: "a page of another origin makes a browser send a request",
		Naive: scenario.OneAfterTheOther(
			scenario.Browser(scenario.Hang, naive), scenario.BrowserForAShell(inTurn)),
		Line: "a page of another origin makes a browser send a request: it is no header",
		Run:  scenario.Browser(loopback.Patience, hardened),
	},
	{
		Name:      "reflected",
		NaiveLine: "a datagram with a forged source: the answer, many times as long, hits somebody else",
		Naive:     scenario.Reflected(naiveServePacket, question, askOnce),
		Line:      "a datagram with a forged source: the answer is a token, shorter than the question",
		Run:       scenario.Reflected(newPacketServer().servePacket, question, askPacket),
		Varies:    true, // a token is different each time
	},
}

const question = noToken + " help"

// askOnce asks a server that wants no token.
func askOnce(conn net.Conn) (answer string, err error) {
	if _, err := conn.Write([]byte(question)); err != nil {
		return "", err
	}
	buf := make([]byte, maxPacket)
	n, err := conn.Read(buf)
	return string(buf[:n]), err
}

// askFramed lets a server say a text, in the protocol of this lesson.
func askFramed(conn net.Conn, text string) (answer string, err error) {
	if _, err := conn.Write([]byte(scenario.Request("echo " + text))); err != nil {
		return "", err
	}
	_, output, err := decodeMessage(conn, maxAnswer)
	return string(output), err
}

// askBare does it without headers, as in lesson 04.
func askBare(conn net.Conn, text string) (answer string, err error) {
	if _, err := conn.Write([]byte(bare("echo " + text))); err != nil {
		return "", err
	}
	buf := make([]byte, 1024)
	n, err := conn.Read(buf)
	return string(buf[:n]), err
}

func bare(command string) string { return command }
