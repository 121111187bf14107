package main

import (
	"bytes"
	"crypto/md5"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/text/encoding/unicode"

	"socketbook/lessons/internal/scenario"
	"socketbook/lessons/internal/stage"
	"socketbook/tools/timeline"
)

var (
	messages      = scenario.Messages{Send: sendMessage, Receive: receive}
	naiveMessages = scenario.Messages{Send: sendMessage, Receive: naiveReceive}
	file          = scenario.File{Send: writeMessage, Receive: receiveFile, Fits: fits}
)

var utf8Client = &client{charset: unicode.UTF8}

var scenes = []stage.Scene{
	{
		Name: "no-name", Line: "a file is sent; its name, its size and its checksum go with it",
		Run: scenario.NoName(file),
	},
	{
		Name: "big", Line: "5 GiB are announced exactly; of the payload only the beginning is sent",
		Run: scenario.Big(filmHeader, receiveFrom),
	},
	{
		Name:      "split-json",
		NaiveLine: "the JSON comes in two pieces, and one read takes the first for all of it",
		Naive:     scenario.SplitJSON(naiveMessages),
		Line:      "the JSON comes in two pieces, and both are read",
		Run:       scenario.SplitJSON(messages),
	},
	{
		Name:      "long-header",
		NaiveLine: "a JSON of 300 KB: more than one read brings",
		Naive:     scenario.LongJSON(longFrame, naiveMessages),
		Line:      "a JSON of 300 KB: more than a header needs, and refused",
		Run:       scenario.LongJSON(longFrame, messages),
	},
	{
		Name:      "characters",
		NaiveLine: "the length of a JSON in Chinese, counted in characters: the header is cut short",
		Naive:     scenario.Characters(reportHeader(naiveEncodeHeader), messages),
		Line:      "the length of a JSON in Chinese, counted in bytes",
		Run:       scenario.Characters(reportHeader(encodeHeader), messages),
	},
	{
		Name: "bad-json", Line: "a header that is not JSON",
		Run: scenario.Refused(frame(`{"file_name": "a.txt", "total_`, ""), receiveFrom),
	},
	{
		Name: "no-size", Line: "a header without total_size",
		Run: scenario.Refused(frame(`{"file_name": "a.txt"}`, ""), receiveFrom),
	},
	{
		Name: "negative-size", Line: "a total_size of -5",
		Run: scenario.Refused(frame(`{"file_name": "a.txt", "total_size": -5}`, ""), receiveFrom),
	},
	{
		Name: "not-utf8", Line: "a file_name in GBK: JSON is UTF-8",
		Run: scenario.Refused(
			frame("{\"file_name\": \"\xd6\xd0.txt\", \"total_size\": 5}", ""), receiveFrom),
	},
	{
		Name: "unknown-key", Line: "a header with a key that we do not know: ignored",
		Run: scenario.Understood(frame(`{"file_name": "a.txt", "total_size": 5, `+
			`"md5": "5d41402abc4b2a76b9719d911017c592", "owner": "root"}`, "hello"), messages),
	},
	{
		Name:      "checksum",
		NaiveLine: "a payload is changed on the way, and believed",
		Naive:     scenario.Changed(naiveMessages),
		Line:      "a payload is changed on the way, and its checksum says so",
		Run:       scenario.Changed(messages),
	},
	{
		Name: "not-verified", Line: "the word md5 where the md5 should be, as in the tutorials",
		Run: scenario.Understood(
			frame(`{"file_name": "a.txt", "total_size": 5, "md5": "md5"}`, "hello"), messages),
	},
	{
		Name: "path-name", Line: "a file_name of ../../etc/x, and a client that saves what it gets",
		Run: pathName,
	},
}

// sendMessage sends a payload under the name that the server uses for all of them.
func sendMessage(w io.Writer, payload []byte) error { return writeMessage(w, "answer.txt", payload) }

func receive(r io.Reader) ([]byte, error) {
	var message bytes.Buffer
	err := utf8Client.readMessage(r, &message)
	return message.Bytes(), err
}

func naiveReceive(r io.Reader) ([]byte, error) {
	var message bytes.Buffer
	err := naiveReadMessage(r, &message)
	return message.Bytes(), err
}

func receiveFrom(conn net.Conn) error { return utf8Client.readMessage(conn, io.Discard) }

// frame puts the length in front of a JSON text, true or not, and the payload behind it.
func frame(text, payload string) []byte {
	length := binary.LittleEndian.AppendUint32(nil, uint32(len(text)))
	return append(length, text+payload...)
}

var longFrame = frame(
	`{"file_name": "`+strings.Repeat("x", 300_000)+`", "total_size": 5, "md5": ""}`, "hello")

// reportHeader returns what encodes the header of a report with a Chinese name.
func reportHeader(encode func(header) ([]byte, error)) func(payload string) ([]byte, error) {
	return func(payload string) ([]byte, error) {
		return encode(header{
			FileName: "报告.txt", TotalSize: int64(len(payload)),
			MD5: fmt.Sprintf("%x", md5.Sum([]byte(payload))),
		})
	}
}

func filmHeader() ([]byte, error) {
	return encodeHeader(header{FileName: "film.mkv", TotalSize: 5 << 30})
}

func receiveFile(r io.Reader) (scenario.Received, error) {
	var head [headerSize]byte
	if _, err := io.ReadFull(r, head[:]); err != nil {
		return scenario.Received{}, err
	}
	h, err := decodeHeader(r, head)
	if err != nil {
		return scenario.Received{}, err
	}
	known := scenario.Received{Name: h.FileName, Sum: h.MD5}
	return known, copyAll(io.Discard, r, h.TotalSize, "payload")
}

// fits announces a size and looks whether the other side would read the same.
func fits(size int64) error {
	head, err := encodeHeader(header{TotalSize: size})
	if err != nil {
		return err
	}
	h, err := decodeHeader(bytes.NewReader(head[headerSize:]), [headerSize]byte(head))
	if err == nil && h.TotalSize != size {
		err = fmt.Errorf("%d became %d", size, h.TotalSize)
	}
	return err
}

// pathName lets a client save into a folder inside another one. Got is what is in the outer one
// afterwards.
func pathName(rec *timeline.Recorder) (o scenario.Outcome, err error) {
	outer, err := os.MkdirTemp("", "socketbook-")
	if err != nil {
		return o, err
	}
	defer os.RemoveAll(outer)
	inner := filepath.Join(outer, "a", "b")
	if err := os.MkdirAll(inner, 0o755); err != nil {
		return o, err
	}
	folder, err := os.OpenRoot(inner)
	if err != nil {
		return o, err
	}
	defer folder.Close()
	saving := &client{charset: unicode.UTF8, folder: folder}
	save := scenario.Messages{Receive: func(r io.Reader) ([]byte, error) {
		var message bytes.Buffer
		err := saving.readMessage(r, &message)
		return message.Bytes(), err
	}}
	for _, name := range []string{"../../etc/x", "/etc/x", "fine.txt"} {
		head, err := encodeHeader(header{FileName: name, TotalSize: 5})
		if err != nil {
			return o, err
		}
		if _, err := scenario.Understood(append(head, "hello"...), save)(rec); err != nil {
			return o, err
		}
	}
	err = filepath.WalkDir(outer, func(path string, entry os.DirEntry, err error) error {
		if err == nil && !entry.IsDir() {
			rel, _ := filepath.Rel(outer, path)
			o.Got = append(o.Got, filepath.ToSlash(rel))
		}
		return err
	})
	rec.Verdict("%s", whereabouts("a/b/", o.Got))
	return o, err
}

// whereabouts says which of the files found are in the folder and which outside.
func whereabouts(folder string, found []string) string {
	var inside, outside []string
	for _, name := range found {
		if rest, ok := strings.CutPrefix(name, folder); ok {
			inside = append(inside, rest)
		} else {
			outside = append(outside, name)
		}
	}
	list := func(names []string) string {
		if len(names) == 0 {
			return "nothing"
		}
		return strings.Join(names, ", ")
	}
	return fmt.Sprintf("in the folder: %s; outside: %s", list(inside), list(outside))
}
