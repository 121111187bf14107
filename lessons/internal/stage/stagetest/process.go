package stagetest

import (
	"bufio"
	"bytes"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// actAsLesson, set in the environment, makes the test binary behave as the lesson's command.
const actAsLesson = "SOCKETBOOK_ACT_AS_LESSON"

// patience bounds every wait for another process.
const patience = time.Minute

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
	quick := "GORACE=atexit_sleep_ms=0" // the race detector sleeps before it ends
	cmd.Env = append(os.Environ(), actAsLesson+"=1", quick)
	return cmd
}

// Server starts the lesson's server on a free port and ends it with the test.
func Server(t *testing.T, args ...string) *Process {
	return Start(t, Command(t, append([]string{"server", "-addr", "127.0.0.1:0"}, args...)...))
}

// Start starts a server whose first line is "listening on HOST:PORT", and ends it with the test. A caller
// may have taken its StderrPipe.
func Start(t *testing.T, cmd *exec.Cmd) *Process {
	t.Helper()
	out, err := cmd.StdoutPipe()
	require.NoError(t, err)
	var errs bytes.Buffer
	if cmd.Stderr == nil {
		cmd.Stderr = &errs
	}
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
	require.True(t, watchdog.Stop(),
		"%s did not end within %v; it printed %q and, on standard error, %q", cmd, patience, &out,
		&errs)
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
	cmd := exec.CommandContext(t.Context(), python[0],
		slices.Concat(python[1:], []string{"-B", script}, args)...)
	cmd.Env = append(os.Environ(), "PYTHONUNBUFFERED=1")
	return cmd
}
