package main

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"github.com/stretchr/testify/require"

	"socketbook/lessons/internal/scenario"
	"socketbook/lessons/internal/stage"
	"socketbook/lessons/internal/stage/stagetest"
	"socketbook/tools/loopback"
	"socketbook/tools/timeline"
)

func TestMain(m *testing.M) { stagetest.Main(m, lesson) }

func TestLesson(t *testing.T) { stagetest.Lesson(t, lesson) }

// What comes of each call that fails: an error, a line in the log, and which connections are closed.
func TestFailures(t *testing.T) {
	stagetest.NeedShell(t)
	const input = "echo hi\n\necho ho\nquit\nnever sent\n"
	stagetest.Failures(
		t,
		stagetest.Serves("serve", serve, ":", "echo hi\n"),
		stagetest.Serves("serve refuses", serve, "echo hi\necho ho"),
		stagetest.Talks("talk", utf8Client.talk, input, "\x01\x00\x00\x00h", "\x03\x00\x00\x00ho\n"),
		stagetest.Talks("talk, the longest command", utf8Client.talk,
			strings.Repeat("x", maxRead)+"\n", "\x01\x00\x00\x00h"),
		stagetest.Talks("talk, a longer one", utf8Client.talk, strings.Repeat("x", maxRead+1)+"\n"),
		stagetest.Talks("talk, and half a character comes", utf8Client.talk, "echo hi\n",
			"\x02\x00\x00\x00\xe4\xbd"),
		stagetest.Reads("naiveCollect", func(r io.Reader, w io.Writer) error {
			size, copied, err := naiveCollect(r)
			fmt.Fprintf(w, "%d bytes, %d copied", size, copied)
			return err
		}, "\x01\x08\x00\x00", strings.Repeat("a", 2049)),
	)
}

func TestFixGlue(t *testing.T) {
	require.Equal(t, []string{"hello", "world"}, stagetest.Play(t, lesson, "glue").Got)
}

func TestFixSplit(t *testing.T) {
	require.Equal(t, []string{strings.Repeat("a", 3000)}, stagetest.Play(t, lesson, "split").Got)
}

func TestFixResidue(t *testing.T) {
	want := []string{strings.Repeat("0", 3000), "second"}
	require.Equal(t, want, stagetest.Play(t, lesson, "residue").Got)
}

func TestFixSilentCommand(t *testing.T) {
	got := stagetest.Play(t, lesson, "silent-command")
	require.False(t, got.Stuck)
	require.Equal(t, []string{"", "next"}, got.Got)
}

func TestFixCutCharacter(t *testing.T) {
	require.Equal(t, 1500, stagetest.Play(t, lesson, "cut-character").N)
}

// Half a character at the end of one read is completed by the next.
func TestCharacterAcrossReads(t *testing.T) {
	conn, server := net.Pipe() // a Write of one end is a Read of the other
	defer conn.Close()
	go func() {
		defer server.Close()
		if _, err := server.Read(make([]byte, maxRead)); err != nil {
			return
		}
		for _, piece := range []string{"\x05\x00\x00\x00", "x\xd6", "\xd0\xce", "\xc4"} {
			if _, err := io.WriteString(server, piece); err != nil {
				return
			}
		}
	}()
	var out strings.Builder
	require.NoError(t, gbkClient.talk(conn, strings.NewReader("a command\n"), &out))
	require.Equal(t, "x中文\n", out.String())
}

func TestFixPause(t *testing.T) {
	got := stagetest.Play(t, lesson, "pause")
	require.Equal(t, []string{"one", "two", "three"}, got.Got)
	require.GreaterOrEqual(t, got.Took[0], 2*pause, "the same pauses as in lesson 04")
	verdict := fmt.Sprintf("from the first send to the last: %d ms", got.Took[0].Milliseconds())
	require.Contains(t, got.Verdicts(), verdict)
}

func TestFixNoDelay(t *testing.T) {
	want := []string{"hello", "world", "hello", "world"}
	require.Equal(t, want, stagetest.Play(t, lesson, "no-delay").Got,
		"with TCP_NODELAY and without")
}

func TestFixOneBehind(t *testing.T) {
	got := stagetest.Play(t, lesson, "one-behind")
	require.Equal(t, []string{"warning: disk is old", "all is well", "second"}, got.Got)
	require.Zero(t, got.N, "bytes left in the queue")
}

func TestFixFullBuffer(t *testing.T) {
	require.False(t, stagetest.Play(t, lesson, "full-buffer").Stuck)
	for _, size := range []int{1, maxRead - 1, maxRead, maxRead + 1, 2 * maxRead, 3000} {
		got, err := scenario.FullBuffer(messages, size)(timeline.NewRecorder(t.Name()))
		require.NoError(t, err)
		require.False(t, got.Stuck, "an answer of %d bytes", size)
		require.Equal(t, []string{strings.Repeat("a", size)}, got.Got)
	}
}

// With n pieces of 1024 bytes 1024·n·(n+1)/2 bytes are copied: 8.6 GB for an answer of 4 MiB.
func TestBugQuadratic(t *testing.T) {
	copied := func(pieces int) int { return 1024 * pieces * (pieces + 1) / 2 }
	require.Equal(t, copied(32), stagetest.PlayNaive(t, lesson, "quadratic").N)
	require.Equal(t, 8_592_031_744, copied(4096), "4 MiB")

	const pieces = 256
	header, err := encodeHeader(1024 * pieces)
	require.NoError(t, err)
	before := allocated()
	_, counted, err := naiveCollect(io.MultiReader(bytes.NewReader(header[:]), zeros{}))
	require.NoError(t, err)
	require.Equal(t, copied(pieces), counted)
	require.GreaterOrEqual(t, allocated()-before, uint64(counted), "the bytes of the strings that were made")
}

func TestFixQuadratic(t *testing.T) {
	require.Equal(t, 32<<10, stagetest.Play(t, lesson, "quadratic").N)
}

func TestBugSplitHeader(t *testing.T) {
	got := stagetest.PlayNaive(t, lesson, "split-header")
	require.NoError(t, got.Met, "it does not even notice")
	require.Equal(t, []string{"\x00\x00hello"}, got.Got)
}

func TestFixSplitHeader(t *testing.T) {
	got := stagetest.Play(t, lesson, "split-header")
	require.NoError(t, got.Met)
	require.Equal(t, []string{"hello"}, got.Got)
}

func TestBugOverRead(t *testing.T) {
	want := []string{"first\x06\x00\x00\x00second", ""}
	require.Equal(t, want, stagetest.PlayNaive(t, lesson, "over-read").Got)
}

func TestFixOverRead(t *testing.T) {
	require.Equal(t, []string{"first", "second"}, stagetest.Play(t, lesson, "over-read").Got)
}

func TestBugCutShort(t *testing.T) {
	got := stagetest.PlayNaive(t, lesson, "cut-short")
	require.NoError(t, got.Met)
	require.Equal(t, 100, got.N, "reads after the end: as many as the scene lets it make")
}

func TestFixCutShort(t *testing.T) {
	got := stagetest.Play(t, lesson, "cut-short")
	require.ErrorIs(t, got.Met, io.ErrUnexpectedEOF)
	require.ErrorContains(t, got.Met, "got 10 of 100 payload bytes")
	require.Equal(t, 1, got.N, "reads after the end")
}

func TestBugByteOrder(t *testing.T) {
	require.Equal(t, 50331648, stagetest.PlayNaive(t, lesson, "byte-order").N)
}

func TestFixByteOrder(t *testing.T) {
	require.Equal(t, 3, stagetest.Play(t, lesson, "byte-order").N)
}

func TestFixNegative(t *testing.T) {
	require.ErrorContains(t, stagetest.Play(t, lesson, "negative").Met, "-5 bytes")
}

func TestFixHuge(t *testing.T) {
	before := allocated()
	require.ErrorContains(t, stagetest.Play(t, lesson, "huge").Met, "2147483647 bytes")
	require.Less(t, allocated()-before, uint64(1<<20),
		"bytes allocated for a message of 2 GiB that was only announced")
}

func TestBugOverflow(t *testing.T) {
	got := stagetest.PlayNaive(t, lesson, "overflow")
	require.NoError(t, got.Met)
	require.Equal(t, -2147483643, got.N)
}

func TestFixOverflow(t *testing.T) {
	require.ErrorContains(t, stagetest.Play(t, lesson, "overflow").Met, "2147483653 bytes")
}

func TestBugNoName(t *testing.T) {
	got := stagetest.Play(t, lesson, "no-name")
	require.Equal(t, []string{"", ""}, got.Got, "neither a name nor a checksum")
	require.ErrorContains(t, got.Met, "5368709120 bytes", "5 GiB")
	require.Equal(t, "\x0c\x00\x00\x00all is well\n", stagetest.Sent(got.Events, "server"),
		"all that is on the wire: a length, and the bytes")
}

func TestHeader(t *testing.T) {
	for size, want := range map[int64][headerSize]byte{
		0:             {},
		3:             {3, 0, 0, 0},
		1 << 8:        {0, 1, 0, 0},
		math.MaxInt32: {0xff, 0xff, 0xff, 0x7f},
	} {
		header, err := encodeHeader(size)
		require.NoError(t, err)
		require.Equal(t, want, header)
	}
	for _, size := range []int64{-1, math.MaxInt32 + 1, math.MaxInt64} {
		_, err := encodeHeader(size)
		require.Error(t, err)
	}
	size, err := decodeHeader([headerSize]byte{0, 0, 0, 0x40})
	require.NoError(t, err)
	require.EqualValues(t, maxPayload, size, "the limit itself is allowed")
	_, err = decodeHeader([headerSize]byte{1, 0, 0, 0x40})
	require.Error(t, err)
}

// However the bytes come, the messages are the same, and how the stream ends is told apart.
func TestReadMessage(t *testing.T) {
	var stream bytes.Buffer
	for _, message := range []string{"hello", "", "你好"} {
		require.NoError(t, writeMessage(&stream, []byte(message)))
	}
	for _, r := range []io.Reader{
		bytes.NewReader(stream.Bytes()),
		iotest.OneByteReader(bytes.NewReader(stream.Bytes())),
		iotest.HalfReader(bytes.NewReader(stream.Bytes())),
		iotest.DataErrReader(bytes.NewReader(stream.Bytes())),
	} {
		for _, want := range []string{"hello", "", "你好"} {
			got, err := receive(r)
			require.NoError(t, err)
			require.Equal(t, want, string(got))
		}
		_, err := receive(r)
		require.ErrorIs(t, err, io.EOF, "the end between two messages")
	}
	for n := 1; n < 9; n++ {
		_, err := receive(bytes.NewReader(stream.Bytes()[:n]))
		require.ErrorIs(t, err, io.ErrUnexpectedEOF, "%d of 9 bytes", n)
	}
	broken := errors.New("broken")
	_, err := receive(io.MultiReader(bytes.NewReader(stream.Bytes()[:6]), iotest.ErrReader(broken)))
	require.ErrorIs(t, err, broken, "a failure is not taken for an end")
}

// An error of the connection is reported, wherever it comes.
func TestWriteMessageFails(t *testing.T) {
	var whole bytes.Buffer
	send := func(w io.Writer) error { return writeMessage(w, []byte("hello")) }
	require.NoError(t, send(&whole))
	for room := range whole.Len() {
		require.ErrorIs(t, send(&shortWriter{room}), errFull, "%d of %d bytes", room, whole.Len())
	}
}

var errFull = errors.New("no more room")

// shortWriter has room for that many bytes.
type shortWriter struct{ room int }

func (w *shortWriter) Write(p []byte) (int, error) {
	n := min(len(p), w.room)
	w.room -= n
	if n < len(p) {
		return n, errFull
	}
	return n, nil
}

// The client holds a piece of an answer at a time, however long it is.
func TestFlatMemory(t *testing.T) {
	const size = 64 << 20
	header, err := encodeHeader(size)
	require.NoError(t, err)
	r := io.MultiReader(bytes.NewReader(header[:]), io.LimitReader(zeros{}, size))
	before := allocated()
	require.NoError(t, readMessage(r, io.Discard))
	require.Less(t, allocated()-before, uint64(1<<20), "bytes allocated for a message of 64 MiB")
}

// allocated is how many bytes this process has allocated so far.
func allocated() uint64 {
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.TotalAlloc
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) {
	clear(p)
	return len(p), nil
}

// Whatever a client or its command does, the next client is served.
func TestNextClient(t *testing.T) {
	stagetest.NeedShell(t)
	server, err := scenario.Start(timeline.NewRecorder(t.Name()), serve)
	require.NoError(t, err)
	for command, want := range map[string]string{
		"exit 3":                     "\n",
		"true":                       "\n",
		"echo oops >&2":              "oops\n",
		"cat":                        "\n",
		"printf '\\377'":             "\uFFFD\n",
		"echo a; echo b >&2":         "a\nb\n",
		"echo b >&2; echo a":         "a\nb\n", // standard output first
		"head -c 10485760 /dev/zero": strings.Repeat("\x00", 10<<20) + "\n",
	} {
		conn, err := dial(server.Addr)
		require.NoError(t, err)
		var out strings.Builder
		require.NoError(t, utf8Client.talk(conn, strings.NewReader(command+"\n"), &out))
		require.True(t, want == out.String(), command)
		conn.Close()
	}
	conn, err := dial(server.Addr) // one that resets in the middle of its answer
	require.NoError(t, err)
	_, err = conn.Write([]byte("head -c 10485760 /dev/zero"))
	require.NoError(t, err)
	require.NoError(t, loopback.WaitQueued(conn, headerSize))
	require.NoError(t, loopback.Abort(conn))
	conn, err = dial(server.Addr)
	require.NoError(t, err)
	require.NoError(t, utf8Client.talk(conn, strings.NewReader("true\n"), io.Discard))
	conn.Close()
	require.NoError(t, server.Stop())
}

// A client that is told nonsense ends with one line and status 1.
func TestClientErrors(t *testing.T) {
	for beginning, says := range map[string]string{
		"\x05\x00":             "got 2 of 4 header bytes",
		"\x05\x00\x00\x00he":   "got 2 of 5 payload bytes",
		"\xfb\xff\xff\xff":     "announces -5 bytes",
		"\xff\xff\xff\x7fhaha": "announces 2147483647 bytes",
	} {
		ln, err := loopback.Listen()
		require.NoError(t, err)
		go func() {
			conn, err := ln.Accept()
			if err != nil {
				return
			}
			conn.Read(make([]byte, maxRead))
			conn.Write([]byte(beginning))
			conn.Close()
		}()
		_, errs, status := stagetest.Run(t.Context(), lesson, "ls\n", "client", "-addr",
			ln.Addr().String())
		require.Equal(t, 1, status)
		require.Equal(t, 1, strings.Count(errs, "\n"), errs)
		require.Contains(t, errs, says)
		ln.Close()
	}
}

// A reset in the middle of an answer is reported with both numbers, as an end there is.
func TestClientMeetsReset(t *testing.T) {
	ln, err := loopback.Listen()
	require.NoError(t, err)
	defer ln.Close()
	printed, out := io.Pipe()
	go func() {
		defer io.Copy(io.Discard, printed)
		conn, err := ln.Accept()
		if err != nil {
			return
		}
		conn.Read(make([]byte, maxRead))
		conn.Write([]byte("\x0a\x00\x00\x00hel"))
		io.ReadFull(printed, make([]byte, 3)) // the client has them
		loopback.Abort(conn)
	}()
	var errs bytes.Buffer
	status := stage.Run(t.Context(), lesson, []string{"client", "-addr", ln.Addr().String()},
		strings.NewReader("ls\n"), out, &errs)
	out.Close()
	require.Equal(t, 1, status)
	require.Equal(t, 1, strings.Count(errs.String(), "\n"), &errs)
	require.Contains(t, errs.String(), "got 3 of 10 payload bytes: ")
	require.Contains(t, errs.String(),
		": the server dropped the connection; start the server again: go run ./lessons/05 server")
	require.Equal(t, 2, strings.Count(errs.String(), ln.Addr().String()),
		"the address once for what was tried, once for what to type: %s", &errs)
}

// A client may leave whenever it likes.
func TestLeaving(t *testing.T) { stagetest.Leaving(t, answer, "echo hi") }

// A request that is not one line of at most 1024 bytes is refused, nothing of it is run, and the next
// client is served. A web page can make a browser send the first two to a port of the
// reader's own machine.
func TestRefused(t *testing.T) {
	mark := filepath.Join(t.TempDir(), "mark")
	touch := "touch '" + mark + "'"
	server := stagetest.Refused(t, serve,
		"POST / HTTP/1.1\r\nHost: 127.0.0.1:8080\r\nContent-Length: 99\r\n\r\n"+touch+"\n",
		"GET /;touch$IFS"+mark+";"+strings.Repeat("a", 2000)+
			" HTTP/1.1\r\nHost: 127.0.0.1:8080\r\n\r\n",
		touch+"\n"+touch,
		touch+"\r\n"+touch+"\r\n",
		touch+strings.Repeat(" ", maxRead+1-len(touch)))
	require.NoFileExists(t, mark)
	longest := "echo " + strings.Repeat("x", maxRead-len("echo "))
	conn, err := dial(server.Addr)
	require.NoError(t, err)
	defer conn.Close()
	require.NoError(t, conn.SetDeadline(time.Now().Add(loopback.Patience)))
	var out strings.Builder
	require.NoError(t, utf8Client.talk(conn, strings.NewReader("\n"+longest+"\n\nquit\n"), &out))
	require.Equal(t, longest[len("echo "):]+"\n", strings.ReplaceAll(out.String(), "\r\n", "\n"),
		"and nothing was sent for the empty lines")
	conn.Close()
	require.NoError(t, server.Stop())
}

func TestServeEnds(t *testing.T) {
	ln, err := loopback.Listen()
	require.NoError(t, err)
	ln.Close()
	require.NoError(t, serve(ln), "a closed listener is no error")
}

func TestPython(t *testing.T) {
	t.Run("its client, our server", func(t *testing.T) {
		server := stagetest.Server(t)
		out, errs, status := stagetest.Output(t, stagetest.Python(t, "client.py", server.Addr),
			"\necho 你好\n\ntrue\nprintf %03000d 7\n")
		require.Zero(t, status, errs)
		require.Equal(t, "7:你好\n\n0:\n3000:"+strings.Repeat("0", 2999)+"7\n", out)
	})
	t.Run("our client, its server", func(t *testing.T) {
		server := stagetest.Start(t, stagetest.Python(t, "server.py"))
		out, errs, status := stagetest.Client(t, server.Addr, "echo 你好\ntrue\nprintf %03000d 7\n")
		require.Zero(t, status, errs)
		require.Equal(t, "你好\n\n"+strings.Repeat("0", 2999)+"7\n", out)
	})
}

// The client that README.md shows is the one that TestPython runs.
func TestReadmeClient(t *testing.T) {
	text, err := os.ReadFile("README.md")
	require.NoError(t, err)
	client, err := os.ReadFile("testdata/client.py")
	require.NoError(t, err)
	require.Contains(t, string(text), "```python\n"+string(client)+"```")
}

// The Python script in the text of the whole course does against our server what it says there.
func TestCourseReadmeScript(t *testing.T) {
	text, err := os.ReadFile("../../README.md")
	require.NoError(t, err)
	script := regexp.MustCompile("(?s)```python\n(.*?)```").FindSubmatch(text)
	require.NotNil(t, script)
	server := stagetest.Server(t)
	_, port, err := net.SplitHostPort(server.Addr)
	require.NoError(t, err)
	name := filepath.Join(t.TempDir(), "script.py")
	require.NoError(t,
		os.WriteFile(name, bytes.Replace(script[1], []byte("8080"), []byte(port), 1), 0o644))
	out, errs, status := stagetest.Output(t, stagetest.Python(t, name), "")
	require.Zero(t, status, errs)
	lines := strings.Split(out, "\n")
	require.GreaterOrEqual(t, len(lines), 2)
	require.Contains(t, lines[0], `6 bytes, 'hello\n'`)
	for _, line := range lines[:2] {
		require.Contains(t, string(text), line, "what it prints stands in the text")
	}
}

func FuzzReadMessage(f *testing.F) {
	f.Add([]byte("\x05\x00\x00\x00hello"))
	f.Fuzz(func(t *testing.T, stream []byte) {
		r := bytes.NewReader(stream)
		before := allocated()
		got, err := receive(r)
		if len(stream) >= headerSize {
			size := int64(int32(binary.LittleEndian.Uint32(stream)))
			if whole := size >= 0 && size <= int64(len(stream)-headerSize); whole != (err == nil) {
				t.Fatalf("%d bytes announced, %d there: %v", size, len(stream)-headerSize, err)
			}
		}
		if err == nil {
			want, rest := stream[headerSize:headerSize+len(got)], len(stream)-headerSize-len(got)
			if !bytes.Equal(got, want) || r.Len() != rest {
				t.Fatalf("got %q of %q, %d bytes left", got, stream, r.Len())
			}
		} else if !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) &&
			!strings.Contains(err.Error(), "announces") {
			t.Fatalf("an error of another kind: %v", err)
		}
		if used := allocated() - before; used > 1<<20+8*uint64(len(stream)) {
			t.Fatalf("%d bytes allocated for a stream of %d", used, len(stream))
		}
	})
}

func BenchmarkHeader(b *testing.B) {
	b.Run("encode", func(b *testing.B) {
		b.ReportAllocs()
		for i := int64(0); b.Loop(); i++ {
			if _, err := encodeHeader(i & math.MaxInt32); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("decode", func(b *testing.B) {
		b.ReportAllocs()
		header := [headerSize]byte{1, 2, 3, 4}
		for b.Loop() {
			if _, err := decodeHeader(header); err != nil {
				b.Fatal(err)
			}
		}
	})
}

// BenchmarkThroughput sends the same payload framed and bare, in turns over one connection, and
// reports bare time / framed time: 1 means that framing costs nothing.
func BenchmarkThroughput(b *testing.B) {
	for _, size := range []int{64 << 10, 1 << 20, 16 << 20} {
		b.Run(fmt.Sprintf("%dKiB", size>>10), func(b *testing.B) {
			client, server, err := loopback.TCP()
			require.NoError(b, err)
			defer client.Close()
			defer server.Close()
			payload := bytes.Repeat([]byte("a"), size)
			var bare, framed time.Duration
			b.SetBytes(2 * int64(size))
			for b.Loop() {
				bare += carry(b, server, client,
					func(w io.Writer) error { _, err := w.Write(payload); return err },
					func(r io.Reader) error { _, err := io.CopyN(io.Discard, r, int64(size)); return err })
				framed += carry(b, server, client,
					func(w io.Writer) error { return writeMessage(w, payload) },
					func(r io.Reader) error { return readMessage(r, io.Discard) })
			}
			b.ReportMetric(float64(bare)/float64(framed), "bare/framed")
		})
	}
}

// carry measures one transfer, from the first byte written to the last one read.
func carry(
	b *testing.B, from, to net.Conn, write func(io.Writer) error, read func(io.Reader) error,
) time.Duration {
	begin := time.Now()
	written := make(chan error, 1)
	go func() { written <- write(from) }()
	if err := errors.Join(read(to), <-written); err != nil {
		b.Fatal(err)
	}
	return time.Since(begin)
}

// A read may return bytes and an error at once, as every io.Reader may. The bytes come first.
func TestBytesBeforeTheError(t *testing.T) {
	client, server, err := loopback.TCP()
	require.NoError(t, err)
	_, err = client.Write([]byte("echo hi"))
	require.NoError(t, err)
	require.NoError(t, client.CloseWrite())
	require.NoError(t, answer(stagetest.BytesWithTheEnd(server)))
	printed, err := io.ReadAll(client)
	require.NoError(t, err)
	require.Contains(t, string(printed), "hi")
	client.Close()
}

// A request is one line of text, with or without its end; nothing else reaches the shell.
func TestRequests(t *testing.T) {
	for request, want := range map[string]string{
		"echo hi":                     "echo hi",
		"echo hi\n":                   "echo hi",
		"echo hi\r\n":                 "echo hi",
		"echo 你好, HTTP/1.1 is spoken": "echo 你好, HTTP/1.1 is spoken",
		strings.Repeat("x", maxRead):  strings.Repeat("x", maxRead),
		"\n":                          "",
	} {
		command, err := commandLine([]byte(request))
		require.NoError(t, err, "%q", request)
		require.Equal(t, want, command)
	}
	for request, says := range map[string]string{
		"GET /;echo x HTTP/1.0":                     "an HTTP request",
		"GET /;echo x HTTP/1.0\r\n":                 "an HTTP request",
		"GET /;echo x HTTP/1.0\r\n\r\n":             "an HTTP request",
		"POST / HTTP/1.1\r\nHost: x\r\n\r\necho hi": "an HTTP request",
		"\x07\x00\x00\x00echo hi":                   "requests carry no header here",
		"\x00\x00\x00\x07echo hi":                   "requests carry no header here",
		"\x07\x00\x00\x00":                          "requests carry no header here",
		"abc\x00":                                   "requests carry no header here",
		"echo\x00":                                  "not one line",
		"\x1b[2J":                                   "not one line",
		"echo \x00hi":                               "not one line",
		"echo a\necho b":                            "not one line",
		"echo a\n\n":                                "not one line",
		"echo a\rb":                                 "not one line",
		"echo \x1b[2J":                              "not one line",
		strings.Repeat("x", maxRead+1):              "not one line of at most 1024 bytes",
	} {
		command, err := commandLine([]byte(request))
		require.Error(t, err, "%q", request)
		require.Empty(t, command, "%q", request)
		client, server, err := loopback.TCP()
		require.NoError(t, err)
		_, err = client.Write([]byte(request))
		require.NoError(t, err)
		require.NoError(t, client.CloseWrite())
		require.NoError(t, loopback.WaitQueued(server, len(request)))
		refused := answer(server)
		require.ErrorContains(t, refused, says, "%q", request)
		require.ErrorContains(t, refused, "nothing was run", "%q", request)
		answered, _ := io.ReadAll(client) // a reset, if the request was longer than one read
		require.Empty(t, answered, "%q", request)
		client.Close()
	}
}

// The shell is given the command line as it came, quotes included.
func TestQuotes(t *testing.T) {
	want := "a  b\n" // the shell takes the quotes away
	if runtime.GOOS == "windows" {
		want = "\"a  b\"\r\n" // cmd.exe leaves them
	}
	require.Equal(t, want, string(run(`echo "a  b"`)))
}

// However much a command prints, the server keeps a bounded part of it, and says how much it cut off.
func TestLimitedOutput(t *testing.T) {
	var l limited
	for _, n := range []int{maxOutput - 1, 1, 0, 3} {
		written, err := l.Write(make([]byte, n))
		require.NoError(t, err)
		require.Equal(t, n, written, "the command is never told")
	}
	require.Len(t, l.kept, maxOutput)
	require.Equal(t, 3, l.cut)

	stagetest.NeedShell(t)
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	output := string(run("head -c 150000000 /dev/zero; echo oops >&2"))
	runtime.ReadMemStats(&after)
	require.Less(t, after.TotalAlloc-before.TotalAlloc, uint64(10*maxOutput),
		"bytes allocated for an output of 150 MB")
	kept, rest := output[:maxOutput], output[maxOutput:]
	require.Empty(t, strings.Trim(kept, "\x00"))
	require.Equal(t, "oops\n\n[133222784 more bytes were printed, and cut off]\n", rest)
	require.NotContains(t, string(run("head -c 16777216 /dev/zero")), "cut off", "as many as are kept")
	require.Contains(t, string(run("head -c 16777217 /dev/zero >&2")), "[1 more bytes were printed")
}

// A header and its payload leave in one write: two may cost a segment more, and an answer could stop
// between them.
func TestOneWrite(t *testing.T) {
	var w countingWriter
	require.NoError(t, writeMessage(&w, []byte("hello")))
	require.Equal(t, 1, w.writes)
}

type countingWriter struct{ writes int }

func (w *countingWriter) Write(p []byte) (int, error) {
	w.writes++
	return len(p), nil
}
