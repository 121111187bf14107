package scenario_test

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"socketbook/lessons/internal/scenario"
	"socketbook/tools/loopback"
	"socketbook/tools/netns"
	"socketbook/tools/timeline"
)

func TestMain(m *testing.M) {
	netns.Main() // a play in a private network starts the test again
	switch os.Getenv("SCENARIO_ROLE") {
	case "hold": // keeps what it has inherited until its standard input ends
		io.Copy(io.Discard, os.Stdin)
		os.Exit(0)
	case "answer": // a client, who is on descriptor 3
		conn, err := net.FileConn(os.NewFile(3, "client"))
		if err != nil {
			os.Exit(1)
		}
		answer(conn)
		os.Exit(0)
	case "mumble": // says what no server says, and stays
		os.Stdout.WriteString("good morning\n")
		io.Copy(io.Discard, os.Stdin)
		os.Exit(0)
	case "server", "one": // for many clients, or for one
		ln, err := net.Listen("tcp", os.Args[len(os.Args)-1])
		if err != nil {
			os.Exit(1)
		}
		os.Stdout.WriteString("listening on " + ln.Addr().String() + "\n")
		for {
			conn, err := ln.Accept()
			if err != nil {
				os.Exit(1)
			}
			if os.Getenv("SCENARIO_ROLE") == "one" {
				ln.Close()
				answer(conn)
				continue
			}
			go answer(conn)
		}
	}
	os.Setenv("GORACE", "atexit_sleep_ms=0") // for processes that a play starts
	os.Exit(loopback.Main(m))
}

func program(role string) func(args ...string) *exec.Cmd {
	return func(args ...string) *exec.Cmd {
		path, err := os.Executable()
		cmd := exec.Command(path, args...)
		cmd.Env, cmd.Err = append(os.Environ(), "SCENARIO_ROLE="+role), err
		return cmd
	}
}

func holder() *exec.Cmd { return program("hold")() }

// The plainest programs there are: every read is a message, and answers are in capitals.
var messages = scenario.Messages{
	Send: func(w io.Writer, payload []byte) error {
		_, err := w.Write(payload)
		return err
	},
	Receive: func(r io.Reader) ([]byte, error) {
		buf := make([]byte, 1024)
		n, err := r.Read(buf)
		return buf[:n], err
	},
}

func serve(ln net.Listener) error {
	for {
		conn, err := ln.Accept()
		if err != nil {
			return err
		}
		answer(conn)
	}
}

func answer(conn net.Conn) error {
	defer conn.Close()
	buf := make([]byte, 1024)
	for {
		n, err := conn.Read(buf)
		if err != nil {
			return err
		}
		if _, err := conn.Write(bytes.ToUpper(buf[:n])); err != nil {
			return err
		}
	}
}

func servePacket(pc net.PacketConn) error {
	buf := make([]byte, 1024)
	for {
		n, from, err := pc.ReadFrom(buf)
		if err != nil {
			return err
		}
		if _, err := pc.WriteTo(bytes.ToUpper(buf[:n]), from); err != nil {
			return err
		}
	}
}

func talk(conn net.Conn, in io.Reader, out io.Writer) error {
	lines, buf := bufio.NewScanner(in), make([]byte, 1024)
	for lines.Scan() {
		if _, err := conn.Write(lines.Bytes()); err != nil {
			return err
		}
		n, err := conn.Read(buf)
		if err != nil {
			return err
		}
		out.Write(append(buf[:n:n], '\n'))
	}
	return nil
}

// serveProcesses gives each client a process.
func serveProcesses(ln net.Listener, program func() *exec.Cmd) error {
	for {
		conn, err := ln.Accept()
		if errors.Is(err, net.ErrClosed) {
			return nil
		}
		if err != nil {
			return err
		}
		if _, err := handOver(conn, program()); err != nil {
			return err
		}
	}
}

func handOver(conn net.Conn, cmd *exec.Cmd) (io.Closer, error) {
	defer conn.Close()
	file, err := conn.(interface{ File() (*os.File, error) }).File()
	if err != nil {
		return nil, err
	}
	defer file.Close()
	cmd.ExtraFiles = []*os.File{file}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	go cmd.Wait()
	return nil, nil
}

func dial(network string) func(addr string) (net.Conn, error) {
	return func(addr string) (net.Conn, error) { return net.Dial(network, addr) }
}

func listen(addr string) (net.Listener, error) { return net.Listen("tcp", addr) }

func nobodyHas(int) ([]int, error) { return nil, nil }

// On a machine that has no descriptor left for a socket, a file or a process, a play says so; with
// one more each time it comes a step further, until it is what it always is. Nothing is left behind
// on the way.
func TestScarceDescriptors(t *testing.T) {
	programs := scenario.Programs{Serve: serve, Dial: dial("tcp"), Talk: talk}
	packets := scenario.PacketPrograms{Serve: servePacket, Dial: dial("udp"), Talk: talk}
	with := scenario.Listening{How: "with SO_REUSEADDR", Listen: listen}
	children := scenario.Children{Dial: dial("tcp"), Program: func() *exec.Cmd { return program("answer")() }}
	plays := map[string]scenario.Play{
		"glue":           scenario.Glue(messages),
		"no delay":       scenario.NoDelay(messages),
		"prompt":         scenario.Prompt(messages),
		"nagle joins":    scenario.NagleJoins(),
		"residue":        scenario.Residue(answer, talk),
		"talking":        scenario.Talking(programs, "one", "two"),
		"second message": scenario.SecondMessage(programs),
		"next client":    scenario.NextClient(programs),
		"converse":       scenario.Converse(packets, "one", "two"),
		"datagram glue":  scenario.DatagramGlue(servePacket),
		"overflow":       scenario.QueueOverflow(),
		"forged":         scenario.Forged(servePacket, scenario.Connected(dial("udp")), talk),
		"overtaken":      scenario.Overtaken(packets),
		"doubled":        scenario.Doubled(packets),
		"wrong encoding": scenario.WrongEncoding(talk),
		"cut character":  scenario.CutCharacter(answer, talk),
		"silent command": scenario.SilentCommand(answer, talk),
		"never closed":   scenario.NeverClosed(programs),
		"second waits":   scenario.SecondWaitsAtMost(programs, scenario.Hang),
		"truncated": scenario.Truncated(func(pc net.PacketConn, limit int) ([]byte, error) {
			buf := make([]byte, limit)
			n, _, err := pc.ReadFrom(buf)
			return buf[:n], err
		}),
		"sizes": scenario.Sizes(packets, "one", "two"),
		"crowd": scenario.Crowd(scenario.CrowdServer{
			Kind: "ours", Command: func() *exec.Cmd { return program("server")("127.0.0.1:0") }, Clients: []int{1, 3},
		}),
		"echo pair":    scenario.EchoPair(scenario.ServeTyped, scenario.Question),
		"echo loop":    scenario.EchoLoop(scenario.ServeTyped),
		"processes":    scenario.Processes(children, serveProcesses),
		"parents copy": scenario.ParentsCopy(children, loopback.Patience, handOver),
		"zombie":       scenario.Zombie(children, loopback.Patience, handOver),
		"restart":      scenario.Restart(dial("tcp"), with, with),
		"at exit":      scenario.AtExit(dial("tcp"), with, with, program("server"), holder),
		"who has it":   scenario.WhoHasIt(listen, nobodyHas, holder),
	}
	for name, play := range plays {
		t.Run(name, func(t *testing.T) {
			usual, err := play(timeline.NewRecorder(name))
			require.NoError(t, err)
			before := loopback.Snapshot()
			for spare := 0; ; spare++ {
				require.Less(t, spare, 60, "descriptors, and it still says that there are too few")
				o, err := withDescriptors(t, spare, play)
				require.NoError(t, before.Leaked())
				if err == nil && o.Met == nil {
					require.Equal(t, usual.Got, o.Got)
					require.Positive(t, spare, "sockets without descriptors")
					return
				}
				if err == nil {
					err = o.Met
				}
				scarce := errors.Is(err, syscall.EMFILE) || errors.Is(err,
					errors.ErrUnsupported) || strings.Contains(err.Error(), "too many open files")
				require.True(t, scarce || left(err), "with %d more: %v", spare, err)
			}
		})
	}
}

// left reports whether a client met a server that had too few itself, and left.
func left(err error) bool {
	return errors.Is(err, syscall.ECONNRESET) || errors.Is(err, syscall.ECONNREFUSED) ||
		errors.Is(err, syscall.EPIPE) || errors.Is(err, io.EOF)
}

// withDescriptors plays where that many more descriptors can be had.
func withDescriptors(t *testing.T, spare int, play scenario.Play) (scenario.Outcome, error) {
	var limit syscall.Rlimit
	require.NoError(t, syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit))
	defer func() { require.NoError(t, syscall.Setrlimit(syscall.RLIMIT_NOFILE, &limit)) }()
	next, err := os.Open(os.DevNull) // its number is the lowest that is free
	require.NoError(t, err)
	low := limit
	low.Cur = uint64(next.Fd()) + uint64(spare)
	require.NoError(t, next.Close())
	require.NoError(t, syscall.Setrlimit(syscall.RLIMIT_NOFILE, &low))
	return play(timeline.NewRecorder("scarce"))
}

// What a play needs and cannot get is its error, and whom it has started has ended.
func TestParts(t *testing.T) {
	with := scenario.Listening{How: "somehow", Listen: listen}
	before := loopback.Snapshot()
	for name, play := range map[string]scenario.Play{
		"nobody can tell": scenario.WhoHasIt(listen, func(int) ([]int, error) { return nil, errBroken }, holder),
		"nobody can tell now": scenario.WhoHasIt(listen, func(port int) ([]int, error) {
			if port == 0 {
				return nil, nil
			}
			return nil, errBroken
		}, holder),
		"no listener": scenario.WhoHasIt(func(string) (net.Listener, error) { return nil, errBroken },
			nobodyHas, holder),
		"no child": scenario.WhoHasIt(listen, nobodyHas, func() *exec.Cmd { return &exec.Cmd{Err: errBroken} }),
		"no program": scenario.AtExit(dial("tcp"), with, with,
			func(...string) *exec.Cmd { return &exec.Cmd{Err: errBroken} }, holder),
		"no client": scenario.AtExit(func(string) (net.Conn, error) { return nil, errBroken },
			with, with, program("server"), holder),
		"no header of characters": scenario.Characters(
			func(string) ([]byte, error) { return nil, errBroken }, messages),
		"no big header": scenario.Big(func() ([]byte, error) { return nil, errBroken },
			func(net.Conn) error { return nil }),
		"no message": scenario.Glue(scenario.Messages{
			Send: func(io.Writer, []byte) error { return errBroken }, Receive: messages.Receive,
		}),
		"no answer": scenario.Glue(scenario.Messages{
			Send: messages.Send, Receive: func(io.Reader) ([]byte, error) { return nil, errBroken },
		}),
	} {
		_, err := play(timeline.NewRecorder(name))
		require.ErrorIs(t, err, errBroken, name)
		require.NoError(t, before.Leaked(), name)
	}
	_, err := scenario.AtExit(dial("tcp"), with, with, program("mumble"), holder)(timeline.NewRecorder("mumble"))
	require.ErrorContains(t, err, `"good morning\n"`)
	require.NoError(t, before.Leaked())
	_, err = scenario.Crowd(scenario.CrowdServer{
		Kind: "for one", Command: func() *exec.Cmd { return program("one")("127.0.0.1:0") }, Clients: []int{1, 3},
	})(timeline.NewRecorder("one"))
	require.ErrorIs(t, err, syscall.ECONNREFUSED)
	require.ErrorContains(t, err, "for one: ")
	require.NoError(t, before.Leaked())
}

// private holds plays in private networks whose listeners or clients fail from the n-th on.
var private = map[string]scenario.Play{}

func init() {
	for n := range 4 {
		add := func(name string, network scenario.PrivateNetwork, play scenario.PrivatePlay) {
			name = fmt.Sprintf("%s %d", name, n)
			private[name] = scenario.InPrivateNetwork(name, network, play)
		}
		backlog := scenario.PrivateNetwork{Sysctls: scenario.BacklogSysctls}
		add("backlog dial", backlog, scenario.Backlog(listen, failing(n, dial("tcp"))))
		add("port zero dial", scenario.PrivateNetwork{}, scenario.PortZero(listen, failing(n, dial("tcp"))))
		add("port zero listen", scenario.PrivateNetwork{}, scenario.PortZero(failing(n, listen), dial("tcp")))
		if n > 0 {
			continue
		}
		add("backlog listen", backlog, scenario.Backlog(failing(n, listen), dial("tcp")))
		add("ports run out", scenario.FourPorts, scenario.PortsRunOut(failing(n, listen), serve, dial("tcp"),
			scenario.OneConnection(talk)))
		add("two families", scenario.TwoAddresses, scenario.TwoFamilies(failing(n, listen), dial("tcp")))
		add("still listening", scenario.PrivateNetwork{}, scenario.StillListening(failing(n, listen)))
	}
}

var errBroken = errors.New("broken")

// failing returns a function that fails from its n-th call on, counted from 0.
func failing[T any](n int, call func(addr string) (T, error)) func(addr string) (T, error) {
	return func(addr string) (got T, err error) {
		if n--; n < 0 {
			return got, errBroken
		}
		return call(addr)
	}
}

// The same in a private network: why a play could not be played is known outside.
func TestPrivateParts(t *testing.T) {
	before := loopback.Snapshot()
	for name, play := range private {
		_, err := play(timeline.NewRecorder(name))
		if errors.Is(err, errors.ErrUnsupported) {
			t.Skip(err)
		}
		require.ErrorContains(t, err, errBroken.Error(), name)
		require.NoError(t, before.Leaked(), name)
	}
}

// What a server keeps open of a connection that it has handed over is closed when the play is over.
func TestKeptIsClosed(t *testing.T) {
	kept := &closer{}
	keeping := func(conn net.Conn, cmd *exec.Cmd) (io.Closer, error) {
		_, err := handOver(conn, cmd)
		return kept, err
	}
	children := scenario.Children{Dial: dial("tcp"), Program: func() *exec.Cmd { return program("answer")() }}
	for i, play := range []scenario.Play{
		scenario.ParentsCopy(children, loopback.Patience, keeping),
		scenario.Zombie(children, loopback.Patience, keeping),
	} {
		_, err := play(timeline.NewRecorder("kept"))
		require.NoError(t, err)
		require.Equal(t, i+1, kept.times)
	}
}

type closer struct{ times int }

func (c *closer) Close() error {
	c.times++
	return nil
}

// What a stage's own send or receive function fails with is what a play says.
func TestMessages(t *testing.T) {
	before := loopback.Snapshot()
	for n := range 2 {
		sends, receives := 0, 0
		deaf := scenario.Messages{Send: messages.Send, Receive: func(r io.Reader) ([]byte, error) {
			if receives++; receives > n {
				return nil, errBroken
			}
			return messages.Receive(r)
		}}
		dumb := scenario.Messages{Receive: messages.Receive, Send: func(w io.Writer, payload []byte) error {
			if sends++; sends > n {
				return errBroken
			}
			return messages.Send(w, payload)
		}}
		plays := map[string]func(m scenario.Messages) scenario.Play{
			"pause":  func(m scenario.Messages) scenario.Play { return scenario.Pause(m, 0) },
			"prompt": scenario.Prompt, "no delay": scenario.NoDelay,
		}
		if n == 0 {
			plays["glue"], plays["split"], plays["over-read"] = scenario.Glue, scenario.Split, scenario.OverRead
			plays["full buffer"] = func(m scenario.Messages) scenario.Play { return scenario.FullBuffer(m, 100) }
			plays["cut short"], plays["changed"] = scenario.CutShort, scenario.Changed
		}
		for name, play := range plays {
			for _, m := range []scenario.Messages{deaf, dumb} {
				o, err := play(m)(timeline.NewRecorder(name))
				require.ErrorIs(t, errors.Join(o.Met, err), errBroken, "%s, call %d", name, n)
				require.NoError(t, before.Leaked(), name)
				sends, receives = 0, 0
			}
		}
	}
}
