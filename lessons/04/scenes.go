package main

import (
	"bytes"
	"context"
	"io"
	"net"
	"time"

	"golang.org/x/text/encoding"
	"golang.org/x/text/encoding/simplifiedchinese"

	"socketbook/lessons/internal/scenario"
	"socketbook/lessons/internal/stage"
	"socketbook/tools/timeline"
)

// messages is how this lesson sends and receives them: a write is a message, and so is a read. That is the mistake.
var messages = scenario.Messages{Send: send, Receive: receive}

var scenes = []stage.Scene{
	{Name: "glue", Line: "two sends, a reader that comes late: one read", Run: glue},
	{Name: "prompt-reader", Line: "the same two sends, each read before the next: two reads, by luck", Run: promptReader},
	{Name: "split", Line: "one send of 3000 bytes, reads of at most 1024", Run: split},
	{Name: "residue", Line: "a long answer is read once; its rest becomes the answer to the next command", Run: residue},
	{Name: "two-commands", Line: "two commands sent back to back reach the shell as one", Run: twoCommands},
	{Name: "silent-command", Line: "a command prints nothing, so nothing is sent, and both sides wait", Run: silentCommand},
	{Name: "cut-character", Line: "a character lies across byte 1024 of a GBK answer", Run: cutCharacter},
	{Name: "wrong-encoding", Line: "UTF-8 decoded as GBK: no error, other characters", Run: wrongEncoding},
	{Name: "pause", Line: "sleeping between sends, the fix that is none", Run: pause},
	{Name: "no-delay", Line: "TCP_NODELAY, the other fix that is none: two segments, one read", Run: noDelay},
	{Name: "nagle", Line: "what Nagle's algorithm costs a program that writes twice and then reads", Run: nagle},
	{Name: "two-pipes", Line: "a command writes more to standard error than a pipe holds", Naive: naiveTwoPipes, Run: twoPipes},
}

func send(w io.Writer, payload []byte) error {
	_, err := w.Write(payload)
	return err
}

func receive(r io.Reader) ([]byte, error) {
	var message bytes.Buffer
	err := readMessage(r, &message)
	return message.Bytes(), err
}

// sendCommand sends a command as talk does.
func sendCommand(conn net.Conn, command string) error {
	return send(conn, []byte(command))
}

func glue(rec *timeline.Recorder) error {
	_, err := scenario.Glue(rec, messages)
	return err
}

func promptReader(rec *timeline.Recorder) error {
	_, err := scenario.Prompt(rec, messages)
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

func twoCommands(rec *timeline.Recorder) error {
	_, err := scenario.TwoCommands(rec, sendCommand, answer)
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

func wrongEncoding(rec *timeline.Recorder) error {
	defer decodeAs(simplifiedchinese.GBK)()
	_, err := scenario.WrongEncoding(rec, answer, talk)
	return err
}

// decodeAs sets the client's encoding, as its flag does, and returns what sets it back.
func decodeAs(e encoding.Encoding) (restore func()) {
	before := charset
	charset = e
	return func() { charset = before }
}

func pause(rec *timeline.Recorder) error {
	_, _, err := scenario.Pause(rec, messages, 100*time.Millisecond)
	return err
}

func noDelay(rec *timeline.Recorder) error {
	_, err := scenario.NoDelay(rec, messages)
	return err
}

func nagle(rec *timeline.Recorder) error {
	_, _, err := scenario.Nagle(rec)
	return err
}

func naiveTwoPipes(rec *timeline.Recorder) error {
	_, err := scenario.TwoPipes(rec, naiveAnswer, true)
	return err
}

func twoPipes(rec *timeline.Recorder) error {
	_, err := scenario.TwoPipes(rec, answerAs, false)
	return err
}

func answerAs(_ context.Context, conn net.Conn) error { return answer(conn) }
