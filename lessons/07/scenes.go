package main

import (
	"net"
	"strings"

	"socketbook/lessons/internal/scenario"
	"socketbook/lessons/internal/stage"
)

var (
	programs      = scenario.PacketPrograms{Serve: servePacket, Dial: dial, Talk: talk}
	naivePrograms = scenario.PacketPrograms{Serve: servePacket, Dial: dial, Talk: naiveTalk}

	connected   = scenario.Connected(dial)
	unconnected = scenario.Unconnected(hearAnybody)
)

var scenes = []stage.Scene{
	{
		Name: "no-glue", Line: "world and hello: two datagrams, two reads, whenever the reader comes",
		Run: scenario.DatagramGlue(servePacket),
	},
	{
		Name: "any-order-start", Line: "the client starts before the server",
		Run: scenario.AnyOrderStart(programs, listen),
	},
	{
		Name:      "truncated",
		NaiveLine: "room for 3 bytes, and hello comes: its end is cut off, and nobody is told",
		Naive:     scenario.Truncated(cutting),
		Line:      "room for 3 bytes and one more, and hello comes: the reader notices",
		Run:       scenario.Truncated(noticing),
	},
	{
		Name: "empty", Line: "an empty line: a datagram of 0 bytes is a message",
		Run: scenario.Converse(programs, "", "hello"),
	},
	{
		Name: "too-big", Line: "65,507 bytes fit into a datagram, 65,508 do not",
		Run: scenario.Sizes(programs, longest, longest+"a", "hello"),
	},
	{
		Name: "overflow", Line: "a reader that does not read: datagrams vanish without an error",
		Run: scenario.QueueOverflow(),
	},
	{
		Name:      "nobody",
		NaiveLine: "sending to a port where nobody is: a socket that hears from anybody is told nothing",
		Naive:     scenario.Nobody(unconnected),
		Line:      "sending to a port where nobody is: a connected socket is told",
		Run:       scenario.Nobody(connected),
	},
	{
		Name:      "both-wait",
		NaiveLine: "the message is lost, and both sides wait",
		Naive:     scenario.BothWait(naivePrograms),
		Line:      "the message is lost, and the client has a deadline",
		Run:       scenario.BothWait(programs),
	},
	{
		Name:      "forged",
		NaiveLine: "a third socket answers before the server does, and is believed",
		Naive:     scenario.Forged(servePacket, unconnected, talk),
		Line:      "a third socket answers before the server does, and is not heard",
		Run:       scenario.Forged(servePacket, connected, talk),
	},
	{
		Name: "doubled", Line: "the network doubles a message: from there on each answer is taken for the next one",
		Run: scenario.Doubled(programs),
	},
	{
		Name: "overtaken", Line: "the network is quicker with the second message than with the first",
		Run: scenario.Overtaken(programs),
	},
	{
		Name:      "echo-loop",
		NaiveLine: "one datagram with the server's own address as its sender: it answers itself, forever",
		Naive:     scenario.EchoLoop(naiveServe),
		Line:      "one datagram with the server's own address as its sender: thrown away",
		Run:       scenario.EchoLoop(servePacket),
	},
	{
		Name:      "echo-pair",
		NaiveLine: "two of our servers, and one datagram from one to the other: the same loop",
		Naive:     scenario.EchoPair(servePacket, "hello"),
		Line:      "the same with a format that tells an answer from a question: one answer, and silence",
		Run:       scenario.EchoPair(scenario.ServeTyped, scenario.Question),
	},
	{
		Name: "bad-text", Line: "a message that is not UTF-8, and then one that is",
		Run: scenario.Converse(programs, "caf\xe9 \xff", "hello"),
	},
}

var longest = strings.Repeat("a", maxMessage)

func hearAnybody(pc net.PacketConn, server net.Addr) net.Conn { return naiveConn{pc, server} }

// cutting reads with the naive function into limit bytes, noticing with the other one into one more.
func cutting(pc net.PacketConn, limit int) ([]byte, error) {
	buf := make([]byte, limit)
	n, _, err := naiveReceive(pc, buf)
	return buf[:n], err
}

func noticing(pc net.PacketConn, limit int) ([]byte, error) {
	buf := make([]byte, limit+1)
	n, _, err := receive(pc, buf)
	return buf[:n], err
}
