package main

import (
	"bytes"
	"io"
	"net"

	"golang.org/x/text/encoding"
	"golang.org/x/text/encoding/simplifiedchinese"

	"socketbook/lessons/internal/scenario"
	"socketbook/lessons/internal/stage"
	"socketbook/tools/timeline"
)

var (
	messages      = scenario.Messages{Send: writeMessage, Receive: receive}
	naiveMessages = scenario.Messages{Send: writeMessage, Receive: naiveReceive}
	file          = scenario.File{Send: sendFile, Receive: receiveFile, Fits: fits}
)

var scenes = []stage.Scene{
	{Name: "glue", Line: "two messages, a reader that comes late: two messages", Run: glue},
	{Name: "split", Line: "one message of 3000 bytes comes as one message", Run: split},
	{Name: "residue", Line: "a long answer is read to its end, and the next answer is the next answer", Run: residue},
	{Name: "silent-command", Line: "an empty answer is a header that says 0", Run: silentCommand},
	{Name: "cut-character", Line: "a character across byte 1024 survives: the decoder keeps its first half", Run: cutCharacter},
	{Name: "pause", Line: "no pause is needed, and none is paid for", Run: pause},
	{Name: "no-delay", Line: "how many segments there were does not matter any more", Run: noDelay},
	{Name: "split-header", Line: "the header itself comes in two pieces", Naive: naiveSplitHeader, Run: splitHeader},
	{Name: "over-read", Line: "two answers lie in the queue; asking for too much takes the start of the next", Naive: naiveOverRead, Run: overRead},
	{Name: "cut-short", Line: "100 bytes announced, 10 sent, closed", Naive: naiveCutShort, Run: cutShort},
	{Name: "byte-order", Line: "the header for 3 bytes, read from the wrong end", Naive: naiveByteOrder, Run: byteOrder},
	{Name: "negative", Line: "a header that announces -5 bytes", Run: negative},
	{Name: "huge", Line: "a header that announces 2 GiB: refused before anything is allocated", Run: huge},
	{Name: "overflow", Line: "a payload over 2^31-1 bytes: the length does not fit", Naive: naiveOverflow, Run: overflow},
	{Name: "no-name", Line: "a file is sent; its name and its checksum find no place in the header", Run: noName},
}

func receive(r io.Reader) ([]byte, error) {
	var message bytes.Buffer
	err := readMessage(r, &message)
	return message.Bytes(), err
}

func naiveReceive(r io.Reader) ([]byte, error) {
	var message bytes.Buffer
	err := naiveReadMessage(r, &message)
	return message.Bytes(), err
}

func glue(rec *timeline.Recorder) error {
	_, err := scenario.Glue(rec, messages)
	return err
}

func split(rec *timeline.Recorder) error {
	_, err := scenario.Split(rec, messages)
	return err
}

func residue(rec *timeline.Recorder) error {
	_, err := scenario.Residue(rec, answer, talk)
	return err
}

func silentCommand(rec *timeline.Recorder) error {
	_, _, err := scenario.SilentCommand(rec, answer, talk)
	return err
}

func cutCharacter(rec *timeline.Recorder) error {
	defer decodeAs(simplifiedchinese.GBK)()
	_, err := scenario.CutCharacter(rec, answer, talk)
	return err
}

// decodeAs sets the client's encoding, as its flag does, and returns what sets it back.
func decodeAs(e encoding.Encoding) (restore func()) {
	before := charset
	charset = e
	return func() { charset = before }
}

func pause(rec *timeline.Recorder) error {
	_, _, err := scenario.Pause(rec, messages, 0)
	return err
}

func noDelay(rec *timeline.Recorder) error {
	_, err := scenario.NoDelay(rec, messages)
	return err
}

func naiveSplitHeader(rec *timeline.Recorder) error {
	_, _, err := scenario.SplitHeader(rec, naiveMessages)
	return err
}

func splitHeader(rec *timeline.Recorder) error {
	_, _, err := scenario.SplitHeader(rec, messages)
	return err
}

func naiveOverRead(rec *timeline.Recorder) error {
	_, err := scenario.OverRead(rec, naiveMessages)
	return err
}

func overRead(rec *timeline.Recorder) error {
	_, err := scenario.OverRead(rec, messages)
	return err
}

func naiveCutShort(rec *timeline.Recorder) error {
	_, _, err := scenario.CutShort(rec, naiveMessages)
	return err
}

func cutShort(rec *timeline.Recorder) error {
	_, _, err := scenario.CutShort(rec, messages)
	return err
}

func naiveByteOrder(rec *timeline.Recorder) error {
	_, err := scenario.ByteOrder(rec, encodeHeader, naiveDecodeHeader)
	return err
}

func byteOrder(rec *timeline.Recorder) error {
	_, err := scenario.ByteOrder(rec, encodeHeader, decodeHeader)
	return err
}

func negative(rec *timeline.Recorder) error {
	_, err := scenario.Refused(rec, []byte{0xfb, 0xff, 0xff, 0xff}, receiveFrom)
	return err
}

func huge(rec *timeline.Recorder) error {
	_, err := scenario.Refused(rec, []byte{0xff, 0xff, 0xff, 0x7f}, receiveFrom)
	return err
}

func receiveFrom(conn net.Conn) error {
	return readMessage(conn, io.Discard)
}

func naiveOverflow(rec *timeline.Recorder) error {
	_, _, err := scenario.LengthOverflow(rec, naiveEncodeHeader)
	return err
}

func overflow(rec *timeline.Recorder) error {
	_, _, err := scenario.LengthOverflow(rec, encodeHeader)
	return err
}

func noName(rec *timeline.Recorder) error {
	_, _, err := scenario.NoName(rec, file)
	return err
}

// sendFile sends what fits into this lesson's format: the bytes. There is no place for the name.
func sendFile(w io.Writer, _ string, payload []byte) error {
	return writeMessage(w, payload)
}

func receiveFile(r io.Reader) (scenario.Received, error) {
	return scenario.Received{}, readMessage(r, io.Discard)
}

func fits(size int64) error {
	_, err := encodeHeader(size)
	return err
}
