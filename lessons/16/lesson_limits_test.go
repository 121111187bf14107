package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/iotest"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"socketbook/lessons/internal/scenario"
	"socketbook/lessons/internal/stage/stagetest"
	"socketbook/tools/loopback"
)

// What comes of each call that fails: an error, a line in the log, and which connections are closed.
func TestFailures(t *testing.T) {
	c := newCommands()
	handle := func(conn net.Conn) error { return c.answer(t.Context(), deadlines{conn}) }
	stagetest.Failures(
		t,
		stagetest.Answers("answer", handle, scenario.Request("echo hi"), scenario.Request("")),
	)
}

// deadlines is a connection of Failures that can have all of them.
type deadlines struct{ net.Conn }

func (deadlines) SetWriteDeadline(time.Time) error { return nil }

// What all clients may cost together is what server.go says.
func TestLimitsFit(t *testing.T) {
	const stack = 16 << 10
	require.Less(t, maxClients*(maxHeader+maxCommand+2*maxOutput+stack), 40<<20)
	require.LessOrEqual(t, mostClients(), maxClients)
	require.Less(t, len(help), maxPacket)
	require.Len(t, noToken, tokenSize)
}

func TestCommands(t *testing.T) {
	c := newCommands()
	for _, test := range []struct {
		command, output string
		status          int
	}{
		{"", "", 0},
		{" \u3000", "", 0},
		{"echo", "\n", 0},
		{"echo hello  你好", "hello 你好\n", 0},
		{"echo $HOME; ls `id` > x && y | z", "$HOME; ls `id` > x && y | z\n", 0},
		{"ls", `"ls" is not allowed; date, echo, hostname, whoami are` + "\n", noStatus},
		{"/bin/echo hello", `"/bin/echo hello" is not allowed; date, echo, hostname, whoami are` + "\n", noStatus},
		{"ECHO", `"ECHO" is not allowed; date, echo, hostname, whoami are` + "\n", noStatus},
		{
			strings.Repeat("x", maxCommand),
			`"` + strings.Repeat("x", 60) + `" is not allowed; date, echo, hostname, whoami are` + "\n", noStatus,
		},
	} {
		status, output := c.execute(t.Context(), test.command)
		require.Equal(t, test.output, string(output), test.command)
		require.Equal(t, test.status, status, test.command)
	}
	status, output := c.execute(t.Context(), "date")
	require.Zero(t, status)
	_, err := time.Parse(time.RFC1123Z+"\n", string(output))
	require.NoError(t, err)
	here, err := os.Hostname()
	require.NoError(t, err)
	status, output = c.execute(t.Context(), "hostname --help -F /etc/passwd")
	require.Zero(t, status)
	require.Equal(t, strings.ToLower(here), strings.ToLower(strings.TrimSpace(string(output))), "no arguments")
}

func TestPrintable(t *testing.T) {
	for _, text := range []string{"", "echo hello", "你好 é 😀", "a b"} {
		require.True(t, printable(text), "%q", text)
	}
	for _, text := range []string{
		"\x00", "a\nb", "\t", "\x1b[2J", "\x7f", "\u009b2J", "\xff", "\u202e",
		"\ufeff", "\u2028",
	} {
		require.False(t, printable(text), "%q", text)
	}
}

// serving lets a server work until the test ends.
func serving(t *testing.T, s *Server) (addr string) {
	ln, err := loopback.Listen()
	require.NoError(t, err)
	log.SetOutput(io.Discard)
	t.Cleanup(func() { log.SetOutput(os.Stderr) })
	served := make(chan error, 1)
	go func() { served <- s.Serve(ln) }()
	t.Cleanup(func() {
		s.Close()
		require.NoError(t, s.Shutdown(context.Background()))
		require.Equal(t, ErrServerClosed, <-served)
	})
	return ln.Addr().String()
}

// connected returns a connection to a server, which is closed when the test ends.
func connected(t *testing.T, addr string) *net.TCPConn {
	conn, err := net.Dial("tcp", addr)
	require.NoError(t, err)
	t.Cleanup(func() { conn.Close() })
	require.NoError(t, conn.SetDeadline(time.Now().Add(loopback.Patience)))
	return conn.(*net.TCPConn)
}

// What is wrong with a request is told to the client before the connection is closed, also if it has sent
// maxUnread bytes more.
func TestRefusedIsTold(t *testing.T) {
	addr := serving(t, newServer(newCommands()))
	for range 20 {
		conn := connected(t, addr)
		_, err := conn.Write([]byte("\xff\xff\xff\xff" + strings.Repeat("x", maxUnread)))
		require.NoError(t, err)
		status, output, err := decodeMessage(conn, maxAnswer)
		require.NoError(t, err)
		require.Equal(t, noStatus, status)
		require.Equal(t, "refused: reading a command: a header of -1 bytes is announced: not from 0 to 1024\n",
			string(output))
		_, err = conn.Read(make([]byte, 1))
		require.Equal(t, io.EOF, err)
		conn.Close()
	}
}

// A client is refused while its user says nothing, and the user is told.
func TestRefusedHeartbeat(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		near, far := net.Pipe()
		in, typed := io.Pipe()
		talked := make(chan error, 1)
		go func() { talked <- newClient().talk(near, in, io.Discard) }()
		_, _, err := decodeMessage(far, maxCommand)
		require.NoError(t, err)
		require.NoError(t, writeMessage(far, time.Second, noStatus, []byte("refused: too many clients\n")))
		require.EqualError(t, <-talked, "waiting for your next line: a heartbeat: refused: too many clients")
		typed.Close() // ends the scan
		near.Close()
		far.Close()
	})
}

// A place is free again when a client has left, and nothing is kept of its address.
func TestAddresses(t *testing.T) {
	s := newServer(newCommands())
	s.MaxPerAddress = 2
	addr := serving(t, s)
	for range 20 {
		var conns []*net.TCPConn
		for range 2 {
			conn := connected(t, addr)
			answer, err := askFramed(conn, "hello")
			require.NoError(t, err)
			require.Equal(t, "hello\n", answer)
			conns = append(conns, conn)
		}
		status, output, err := decodeMessage(connected(t, addr), maxAnswer)
		require.NoError(t, err)
		require.Equal(t, noStatus, status)
		require.Equal(t, "refused: "+errTooManyHere.Error()+"\n", string(output))
		for _, conn := range conns {
			conn.CloseWrite()
		}
		require.Eventually(t, func() bool { // a client sees the end before it is counted out
			s.mu.Lock()
			defer s.mu.Unlock()
			return len(s.addresses) == 0 && len(s.clients) == 0
		}, loopback.Patience, time.Millisecond)
	}
}

type remote struct {
	net.Conn
	addr net.Addr
}

func (r remote) RemoteAddr() net.Addr { return r.addr }

func TestHost(t *testing.T) {
	of := func(ip string) string { return host(remote{addr: &net.TCPAddr{IP: net.ParseIP(ip), Port: 1}}) }
	require.Equal(t, "192.0.2.1", of("192.0.2.1"))
	require.Equal(t, "192.0.2.1", of("::ffff:192.0.2.1"))
	require.NotEqual(t, of("192.0.2.1"), of("192.0.2.2"))
	require.Equal(t, of("2001:db8::1"), of("2001:db8::ffff:1:2:3"), "one /64")
	require.NotEqual(t, of("2001:db8::1"), of("2001:db8:0:1::1"))
	require.Equal(t, "", host(remote{addr: &net.UnixAddr{Name: "@", Net: "unix"}}))
}

// A command whose turn does not come is not run.
func TestRunning(t *testing.T) {
	for range maxRunning {
		running <- struct{}{}
	}
	c := newCommands()
	c.limit = scenario.Hang
	status, output := c.execute(t.Context(), "hostname")
	require.Equal(t, noStatus, status)
	require.Equal(t, "too many commands at the same time; come back later\n", string(output))
	<-running
	c.limit = loopback.Patience
	status, _ = c.execute(t.Context(), "hostname")
	require.Zero(t, status)
	for range maxRunning - 1 {
		<-running
	}
}

// A program that prints without end is ended at the limit.
func TestEndlessOutput(t *testing.T) {
	stagetest.NeedShell(t)
	ctx, cancel := context.WithTimeout(t.Context(), scenario.Hang)
	defer cancel()
	status, output := run(ctx, "yes")
	require.Equal(t, noStatus, status)
	require.Less(t, len(output), maxOutput+200)
}

// What a program prints beyond the limit is cut off, and the client is told how much that was.
func TestOutputIsLimited(t *testing.T) {
	stagetest.NeedShell(t)
	program := filepath.Join(t.TempDir(), "much")
	script := fmt.Sprintf("#!/bin/sh\nyes | head -c %d\n", 2*maxOutput)
	require.NoError(t, os.WriteFile(program, []byte(script), 0o700))
	ctx, cancel := context.WithTimeout(t.Context(), loopback.Patience)
	defer cancel()
	status, output := run(ctx, program)
	require.Zero(t, status)
	want := strings.Repeat("y\n", maxOutput/2) +
		fmt.Sprintf("\n[%d more bytes were printed, and cut off]\n", maxOutput)
	require.Equal(t, want, string(output))
}

func TestSparseLog(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var kept bytes.Buffer
		log.SetFlags(0)
		log.SetOutput(&kept)
		defer log.SetOutput(os.Stderr)
		var l sparseLog
		for i := range 100 {
			l.printf("line %d", i)
		}
		require.Equal(t, maxLines, strings.Count(kept.String(), "\n"))
		time.Sleep(time.Second)
		kept.Reset()
		l.printf("line %d", 100)
		require.Equal(t, "and 80 lines more\nline 100\n", kept.String())
	})
}

// packets returns an unconnected socket, and the address of a server over UDP that has ended with the test.
func packets(t *testing.T) (server net.Addr, pc net.PacketConn) {
	var sockets [2]net.PacketConn
	for i := range sockets {
		var err error
		sockets[i], err = net.ListenPacket("udp", "127.0.0.1:0")
		require.NoError(t, err)
	}
	served := make(chan error, 1)
	go func() { served <- newPacketServer().servePacket(sockets[0]) }()
	t.Cleanup(func() {
		sockets[0].Close()
		sockets[1].Close()
		require.NoError(t, <-served)
	})
	require.NoError(t, sockets[1].SetDeadline(time.Now().Add(loopback.Patience)))
	return sockets[0].LocalAddr(), sockets[1]
}

// Nobody is answered more than was asked before it has shown that it receives at its address.
func TestPackets(t *testing.T) {
	server, pc := packets(t)
	buf := make([]byte, 2*maxPacket)
	asks := func(text string) string {
		_, err := pc.WriteTo([]byte(text), server)
		require.NoError(t, err)
		n, _, err := pc.ReadFrom(buf)
		require.NoError(t, err)
		return string(buf[:n])
	}
	for size := range tokenSize + 2 {
		_, err := pc.WriteTo(bytes.Repeat([]byte("x"), size), server)
		require.NoError(t, err)
	}
	token := asks(noToken + " ?") // what was shorter was not answered
	require.Len(t, token, tokenSize)
	for _, size := range []int{maxPacket + 1, 60000} {
		_, err := pc.WriteTo(bytes.Repeat([]byte("x"), size), server)
		require.NoError(t, err)
	}
	require.Equal(t, token, asks(token[:tokenSize-1]+"x ?"))
	require.Equal(t, help, asks(token+" ?"))

	_, other := packets(t)
	_, err := other.WriteTo([]byte(token+" ?"), server)
	require.NoError(t, err)
	n, _, err := other.ReadFrom(buf)
	require.NoError(t, err)
	require.Equal(t, tokenSize, n, "a token is good at one address")
	require.NotEqual(t, token, string(buf[:n]))
}

// Questions that cannot be answered, such as those from port 0, do not fill the disk.
func TestPacketsInTheLog(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var kept bytes.Buffer
		log.SetOutput(&kept)
		defer log.SetOutput(os.Stderr)
		require.NoError(t, newPacketServer().servePacket(&unanswerable{left: 100}))
		require.Equal(t, maxLines, strings.Count(kept.String(), "writing an answer: "))
	})
}

// unanswerable is a socket with some datagrams, none of which can be answered.
type unanswerable struct {
	net.PacketConn
	left int
}

func (u *unanswerable) ReadFrom(b []byte) (int, net.Addr, error) {
	if u.left--; u.left < 0 {
		return 0, nil, net.ErrClosed
	}
	return copy(b, question), &net.UDPAddr{IP: net.IPv4(192, 0, 2, 1)}, nil
}

func (*unanswerable) WriteTo([]byte, net.Addr) (int, error) { return 0, errors.New("invalid argument") }

// The client gives up with a server whose tokens change all the time, and with one that says nothing.
func TestAskPacketGivesUp(t *testing.T) {
	pc, err := net.ListenPacket("udp", "127.0.0.1:0")
	require.NoError(t, err)
	defer pc.Close()
	go func() {
		buf := make([]byte, maxPacket)
		for {
			_, from, err := pc.ReadFrom(buf)
			if err != nil {
				return
			}
			pc.WriteTo([]byte(noToken), from)
		}
	}()
	c := newClient()
	conn, err := c.dialPacket(pc.LocalAddr().String())
	require.NoError(t, err)
	defer conn.Close()
	require.ErrorContains(t, c.talkPacket(conn, nil, io.Discard), "does not take the tokens")
	pc.Close()
	c.patience = scenario.Hang
	require.Error(t, c.talkPacket(conn, nil, io.Discard))
}

func TestPython(t *testing.T) {
	server := stagetest.Server(t)
	out, errs, status := stagetest.Output(t, stagetest.Python(t, "client.py", server.Addr),
		"echo 你好\n\nls\necho \x1b[2J\n")
	require.Zero(t, status, errs)
	require.Equal(t, strings.Join([]string{
		`0 '你好\n'`, `0 ''`, `-1 '"ls" is not allowed; date, echo, hostname, whoami are\n'`,
		`-1 'refused: the command "echo \\x1b[2J" has characters that cannot be printed\n'`, "",
	}, "\n"), out)
}

// Of two places one address has one: the flag is taken, and the second client is told.
func TestClientsFlag(t *testing.T) {
	server := stagetest.Server(t, "-clients", "2")
	answer, err := askFramed(connected(t, server.Addr), "hello")
	require.NoError(t, err)
	require.Equal(t, "hello\n", answer)
	status, output, err := decodeMessage(connected(t, server.Addr), maxAnswer)
	require.NoError(t, err)
	require.Equal(t, noStatus, status)
	require.Equal(t, "refused: "+errTooManyHere.Error()+"\n", string(output))
}

// The two programs, over TCP and over UDP.
func TestPrograms(t *testing.T) {
	server := stagetest.Server(t)
	out, errs, status := stagetest.Client(t, server.Addr, "echo hello\nls\n")
	require.Zero(t, status, errs)
	require.Equal(t, "hello\n\"ls\" is not allowed; date, echo, hostname, whoami are\n[exit status -1]\n", out)
	out, errs, status = stagetest.Client(t, server.Addr, "", "-udp")
	require.Zero(t, status, errs)
	require.Equal(t, help, out)
}

// What is taken for a message is one, and nothing beyond it is read.
func FuzzDecodeMessage(f *testing.F) {
	for _, seed := range []string{
		"", scenario.Request("echo hi"), scenario.Request(""), "\xff\xff\xff\x7f", "\xff\xff\xff\xff",
		framedHeader(`{"total_size":-1}`), framedHeader(`{"total_size":2147483647}`), framedHeader(`{`),
		framedHeader(`{"status":-1,"total_size":1e2}`), "GET / HTTP/1.1\r\n\r\n",
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, stream []byte) {
		r := bytes.NewReader(stream)
		status, payload, err := decodeMessage(iotest.HalfReader(r), maxCommand)
		if err != nil {
			return
		}
		require.LessOrEqual(t, len(payload), maxCommand)
		require.True(t, bytes.HasSuffix(stream[:len(stream)-r.Len()], payload), "nothing beyond it was read")
		again := framedHeader(fmt.Sprintf(`{"status":%d,"total_size":%d}`, status, len(payload))) + string(payload)
		s, p, err := decodeMessage(strings.NewReader(again), maxCommand)
		require.NoError(t, err)
		require.Equal(t, status, s)
		require.Equal(t, string(payload), string(p))
	})
}

func framedHeader(json string) string {
	return string([]byte{byte(len(json)), byte(len(json) >> 8), 0, 0}) + json
}

// Whatever a client sends, the server answers in messages, and with text that controls nothing.
func FuzzAnswer(f *testing.F) {
	for _, seed := range []string{
		"", scenario.Request("echo hi") + scenario.Request("ls"), scenario.Request("echo \x1b[2J"),
		"\xff\xff\xff\xff", scenario.Request("\n"), scenario.Request("echo 你\u202e好"), "POST / HTTP/1.1\r\n\r\n",
		framedHeader(`{"total_size":5,"x":"\u001b"}`) + "\xff\xfe\xfd\xfc\xfb",
	} {
		f.Add([]byte(seed))
	}
	c := newCommands()
	f.Fuzz(func(t *testing.T, stream []byte) {
		if bytes.Contains(stream, []byte("hostname")) || bytes.Contains(stream, []byte("whoami")) {
			return // a process each
		}
		conn := &recording{in: bytes.NewReader(stream)}
		err := c.answer(t.Context(), conn)
		if err != nil {
			require.True(t, printable(err.Error()), "%q", err)
		}
		for {
			_, output, err := decodeMessage(&conn.out, maxAnswer)
			if err == io.EOF || errors.Is(err, io.EOF) && conn.out.Len() == 0 {
				return
			}
			require.NoError(t, err)
			require.True(t, printable(strings.TrimSuffix(string(output), "\n")), "%q", output)
		}
	})
}

// recording is a connection in memory.
type recording struct {
	net.Conn
	in  *bytes.Reader
	out bytes.Buffer
}

func (r *recording) Read(p []byte) (int, error)       { return r.in.Read(p) }
func (r *recording) Write(p []byte) (int, error)      { return r.out.Write(p) }
func (r *recording) SetReadDeadline(time.Time) error  { return nil }
func (r *recording) SetWriteDeadline(time.Time) error { return nil }
func (r *recording) Close() error                     { return nil }

// A stranger is never answered more than it has sent.
func FuzzServePacket(f *testing.F) {
	for _, seed := range []string{"", question, noToken, noToken + " ", strings.Repeat("0", 64), "\x00"} {
		f.Add([]byte(seed))
	}
	s := newPacketServer()
	f.Fuzz(func(t *testing.T, datagram []byte) {
		pc := &onePacket{datagram: datagram}
		require.NoError(t, s.servePacket(pc))
		require.LessOrEqual(t, pc.answered, len(datagram))
	})
}

// onePacket is a socket with one datagram.
type onePacket struct {
	net.PacketConn
	datagram []byte
	read     bool
	answered int
}

func (p *onePacket) ReadFrom(b []byte) (int, net.Addr, error) {
	if p.read {
		return 0, nil, net.ErrClosed
	}
	p.read = true
	return copy(b, p.datagram), &net.UDPAddr{IP: net.IPv4(192, 0, 2, 1), Port: 1}, nil
}

func (p *onePacket) WriteTo(b []byte, _ net.Addr) (int, error) {
	p.answered += len(b)
	return len(b), nil
}
