package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"time"

	"golang.org/x/text/encoding/simplifiedchinese"
	"golang.org/x/text/encoding/unicode"

	"socketbook/lessons/internal/scenario"
	"socketbook/lessons/internal/stage"
)

// messages is how this lesson sends and receives them: a write is a message, and so is a read. That
// is the mistake.
var messages = scenario.Messages{Send: send, Receive: receive}

// Two clients: what answers are decoded as.
var (
	utf8Client = &client{charset: unicode.UTF8}
	gbkClient  = &client{charset: simplifiedchinese.GBK}
)

var scenes = []stage.Scene{
	{
		Name: "glue", Line: "two sends, a reader that comes late: one read",
		Run: scenario.Glue(messages),
	},
	{
		Name: "prompt-reader", Line: "the same two sends, each read before the next: two reads, by luck",
		Run: scenario.Prompt(messages),
	},
	{
		Name: "split", Line: "one send of 3000 bytes, reads of at most 1024",
		Run: scenario.Split(messages),
	},
	{
		Name: "residue",
		Line: "a long answer is read once; its rest becomes the answer to the next command",
		Run:  scenario.Residue(answer, utf8Client.talk),
	},
	{
		Name: "two-commands", Line: "two commands sent back to back reach the shell as one",
		Run: scenario.TwoCommands(sendCommand, answer),
	},
	{
		Name: "silent-command",
		Line: "a command prints nothing, so nothing is sent, and both sides wait",
		Run:  scenario.SilentCommand(answer, utf8Client.talk),
	},
	{
		Name: "cut-character", Line: "a character lies across byte 1024 of a GBK answer",
		Run: scenario.CutCharacter(answer, gbkClient.talk),
	},
	{
		Name: "wrong-encoding", Line: "UTF-8 decoded as GBK: no error, other characters",
		Run: scenario.WrongEncoding(gbkClient.talk),
	},
	{
		Name: "pause", Line: "sleeping between sends, the fix that isn't one",
		Run: scenario.Pause(messages, pause),
	},
	{
		Name: "no-delay",
		Line: "TCP_NODELAY, the other fix that isn't one: on or off, one read",
		Run:  scenario.NoDelay(messages),
	},
	{
		Name: "nagle", Line: "what Nagle's algorithm costs a program that writes twice and then reads",
		Run: scenario.Nagle(),
	},
	{
		Name: "nagle-joins",
		Line: "three small sends with Nagle's algorithm and without, on a connection that was in use",
		Run:  scenario.NagleJoins(),
	},
	{
		Name:      "two-pipes",
		NaiveLine: "a command writes more to standard error than a pipe holds, and nobody reads it",
		Naive:     scenario.TwoPipes(naiveAnswer, true),
		Line:      "a command writes more to standard error than a pipe holds, and both are read",
		Run:       scenario.TwoPipes(answerAs, false),
	},
	{
		Name:  "one-behind",
		Line:  "an answer in two writes, and one read: from there on the client is one answer behind",
		Naive: scenario.OneBehind(sendTwice, utf8Client.talk),
	},
	{
		Name:  "full-buffer",
		Line:  "reading until a read is short: an answer that fills the buffer exactly never ends",
		Naive: scenario.FullBuffer(shortReads, maxRead),
	},
	{
		Name:      "long-command",
		NaiveLine: "a command of 1500 bytes, and a server that runs what each read brings: two commands",
		Naive:     scenario.LongCommand(naiveLoop),
		Line:      "a command of 1500 bytes is refused, and nothing of it is run",
		Run:       scenario.LongCommand(answer),
	},
	{
		Name:      "pieces",
		NaiveLine: "15 lines, printed read by read: the line across byte 1024 is broken in two",
		Naive:     scenario.Pieces(naivePrint),
		Line:      "15 lines, printed as they come: a line ends where its sender ended it",
		Run:       scenario.Pieces(printAll),
	},
}

// shortReads sends as messages does, and takes a read that does not fill the buffer for the last one.
var shortReads = scenario.Messages{Send: send, Receive: naiveReadAll}

const pause = 20 * time.Millisecond

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
func sendCommand(w io.Writer, command string) error { return send(w, []byte(command)) }

// printAll prints every piece of what r brings, as talk prints one.
func printAll(r io.Reader, out io.Writer) error {
	line := &openLine{Writer: out}
	var err error
	for err == nil {
		err = readMessage(r, line)
	}
	if err != io.EOF {
		return err
	}
	if !line.ended {
		fmt.Fprintln(out)
	}
	return nil
}

func answerAs(_ context.Context, conn net.Conn) error { return answer(conn) }
