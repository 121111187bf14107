package main

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"

	"socketbook/lessons/internal/scenario"
	"socketbook/lessons/internal/stage"
	"socketbook/tools/timeline"
)

var (
	messages      = scenario.Messages{Send: sendMessage, Receive: receive}
	naiveMessages = scenario.Messages{Send: sendMessage, Receive: naiveReceive}
	file          = scenario.File{Send: writeMessage, Receive: receiveFile, Fits: fits}
)

var scenes = []stage.Scene{
	{Name: "no-name", Line: "a file is sent; its name, its size and its checksum go with it", Run: noName},
	{Name: "big", Line: "5 GiB are announced exactly; of the payload only the beginning is sent", Run: big},
	{Name: "split-json", Line: "the JSON comes in two pieces", Naive: naiveSplitJSON, Run: splitJSON},
	{Name: "long-header", Line: "a JSON of 300 KB: more than one read brings, and more than a header needs", Naive: naiveLongHeader, Run: longHeader},
	{Name: "bad-json", Line: "a header that is no JSON", Run: badJSON},
	{Name: "no-size", Line: "a header without total_size", Run: noSize},
	{Name: "negative-size", Line: "a total_size of -5", Run: negativeSize},
	{Name: "not-utf8", Line: "a file_name in GBK: JSON is UTF-8", Run: notUTF8},
	{Name: "unknown-key", Line: "a header with a key that we do not know: ignored", Run: unknownKey},
	{Name: "checksum", Line: "a payload is changed on the way", Naive: naiveChecksum, Run: checksum},
	{Name: "not-verified", Line: "the word md5 where the md5 should be, as in the tutorials", Run: notVerified},
	{Name: "path-name", Line: "a file_name of ../../etc/x, and a client that saves what it gets", Run: pathName},
}

// sendMessage sends a payload under the name that the server uses for all of them.
func sendMessage(w io.Writer, payload []byte) error {
	return writeMessage(w, "answer.txt", payload)
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

func receiveFrom(conn net.Conn) error {
	return readMessage(conn, io.Discard)
}

// frame puts the length in front of a JSON text, true or not, and the payload behind it.
func frame(text, payload string) []byte {
	length := binary.LittleEndian.AppendUint32(nil, uint32(len(text)))
	return append(length, text+payload...)
}

func noName(rec *timeline.Recorder) error {
	_, _, err := scenario.NoName(rec, file)
	return err
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
	return scenario.Received{Name: h.FileName, Sum: h.MD5}, copyAll(io.Discard, r, h.TotalSize, "payload")
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

func big(rec *timeline.Recorder) error {
	head, err := encodeHeader(header{FileName: "film.mkv", TotalSize: 5 << 30})
	if err != nil {
		return err
	}
	_, err = scenario.Big(rec, head, receiveFrom)
	return err
}

func naiveSplitJSON(rec *timeline.Recorder) error {
	_, _, err := scenario.SplitJSON(rec, naiveMessages)
	return err
}

func splitJSON(rec *timeline.Recorder) error {
	_, _, err := scenario.SplitJSON(rec, messages)
	return err
}

func longFrame() []byte {
	return frame(`{"file_name": "`+strings.Repeat("x", 300_000)+`", "total_size": 5, "md5": ""}`, "hello")
}

func naiveLongHeader(rec *timeline.Recorder) error {
	_, _, err := scenario.LongJSON(rec, longFrame(), naiveMessages)
	return err
}

func longHeader(rec *timeline.Recorder) error {
	_, _, err := scenario.LongJSON(rec, longFrame(), messages)
	return err
}

func badJSON(rec *timeline.Recorder) error {
	_, err := scenario.Refused(rec, frame(`{"file_name": "a.txt", "total_`, ""), receiveFrom)
	return err
}

func noSize(rec *timeline.Recorder) error {
	_, err := scenario.Refused(rec, frame(`{"file_name": "a.txt"}`, ""), receiveFrom)
	return err
}

func negativeSize(rec *timeline.Recorder) error {
	_, err := scenario.Refused(rec, frame(`{"file_name": "a.txt", "total_size": -5}`, ""), receiveFrom)
	return err
}

func notUTF8(rec *timeline.Recorder) error {
	_, err := scenario.Refused(rec, frame("{\"file_name\": \"\xd6\xd0.txt\", \"total_size\": 5}", ""), receiveFrom)
	return err
}

func unknownKey(rec *timeline.Recorder) error {
	_, _, err := scenario.Understood(rec, frame(`{"file_name": "a.txt", "total_size": 5, "md5": "5d41402abc4b2a76b9719d911017c592", "owner": "root"}`, "hello"), messages)
	return err
}

func naiveChecksum(rec *timeline.Recorder) error {
	_, _, err := scenario.Changed(rec, naiveMessages)
	return err
}

func checksum(rec *timeline.Recorder) error {
	_, _, err := scenario.Changed(rec, messages)
	return err
}

func notVerified(rec *timeline.Recorder) error {
	_, _, err := scenario.Understood(rec, frame(`{"file_name": "a.txt", "total_size": 5, "md5": "md5"}`, "hello"), messages)
	return err
}

func pathName(rec *timeline.Recorder) error {
	_, err := playPathName(rec)
	return err
}

// playPathName lets the client save into a folder inside another one, and returns what is in the outer one afterwards.
func playPathName(rec *timeline.Recorder) (found []string, err error) {
	outer, err := os.MkdirTemp("", "socketbook-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(outer)
	inner := filepath.Join(outer, "a", "b")
	if err := os.MkdirAll(inner, 0o755); err != nil {
		return nil, err
	}
	root, err := os.OpenRoot(inner)
	if err != nil {
		return nil, err
	}
	defer root.Close()
	folder = root
	defer func() { folder = nil }()
	for _, name := range []string{"../../etc/x", "/etc/x", "fine.txt"} {
		head, err := encodeHeader(header{FileName: name, TotalSize: 5})
		if err != nil {
			return nil, err
		}
		if _, _, err := scenario.Understood(rec, append(head, "hello"...), messages); err != nil {
			return nil, err
		}
	}
	err = filepath.WalkDir(outer, func(path string, entry os.DirEntry, err error) error {
		if err == nil && !entry.IsDir() {
			rel, _ := filepath.Rel(outer, path)
			found = append(found, filepath.ToSlash(rel))
		}
		return err
	})
	rec.Verdict("%s", whereabouts("a/b/", found))
	return found, err
}

// whereabouts says which of the files found lie in the folder and which outside.
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
