package main

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"log"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
	"unicode"

	"github.com/stretchr/testify/require"
	"golang.org/x/text/encoding/simplifiedchinese"
	utf8text "golang.org/x/text/encoding/unicode"

	"socketbook/lessons/internal/scenario"
	"socketbook/lessons/internal/stage/stagetest"
	"socketbook/tools/loopback"
	"socketbook/tools/timeline"
)

func TestMain(m *testing.M) { stagetest.Main(m, lesson) }

func TestLesson(t *testing.T) { stagetest.Lesson(t, lesson) }

// What comes of each call that fails: an error, a line in the log, and which connections are closed.
func TestFailures(t *testing.T) {
	hear := func(r io.Reader, w io.Writer) error { return here.hear(r.(net.Conn), w) }
	say := func(r io.Reader, w io.Writer) error {
		return here.say(r.(net.Conn), strings.NewReader("a\n\n镕\nb\nquit\nnever sent\n"), w)
	}
	serve := func(pc net.PacketConn) error { return here.servePacket(pc, io.Discard) }
	numbered := func(pc net.PacketConn) error { return here.serveNumbered(pc, io.Discard) }
	stagetest.Failures(
		t,
		stagetest.ServesPackets("servePacket", serve, "a", "", "\xff"),
		stagetest.ServesPackets("serveNumbered", numbered, "M 0 1 a", "M 0 1 a", "a"),
		stagetest.Reads("say", say),
		stagetest.Reads("hear", hear, "a", "\xff"),
		stagetest.Talks("talkNumbered", here.talkNumbered, "a\n镕\nb\nquit\nnever sent\n", "A 0 1", "A 1 1"),
	)
}

func TestTalk(t *testing.T) {
	require.Equal(t, []string{"你好", "在吗？", "hello"}, stagetest.Play(t, lesson, "talk").Got)
}

func TestOneLine(t *testing.T) {
	got := stagetest.Play(t, lesson, "one-line")
	require.NoError(t, got.Met)
	require.Equal(t, 1, got.N)
	require.Equal(t, "\xc4\xe3\xba\xc3", stagetest.Sent(got.Events, "client"))
}

func TestBugUnencodable(t *testing.T) {
	got := stagetest.PlayNaive(t, lesson, "unencodable")
	require.ErrorContains(t, got.Met, "not in gb2312")
	require.Equal(t, []string{"你好"}, got.Got)
}

func TestFixUnencodable(t *testing.T) {
	got := stagetest.Play(t, lesson, "unencodable")
	require.NoError(t, got.Met)
	require.Equal(t, []string{"你好", "再见"}, got.Got)
	require.Equal(t, "\xc4\xe3\xba\xc3\xd4\xd9\xbc\xfb", stagetest.Sent(got.Events, "anna"),
		"nothing of the two other lines")
}

func TestBugUndecodable(t *testing.T) {
	got := stagetest.PlayNaive(t, lesson, "undecodable")
	require.True(t, got.Stuck)
	require.Empty(t, got.Got)
	require.Equal(t, 1, timeline.Count(got.Events, "ben", timeline.Recv), "it reads no more")
}

func TestFixUndecodable(t *testing.T) {
	got := stagetest.Play(t, lesson, "undecodable")
	require.False(t, got.Stuck)
	require.Equal(t, []string{
		"(a message that is not gb2312: e4 bd a0 e5 a5 bd)",
		"(a message that is not gb2312: c4 e3 ba)",
		"你好",
	}, got.Got)
}

func TestBugCrossedPorts(t *testing.T) {
	got := stagetest.PlayNaive(t, lesson, "crossed-ports")
	require.True(t, got.Stuck)
	require.Empty(t, got.Got)
}

func TestFixCrossedPorts(t *testing.T) {
	got := stagetest.Play(t, lesson, "crossed-ports")
	require.False(t, got.Stuck)
	require.Equal(t, []string{"hello", "hello"}, got.Got)
}

func TestBugGb2312IsNotGbk(t *testing.T) {
	got := stagetest.PlayNaive(t, lesson, "gb2312-is-not-gbk")
	require.Len(t, got.Got, 6)
	for _, line := range got.Got[:5] {
		require.Contains(t, line, "not gb2312")
	}
	require.Equal(t, "你好", got.Got[5])
	require.Equal(t, 6, timeline.Count(got.Events, "anna", timeline.Send))
}

func TestFixGb2312IsNotGbk(t *testing.T) {
	got := stagetest.Play(t, lesson, "gb2312-is-not-gbk")
	require.Equal(t, "你好", got.Got[0])
	for i, line := range got.Got[1:] {
		require.Equal(t, fmt.Sprintf("not sent: '%s' is not in gb2312", gbkOnly[i]), line)
	}
	require.Equal(t, 1, timeline.Count(got.Events, "anna", timeline.Send))
}

func TestNumbered(t *testing.T) {
	got := stagetest.Play(t, lesson, "numbered")
	require.NoError(t, got.Met)
	require.Equal(t, []string{"one", "two", "three", "four", "five"}, got.Got)
	require.Equal(t, 8, got.N, "one again for each that was lost or held")
	require.Equal(t, 3, timeline.Count(got.Events, "client", timeline.Timeout))
	require.Equal(t, 8, timeline.Count(got.Events, "server", timeline.Recv))
}

// Lesson 07 is one answer behind from there on.
func TestFixDoubled(t *testing.T) {
	got := stagetest.Play(t, lesson, "doubled")
	require.NoError(t, got.Met)
	require.Equal(t, []string{"one", "two", "three"}, got.Got)
	require.Equal(t, 4, timeline.Count(got.Events, "server", timeline.Recv), "one of them twice")
}

// In lesson 07 the second message is read first.
func TestFixOvertaken(t *testing.T) {
	got := stagetest.Play(t, lesson, "overtaken")
	require.NoError(t, got.Met)
	require.Equal(t, []string{"first", "second"}, got.Got)
	require.Equal(t, 3, timeline.Count(got.Events, "server", timeline.Recv))
}

func TestBugOneBit(t *testing.T) {
	got := stagetest.PlayNaive(t, lesson, "one-bit")
	require.NoError(t, got.Met, "and nobody is told")
	require.Equal(t, []string{"one", "two", "one"}, got.Got)
}

func TestFixOneBit(t *testing.T) {
	require.Equal(t, []string{"one", "two", "three"}, stagetest.Play(t, lesson, "one-bit").Got)
}

// The cells that GB 2312-80 has taken: 682 signs and 6763 Chinese characters.
func TestCells(t *testing.T) {
	signs, characters := 0, 0
	for lead := range 256 {
		for trail := range 256 {
			switch {
			case !inGB2312(byte(lead), byte(trail)):
			case lead-0xA0 < 16:
				signs++
			default:
				characters++
			}
		}
	}
	require.Equal(t, 682, signs)
	require.Equal(t, 6763, characters)
}

// Python accepts the same pairs of bytes. Of two it has another character.
func TestPythonTable(t *testing.T) {
	out, errs, status := stagetest.Output(t, stagetest.Python(t, "table.py"), "")
	require.Zero(t, status, errs)
	python := map[string]rune{}
	for line := range strings.Lines(out) {
		var pair string
		var r rune
		_, err := fmt.Sscanf(line, "%s %x", &pair, &r)
		require.NoError(t, err, line)
		python[pair] = r
	}
	require.Len(t, python, 7445)
	var differ []string
	for lead := 0x80; lead < 256; lead++ {
		for trail := range 256 {
			bytes := []byte{byte(lead), byte(trail)}
			r, known := python[fmt.Sprintf("%x", bytes)]
			text, err := gb2312.decode(bytes)
			require.Equal(t, known, err == nil, "%x", bytes)
			if !known {
				continue
			}
			if text != string(r) {
				differ = append(differ, fmt.Sprintf("%x: %s, Python %s", bytes, text, string(r)))
				continue
			}
			back, err := gb2312.encode(text)
			require.NoError(t, err)
			require.Equal(t, bytes, back)
		}
	}
	require.Equal(t, []string{"a1a4: ·, Python ・", "a1aa: —, Python ―"}, differ)
}

func TestCharset(t *testing.T) {
	utf8 := charset{Encoding: utf8text.UTF8, name: "utf-8"}
	gbk := charset{Encoding: simplifiedchinese.GBK, name: "gbk"}
	for _, test := range []struct {
		charset
		text, bytes string // "" for what it has not
	}{
		{gb2312, "a\x1b\x00", "a\x1b\x00"},
		{gb2312, "你a好", "\xc4\xe3a\xba\xc3"},
		{gb2312, "——·", "\xa1\xaa\xa1\xaa\xa1\xa4"},
		{gb2312, "镕", ""},
		{gb2312, "你😀", ""},
		{gb2312, "\xff", ""},
		{gb2312, "\uFFFD", ""},
		{gb2312, "", "\xc4"},
		{gb2312, "", "你好"},
		{gb2312, "濂藉ソ", "好好"}, // in UTF-8, which happens to be GB2312, too
		{gb2312, "", "\xe9F"},
		{gb2312, "", "\x80"},
		{gb2312, "", "\xff\xff"},
		{gbk, "镕", "\xe9F"},
		{gbk, "", "\xe9"},
		{utf8, "你😀", "你😀"},
		{utf8, "", "\xc4\xe3"},
		{utf8, "\xff", ""},
	} {
		b, err := test.encode(test.text)
		if test.bytes != "" && test.text != "" {
			require.NoError(t, err, test.text)
			require.Equal(t, test.bytes, string(b))
		} else if test.text != "" {
			require.ErrorContains(t, err, "is not in "+test.name)
			require.Empty(t, b, "nothing of the line is sent")
		}
		if test.bytes == "" {
			continue
		}
		text, err := test.decode([]byte(test.bytes))
		if test.text == "" {
			require.ErrorContains(t, err, "not "+test.name, test.bytes)
			continue
		}
		require.NoError(t, err, test.bytes)
		require.Equal(t, test.text, text)
	}
}

// A message is one line on the screen, and does not control it.
func TestShown(t *testing.T) {
	for message, want := range map[string]string{
		"":                            "",
		"hello\r\n":                   "hello",
		"a\nben: b":                   `a\nben: b`,
		"\x1b[2Ja\x00\x7f":            `\x1b[2Ja\x00\x7f`,
		"\xc4\xe3\xba\xc3":            "你好",
		"\xff":                        "(a message that is not gb2312: ff)",
		strings.Repeat("\xff", 60000): "(a message that is not gb2312: " + strings.Repeat("ff ", 15) + "ff)",
	} {
		require.Equal(t, want, here.shown([]byte(message)))
	}
}

// A message that is too long is not sent, and the chat goes on.
func TestTooLong(t *testing.T) {
	client, server, err := loopback.UDP()
	require.NoError(t, err)
	defer client.Close()
	defer server.Close()
	long := strings.Repeat("中", 20_000) + "\n" // 60,000 bytes in UTF-8, 40,000 in GB2312
	require.NoError(t, client.SetWriteBuffer(128<<10))
	var out bytes.Buffer
	in := strings.Repeat("a", maxMessage-8) + "bcdefghij\n" + long + "end\n"
	require.NoError(t, here.say(client, strings.NewReader(in), &out))
	require.Regexp(t, `^not sent: .*[Mm]essage.*long.*\n$|^not sent: .*\n$`, out.String())
	require.Equal(t, 1, strings.Count(out.String(), "not sent"))
	buf := make([]byte, maxMessage)
	n, err := server.Read(buf)
	require.NoError(t, err)
	require.Equal(t, 40_000, n)
	n, err = server.Read(buf)
	require.NoError(t, err)
	require.Equal(t, "end", string(buf[:n]))
}

// Over IPv6 a datagram may be a little longer than the longest message.
func TestLongerThanMaxMessage(t *testing.T) {
	end := newMemoryConn()
	end.in <- make([]byte, maxMessage+10)
	end.in <- []byte("hello")
	close(end.in)
	var out bytes.Buffer
	require.ErrorIs(t, here.hear(end, &out), net.ErrClosed)
	require.Equal(t, "(a message that is too long)\nhello\n", out.String())
}

// That nobody is there is said once for each message that met nobody, and no message is swallowed
// by it.
func TestNobodyYet(t *testing.T) {
	addr, err := loopback.FreePacketAddr()
	require.NoError(t, err)
	conn, err := dial(addr)
	require.NoError(t, err)
	defer conn.Close()
	require.NoError(t, here.say(conn, strings.NewReader("lost\n"), io.Discard))
	pc, err := listen(addr)
	require.NoError(t, err)
	defer pc.Close()
	var out bytes.Buffer
	require.NoError(t, here.say(conn, strings.NewReader("hello\n"), &out))
	require.Empty(t, out.String())
	buf := make([]byte, 16)
	require.NoError(t, pc.SetReadDeadline(time.Now().Add(loopback.Patience)))
	n, _, err := pc.ReadFrom(buf)
	require.NoError(t, err)
	require.Equal(t, "hello", string(buf[:n]), "the refusal of the first message does not swallow it")
}

// What comes to a server with numbers, and what it prints of it.
func TestServeNumbered(t *testing.T) {
	var logged bytes.Buffer
	log.SetFlags(0)
	log.SetOutput(&logged)
	defer log.SetOutput(os.Stderr)
	end := newMemoryConn()
	lines := make(lineWriter, 1)
	served := make(chan error, 1)
	go func() { served <- here.serveNumbered(memoryPackets{end: end}, lines) }()
	for _, test := range []struct{ sent, ack, printed string }{
		{"M 0 1 a", "A 0 1", "a"},
		{"M 0 1 a", "A 0 1", ""},
		{"M 1 1 b", "A 1 1", "b"},
		{"M 0 1 a", "A 0 1", ""},
		{"M 3 1 d", "A 3 1", "d"},                   // the sender gave number 2 up
		{"M 0 2 a", "A 0 2", "a"},                   // it was started again
		{"M 1 1 b", "A 1 1", ""},                    // a copy from before
		{"M 4294967295 3 x", "A 4294967295 3", "x"}, // we were started again
		{"M 0 3 y", "A 0 3", "y"},
		{"M 4294967295 3 x", "A 4294967295 3", ""},
		{"M 1 2 ", "A 1 2", ""}, // an empty line
		{"M 2 2 a b  c", "A 2 2", "a b  c"},
		{"M 3 2 \xff", "A 3 2", "(a message that is not gb2312: ff)"},
	} {
		end.in <- []byte(test.sent)
		if test.printed != "" || strings.HasSuffix(test.sent, " ") {
			require.Equal(t, test.printed, <-lines, test.sent)
		}
		require.Equal(t, test.ack, string(<-end.out), test.sent)
	}
	garbage := []string{
		"", "M", "A 0 1", "A 0 1 ", "M 4 2", "M -1 2 a", "M 4294967296 2 a", "M 4 x a", "hello", "M  4 2 a",
	}
	for _, datagram := range garbage {
		end.in <- []byte(datagram)
	}
	end.in <- []byte("M 4 2 end")
	require.Equal(t, "end", <-lines)
	require.Equal(t, "A 4 2", string(<-end.out), "garbage is not answered")
	const known = 3
	for run := range maxSenders - known {
		end.in <- fmt.Appendf(nil, "M 0 %d .", run+10)
		require.Equal(t, ".", <-lines)
		<-end.out
	}
	end.in <- []byte("M 0 9 one too many")
	end.in <- []byte("M 5 2 still served")
	require.Equal(t, "still served", <-lines)
	require.Equal(t, "A 5 2", string(<-end.out))
	close(end.in)
	require.NoError(t, <-served, "a closed socket is no error")
	require.Equal(t, len(garbage)+1, strings.Count(logged.String(), "\n"))
	require.Contains(t, logged.String(), "too many senders")
}

// lineWriter takes what a program prints, line by line.
type lineWriter chan string

func (w lineWriter) Write(line []byte) (int, error) {
	w <- strings.TrimSuffix(string(line), "\n")
	return len(line), nil
}

// Late acknowledgements, and some that were never asked for, are not taken for the one that it
// waits for.
func TestStaleAck(t *testing.T) {
	client, server, err := loopback.UDP()
	require.NoError(t, err)
	defer client.Close()
	defer server.Close()
	go func() {
		buf := make([]byte, 64)
		for i := range 2 {
			_, from, err := server.ReadFrom(buf)
			if err != nil {
				return
			}
			for _, late := range []string{"A 0 2", "A 1 1", "M 0 1 a", "", "A 0 1x", strings.Repeat("A", 100)} {
				server.WriteTo([]byte(late), from)
			}
			if i == 1 {
				server.WriteTo([]byte("A 0 1"), from)
			}
		}
	}()
	require.NoError(t, deliver(client, newMessage(0, 1, []byte("a")), newAck(0, 1)))
}

// Nobody answers: the tries come to an end, and the error says so.
func TestLost(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		end := newMemoryConn()
		start := time.Now()
		var out bytes.Buffer
		err := here.talkNumbered(end, strings.NewReader("镕\nhello\nnever\n"), &out)
		require.ErrorIs(t, err, os.ErrDeadlineExceeded)
		require.ErrorContains(t, err, "no answer to 50 tries in 5s")
		require.Equal(t, tries*wait, time.Since(start))
		require.Len(t, end.out, tries)
		require.Equal(t, "not sent: '镕' is not in gb2312\n", out.String())
	})
}

// 10,000 messages arrive once and in order through a network that loses 30 %, doubles 10 % and lets
// 10 % be overtaken, each way. The clock is that of a bubble.
func TestTenThousand(t *testing.T) {
	sent := numberedLines(10_000)
	var printed bytes.Buffer
	synctest.Test(t, func(t *testing.T) {
		client, server := newMemoryConn(), newMemoryConn()
		there, back := newFates(13), newFates(7)
		go there.spoil(client.out, server.in)
		go back.spoil(server.out, client.in)
		served := make(chan error, 1)
		go func() {
			defer close(server.out)
			served <- here.serveNumbered(memoryPackets{end: server}, &printed)
		}()
		err := here.talkNumbered(client, strings.NewReader(sent), io.Discard)
		close(client.out)
		require.NoError(t, errors.Join(err, <-served))
		there.require(t, 10_000)
		back.require(t, 10_000)
	})
	require.Equal(t, sent, printed.String())
}

// The same over real sockets, with ten messages and the usual clock.
func TestTen(t *testing.T) {
	pc, err := listen("127.0.0.1:0")
	require.NoError(t, err)
	var printed bytes.Buffer
	served := make(chan error, 1)
	go func() { served <- here.serveNumbered(pc, &printed) }()
	front, err := listen("127.0.0.1:0")
	require.NoError(t, err)
	behind, err := dial(pc.LocalAddr().String())
	require.NoError(t, err)
	conn, err := dial(front.LocalAddr().String())
	require.NoError(t, err)

	var relay sync.WaitGroup
	pass := func(fates *fates, read func(p []byte) (int, error), write func(p []byte) (int, error)) {
		in, out := make(chan []byte), make(chan []byte)
		relay.Go(func() {
			defer close(in)
			buf := make([]byte, 1024)
			for n, err := read(buf); err == nil; n, err = read(buf) {
				in <- bytes.Clone(buf[:n])
			}
		})
		relay.Go(func() { fates.spoil(in, out) })
		relay.Go(func() {
			for datagram := range out {
				write(datagram)
			}
		})
	}
	fromClient := func(p []byte) (int, error) {
		n, _, err := front.ReadFrom(p)
		return n, err
	}
	toClient := func(p []byte) (int, error) { return front.WriteTo(p, conn.LocalAddr()) }
	pass(newFates(13), fromClient, behind.Write)
	pass(newFates(7), behind.Read, toClient)

	sent := numberedLines(10)
	err = here.talkNumbered(conn, strings.NewReader(sent), io.Discard)
	front.Close()
	behind.Close()
	relay.Wait()
	pc.Close()
	conn.Close()
	require.NoError(t, errors.Join(err, <-served))
	require.Equal(t, sent, printed.String())
}

func numberedLines(n int) string {
	var lines strings.Builder
	for i := range n {
		fmt.Fprintf(&lines, "第 %d 行\n", i)
	}
	return lines.String()
}

// fates decide what becomes of each datagram.
type fates struct {
	rng                            *rand.Rand
	came, lost, doubled, overtaken int
}

func newFates(seed uint64) *fates { return &fates{rng: rand.New(rand.NewPCG(seed, seed))} }

// spoil passes datagrams on until in is closed, and then closes out. Those that are held pass
// behind the next one.
func (f *fates) spoil(in <-chan []byte, out chan<- []byte) {
	defer close(out)
	var held [][]byte
	for datagram := range in {
		f.came++
		switch fate := f.rng.IntN(10); {
		case fate < 3:
			f.lost++
			continue
		case fate == 3:
			f.doubled++
			out <- datagram
		case fate == 4:
			f.overtaken++
			held = append(held, datagram)
			continue
		}
		out <- datagram
		for _, late := range held {
			out <- late
		}
		held = nil
	}
}

// require asks that each fate was met about as often as it should be.
func (f *fates) require(t *testing.T, atLeast int) {
	t.Logf("%d datagrams: %d lost, %d doubled, %d overtaken", f.came, f.lost, f.doubled, f.overtaken)
	require.Greater(t, f.came, atLeast)
	require.InDelta(t, 0.3, float64(f.lost)/float64(f.came), 0.02)
	require.InDelta(t, 0.1, float64(f.doubled)/float64(f.came), 0.02)
	require.InDelta(t, 0.1, float64(f.overtaken)/float64(f.came), 0.02)
}

// memoryConn is one end of a network in memory.
type memoryConn struct {
	net.Conn
	in, out  chan []byte // closed at the end
	deadline time.Time
}

func newMemoryConn() *memoryConn {
	return &memoryConn{in: make(chan []byte, 64), out: make(chan []byte, 64)}
}

func (c *memoryConn) Read(p []byte) (int, error) {
	var passed <-chan time.Time
	if !c.deadline.IsZero() {
		passed = time.After(time.Until(c.deadline))
	}
	select {
	case datagram, ok := <-c.in:
		if !ok {
			return 0, net.ErrClosed
		}
		return copy(p, datagram), nil
	case <-passed:
		return 0, os.ErrDeadlineExceeded
	}
}

func (c *memoryConn) Write(p []byte) (int, error) {
	c.out <- bytes.Clone(p)
	return len(p), nil
}

func (c *memoryConn) SetReadDeadline(deadline time.Time) error {
	c.deadline = deadline
	return nil
}

// memoryPackets is an end as a server sees it.
type memoryPackets struct {
	net.PacketConn
	end *memoryConn
}

func (p memoryPackets) ReadFrom(b []byte) (int, net.Addr, error) {
	n, err := p.end.Read(b)
	return n, &net.UDPAddr{Port: 4242}, err
}

func (p memoryPackets) WriteTo(b []byte, _ net.Addr) (int, error) { return p.end.Write(b) }

func TestPython(t *testing.T) {
	t.Run("its client, our server", func(t *testing.T) {
		cmd := stagetest.Command(t, "server", "-addr", "127.0.0.1:0")
		lines := outputOf(t, cmd)
		addr := strings.TrimPrefix(next(t, lines), "listening on ")
		client := stagetest.Python(t, "client.py", addr)
		out, errs, status := stagetest.Output(t, client, "你好\n镕\n·\nhello\n")
		require.Zero(t, status, errs)
		require.Equal(t, "not sent: 镕\nnot sent: ·\n", out, "the middle dot differs from x/text")
		require.Equal(t, "你好", next(t, lines))
		require.Equal(t, "hello", next(t, lines))
	})
	t.Run("our client, its server", func(t *testing.T) {
		server := stagetest.Start(t, stagetest.Python(t, "server.py"))
		own, err := loopback.FreePacketAddr()
		require.NoError(t, err)
		cmd := stagetest.Command(t, "client", "-bind", own, "-addr", server.Addr, "-encoding", "gb2312")
		keyboard, err := cmd.StdinPipe()
		require.NoError(t, err)
		lines := outputOf(t, cmd)
		for typed, want := range map[string]string{
			"你好": "收到：你好", "镕": "not sent: '镕' is not in gb2312", "a": "收到：a",
		} {
			fmt.Fprintln(keyboard, typed)
			require.Equal(t, want, next(t, lines))
		}
		fmt.Fprintln(keyboard, "quit")
		require.NoError(t, cmd.Wait())
	})
	t.Run("our client in another encoding, its server", func(t *testing.T) {
		server := stagetest.Start(t, stagetest.Python(t, "server.py"))
		cmd := stagetest.Command(t, "client", "-addr", server.Addr, "-encoding", "gbk")
		keyboard, err := cmd.StdinPipe()
		require.NoError(t, err)
		lines := outputOf(t, cmd)
		fmt.Fprintln(keyboard, "镕")
		require.Equal(t, "收到：读不懂", next(t, lines))
		keyboard.Close()
		require.NoError(t, cmd.Wait())
	})
}

// Our own programs: two that chat, and one that sends numbers to a server that knows them.
func TestPrograms(t *testing.T) {
	var addrs []string
	for len(addrs) < 2 || addrs[0] == addrs[1] {
		addr, err := loopback.FreePacketAddr()
		require.NoError(t, err)
		addrs = append(addrs[:min(len(addrs), 1)], addr)
	}
	anna := stagetest.Command(t, "client", "-bind", addrs[0], "-addr", addrs[1])
	ben := stagetest.Command(t, "client", "-bind", addrs[1], "-addr", addrs[0])
	annas, err := anna.StdinPipe()
	require.NoError(t, err)
	bens, err := ben.StdinPipe()
	require.NoError(t, err)
	annaReads, benReads := outputOf(t, anna), outputOf(t, ben)
	for answered := false; !answered; { // she may have been there first
		fmt.Fprintln(annas, "你好")
		select {
		case line := <-benReads:
			require.Equal(t, "你好", line)
			answered = true
		case <-time.After(scenario.Hang):
		}
	}
	fmt.Fprintln(bens, "在")
	line := next(t, annaReads)
	for strings.HasPrefix(line, "(nobody is there yet") {
		line = next(t, annaReads)
	}
	require.Equal(t, "在", line)
	annas.Close()
	bens.Close()
	require.NoError(t, anna.Wait())
	require.NoError(t, ben.Wait())

	server := stagetest.Command(t, "server", "-addr", "127.0.0.1:0", "-numbered", "-encoding", "utf-8")
	lines := outputOf(t, server)
	addr := strings.TrimPrefix(next(t, lines), "listening on ")
	for range 2 { // the numbers begin again, and the messages are new
		out, errs, status := stagetest.Client(t, addr, "镕\n😀\n", "-numbered", "-encoding", "utf-8")
		require.Zero(t, status, errs)
		require.Empty(t, out)
		require.Equal(t, "镕", next(t, lines))
		require.Equal(t, "😀", next(t, lines))
	}
}

// outputOf starts a command and returns the lines that it prints. It is ended with the test.
func outputOf(t *testing.T, cmd *exec.Cmd) <-chan string {
	t.Helper()
	out, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	lines, done := make(chan string, 100), make(chan struct{})
	go func() {
		defer close(done)
		defer close(lines)
		for read := bufio.NewScanner(out); read.Scan(); {
			lines <- read.Text()
		}
	}()
	t.Cleanup(func() {
		cmd.Process.Kill()
		<-done
		cmd.Wait()
	})
	return lines
}

// next returns the next line.
func next(t *testing.T, lines <-chan string) string {
	t.Helper()
	select {
	case line, ok := <-lines:
		require.True(t, ok, "the program has ended")
		return line
	case <-time.After(loopback.Patience):
		require.FailNow(t, "no line comes")
		return ""
	}
}

// What can be read can be said, and is the same bytes again.
func FuzzGB2312(f *testing.F) {
	for _, seed := range []string{
		"", "hello", "\xc4\xe3\xba\xc3", "\xc4\xe3\xba", "你好", "\xe9F",
		"\x80", "\xa1\xaa",
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, message []byte) {
		if strings.ContainsFunc(here.shown(message), unicode.IsControl) {
			t.Fatalf("%q is shown as %q", message, here.shown(message))
		}
		text, err := gb2312.decode(message)
		if err != nil {
			return
		}
		again, err := gb2312.encode(text)
		require.NoError(t, err)
		require.Equal(t, string(message), string(again))
	})
}

// What is taken for a numbered message is one, but for zeros in front of its numbers.
func FuzzParseMessage(f *testing.F) {
	for _, seed := range []string{
		"", "M 0 1 hi", "M 0 1 ", "M 0 1", "A 0 1 ", "M 4294967296 1 a",
		"M -1 +1 a", "M 00 1  a b",
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, datagram []byte) {
		number, run, text, err := parseMessage(datagram)
		if err != nil {
			return
		}
		n, r, again, err := parseMessage(newMessage(number, run, text))
		require.NoError(t, err)
		require.Equal(t, []any{number, run, string(text)}, []any{n, r, string(again)})
		require.LessOrEqual(t, len(newMessage(number, run, text)), len(datagram))
	})
}
