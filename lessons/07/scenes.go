package main

import (
	"net"
	"strings"

	"socketbook/lessons/internal/scenario"
	"socketbook/lessons/internal/stage"
	"socketbook/tools/timeline"
)

var (
	programs      = scenario.PacketPrograms{Serve: servePacket, Dial: dial, Talk: talk}
	naivePrograms = scenario.PacketPrograms{Serve: servePacket, Dial: dial, Talk: naiveTalk}

	connected   = scenario.Connected(dial)
	unconnected = scenario.Unconnected(func(pc net.PacketConn, server net.Addr) net.Conn { return naiveConn{pc, server} })
)

var scenes = []stage.Scene{
	{Name: "no-glue", Line: "world and hello: two datagrams, two reads, whenever the reader comes", Run: noGlue},
	{Name: "any-order-start", Line: "the client starts before the server", Run: anyOrderStart},
	{Name: "truncated", Line: "room for 3 bytes, and hello comes", Naive: naiveTruncated, Run: truncated},
	{Name: "empty", Line: "an empty line: a datagram of 0 bytes is a message", Run: empty},
	{Name: "too-big", Line: "65,507 bytes fit into a datagram, 65,508 do not", Run: tooBig},
	{Name: "overflow", Line: "a reader that does not read: datagrams vanish without an error", Run: overflow},
	{Name: "nobody", Line: "sending to a port where nobody is", Naive: naiveNobody, Run: nobody},
	{Name: "both-wait", Line: "the message is lost, and both sides wait", Naive: naiveBothWait, Run: bothWait},
	{Name: "forged", Line: "a third socket answers before the server does", Naive: naiveForged, Run: forged},
	{Name: "bad-text", Line: "a message that is not UTF-8, and then one that is", Run: badText},
}

func noGlue(rec *timeline.Recorder) error {
	_, err := scenario.DatagramGlue(rec, servePacket)
	return err
}

func anyOrderStart(rec *timeline.Recorder) error {
	_, err := scenario.AnyOrderStart(rec, programs, listen)
	return err
}

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

func naiveTruncated(rec *timeline.Recorder) error {
	_, _, err := scenario.Truncated(rec, cutting)
	return err
}

func truncated(rec *timeline.Recorder) error {
	_, _, err := scenario.Truncated(rec, noticing)
	return err
}

func empty(rec *timeline.Recorder) error {
	_, err := scenario.Converse(rec, programs, "", "hello")
	return err
}

func tooBig(rec *timeline.Recorder) error {
	fits, tooMuch := strings.Repeat("a", maxMessage), strings.Repeat("a", maxMessage+1)
	printed, err := scenario.Converse(rec, programs, fits, tooMuch, "hello")
	var answers []int
	for _, answer := range printed {
		answers = append(answers, len(answer))
	}
	rec.Verdict("messages of %d, %d and 5 bytes; answers of %v bytes", len(fits), len(tooMuch), answers)
	return err
}

func overflow(rec *timeline.Recorder) error {
	_, _, err := scenario.QueueOverflow(rec)
	return err
}

func naiveNobody(rec *timeline.Recorder) error {
	_, err := scenario.Nobody(rec, unconnected)
	return err
}

func nobody(rec *timeline.Recorder) error {
	_, err := scenario.Nobody(rec, connected)
	return err
}

func naiveBothWait(rec *timeline.Recorder) error {
	_, _, err := scenario.BothWait(rec, naivePrograms)
	return err
}

func bothWait(rec *timeline.Recorder) error {
	_, _, err := scenario.BothWait(rec, programs)
	return err
}

func naiveForged(rec *timeline.Recorder) error {
	_, err := scenario.Forged(rec, servePacket, unconnected, talk)
	return err
}

func forged(rec *timeline.Recorder) error {
	_, err := scenario.Forged(rec, servePacket, connected, talk)
	return err
}

func badText(rec *timeline.Recorder) error {
	_, err := scenario.Converse(rec, programs, "caf\xe9 \xff", "hello")
	return err
}
