package scenario

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"strings"
	"time"

	"socketbook/tools/loopback"
	"socketbook/tools/timeline"
)

// Listening is a way to listen, and how that is said in a sentence: "with SO_REUSEADDR".
type Listening struct {
	How    string
	Listen func(addr string) (net.Listener, error)
}

// free is what comes of listening on an address that can be had.
const free = "free"

// again listens on an address that was in use, records what came of it, and closes the listener.
func (l Listening) again(rec *timeline.Recorder, addr string) error {
	ln, err := l.Listen(addr)
	if err != nil {
		rec.Note("server", nil, "listen on %s %s: %s", addr, l.How, reason(err))
		return err
	}
	rec.Note("server", nil, "listen on %s %s: %s", addr, l.How, free)
	return ln.Close()
}

// quietAddr returns an address of 127.0.0.1 that nobody has, not even a connection in TIME_WAIT. No
// system hands out its port by itself (32768 and up on Linux, 49152 and up elsewhere), so that nobody
// gets it by chance between two servers.
func quietAddr() (addr string, err error) {
	for range 100 { // some ports are taken
		addr = fmt.Sprintf("127.0.0.1:%d", 10000+rand.IntN(20000))
		var ln net.Listener
		if ln, err = loopback.ListenOptions(addr, loopback.Options{NoReuse: true}); err == nil {
			return addr, ln.Close()
		}
	}
	return "", err
}

// Restart lets a server end while its client is still connected, and then listens on its address in
// each of the ways of next, one after the other. Got is what came of each, Met the error of the last
// one, N how many succeeded.
func Restart(dial func(addr string) (net.Conn, error), first Listening, next ...Listening) Play {
	return withTimeWait(func(rec *timeline.Recorder) (o Outcome, err error) {
		addr, err := quietAddr()
		if err != nil {
			return o, err
		}
		ln, err := first.Listen(addr)
		if err != nil {
			return o, err
		}
		ln = rec.Listener("server", ln)
		defer ln.Close()
		client, err := rec.Dial("client", addr, dial)
		if err != nil {
			return o, err
		}
		defer client.Close()
		server, err := ln.Accept()
		if err != nil {
			return o, err
		}
		defer server.Close()
		client.SetDeadline(time.Now().Add(loopback.Patience))
		server.SetDeadline(time.Now().Add(loopback.Patience))
		if _, err := server.Write([]byte("hello")); err != nil {
			return o, err
		}
		if _, err := client.Read(make([]byte, 1024)); err != nil {
			return o, err
		}
		server.Close()
		ln.Close()
		if err := leaveTimeWait(rec, client, addr); err != nil {
			return o, err
		}
		for _, way := range next {
			o.Met = way.again(rec, addr)
			result := "succeeds"
			if o.Met == nil {
				o.N++
			} else {
				result = "fails: " + reason(o.Met)
			}
			o.Got = append(o.Got, result)
			rec.Verdict("the first server ran %s; a restart %s %s", first.How, way.How, result)
		}
		return o, nil
	})
}

// leaveTimeWait reads a client's end of file, which the server at addr has sent, and closes: the
// server's side is in TIME_WAIT then. Linux shows it; elsewhere nothing is waited for.
func leaveTimeWait(rec *timeline.Recorder, client net.Conn, addr string) error {
	if n, err := client.Read(make([]byte, 1)); err != io.EOF {
		return fmt.Errorf("the client read %d bytes and %v instead of the end", n, err)
	}
	local := client.LocalAddr().String()
	client.Close()
	if runtime.GOOS != "linux" {
		return nil
	}
	const timeWait = "06"
	err := pollFor(loopback.Patience, "the server's side to be in TIME_WAIT", func() bool {
		return tcpState(addr, local) == timeWait
	})
	if err == nil {
		rec.State(0, "the server has ended; its side of the connection is in TIME_WAIT")
	}
	return err
}

// tcpState is the state of the connection between two IPv4 addresses (proc_net_tcp(5)), seen from the
// first one: "06" is TIME_WAIT, "" is none.
func tcpState(local, remote string) string {
	table, _ := os.ReadFile("/proc/self/net/tcp")
	for row := range strings.Lines(string(table)) {
		f := strings.Fields(row)
		if len(f) > 3 && f[1] == tableAddr(local) && f[2] == tableAddr(remote) {
			return f[3]
		}
	}
	return ""
}

// inTimeWait counts the connections to an IPv4 address that are in TIME_WAIT, those whose client closed
// first. The table changes while it is read, and may show a connection twice.
func inTimeWait(remote string) int {
	clients := map[string]bool{}
	table, _ := os.ReadFile("/proc/self/net/tcp")
	for row := range strings.Lines(string(table)) {
		f := strings.Fields(row)
		if len(f) > 3 && f[2] == tableAddr(remote) && f[3] == "06" {
			clients[f[1]] = true
		}
	}
	return len(clients)
}

// tableAddr is how /proc/net/tcp writes "127.0.0.1:8080": 0100007F:1F90 where the least significant
// byte comes first.
func tableAddr(addr string) string {
	a := netip.MustParseAddrPort(addr)
	four := a.Addr().As4()
	return fmt.Sprintf("%08X:%04X", binary.NativeEndian.Uint32(four[:]), a.Port())
}

// withTimeWait is for plays about what TIME_WAIT forbids, and about descriptors that are inherited.
func withTimeWait(play Play) Play {
	if unix {
		return play
	}
	return func(*timeline.Recorder) (Outcome, error) {
		return Outcome{}, fmt.Errorf("TIME_WAIT keeps nobody from listening here, and Go "+
			"hands no socket to a new process: %w", errors.ErrUnsupported)
	}
}

// AtExit ends three programs and listens on the port that each had: a server without a client, one with
// a client, and one that has left its listener to a child. program is a lesson with arguments of its
// command line, holder a process that holds what it inherits until its standard input ends. Got is
// what came of each attempt.
func AtExit(
	dial func(addr string) (net.Conn, error), without, with Listening,
	program func(args ...string) *exec.Cmd, holder func() *exec.Cmd,
) Play {
	return withTimeWait(func(rec *timeline.Recorder) (o Outcome, err error) {
		again := func(l Listening, addr string) {
			if err := l.again(rec, addr); err != nil {
				o.Got = append(o.Got, reason(err))
				return
			}
			o.Got = append(o.Got, free)
		}
		// A server without a client.
		server, err := startProgram(program)
		if err != nil {
			return o, err
		}
		server.kill()
		rec.State(0, "a server has ended; nobody was connected")
		again(without, server.addr)

		// A server with a client.
		if server, err = startProgram(program); err != nil {
			return o, err
		}
		defer server.kill()
		client, err := rec.Dial("client", server.addr, dial)
		if err != nil {
			return o, err
		}
		defer client.Close()
		client.SetDeadline(time.Now().Add(loopback.Patience))
		if _, err := exchange(client, "hello"); err != nil {
			return o, err
		}
		server.kill()
		if err := leaveTimeWait(rec, client, server.addr); err != nil {
			return o, err
		}
		again(without, server.addr)
		again(with, server.addr)

		// A listener that a child has inherited.
		addr, err := quietAddr()
		if err != nil {
			return o, err
		}
		ln, err := with.Listen(addr)
		if err != nil {
			return o, err
		}
		defer ln.Close()
		child, err := inherit(ln, holder())
		if err != nil {
			return o, err
		}
		defer child.end()
		ln.Close()
		rec.State(0, "a server has closed its listener; a child that inherited it still runs")
		again(with, addr)
		late, err := rec.Dial("client 2", addr, dial)
		if err != nil {
			return o, fmt.Errorf("dialling a listener that a child holds: %w", err)
		}
		late.Close()
		child.end()
		rec.State(0, "the child has ended")
		again(with, addr)

		rec.Verdict("no connection was left: %s", o.Got[0])
		rec.Verdict("one was left in TIME_WAIT: %s %s, %s %s", o.Got[1], without.How, o.Got[2], with.How)
		rec.Verdict("a child has the listener: %s, and clients are let in; the child has ended: %s",
			o.Got[3], o.Got[4])
		return o, nil
	})
}

// running is a lesson's server as a process.
type running struct {
	cmd  *exec.Cmd
	addr string
}

// startProgram starts a lesson's server on a port of its own, and waits until it listens.
func startProgram(program func(args ...string) *exec.Cmd) (*running, error) {
	addr, err := quietAddr()
	if err != nil {
		return nil, err
	}
	cmd := program("server", "-addr", addr)
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	r := &running{cmd, addr}
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil || !strings.HasPrefix(line, "listening on ") {
		r.kill()
		return nil, fmt.Errorf("a server said %q and not where it listens: %w", line, err)
	}
	return r, nil
}

func (r *running) kill() {
	r.cmd.Process.Kill()
	r.cmd.Wait() // it has ended, and its sockets are closed
}

// heir is a process that has inherited a listener.
type heir struct {
	cmd *exec.Cmd
	in  io.Closer // its standard input
}

// inherit starts cmd with a copy of ln, which it keeps until end.
func inherit(ln net.Listener, cmd *exec.Cmd) (*heir, error) {
	file, err := ln.(interface{ File() (*os.File, error) }).File()
	if err != nil {
		return nil, err
	}
	defer file.Close()
	cmd.ExtraFiles = []*os.File{file}
	in, err := cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	return &heir{cmd, in}, cmd.Start()
}

func (h *heir) end() {
	h.in.Close()
	h.cmd.Wait()
}

// WhoHasIt asks who has a port: of a listener that a child has inherited, then when this process has
// closed its copy, then when the child has ended. Got says it: "this process", "its child".
func WhoHasIt(
	listen func(addr string) (net.Listener, error), whoHas func(port int) (pids []int, err error),
	holder func() *exec.Cmd,
) Play {
	return func(rec *timeline.Recorder) (o Outcome, err error) {
		if _, err := whoHas(0); err != nil {
			return o, err
		}
		ln, err := listen("127.0.0.1:0")
		if err != nil {
			return o, err
		}
		port := ln.Addr().(*net.TCPAddr).Port
		recorded := rec.Listener("server", ln)
		defer recorded.Close()
		child, err := inherit(ln, holder())
		if err != nil {
			return o, err
		}
		defer child.end()
		names := map[int]string{os.Getpid(): "this process", child.cmd.Process.Pid: "its child"}
		ask := func() error {
			pids, err := whoHas(port)
			var held, said []string
			for _, pid := range pids {
				held = append(held, names[pid])
				said = append(said, fmt.Sprintf("%s (process %d)", names[pid], pid))
			}
			slices.Sort(held)
			slices.Reverse(held) // this process first, whatever the numbers are
			slices.SortFunc(said, func(a, b string) int { return strings.Compare(b, a) })
			o.Got = append(o.Got, strings.Join(held, " and "))
			rec.Verdict("the port is held by %s", orNobody(strings.Join(said, " and ")))
			return err
		}
		rec.State(0, "a child has inherited the listener")
		if err := ask(); err != nil {
			return o, err
		}
		recorded.Close()
		if err := ask(); err != nil {
			return o, err
		}
		child.end()
		rec.State(0, "the child has ended")
		return o, ask()
	}
}

func orNobody(list string) string {
	if list == "" {
		return "nobody"
	}
	return list
}

// ConverseFunc sends each line of in to the server at addr as one message, over as many connections as
// it likes, and prints the answers.
type ConverseFunc func(
	dial func(addr string) (net.Conn, error), addr string, in io.Reader, out io.Writer,
) error

// OneConnection talks over one connection.
func OneConnection(talk TalkFunc) ConverseFunc {
	return func(
		dial func(addr string) (net.Conn, error), addr string, in io.Reader, out io.Writer,
	) error {
		conn, err := dial(addr)
		if err != nil {
			return err
		}
		defer conn.Close()
		return talk(conn, in, out)
	}
}
