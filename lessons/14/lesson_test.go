package main

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/stretchr/testify/require"

	"socketbook/lessons/internal/stage/stagetest"
)

func TestMain(m *testing.M) { stagetest.Main(m, lesson) }

func TestLesson(t *testing.T) { stagetest.Lesson(t, lesson) }

// What comes of each call that fails: an error, a line in the log, and which connections are closed.
func TestFailures(t *testing.T) {
	ok := frame(t, header{})
	stagetest.Failures(
		t,
		stagetest.Answers("put", func(conn net.Conn) error { return answerFrom(conn, folder(t, nil)) },
			frame(t, header{Command: "put", FileName: "a.txt", TotalSize: 5}), message(t, "a.txt", "hello")),
		stagetest.Answers("get and list", func(conn net.Conn) error {
			return answerFrom(conn, folder(t, map[string]string{"a.txt": "hello"}))
		}, frame(t, header{Command: "get", FileName: "a.txt"}), frame(t, header{Command: "list"})),
		stagetest.Answers("no folder", (&server{}).answer, frame(t, header{Command: "list"})),
		stagetest.Answers("another command", func(conn net.Conn) error { return answerFrom(conn, folder(t, nil)) },
			frame(t, header{Command: "delete", FileName: "a.txt"})),
		stagetest.Talks("talk", func(conn net.Conn, in io.Reader, out io.Writer) error {
			return talkFrom(conn, folder(t, map[string]string{"a.txt": "hello"}), in, out)
		}, "put a.txt, ../x\n\nget b.txt\nlist\nquit\nnever sent\n",
			ok, ok, message(t, "b.txt", "hello"), frame(t, header{TotalSize: 3})+"abc"),
		stagetest.Accepts("serve", (&server{}).serve),
	)
}

// frame is a header on the wire.
func frame(t testing.TB, h header) string {
	head, err := encodeHeader(h)
	require.NoError(t, err)
	return string(head)
}

// message is a file on the wire.
func message(t testing.TB, name, content string) string {
	sum := sha256.Sum256([]byte(content))
	return frame(t, header{FileName: name, TotalSize: int64(len(content))}) + content + string(sum[:])
}

// folder is a fresh one with some files, which is closed with the test.
func folder(t testing.TB, files map[string]string) *os.Root {
	root, err := os.OpenRoot(t.TempDir())
	require.NoError(t, err)
	t.Cleanup(func() { root.Close() })
	for name, content := range files {
		require.NoError(t, root.WriteFile(name, []byte(content), 0o666))
	}
	return root
}

func TestPutListGet(t *testing.T) {
	got := stagetest.Play(t, lesson, "put-list-get")
	require.Equal(t, []string{
		"put hello.txt: done",
		"            5 hello.txt",
		"           12 报告.txt",
		"get 报告.txt: done",
		`hello.txt "hello"`,
		`报告.txt "all is well\n"`,
	}, got.Got)
}

// In lesson 04 the shell is given the two as one.
func TestFixTwoCommands(t *testing.T) {
	require.Equal(t, []string{"a.txt: this is a.txt", "b.txt: this is b.txt"},
		stagetest.Play(t, lesson, "two-commands").Got)
}

func TestPipelined(t *testing.T) {
	got := stagetest.Play(t, lesson, "pipelined")
	require.Equal(t, []string{
		"get a.txt: done",
		"get nope.txt: failed: the server says \"no such file\"",
		"get b.txt: done",
		"           13 a.txt",
		"           13 b.txt",
	}, got.Got)
	require.Equal(t, 3, got.N, "requests before the first answer")
}

func TestBugCutAndResumed(t *testing.T) {
	got := stagetest.PlayNaive(t, lesson, "cut-and-resumed")
	require.Equal(t, []string{
		`film.bin "012345678901" … (1143 bytes)`,
		`film.bin "012345678901" … (3000 bytes)`,
	}, got.Got)
	require.Greater(t, got.N, 3000, "bytes sent the second time")
}

func TestFixCutAndResumed(t *testing.T) {
	got := stagetest.Play(t, lesson, "cut-and-resumed")
	require.Equal(t, []string{
		`film.bin.part "012345678901" … (1070 bytes)`,
		`film.bin "012345678901" … (3000 bytes)`,
	}, got.Got)
	require.Less(t, got.N, 3000, "bytes sent the second time, requests included")
}

func TestBugGrows(t *testing.T) {
	got := stagetest.PlayNaive(t, lesson, "grows")
	require.Equal(t, []string{"one.txt: 10:00 started"}, got.Got)
	require.ErrorContains(t, got.Met, "the header announces 808525868 bytes", `", 10"`)
}

func TestFixGrows(t *testing.T) {
	got := stagetest.Play(t, lesson, "grows")
	require.NoError(t, got.Met)
	require.Equal(t, []string{"one.txt: 10:00 started", "two.txt: the second file\n"}, got.Got)
}

func TestShrinks(t *testing.T) {
	got := stagetest.Play(t, lesson, "shrinks")
	require.ErrorContains(t, got.Met, "it became shorter while it was sent: got 4600 of 9200")
	require.NotErrorIs(t, got.Met, io.ErrUnexpectedEOF, "it was not the peer")
	require.Equal(t, []string{"got 4038 of 9200 file bytes: unexpected EOF"}, got.Got)
}

func TestBugLineByLine(t *testing.T) {
	got := stagetest.PlayNaive(t, lesson, "line-by-line")
	require.NoError(t, got.Met)
	require.Equal(t, []string{"a file: line one\nline twoline three\n"}, got.Got)
}

func TestFixLineByLine(t *testing.T) {
	got := stagetest.Play(t, lesson, "line-by-line")
	require.NoError(t, got.Met)
	require.Equal(t, []string{"one.txt: line one\nline two", "two.txt: line three\n"}, got.Got)
}

func TestChanged(t *testing.T) {
	got := stagetest.Play(t, lesson, "changed").Got
	require.Len(t, got, 1, "the server has nothing")
	require.Contains(t, got[0], `the server says "it was changed on the way`)
}

func TestBadNames(t *testing.T) {
	got := stagetest.Play(t, lesson, "bad-names")
	require.Len(t, got.Got, 3)
	for _, said := range got.Got {
		require.Equal(t, "not a plain name such as report.txt", said)
	}
	require.Zero(t, got.N, "files")
}

func TestSameName(t *testing.T) {
	require.Equal(t, []string{
		"put film.bin: failed: the server says \"it is being received already; try again later\"",
		"put film.bin: done",
		`film.bin "111111111111" … (2000 bytes)`,
	}, stagetest.Play(t, lesson, "same-name").Got)
}

// A peer chooses the name, and the file stays harmless: in its folder, on every system.
func TestNames(t *testing.T) {
	for _, name := range []string{
		"a.txt", "回答.txt", "report (1).tar.gz", "a-b_c+d", "x", "console.txt", "com10", "part",
		strings.Repeat("x", maxName),
	} {
		require.NoError(t, checkName(name), name)
	}
	for _, name := range []string{
		"", ".", "..", ".bashrc", "-rf", "a/b", "/etc/x", `a\b`, `\\host\share`, "../x", ".git/hooks/post-checkout",
		"C:x", `C:\x`, "a:stream", "a\nb", "a\x1b]0;title\a.txt", "a\x00b", "a\u009b2J", "a\u202egpj.exe",
		" a", "a ", "a.", "*", "a?", "$(a)", "a|b", "CON", "nul", "Aux.txt", "com1", "COM¹.log", "lpt9.tar.gz",
		"nul .txt", "conin$", "a.part", "a.PART", "a, b", "\xff", strings.Repeat("x", maxName+1),
		strings.Repeat("x", 64<<10),
	} {
		require.ErrorContains(t, checkName(name), "not a plain name", "%.80q", name)
	}
}

// What a header cannot be is said to whoever sent it, also if it has sent more.
func TestBadRequests(t *testing.T) {
	for request, says := range map[string]string{
		"\xff\xff\xff\xff":                                      "the header announces -1 bytes",
		"GET / HTTP/1.0\r\nHost: x\r\n\r\n":                     "the header announces 542393671 bytes",
		raw(`{"command": "list"`):                               "not the JSON it should be",
		raw(`[]`):                                               "not the JSON it should be",
		raw(`{"command": "list"}`):                              "total_size is absent",
		raw(`{"total_size": -5}`):                               "total_size is absent or negative",
		raw(`{"total_size": 1099511627777}`):                    "at most 1099511627776 are believed",
		raw(`{"total_size": 5, "offset": -1}`):                  "offset is negative",
		raw(`{"total_size": 5, "offset": 9223372036854775808}`): "offset",
		raw("{\"total_size\": 5, \"file_name\": \"\xd6\xd0\"}"): "not UTF-8",
	} {
		client, server := pair(t)
		answered := make(chan error, 1)
		go func() { answered <- answerFrom(server, folder(t, nil)) }()
		_, err := io.WriteString(client, request+strings.Repeat("and more ", 1000))
		require.NoError(t, err)
		said, err := readHeader(client)
		require.NoError(t, err, "%q", request)
		require.Contains(t, said.Error, says, "%q", request)
		client.Close()
		require.ErrorContains(t, <-answered, says, "and the server knows why")
	}
}

// raw is a JSON text on the wire, true or not.
func raw(text string) string {
	return string(binary.LittleEndian.AppendUint32(nil, uint32(len(text)))) + text
}

// What is wrong with one request leaves the connection to the next one.
func TestFailuresLeaveTheConnection(t *testing.T) {
	quiet(t)
	root := folder(t, map[string]string{"a.txt": "hello"})
	require.NoError(t, root.Mkdir("sub", 0o777))
	client, server := pair(t)
	answered := make(chan error, 1)
	go func() { answered <- answerFrom(server, root) }()
	for _, test := range []struct {
		header
		says string
	}{
		{header{Command: "get", FileName: "nope"}, "no such file"},
		{header{Command: "get", FileName: "sub"}, "it is not a file"},
		{header{Command: "get", FileName: "../a.txt"}, "not a plain name"},
		{header{Command: "put", FileName: "sub"}, "it is not a file"},
		{header{Command: "put", FileName: "C:a"}, "not a plain name"},
		{header{Command: "delete", FileName: "a.txt"}, "not put, get or list"},
		{header{}, "not put, get or list"},
	} {
		require.NoError(t, writeHeader(client, test.header))
		said, err := readHeader(client)
		require.NoError(t, err)
		require.Contains(t, said.Error, test.says)
		require.NotContains(t, said.Error, root.Name(), "where the folder is stays with the server")
	}
	require.NoError(t, writeHeader(client, header{Command: "get", FileName: "a.txt", Offset: 1 << 40}))
	name, content, err := receive(client)
	require.NoError(t, err, "a resume beyond the end begins anew")
	require.Equal(t, "a.txt: hello", name+": "+content)
	require.NoError(t, writeHeader(client, header{Command: "put", FileName: "b.txt"}))
	_, err = readHeader(client)
	require.NoError(t, err)
	require.NoError(t, writeHeader(client, header{Command: "list"}))
	require.ErrorContains(t, <-answered, `"list" came where the file was to begin`)
}

// No folder is no reason to end, and neither is a client that leaves, in whatever way.
func TestLeaving(t *testing.T) {
	quiet(t)
	stagetest.Leaving(t, (&server{}).answer, frame(t, header{Command: "list"}))
}

// A list has files that are complete and that can be got, in order, with their sizes.
func TestList(t *testing.T) {
	root := folder(
		t,
		map[string]string{"b.txt": "1", "a.txt": "22", "c.part": "", ".hidden": "", "x\u202ey": ""},
	)
	require.NoError(t, root.Mkdir("sub", 0o777))
	var out bytes.Buffer
	require.NoError(t, converse(t, root, folder(t, nil), "list\n", &out))
	require.Equal(t, "            2 a.txt\n            1 b.txt\n", out.String())

	many := fstest.MapFS{}
	for i := range maxNames {
		many[fmt.Sprint("file", i)] = &fstest.MapFile{}
	}
	entries, err := many.ReadDir(".")
	require.NoError(t, err)
	require.Equal(t, maxNames-1, strings.Count(listText(entries[1:]), "\n"))
	require.True(t, strings.HasSuffix(listText(entries), " file9999\nthere may be more\n"))

	client, server := pair(t)
	go func() {
		readHeader(server)
		writeHeader(server, header{TotalSize: maxList + 1})
	}()
	err = talkFrom(client, folder(t, nil), strings.NewReader("list\n"), &out)
	require.ErrorContains(t, err, "a list of 4194305 bytes: at most 4194304 are read")
}

// converse lets a client with a folder say some lines to a server with another one.
func converse(t testing.TB, there, here *os.Root, lines string, out io.Writer) error {
	client, server := pair(t)
	answered := make(chan error, 1)
	go func() { answered <- answerFrom(server, there) }()
	err := talkFrom(client, here, strings.NewReader(lines), out)
	client.Close()
	<-answered
	return err
}

// The picture of progress: a line per 10 % where there is no terminal, a bar where there is one.
func TestProgress(t *testing.T) {
	var out bytes.Buffer
	p := &progress{what: "put a.txt", out: &out}
	w := p.of(header{TotalSize: 1000})
	for range 200 {
		w.Write(make([]byte, 5))
	}
	p.end()
	require.Equal(t, 9, strings.Count(out.String(), "\n"), out.String())
	require.True(t, strings.HasPrefix(out.String(), "put a.txt: 10 %\nput a.txt: 20 %\n"))

	out.Reset()
	p = &progress{what: "put a.txt", out: &out}
	p.of(header{TotalSize: 1000, Offset: 340}).Write(make([]byte, 200))
	require.Equal(t, "put a.txt: goes on at 340 of 1000 bytes\nput a.txt: 50 %\n", out.String())
	p.of(header{}).Write(nil)

	name := filepath.Join(t.TempDir(), "terminal")
	terminal, err := os.Create(name)
	require.NoError(t, err)
	p = &progress{what: "get film.mkv", out: io.Discard, terminal: terminal}
	w = p.of(header{TotalSize: 6 << 30})
	piece := make([]byte, 1<<20)
	for range 6 << 10 {
		w.Write(piece)
	}
	p.end()
	require.NoError(t, terminal.Close())
	drawn, err := os.ReadFile(name)
	require.NoError(t, err)
	bars := strings.Split(string(drawn), "\r")
	require.Len(t, bars, 1+100+2, "one for each per cent, and it is taken away")
	require.Equal(t, "[##########          ]  50 %  get film.mkv", bars[50])
	require.Equal(t, "[####################] 100 %  get film.mkv", bars[100])
	require.Equal(t, strings.Repeat(" ", 72), bars[101])
}

// As processes of their own.
func TestPrograms(t *testing.T) {
	here, there := t.TempDir(), t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(here, "a.txt"), []byte("hello"), 0o666))
	require.NoError(t, os.WriteFile(filepath.Join(there, "b.txt"), []byte("world"), 0o666))
	s := stagetest.Server(t, "-folder", there)
	out, errs, status := stagetest.Client(t, s.Addr, "put a.txt\nget b.txt, a.txt\n", "-folder", here)
	require.Zero(t, status, errs)
	require.Empty(t, errs)
	require.Equal(t, "put a.txt: done\nget b.txt: done\nget a.txt: done\n", out)
	for name, content := range map[string]string{"a.txt": "hello", "b.txt": "world"} {
		for _, dir := range []string{here, there} {
			got, err := os.ReadFile(filepath.Join(dir, name))
			require.NoError(t, err)
			require.Equal(t, content, string(got))
		}
	}
	out, errs, status = stagetest.Client(t, s.Addr, "get nope\nlist\n", "-folder", here)
	require.Equal(t, 1, status)
	require.Equal(t, "get nope: failed: the server says \"no such file\"\n"+
		"            5 a.txt\n            5 b.txt\n", out)
	require.Equal(t, "talking to "+s.Addr+": 1 of 2 requests failed\n", errs)

	s = stagetest.Server(t)
	out, _, status = stagetest.Client(t, s.Addr, "list\n")
	require.Equal(t, 1, status)
	require.Equal(t, "list: failed: the server says \"this server has no folder; its -folder names one\"\n", out)
}

func TestPython(t *testing.T) {
	t.Run("its client, our server", func(t *testing.T) {
		there := t.TempDir()
		s := stagetest.Server(t, "-folder", there)
		out, errs, status := stagetest.Output(t, stagetest.Python(t, "client.py", s.Addr),
			"put 报告.txt all is well\nget 报告.txt\nget nope\nlist\n")
		require.Zero(t, status, errs)
		require.Equal(t, "stored\nall is well\nno such file\n           11 报告.txt\n", out)
	})
	t.Run("our client, its server", func(t *testing.T) {
		here := t.TempDir()
		require.NoError(t, os.WriteFile(filepath.Join(here, "a.txt"), []byte("hello"), 0o666))
		require.NoError(t, os.WriteFile(filepath.Join(here, "报告.txt.part"), []byte("all is"), 0o666))
		s := stagetest.Start(t, stagetest.Python(t, "server.py"))
		out, errs, status := stagetest.Client(t, s.Addr, "put a.txt\nget 报告.txt\nget a.txt\nlist\n",
			"-folder", here)
		require.Zero(t, status, errs)
		require.Equal(t, "put a.txt: done\nget 报告.txt: goes on at 6 of 11 bytes\n"+
			"get 报告.txt: done\nget a.txt: done\na.txt\n报告.txt\n", out)
		got, err := os.ReadFile(filepath.Join(here, "报告.txt"))
		require.NoError(t, err)
		require.Equal(t, "all is well", string(got))
	})
}

func FuzzReadHeader(f *testing.F) {
	f.Add([]byte(frame(f, header{Command: "get", FileName: "a.txt", Offset: 5, SHA256: "ab"})))
	f.Add([]byte(raw(`{"total_size": 5, "offset": -1}`)))
	f.Add([]byte("\xff\xff\xff\x7f"))
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, stream []byte) {
		h, err := readHeader(bytes.NewReader(stream))
		if err != nil && (len(err.Error()) > 1000 || strings.Contains(err.Error(), "\n")) {
			t.Fatalf("not a line for people: %v", err)
		}
		if err == nil && (h.TotalSize < 0 || h.TotalSize > maxPayload || h.Offset < 0) {
			t.Fatalf("it believes %+v", h)
		}
	})
}

// Whatever a client sends, nothing happens to the files of others or outside of the folder.
func FuzzAnswer(f *testing.F) {
	f.Add([]byte(frame(f, header{Command: "put", FileName: "b.txt"}) + message(f, "b.txt", "hello")))
	f.Add([]byte(frame(f, header{Command: "put", FileName: "../b.txt"}) + message(f, "../b.txt", "hello")))
	f.Add([]byte(frame(f, header{Command: "get", FileName: "a.txt", Offset: 3}) +
		frame(f, header{Command: "list"})))
	f.Add([]byte("GET / HTTP/1.0\r\n\r\n"))
	quiet(f)
	outer := f.TempDir()
	require.NoError(f, os.Mkdir(filepath.Join(outer, "inner"), 0o777))
	root, err := os.OpenRoot(filepath.Join(outer, "inner"))
	require.NoError(f, err)
	f.Cleanup(func() { root.Close() })
	f.Fuzz(func(t *testing.T, stream []byte) {
		answerFrom(&inMemory{Reader: bytes.NewReader(stream)}, root)
		entries, err := os.ReadDir(outer)
		require.NoError(t, err)
		require.Len(t, entries, 1, "files outside")
		entries, err = os.ReadDir(root.Name())
		require.NoError(t, err)
		for _, e := range entries {
			require.NoError(t, checkName(strings.TrimSuffix(e.Name(), partial)))
			require.NoError(t, root.Remove(e.Name()))
		}
	})
}
