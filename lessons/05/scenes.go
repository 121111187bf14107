package main

import (
	"bytes"
	"io"
	"net"
	"time"

	"golang.org/x/text/encoding/simplifiedchinese"
	"golang.org/x/text/encoding/unicode"

	"socketbook/lessons/internal/scenario"
	"socketbook/lessons/internal/stage"
)

var (
	messages      = scenario.Messages{Send: writeMessage, Receive: receive}
	naiveMessages = scenario.Messages{Send: writeMessage, Receive: naiveReceive}
	file          = scenario.File{Send: sendFile, Receive: receiveFile, Fits: fits}
)

// Two clients: what answers are decoded as.
var (
	utf8Client = &client{charset: unicode.UTF8}
	gbkClient  = &client{charset: simplifiedchinese.GBK}
)

var scenes = []stage.Scene{
	{
		Name: "glue", Line: "two messages, a reader that comes late: two messages",
		Run: scenario.Glue(messages),
	},
	{
		Name: "split", Line: "one message of 3000 bytes comes as one message",
		Run: scenario.Split(messages),
	},
	{
		Name: "residue",
		Line: "a long answer is read to its end, and the next answer is the next answer",
		Run:  scenario.Residue(answer, utf8Client.talk),
	},
	{
		Name: "silent-command", Line: "an empty answer is a header that says 0",
		Run: scenario.SilentCommand(answer, utf8Client.talk),
	},
	{
		Name: "cut-character",
		Line: "a GBK answer of 3001 bytes is read to its end: no character is broken",
		Run:  scenario.CutCharacter(answer, gbkClient.talk),
	},
	{
		Name: "pause", Line: "three messages with pauses between them: three messages",
		Run: scenario.Pause(messages, pause),
	},
	{
		Name: "no-delay", Line: "two messages are two, with TCP_NODELAY and without",
		Run: scenario.NoDelay(messages),
	},
	{
		Name: "one-behind", Line: "an answer in two writes is read to its end, and the next answer " +
			"is the next answer",
		Run: scenario.OneBehind(sendTwice, utf8Client.talk),
	},
	{
		Name: "full-buffer", Line: "an answer of 1024 bytes ends where its header says",
		Run: scenario.FullBuffer(messages, maxRead),
	},
	{
		Name: "quadratic",
		NaiveLine: "32 KiB collected in pieces, as data += piece does: all that came is copied for " +
			"each piece",
		Naive: scenario.Quadratic(writeMessage, naiveCollect),
		Line:  "32 KiB handed on as they come: each byte is copied once",
		Run:   scenario.Quadratic(writeMessage, handOn),
	},
	{
		Name:      "split-header",
		NaiveLine: "the header itself comes in two pieces, and one read takes the first for all of it",
		Naive:     scenario.SplitHeader(naiveMessages),
		Line:      "the header itself comes in two pieces, and both are read",
		Run:       scenario.SplitHeader(messages),
	},
	{
		Name:      "over-read",
		NaiveLine: "two answers wait in the queue; asking for too much takes the second as well",
		Naive:     scenario.OverRead(naiveMessages),
		Line:      "two answers wait in the queue; asking for what is missing leaves the next alone",
		Run:       scenario.OverRead(messages),
	},
	{
		Name:      "cut-short",
		NaiveLine: "100 bytes announced, 10 sent, closed: a reader that does not look reads on forever",
		Naive:     scenario.CutShort(naiveMessages),
		Line:      "100 bytes announced, 10 sent, closed: the reader says what is missing",
		Run:       scenario.CutShort(messages),
	},
	{
		Name:      "byte-order",
		NaiveLine: "the header for 3 bytes, read from the wrong end",
		Naive:     scenario.ByteOrder(encodeHeader, naiveDecodeHeader),
		Line:      "the header for 3 bytes, read from the right end",
		Run:       scenario.ByteOrder(encodeHeader, decodeHeader),
	},
	{
		Name: "negative", Line: "a header that announces -5 bytes",
		Run: scenario.Refused([]byte{0xfb, 0xff, 0xff, 0xff}, receiveFrom),
	},
	{
		Name: "huge", Line: "a header that announces 2 GiB less one byte: refused before anything is allocated",
		Run: scenario.Refused([]byte{0xff, 0xff, 0xff, 0x7f}, receiveFrom),
	},
	{
		Name:      "overflow",
		NaiveLine: "a payload of 2 GiB and 5 bytes: its length arrives as a negative number",
		Naive:     scenario.LengthOverflow(naiveEncodeHeader),
		Line:      "a payload over 2^31-1 bytes: its length does not fit, and nothing is sent",
		Run:       scenario.LengthOverflow(encodeHeader),
	},
	{
		Name: "no-name", Line: "a file is sent; its name and its checksum find no place in the header",
		Run: scenario.NoName(file),
	},
}

const pause = 20 * time.Millisecond // as in lesson 04

func receive(r io.Reader) ([]byte, error) {
	var message bytes.Buffer
	err := readMessage(r, &message)
	return message.Bytes(), err
}

func naiveReceive(r io.Reader) ([]byte, error) {
	var message bytes.Buffer
	err := utf8Client.naiveReadMessage(r, &message)
	return message.Bytes(), err
}

func receiveFrom(conn net.Conn) error { return readMessage(conn, io.Discard) }

// sendTwice sends one message with two writes.
func sendTwice(w io.Writer, errs, output []byte) error {
	head, err := encodeHeader(int64(len(errs) + len(output)))
	if err != nil {
		return err
	}
	if _, err := w.Write(append(head[:], errs...)); err != nil {
		return err
	}
	_, err = w.Write(output)
	return err
}

// handOn reads one message and hands it on as it comes, and counts the bytes.
func handOn(r io.Reader) (size, copied int, err error) {
	var w counter
	err = readMessage(r, &w)
	return int(w), int(w), err
}

type counter int

func (c *counter) Write(p []byte) (int, error) {
	*c += counter(len(p))
	return len(p), nil
}

// sendFile sends what fits into this lesson's format: the bytes. There is no place for the name.
func sendFile(w io.Writer, _ string, payload []byte) error { return writeMessage(w, payload) }

func receiveFile(r io.Reader) (scenario.Received, error) {
	return scenario.Received{}, readMessage(r, io.Discard)
}

func fits(size int64) error {
	_, err := encodeHeader(size)
	return err
}
