package main

import (
	"net"

	"socketbook/lessons/internal/scenario"
	"socketbook/lessons/internal/stage"
	"socketbook/tools/loopback"
)

var (
	here  = &chat{text: gb2312, run: 1}
	named = &chat{text: namedGB2312()}

	connected   = scenario.ConnectedFrom(dialFrom)
	unconnected = scenario.UnconnectedFrom(hearAnybody)

	programs      = scenario.NumberedPrograms{Serve: here.serveNumbered, Dial: dial, Talk: here.talkNumbered}
	naivePrograms = scenario.NumberedPrograms{Serve: here.oneBitServe, Dial: dial, Talk: here.oneBitTalk}
)

// foreign are a message in UTF-8, half a character of GB2312, and at last a message in GB2312.
var foreign = []string{"你好", "\xc4\xe3\xba", "\xc4\xe3\xba\xc3"}

// gbkOnly are lines that GBK can say and GB2312 cannot, and one that both can.
var gbkOnly = []string{"镕", "喆", "囍", "€", "國", "你好"}

var scenes = []stage.Scene{
	{
		Name: "talk", Line: "two programs, each with one socket: both send, and both hear",
		Run: scenario.DatagramTalk(connected, here.talk),
	},
	{
		Name: "one-line", Line: "one typed line, and nobody there to read it",
		Run: scenario.OneLine(dial, here.say),
	},
	{
		Name:      "unencodable",
		NaiveLine: "a line that GB2312 cannot say ends the chat",
		Naive:     scenario.Unencodable(connected, here.naiveTalk),
		Line:      "a line that GB2312 cannot say is not sent, and the chat goes on",
		Run:       scenario.Unencodable(connected, here.talk),
	},
	{
		Name:      "undecodable",
		NaiveLine: "a message in UTF-8 makes the hearer deaf, and nobody notices",
		Naive:     scenario.Undecodable(here.naiveTalk, scenario.Hang, foreign...),
		Line:      "a message in UTF-8, half a character, and a good message: each is said",
		Run:       scenario.Undecodable(here.talk, loopback.Patience, foreign...),
	},
	{
		Name:      "crossed-ports",
		NaiveLine: "each sends to one port and listens on another: they never meet",
		Naive:     scenario.CrossedPorts(unconnected, here.naiveTalk, crossed, scenario.Hang),
		Line:      "each sends to where the other one listens",
		Run:       scenario.CrossedPorts(connected, here.talk, paired, loopback.Patience),
	},
	{
		Name:      "gb2312-is-not-gbk",
		NaiveLine: "what x/text calls gb2312 sends GBK, which somebody with GB2312 cannot read",
		Naive:     scenario.NotGBK(connected, named.talk, here.talk, gbkOnly...),
		Line:      "the sender knows the rows and cells of GB2312, and is told",
		Run:       scenario.NotGBK(connected, here.talk, here.talk, gbkOnly...),
	},
	{
		Name: "numbered", Line: "datagrams are lost, held and doubled: each line arrives once",
		Run: scenario.Numbered(programs),
	},
	{
		Name: "doubled", Line: "the network doubles a message, which has a number: it is printed once",
		Run: scenario.DoubledNumbered(programs),
	},
	{
		Name: "overtaken", Line: "the network holds a message: the next one waits for it",
		Run: scenario.OvertakenNumbered(programs),
	},
	{
		Name:      "one-bit",
		NaiveLine: "numbers 0, 1, 0: a late copy of the first message takes the place of the third",
		Naive:     scenario.OneBit(naivePrograms),
		Line:      "numbers of 32 bits: a late copy is known, and thrown away",
		Run:       scenario.OneBit(programs),
	},
}

func hearAnybody(pc net.PacketConn, peer net.Addr) net.Conn { return naiveConn{pc, peer} }

// crossed is where two unchanged copies of the tutorials' program send, paired where they should.
func crossed(_, nobody string) string { return nobody }

func paired(other, _ string) string { return other }
