package main

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"io"
	"net"
	"os"

	"socketbook/lessons/internal/scenario"
	"socketbook/lessons/internal/stage"
)

var (
	sides      = scenario.FileSides{Answer: answerFrom, Talk: talkFrom}
	naiveSides = scenario.FileSides{Answer: naiveAnswer, Talk: naiveTalk}

	messages      = scenario.FileMessages{Send: send, Receive: receive}
	naiveMessages = scenario.FileMessages{Send: naiveSendFile, Receive: naiveReceive}
	lineMessages  = scenario.FileMessages{
		Send:    func(w io.Writer, _ string, file io.ReadSeeker, _ int64) error { return sendLines(w, file) },
		Receive: receiveToTheEnd,
	}
)

var scenes = []stage.Scene{
	{
		Name: "put-list-get", Line: "a file is put, the files are listed, another one is got",
		Run: scenario.PutListGet(sides),
	},
	{
		Name: "two-commands", Line: "two requests sent back to back are two requests: each has a length",
		Run: scenario.TwoRequests(requestFile, receive, answerFrom),
	},
	{
		Name: "pipelined", Line: "three requests go out before the first answer comes; one of them fails",
		Run: scenario.Pipelined(sides),
	},
	{
		Name:      "cut-and-resumed",
		NaiveLine: "a transfer is cut, and a part of the file has the file's name",
		Naive:     scenario.CutAndResumed(naiveSides),
		Line:      "a transfer is cut: the part has another name, and the next try goes on from there",
		Run:       scenario.CutAndResumed(sides),
	},
	{
		Name:      "grows",
		NaiveLine: "a file grows while it is sent: more comes than was announced",
		Naive:     scenario.Grows(naiveMessages),
		Line:      "a file grows while it is sent: what was announced is sent",
		Run:       scenario.Grows(messages),
	},
	{
		Name: "shrinks", Line: "a file becomes shorter while it is sent: both sides are told",
		Run: scenario.Shrinks(messages),
	},
	{
		Name:      "line-by-line",
		NaiveLine: "two files are sent line by line: nobody can tell where the first one ends",
		Naive:     scenario.TwoFiles(lineMessages),
		Line:      "two files are sent, each with its length: lines do not matter",
		Run:       scenario.TwoFiles(messages),
	},
	{
		Name: "changed", Line: "one byte of a file is changed on the way: its SHA-256 says so",
		Run: scenario.ChangedFile(sides),
	},
	{
		Name: "bad-names", Line: "file names that leave the folder, on one system or another",
		Run: scenario.BadNames(answerFrom, requestPut, readError,
			"../x", `C:\x`, "nul"),
	},
	{
		Name: "same-name", Line: "two clients put a file of the same name at once: one of them is refused",
		Run: scenario.SameName(serveFrom, sides),
	},
}

func serveFrom(ln net.Listener, folder *os.Root) error { return (&server{folder: folder}).serve(ln) }

func answerFrom(conn net.Conn, folder *os.Root) error { return (&server{folder: folder}).answer(conn) }

func talkFrom(conn net.Conn, folder *os.Root, in io.Reader, out io.Writer) error {
	return (&client{folder: folder}).talk(conn, in, out)
}

func requestFile(w io.Writer, name string) error {
	return writeHeader(w, header{Command: "get", FileName: name})
}

func requestPut(w io.Writer, name string) error {
	return writeHeader(w, header{Command: "put", FileName: name, TotalSize: 5})
}

// readError reads an answer that says what is wrong.
func readError(r io.Reader) (string, error) {
	h, err := readHeader(r)
	if err == nil && h.Error == "" {
		err = fmt.Errorf("it was not refused: %+v", h)
	}
	return h.Error, err
}

func send(w io.Writer, name string, file io.ReadSeeker, size int64) error {
	return sendFile(w, file, size, header{FileName: name}, nil)
}

func receive(r io.Reader) (name, content string, err error) {
	h, err := readAnswer(r)
	if err != nil {
		return "", "", err
	}
	var b bytes.Buffer
	sum := sha256.New()
	err = readPayload(r, io.MultiWriter(&b, sum), h.TotalSize, sum)
	return h.FileName, b.String(), err
}

func naiveReceive(r io.Reader) (name, content string, err error) {
	h, err := readHeader(r)
	if err != nil {
		return "", "", err
	}
	var b bytes.Buffer
	_, err = io.CopyN(&b, r, h.TotalSize)
	return h.FileName, b.String(), err
}

// receiveToTheEnd takes everything for one file, which has no name.
func receiveToTheEnd(r io.Reader) (name, content string, err error) {
	all, err := io.ReadAll(r)
	if err == nil && len(all) == 0 {
		err = io.EOF
	}
	return "a file", string(all), err
}
