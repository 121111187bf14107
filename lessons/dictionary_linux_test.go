package lessons

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// dictionary holds the rows of the dictionary in README.md against Go, by the first word of the row. A row
// that is not here has a reference.
var dictionary = map[string]func(t *testing.T){
	"bind": func(t *testing.T) {
		ln := listener(t, ":0")
		require.True(t, ln.Addr().(*net.TCPAddr).IP.IsUnspecified())
		require.Equal(t, 1, option(t, ln.(*net.TCPListener), syscall.SOL_SOCKET, syscall.SO_REUSEADDR))
	},
	"accept": func(t *testing.T) {
		ln := listener(t, "127.0.0.1:0")
		accepted := make(chan error, 1)
		go func() {
			_, err := ln.Accept()
			accepted <- err
		}()
		ln.Close()
		require.ErrorIs(t, <-accepted, net.ErrClosed)
	},
	"connect": func(t *testing.T) {
		conn, err := net.Dial("udp", "127.0.0.1:"+closedPort(t))
		require.NoError(t, err, "nobody is there")
		conn.Close()
	},
	"connect_ex": func(t *testing.T) {
		_, err := net.Dial("tcp", "127.0.0.1:"+closedPort(t))
		var errno syscall.Errno
		require.True(t, errors.As(err, &errno))
		require.Equal(t, syscall.ECONNREFUSED, errno)
	},
	"create_connection": func(t *testing.T) {
		d := net.Dialer{Timeout: time.Nanosecond}
		_, err := d.Dial("tcp", "127.0.0.1:"+closedPort(t))
		var timeout net.Error
		require.True(t, errors.As(err, &timeout) && timeout.Timeout())
		ln := listener(t, "127.0.0.1:0")
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		conn, err := new(net.Dialer).DialContext(ctx, "tcp", ln.Addr().String())
		require.NoError(t, err)
		defer conn.Close()
		cancel() // the end of the dial's time is none of the connection's
		peer, err := ln.Accept()
		require.NoError(t, err)
		defer peer.Close()
		_, err = peer.Write([]byte("late"))
		require.NoError(t, err)
		n, err := conn.Read(make([]byte, 9))
		require.NoError(t, err)
		require.Equal(t, 4, n)
	},
	"create_server(reuse_port=True)": func(t *testing.T) {
		const reusePort = 0xf // unix.SO_REUSEPORT
		config := net.ListenConfig{Control: func(_, _ string, c syscall.RawConn) (err error) {
			cerr := c.Control(func(fd uintptr) {
				err = syscall.SetsockoptInt(int(fd), syscall.SOL_SOCKET, reusePort, 1)
			})
			return errors.Join(cerr, err)
		}}
		addr := "127.0.0.1:0"
		for range 2 {
			ln, err := config.Listen(t.Context(), "tcp", addr)
			require.NoError(t, err)
			defer ln.Close()
			addr = ln.Addr().String()
		}
	},
	"close": func(t *testing.T) {
		client, server := pair(t)
		require.NoError(t, client.Close())
		require.ErrorIs(t, client.Close(), net.ErrClosed)
		_, err := server.Read(make([]byte, 1))
		require.Equal(t, io.EOF, err)

		client, server = pair(t)
		_, err = client.Write([]byte("unread"))
		require.NoError(t, err)
		_, err = server.Read(make([]byte, 1)) // the others are there, too
		require.NoError(t, err)
		server.Close()
		_, err = client.Read(make([]byte, 1))
		require.ErrorIs(t, err, syscall.ECONNRESET)
	},
	"recv": func(t *testing.T) { endOfStream(t) },
	"recvfrom": func(t *testing.T) {
		client, server := datagrams(t)
		for _, message := range []string{"hello", "", "bye"} {
			_, err := client.Write([]byte(message))
			require.NoError(t, err)
		}
		for _, want := range []string{"hel", "", "bye"} {
			buf := make([]byte, 3)
			n, _, err := server.ReadFrom(buf)
			require.NoError(t, err)
			require.Equal(t, want, string(buf[:n]))
		}
		_, err := client.Write([]byte("hello"))
		require.NoError(t, err)
		_, _, flags, _, err := server.ReadMsgUDP(make([]byte, 3), nil)
		require.NoError(t, err)
		require.NotZero(t, flags&syscall.MSG_TRUNC)
	},
	"send":    func(t *testing.T) { writesAll(t) },
	"sendall": func(t *testing.T) { writesAll(t) },
	"sendto": func(t *testing.T) {
		client, server := datagrams(t)
		_, err := client.WriteTo([]byte("x"), server.LocalAddr())
		require.ErrorIs(t, err, net.ErrWriteToConnected)
	},
	"settimeout": func(t *testing.T) {
		client, _ := pair(t)
		require.NoError(t, client.SetDeadline(time.Now().Add(-time.Second)))
		for range 2 {
			_, err := client.Read(make([]byte, 1))
			require.ErrorIs(t, err, os.ErrDeadlineExceeded)
		}
		_, err := net.DialTimeout("tcp", "127.0.0.1:"+closedPort(t), time.Nanosecond)
		var timeout net.Error // which of the two errors it is depends on which clock is first
		require.ErrorAs(t, err, &timeout)
		require.True(t, timeout.Timeout(), "%v", err)
	},
	"setblocking(False)": func(t *testing.T) { pastDeadline(t) },
	"select": func(t *testing.T) {
		c1, s1 := pair(t)
		c2, s2 := pair(t)
		came := make(chan string)
		for name, conn := range map[string]net.Conn{"one": s1, "two": s2} {
			go func() {
				conn.Read(make([]byte, 1))
				came <- name
			}()
		}
		c2.Write([]byte("x"))
		require.Equal(t, "two", <-came)
		c1.Write([]byte("x"))
		require.Equal(t, "one", <-came)
	},
	"makefile": func(t *testing.T) {
		client, server := pair(t)
		_, err := client.Write([]byte("one\ntwo\n"))
		require.NoError(t, err)
		lines := bufio.NewReader(server)
		line, err := lines.ReadString('\n')
		require.NoError(t, err)
		require.Equal(t, "one\n", line)
		require.Equal(t, 4, lines.Buffered(), "it has read ahead")
	},
	"getpeername": func(t *testing.T) {
		client, server := pair(t)
		want := client.RemoteAddr().String()
		require.NoError(t, server.SetLinger(0))
		server.Close()
		_, err := client.Read(make([]byte, 1))
		require.ErrorIs(t, err, syscall.ECONNRESET)
		require.Equal(t, want, client.RemoteAddr().String())
		client.Close()
		require.Equal(t, want, client.RemoteAddr().String())
	},
	"getsockname": func(t *testing.T) {
		require.NotZero(t, listener(t, "127.0.0.1:0").Addr().(*net.TCPAddr).Port)
	},
	"fileno": func(t *testing.T) {
		client, server := pair(t)
		require.True(t, nonblocking(t, client))
		file, err := client.File()
		require.NoError(t, err)
		require.NotZero(t, file.Fd())
		require.False(t, nonblocking(t, client), "deadlines need it")
		client.Close()
		require.NoError(t, server.SetReadDeadline(time.Now().Add(50*time.Millisecond)))
		_, err = server.Read(make([]byte, 1))
		require.ErrorIs(t, err, os.ErrDeadlineExceeded, "no end: the copy is open")
		file.Close()
		require.NoError(t, server.SetReadDeadline(time.Time{}))
		_, err = server.Read(make([]byte, 1))
		require.Equal(t, io.EOF, err)
	},
	"shutdown": func(t *testing.T) {
		client, server := pair(t)
		require.NoError(t, client.CloseRead())
		_, err := client.Read(make([]byte, 1))
		require.Equal(t, io.EOF, err)
		_, err = server.Write([]byte("x"))
		require.NoError(t, err)
		require.Eventually(t, func() bool {
			n, _ := client.Read(make([]byte, 1))
			return n == 1
		}, 10*time.Second, time.Millisecond, "bytes that come later are read")
		require.NoError(t, client.CloseWrite())
		_, err = server.Read(make([]byte, 1))
		require.Equal(t, io.EOF, err)
		require.NoError(t, client.SetDeadline(time.Now()), "the connection is not closed")
	},
	"setsockopt": func(t *testing.T) {
		client, _ := pair(t)
		require.Equal(t, 1, option(t, client, syscall.IPPROTO_TCP, syscall.TCP_NODELAY))
		require.Equal(t, 1, option(t, client, syscall.SOL_SOCKET, syscall.SO_KEEPALIVE))
		require.Equal(t, 15, option(t, client, syscall.IPPROTO_TCP, syscall.TCP_KEEPIDLE), "seconds")
	},

	"ConnectionRefusedError": func(t *testing.T) {
		_, err := net.Dial("tcp", "127.0.0.1:"+closedPort(t))
		require.ErrorIs(t, err, syscall.ECONNREFUSED)
	},
	"ConnectionResetError": func(t *testing.T) {
		client, server := pair(t)
		require.NoError(t, server.SetLinger(0))
		server.Close()
		_, err := client.Read(make([]byte, 1))
		require.ErrorIs(t, err, syscall.ECONNRESET)
	},
	"BrokenPipeError": func(t *testing.T) {
		client, server := pair(t)
		server.Close()
		_, err := client.Read(make([]byte, 1))
		require.Equal(t, io.EOF, err)
		require.Eventually(t, func() bool {
			_, err = client.Write([]byte("x"))
			return errors.Is(err, syscall.EPIPE)
		}, 10*time.Second, time.Millisecond)
	},
	"TimeoutError": func(t *testing.T) {
		client, _ := pair(t)
		require.NoError(t, client.SetReadDeadline(time.Now()))
		_, err := client.Read(make([]byte, 1))
		require.ErrorIs(t, err, os.ErrDeadlineExceeded)
	},
	"TimeoutError: [Errno 110] Connection timed out": func(t *testing.T) {
		// as package net makes it
		err := &net.OpError{Op: "read", Err: os.NewSyscallError("read", syscall.ETIMEDOUT)}
		require.ErrorIs(t, err, syscall.ETIMEDOUT)
		require.NotErrorIs(t, err, os.ErrDeadlineExceeded)
		require.True(t, err.Timeout())
	},
	"BlockingIOError": func(t *testing.T) { pastDeadline(t) },
	"OSError: [Errno 98] Address already in use": func(t *testing.T) {
		_, err := net.Listen("tcp", listener(t, "127.0.0.1:0").Addr().String())
		require.ErrorIs(t, err, syscall.EADDRINUSE)
	},
	"OSError: [Errno 9] Bad file descriptor": func(t *testing.T) {
		client, _ := pair(t)
		client.Close()
		_, err := client.Write([]byte("x"))
		require.ErrorIs(t, err, net.ErrClosed)
	},
	"socket.gaierror": func(t *testing.T) {
		nowhere := func(context.Context, string, string) (net.Conn, error) { return nil, io.ErrClosedPipe }
		d := net.Dialer{Resolver: &net.Resolver{PreferGo: true, Dial: nowhere}}
		_, err := d.DialContext(t.Context(), "tcp", "no-such-host.invalid:80")
		var dns *net.DNSError
		require.ErrorAs(t, err, &dns)
	},
	"recv returned b\"\"": func(t *testing.T) { endOfStream(t) },
}

func endOfStream(t *testing.T) {
	client, server := pair(t)
	client.Close()
	n, err := server.Read(make([]byte, 1))
	require.Zero(t, n)
	require.Equal(t, io.EOF, err)
}

// writesAll asks a Write for more than there is room for: it goes on until a deadline stops it, and
// says how much was taken.
func writesAll(t *testing.T) {
	client, server := pair(t)
	const size = 64 << 20
	type result struct {
		n   int
		err error
	}
	done := make(chan result)
	go func() {
		n, err := client.Write(make([]byte, size))
		done <- result{n, err}
	}()
	_, err := server.Read(make([]byte, 1)) // the Write has begun
	require.NoError(t, err)
	require.NoError(t, client.SetWriteDeadline(time.Now()))
	got := <-done
	require.ErrorIs(t, got.err, os.ErrDeadlineExceeded)
	require.NotZero(t, got.n)
	require.Less(t, got.n, size)
}

// pastDeadline reads where bytes are waiting: a deadline in the past fails all the same.
func pastDeadline(t *testing.T) {
	client, server := pair(t)
	_, err := client.Write([]byte("xy"))
	require.NoError(t, err)
	_, err = server.Read(make([]byte, 1)) // both are there
	require.NoError(t, err)
	require.NoError(t, server.SetReadDeadline(time.Now().Add(-time.Second)))
	_, err = server.Read(make([]byte, 1))
	require.ErrorIs(t, err, os.ErrDeadlineExceeded)
	require.NotErrorIs(t, err, syscall.EAGAIN)
}

func listener(t *testing.T, addr string) net.Listener {
	ln, err := net.Listen("tcp", addr)
	require.NoError(t, err)
	t.Cleanup(func() { ln.Close() })
	return ln
}

// closedPort is one where nobody listens.
func closedPort(t *testing.T) string {
	ln := listener(t, "127.0.0.1:0")
	ln.Close()
	_, port, err := net.SplitHostPort(ln.Addr().String())
	require.NoError(t, err)
	return port
}

func pair(t *testing.T) (client, server *net.TCPConn) {
	ln := listener(t, "127.0.0.1:0")
	dialled, err := net.Dial("tcp", ln.Addr().String())
	require.NoError(t, err)
	accepted, err := ln.Accept()
	require.NoError(t, err)
	for _, conn := range []net.Conn{dialled, accepted} {
		t.Cleanup(func() { conn.Close() })
		require.NoError(t, conn.SetDeadline(time.Now().Add(10*time.Second)))
	}
	return dialled.(*net.TCPConn), accepted.(*net.TCPConn)
}

func datagrams(t *testing.T) (client, server *net.UDPConn) {
	pc, err := net.ListenPacket("udp", "127.0.0.1:0")
	require.NoError(t, err)
	conn, err := net.Dial("udp", pc.LocalAddr().String())
	require.NoError(t, err)
	t.Cleanup(func() { pc.Close(); conn.Close() })
	require.NoError(t, pc.SetDeadline(time.Now().Add(10*time.Second)))
	return conn.(*net.UDPConn), pc.(*net.UDPConn)
}

// nonblocking asks the kernel whether a call on a socket returns when there is nothing to do.
func nonblocking(t *testing.T, socket syscall.Conn) bool {
	raw, err := socket.SyscallConn()
	require.NoError(t, err)
	var flags uintptr
	require.NoError(t, raw.Control(func(fd uintptr) {
		flags, _, _ = syscall.Syscall(syscall.SYS_FCNTL, fd, syscall.F_GETFL, 0)
	}))
	return flags&syscall.O_NONBLOCK != 0
}

// option asks the kernel for an option of a socket.
func option(t *testing.T, socket syscall.Conn, level, name int) (value int) {
	raw, err := socket.SyscallConn()
	require.NoError(t, err)
	var oerr error
	require.NoError(t, raw.Control(func(fd uintptr) {
		value,
			oerr = syscall.GetsockoptInt(int(fd), level, name)
	}))
	require.NoError(t, oerr)
	return value
}

var code = regexp.MustCompile("`([^`]+)`")

// Each row of the dictionary is held by a test above, or has a reference.
func TestDictionary(t *testing.T) {
	text, err := os.ReadFile("README.md")
	require.NoError(t, err)
	_, section, ok := strings.Cut(string(text), "\n## From Python's socket methods to Go\n")
	require.True(t, ok)
	rows := map[string]bool{}
	section = strings.ReplaceAll(section, "`recv` returned `b\"\"`", "`recv returned b\"\"`")
	for line := range strings.SplitSeq(section, "\n") {
		first, rest, _ := strings.Cut(strings.TrimPrefix(line, "| "), " | ")
		name := code.FindStringSubmatch(first)
		if !strings.HasPrefix(line, "| `") {
			continue
		}
		require.NotNil(t, name, line)
		rows[name[1]] = true
		if !strings.Contains(rest, "](https://") {
			require.Contains(t, dictionary, name[1], "a row that nothing holds")
		}
	}
	for name, holds := range dictionary {
		require.True(t, rows[name], "there is no row for %s", name)
		t.Run(name, holds)
	}
}

// What the dictionary says of Python.
func TestDictionaryOfPython(t *testing.T) {
	python, err := exec.LookPath("python3")
	if err != nil && os.Getenv("CI") == "" {
		t.Skip("there is no python3")
	}
	require.NoError(t, err)
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	said, err := exec.CommandContext(ctx, python, "-c", ofPython).CombinedOutput()
	require.NoError(t, err, "%s", said)
}

const ofPython = `
import errno, select, socket, struct, threading, time

def pair():
    with socket.create_server(("127.0.0.1", 0)) as s:
        c = socket.create_connection(s.getsockname(), timeout=10)
        a, _ = s.accept()
    a.settimeout(10)
    return c, a

def raises(kind, call, *args):
    try:
        call(*args)
    except kind as e:
        return e
    raise AssertionError("no %s" % kind)

# bind, create_server
s = socket.create_server(("", 0))
assert s.family == socket.AF_INET and s.getsockname()[0] == "0.0.0.0"
assert s.getsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR) == 1
assert socket.socket().getsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR) == 0
one = socket.create_server(("127.0.0.1", 0), reuse_port=True)
two = socket.create_server(one.getsockname(), reuse_port=True)

# listen
s = socket.socket()
s.bind(("127.0.0.1", 0))
s.listen(5)
queued = [socket.create_connection(s.getsockname(), timeout=10) for _ in range(6)]
raises(TimeoutError, socket.create_connection, s.getsockname(), 0.1)

# create_connection: its timeout stays
c, a = pair()
assert c.gettimeout() == 10

# accept: close in another thread does not end it
s = socket.create_server(("127.0.0.1", 0))
address, accepted = s.getsockname(), []
t = threading.Thread(target=lambda: accepted.append(s.accept()), daemon=True)
t.start()
waiting = False
for _ in range(1000):  # until accept waits in the kernel, if this system tells
    with open("/proc/self/task/%d/wchan" % t.native_id) as f:
        waiting = "accept" in f.read()
    if waiting:
        break
    time.sleep(0.001)
if waiting:
    s.close()
    t.join(0.05)
    assert t.is_alive()
last = socket.create_connection(address, timeout=10)
t.join(10)
assert len(accepted) == 1

# close
c, a = pair()
c.close()
c.close()

# send takes less
c, a = pair()
c.settimeout(0)
assert c.send(bytes(64 << 20)) < 64 << 20

# setblocking(False): what waits is returned
c, a = pair()
a.sendall(b"x")
select.select([c], [], [], 10)
c.setblocking(False)
assert c.recv(9) == b"x"
raises(BlockingIOError, c.recv, 9)

# sendto on a connected socket
u, v = (socket.socket(socket.AF_INET, socket.SOCK_DGRAM) for _ in range(2))
v.bind(("127.0.0.1", 0))
u.connect(v.getsockname())
assert u.sendto(b"x", v.getsockname()) == 1

# makefile: reads ahead, and keeps the connection open
c, a = pair()
a.sendall(b"one\ntwo\n")
select.select([c], [], [], 10)
f = c.makefile("rb")
assert f.readline() == b"one\n"
c.setblocking(False)
raises(BlockingIOError, c.recv, 9)
c.close()
a.settimeout(0.05)
raises(TimeoutError, a.recv, 1)
f.close()
a.settimeout(10)
assert a.recv(1) == b""

# getpeername
c, a = pair()
a.close()
assert c.recv(1) == b"" and c.getpeername()
c.shutdown(socket.SHUT_WR)
for _ in range(1000):
    try:
        c.getpeername()
    except OSError as e:
        assert e.errno == errno.ENOTCONN
        break
    time.sleep(0.01)  # until the peer's kernel has acknowledged the end
else:
    raise AssertionError("both have ended, and getpeername still answers")
c, a = pair()
a.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
a.close()
select.select([c], [], [], 10)
assert raises(OSError, c.getpeername).errno == errno.ENOTCONN

# shutdown
c, a = pair()
c.shutdown(socket.SHUT_RDWR)
assert a.recv(1) == b"" and c.recv(1) == b"" and c.fileno() >= 0

# setsockopt
c, a = pair()
assert c.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY) == 0
assert c.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE) == 0

# errors
assert isinstance(OSError(errno.ETIMEDOUT, ""), TimeoutError)
assert socket.timeout is TimeoutError
assert issubclass(socket.gaierror, OSError)
`
