package main

import (
	"bytes"
	"crypto/md5"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log"
	"math"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"github.com/stretchr/testify/require"

	"socketbook/lessons/internal/scenario"
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
	var hi, ho strings.Builder
	require.NoError(t, sendMessage(&hi, []byte("hi")))
	require.NoError(t, sendMessage(&ho, []byte("ho\n")))
	half := string(frame(`{"file_name": "a.txt", "total_size": 2}`, "\xe4\xbd"))
	path := string(frame(`{"file_name": "a/b", "total_size": 2}`, "hi"))
	folder, err := os.OpenRoot(t.TempDir())
	require.NoError(t, err)
	defer folder.Close()
	saving := client{charset: utf8Client.charset, folder: folder}
	stagetest.Failures(
		t,
		stagetest.Serves("serve", serve, ":", "echo hi\n"),
		stagetest.Serves("serve refuses", serve, "echo hi\necho ho"),
		stagetest.Talks("talk", utf8Client.talk, input, hi.String(), ho.String()),
		stagetest.Talks("talk, the longest command", utf8Client.talk,
			strings.Repeat("x", maxRead)+"\n", hi.String()),
		stagetest.Talks("talk, a longer one", utf8Client.talk, strings.Repeat("x", maxRead+1)+"\n"),
		stagetest.Talks("talk, and half a character comes", utf8Client.talk, "echo hi\n", half),
		stagetest.Talks("talk, and save", saving.talk, "echo hi\n", hi.String()),
		stagetest.Talks("talk, and save under a path", saving.talk, "echo hi\n", path),
		stagetest.Reads("naiveReadMessage", naiveReadMessage, hi.String()),
	)
}

func TestFixNoName(t *testing.T) {
	got := stagetest.Play(t, lesson, "no-name")
	require.Equal(t, []string{"report.txt", "2670f929ce8c93af815ba0ae8fd591ff"}, got.Got)
	require.NoError(t, got.Met, "5 GiB")
}

func TestFixBig(t *testing.T) {
	for _, size := range []int64{1<<31 - 1, 1 << 31, 5 << 30, maxPayload} {
		require.NoError(t, fits(size))
	}
	got := stagetest.Play(t, lesson, "big")
	require.ErrorIs(t, got.Met, io.ErrUnexpectedEOF)
	require.ErrorContains(t, got.Met, "got 262144 of 5368709120 payload bytes")
}

func TestBugSplitJson(t *testing.T) {
	got := stagetest.PlayNaive(t, lesson, "split-json")
	require.ErrorContains(t, got.Met, "unexpected end of JSON input")
}

// In one piece, but too long for one read.
func TestLongHeader(t *testing.T) {
	got := stagetest.PlayNaive(t, lesson, "long-header")
	require.ErrorContains(t, got.Met, "unexpected end of JSON input")
	require.Less(t, got.N, 300_000)
}

func TestFixSplitJson(t *testing.T) {
	got := stagetest.Play(t, lesson, "split-json")
	require.NoError(t, got.Met)
	require.Equal(t, []string{"hello"}, got.Got)
}

// A JSON that no single read brings is put together, up to the limit.
func TestLongestHeader(t *testing.T) {
	overhead := len(`{"file_name":"","total_size":5,"md5":""}`)
	for _, n := range []int{maxHeader, maxHeader + 1} {
		head, err := encodeHeader(header{FileName: strings.Repeat("x", n-overhead), TotalSize: 5})
		require.NoError(t, err)
		require.Len(t, head, headerSize+n)
		got, err := receive(
			iotest.OneByteReader(io.MultiReader(bytes.NewReader(head), strings.NewReader("hello"))))
		if n == maxHeader {
			require.NoError(t, err)
			require.Equal(t, "hello", string(got))
		} else {
			require.ErrorContains(t, err, "65537 bytes")
		}
	}
}

func TestFixLongHeader(t *testing.T) {
	before := allocated()
	got := stagetest.Play(t, lesson, "long-header")
	require.ErrorContains(t, got.Met, "the header announces 300045 bytes")
	require.Equal(t, headerSize, got.N, "bytes read")

	_, err := receive(strings.NewReader("\xff\xff\xff\x7f"))
	require.ErrorContains(t, err, "2147483647 bytes")
	_, err = receive(strings.NewReader("\xfb\xff\xff\xff"))
	require.ErrorContains(t, err, "-5 bytes")
	require.Less(t, allocated()-before, uint64(4<<20),
		"bytes allocated, most of them for what the scene sends")
}

func TestBugCharacters(t *testing.T) {
	got := stagetest.PlayNaive(t, lesson, "characters")
	require.ErrorContains(t, got.Met, "unexpected end of JSON input")
	require.Equal(t, 4, got.N, "bytes more than characters: two of three bytes each")
}

func TestFixCharacters(t *testing.T) {
	got := stagetest.Play(t, lesson, "characters")
	require.NoError(t, got.Met)
	require.Equal(t, []string{"all is well"}, got.Got)
}

func TestFixBadJson(t *testing.T) {
	refusedScene(t, "bad-json", "not the JSON")
	for _, text := range []string{``, `[]`, `"hello"`, strings.Repeat("[", maxHeader)} {
		refused(t, text, "not the JSON")
	}
	refused(t, `{"file_name": 7, "total_size": 5}`, "file_name")
	refused(t, `{"md5": [], "total_size": 5}`, "md5")
}

func TestFixNoSize(t *testing.T) {
	refusedScene(t, "no-size", "total_size")
	long := `{"x": "` + strings.Repeat("x", 60_000) + `"}`
	for _, text := range []string{`{"total_size": null}`, `{}`, long} {
		refused(t, text, "total_size")
	}
}

func TestFixNegativeSize(t *testing.T) {
	refusedScene(t, "negative-size", "total_size")
	for _, size := range []string{"-9223372036854775808", `"5"`, "5.5", "9223372036854775808"} {
		refused(t, `{"total_size": `+size+`}`, "total_size")
	}
}

func TestFixNotUtf8(t *testing.T) {
	refusedScene(t, "not-utf8", "file_name")
}

// refusedScene plays a scene in which a header comes over a connection that stays open, and expects
// one line that says what is wrong.
func refusedScene(t *testing.T, scene, says string) {
	t.Helper()
	wrong(t, stagetest.Play(t, lesson, scene).Met, says)
}

// refused does the same with a header of this text.
func refused(t *testing.T, text, says string) {
	t.Helper()
	play := scenario.Refused(frame(text, ""), receiveFrom)
	got, err := play(timeline.NewRecorder(t.Name()))
	require.NoError(t, err)
	wrong(t, got.Met, says)
}

func wrong(t *testing.T, err error, says string) {
	t.Helper()
	require.ErrorContains(t, err, says)
	require.Less(t, len(err.Error()), 400, "however long the header is")
	require.NotContains(t, err.Error(), "\n")
}

func TestUnknownKey(t *testing.T) {
	got := stagetest.Play(t, lesson, "unknown-key")
	require.NoError(t, got.Met)
	require.Equal(t, []string{"hello"}, got.Got)
}

func TestBugChecksum(t *testing.T) {
	got := stagetest.PlayNaive(t, lesson, "checksum")
	require.NoError(t, got.Met)
	require.Equal(t, []string{"transfer 900 to you"}, got.Got)
}

func TestFixChecksum(t *testing.T) {
	require.ErrorContains(t, stagetest.Play(t, lesson, "checksum").Met, "changed on the way")
}

func TestNotVerified(t *testing.T) {
	got := stagetest.Play(t, lesson, "not-verified")
	require.NoError(t, got.Met)
	require.Equal(t, []string{"hello"}, got.Got, "delivered all the same")
	said := func(e timeline.Event) bool {
		return e.Side == "client" && e.Op == timeline.Note && strings.Contains(e.Text,
			"is not verified")
	}
	require.True(t, slices.ContainsFunc(got.Events, said), "the client says it, not the server")

	short, long := "5d41402abc4b2a76b9719d911017c59", "5d41402abc4b2a76b9719d911017c592ff"
	for _, md5 := range []string{"", short, long} {
		got, err := receive(bytes.NewReader(frame(`{"total_size": 5, "md5": "`+md5+`"}`, "hello")))
		require.NoError(t, err)
		require.Equal(t, "hello", string(got), "delivered all the same")
	}
	_, err := receive(
		bytes.NewReader(frame(`{"total_size": 5, "md5": "5D41402ABC4B2A76B9719D911017C592"}`, "hello")))
	require.NoError(t, err, "hex digits of either case")
	var out strings.Builder
	errs := runClient(t, &out, frame(`{"file_name": "a.txt", "total_size": 5, "md5": "md5"}`, "hello"))
	require.Equal(t, "hello\n", out.String())
	require.Equal(t, "client: \"a.txt\" is not verified: its md5 is \"md5\"\n", errs)
}

// runClient lets the lesson's client ask a server that answers with the given bytes, and returns
// what it wrote to standard error.
func runClient(t *testing.T, out io.Writer, answer []byte, args ...string) (errs string) {
	ln, err := loopback.Listen()
	require.NoError(t, err)
	defer ln.Close()
	go answerOnce(ln, answer)
	stdout, errs, _ := stagetest.Run(t.Context(), lesson, "ls\n",
		append([]string{"client", "-addr", ln.Addr().String()}, args...)...)
	io.WriteString(out, stdout)
	return errs
}

// answerOnce is a server of one client.
func answerOnce(ln net.Listener, answer []byte) {
	conn, err := ln.Accept()
	if err != nil {
		return
	}
	conn.Read(make([]byte, maxRead))
	conn.Write(answer)
	conn.Close()
}

func TestFixPathName(t *testing.T) {
	got := stagetest.Play(t, lesson, "path-name")
	require.Equal(t, []string{"a/b/fine.txt"}, got.Got)
	require.Contains(t, got.Verdicts(), "in the folder: fine.txt; outside: nothing")
	require.Equal(t, "in the folder: nothing; outside: a/x, etc/x",
		whereabouts("a/b/", []string{"a/x", "etc/x"}))
}

// TestSaveFails: a disk that takes no more is the reader's own trouble, and not told as the
// server's fault.
func TestSaveFails(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("Windows has no ulimit, which makes a file fail like a full disk does")
	}
	ln, err := loopback.Listen()
	require.NoError(t, err)
	defer ln.Close()
	go answerOnce(ln, frame(`{"file_name": "a.txt", "total_size": 50000}`, strings.Repeat("x", 50000)))
	dir := t.TempDir()
	cmd := stagetest.Command(t, "client", "-addr", ln.Addr().String(), "-save", dir)
	cmd.Args = append([]string{"sh", "-c", `ulimit -f 8 && exec "$@"`, "sh", cmd.Path}, cmd.Args[1:]...)
	cmd.Path, err = exec.LookPath("sh")
	require.NoError(t, err)
	_, errs, status := stagetest.Output(t, cmd, "ls\n")
	require.Equal(t, 1, status)
	require.Equal(t,
		"saving an answer: writing "+
			""+filepath.Join(dir, "a.txt")+": file too large; is the disk full?\n", errs)
}

func TestSaveFlag(t *testing.T) {
	dir := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(dir, "a.txt"), []byte("longer than hello"), 0o644))
	var out strings.Builder
	errs := runClient(t, &out,
		frame(`{"file_name": "a.txt", "total_size": 5, "md5": "5d41402abc4b2a76b9719d911017c592"}`, "hello"),
		"-save", dir)
	require.Empty(t, errs)
	saved, err := os.ReadFile(filepath.Join(dir, "a.txt"))
	require.NoError(t, err)
	require.Equal(t, "hello", string(saved), "nothing of what was there before")
	open, _ := filepath.Glob("/proc/self/fd/*") // on Linux
	for _, name := range open {
		target, _ := os.Readlink(name)
		require.False(t, strings.HasPrefix(target, dir), "%s is still open", target)
	}

	_, errs, status := stagetest.Run(t.Context(), lesson, "", "client", "-save",
		filepath.Join(dir, "no-such-folder"))
	require.Equal(t, 2, status)
	require.Contains(t, errs, "no-such-folder")
}

func TestHeader(t *testing.T) {
	head, err := encodeHeader(header{FileName: "a.txt", TotalSize: 5, MD5: "x"})
	require.NoError(t, err)
	require.Equal(t, "\x2e\x00\x00\x00"+`{"file_name":"a.txt","total_size":5,"md5":"x"}`,
		string(head), "in this order")
	require.True(t, json.Valid(head[headerSize:]))
}

// However the bytes come, the messages are the same, and how the stream ends is told apart.
func TestReadMessage(t *testing.T) {
	var stream bytes.Buffer
	ends := map[int]bool{0: true}
	for _, message := range []string{"hello", "", "你好"} {
		require.NoError(t, sendMessage(&stream, []byte(message)))
		ends[stream.Len()] = true
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
	for n := range stream.Len() {
		r := bytes.NewReader(stream.Bytes()[:n])
		var err error
		for err == nil {
			_, err = receive(r)
		}
		if ends[n] {
			require.ErrorIs(t, err, io.EOF, "%d bytes", n)
		} else {
			require.ErrorIs(t, err, io.ErrUnexpectedEOF, "%d bytes", n)
		}
	}
}

// An error of the connection is reported, wherever it comes.
func TestWriteMessageFails(t *testing.T) {
	var whole bytes.Buffer
	send := func(w io.Writer) error { return writeMessage(w, "a.txt", []byte("hello")) }
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
	head, err := encodeHeader(header{FileName: "zeros", TotalSize: size})
	require.NoError(t, err)
	r := io.MultiReader(bytes.NewReader(head), io.LimitReader(zeros{}, size))
	before := allocated()
	require.NoError(t, utf8Client.readMessage(r, io.Discard))
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
		"\x05\x00":                                 "got 2 of 4 header bytes",
		string(frame(`{"total_size": 5}`, "he")):   "got 2 of 5 payload bytes",
		string(frame(`{"total_size": 5}`, "")[:9]): "got 5 of 17 header bytes",
		"\xfb\xff\xff\xff":                         "announces -5 bytes",
		"\xff\xff\xff\x7fhaha":                     "announces 2147483647 bytes",
		"HTTP/1.1 400 Bad Request\r\n\r\n":         "announces 1347703880 bytes",
	} {
		errs := runClient(t, io.Discard, []byte(beginning))
		require.Equal(t, 1, strings.Count(errs, "\n"), errs)
		require.Contains(t, errs, says)
	}
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
		require.Equal(t,
			"answer.txt 7:你好\n\nanswer.txt 0:\nanswer.txt 3000:"+strings.Repeat("0", 2999)+"7\n",
			out)
	})
	t.Run("our client, its server", func(t *testing.T) {
		server := stagetest.Start(t, stagetest.Python(t, "server.py"))
		dir := t.TempDir()
		out, errs, status := stagetest.Client(t, server.Addr, "echo 你好\ntrue\nprintf %03000d 7\n",
			"-save", dir)
		require.Zero(t, status, errs)
		require.Empty(t, errs, "verified")
		require.Equal(t, "你好\n\n"+strings.Repeat("0", 2999)+"7\n", out)
		saved, err := os.ReadFile(filepath.Join(dir, "回答.txt"))
		require.NoError(t, err)
		require.Equal(t, strings.Repeat("0", 2999)+"7", string(saved))
	})
}

func FuzzReadMessage(f *testing.F) {
	f.Add(frame(`{"file_name": "a", "total_size": 5, "md5": ""}`, "hello"))
	f.Fuzz(func(t *testing.T, stream []byte) {
		r := bytes.NewReader(stream)
		before := allocated()
		got, err := receive(r)
		if err == nil { // then it was all there: the length, the JSON, and as many bytes as it says
			size := int(binary.LittleEndian.Uint32(stream))
			payload := stream[headerSize+size:]
			if !bytes.HasPrefix(payload, got) || r.Len() != len(payload)-len(got) {
				t.Fatalf("got %q of %q, %d bytes left", got, payload, r.Len())
			}
		} else if len(err.Error()) > 1000 || strings.Contains(err.Error(), "\n") {
			t.Fatalf("not a line for people: %v", err)
		}
		if used := allocated() - before; used > 2<<20+64*uint64(len(stream)) {
			t.Fatalf("%d bytes allocated for a stream of %d", used, len(stream))
		}
	})
}

func BenchmarkHeader(b *testing.B) {
	h := header{FileName: "answer.txt", TotalSize: 5 << 30, MD5: "5d41402abc4b2a76b9719d911017c592"}
	b.Run("encode", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if _, err := encodeHeader(h); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("decode", func(b *testing.B) {
		b.ReportAllocs()
		head, err := encodeHeader(h)
		require.NoError(b, err)
		r := bytes.NewReader(nil)
		for b.Loop() {
			r.Reset(head[headerSize:])
			if _, err := decodeHeader(r, [headerSize]byte(head)); err != nil {
				b.Fatal(err)
			}
		}
	})
}

// BenchmarkThroughput sends the same payload three ways, in turns over one connection: bare; bare
// with an MD5 computed at both ends; framed. It reports bare time / framed time and hashed time /
// framed time: 1 means that framing costs nothing.
func BenchmarkThroughput(b *testing.B) {
	for _, size := range []int{64 << 10, 1 << 20, 16 << 20} {
		b.Run(fmt.Sprintf("%dKiB", size>>10), func(b *testing.B) {
			client, server, err := loopback.TCP()
			require.NoError(b, err)
			defer client.Close()
			defer server.Close()
			payload := bytes.Repeat([]byte("a"), size)
			var bare, hashed, framed time.Duration
			b.SetBytes(3 * int64(size))
			for b.Loop() {
				bare += carry(b, server, client,
					func(w io.Writer) error { _, err := w.Write(payload); return err },
					func(r io.Reader) error { _, err := io.CopyN(io.Discard, r, int64(size)); return err })
				hashed += carry(b, server, client,
					func(w io.Writer) error {
						md5.Sum(payload)
						_, err := w.Write(payload)
						return err
					},
					func(r io.Reader) error { _, err := io.CopyN(md5.New(), r, int64(size)); return err })
				framed += carry(b, server, client,
					func(w io.Writer) error { return sendMessage(w, payload) },
					func(r io.Reader) error { return utf8Client.readMessage(r, io.Discard) })
			}
			b.ReportMetric(float64(bare)/float64(framed), "bare/framed")
			b.ReportMetric(float64(hashed)/float64(framed), "hashed/framed")
		})
	}
}

// BenchmarkBig carries a payload of 5 GiB that is stored nowhere.
func BenchmarkBig(b *testing.B) {
	const size = 5 << 30
	client, server, err := loopback.TCP()
	require.NoError(b, err)
	defer client.Close()
	defer server.Close()
	head, err := encodeHeader(header{FileName: "zeros", TotalSize: size})
	require.NoError(b, err)
	log.SetOutput(io.Discard) // nobody computed the checksum beforehand
	defer log.SetOutput(os.Stderr)
	b.SetBytes(size)
	b.ReportAllocs()
	for b.Loop() {
		carry(b, server, client, func(w io.Writer) error {
			_, err := io.Copy(w, io.MultiReader(bytes.NewReader(head), io.LimitReader(zeros{}, size)))
			return err
		}, func(r io.Reader) error { return utf8Client.readMessage(r, io.Discard) })
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

// A header and its payload leave in one write: two would cost a segment, and an answer could stop
// between them.
func TestOneWrite(t *testing.T) {
	var w countingWriter
	require.NoError(t, sendMessage(&w, []byte("hello")))
	require.Equal(t, 1, w.writes)
}

type countingWriter struct{ writes int }

func (w *countingWriter) Write(p []byte) (int, error) {
	w.writes++
	return len(p), nil
}

// A total_size that nobody can keep is not believed.
func TestLargestPayload(t *testing.T) {
	for _, size := range []int64{maxPayload + 1, math.MaxInt64} {
		require.ErrorContains(t, fits(size), fmt.Sprintf("the header's total_size is %d bytes: "+
			"at most 1099511627776 are believed", size), "1 TiB")
	}
}

// A peer chooses the name, and the file stays harmless: in its folder, on every system, whatever is
// done with it later.
func TestFileNames(t *testing.T) {
	dir := t.TempDir()
	for _, name := range []string{
		"a.txt", "回答.txt", "report (1).tar.gz", "a-b_c+d", "x",
		"console.txt", "com10",
	} {
		errs := runClient(t, io.Discard, frameNamed(t, name), "-save", dir)
		require.Empty(t, errs, name)
		require.FileExists(t, filepath.Join(dir, name))
		require.NoError(t, os.Remove(filepath.Join(dir, name)))
	}
	for _, name := range []string{
		"", ".", "..", ".bashrc", "-rf", "a/b", "/etc/x", `a\b`, "../x", ".git/hooks/post-checkout",
		"C:x", "a:stream",
		"a\nb", "a\x1b]0;title\a.txt", "a\x00b", "a\u009b2J", "a\u202egpj.exe", " a", "a ", "a.", "*",
		"a?", "$(a)", "a|b",
		"CON", "nul", "Aux.txt", "com1", "COM¹.log", "lpt9.tar.gz", "nul .txt", "conin$",
	} {
		errs := runClient(t, io.Discard, frameNamed(t, name), "-save", dir)
		require.Contains(t, errs, "not a plain name", "%q", name)
		require.Equal(t, 1, strings.Count(errs, "\n"), "%q", errs)
		require.NotContains(t, errs, "\x1b")
	}
	require.Contains(t, runClient(t, io.Discard, frame(`{"total_size": 5}`, "hello"), "-save", dir),
		`file_name is ""`)
	left, err := os.ReadDir(dir)
	require.NoError(t, err)
	require.Empty(t, left, "nothing was created")
}

// frameNamed is a message with a name, true in every respect.
func frameNamed(t *testing.T, name string) []byte {
	var b bytes.Buffer
	require.NoError(t, writeMessage(&b, name, []byte("hello")))
	return b.Bytes()
}

// A link that somebody left in the folder is a way out of it, and the folder does not take it.
func TestLinkOutOfTheFolder(t *testing.T) {
	dir, outside := t.TempDir(), filepath.Join(t.TempDir(), "secret")
	if err := os.Symlink(outside, filepath.Join(dir, "link")); err != nil && runtime.GOOS == "windows" {
		t.Skip("making a link needs a privilege on Windows:", err)
	} else {
		require.NoError(t, err)
	}
	errs := runClient(t, io.Discard, frame(`{"file_name": "link", "total_size": 5}`, "hello"), "-save", dir)
	require.Contains(t, errs, "escapes")
	require.NoFileExists(t, outside)
}
