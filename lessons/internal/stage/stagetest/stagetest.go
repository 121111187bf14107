// Package stagetest holds what the tests of all lessons share: every scene plays and says the same each time, the
// command line keeps its promises, and every transcript in a README is what a run prints.
package stagetest

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"socketbook/lessons/internal/stage"
	"socketbook/tools/loopback"
	"socketbook/tools/timeline"
)

var (
	update = flag.Bool("update", false, "write the transcripts in README.md anew")
	times  = flag.Int("scenes", 2, "how often each scene is played to compare its verdicts")
)

// actAsLesson, set in the environment, makes the test binary behave as the lesson's command.
const actAsLesson = "SOCKETBOOK_ACT_AS_LESSON"

// patience bounds every wait for another process.
const patience = 20 * time.Second

// Main is a lesson's TestMain: it runs the tests and checks that they left nothing behind, or acts as the lesson.
func Main(m *testing.M, l stage.Lesson) {
	if os.Getenv(actAsLesson) != "" {
		stage.Main(l)
	}
	os.Exit(loopback.Main(m))
}

// Lesson checks what holds for every lesson.
func Lesson(t *testing.T, l stage.Lesson) {
	t.Run("scenes", func(t *testing.T) { scenes(t, l) })
	t.Run("readme", func(t *testing.T) { readme(t, l) })
	t.Run("command line", func(t *testing.T) { commandLine(t, l) })
	t.Run("interrupt", func(t *testing.T) { interrupt(t) })
}

// Run runs the lesson's command in this process.
func Run(ctx context.Context, l stage.Lesson, stdin string, args ...string) (stdout, stderr string, status int) {
	var out, errs bytes.Buffer
	status = stage.Run(ctx, l, args, strings.NewReader(stdin), &out, &errs)
	return out.String(), errs.String(), status
}

func scenes(t *testing.T, l stage.Lesson) {
	for _, sc := range l.Scenes {
		for _, naive := range []bool{true, false} {
			if naive && sc.Naive == nil || !naive && sc.Run == nil {
				continue
			}
			var first []string
			for i := range *times {
				events, err := stage.Play(t.Context(), sc, naive)
				require.NoError(t, err, "playing %s", sc.Name)
				require.NotZero(t, len(events)-timeline.Count(events, "", timeline.Verdict), "%s recorded nothing", sc.Name)
				verdicts := verdictsOf(events)
				require.NotEmpty(t, verdicts, "%s came to no verdict", sc.Name)
				if i == 0 {
					first = verdicts
				}
				require.Equal(t, first, verdicts, "%s said something else in run %d", sc.Name, i+1)
			}
		}
	}
}

func verdictsOf(events []timeline.Event) []string {
	var vs []string
	for _, e := range events {
		if e.Op == timeline.Verdict {
			vs = append(vs, mask(e.Text))
		}
	}
	return vs
}

var masks = []struct {
	pattern *regexp.Regexp
	instead string
}{
	{regexp.MustCompile(`(?m)^ +\d+\.\d( |$)`), "    0.0$1"},                                     // the clock of a picture
	{regexp.MustCompile(`> +\d+\.\d<`), ">    0.0<"},                                             // the same in SVG
	{regexp.MustCompile(`127\.0\.0\.1:\d+`), "127.0.0.1:00000"},                                  // ports
	{regexp.MustCompile(`\b\d+(\.\d+)? (ms|µs)`), "0 ms"},                                        // durations
	{regexp.MustCompile(`\b\d+ of 2000( datagrams)? (were lost|vanished)`), "1900 of 2000$1 $2"}, // how many fit is up to the system
}

// mask replaces what differs from run to run, and what only Linux can tell.
func mask(s string) string {
	if runtime.GOOS != "linux" {
		s = segments.ReplaceAllString(s, "")
	}
	for _, m := range masks {
		s = m.pattern.ReplaceAllString(s, m.instead)
	}
	return s
}

var segments = regexp.MustCompile(`(?m)^.*the kernel has counted \d+ segments? with data.*\n`)

var (
	transcript = regexp.MustCompile("(?s)```text\n\\$ go run \\./lessons/(\\d\\d)([^\n]*)\n(.*?)```")
	picture    = regexp.MustCompile(`!\[[^\]]*\]\(testdata/([a-z0-9-]+)\.svg\)`)
)

// readme runs every command that README.md shows with its output, draws every picture it shows, and compares.
func readme(t *testing.T, l stage.Lesson) {
	if runtime.GOOS != "linux" {
		t.Skip("README.md shows what a run on Linux prints; other systems have other words for the same errors")
	}
	Readme(t, l, "README.md")
}

// Readme checks the transcripts and pictures of lesson l in a text, which must have at least one transcript. Transcripts of
// other lessons are left to their tests.
func Readme(t *testing.T, l stage.Lesson, name string) {
	t.Setenv("COLUMNS", "80")
	text, err := os.ReadFile(name)
	require.NoError(t, err)
	found := transcript.FindAllSubmatchIndex(text, -1)
	var fresh bytes.Buffer
	at, ours := 0, 0
	for _, m := range found {
		if l.Number != string(text[m[2]:m[3]]) {
			continue // README.md of the whole course shows several
		}
		ours++
		args := strings.Fields(string(text[m[4]:m[5]]))
		out, errs, status := Run(t.Context(), l, "", args...)
		got := out + errs
		if status != 0 {
			got += fmt.Sprintf("exit status %d\n", status)
		}
		got = strings.TrimRight(got, "\n") + "\n"
		shown := string(text[m[6]:m[7]])
		if !*update {
			require.Equal(t, mask(shown), mask(got), "%s, after `%s`; go test ./lessons/%s -update writes it anew", name, args, l.Number)
		}
		if mask(shown) == mask(got) {
			got = shown // only the time and the ports are others
		}
		fresh.Write(text[at:m[6]])
		fresh.WriteString(got)
		at = m[7]
	}
	require.NotZero(t, ours, "%s shows no transcript of lesson %s", name, l.Number)
	fresh.Write(text[at:])
	if *update && !bytes.Equal(text, fresh.Bytes()) {
		require.NoError(t, os.WriteFile(name, fresh.Bytes(), 0o644))
	}
	for _, m := range picture.FindAllSubmatch(text, -1) {
		name := string(m[1])
		kept := filepath.Join("testdata", name+".svg")
		drawn := filepath.Join(t.TempDir(), "picture.svg")
		_, errs, status := Run(t.Context(), l, "", "-scene", name, "-svg", drawn)
		require.Zero(t, status, errs)
		got, err := os.ReadFile(drawn)
		require.NoError(t, err)
		if before, err := os.ReadFile(kept); *update && (err != nil || mask(string(before)) != mask(string(got))) {
			require.NoError(t, os.MkdirAll("testdata", 0o755))
			require.NoError(t, os.WriteFile(kept, got, 0o644))
		}
		want, err := os.ReadFile(kept)
		require.NoError(t, err)
		require.Empty(t, differing(mask(string(want)), mask(string(got))), "%s; go test ./lessons/%s -update draws it anew", kept, l.Number)
	}
}

// differing lists the lines that only one of two texts has, without those that are the same: a picture is long.
func differing(want, got string) string {
	const most = 20 // lines
	if want == got {
		return ""
	}
	count := map[string]int{}
	for line := range strings.Lines(got) {
		count[line]++
	}
	var lines []string
	for line := range strings.Lines(want) {
		if count[line]--; count[line] < 0 {
			lines = append(lines, "- "+strings.TrimRight(line, "\n"))
		}
	}
	for line := range strings.Lines(got) {
		if count[line] > 0 {
			count[line]--
			lines = append(lines, "+ "+strings.TrimRight(line, "\n"))
		}
	}
	if len(lines) == 0 {
		return "the same lines in another order"
	}
	if more := len(lines) - most; more > 0 {
		lines = append(lines[:most], fmt.Sprintf("and %d lines more", more))
	}
	return "\n" + strings.Join(lines, "\n")
}

func commandLine(t *testing.T, l stage.Lesson) {
	cancelled, cancel := context.WithCancel(context.Background())
	cancel()
	first := l.Scenes[0].Name

	t.Run("list", func(t *testing.T) {
		out, errs, status := Run(t.Context(), l, "", "-list")
		require.Zero(t, status)
		require.Empty(t, errs)
		require.Equal(t, len(l.Scenes), strings.Count(out, "\n"), "one line for each scene")
		for _, sc := range l.Scenes {
			require.Contains(t, out, sc.Name+" ")
		}
	})
	t.Run("help", func(t *testing.T) {
		out, errs, status := Run(t.Context(), l, "", "-help")
		require.Zero(t, status)
		require.Empty(t, errs)
		for line := range strings.Lines(out) {
			require.LessOrEqual(t, len(line), 80+len("\n"), line)
		}
		for flag, there := range map[string]bool{"-expose": l.RunsCommands, "-encoding": l.Encoding != nil, "-save": l.Folder != nil} {
			require.Equal(t, there, strings.Contains(out, flag), flag)
		}
	})
	t.Run("json", func(t *testing.T) {
		out, errs, status := Run(t.Context(), l, "", "-json", "-scene", first)
		require.Zero(t, status)
		require.Empty(t, errs)
		last := 0
		for line := range strings.Lines(out) {
			dec := json.NewDecoder(strings.NewReader(line))
			dec.DisallowUnknownFields()
			var e timeline.Event
			require.NoError(t, dec.Decode(&e), line)
			require.Equal(t, first, e.Scene)
			require.Greater(t, e.Seq, last)
			last = e.Seq
		}
		require.NotZero(t, last)
	})
	t.Run("ascii", func(t *testing.T) {
		out, _, status := Run(t.Context(), l, "", "-ascii", "-scene", first)
		require.Zero(t, status)
		require.NotRegexp(t, `[^\x00-\x7f]`, out)
	})
	t.Run("svg to a folder that is not there", func(t *testing.T) {
		_, errs, status := Run(t.Context(), l, "", "-scene", first, "-svg", filepath.Join(t.TempDir(), "no", "x.svg"))
		oneLine(t, 1, status, errs, "x.svg")
	})
	for _, wrong := range []struct {
		says string
		args []string
	}{
		{"no role", []string{"sever"}},
		{"has no scene", []string{"-scene", "no-such-scene"}},
		{"not defined", []string{"-no-such-flag"}},
		{"one argument too many", []string{"server", "127.0.0.1:0"}},
		{"HOST:PORT", []string{"server", "-addr", "8080"}},
		{"HOST:PORT", []string{"client", "-addr", "127.0.0.1:70000"}},
		{"the address that the server printed", []string{"client", "-addr", "127.0.0.1:0"}},
		{"the address that the server printed", []string{"client", "-addr", "localhost:00"}},
		{"not defined", []string{"client", "-no-such-flag"}},
	} {
		_, errs, status := Run(t.Context(), l, "", wrong.args...)
		oneLine(t, 2, status, errs, wrong.says)
	}
	t.Run("server", func(t *testing.T) {
		out, errs, status := Run(cancelled, l, "", "server", "-addr", "127.0.0.1:0")
		require.Zero(t, status, errs)
		require.Regexp(t, `^listening on 127\.0\.0\.1:\d+\n$`, out)
	})
	t.Run("expose", func(t *testing.T) {
		_, errs, status := Run(cancelled, l, "", "server", "-addr", "0.0.0.0:0")
		if l.RunsCommands {
			oneLine(t, 2, status, errs, "-expose")
		} else {
			require.Zero(t, status, errs)
		}
	})
	t.Run("port in use", func(t *testing.T) {
		taken := taken(t, l)
		_, errs, status := Run(cancelled, l, "", "server", "-addr", taken)
		oneLine(t, 1, status, errs, "another program has this port")
		require.Contains(t, errs, taken)
		require.Contains(t, errs, "go run ./lessons/"+l.Number)
	})
	if l.Listen != nil {
		t.Run("nobody listening", func(t *testing.T) {
			addr, err := loopback.FreeAddr()
			require.NoError(t, err)
			_, errs, status := Run(t.Context(), l, "hello\n", "client", "-addr", addr)
			oneLine(t, 1, status, errs, "nobody listens")
			require.Contains(t, errs, "go run ./lessons/"+l.Number+" server -addr "+addr)
		})
		t.Run("peer left", func(t *testing.T) {
			ln, err := loopback.Listen()
			require.NoError(t, err)
			defer ln.Close()
			go func() { // a server that takes the message and leaves without an answer
				conn, err := ln.Accept()
				if err != nil {
					return
				}
				conn.Read(make([]byte, 1024))
				conn.Close()
			}()
			_, errs, status := Run(t.Context(), l, "hello\n", "client", "-addr", ln.Addr().String())
			oneLine(t, 1, status, errs, "go run ./lessons/"+l.Number+" server")
		})
		t.Run("standard output is full", func(t *testing.T) {
			server := Server(t)
			var errs bytes.Buffer
			status := stage.Run(t.Context(), l, []string{"client", "-addr", server.Addr}, strings.NewReader("echo hi\n"), full{}, &errs)
			oneLine(t, 1, status, errs.String(), "writing to standard output: "+syscall.ENOSPC.Error())
			require.NotContains(t, errs.String(), server.Addr, "it is not the server's fault")
		})
		t.Run("nothing to say", func(t *testing.T) {
			for _, stdin := range []string{"", "quit\n", "quit\nhello\n"} {
				ln, err := loopback.Listen()
				require.NoError(t, err)
				_, errs, status := Run(t.Context(), l, stdin, "client", "-addr", ln.Addr().String())
				require.Zero(t, status, errs)
				conn, err := ln.Accept()
				require.NoError(t, err)
				n, _ := conn.Read(make([]byte, 1))
				require.Zero(t, n, "the client sent something")
				conn.Close()
				ln.Close()
			}
		})
	}
	if l.ListenPacket != nil {
		t.Run("nobody listening", func(t *testing.T) {
			if runtime.GOOS == "windows" {
				t.Skip("Go switches off, on Windows, the report that a datagram met nobody")
			}
			addr, err := loopback.FreePacketAddr()
			require.NoError(t, err)
			_, errs, status := Run(t.Context(), l, "hello\n", "client", "-addr", addr)
			oneLine(t, 1, status, errs, "nobody listens")
			require.Contains(t, errs, "go run ./lessons/"+l.Number+" server -addr "+addr)
		})
		t.Run("silence", func(t *testing.T) {
			impatient := l
			impatient.Dial = func(addr string) (net.Conn, error) {
				conn, err := l.Dial(addr)
				return hurried{conn}, err
			}
			silent := taken(t, l)
			_, errs, status := Run(t.Context(), impatient, "hello\n", "client", "-addr", silent)
			oneLine(t, 1, status, errs, "no answer")
			require.Contains(t, errs, "go run ./lessons/"+l.Number+" server -addr "+silent)
		})
		t.Run("nothing to say", func(t *testing.T) {
			for _, stdin := range []string{"", "quit\n", "quit\nhello\n"} {
				pc, err := net.ListenPacket("udp", "127.0.0.1:0")
				require.NoError(t, err)
				_, errs, status := Run(t.Context(), l, stdin, "client", "-addr", pc.LocalAddr().String())
				require.Zero(t, status, errs)
				_, err = pc.WriteTo([]byte("end"), pc.LocalAddr())
				require.NoError(t, err)
				buf := make([]byte, 10)
				n, _, err := pc.ReadFrom(buf)
				require.NoError(t, err)
				require.Equal(t, "end", string(buf[:n]), "the client sent something")
				pc.Close()
			}
		})
	}
	if l.Encoding != nil {
		_, errs, status := Run(t.Context(), l, "", "client", "-encoding", "klingon")
		oneLine(t, 2, status, errs, "no such encoding")
	}
}

// full is a standard output on a full disk.
type full struct{}

func (full) Write([]byte) (int, error) {
	return 0, &os.PathError{Op: "write", Path: "/dev/stdout", Err: syscall.ENOSPC}
}

// hurried is a connection on which a wait for what never comes is short, whatever deadline the program sets.
type hurried struct{ net.Conn }

func (h hurried) SetReadDeadline(t time.Time) error {
	if !t.IsZero() {
		t = time.Now().Add(time.Millisecond)
	}
	return h.Conn.SetReadDeadline(t)
}

// taken returns an address that somebody listens on until the test ends.
func taken(t *testing.T, l stage.Lesson) string {
	if l.ListenPacket != nil {
		pc, err := net.ListenPacket("udp", "127.0.0.1:0")
		require.NoError(t, err)
		t.Cleanup(func() { pc.Close() })
		return pc.LocalAddr().String()
	}
	ln, err := loopback.Listen()
	require.NoError(t, err)
	t.Cleanup(func() { ln.Close() })
	return ln.Addr().String()
}

func oneLine(t *testing.T, want, status int, errs, says string) {
	t.Helper()
	require.Equal(t, want, status, errs)
	require.Equal(t, 1, strings.Count(errs, "\n"), "one line on standard error, not %q", errs)
	require.Contains(t, errs, says)
}

// interrupt starts the server as a process of its own and interrupts it.
func interrupt(t *testing.T) {
	cmd := Command(t, "server", "-addr", "127.0.0.1:0")
	interruptible(cmd)
	s := Start(t, cmd)
	require.NoError(t, sendInterrupt(cmd.Process))
	require.NoError(t, s.cmd.Wait(), "an interrupted server ends with status 0")
	s.ended = true
}

// Process is a lesson's server, or a peer in another language, as a process of its own.
type Process struct {
	Addr  string // what it said that it listens on
	cmd   *exec.Cmd
	ended bool
}

// Command returns the lesson's command as a process of its own.
func Command(t *testing.T, args ...string) *exec.Cmd {
	exe, err := os.Executable()
	require.NoError(t, err)
	cmd := exec.CommandContext(t.Context(), exe, args...)
	cmd.Env = append(os.Environ(), actAsLesson+"=1", "GORACE=atexit_sleep_ms=0") // the race detector sleeps before it ends
	return cmd
}

// Server starts the lesson's server on a free port and ends it with the test.
func Server(t *testing.T, args ...string) *Process {
	return Start(t, Command(t, append([]string{"server", "-addr", "127.0.0.1:0"}, args...)...))
}

// Start starts a server whose first line is "listening on HOST:PORT", and ends it with the test.
func Start(t *testing.T, cmd *exec.Cmd) *Process {
	t.Helper()
	out, err := cmd.StdoutPipe()
	require.NoError(t, err)
	var errs bytes.Buffer
	cmd.Stderr = &errs
	cmd.WaitDelay = patience
	require.NoError(t, cmd.Start())
	p := &Process{cmd: cmd}
	t.Cleanup(func() {
		if !p.ended {
			p.cmd.Process.Kill()
			p.cmd.Wait()
		}
	})
	line, err := bufio.NewReader(out).ReadString('\n')
	require.NoError(t, err, "the server said nothing; on standard error: %s", &errs)
	addr, ok := strings.CutPrefix(strings.TrimSpace(line), "listening on ")
	require.True(t, ok, "the server's first line was %q", line)
	p.Addr = addr
	return p
}

// Client runs the lesson's client as a process of its own on some lines of input.
func Client(t *testing.T, addr, stdin string, args ...string) (stdout, stderr string, status int) {
	t.Helper()
	return Output(t, Command(t, append([]string{"client", "-addr", addr}, args...)...), stdin)
}

// Output runs a command to its end, which must come before patience does.
func Output(t *testing.T, cmd *exec.Cmd, stdin string) (stdout, stderr string, status int) {
	t.Helper()
	var out, errs bytes.Buffer
	cmd.Stdin, cmd.Stdout, cmd.Stderr = strings.NewReader(stdin), &out, &errs
	require.NoError(t, cmd.Start())
	watchdog := time.AfterFunc(patience, func() { cmd.Process.Kill() })
	err := cmd.Wait()
	require.True(t, watchdog.Stop(), "%s did not end within %v; it printed %q and, on standard error, %q", cmd, patience, &out, &errs)
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		require.NoError(t, err)
	}
	return out.String(), errs.String(), cmd.ProcessState.ExitCode()
}

// Python returns a command that runs a script: a name below testdata, or an absolute path.
func Python(t *testing.T, script string, args ...string) *exec.Cmd {
	t.Helper()
	python := python3()
	if python == nil {
		if os.Getenv("CI") != "" {
			t.Fatal("python3 is required here, to talk to our programs from another language")
		}
		t.Skip("python3 is not installed: it plays the peer in another language")
	}
	if !filepath.IsAbs(script) {
		script = filepath.Join("testdata", script)
	}
	cmd := exec.CommandContext(t.Context(), python[0], slices.Concat(python[1:], []string{"-B", script}, args)...)
	cmd.Env = append(os.Environ(), "PYTHONUNBUFFERED=1")
	return cmd
}
