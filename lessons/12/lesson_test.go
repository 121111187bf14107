package main

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"runtime"
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
	stagetest.Failures(
		t,
		stagetest.Accepts("serve", serve),
		stagetest.Talks("talkInTurn", talkInTurn, "h\n\nho\nexit\nnever sent\n", "H", "HO"),
	)
}

func TestBugInTurn(t *testing.T) {
	got := stagetest.PlayNaive(t, lesson, "in-turn")
	require.True(t, got.Stuck)
	require.Equal(t, []string{"one"}, got.Got)
	require.Equal(t, 1, timeline.Count(got.Events, "client", timeline.Send), "the second line is not sent")
}

func TestFixInTurn(t *testing.T) {
	got := stagetest.Play(t, lesson, "in-turn")
	require.False(t, got.Stuck)
	require.Equal(t, []string{"one", "two"}, got.Got)
}

func TestRoom(t *testing.T) {
	got := stagetest.Play(t, lesson, "room")
	require.Equal(t, []string{
		"anna reads * anna is here",
		"anna reads * ben is here",
		"anna reads ben: 你好, anna",
		"anna reads * ben has left",
		"anna reads * carl is here",
		"ben reads * ben is here",
		"ben reads anna: hello, ben",
		"carl reads * carl is here",
		"carl reads * anna has left",
	}, got.Got)
	require.Zero(t, got.N, "lines to or about the client without a name")
	require.Equal(t, "your name?\nanna is taken; your name?\n", received(got.Events, "nobody"))
}

// received is what a side has read.
func received(events []timeline.Event, side string) string {
	var b strings.Builder
	for _, e := range events {
		if e.Side == side && e.Op == timeline.Recv {
			b.Write(e.Data)
		}
	}
	return b.String()
}

func TestBugSlowReader(t *testing.T) {
	needSmallBuffers(t)
	got := stagetest.PlayNaive(t, lesson, "slow-reader")
	require.True(t, got.Stuck)
	require.Less(t, got.N, 800, "lines that carl has read")
	require.NoError(t, got.Met, "the next line comes when ben reads again: it was he whom the room waited for")
}

func TestFixSlowReader(t *testing.T) {
	needSmallBuffers(t)
	got := stagetest.Play(t, lesson, "slow-reader")
	require.False(t, got.Stuck)
	require.Equal(t, 800, got.N, "lines that carl has read")
	require.Equal(t, []string{"* ben reads too slowly and has left"}, got.Got)
}

func needSmallBuffers(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("the size of a buffer cannot be set before the connection here")
	}
}

func TestBackPressure(t *testing.T) {
	got := stagetest.Play(t, lesson, "back-pressure")
	require.True(t, got.Stuck, "a Write waits")
	rows := got.Verdicts()
	require.Len(t, rows, 18)
	var at, written, notSent, queued, read int
	_, err := fmt.Sscanf(strings.Join(strings.Fields(rows[11]), " "),
		"%d ms %d kB written %d kB not yet sent %d kB received %d kB read", &at, &written, &notSent, &queued, &read)
	require.NoError(t, err)
	require.Positive(t, notSent, "the writer's queue")
	require.Positive(t, queued, "the reader's queue")
	require.Zero(t, read)
	require.InDelta(t, written, notSent+queued, 2, "what was written is in one of the two, but for "+
		"a part of the waiting write")
	require.Contains(t, rows[17], "131 kB read", "and then all of it is read")
	var svg bytes.Buffer
	require.NoError(t, scenario.PressurePlot(&svg, "back-pressure: x", got.Events))
	require.Equal(t, 3*18, strings.Count(svg.String(), "<circle"), "a point for each figure")
}

func TestFixCutWord(t *testing.T) {
	got := stagetest.Play(t, lesson, "cut-word")
	require.False(t, got.Stuck)
}

func TestBugLineTooLong(t *testing.T) {
	got := stagetest.PlayNaive(t, lesson, "line-too-long")
	require.Equal(t, []string{"hello"}, got.Got)
	require.NoError(t, got.Met, "nobody is told")
}

func TestFixLineTooLong(t *testing.T) {
	got := stagetest.Play(t, lesson, "line-too-long")
	require.Equal(t, []string{"hello"}, got.Got)
	require.ErrorIs(t, got.Met, errTooLong)
}

func TestBugCutCharacter(t *testing.T) {
	got := stagetest.PlayNaive(t, lesson, "cut-character")
	require.Equal(t, []string{"你\uFFFD", "\uFFFD", "再见", ""}, got.Got)
}

func TestFixCutCharacter(t *testing.T) {
	require.Equal(t, []string{"你好", "再见"}, stagetest.Play(t, lesson, "cut-character").Got)
}

func TestBugHalfALine(t *testing.T) {
	got := stagetest.PlayNaive(t, lesson, "half-a-line")
	require.Equal(t, []string{"how much is it?", "100"}, got.Got)
	require.NoError(t, got.Met)
}

func TestFixHalfALine(t *testing.T) {
	got := stagetest.Play(t, lesson, "half-a-line")
	require.Equal(t, []string{"how much is it?"}, got.Got)
	require.ErrorIs(t, got.Met, io.ErrUnexpectedEOF)
}

func TestLeave(t *testing.T) {
	got := stagetest.Play(t, lesson, "leave")
	require.NoError(t, got.Met)
	require.Equal(t, 4, got.N, "ways that end without an error")
}

func TestReadLine(t *testing.T) {
	long := strings.Repeat("x", maxLine)
	for _, test := range []struct {
		stream string
		lines  []string
		err    error
	}{
		{"", nil, io.EOF},
		{"a\n\nb\r\n\rc\n", []string{"a", "", "b", "\rc"}, io.EOF},
		{"a\nb", []string{"a"}, io.ErrUnexpectedEOF},
		{long + "\nb\n", []string{long, "b"}, io.EOF},
		{long + "x\n", nil, errTooLong},
		{"\x00\xff\n", []string{"\x00\xff"}, io.EOF},
	} {
		client, server := pair(t)
		go func() {
			io.WriteString(client, test.stream)
			client.CloseWrite()
		}()
		lines := newLineReader(server)
		var got []string
		line, err := readLine(lines)
		for ; err == nil; line, err = readLine(lines) {
			got = append(got, line)
		}
		require.Equal(t, test.lines, got)
		require.ErrorIs(t, err, test.err)
		if test.err == io.EOF {
			require.Equal(t, io.EOF, err, "not wrapped, and not unexpected")
		}
	}
}

// A line that is too long is not sent; the chat goes on.
func TestSayTooLong(t *testing.T) {
	client, server := pair(t)
	var out bytes.Buffer
	long := strings.Repeat("x", maxLine)
	require.NoError(t, say(client, strings.NewReader(long+"\n"+long+"x\nbye\nexit\nnever\n"), &out))
	require.Equal(t, "not sent: a line has at most 1024 bytes\n", out.String())
	sent, err := io.ReadAll(server)
	require.NoError(t, err)
	require.Equal(t, long+"\nbye\n", string(sent))
}

// The longest line of the member with the longest name is heard, and ends no chat.
func TestLongestLine(t *testing.T) {
	r := newRoom()
	name, said := strings.Repeat("𠮷", maxName), strings.Repeat("x", maxLine)
	client, server := pair(t)
	go r.visit(server)
	printed, out := io.Pipe()
	go func() { out.CloseWithError(hear(client, out)) }()
	heard := bufio.NewReader(printed)
	require.Equal(t, "your name?", next(t, heard))
	_, err := io.WriteString(client, "anna\n")
	require.NoError(t, err)
	require.Equal(t, "* anna is here", next(t, heard))
	speaker, _ := come(t, r, name)
	require.Equal(t, "* "+name+" is here", next(t, heard))
	_, err = io.WriteString(speaker, said+"\nbye\n")
	require.NoError(t, err)
	require.Equal(t, name+": "+said, next(t, heard))
	require.Equal(t, name+": bye", next(t, heard))
	printed.Close()
}

// Whoever leaves still hears what the peer says until it leaves, too, and waits for nobody who does not.
func TestLastCall(t *testing.T) {
	client, server := pair(t)
	var out bytes.Buffer
	talked := make(chan error, 1)
	go func() { talked <- talk(client, strings.NewReader("bye\n"), &out) }()
	sent, err := io.ReadAll(server)
	require.NoError(t, err)
	require.Equal(t, "bye\n", string(sent))
	_, err = io.WriteString(server, "bye bye\n")
	require.NoError(t, err)
	server.Close()
	require.NoError(t, <-talked)
	require.Equal(t, "bye bye\n", out.String())

	client, _ = pair(t)
	require.NoError(t, talk(client, strings.NewReader(""), io.Discard), "the peer says and closes nothing")
}

// Both may speak first, at the same time, and each hears the other.
func TestBothSpeakFirst(t *testing.T) {
	client, server := pair(t)
	talked := make(chan error, 2)
	begin := func(conn net.Conn) (says *io.PipeWriter, hears *bufio.Reader) {
		in, says := io.Pipe()
		printed, out := io.Pipe()
		go func() {
			talked <- talk(conn, in, out)
			conn.Close()
			out.Close()
		}()
		return says, bufio.NewReader(printed)
	}
	clientSays, clientHears := begin(client)
	serverSays, serverHears := begin(server)
	for says, line := range map[io.Writer]string{clientSays: "hello\n", serverSays: "good morning\n"} {
		_, err := io.WriteString(says, line)
		require.NoError(t, err)
	}
	require.Equal(t, "good morning", next(t, clientHears))
	require.Equal(t, "hello", next(t, serverHears))
	clientSays.Close()
	require.NoError(t, <-talked)
	require.NoError(t, <-talked)
	serverSays.Close() // the server's keyboard, which nobody waits for any more
}

// pair returns the two ends of a connection, which are closed with the test.
func pair(t *testing.T) (client, server *net.TCPConn) {
	client, server, err := loopback.TCP()
	require.NoError(t, err)
	t.Cleanup(func() {
		client.Close()
		server.Close()
	})
	deadline := time.Now().Add(loopback.Patience)
	require.NoError(t, errors.Join(client.SetDeadline(deadline), server.SetDeadline(deadline)))
	return client, server
}

// come lets a visitor into a room and returns what reads its lines, the question left out.
func come(t *testing.T, r *room, name string) (*net.TCPConn, *bufio.Reader) {
	client, server := pair(t)
	go r.visit(server)
	lines := bufio.NewReader(client)
	require.Equal(t, "your name?", next(t, lines))
	_, err := io.WriteString(client, name+"\n")
	require.NoError(t, err)
	return client, lines
}

func next(t *testing.T, lines *bufio.Reader) string {
	line, err := lines.ReadString('\n')
	require.NoError(t, err)
	return strings.TrimSuffix(line, "\n")
}

// A name is asked for until it is one.
func TestNames(t *testing.T) {
	r := newRoom()
	_, anna := come(t, r, "anna")
	require.Equal(t, "* anna is here", next(t, anna))
	client, server := pair(t)
	go r.visit(server)
	lines := bufio.NewReader(client)
	require.Equal(t, "your name?", next(t, lines))
	for _, test := range []struct{ name, answer string }{
		{"", "a name has 1 to 20 letters and digits; your name?"},
		{"two words", "a name has 1 to 20 letters and digits; your name?"},
		{"\x1b[2J", "a name has 1 to 20 letters and digits; your name?"},
		{"* carl", "a name has 1 to 20 letters and digits; your name?"},
		{strings.Repeat("名", 21), "a name has 1 to 20 letters and digits; your name?"},
		{"\xff", "a name has 1 to 20 letters and digits; your name?"},
		{"anna", "anna is taken; your name?"},
		{strings.Repeat("名", 20), "* " + strings.Repeat("名", 20) + " is here"},
	} {
		_, err := io.WriteString(client, test.name+"\n")
		require.NoError(t, err)
		require.Equal(t, test.answer, next(t, lines), test.name)
	}
	require.Equal(t, "* "+strings.Repeat("名", 20)+" is here", next(t, anna), "and nothing before")
}

// A member that is dropped for its slowness is told, if it reads at last. The others hear of it only once.
func TestSlowMemberIsTold(t *testing.T) {
	r := newRoom()
	client, server := pair(t)
	require.NoError(t, server.SetWriteBuffer(4096))
	m := &member{name: "ben", conn: server, queue: make(chan string, maxQueue)}
	r.members["ben"] = m
	for i := range maxQueue {
		r.say(nil, fmt.Sprint("line ", i))
	}
	require.Len(t, r.members, 1)
	_, anna := come(t, r, "anna")
	require.ElementsMatch(t, []string{"* anna is here", "* ben reads too slowly and has left"},
		[]string{next(t, anna), next(t, anna)})
	require.Empty(t, r.members["ben"])
	require.NoError(t, server.SetWriteDeadline(time.Time{})) // a busy machine may have missed it
	go m.write()
	lines := bufio.NewReader(client)
	for i := range maxQueue {
		require.Equal(t, fmt.Sprint("line ", i), next(t, lines))
	}
	require.Equal(t, "* you read too slowly", next(t, lines))
	_, err := lines.ReadByte()
	require.Equal(t, io.EOF, err)
	r.leave(m)
	r.say(nil, "the end")
	require.Equal(t, "the end", next(t, anna), "nothing is told twice")
}

// A member that breaks the rules is told to the log, and to nobody else but by its leaving.
func TestVisitErrors(t *testing.T) {
	for sent, want := range map[string]string{
		strings.Repeat("x", maxLine+1):            "reading a name: a line has at most 1024 bytes",
		"anna\n" + strings.Repeat("x", maxLine+1): "reading a line of anna: a line has at most 1024 bytes",
		"anna\nhal": "reading a line of anna: unexpected EOF",
		"anna\n":    "",
		"ex":        "reading a name: unexpected EOF",
		"exit\n":    "",
		"":          "",
	} {
		client, server := pair(t)
		visited := make(chan error, 1)
		go func() { visited <- newRoom().visit(server) }()
		_, err := io.WriteString(client, sent)
		require.NoError(t, err)
		require.NoError(t, client.CloseWrite())
		if err := <-visited; want == "" {
			require.NoError(t, err, sent)
		} else {
			require.EqualError(t, err, want)
		}
		_, err = server.Write([]byte("x"))
		require.ErrorIs(t, err, net.ErrClosed, "visit closes")
	}
}

func TestPython(t *testing.T) {
	t.Run("its client, our server", func(t *testing.T) {
		cmd := stagetest.Command(t, "server", "-addr", "127.0.0.1:0", "-framing", "none")
		cmd.Stdin = strings.NewReader("hello yourself\nfine, 谢谢\n")
		server := stagetest.Start(t, cmd)
		out, errs, status := stagetest.Output(t, stagetest.Python(t, "client.py", server.Addr),
			"hello\n\n你好吗\nexit\n")
		require.Zero(t, status, errs)
		require.Equal(t, "hello yourself\nfine, 谢谢\n", out)
	})
	t.Run("our client, its server", func(t *testing.T) {
		server := stagetest.Start(t, stagetest.Python(t, "server.py"))
		out, errs, status := stagetest.Client(t, server.Addr, "hello\n\n你好吗\nexit\nnever\n", "-framing", "none")
		require.Zero(t, status, errs)
		require.Equal(t, "hello yourself\nfine, 谢谢\n", out)
	})
	t.Run("its guest, our room", func(t *testing.T) {
		server := stagetest.Server(t)
		out, errs, status := stagetest.Output(t, stagetest.Python(t, "lines.py", server.Addr),
			"anna\nis anybody there?\nexit\n")
		require.Zero(t, status, errs)
		require.Equal(t, "your name?\n* anna is here\n", out)
	})
}

// Our own two programs chat, as a pair and in a room.
func TestPrograms(t *testing.T) {
	cmd := stagetest.Command(t, "server", "-addr", "127.0.0.1:0", "-pair")
	cmd.Stdin = strings.NewReader("good morning\n")
	server := stagetest.Start(t, cmd)
	require.Equal(t, "good morning\n", typedTo(t, server.Addr, "hello\n", ""))

	server = stagetest.Server(t)
	require.Equal(t, "your name?\n* anna is here\n", typedTo(t, server.Addr, "anna\nhello\n", "anna is here"))
}

// typedTo runs our client and returns what it printed. Its user types lines, and leaves when a line with
// those words was printed; without words only the other side leaves.
func typedTo(t *testing.T, addr, lines, words string) string {
	cmd := stagetest.Command(t, "client", "-addr", addr)
	in, err := cmd.StdinPipe()
	require.NoError(t, err)
	out, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	_, err = io.WriteString(in, lines)
	require.NoError(t, err)
	var printed strings.Builder
	for scanner := bufio.NewScanner(out); scanner.Scan(); {
		fmt.Fprintln(&printed, scanner.Text())
		if words != "" && strings.Contains(scanner.Text(), words) {
			in.Close()
		}
	}
	require.NoError(t, cmd.Wait())
	return printed.String()
}

// What is read as lines is what came, but for the ends of the lines.
func FuzzReadLine(f *testing.F) {
	for _, seed := range []string{
		"", "a\n", "a\r\n\n", "\r\r\n", "half", "\x00\xff\n", strings.Repeat("x", maxLine) + "\n",
		strings.Repeat("x", maxLine+1) + "\n",
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, stream []byte) {
		lines := newLineReader(readConn{r: iotest.OneByteReader(bytes.NewReader(stream))})
		left := string(stream)
		for {
			line, err := readLine(lines)
			if err != nil {
				require.True(t, err == io.EOF && left == "" || errors.Is(err, io.ErrUnexpectedEOF) ||
					errors.Is(err, errTooLong), "%v, and %q was not read", err, left)
				return
			}
			require.LessOrEqual(t, len(line), maxLine)
			require.NotContains(t, line, "\n")
			before, after, ok := strings.Cut(left, "\n")
			require.True(t, ok)
			require.Equal(t, strings.TrimSuffix(before, "\r"), line)
			left = after
		}
	})
}

// readConn is a connection that can be read.
type readConn struct {
	net.Conn
	r io.Reader
}

func (c readConn) Read(p []byte) (int, error) { return c.r.Read(p) }

// A name that is taken cannot look like what the room says, and controls nothing.
func FuzzValidName(f *testing.F) {
	for _, seed := range []string{"", "anna", "* carl", "安娜", "\x1b[2J", "\xff", "a b", "x:"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, name string) {
		if validName(name) {
			require.Regexp(t, `^[\p{L}\p{N}]{1,20}$`, name)
		}
	})
}
