package lessons

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"regexp"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"github.com/stretchr/testify/require"
)

// The code of FRAMING.md and PROMISES.md, and the tests that run it.

func writeLength(w io.Writer, message []byte) error {
	frame := binary.LittleEndian.AppendUint32(nil, uint32(len(message)))
	_, err := w.Write(append(frame, message...))
	return err
}

func readLength(r io.Reader, limit uint32) ([]byte, error) {
	var head [4]byte
	if _, err := io.ReadFull(r, head[:]); err != nil {
		return nil, err
	}
	size := binary.LittleEndian.Uint32(head[:])
	if size > limit {
		return nil, fmt.Errorf("%d bytes announced, at most %d are believed", size, limit)
	}
	message := make([]byte, size)
	_, err := io.ReadFull(r, message)
	if err == io.EOF { // nothing came after the header
		err = io.ErrUnexpectedEOF
	}
	return message, err
}

func writeLine(w io.Writer, message string) error {
	if strings.Contains(message, "\n") {
		return errors.New("a message of more than one line")
	}
	_, err := io.WriteString(w, message+"\n")
	return err
}

// readLine needs one r for the whole connection: it may hold the beginning of the next message.
func readLine(r *bufio.Reader) (string, error) {
	line, err := r.ReadSlice('\n') // bufio.ErrBufferFull: longer than r's buffer
	if err == io.EOF && len(line) > 0 {
		return "", io.ErrUnexpectedEOF // half a line is not a message
	}
	if err != nil {
		return "", err
	}
	return string(line[:len(line)-1]), nil
}

type reading struct {
	Sensor      uint16
	Temperature int16 // tenths of a degree
	Seconds     uint32
}

func writeReading(w io.Writer, m reading) error {
	return binary.Write(w, binary.BigEndian, m) // 8 bytes, always
}

func readReading(r io.Reader) (m reading, err error) {
	err = binary.Read(r, binary.BigEndian, &m) // io.EOF, or io.ErrUnexpectedEOF inside a message
	return m, err
}

type say struct {
	From string `json:"from"`
	Text string `json:"text"`
}

func writeSay(w io.Writer, m say) error {
	return json.NewEncoder(w).Encode(m)
}

// readSay needs one d for the whole connection: it may hold the beginning of the next value. d reads
// from limited.
func readSay(d *json.Decoder, limited *io.LimitedReader) (m say, err error) {
	limited.N = 64 << 10 // bytes; a decoder has no limit
	err = d.Decode(&m)   // io.EOF, or io.ErrUnexpectedEOF inside a value
	return m, err
}

func overTCP(messages ...string) (received string, err error) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	defer ln.Close()
	client, err := net.Dial("tcp", ln.Addr().String())
	if err != nil {
		return "", err
	}
	for _, m := range messages {
		io.WriteString(client, m)
	}
	client.Close()
	server, err := ln.Accept()
	if err != nil {
		return "", err
	}
	defer server.Close()
	all, err := io.ReadAll(server) // to the end of the stream
	return string(all), err
}

func overUDP(messages ...string) (received []string, err error) {
	server, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	defer server.Close()
	client, err := net.Dial("udp", server.LocalAddr().String())
	if err != nil {
		return nil, err
	}
	defer client.Close()
	buf := make([]byte, 1024)
	for _, m := range messages {
		io.WriteString(client, m)
	}
	server.SetReadDeadline(time.Now().Add(10 * time.Second)) // one may be lost, and there is no end
	for range messages {
		n, _, err := server.ReadFrom(buf)
		if err != nil {
			return received, err
		}
		received = append(received, string(buf[:n]))
	}
	return received, nil
}

// Each of the four ways finds the messages, whether they come all at once or byte by byte, tells the end
// between two messages from one inside, and has a limit.
func TestFraming(t *testing.T) {
	lines := func(r io.Reader) func() (any, error) {
		buffered := bufio.NewReaderSize(r, 64)
		return func() (any, error) { return readLine(buffered) }
	}
	values := func(r io.Reader) func() (any, error) {
		limited := &io.LimitedReader{R: r}
		d := json.NewDecoder(limited)
		return func() (any, error) { return readSay(d, limited) }
	}
	for name, way := range map[string]struct {
		messages []any
		write    func(w io.Writer, m any) error
		reader   func(r io.Reader) func() (any, error)
		slack    int // bytes at the end of a message that its reader does not need
	}{
		"length": {
			[]any{[]byte("hello"), []byte{}, []byte("a\nb")},
			func(w io.Writer, m any) error { return writeLength(w, m.([]byte)) },
			func(r io.Reader) func() (any, error) {
				return func() (any, error) { return readLength(r, 64) }
			}, 0,
		},
		"delimiter": {
			[]any{"hello", "", "你好"},
			func(w io.Writer, m any) error { return writeLine(w, m.(string)) }, lines, 0,
		},
		"fixed": {
			[]any{reading{1, -5, 60}, reading{}, reading{2, 231, 120}},
			func(w io.Writer, m any) error { return writeReading(w, m.(reading)) },
			func(r io.Reader) func() (any, error) { return func() (any, error) { return readReading(r) } }, 0,
		},
		"self-delimiting": {
			[]any{say{"a", "hello"}, say{}, say{"b", "{}\n}"}},
			func(w io.Writer, m any) error { return writeSay(w, m.(say)) }, values, len("\n"),
		},
	} {
		t.Run(name, func(t *testing.T) {
			var stream bytes.Buffer
			var ends []int
			for _, m := range way.messages {
				require.NoError(t, way.write(&stream, m))
				ends = append(ends, stream.Len())
			}
			for _, piece := range []int{1, stream.Len()} {
				next := way.reader(carried(t, stream.Bytes(), piece))
				for _, want := range way.messages {
					got, err := next()
					require.NoError(t, err)
					require.Equal(t, want, got)
				}
				_, err := next()
				require.Equal(t, io.EOF, err, "the end between two messages")
			}
			for cut := 1; cut < ends[0]-way.slack; cut++ {
				_, err := way.reader(bytes.NewReader(stream.Bytes()[:cut]))()
				require.Equal(t, io.ErrUnexpectedEOF, err, "%d bytes of the first message", cut)
			}
		})
	}
	_, err := readLength(strings.NewReader("\x41\x00\x00\x00"), 64)
	require.ErrorContains(t, err, "65 bytes announced")
	late := iotest.ErrReader(os.ErrDeadlineExceeded)
	_, err = readLength(io.MultiReader(strings.NewReader("\x05\x00\x00\x00he"), late), 64)
	require.ErrorIs(t, err, os.ErrDeadlineExceeded, "that is no end of the stream")
	_, err = lines(strings.NewReader(strings.Repeat("a", 65) + "\n"))()
	require.ErrorIs(t, err, bufio.ErrBufferFull)
	require.Error(t, writeLine(io.Discard, "a\nb"))
	endless := io.MultiReader(strings.NewReader(`{"text": "`), strings.NewReader(strings.Repeat("a", 1<<20)))
	_, err = values(endless)()
	require.ErrorIs(t, err, io.ErrUnexpectedEOF)
	left, err := io.Copy(io.Discard, endless)
	require.NoError(t, err)
	require.Greater(t, left, int64(900<<10), "bytes of the endless value that were not taken")
}

// carried sends a stream over TCP in pieces, and returns the other end.
func carried(t *testing.T, stream []byte, piece int) io.Reader {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer ln.Close()
	sender, err := net.Dial("tcp", ln.Addr().String())
	require.NoError(t, err)
	receiver, err := ln.Accept()
	require.NoError(t, err)
	t.Cleanup(func() { receiver.Close() })
	require.NoError(t, receiver.SetDeadline(time.Now().Add(10*time.Second)))
	for len(stream) > 0 {
		n, err := sender.Write(stream[:min(piece, len(stream))])
		require.NoError(t, err)
		stream = stream[n:]
	}
	require.NoError(t, sender.Close())
	return receiver
}

// Two JSON numbers are one: not every value says where it ends.
func TestNumbersAreNotSelfDelimiting(t *testing.T) {
	var n int
	require.NoError(t, json.NewDecoder(strings.NewReader("1"+"2")).Decode(&n))
	require.Equal(t, 12, n)
}

func TestPromises(t *testing.T) {
	stream, err := overTCP("hello", "world")
	require.NoError(t, err)
	require.Equal(t, "helloworld", stream)
	datagrams, err := overUDP("hello", "world")
	require.NoError(t, err)
	require.Equal(t, []string{"hello", "world"}, datagrams)
}

var (
	goBlock  = regexp.MustCompile("(?s)```go\n(.*?)```")
	seeScene = regexp.MustCompile("\\[(\\d\\d)\\]\\(\\d\\d/README\\.md\\) `([^`]+)`")
)

// The code of the pages is the code above, and the scenes and tests that they name exist.
func TestPages(t *testing.T) {
	code, err := os.ReadFile("pages_test.go")
	require.NoError(t, err)
	for _, page := range []string{"FRAMING.md", "PROMISES.md"} {
		text, err := os.ReadFile(page)
		require.NoError(t, err)
		blocks := goBlock.FindAllStringSubmatch(string(text), -1)
		require.NotEmpty(t, blocks, page)
		for _, block := range blocks {
			for _, part := range strings.Split(strings.TrimSpace(block[1]), "\n\n") {
				require.True(t, strings.Contains(string(code), part), "%s: code that nobody runs:\n%s", page, part)
			}
		}
		named := seeScene.FindAllStringSubmatch(string(text), -1)
		require.NotEmpty(t, named, page)
		for _, e := range named {
			if strings.HasPrefix(e[2], "Test") {
				require.Contains(t, functions(t, e[1]+"/lesson_test.go"), e[2], page)
			} else {
				require.Contains(t, scenesOf(t, e[1]), e[2], page)
			}
		}
	}
}
